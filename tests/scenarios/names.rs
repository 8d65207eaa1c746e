//! The names of custom keys: labels of any bytes, and none.

use crate::rig::token::{USER_PIN, aes_material};
use crate::rig::world::World;
use crate::rig::wrap::Courier;
use crate::rig::{KEY_ID, Token, kind, play, text};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use std::fs;

/// No UTF-8, with what steers and what escapes.
const ODD: &[u8] = b"\xff\x00 \\x80 \xe2\x80\xaeend ";
/// [`ODD`] as it is shown.
const SHOWN: &str = r"\xff\0 \\x80 \u{202e}end\u{20}";

#[test]
fn a_label_that_is_no_utf8_is_kept_as_its_bytes_and_shown_so_that_it_can_be_named() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), label(ODD)]);
        let id = token.key_of(key);
        for object in [key, token.metadata(&id)] {
            assert_eq!(token.bytes(object, AttributeType::Label), ODD);
            assert!(token.find_objects(&[label(ODD)]).unwrap().contains(&object));
        }
        let json = token.json(&id);
        let hex: String = ODD.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&json["alias"], &json["alias_hex"]), (&SHOWN.into(), &hex.clone().into()));
        for name in [SHOWN, &hex, &id] {
            assert!(keystead(world, &["show", name]).contains(&id), "{name}");
        }
        let shown = keystead(world, &["list"]);
        assert!(shown.contains(SHOWN), "{shown}");
        keystead(world, &["rename", SHOWN, r"a\b"]);
        assert_eq!(token.bytes(token.metadata(&id), AttributeType::Label), br"a\b");
        let json = token.json(&id);
        assert_eq!(json["alias"], r"a\\b");
        for name in [r"a\b", r"a\\b", "615c62"] {
            assert!(keystead(world, &["show", name]).contains(&id), "{name}");
        }
    });
}

#[test]
fn a_label_that_is_no_utf8_is_kept_in_every_way_it_is_given() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let named = |more: &[Attribute]| [&aes_material()[..], more].concat();
        let imported = courier.import(&token, &[1; 32], &named(&[label(ODD)])).unwrap();
        let value = Attribute::Value(vec![2; 32]);
        let created = token.create_object(&named(&[label(b"\x80"), value])).unwrap();
        token.update_attributes(created, &[label(b"\x81\x82")]).unwrap();
        let session = token.generate_aes(&[]);
        let copied = [Attribute::Token(true), label(b"\xfe")];
        let copied = token.copy_object(session, &copied).unwrap();
        let json = br#"{"alias_hex":"fd00","key_type":"AES"}"#;
        let empty = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Application(b"keystead".to_vec()),
            Attribute::Value(json.to_vec()),
        ];
        let empty = token.create_object(&empty).unwrap();
        for (object, expected) in
            [(imported, ODD), (created, b"\x81\x82"), (copied, b"\xfe"), (empty, b"\xfd\x00")]
        {
            assert_eq!(token.bytes(object, AttributeType::Label), expected);
            let metadata = token.metadata(&token.key_of(object));
            assert_eq!(token.bytes(metadata, AttributeType::Label), expected);
        }
        // It names the key that an import is for, too.
        token.destroy_object(imported).unwrap();
        let again = courier.import(&token, &[1; 32], &named(&[label(ODD)])).unwrap();
        assert_eq!(token.find_objects(&[label(ODD)]).unwrap().len(), 2);
        assert_eq!(token.bytes(again, AttributeType::Label), ODD);
    });
}

#[test]
fn a_name_means_the_alias_itself_before_one_that_is_shown_so() {
    play(|world| {
        let token = world.token();
        let [one, other] = [&br"a\b"[..], br"a\\b"].map(|name| token.empty_key(&[label(name)]));
        for (name, id) in [(r"a\b", &one), ("615c62", &one), (r"a\\b", &other), (&other, &other)] {
            assert!(keystead(world, &["show", name]).contains(id), "{name}");
        }
    });
}

