//! Directories without a store: only `keystead init`, `keystead restore` and `C_InitToken` make one.
//! Everything else says that there is none, and leaves the place as it was: a volume that is not mounted
//! must not pass for a token that is lost.

use crate::rig::process::{PATIENCE, ends_within};
use crate::rig::token::{SO_PIN, Token, USER_PIN, make_token, pin};
use crate::rig::{World, play, refused};
use cryptoki::context::Pkcs11;
use cryptoki::error::RvError;
use cryptoki::object::Attribute;
use cryptoki::slot::Slot;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

/// The commands with their arguments here. FILE stands for a file, FOLDER for one that holds it.
pub const ON_A_STORE: &[(&str, &[&[&str]])] = &[
    ("tokens", &[&[]]),
    (
        "pin",
        &[
            &["change", "--new-pin-file", "PIN"],
            &["change-so", "--so-pin-file", "PIN", "--new-pin-file", "PIN"],
            &["unlock", "--so-pin-file", "PIN", "--new-pin-file", "PIN"],
        ],
    ),
    ("create", &[&["a"]]),
    ("generate", &[&["a"]]),
    ("list", &[&[], &["--expiring", "30d"]]),
    ("show", &[&["a"]]),
    ("describe", &[&["a", "b"]]),
    ("rename", &[&["a", "b"]]),
    ("set-expiry", &[&["a", "90d"]]),
    ("enable", &[&["a"]]),
    ("disable", &[&["a"]]),
    ("import", &[&["a", "FILE", "--new"], &["a", "FILE", "--dry-run"]]),
    ("import-key", &[&[]]),
    ("import-keys", &[&[], &["--remove", "a"]]),
    ("import-many", &[&["FOLDER"]]),
    ("migrate", &[&["--from", "FILE"]]),
    ("delete-material", &[&["a"]]),
    ("rotate", &[&["a"], &["--due"]]),
    ("public", &[&["a"]]),
    ("sign", &[&["a", "FILE"]]),
    ("verify", &[&["a", "FILE", "FILE"]]),
    ("csr", &[&["a", "--subject", "CN=a"]]),
    ("certificate", &[&["put", "a", "FILE"], &["show", "a"], &["remove", "a"]]),
    ("seal", &[&["a", "FILE"]]),
    ("schedule-deletion", &[&["a", "--days", "9"]]),
    ("cancel-deletion", &[&["a"]]),
    ("destroy-token", &[&["a", "--yes"]]),
    ("sweep", &[&[]]),
    ("audit", &[&[], &["--verify"], &["--event", "created"]]),
    ("clock", &[&[], &["--accept"]]),
    ("backup", &[&["-", "--passphrase-file", "FILE"]]),
    ("recover", &[&[]]),
    ("doctor", &[&[]]),
    ("agent", &[&[], &["--detach"]]),
];

/// Commands that use no store, or make one; `open` reads its file first.
const OTHERS: &[&str] = &[
    "init",
    "wrap",
    "open",
    "config",
    "systemd",
    "restore",
    "fleet",
    "completions",
    "manual",
    "help",
];

/// Commands that log in.
const WITHOUT_A_PIN: &[&str] =
    &["tokens", "destroy-token", "sweep", "audit", "clock", "backup", "recover", "agent"];

#[test]
fn every_command_is_played_here() {
    play(|world| {
        let help = String::from_utf8(world.keystead(&["--help"]).stdout).unwrap();
        let (listed, _) = help.split_once("\nOptions:\n").unwrap();
        let named: Vec<_> = listed
            .lines()
            .filter_map(|line| {
                let name = line.strip_prefix("  ")?.split(' ').next()?;
                (!name.is_empty()).then_some(name)
            })
            .collect();
        assert!(named.contains(&"doctor"), "{help}");
        for name in named {
            let played = ON_A_STORE.iter().any(|(command, _)| *command == name);
            assert!(played || OTHERS.contains(&name), "what does `{name}` do without a store?");
        }
    });
}

