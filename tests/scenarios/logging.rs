//! The log: where it goes, in programs that are not ours, and what it says.

use crate::rig::play;
use crate::rig::token::pin;
use crate::rig::world::World;
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::error::Error;
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

/// What C_Initialize answers in a process with that `KEYSTEAD_LOG`.
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
