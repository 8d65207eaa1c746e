//! The log: where it goes, in programs that are not ours, and what it says.

use crate::rig::token::{SO_PIN, USER_PIN, aes_material, pin};
use crate::rig::world::{World, eventually, now, until};
use crate::rig::wrap::{Courier, oaep_sha256};
use crate::rig::{DISABLED, STATUS, expires_at, for_key, import_only, number, play, refused};
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use rustix::stdio::dup2_stderr;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

/// A role that initialises the module and says what came of it.
fn initialises(world: &World) {
    let done = world.loaded().initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    world.tell(&match done {
        Ok(()) => "done".to_owned(),
        Err(Error::Pkcs11(code, _)) => format!("{code:?}"),
        Err(other) => panic!("{other}"),
    });
}

/// Returns the answer of C_Initialize in a process with that `KEYSTEAD_LOG`.
fn initialised_with(world: &World, value: &str) -> String {
    let mut other = world.start_with("client", &[("KEYSTEAD_LOG", value)]);
    let answer = other.hear();
    other.ends_well();
    answer
}

fn log(world: &World) -> PathBuf {
    world.path("log")
}

fn logged(world: &World) -> String {
    fs::read_to_string(log(world)).unwrap_or_default()
}

fn with_log(world: &World, level: &str) -> String {
    format!("{}{level}", log(world).display())
}

#[test]
fn a_wrong_configuration_is_told_to_the_file_that_the_environment_names() {
    play(|world| match world.role() {
        "client" => initialises(world),
        _ => {
            world.configure("colour = \"green\"");
            assert_eq!(initialised_with(world, &with_log(world, "")), "GeneralError");
            let said = logged(world);
            assert!(said.contains(" WARN  ") && said.contains("C_Initialize"), "{said}");
            assert!(said.contains("config.toml, line 3: unknown field `colour`"), "{said}");
            assert_eq!(log(world).metadata().unwrap().permissions().mode() & 0o777, 0o600);
            // One that is not there, and one that cannot be read, are no other matter.
            fs::remove_file(world.path("config.toml")).unwrap();
            assert_eq!(initialised_with(world, &with_log(world, ":warn")), "GeneralError");
            let said = logged(world);
            assert!(said.contains("config.toml: No such file or directory"), "{said}");
            assert!(said.lines().count() > 1, "it is appended to: {said}");
        }
    });
}

#[test]
fn no_level_is_less_than_the_one_that_is_asked_for() {
    play(|world| match world.role() {
        "client" => initialises(world),
        _ => {
            world.configure("colour = \"green\"");
            assert_eq!(initialised_with(world, &with_log(world, ":off")), "GeneralError");
            assert_eq!(logged(world), "");
        }
    });
}

#[test]
fn a_log_that_cannot_be_written_fails_nothing() {
    play(|world| match world.role() {
        "client" => initialises(world),
        _ => {
            let (link, folder) = (world.path("link"), world.path("folder"));
            let theirs = world.path("theirs");
            fs::write(&theirs, "").unwrap();
            symlink(&theirs, &link).unwrap();
            fs::create_dir(&folder).unwrap();
            for value in [
                "/nowhere/log".as_ref(),
                "relative".as_ref(),
                "/proc/self/mem:loud".as_ref(),
                "/dev/full:trace".as_ref(),
                link.as_path(),
                folder.as_path(),
            ] {
                assert_eq!(initialised_with(world, value.to_str().unwrap()), "done", "{value:?}");
            }
            assert_eq!(fs::read(theirs).unwrap(), b"", "a link was followed");
        }
    });
}

#[test]
fn standard_error_that_became_a_file_of_the_programs_own_gets_no_line() {
    play(|world| match world.role() {
        "client" => {
            let module = world.module();
            let files = ["before", "after"].map(|name| File::create(world.path(name)).unwrap());
            dup2_stderr(&files[0]).unwrap();
            // Fails, and is logged.
            let wrong = cryptoki::slot::Slot::try_from(7_u64).unwrap();
            assert!(module.init_token(wrong, &pin("officer-1234"), "x").is_err());
            // A process that initialises the module again says anew where it is.
            module.finalize().unwrap();
            let module = world.loaded();
            dup2_stderr(&files[1]).unwrap();
            assert!(
                module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).is_ok()
            );
            assert!(module.init_token(wrong, &pin("officer-1234"), "x").is_err());
            world.tell("done");
        }
        _ => {
            assert_eq!(initialised_with(world, "stderr:debug"), "done");
            assert_eq!(fs::read_to_string(world.path("before")).unwrap(), "");
            let after = fs::read_to_string(world.path("after")).unwrap();
            assert!(after.contains("C_InitToken"), "{after}");
        }
    });
}