#[test]
fn every_command_says_that_there_is_no_store_and_leaves_the_place_as_it_was() {
    play(|world| {
        for (place, expected) in places(world) {
            let before = listing(&place);
            for (command, calls) in ON_A_STORE {
                for call in *calls {
                    let said = on(world, &place, command, call);
                    let text =
                        [said.stdout, said.stderr].map(String::from_utf8).map(Result::unwrap);
                    let told = format!("there is no store: {} {expected}", place.display());
                    assert!(!said.status.success(), "{command} {call:?} on {place:?}: {text:?}");
                    assert!(text.concat().contains(&told), "{command} {call:?}: {text:?}");
                    assert!(text.concat().contains("mount "), "{command}: {text:?}");
                    assert_eq!(listing(&place), before, "{command} {call:?}");
                }
            }
        }
    });
}

/// Returns places without a store, each with what is said of it.
fn places(world: &World) -> Vec<(PathBuf, &'static str)> {
    let place = |name: &str, entries: &[&str]| {
        let place = world.path(name);
        fs::create_dir(&place).unwrap();
        entries.iter().for_each(|entry| fs::create_dir(place.join(entry)).unwrap());
        place
    };
    fs::write(world.path("a file"), "").unwrap();
    symlink("nowhere", world.path("a link")).unwrap();
    vec![
        (place("empty", &[]), "is empty"),
        (world.path("missing/store"), "does not exist"),
        (place("mounted", &["lost+found"]), "holds only lost+found"),
        (place("another's", &["lost+found", "letters"]), "holds something else: "),
        (world.path("a file"), "is not a directory"),
        (world.path("a link"), "is a link to nowhere, which is not there"),
    ]
}

/// Everything below a place, and when each was changed; the nearest folder above it where it is missing.
fn listing(place: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let place = place.ancestors().find(|folder| folder.is_dir() || folder.is_file()).unwrap();
    let mut found = vec![(place.to_owned(), place.metadata().unwrap().modified().unwrap())];
    // The scenario's own directory has the files that it writes itself.
    if place.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keystead-rig")) {
        found.clear();
    }
    for entry in place.read_dir().into_iter().flatten() {
        let entry = entry.unwrap();
        found.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
    }
    found.sort();
    found
}

/// Returns whether a command logs the user in.
pub fn asks_for_the_users_pin(command: &str, call: &[&str]) -> bool {
    !WITHOUT_A_PIN.contains(&command) && !call.contains(&"--so-pin-file")
}

