//! The expiry that a custom key has of its own: every import gets it that is given no other, until it is
//! changed.

use crate::rig::token::{USER_PIN, aes_material};
use crate::rig::world::{now, until};
use crate::rig::wrap::Courier;
use crate::rig::{
    DELETION_AT, EXPIRES_AT, EXPIRY_ACTION, Token, expires_at, for_key, number, play, refused,
};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Date;
use serde_json::{Value, json};

const DAY: u64 = 86_400;
const FAR: u64 = 4_073_500_800;
const FAR_TEXT: &str = "2099-01-31T00:00:00Z";

#[test]
fn an_expiry_after_the_import_is_counted_from_each_import() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires_in": "1d" }));
        for _ in 0..3 {
            lasts_a_day(&token, import(&token, &id, &[]).unwrap());
            // Once more while it is present, and then anew.
            lasts_a_day(&token, import(&token, &id, &[]).unwrap());
            token.destroy_object(token.material(&id).unwrap()).unwrap();
        }
        assert_eq!(token.json(&id)["next_import_expires_in_seconds"], DAY);
    });
}

#[test]
fn every_way_to_bring_material_gives_it_the_keys_own_expiry() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "alias": "payroll", "expires_in": "1d" }));
        std::fs::create_dir(world.path("keys")).unwrap();
        for file in ["keys/payroll", "pin"] {
            std::fs::write(
                world.path(file),
                if file == "pin" { USER_PIN.as_bytes() } else { &[1; 32] },
            )
            .unwrap();
        }
        let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let [keys, file, pin] =
            ["keys", "keys/payroll", "pin"].map(|name| world.path(name).display().to_string());
        let login = ["--pin-file", &pin, "--module", module.to_str().unwrap()];
        let keystead = |arguments: &[&str]| {
            let said = world.keystead(&[arguments, &login].concat());
            assert!(said.status.success(), "{said:?}");
        };
        let value = Attribute::Value(vec![1; 32]);
        let created = |more: &[Attribute]| {
            let template = [&aes_material()[..], std::slice::from_ref(&value), more].concat();
            token.create_object(&template).unwrap();
        };
        let ways: [&dyn Fn(); 5] = [
            &|| assert!(import(&token, &id, &[]).is_ok()),
            &|| created(&[for_key(&id)]),
            &|| created(&[Attribute::Label(b"payroll".to_vec())]),
            &|| keystead(&["import", "payroll", &file]),
            &|| keystead(&["import-many", &keys]),
        ];
        for bring in ways {
            bring();
            let key = token.material(&id).expect("it is there");
            lasts_a_day(&token, key);
            token.destroy_object(key).unwrap();
        }
    });
}

#[test]
fn material_that_has_expired_and_comes_again_expires_again() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires_in": "2s" }));
        for _ in 0..2 {
            let key = import(&token, &id, &[]).unwrap();
            let at = token.number(key, EXPIRES_AT);
            assert!(at > now() && at <= now() + 2, "{at}");
            until(at);
            refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
            assert_eq!(token.json(&id)["material"], "expired");
        }
    });
}

#[test]
fn a_date_holds_for_each_import_and_by_the_attributes_way_too() {
    play(|world| {
        let token = world.token();
        let by_json = empty(&token, json!({ "expires": FAR_TEXT }));
        let by_attributes = token.empty_key(&[expires_at(FAR)]);
        for (material, id) in [(1, by_json), (2, by_attributes)] {
            for _ in 0..2 {
                let key = bring(&token, &[material; 32], &[for_key(&id)]).unwrap();
                assert_eq!(token.number(key, EXPIRES_AT), FAR);
                token.destroy_object(key).unwrap();
            }
            assert_eq!(token.json(&id)["next_import_expires"], FAR_TEXT);
        }
    });
}