#[test]
fn the_program_and_the_agent_log_where_the_environment_says() {
    play(|world| {
        let environment = ("KEYSTEAD_LOG", with_log(world, ""));
        let run = |arguments: &[&str]| {
            let mut command = world.keystead_command(arguments);
            command.env(environment.0, &environment.1).output().unwrap()
        };
        world.configure("colour = \"green\"");
        for arguments in [&["list"][..], &["agent"]] {
            fs::write(log(world), "").unwrap();
            assert!(!run(arguments).status.success());
            assert!(logged(world).contains("unknown field `colour`"), "{}", logged(world));
        }
        // An agent that the program starts logs there too, unless the configuration says where.
        let mine = world.path("agents-own");
        for (configured, expected) in [(String::new(), true), (format!("log = {mine:?}"), false)] {
            world.configure(&configured);
            world.make_store();
            fs::write(log(world), "").unwrap();
            assert!(run(&["sweep"]).status.success());
            let agent = world.agent().unwrap();
            world.end_agent();
            let named = format!("keystead-agent[{}]", agent.as_raw_nonzero());
            assert_eq!(logged(world).contains(&named), expected, "{}", logged(world));
        }
    });
}

/// A key's life, with everything that is refused in it.
fn lives(world: &World) {
    let token = world.token();
    let label = Attribute::Label(b"pay\nroll\x1b[2J".to_vec());
    let id = token.empty_key(&[label]);
    let template = |at: u64| [&aes_material()[..], &[for_key(&id), expires_at(at)]].concat();
    let courier = Courier::new(&token);
    let key = courier.import(&token, &MATERIAL, &template(now() + 1000)).unwrap();
    courier.import(&token, &[8; 32], &template(now() + 1000)).unwrap_err();
    token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
    token.encrypt_block(key).unwrap_err();
    token.destroy_object(key).unwrap();
    let soon = now() + 2;
    let key = courier.import(&token, &MATERIAL, &template(soon)).unwrap();
    let made = token.generate_aes(&[Attribute::Token(true)]);
    let generated = token.key_of(made);
    token.destroy_object(made).unwrap_err();
    until(soon);
    token.get_attributes(key, &[]).unwrap_err();
    token.logout().unwrap();
    token.login(UserType::User, Some(&pin("wrong-pin-1"))).unwrap_err();
    token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
    token.init_pin(&pin(USER_PIN)).unwrap();
    world.tell(&format!("{id} {generated}"));
}

const MATERIAL: [u8; 32] = *b"MATERIAL-MATERIAL-MATERIAL-MATER";

/// Plays that life in a process that logs at a level; its log, the key imported and the one generated.
fn life_at(world: &World, level: &str) -> (String, String, String) {
    let mut other = world.start_with("client", &[("KEYSTEAD_LOG", &with_log(world, level))]);
    let ids = other.hear();
    other.ends_well();
    eventually("the agent erases it", || logged(world).contains("expired: key"));
    world.end_agent();
    let (imported, generated) = ids.split_once(' ').unwrap();
    (logged(world), imported.to_owned(), generated.to_owned())
}