/// Runs a command on a store with the user's PIN, where it asks for one, in the file `pin`.
pub fn on(world: &World, store: &Path, command: &str, call: &[&str]) -> Output {
    let [file, folder] = ["material/file", "material"].map(|name| world.path(name));
    fs::create_dir_all(&folder).unwrap();
    if !file.exists() {
        fs::write(&file, [7; 32]).unwrap();
        fs::write(world.path("pin"), USER_PIN).unwrap();
    }
    let named = |word: &&str| match *word {
        "PIN" => world.path("pin").to_str().unwrap().to_owned(),
        "FILE" => file.to_str().unwrap().to_owned(),
        "FOLDER" => folder.to_str().unwrap().to_owned(),
        word => word.to_owned(),
    };
    let mut arguments: Vec<String> = vec![command.to_owned()];
    arguments.extend(call.iter().map(named));
    arguments.extend(["--store".to_owned(), store.to_str().unwrap().to_owned()]);
    if asks_for_the_users_pin(command, call) {
        let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let pin = world.path("pin");
        let login = ["--pin-file", pin.to_str().unwrap(), "--module", module.to_str().unwrap()];
        arguments.extend(login.map(str::to_owned));
    }
    world.keystead(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_module_shows_one_slot_in_which_a_token_can_be_initialised() {
    play(|world| {
        let module = world.module();
        for _ in 0..2 {
            let [slot] = module.get_all_slots().unwrap()[..] else { panic!("one slot") };
            assert_eq!(module.get_slots_with_token().unwrap(), [slot]);
            let info = module.get_slot_info(slot).unwrap();
            assert!(info.token_present());
            assert_eq!(info.slot_description(), "Keystead slot, there is no store yet");
            assert!(!module.get_token_info(slot).unwrap().token_initialized());
            refused(module.open_rw_session(slot), RvError::TokenNotRecognized);
            assert!(!module.get_mechanism_list(slot).unwrap().is_empty());
            assert_eq!(names(&world.store()), [""; 0]);
        }
        refused(module.init_token(first(&module), &pin("abc"), "short"), RvError::PinIncorrect);
        assert_eq!(names(&world.store()), [""; 0], "what is refused makes no store");
        let token = make_token(&module, "the first");
        token.generate_aes(&[Attribute::Token(true)]);
        assert!(names(&world.store()).contains(&"slots".to_owned()));
        assert_eq!(module.get_slot_info(token.slot).unwrap().slot_description(), "Keystead slot");
    });
}

#[test]
fn a_directory_that_is_not_there_is_made_by_the_first_token_and_by_nothing_before() {
    play(|world| {
        let deep = world.path("a/b/c");
        configure(world, &deep);
        let module = world.module();
        assert_eq!(module.get_all_slots().unwrap().len(), 1);
        assert!(!world.path("a").exists());
        make_token(&module, "the first");
        assert!(deep.join("slots").exists());
    });
}

#[test]
fn no_token_is_initialised_where_something_else_lies() {
    play(|world| {
        for (name, made) in [("letters", false), ("lost+found", true)] {
            if world.role().is_empty() {
                world.start(name).ends_well();
            } else if world.role() == name {
                let place = world.path(format!("with {name}"));
                fs::create_dir_all(place.join(name)).unwrap();
                configure(world, &place);
                let module = world.module();
                match module.init_token(first(&module), &pin(SO_PIN), "x") {
                    Ok(()) if made => assert!(place.join("slots").exists()),
                    other => {
                        refused(other, RvError::DeviceError);
                        assert!(!made);
                        assert_eq!(names(&place), [name]);
                    }
                }
            }
        }
    });
}

#[test]
fn init_makes_no_store_where_something_else_lies() {
    play(|world| {
        fs::write(world.path("pin"), USER_PIN).unwrap();
        let pin = world.path("pin");
        let pin = pin.to_str().unwrap();
        fs::write(world.store().join("letter"), "").unwrap();
        let init = ["init", "x", "--so-pin-file", pin, "--pin-file", pin];
        let said = world.keystead(&init);
        let text = String::from_utf8(said.stderr).unwrap();
        let told = format!("holds something else: {}", world.store().join("letter").display());
        assert!(!said.status.success() && text.contains(&told), "{text}");
        assert_eq!(names(&world.store()), ["letter"]);
        fs::remove_file(world.store().join("letter")).unwrap();
        assert!(world.keystead(&init).status.success());
    });
}

/// All find a free slot, and one of them gets it; the others find a token there that is not theirs.
#[test]
fn processes_that_initialise_a_token_at_once_make_one_store() {
    play(|world| match world.role() {
        "" => {
            let mut others: Vec<_> =
                (0..4).map(|number| world.start(&format!("process {number}"))).collect();
            others.iter_mut().for_each(|other| other.tell("now"));
            let said: Vec<String> = others.iter_mut().map(|other| other.hear()).collect();
            others.into_iter().for_each(|other| other.ends_well());
            let made = said.iter().filter(|said| *said == "made").count();
            let late = said.iter().filter(|said| *said == "PinIncorrect").count();
            assert!(made == 1 && made + late == said.len(), "{said:?}");
            let module = world.module();
            assert_eq!(module.get_slots_with_initialized_token().unwrap().len(), 1);
        }
        _ => {
            let module = world.module();
            let slot = first(&module);
            world.hear();
            let made = module.init_token(slot, &pin(world.role()), "x");
            world.tell(&match made {
                Ok(()) => "made".to_owned(),
                Err(cryptoki::error::Error::Pkcs11(code, _)) => format!("{code:?}"),
                Err(other) => panic!("{other}"),
            });
        }
    });
}

#[test]
fn a_store_that_is_out_of_sight_is_not_shown_as_a_new_one_and_works_again_when_it_is_back() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let block = token.encrypt_block(key).unwrap();
        let agent = world.agent().unwrap();
        let away = world.path("away");
        fs::rename(world.store(), &away).unwrap();
        fs::create_dir(world.store()).unwrap();
        assert!(ends_within(agent, PATIENCE));
        let Token { module, slot, .. } = &token;
        for _ in 0..2 {
            assert!(module.get_all_slots().unwrap().contains(slot));
            refused(module.get_token_info(*slot), RvError::DeviceError);
            refused(
                module.open_rw_session(*slot).and_then(|it| it.find_objects(&[])),
                RvError::DeviceError,
            );
        }
        assert_eq!(names(&world.store()), [""; 0]);
        fs::remove_dir(world.store()).unwrap();
        fs::rename(&away, world.store()).unwrap();
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        assert!(module.get_token_info(*slot).unwrap().token_initialized());
        token.generate_aes(&[Attribute::Token(true)]);
    });
}