#[test]
fn an_expiry_for_one_import_leaves_the_keys_own_for_the_next() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires_in": "1d" }));
        let end = Attribute::EndDate(Date::new_from_str_slice("2099", "01", "30").unwrap());
        for (given, expected) in [
            (&[expires_at(FAR)][..], Some(FAR)),
            (&[], None),
            (&[expires_at(0)], Some(0)),
            (&[], None),
            (&[end], None),
        ] {
            let key = import(&token, &id, given).unwrap();
            match expected {
                Some(expected) => assert_eq!(token.number(key, EXPIRES_AT), expected),
                None => lasts_a_day(&token, key),
            }
        }
    });
}

#[test]
fn what_happens_at_the_expiry_holds_too() {
    play(|world| {
        let token = world.token();
        let read_only = number(EXPIRY_ACTION, 2);
        let by_json = empty(&token, json!({ "expires_in": "2s", "expiry_action": "read-only" }));
        let by_attributes = token.empty_key(&[expires_at(now() + DAY), read_only.clone()]);
        let key = import(&token, &by_json, &[]).unwrap();
        let block = token.encrypt_block(key).unwrap();
        until(token.number(key, EXPIRES_AT));
        refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
        token.decrypt(&Mechanism::AesEcb, key, &block).unwrap();
        let key = import(&token, &by_json, &[]).unwrap();
        token.encrypt_block(key).unwrap();
        assert_eq!(token.number(key, EXPIRY_ACTION), 2);
        // One import otherwise, and the next as before.
        let erased = import(&token, &by_json, &[number(EXPIRY_ACTION, 1)]).unwrap();
        assert_eq!(token.number(erased, EXPIRY_ACTION), 1);
        let later = import(&token, &by_json, &[expires_at(FAR)]).unwrap();
        assert_eq!((token.number(later, EXPIRY_ACTION), token.number(later, EXPIRES_AT)), (2, FAR));
        let key = bring(&token, &[2; 32], &[for_key(&by_attributes)]).unwrap();
        assert_eq!(token.number(key, EXPIRY_ACTION), 2);
        // An action at no expiry is no setting.
        let native = [&aes_material()[..], &[number(crate::rig::ORIGIN, 2), read_only]].concat();
        refused(token.create_object(&native), RvError::TemplateInconsistent);
    });
}

#[test]
fn a_date_that_has_passed_is_refused_until_the_import_or_the_key_gets_another() {
    play(|world| {
        let token = world.token();
        let soon = now() + 2;
        let id = token.empty_key(&[expires_at(soon)]);
        import(&token, &id, &[]).unwrap();
        until(soon);
        let before = token.json(&id);
        refused(import(&token, &id, &[]), RvError::AttributeValueInvalid);
        assert_eq!((token.material(&id), token.json(&id)), (None, before));
        let key = import(&token, &id, &[expires_at(FAR)]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), FAR);
        token.destroy_object(key).unwrap();
        refused(import(&token, &id, &[]), RvError::AttributeValueInvalid);
        change(&token, &id, json!({ "expires_in": "1d" })).unwrap();
        lasts_a_day(&token, import(&token, &id, &[]).unwrap());
    });
}

#[test]
fn the_keys_own_expiry_is_changed_for_imports_to_come() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires": FAR_TEXT }));
        let key = import(&token, &id, &[]).unwrap();
        change(&token, &id, json!({ "expires_in": "1d", "expiry_action": "read-only" })).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), FAR, "what is present keeps its own");
        let shown = token.json(&id);
        assert_eq!(shown["next_import_expires_in_seconds"], DAY);
        assert_eq!(shown["next_import_expiry_action"], "read-only");
        let key = import(&token, &id, &[]).unwrap();
        lasts_a_day(&token, key);
        assert_eq!(token.number(key, EXPIRY_ACTION), 2);
        change(&token, &id, json!({ "expires": null })).unwrap();
        let key = import(&token, &id, &[]).unwrap();
        assert_eq!(token.number(key, EXPIRES_AT), 0);
    });
}