#[test]
fn a_keys_life_and_what_is_refused_in_it_is_told_by_module_and_agent() {
    play(|world| match world.role() {
        "client" => lives(world),
        _ => {
            let (log, imported, generated) = life_at(world, ":info");
            let of = |side: &str, level: &str, what: &str| {
                let told = log.lines().any(|line| {
                    let agents = line.contains(" keystead-agent[");
                    agents == (side == "agent")
                        && line.contains(&format!(" {level:<5} "))
                        && line.contains(what)
                });
                assert!(told, "the {side} does not tell {what:?}:\n{log}");
            };
            let key = format!("key {imported} \"pay\\nroll\\u{{1b}}[2J\"");
            let made = format!("key {generated}");
            for (side, level, what) in [
                (
                    "agent",
                    "INFO",
                    format!("the agent starts: keystead {}", env!("CARGO_PKG_VERSION")),
                ),
                ("module", "INFO", format!("C_Initialize: keystead {}", env!("CARGO_PKG_VERSION"))),
                ("both", "INFO", format!("created: {key}")),
                ("both", "INFO", format!("imported: {key}")),
                ("agent", "INFO", format!("imported: {key}, version 1, again")),
                ("agent", "WARN", format!("import-refused: {key}: the custom key was imported")),
                ("module", "WARN", format!("only the same can be imported again: key {imported}")),
                ("both", "INFO", format!("disabled: {key}")),
                ("module", "WARN", format!("the custom key is disabled: {key}")),
                ("agent", "INFO", format!("material-deleted: {key}, version 1")),
                ("module", "INFO", format!("material deleted: {key}")),
                ("both", "INFO", format!("created: {made}")),
                ("module", "WARN", format!("is never destroyed: {made}")),
                ("agent", "INFO", format!("expired: {key}, version 1, expired 20")),
                ("module", "INFO", "expired".to_owned()),
                ("both", "INFO", "login: the user of token".to_owned()),
                ("both", "INFO", "logout: ".to_owned()),
                ("agent", "WARN", "pin-wrong (PIN: user)".to_owned()),
                ("module", "WARN", "the PIN is wrong: the user of token".to_owned()),
                ("both", "INFO", "login: the security officer of token".to_owned()),
                ("agent", "INFO", "pin-set (PIN: user)".to_owned()),
                ("module", "INFO", "PIN set: the user".to_owned()),
                ("agent", "INFO", "ends: a signal ends it".to_owned()),
            ] {
                let sides = if side == "both" { &["agent", "module"][..] } else { &[side] };
                sides.iter().for_each(|side| of(side, level, &what));
            }
        }
    });
}

#[test]
fn no_level_tells_a_pin_or_material() {
    play(|world| match world.role() {
        "client" => lives(world),
        _ => {
            let (log, ..) = life_at(world, ":trace");
            let hex: String = MATERIAL.iter().map(|byte| format!("{byte:02x}")).collect();
            let listed = format!("{MATERIAL:?}");
            for secret in [USER_PIN, SO_PIN, "wrong-pin-1", "MATERIAL-", &hex, &listed] {
                assert!(!log.contains(secret), "{secret}:\n{log}");
            }
            assert!(!log.contains('\x1b'));
            assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
        }
    });
}

#[test]
fn refusals_are_told_where_nothing_else_is_asked_for() {
    play(|world| match world.role() {
        "client" => lives(world),
        _ => {
            world.configure(&format!("log = {:?}", log(world)));
            let mut other = world.start("client");
            let ids = other.hear();
            other.ends_well();
            let (imported, generated) = ids.split_once(' ').unwrap();
            let log = logged(world);
            for (key, refusal) in [
                (imported, "import-refused: key"),
                (imported, "the custom key is disabled: key"),
                (generated, "is never destroyed: key"),
            ] {
                let told = log.lines().any(|line| line.contains(refusal) && line.contains(key));
                assert!(told, "{refusal}:\n{log}");
            }
            assert!(!log.contains(" INFO "), "{log}");
        }
    });
}

/// Asks an import key for a session key, which it does not give.
fn asks_too_much(world: &World) {
    let token = world.token();
    let public = [Attribute::ModulusBits(2048.into()), import_only()];
    let pair = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &[]);
    let [class, key_type, _] = aes_material();
    let template = [class, key_type, Attribute::Token(false)];
    let made = token.unwrap_key(&oaep_sha256(), pair.unwrap().1, &[1; 256], &template);
    refused(made, RvError::TemplateInconsistent);
    world.tell("refused");
}

#[test]
fn an_import_key_that_is_asked_for_more_is_a_refusal_of_custody() {
    play(|world| match world.role() {
        "client" => asks_too_much(world),
        _ => {
            world.configure(&format!("log = {:?}", log(world)));
            let mut other = world.start("client");
            other.hear();
            other.ends_well();
            let log = logged(world);
            let refusal = "an import key only takes in material of custom keys";
            let told = log.lines().any(|it| it.contains(" WARN  ") && it.contains(refusal));
            assert!(told, "{log}");
        }
    });
}
