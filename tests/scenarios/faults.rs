//! Faults from outside: configuration, permissions, a damaged store, an agent that cannot start.

use crate::rig::process::ends_within;
use crate::rig::raw::Raw;
use crate::rig::token::{USER_PIN, pin};
use crate::rig::world::World;
use crate::rig::{made_objects, play, refused};
use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use keystead::internal::wire::{Change, Expect};
use pkcs11_sys::CKA_LABEL;
use std::fs;
use std::path::Path;

#[test]
fn an_unknown_key_in_the_configuration_is_named() {
    play(|world| {
        world.configure("colour = \"green\"");
        let said = world.keystead(&["sweep"]);
        assert!(!said.status.success());
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(text.starts_with("keystead: error: "), "{text}");
        assert!(text.contains("colour") && text.contains("config.toml"), "{text}");
        refused(initialize(world), RvError::GeneralError);
    });
}

#[test]
fn a_configuration_that_is_no_toml_is_refused() {
    play(|world| {
        fs::write(world.path("config.toml"), "store = = 3").unwrap();
        refused(initialize(world), RvError::GeneralError);
    });
}

#[test]
fn an_agent_that_is_not_there_is_said_so_in_the_log() {
    play(|world| {
        let log = with_agent(world, Path::new("/nowhere/keystead"));
        assert_eq!(first_call(world), RvError::DeviceError);
        assert!(fs::read_to_string(log).unwrap().contains("/nowhere/keystead"));
    });
}

#[test]
fn an_agent_that_fails_at_once_is_said_so_and_not_waited_for() {
    play(|world| {
        with_agent(world, Path::new("/bin/false"));
        let began = std::time::Instant::now();
        assert_eq!(first_call(world), RvError::DeviceError);
        assert!(began.elapsed().as_secs() < 30);
    });
}

#[test]
fn without_an_agent_the_slots_are_there_and_what_is_wrong_is_said_of_their_tokens() {
    play(|world| {
        world.make_store();
        let log = with_agent(world, Path::new("/nowhere/keystead"));
        let module = world.module();
        let slots = module.get_all_slots().unwrap();
        let [slot] = slots[..] else { panic!("{slots:?}") };
        assert_eq!((slot.id(), module.get_slots_with_token().unwrap()), (0, slots));
        assert!(module.get_slot_info(slot).unwrap().token_present());
        refused(module.get_token_info(slot), RvError::DeviceError);
        refused(module.open_rw_session(slot), RvError::DeviceError);
        refused(module.init_token(slot, &pin("officer-1234"), "x"), RvError::DeviceError);
        refused(module.get_mechanism_list(slot), RvError::DeviceError);
        let nobodys = cryptoki::slot::Slot::try_from(7_u64).unwrap();
        refused(module.get_slot_info(nobodys), RvError::SlotIdInvalid);
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("C_GetSlotList") && log.contains("/nowhere/keystead"), "{log}");
    });
}

#[test]
fn slots_stay_as_they_were_seen_while_the_agent_cannot_start() {
    play(|world| {
        let token = world.token();
        let (module, slot) = (&token.module, token.slot);
        let seen = module.get_all_slots().unwrap();
        assert_eq!(seen.len(), 2);
        world.kill_agent();
        let away = world.path("away");
        fs::rename(world.store(), &away).unwrap();
        assert!(module.get_slot_info(slot).unwrap().token_present());
        refused(module.get_token_info(slot), RvError::DeviceError);
        assert_eq!(module.get_all_slots().unwrap(), seen);
        fs::rename(&away, world.store()).unwrap();
        assert!(module.get_token_info(slot).unwrap().token_initialized());
        assert_eq!(module.get_all_slots().unwrap(), seen);
    });
}

#[test]
fn a_store_that_cannot_be_made_is_refused() {
    play(|world| {
        let config =
            format!("store = \"/proc/keystead\"\nagent = {:?}\n", env!("CARGO_BIN_EXE_keystead"));
        fs::write(world.path("config.toml"), config).unwrap();
        assert_eq!(first_call(world), RvError::DeviceError);
        let said = world.keystead(&["sweep"]);
        assert!(!said.status.success());
        assert!(String::from_utf8(said.stderr).unwrap().contains("/proc/keystead"));
    });
}

#[test]
fn a_database_of_zeros_is_refused_with_a_message_that_names_it() {
    play(|world| drop(damaged(world, "db", |store| zero_all_below(&store.join("db")))));
}

#[test]
fn a_cell_file_of_zeros_is_refused_with_a_message_that_names_it() {
    play(|world| drop(damaged(world, "slots", |store| zero(&store.join("slots")))));
}

#[test]
fn a_cell_file_cut_short_is_refused_with_a_message_that_names_it() {
    play(|world| {
        damaged(world, "slots", |store| {
            let slots = fs::File::options().write(true).open(store.join("slots")).unwrap();
            slots.set_len(100).unwrap();
        });
    });
}

