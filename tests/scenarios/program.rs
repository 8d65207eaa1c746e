//! The `keystead` program: what it prints, and what it never takes from the command line.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, make_token};
use crate::rig::world::{World, eventually, now};
use crate::rig::{expires_at, made_objects, play, refused, wrap};
use base64ct::{Base64, Encoding};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use keystead::internal::lc::lattice::{PrivateKey, Set};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

#[test]
fn list_shows_every_custom_key_on_a_line() {
    play(|world| {
        let token = world.token();
        token.generate_aes(&[Attribute::Token(true), label("made here")]);
        token.empty_key(&[label("awaited")]);
        let text = works(keystead(world, &["list"]));
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line("made here").contains("generated"), "{text}");
        assert!(line("awaited").contains("pending import"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&works(keystead(world, &["list", "--json"]))).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 2);
    });
}

#[test]
fn show_prints_one_custom_key() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[label("payroll")]);
        for name in ["payroll", &id] {
            let text = works(keystead(world, &["show", name]));
            assert!(text.contains(&id) && text.contains("payroll"), "{text}");
        }
        let said = keystead(world, &["show", "nobody"]);
        assert_error(&said, "nobody");
    });
}

#[test]
fn a_size_that_no_key_has_is_named_and_the_sizes_there_are() {
    play(|world| {
        world.token();
        for wrong in [["AES", "104"], ["GENERIC", "0"], ["GENERIC", "40000"]] {
            let [key_type, bits] = wrong;
            let said = keystead(world, &["generate", "x", "--type", key_type, "--bits", bits]);
            assert_error(&said, &format!("no such key of {bits} bits"));
        }
    });
}

#[test]
fn an_import_key_is_made_and_its_public_half_is_pem() {
    play(|world| {
        let token = world.token();
        let text = works(keystead(world, &["import-key", "--bits", "2048"]));
        assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{text}");
        assert!(text.ends_with("-----END PUBLIC KEY-----\n"), "{text}");
        let file = world.path("import.pem");
        works(keystead(
            world,
            &["import-key", "--bits", "2048", "--label", "mine", "--out", file.to_str().unwrap()],
        ));
        assert!(fs::read_to_string(file).unwrap().contains("BEGIN PUBLIC KEY"));
        let class = Attribute::Class(ObjectClass::PRIVATE_KEY);
        let found = token.find_objects(&[class, label("mine")]).unwrap();
        assert_eq!(found.len(), 1);
        let expiry = token.number(found[0], crate::rig::EXPIRES_AT);
        assert!((now() + 86_000..=now() + 86_400).contains(&expiry));
    });
}

#[test]
fn each_form_that_openssl_writes_an_ml_kem_key_in_is_the_same_material() {
    play(|world| {
        world.token();
        let key = PrivateKey::generate(Set::MlKem512).unwrap();
        let (seed, expanded) = (key.seed().unwrap(), key.expanded().unwrap());
        let seed = [&[0x80, 0x40][..], seed.expose()].concat();
        let expanded = [&[0x04, 0x82, 0x06, 0x60][..], expanded.expose()].concat();
        let both = [&[0x30, 0x82, 0x06, 0xA6, 0x04][..], &seed[1..], &expanded].concat();
        for (name, parts) in [("seed-priv", &both), ("priv-only", &expanded), ("seed-only", &seed)]
        {
            let file = world.path(name);
            fs::write(&file, pem_of_ml_kem_512(parts)).unwrap();
            let import = ["import", "kem", file.to_str().unwrap()];
            let new: &[&str] =
                if name == "seed-priv" { &["--new", "--type", "ml-kem-512"] } else { &[] };
            let text = works(keystead(world, &[&import[..], new].concat()));
            assert!(text.contains("imported"), "{name}: {text}");
        }
        let other = PrivateKey::generate(Set::MlKem512).unwrap().seed().unwrap();
        let file = world.path("other");
        let parts = [&[0x80, 0x40][..], other.expose()].concat();
        fs::write(&file, pem_of_ml_kem_512(&parts)).unwrap();
        let said = keystead(world, &["import", "kem", file.to_str().unwrap()]);
        assert_error(&said, "not the material");
    });
}

