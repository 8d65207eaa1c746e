//! The PINs of services: where the program takes them from, and where they are not left.

use crate::rig::play;
use crate::rig::token::USER_PIN;
use crate::rig::world::{World, eventually};
use cryptoki::object::Attribute;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn a_pin_in_the_environment_is_in_no_process_while_the_program_works() {
    play(|world| {
        let token = world.token();
        let label = Attribute::Label(b"sealing".to_vec());
        token.generate_aes(&[Attribute::Token(true), label]);
        drop(token);
        world.end_agent();
        for more in [&[][..], &["--store", world.store().to_str().unwrap()]] {
            let arguments = [&["seal", "sealing", "--pin-file", "env:SERVICE_PIN"], more].concat();
            let mut sealing = with_module(world, &arguments)
                .env("SERVICE_PIN", USER_PIN)
                // The test run's scripts export the same PIN under a name of their own.
                .env_remove("USER_PIN")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let sealing_id = sealing.id();
            eventually("it is taken", || !shows_pin(sealing_id));
            // The other end reads once the key has been found, after the login.
            let mut input = sealing.stdin.take().unwrap();
            input.write_all(&[1; 1 << 20]).unwrap();
            assert!(!shows_pin(sealing_id));
            let agent = world.agent().unwrap().as_raw_nonzero().get();
            assert!(!shows_pin(agent.try_into().unwrap()));
            drop(input);
            assert!(sealing.wait().unwrap().success());
        }
    });
}

/// Returns true where a process shows the PIN in its environment. What it hides from its own user, who then
/// needs to be root to read it, it does not show.
fn shows_pin(process: u32) -> bool {
    match fs::read(format!("/proc/{process}/environ")) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => false,
        environment => has_pin(&environment.unwrap()),
    }
}

#[test]
fn a_pin_that_a_uri_holds_is_refused_and_not_repeated() {
    play(|world| {
        drop(world.token());
        let uri = format!("pkcs11:token=a%20token?pin-value={USER_PIN}");
        for arguments in [
            &["list", "--token", &uri][..],
            &["list", &format!("--token={uri}")],
            &["show", &uri],
            &["frobnicate", &uri],
            &["list", "--json", "--token", &uri],
        ] {
            let said = with_module(world, arguments).output().unwrap();
            let text = [said.stdout, said.stderr].concat();
            assert!(!has_pin(&text), "{}", String::from_utf8_lossy(&text));
            assert_eq!(said.status.code(), Some(2), "{}", String::from_utf8_lossy(&text));
            assert!(String::from_utf8_lossy(&text).contains("pin-value"), "{arguments:?}");
        }
    });
}

#[test]
fn a_uri_says_which_token_and_where_its_pin_is() {
    play(|world| {
        let token = world.token();
        token.empty_key(&[Attribute::Label(b"pay roll".to_vec())]);
        drop(token);
        let pin = world.path("the pin");
        fs::write(&pin, format!("{USER_PIN}\n")).unwrap();
        let source = format!("?pin-source=file:{}", pin.to_str().unwrap().replace(' ', "%20"));
        let listed = format!("pkcs11:token=a%20token{source}");
        let shown = format!("pkcs11:token=a%20token;object=pay%20roll;type=secret-key{source}");
        for arguments in [["list", "--token", &listed], ["show", &shown, "--json"]] {
            let said = with_module(world, &arguments).output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            assert!(String::from_utf8_lossy(&said.stdout).contains("pay roll"));
        }
        for wrong in ["token=another", "serial=00", "manufacturer=Another", "slot-id=7"] {
            let named = format!("pkcs11:{wrong}{source}");
            let said = with_module(world, &["list", "--token", &named]).output().unwrap();
            assert!(!said.status.success(), "{wrong}");
            assert!(String::from_utf8_lossy(&said.stderr).contains("there is no token"), "{wrong}");
        }
    });
}

#[test]
fn a_pins_file_that_others_can_read_or_write_is_warned_of() {
    play(|world| {
        let _token = world.token();
        let pin = world.path("pin");
        fs::write(&pin, format!("{USER_PIN}\n")).unwrap();
        let named = format!("pkcs11:token=a%20token?pin-source=file:{}", pin.display());
        let place = pin.to_str().unwrap();
        for (mode, is_open) in
            [(0o600, false), (0o640, false), (0o644, true), (0o620, true), (0o602, true)]
        {
            fs::set_permissions(&pin, Permissions::from_mode(mode)).unwrap();
            for arguments in [["list", "--pin-file", place], ["list", "--token", &named]] {
                let done = with_module(world, &arguments).output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                assert!(done.status.success(), "{said}");
                let warning = format!("keystead: warning: {place}: others can");
                assert_eq!(said.starts_with(&warning), is_open, "{mode:o}: {said}");
                assert_eq!(said.contains(&format!("`chmod g-w,o= {place}`")), is_open, "{said}");
            }
        }
        let json = with_module(world, &["list", "--json", "--pin-file", place]).output().unwrap();
        let warning: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
        assert!(warning["warning"]["message"].as_str().unwrap().contains("others can"));
        let quiet = with_module(world, &["list", "-q", "--pin-file", place]).output().unwrap();
        assert!(quiet.status.success() && quiet.stderr.is_empty(), "{quiet:?}");
    });
}

fn with_module(world: &World, arguments: &[&str]) -> Command {
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let module = ["--module", module.to_str().unwrap()];
    let named = arguments.iter().take(1).chain(&module).chain(arguments.iter().skip(1));
    world.keystead_command(&named.copied().collect::<Vec<_>>())
}

fn has_pin(text: &[u8]) -> bool {
    text.windows(USER_PIN.len()).any(|window| window == USER_PIN.as_bytes())
}
