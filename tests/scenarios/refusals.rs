//! The error of each command, and the status it ends with, where the PIN is wrong or the key it names is not there.

use super::storeless::{ON_A_STORE, asks_for_the_users_pin, on};
use crate::rig::token::{SO_PIN, USER_PIN};
use crate::rig::{World, play};
use std::fs;

/// The statuses that `keystead --help` lists for both.
const PIN: i32 = 4;
const NOT_FOUND: i32 = 6;

/// Commands that look at nothing on the token before they have made something, or at every key.
const NAME_NOTHING: &[&str] =
    &["create", "generate", "list", "import-key", "import-many", "migrate", "doctor", "pin"];

/// Runs every call of every command, and checks its status and error.
fn each(
    world: &World,
    which: impl Fn(&str, &[&str]) -> bool,
    status: i32,
    told: impl Fn(&str) -> bool,
) {
    let store = world.store();
    for (command, calls) in ON_A_STORE {
        for call in calls.iter().filter(|call| which(command, call)) {
            let said = on(world, &store, command, call);
            let error = String::from_utf8(said.stderr).unwrap();
            assert_eq!(said.status.code(), Some(status), "{command} {call:?}: {error}");
            assert!(told(&error), "{command} {call:?}: {error}");
            assert!(error.contains("keystead: hint: "), "{command} {call:?}: {error}");
            assert!(said.stdout.is_empty(), "{command} {call:?}: {:?}", said.stdout);
        }
    }
}

fn is_doctor(command: &str) -> bool {
    command == "doctor"
}

#[test]
fn every_command_says_that_the_users_pin_is_wrong() {
    play(|world| {
        drop(world.token());
        fs::create_dir(world.path("material")).unwrap();
        fs::write(world.path("material/file"), [7; 32]).unwrap();
        for (command, calls) in ON_A_STORE {
            for call in *calls {
                let asks = |other: &str, others: &[&str]| {
                    other == *command && others == *call && asks_for_the_users_pin(other, others)
                };
                fs::write(world.path("pin"), "not that one").unwrap();
                let wrong = |error: &str| error.contains("PIN is wrong");
                each(world, |a, b| asks(a, b) && !is_doctor(a), PIN, wrong);
                // What is counted begins anew, so that nothing is locked.
                fs::write(world.path("pin"), USER_PIN).unwrap();
                assert!(on(world, &world.store(), "list", &[]).status.success());
            }
        }
    });
}

#[test]
fn every_command_says_that_the_officers_pin_is_wrong() {
    play(|world| {
        drop(world.token());
        fs::write(world.path("pin"), "not that one").unwrap();
        let wrong = |error: &str| error.contains("PIN is wrong");
        each(world, |_, call| call.contains(&"--so-pin-file"), PIN, wrong);
    });
}

#[test]
fn every_command_says_that_there_is_no_such_key() {
    play(|world| {
        drop(world.token());
        fs::write(world.path("pin"), USER_PIN).unwrap();
        fs::create_dir(world.path("material")).unwrap();
        fs::write(world.path("material/file"), [7; 32]).unwrap();
        let names = |command: &str, call: &[&str]| {
            call.contains(&"a")
                && !NAME_NOTHING.contains(&command)
                && !call.contains(&"--new")
                && command != "destroy-token"
        };
        let none = |error: &str| {
            error.contains("there is no custom key \"a\"")
                || error.contains("there is no import key \"a\"")
        };
        each(world, names, NOT_FOUND, none);
        let officer = world.path("so-pin");
        fs::write(&officer, SO_PIN).unwrap();
        let call = ["a", "--yes", "--so-pin-file", officer.to_str().unwrap()];
        let said = on(world, &world.store(), "destroy-token", &call);
        assert_eq!(said.status.code(), Some(NOT_FOUND), "{said:?}");
    });
}