/// A `PrivateKeyInfo` around what RFC 9935 has in it.
fn pem_of_ml_kem_512(parts: &[u8]) -> String {
    let head = b"\x02\x01\x00\x30\x0B\x06\x09\x60\x86\x48\x01\x65\x03\x04\x04\x01";
    let info = der(0x30, &[&head[..], &der(0x04, parts)].concat());
    let lines = Base64::encode_string(&info);
    let lines: Vec<&str> =
        lines.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let head = match length {
        0..=0x7F => vec![tag, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head[..], value].concat()
}

#[test]
fn a_sweep_says_what_it_did() {
    play(|world| {
        let token = world.token();
        let courier = wrap::Courier::new(&token);
        let soon = [&aes_material()[..], &[expires_at(now() + 100)]].concat();
        courier.import(&token, &[1; 32], &soon).unwrap();
        let said = works(keystead_bare(world, &["sweep"]));
        assert!(!said.trim().is_empty());
    });
}

#[test]
fn a_wrong_pin_is_an_error_with_a_hint() {
    play(|world| {
        drop(world.token());
        world.secret("pin", "wrong-pin\n");
        let said = with_pin_file(world, &["list"]).output().unwrap();
        assert_error(&said, "PIN");
    });
}

#[test]
fn the_token_must_be_named_where_there_are_several() {
    play(|world| {
        let module = world.module();
        make_token(&module, "one");
        let two: Token = make_token(&module, "two");
        two.empty_key(&[label("second's")]);
        let said = keystead(world, &["list"]);
        assert_error(&said, "one");
        let text = works(keystead(world, &["list", "--token", "two"]));
        assert!(text.contains("second's"), "{text}");
        assert_error(&keystead(world, &["list", "--token", "three"]), "three");
    });
}

#[test]
fn a_pin_is_never_an_argument() {
    play(|world| {
        for arguments in [&["list", "--pin", USER_PIN][..], &["list", USER_PIN]] {
            let said = keystead_bare(world, arguments);
            assert_eq!(said.status.code(), Some(2), "{said:?}");
        }
    });
}

#[test]
fn init_makes_a_store_that_is_not_there() {
    play(|world| {
        let store = world.path("nowhere").join("store");
        world.secret("pin", format!("{USER_PIN}\n"));
        let pin = world.path("pin");
        let pin = pin.to_str().unwrap();
        let init = ["init", "first", "--pin-file", pin, "--so-pin-file", pin];
        works(on_store(keystead_bare, world, &init, &store));
        works(on_store(keystead, world, &["list"], &store));
    });
}

#[test]
fn a_signal_at_a_question_leaves_the_terminal_as_it_was_and_no_file() {
    play(|world| {
        drop(world.token());
        let folder = world.path("backups");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("backup");
        for (key, signal, number) in
            [(None, "TERM", 15), (None, "HUP", 1), (None, "INT", 2), (Some(b"\x03"), "INT", 2)]
        {
            // It ignores no signal, whatever ignores one here, such as `nohup`.
            let asked = format!(
                "trap : {signal}; sh -c 'echo $$ > {pid}; \
                 exec env --default-signal={signal} {program} backup {file}'; echo status $?; stty -a",
                pid = world.path("pid").display(),
                program = env!("CARGO_BIN_EXE_keystead"),
                file = file.display(),
            );
            let mut terminal = world
                .tool("script")
                .args(["--quiet", "--return", "--command", &asked, "/dev/null"])
                .env("KEYSTEAD_CONF", world.path("config.toml"))
                .env("SHELL", "/bin/sh")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = Vec::new();
            let mut shown = terminal.stdout.take().unwrap();
            while !said.ends_with(b"New passphrase: ") {
                let mut byte = [0];
                assert_eq!(shown.read(&mut byte).unwrap(), 1, "{}", said.escape_ascii());
                said.extend(byte);
            }
            // What it was before, it is until the question has been shown.
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
            let mut keys = terminal.stdin.take().unwrap();
            match key {
                Some(key) => keys.write_all(key).unwrap(),
                None => {
                    let pid =
                        fs::read_to_string(world.path("pid")).unwrap().trim().parse().unwrap();
                    kill_process(
                        Pid::from_raw(pid).unwrap(),
                        Signal::from_named_raw(number).unwrap(),
                    )
                    .unwrap();
                }
            }
            shown.read_to_end(&mut said).unwrap();
            terminal.wait().unwrap();
            let text = String::from_utf8_lossy(&said);
            assert!(text.contains(&format!("status {}", 128 + number)), "{text}");
            assert!(text.contains(" echo ") && text.contains(" icanon "), "{text}");
            assert!(!text.contains("keystead: error"), "{text}");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        }
    });
}

#[test]
fn a_signal_while_an_import_key_is_made_leaves_no_file() {
    play(|world| {
        drop(world.token());
        world.secret("pin", format!("{USER_PIN}\n"));
        let file = world.path("import.pem");
        // Now and then a pair is made at once.
        let interrupted = (0..20).find_map(|attempt: u8| {
            let _from_before = fs::remove_file(&file);
            let (label, out) = (attempt.to_string(), file.to_str().unwrap());
            let arguments = ["import-key", "--bits", "4096", "--label", &label, "--out", out];
            let mut making = with_pin_file(world, &arguments).spawn().unwrap();
            eventually("the file is begun", || file.exists());
            kill_process(Pid::from_child(&making), Signal::INT).unwrap();
            making.wait().unwrap().signal()
        });
        assert_eq!(interrupted, Some(2));
        assert!(!file.exists());
    });
}

#[test]
fn a_destroyed_token_is_gone_from_the_session_that_uses_it_and_its_slot_is_another_tokens() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), label("used")]);
        token.encrypt_block(key).unwrap();
        world.secret("so-pin", format!("{SO_PIN}\n"));
        let officer = world.path("so-pin");
        let arguments =
            ["destroy-token", "a token", "--yes", "--so-pin-file", officer.to_str().unwrap()];
        works(keystead_bare(world, &arguments));
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        assert_eq!(made_objects(&token), []);
        let mechanism = Mechanism::AesKeyGen;
        let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
        refused(token.generate_key(&mechanism, &template), RvError::TokenNotPresent);

        let (module, slot) = (token.module.clone(), token.slot);
        drop(token);
        assert_eq!(module.get_slots_with_initialized_token().unwrap(), []);
        let next = make_token(&module, "next");
        assert_eq!(next.slot, slot);
        assert_eq!(made_objects(&next), []);
        let key = next.generate_aes(&[Attribute::Token(true)]);
        next.encrypt_block(key).unwrap();
    });
}