#[test]
fn a_cell_file_that_is_gone_is_named_once() {
    play(|world| {
        let text = damaged(world, "slots: it is gone", |store| {
            fs::remove_file(store.join("slots")).unwrap();
        });
        assert!(text.is_none_or(|text| text.matches("cannot be reached").count() == 1));
    });
}

#[test]
fn an_audit_key_cut_short_is_named_and_a_new_log_begins_without_it() {
    play(|world| {
        let audit = world.store().join("audit");
        let text = damaged(world, "audit/key: 3 bytes", |store| {
            fs::write(store.join("audit/key"), [1, 2, 3]).unwrap();
        });
        if text.is_some() {
            fs::rename(&audit, world.path("audit.old")).unwrap();
            let swept = world.keystead(&["sweep"]);
            assert!(swept.status.success(), "{swept:?}");
            assert!(audit.join("key").exists());
        }
    });
}

#[test]
fn an_audit_key_that_is_gone_is_named_and_no_other_takes_its_place() {
    play(|world| {
        let audit = world.store().join("audit");
        let text = damaged(world, "audit/key: it is gone", |store| {
            fs::remove_file(store.join("audit/key")).unwrap();
        });
        if let Some(text) = text {
            assert!(text.contains("no change of a line of the log can be found"), "{text}");
            assert!(!audit.join("key").exists());
            fs::rename(&audit, world.path("audit.old")).unwrap();
            let swept = world.keystead(&["sweep"]);
            assert!(swept.status.success(), "{swept:?}");
        }
    });
}

#[test]
fn a_database_that_is_gone_is_refused_with_a_message_that_names_it() {
    play(|world| drop(damaged(world, "db", |store| fs::remove_dir_all(store.join("db")).unwrap())));
}

#[test]
fn keys_work_from_the_snapshot_where_the_database_is_zeroed_and_change_again_after_a_recovery() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let block = token.encrypt_block(key).unwrap();
        world.end_agent();
        zero_all_below(&world.store().join("db"));
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
        let generate = || token.generate_key(&Mechanism::AesKeyGen, &template);
        refused(generate(), RvError::TokenWriteProtected);
        assert!(token.module.get_token_info(token.slot).unwrap().write_protected());
        let said = world.keystead(&["doctor"]);
        assert_eq!(said.status.code(), Some(1));
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(text.contains("can only be read") && text.contains("keystead recover"), "{text}");
        let end = format!("kill {}", world.agent().unwrap().as_raw_nonzero());
        assert!(text.contains(&format!("`{end}` ends it")), "{text}");
        fs::write(world.path("pin"), USER_PIN).unwrap();
        let file = world.path("pin");
        let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let options = ["--pin-file", file.to_str().unwrap(), "--module", module.to_str().unwrap()];
        let said = world.keystead(&[&["generate", "new"], &options[..]].concat());
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(text.contains("hint: `keystead doctor` says why"), "{text}");
        let said = String::from_utf8(world.keystead(&["recover"]).stderr).unwrap();
        assert!(said.contains(&format!("hint: `{end}` ends it")), "{said}");
        let agent = world.agent().unwrap();
        assert!(world.tool("sh").args(["-c", &end]).status().unwrap().success());
        assert!(ends_within(agent, std::time::Duration::from_secs(20)));
        let recovered = world.keystead(&["recover"]);
        assert!(recovered.status.success(), "{recovered:?}");
        let text = String::from_utf8(world.keystead(&["doctor"]).stdout).unwrap();
        assert!(!text.contains("others could read"), "recovered for its owner alone: {text}");
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        generate().unwrap();
        assert!(!token.module.get_token_info(token.slot).unwrap().write_protected());
    });
}

/// A store with a key in it is damaged while no agent runs; the next user is told, and what is
/// returned. None in the process that makes the key.
fn damaged(world: &World, named: &str, damage: impl Fn(&Path)) -> Option<String> {
    if world.role() == "maker" {
        world.token().generate_aes(&[Attribute::Token(true)]);
        return None;
    }
    world.start("maker").ends_well();
    world.kill_agent();
    damage(&world.store());
    let log = with_agent(world, Path::new(env!("CARGO_BIN_EXE_keystead")));
    assert_eq!(first_call(world), RvError::DeviceError);
    let said = world.keystead(&["sweep"]);
    assert!(!said.status.success(), "the damage goes unnoticed");
    let text = String::from_utf8(said.stderr).unwrap();
    let logged = fs::read_to_string(log).unwrap_or_default();
    assert!(text.contains(named), "the message does not name {named:?}: {text}");
    assert!(text.contains("hint: "), "no hint: {text}");
    assert!(!text.contains("panicked") && !logged.contains("panicked"), "{text}{logged}");
    Some(text)
}

