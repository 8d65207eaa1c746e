//! A store that earlier builds wrote, `tests/vectors/store-1.tar.gz` and `store-2.tar.gz`: it has format 1 or 2, and
//! is upgraded by the first agent that opens it. Its token has the PINs that scenarios use, an imported and a
//! generated key, one whose material was deleted, a data object of several chunks and an EC pair; its
//! user's PIN was wrong once.

use crate::rig::raw::{Raw, needs_login};
use crate::rig::token::{Token, aes_material, expected_block};
use crate::rig::world::World;
use crate::rig::{DELETED, MATERIAL_STATE, for_key, play, refused, unhex};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const BROUGHT: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
const GONE: &str = "0f0e0d0c0b0a09080706050403020100";

/// The store in the place of the scenario's own.
fn unpack(world: &World, format: u8) {
    let packed = format!("{}/tests/vectors/store-{format}.tar.gz", env!("CARGO_MANIFEST_DIR"));
    let mut tar = world.tool("tar");
    tar.args(["--extract", "--no-same-owner", "--preserve-permissions", "--file", &packed]);
    assert!(tar.arg("--directory").arg(world.path("")).status().unwrap().success());
    fs::set_permissions(world.store(), Permissions::from_mode(0o700)).unwrap();
}

fn labelled(token: &Token, class: ObjectClass, label: &str) -> ObjectHandle {
    let named = [Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())];
    let found = token.find_objects(&named).unwrap();
    assert_eq!(found.len(), 1, "{label}: {found:?}");
    found[0]
}

#[test]
fn a_store_of_the_first_format_holds_what_was_put_into_it() {
    play(|world| holds_what_was_put_into_it(world, 1));
}

#[test]
fn a_store_of_the_second_format_holds_what_was_put_into_it() {
    play(|world| holds_what_was_put_into_it(world, 2));
}