#[test]
fn a_key_without_a_label_has_an_empty_one_and_is_found_by_its_key_id() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let on_token = [Attribute::Token(true)];
        let bytes = |value: u8| Attribute::Value(vec![value; 32]);
        let created = [&aes_material()[..], &[bytes(1)]].concat();
        let session = token.generate_aes(&[]);
        let (public, private) = pair(&token, &[]);
        for (way, key) in [
            ("generated", token.generate_aes(&on_token)),
            ("generated as a pair", private),
            ("created", token.create_object(&created).unwrap()),
            ("unwrapped", courier.import(&token, &[2; 32], &aes_material()).unwrap()),
            ("copied", token.copy_object(session, &on_token).unwrap()),
        ] {
            let id = token.key_of(key);
            let metadata = token.metadata(&id);
            unnamed(&token, key, &id);
            assert_eq!(token.json(&id)["alias"], id, "{way}");
            token.update_attributes(key, &[label(b"named")]).unwrap();
            for object in [key, metadata] {
                assert_eq!(token.text(object, AttributeType::Label), "named", "{way}");
            }
            let by_id = token.find_objects(&[label(id.as_bytes())]).unwrap();
            assert!(!by_id.contains(&key) && !by_id.contains(&metadata), "{way}");
            token.update_attributes(metadata, &[label(b"")]).unwrap();
            unnamed(&token, key, &id);
        }
        let id = token.key_of(private);
        assert_eq!(token.bytes(public, AttributeType::Label), b"");
        for on_public in [&[][..], &[Attribute::Class(ObjectClass::PUBLIC_KEY)]] {
            let by_id = [on_public, &[label(id.as_bytes()), Attribute::Verify(true)]].concat();
            assert_eq!(token.find_objects(&by_id).unwrap(), [public]);
        }
        let (named, _) = pair(&token, &[label(b"signer")]);
        assert_eq!(token.text(named, AttributeType::Label), "signer");
    });
}

#[test]
fn a_key_without_a_label_is_imported_again_under_its_key_id() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let key = courier.import(&token, &[3; 32], &aes_material()).unwrap();
        let id = token.key_of(key);
        let by_id = [&aes_material()[..], &[label(id.as_bytes())]].concat();
        assert_eq!(courier.import(&token, &[3; 32], &by_id).unwrap(), key);
        token.destroy_object(key).unwrap();
        let back = courier.import(&token, &[3; 32], &by_id).unwrap();
        assert_eq!(token.key_of(back), id);
        unnamed(&token, back, &id);
    });
}

/// The material's label is empty and the metadata's the key ID, and a search for that finds both.
#[track_caller]
fn unnamed(token: &Token, key: ObjectHandle, id: &str) {
    let metadata = token.metadata(id);
    assert_eq!(token.bytes(key, AttributeType::Label), b"");
    assert_eq!(token.text(metadata, AttributeType::Label), id);
    let by_id = [label(id.as_bytes()), Attribute::Token(true)];
    let found = token.find_objects(&by_id).unwrap();
    assert!(found.contains(&key) && found.contains(&metadata));
    // What no index knows is looked at.
    let key_type = Attribute::KeyType(key_type(token, key));
    let private = [key_type, Attribute::Private(true), text(KEY_ID, id)];
    let looked_at = [&by_id[..], &private].concat();
    assert_eq!(token.find_objects(&looked_at).unwrap(), [key]);
    let nameless = [&[label(b"")], &private[..]].concat();
    assert!(token.find_objects(&nameless).unwrap().contains(&key));
}

fn key_type(token: &Token, key: ObjectHandle) -> KeyType {
    match token.get_attributes(key, &[AttributeType::KeyType]).unwrap()[..] {
        [Attribute::KeyType(key_type)] => key_type,
        ref other => panic!("{other:?}"),
    }
}

fn pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let curve = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
    let public = [Attribute::EcParams(curve.to_vec()), Attribute::Token(true)];
    let private = [&[Attribute::Token(true)], private].concat();
    let made = token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    assert_eq!(token.key_of(made.0), token.text(made.1, kind(KEY_ID)));
    made
}

fn label(bytes: &[u8]) -> Attribute {
    Attribute::Label(bytes.to_vec())
}

fn keystead(world: &World, arguments: &[&str]) -> String {
    fs::write(world.path("pin"), format!("{USER_PIN}\n")).unwrap();
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    let pin = world.path("pin");
    let common = ["--pin-file", pin.to_str().unwrap(), "--module", module.to_str().unwrap()];
    let said = world.keystead(&[arguments, &common[..]].concat());
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}