#[test]
fn a_change_that_is_wrong_or_of_a_key_that_cannot_expire_changes_nothing() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires_in": "1d" }));
        let before = token.json(&id);
        for read_only in [json!({}), json!({ "alias": "another" }), json!("text")] {
            refused(change(&token, &id, read_only), RvError::AttributeReadOnly);
        }
        for wrong in [
            json!({ "expires_in": "soon" }),
            json!({ "expires": "1999-01-01T00:00:00Z" }),
            json!({ "expires": FAR_TEXT, "expires_in": "1d" }),
            json!({ "expires": null, "expiry_action": "erase" }),
        ] {
            refused(change(&token, &id, wrong), RvError::AttributeValueInvalid);
        }
        let mixed =
            [Attribute::Value(br#"{"expires":null}"#.to_vec()), number(crate::rig::CREATED_AT, 7)];
        refused(token.update_attributes(token.metadata(&id), &mixed), RvError::AttributeReadOnly);
        assert_eq!(token.json(&id), before);
        let generated = token.key_of(token.generate_aes(&[Attribute::Token(true)]));
        let given = json!({ "expires_in": "1d" });
        refused(change(&token, &generated, given.clone()), RvError::TemplateInconsistent);
        let ending = [number(DELETION_AT, now() + 30 * DAY)];
        token.update_attributes(token.metadata(&id), &ending).unwrap();
        refused(change(&token, &id, given), RvError::ActionProhibited);
    });
}

#[test]
fn a_key_found_by_its_lost_material_gives_it_its_own_expiry() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "expires_in": "1d" }));
        token.destroy_object(import(&token, &id, &[]).unwrap()).unwrap();
        let key = bring(&token, &[1; 32], &[]).unwrap();
        assert_eq!(token.key_of(key), id);
        lasts_a_day(&token, key);
    });
}

#[test]
fn a_private_keys_own_expiry_holds_like_a_secrets() {
    play(|world| {
        let token = world.token();
        let id = empty(&token, json!({ "key_type": "EC", "expires_in": "1d" }));
        let pair = PrivateKey::generate(&ECDH_P256).unwrap();
        let material = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap();
        let courier = Courier::new(&token);
        for _ in 0..2 {
            let template = [
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::EC),
                Attribute::Token(true),
                for_key(&id),
            ];
            let wrapped = courier.wrap_padded(material.as_ref());
            let mechanism = Mechanism::AesKeyWrapPad;
            let key = token.unwrap_key(&mechanism, courier.key, &wrapped, &template).unwrap();
            lasts_a_day(&token, key);
            token.destroy_object(key).unwrap();
        }
    });
}

#[track_caller]
fn lasts_a_day(token: &Token, key: ObjectHandle) {
    let left = token.number(key, EXPIRES_AT).saturating_sub(now());
    assert!(left <= DAY && left > DAY - 60, "{left} seconds are left");
}

fn empty(token: &Token, json: Value) -> String {
    let class = Attribute::Class(ObjectClass::DATA);
    let application = Attribute::Application(b"keystead".to_vec());
    let value = Attribute::Value(json.to_string().into_bytes());
    token.key_of(token.create_object(&[class, Attribute::Token(true), application, value]).unwrap())
}

fn change(token: &Token, id: &str, json: Value) -> cryptoki::error::Result<()> {
    let value = Attribute::Value(json.to_string().into_bytes());
    token.update_attributes(token.metadata(id), &[value])
}

fn import(token: &Token, id: &str, more: &[Attribute]) -> cryptoki::error::Result<ObjectHandle> {
    bring(token, &[1; 32], &[&[for_key(id)][..], more].concat())
}

fn bring(
    token: &Token,
    material: &[u8],
    more: &[Attribute],
) -> cryptoki::error::Result<ObjectHandle> {
    Courier::new(token).import(token, material, &[&aes_material()[..], more].concat())
}