fn holds_what_was_put_into_it(world: &World, format: u8) {
    unpack(world, format);
    let module = world.module();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    assert_eq!(module.get_token_info(slot).unwrap().label(), "kept");
    assert!(module.get_token_info(slot).unwrap().user_pin_count_low());
    let token = Token::login(&module, slot);
    assert!(!module.get_token_info(slot).unwrap().user_pin_count_low());

    let brought = labelled(&token, ObjectClass::SECRET_KEY, "brought");
    assert_eq!(token.encrypt_block(brought).unwrap(), expected_block(&unhex(BROUGHT)));
    assert_eq!(token.json(&token.key_of(brought))["description"], "from outside");
    let long = labelled(&token, ObjectClass::DATA, "long");
    assert!(token.bytes(long, AttributeType::Value) == [b'k'; 5000]);
    labelled(&token, ObjectClass::PRIVATE_KEY, "pair");
    labelled(&token, ObjectClass::PUBLIC_KEY, "pair");

    let made = token.key_of(labelled(&token, ObjectClass::SECRET_KEY, "made"));
    let sealed = world.path("sealed");
    let opened = world.keystead(&["open", sealed.to_str().unwrap(), "--pin-file", &pin(world)]);
    assert_eq!(opened.stdout, b"sixteen bytes ok", "{opened:?}");
    assert_eq!(token.json(&made)["origin"], "generated");

    let gone = token.key_of(labelled(&token, ObjectClass::DATA, "gone"));
    assert_eq!(token.number(token.metadata(&gone), MATERIAL_STATE), DELETED);
    let import = |value: Vec<u8>| {
        let template = [&aes_material()[..], &[Attribute::Value(value), for_key(&gone)]].concat();
        token.create_object(&template)
    };
    refused(import(vec![7; 16]), RvError::TemplateInconsistent);
    import(unhex(GONE)).unwrap();
    let audit = world.keystead(&["audit", "--verify"]);
    assert!(audit.status.success(), "{audit:?}");
    // The lines of then have fewer names than those of now.
    let told = world.keystead(&["audit", "--json", "--key", "gone"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let (first, last) = (&told[0], told.as_array().unwrap().last().unwrap());
    assert_eq!((&first["event"], first.get("alias")), (&"created".into(), None), "{told}");
    let named = ["event", "alias", "label"].map(|name| last[name].as_str().unwrap());
    assert_eq!(named, ["imported", "gone", "kept"]);
    assert_eq!(last["again"], true);

    let names = fs::read_dir(world.store()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.contains("upgrading") && !name.contains("earlier")));
    assert_eq!(fs::read(world.store().join("slots")).unwrap()[8], 3, "the format");

    // Who has no PIN to it gets as little of it as of any store.
    let mut stranger = Raw::connect(world);
    let seen = stranger.find(None);
    assert_eq!(seen.len(), 1, "the public half of the pair");
    let (public, _) = stranger.read(seen[0]).unwrap();
    needs_login(stranger.commit(vec![stranger.forged(&public, b"forged")]));
}

/// A store of this build's format, with the PINs that scenarios use: later builds read it as it is. Its token `kept`
/// has a generated AES key with three versions, an imported one with an expiry, one whose material was deleted, an
/// imported RSA and an EC key, a generated EC pair and a data object of several chunks; its token `plain` has an
/// ordinary key, and its user's PIN was wrong once. Beside it lie a file that the generated key's second version
/// sealed, and the pair's signature of `message`.
#[test]
fn a_store_of_this_format_holds_what_was_put_into_it() {
    play(|world| {
        unpack(world, 3);
        let module = world.module();
        let slots = module.get_slots_with_initialized_token().unwrap();
        let labels: Vec<_> = slots
            .iter()
            .map(|slot| module.get_token_info(*slot).unwrap().label().to_owned())
            .collect();
        assert_eq!(labels, ["kept", "plain"]);
        assert!(!module.get_token_info(slots[0]).unwrap().user_pin_count_low());
        assert!(module.get_token_info(slots[1]).unwrap().user_pin_count_low());
        let plain = Token::login(&module, slots[1]);
        plain.encrypt_block(labelled(&plain, ObjectClass::SECRET_KEY, "ordinary")).unwrap();
        drop(plain);

        let token = Token::login(&module, slots[0]);
        let brought = labelled(&token, ObjectClass::SECRET_KEY, "brought");
        assert_eq!(token.encrypt_block(brought).unwrap(), expected_block(&unhex(BROUGHT)));
        let expires = token.json(&token.key_of(brought))["expires"].to_string();
        assert!(expires.contains("2099-12-31"), "{expires}");
        let long = labelled(&token, ObjectClass::DATA, "long");
        assert!(token.bytes(long, AttributeType::Value) == [b'k'; 5000]);
        let made = token.key_of(labelled(&token, ObjectClass::SECRET_KEY, "made"));
        assert_eq!(token.json(&made)["material_version"], 3);
        let gone = token.key_of(labelled(&token, ObjectClass::DATA, "gone"));
        assert_eq!(token.number(token.metadata(&gone), MATERIAL_STATE), DELETED);

        for (label, mechanism) in
            [("rsa", Mechanism::Sha256RsaPkcs), ("ec", Mechanism::EcdsaSha256)]
        {
            let signed = token
                .sign(&mechanism, labelled(&token, ObjectClass::PRIVATE_KEY, label), b"message")
                .unwrap();
            let public = labelled(&token, ObjectClass::PUBLIC_KEY, label);
            token.verify(&mechanism, public, b"message", &signed).unwrap();
        }
        let signature = fs::read(world.path("ec.sig")).unwrap();
        let pair = labelled(&token, ObjectClass::PUBLIC_KEY, "pair");
        token.verify(&Mechanism::EcdsaSha256, pair, b"message", &signature).unwrap();
        let args = ["--token", "kept", "--pin-file", &pin(world)];
        let opened = world
            .keystead(&[&["open", world.path("sealed").to_str().unwrap()], &args[..]].concat());
        assert_eq!(opened.stdout, b"sixteen bytes ok", "{opened:?}");
        assert!(world.keystead(&["audit", "--verify"]).status.success());
    });
}

#[test]
fn a_full_file_system_leaves_an_earlier_store_as_it_is_until_there_is_room() {
    play(|world| {
        let _small = SmallFileSystem::mount(world);
        unpack(world, 1);
        let slots = || fs::read(world.store().join("slots")).unwrap();
        let earlier = slots();
        // None at all, and then some, but less than the upgrade asks for.
        let rest = world.store().join("rest");
        let mut filler = File::create(&rest).unwrap();
        while filler.write(&[0; 64 << 10]).is_ok_and(|written| written > 0) {}
        for left in [0, 8 << 20] {
            filler.set_len(filler.metadata().unwrap().len() - left).unwrap();
            let said = world.keystead(&["sweep"]);
            let text = String::from_utf8(said.stderr).unwrap();
            assert!(!said.status.success() && text.contains("no room left"), "{left}: {text}");
            assert!(slots() == earlier, "the cell file has changed with {left} bytes left");
        }
        drop(filler);
        fs::remove_file(rest).unwrap();
        let said = world.keystead(&["sweep"]);
        assert!(said.status.success() && slots() != earlier, "{said:?}");
        let module = world.module();
        let token = Token::login(&module, module.get_slots_with_initialized_token().unwrap()[0]);
        let brought = labelled(&token, ObjectClass::SECRET_KEY, "brought");
        assert_eq!(token.encrypt_block(brought).unwrap(), expected_block(&unhex(BROUGHT)));
        world.end_agent();
    });
}

/// A small file system in memory, over the store's directory.
struct SmallFileSystem(PathBuf);

impl SmallFileSystem {
    fn mount(world: &World) -> Self {
        if !rustix::process::geteuid().is_root() {
            World::skip("only root mounts a file system");
        }
        let options = ["-t", "tmpfs", "-o", "size=64m,mode=700", "none"];
        let mounted = world.tool("mount").args(options).arg(world.store()).output().unwrap();
        if !mounted.status.success() {
            World::skip("this machine permits no mount");
        }
        Self(world.store())
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn files_of_two_formats_side_by_side_are_not_recovered_and_a_way_out_is_named() {
    play(|world| {
        unpack(world, 1);
        let slots = world.store().join("slots");
        let earlier = fs::read(&slots).unwrap();
        assert!(world.keystead(&["sweep"]).status.success());
        world.end_agent();
        fs::write(&slots, earlier).unwrap();
        let said = world.keystead(&["recover"]);
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(!said.status.success() && text.contains("restore the store's directory"), "{text}");
        let nowhere = ["`keystead doctor`", "`keystead recover`"];
        assert!(!nowhere.iter().any(|command| text.contains(command)), "{text}");
    });
}

/// A file with the user's PIN.
fn pin(world: &World) -> String {
    let file = world.path("pin");
    fs::write(&file, crate::rig::token::USER_PIN).unwrap();
    file.to_str().unwrap().to_owned()
}
