//! A store that is copied while its lock is held is a whole store elsewhere, with nothing more in it; and
//! so is one that is restored from a backup that was made while it was in use.

use crate::rig::token::{Token, USER_PIN, aes_material, pin, refused};
use crate::rig::world::World;
use crate::rig::{DELETED, MATERIAL_STATE, play, unhex};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;

/// The number of keys that a backup must have.
const KEPT: usize = 20;

const SEALED: &[u8] = b"sixteen bytes ok";

#[test]
fn a_copied_store_opens_elsewhere_with_the_same_pin_and_without_what_was_deleted() {
    play(|world| match world.role() {
        "elsewhere" => compare(world),
        _ => {
            let token = world.token();
            let kept = token.generate_aes(&[Attribute::Token(true)]);
            let gone = import(&token);
            let (kept_id, gone_id) = (token.key_of(kept), token.key_of(gone));
            let block = token.encrypt_block(kept).unwrap();
            token.destroy_object(gone).unwrap();
            let told = [
                kept_id.clone(),
                hex(&block),
                token.json(&kept_id).to_string(),
                gone_id.clone(),
                token.json(&gone_id).to_string(),
            ];
            play_elsewhere(world, &told);
        }
    });
}

fn compare(world: &World) {
    let [kept_id, block, kept_json, gone_id, gone_json] = [(); 5].map(|()| world.hear());
    let token = world.same_token();
    let kept = token.material(&kept_id).expect("material that was there");
    let opened = token.decrypt(&Mechanism::AesEcb, kept, &unhex(&block)).unwrap();
    assert_eq!(opened, SEALED);
    assert_eq!(token.json(&kept_id).to_string(), kept_json);
    assert_eq!(token.json(&gone_id).to_string(), gone_json);
    assert_eq!(token.number(token.metadata(&gone_id), MATERIAL_STATE), DELETED);
    assert_eq!(token.material(&gone_id), None);
}

#[test]
fn a_locked_pin_is_locked_in_the_copy() {
    play(|world| match world.role() {
        "elsewhere" => {
            let module = world.module();
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            let session = module.open_rw_session(slot).unwrap();
            refused(session.login(UserType::User, Some(&pin(USER_PIN))), RvError::PinLocked);
        }
        _ => {
            let token = world.token();
            token.logout().unwrap();
            for _ in 0..10 {
                assert!(token.login(UserType::User, Some(&pin("wrong-1234"))).is_err());
            }
            play_elsewhere(world, &[]);
        }
    });
}

/// Copies the store as the manual says and plays that role on the copy.
fn play_elsewhere(world: &World, told: &[String]) {
    let copy = world.path("copy");
    world.kill_agent();
    let copied = world
        .tool("flock")
        .arg(world.store().join("lock"))
        .args(["cp", "-a"])
        .args([&world.store(), &copy])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    let store = copy.to_str().unwrap();
    let mut other = world.start_with("elsewhere", &[("KEYSTEAD_STORE", store)]);
    told.iter().for_each(|line| other.tell(line));
    other.ends_well();
    assert!(world.agent().is_none(), "the first store was asked");
}

fn import(token: &Token) -> ObjectHandle {
    let value = [Attribute::Value(vec![7; 32])];
    token.create_object(&[&aes_material()[..], &value].concat()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_backup_made_while_keys_come_and_go_holds_one_moment() {
    play(|world| match world.role() {
        "busy" => keep_busy(world),
        "restored" => judge(world),
        _ => {
            let token = world.token();
            let generated = || token.generate_aes(&[Attribute::Token(true)]);
            let kept: Vec<String> = (0..KEPT).map(|_| token.key_of(generated())).collect();
            let mut busy = world.start("busy");
            busy.says("working");
            let file = back_up(world);
            std::fs::write(world.path("enough"), "").unwrap();
            busy.ends_well();
            let store = restore(world, &file);
            let mut judge = world.start_with("restored", &[("KEYSTEAD_STORE", &store)]);
            kept.iter().for_each(|key| judge.tell(key));
            judge.ends_well();
        }
    });
}

/// Makes a backup of the store, under a passphrase; returns the file.
pub(crate) fn back_up(world: &World) -> String {
    let (file, passphrase) = (world.path("backup"), world.path("passphrase"));
    std::fs::write(&passphrase, "correct horse battery\n").unwrap();
    let [file, passphrase] = [file, passphrase].map(|path| path.to_str().unwrap().to_owned());
    let made = world.keystead(&["backup", &file, "--passphrase-file", &passphrase]);
    assert!(made.status.success(), "{made:?}");
    file
}

/// Restores what [`back_up`] has made into an empty store; returns its folder.
pub(crate) fn restore(world: &World, file: &str) -> String {
    let [store, passphrase] = ["other", "passphrase"].map(|name| world.path(name));
    let [store, passphrase] = [store, passphrase].map(|path| path.to_str().unwrap().to_owned());
    let sealed = ["--passphrase-file", &passphrase];
    let restored = world.keystead(&[&["restore", file, "--store", &store][..], &sealed].concat());
    assert!(restored.status.success(), "{restored:?}");
    store
}

/// Imports and deletes, until it is to stop.
fn keep_busy(world: &World) {
    let token = world.same_token();
    let import = |round: u64| {
        let value = Attribute::Value([round.to_le_bytes(), [3; 8]].concat());
        token.create_object(&[&aes_material()[..], &[value]].concat()).unwrap()
    };
    for round in 0.. {
        token.destroy_object(import(2 * round)).unwrap();
        let _kept = import(2 * round + 1);
        match round {
            0 => world.tell("working"),
            _ if world.path("enough").exists() => return,
            _ => {}
        }
    }
}

/// Every key that was there before is there, and each key's state and material agree.
fn judge(world: &World) {
    let token = world.same_token();
    let kept: Vec<String> = (0..KEPT).map(|_| world.hear()).collect();
    for key in &kept {
        let material = token.material(key).expect("a key that was there before the backup");
        token.encrypt_block(material).unwrap();
    }
    let class = Attribute::Class(ObjectClass::DATA);
    let all = token.find_objects(&[class]).unwrap();
    assert!(all.len() > kept.len(), "nothing happened meanwhile");
    for metadata in all {
        let key = token.key_of(metadata);
        let present = token.json(&key)["material"] == "present";
        assert_eq!(token.material(&key).is_some(), present, "{key}");
    }
}