#[test]
fn a_record_that_does_not_open_is_left_out_of_searches_and_said_of_itself() {
    play(|world| {
        let token = world.token();
        let data = |label: &str| {
            let named = Attribute::Label(label.as_bytes().to_vec());
            let public = [Attribute::Token(true), Attribute::Private(false), named.clone()];
            let class = Attribute::Class(ObjectClass::DATA);
            (token.create_object(&[&public[..], &[class]].concat()).unwrap(), [named])
        };
        let (whole, damaged) = (data("whole"), data("damaged"));
        let key = token.generate_aes(&[Attribute::Token(true)]);
        spoil(world, "damaged");
        let listed = made_objects(&token);
        assert!(listed.contains(&whole.0) && listed.contains(&key), "{listed:?}");
        // What no tag is kept for is looked up in each record.
        let visible = token.find_objects(&[Attribute::Modifiable(true)]).unwrap();
        assert!(visible.contains(&whole.0) && !visible.contains(&damaged.0), "{visible:?}");
        let read = token.get_attributes(damaged.0, &[AttributeType::Label]);
        refused(read, RvError::DeviceError);
        assert_eq!(token.get_attributes(whole.0, &[AttributeType::Label]).unwrap(), whole.1);
    });
}

/// Puts something else in the place of what is sealed of a public object, as a client could that does
/// not use the module.
fn spoil(world: &World, label: &str) {
    let mut raw = Raw::connect(world);
    raw.login(false, USER_PIN).unwrap();
    let id = raw.find(Some((CKA_LABEL, label.as_bytes())))[0];
    let (stored, _) = raw.read(id).unwrap();
    let expect = Expect::Revision(stored.revision);
    let put = Some((stored.header, vec![0; stored.sealed.len()]));
    raw.commit(vec![Change { id, expect, event: Vec::new(), put, alias: None }]).unwrap();
}

#[test]
fn an_unknown_file_in_the_store_harms_nothing() {
    play(|world| {
        let token = world.token();
        fs::write(world.store().join("notes.txt"), "hello").unwrap();
        world.kill_agent();
        token.generate_aes(&[Attribute::Token(true)]);
        assert!(world.store().join("notes.txt").exists());
    });
}

#[test]
fn the_store_is_for_its_owner_only() {
    play(|world| {
        use std::os::unix::fs::PermissionsExt;
        drop(world.token());
        for entry in fs::read_dir(world.store()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            // The socket is guarded by credentials, the folder around it by its mode.
            if entry.file_name() != "agent.sock" {
                assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.file_name());
            }
        }
    });
}

#[test]
fn neither_pins_nor_private_data_nor_material_stand_in_the_stores_files() {
    play(|world| {
        let token = world.token();
        let value = b"THIS-IS-THE-SECRET-MATERIAL-32-B".to_vec();
        token
            .create_object(&[
                Attribute::Class(cryptoki::object::ObjectClass::SECRET_KEY),
                Attribute::KeyType(cryptoki::object::KeyType::AES),
                Attribute::Token(true),
                Attribute::Value(value.clone()),
            ])
            .unwrap();
        // Labels of keys stand in the audit log, those of nothing else.
        token
            .create_object(&[
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Label(b"a-private-label".to_vec()),
                Attribute::Value(b"a-private-value".to_vec()),
            ])
            .unwrap();
        let files = all_below(&world.store());
        assert!(files.len() > 3);
        for file in files {
            let bytes = fs::read(&file).unwrap_or_default();
            for secret in
                [&value[..], b"a-private-label", b"a-private-value", b"user-1234", b"officer-1234"]
            {
                let found = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{} holds {:?}", file.display(), String::from_utf8_lossy(secret));
            }
        }
    });
}

fn initialize(world: &World) -> cryptoki::error::Result<()> {
    world.loaded().initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
}

/// The code of the first call that has to reach the agent.
fn first_call(world: &World) -> RvError {
    let module = world.loaded();
    let reached = module
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .and_then(|()| module.get_all_slots())
        .and_then(|slots| {
            slots
                .into_iter()
                .try_for_each(|slot| module.init_token(slot, &pin("officer-1234"), "x"))
        });
    match reached {
        Err(Error::Pkcs11(code, _)) => code,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// Configures that program as the agent, and a log; returns the log's path.
fn with_agent(world: &World, agent: &Path) -> std::path::PathBuf {
    let log = world.path("log");
    let store = world.store();
    fs::write(
        world.path("config.toml"),
        format!("store = {store:?}\nagent = {agent:?}\nlog = {log:?}\n"),
    )
    .unwrap();
    log
}

fn all_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn zero_all_below(folder: &Path) {
    all_below(folder).iter().for_each(|path| zero(path));
}

fn zero(path: &Path) {
    let length = fs::metadata(path).unwrap().len();
    fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
}
