//! Records apart from the agent's own directory: either may be on a volume that is not mounted. Nothing is made in
//! its place, and no backup takes it unasked.

use crate::backing_up::back_up;
use crate::rig::token::USER_PIN;
use crate::rig::{World, play, refused};
use crate::starting::records_apart;
use cryptoki::error::RvError;
use cryptoki::object::Attribute;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

#[test]
fn records_that_are_out_of_sight_are_said_to_be_and_nothing_is_made_in_their_place() {
    play(|world| match world.role() {
        "maker" => drop(world.token().generate_aes(&[Attribute::Token(true)])),
        _ => {
            let (records, away) = made_and_taken_away(world);
            let module = world.module();
            for (entries, expected) in [
                (None, "does not exist"),
                (Some(&[][..]), "has no db"),
                (Some(&["lost+found", "db.doubted"][..]), "has no db"),
            ] {
                if let Some(entries) = entries {
                    fs::create_dir_all(&records).unwrap();
                    entries.iter().for_each(|name| fs::create_dir(records.join(name)).unwrap());
                }
                for command in COMMANDS {
                    let said = text(&world.keystead(command));
                    let told = format!("there is no store: {} {expected}", records.display());
                    assert!(said.contains(&told), "{command:?}: {said}");
                    assert!(said.contains("mount the volume"), "{command:?}: {said}");
                    assert!(!said.contains("keystead restore"), "{command:?}: {said}");
                    assert_eq!(names(&records), entries.map(owned), "{command:?}");
                }
                let slot = module.get_all_slots().unwrap()[0];
                refused(module.get_token_info(slot), RvError::DeviceError);
                assert_eq!(names(&records), entries.map(owned), "the module");
            }
            fs::remove_dir_all(&records).unwrap();
            fs::rename(&away, &records).unwrap();
            succeeds(&world.keystead(&["sweep"]));
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            assert_eq!(module.get_token_info(slot).unwrap().label(), "a token");
        }
    });
}

const COMMANDS: &[&[&str]] = &[
    &["list"],
    &["sweep"],
    &["clock"],
    &["doctor"],
    &["recover"],
    &["agent"],
    &["agent", "--detach"],
    &["agent", "--make"],
];

#[test]
fn a_backup_takes_the_place_of_records_that_are_out_of_sight_only_where_they_are_said_to_be_lost() {
    play(|world| match world.role() {
        "maker" => drop(world.token().generate_aes(&[Attribute::Token(true)])),
        _ => {
            let (records, _) = made_and_taken_away(world);
            let (file, passphrase) = (world.path("backup"), world.path("passphrase"));
            let [file, passphrase] = [file, passphrase].map(|it| it.to_str().unwrap().to_owned());
            let restore = ["restore", &file, "--passphrase-file", &passphrase];
            for is_there in [false, true] {
                if is_there {
                    fs::create_dir(&records).unwrap();
                }
                let said = text(&world.keystead(&restore));
                assert!(said.contains("mount the volume"), "{said}");
                assert!(said.contains("--records-are-lost"), "{said}");
                assert_eq!(names(&records), is_there.then(Vec::new));
            }
            fs::remove_dir(&records).unwrap();
            succeeds(&world.keystead(&[&restore[..], &["--records-are-lost"]].concat()));
            succeeds(&world.keystead(&["sweep"]));
            assert!(records.join("db").exists());
        }
    });
}

#[test]
fn an_agents_directory_that_is_out_of_sight_is_not_made_anew_beside_records() {
    play(|world| match world.role() {
        "maker" => drop(world.token().generate_aes(&[Attribute::Token(true)])),
        _ => {
            let (records, away) = made_and_taken_away(world);
            fs::rename(&away, &records).unwrap();
            fs::rename(world.store(), world.path("own, elsewhere")).unwrap();
            let before = names(&records);
            fs::write(world.path("pin"), USER_PIN).unwrap();
            let [file, sealed, pin] = ["backup", "passphrase", "pin"]
                .map(|name| world.path(name).to_str().unwrap().to_owned());
            for command in [
                &["list"][..],
                &["sweep"],
                &["agent"],
                &["agent", "--make"],
                &["init", "another", "--so-pin-file", &pin, "--pin-file", &pin],
                &["restore", &file, "--passphrase-file", &sealed],
                &["restore", &file, "--passphrase-file", &sealed, "--records-are-lost"],
            ] {
                let said = text(&world.keystead(command));
                assert!(said.contains("there is no store: "), "{command:?}: {said}");
                assert!(said.contains("mount the volume"), "{command:?}: {said}");
                assert!(!world.store().exists(), "{command:?}");
                assert_eq!(names(&records), before, "{command:?}");
            }
        }
    });
}

/// Has another process make a token, keeps a backup, and takes the records away; returns their place, and where
/// they are.
fn made_and_taken_away(world: &World) -> (PathBuf, PathBuf) {
    let (records, away) = (records_apart(world), world.path("elsewhere"));
    world.start("maker").ends_well();
    back_up(world);
    world.end_agent();
    fs::rename(&records, &away).unwrap();
    (records, away)
}

/// Returns the names in a directory; none where it is not there.
fn names(directory: &Path) -> Option<Vec<String>> {
    let entries = directory.read_dir().ok()?;
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_by_key(|name| (name.starts_with("db"), name.clone()));
    Some(names)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns all that a command says that must fail.
fn text(output: &Output) -> String {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(!output.status.success(), "{said:?}");
    said.concat()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}