fn keystead(world: &World, arguments: &[&str]) -> Output {
    world.secret("pin", format!("{USER_PIN}\n"));
    with_pin_file(world, arguments).output().unwrap()
}

fn with_pin_file(world: &World, arguments: &[&str]) -> Command {
    let pin = world.path("pin");
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let common = ["--pin-file", pin.to_str().unwrap(), "--module", module.to_str().unwrap()];
    world.keystead_command(&[arguments, &common[..]].concat())
}

fn keystead_bare(world: &World, arguments: &[&str]) -> Output {
    world.keystead(arguments)
}

fn on_store(
    run: fn(&World, &[&str]) -> Output,
    world: &World,
    arguments: &[&str],
    store: &Path,
) -> Output {
    run(world, &[arguments, &["--store", store.to_str().unwrap()]].concat())
}

#[test]
fn doctor_names_a_module_that_is_not_this_programs() {
    const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
    play(|world| {
        world.needs(SOFTHSM);
        drop(world.token());
        world.configure(&format!("module = {SOFTHSM:?}"));
        // Debian's is for the group `softhsm`.
        let settings = world.path("softhsm2.conf");
        let folder = format!("directories.tokendir = {}\n", world.path("").display());
        fs::write(&settings, folder).unwrap();
        let mut doctor = world.keystead_command(&["doctor"]);
        let said = doctor.env("SOFTHSM2_CONF", settings).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("the module {SOFTHSM} is SoftHSM 2.")), "{text}");
        assert!(text.contains("install both from one package"), "{text}");
    });
}

#[track_caller]
fn works(said: Output) -> String {
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// The program failed, said so in its way, and named that.
#[track_caller]
fn assert_error(said: &Output, named: &str) {
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(matches!(said.status.code(), Some(1 | 2 | 4..=8)), "{text}");
    assert!(text.starts_with("keystead: error: "), "{text}");
    assert!(text.contains("keystead: hint: ") && text.contains(named), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}