#[test]
fn a_store_whose_last_token_was_destroyed_is_a_store() {
    play(|world| {
        drop(world.token());
        fs::write(world.path("so-pin"), SO_PIN).unwrap();
        let officer = world.path("so-pin");
        let officer = officer.to_str().unwrap();
        let ended =
            world.keystead(&["destroy-token", "a token", "--yes", "--so-pin-file", officer]);
        assert!(ended.status.success(), "{ended:?}");
        world.end_agent();
        assert!(world.keystead(&["sweep"]).status.success());
        assert!(world.keystead(&["audit"]).status.success());
        world.end_agent();
        assert!(names(&world.store()).contains(&"slots".to_owned()));
    });
}

#[test]
fn a_store_that_has_lost_its_records_is_damaged_and_not_made_anew() {
    play(|world| {
        if world.role() == "maker" {
            world.token().generate_aes(&[Attribute::Token(true)]);
            return;
        }
        world.start("maker").ends_well();
        world.end_agent();
        for lost in ["db", "snapshot", "slots"] {
            fs::rename(world.store().join(lost), world.path(lost)).unwrap();
        }
        for (back, named) in [(None, "slots: it is gone"), (Some("slots"), "db is gone")] {
            if let Some(back) = back {
                fs::rename(world.path(back), world.store().join(back)).unwrap();
            }
            for arguments in [&["sweep"][..], &["recover"], &["agent"], &["agent", "--make"]] {
                let said = world.keystead(arguments);
                let text = String::from_utf8(said.stderr).unwrap();
                match arguments {
                    ["agent", "--make"] => assert!(said.status.success(), "{text}"),
                    _ => assert!(!said.status.success() && text.contains(named), "{text}"),
                }
                let left = names(&world.store());
                assert!(!left.contains(&"db".to_owned()), "{arguments:?}");
                assert_eq!(left.contains(&"slots".to_owned()), back.is_some(), "{arguments:?}");
            }
            let module = world.module();
            refused(module.get_token_info(first(&module)), RvError::DeviceError);
            module.finalize().unwrap();
        }
    });
}

#[test]
fn a_relative_store_is_refused_from_the_environment_and_fine_on_the_command_line() {
    play(|world| match world.role() {
        "relative" => {
            let said = refused_start(world);
            assert_eq!(said, RvError::GeneralError);
        }
        _ => {
            let beside = world.path("");
            for store in ["store", "./store", "~/store", "sled://store"] {
                let mut command = world.keystead_command(&["sweep"]);
                let said =
                    command.env("KEYSTEAD_STORE", store).current_dir(&beside).output().unwrap();
                let text = String::from_utf8(said.stderr).unwrap();
                assert!(!said.status.success() && text.contains(store), "{text}");
                assert!(text.contains("the configuration is wrong"), "{text}");
                world.start_with("relative", &[("KEYSTEAD_STORE", store)]).ends_well();
            }
            assert_eq!(names(&world.store()), [""; 0]);
            world.make_store();
            let mut command = world.keystead_command(&["sweep", "--store", "store"]);
            assert!(command.current_dir(&beside).status().unwrap().success());
            let mut command = world.keystead_command(&["sweep", "--config", "config.toml"]);
            command.env("KEYSTEAD_CONF", "config.toml");
            assert!(command.current_dir(&beside).status().unwrap().success());
            let mut command = world.keystead_command(&["sweep"]);
            command.env("KEYSTEAD_CONF", "config.toml");
            assert!(!command.current_dir(&beside).status().unwrap().success());
        }
    });
}

fn refused_start(world: &World) -> RvError {
    use cryptoki::context::{CInitializeArgs, CInitializeFlags};
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match world.loaded().initialize(arguments) {
        Err(cryptoki::error::Error::Pkcs11(code, _)) => code,
        other => panic!("{other:?}"),
    }
}

fn configure(world: &World, store: &Path) {
    let text = format!("store = {store:?}\nagent = {:?}\n", env!("CARGO_BIN_EXE_keystead"));
    fs::write(world.path("config.toml"), text).unwrap();
}

fn first(module: &Pkcs11) -> Slot {
    module.get_all_slots().unwrap()[0]
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
