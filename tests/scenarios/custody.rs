//! Custom keys: metadata that stays, generated material that stays with it, names, status.

use crate::rig::token::{Token, aes_material};
use crate::rig::wrap::Courier;
use crate::rig::{
    CREATED_AT, DELETED, DELETION_AT, DESCRIPTION, DISABLED, ENABLED, EXPIRES_AT, EXPIRY_ACTION,
    EXTERNAL, GENERATED, MATERIAL_STATE, MATERIAL_VERSION, NEVER_IMPORTED, ORIGIN,
    PENDING_DELETION, PENDING_IMPORT, PRESENT, STATUS, expires_at, for_key, kind, made_objects,
    number, play, refused, text, without_custody, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

#[test]
fn a_generated_key_has_metadata_beside_it() {
    play(|world| {
        let token = world.token();
        let before = world::now();
        let key = token.generate_aes(&[Attribute::Token(true), label("payroll")]);
        let id = token.key_of(key);
        let metadata = token.metadata(&id);
        assert_ne!(metadata, key);
        assert_eq!(token.text(metadata, AttributeType::UniqueId), id);
        assert_eq!(token.bytes(metadata, AttributeType::Application), b"keystead");
        assert_eq!(token.bytes(metadata, AttributeType::Label), b"payroll");
        assert!(token.bytes(metadata, AttributeType::ObjectId).is_empty());
        assert!(!token.flag(metadata, AttributeType::Destroyable));
        assert!(!token.flag(metadata, AttributeType::Copyable));
        assert!(!token.flag(key, AttributeType::Copyable));
        assert_eq!(token.number(metadata, ORIGIN), GENERATED);
        assert_eq!(token.number(metadata, STATUS), ENABLED);
        assert_eq!(token.number(metadata, MATERIAL_STATE), PRESENT);
        assert_eq!(token.number(metadata, MATERIAL_VERSION), 1);
        assert_eq!(token.number(metadata, EXPIRES_AT), 0);
        let created = token.number(metadata, CREATED_AT);
        assert!((before..=world::now()).contains(&created));
        let json = token.json(&id);
        assert_eq!(json["key_id"], id);
        assert_eq!(json["alias"], "payroll");
        assert_eq!(json["origin"], "generated");
        assert_eq!(json["status"], "enabled");
        assert_eq!(json["key_type"], "AES");
        assert_eq!(json["key_bits"], 256);
    });
}

#[test]
fn a_generated_keys_material_and_metadata_are_never_destroyed_nor_copied() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let id = token.key_of(key);
        let metadata = token.metadata(&id);
        let block = token.encrypt_block(key).unwrap();
        for object in [key, metadata] {
            refused(token.destroy_object(object), RvError::ActionProhibited);
            refused(token.copy_object(object, &[]), RvError::ActionProhibited);
            let into_session = [Attribute::Token(false)];
            refused(token.copy_object(object, &into_session), RvError::ActionProhibited);
        }
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        assert_eq!(token.metadata(&id), metadata);
    });
}

#[test]
fn an_expiry_on_a_generated_key_is_refused_and_no_key_is_made() {
    play(|world| {
        let token = world.token();
        let template = [
            Attribute::ValueLen(32.into()),
            Attribute::Token(true),
            expires_at(world::now() + 1000),
        ];
        let refusal = token.generate_key(&Mechanism::AesKeyGen, &template);
        refused(refusal, RvError::TemplateInconsistent);
        assert!(made_objects(&token).is_empty());
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let later = [expires_at(world::now() + 1000)];
        assert!(token.update_attributes(key, &later).is_err());
        assert_eq!(token.number(key, EXPIRES_AT), 0);
    });
}

#[test]
fn a_key_that_was_only_brought_in_is_external_and_a_copied_generated_one_is_not() {
    play(|world| {
        let token = world.token();
        let created = token
            .create_object(&[&aes_material()[..], &[Attribute::Value(vec![5; 32])]].concat())
            .unwrap();
        assert_eq!(token.number(created, ORIGIN), EXTERNAL);
        assert!(!token.flag(created, AttributeType::Local));
        assert!(!token.flag(created, AttributeType::AlwaysSensitive));
        assert!(!token.flag(created, AttributeType::NeverExtractable));
        let fleeting = token.generate_aes(&[]);
        let copied = token.copy_object(fleeting, &[Attribute::Token(true)]).unwrap();
        assert_eq!(token.number(copied, ORIGIN), GENERATED);
        assert!(token.flag(copied, AttributeType::Local));
        refused(token.destroy_object(copied), RvError::ActionProhibited);
    });
}

#[test]
fn names_are_one_value_set_through_either_object_and_the_id_outlives_the_material() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let id = token.key_of(key);
        let metadata = token.metadata(&id);
        assert_eq!(
            token.text(metadata, AttributeType::Label),
            id,
            "the alias defaults to the key ID"
        );
        assert_eq!(token.bytes(key, AttributeType::Id), uuid_bytes(&id));
        token.update_attributes(key, &[label("renamed")]).unwrap();
        assert_eq!(token.text(metadata, AttributeType::Label), "renamed");
        token.update_attributes(metadata, &[label("again")]).unwrap();
        assert_eq!(token.text(key, AttributeType::Label), "again");
        assert_eq!(token.bytes(key, AttributeType::Id), uuid_bytes(&id));
        token.update_attributes(key, &[Attribute::Id(vec![1, 2, 3])]).unwrap();
        assert_eq!(token.text(key, AttributeType::Label), "again");
        let class = Attribute::Class(ObjectClass::SECRET_KEY);
        assert_eq!(token.find_objects(&[class, label("again")]).unwrap(), [key]);
        assert_eq!(token.json(&id)["alias"], "again");
    });
}

#[test]
fn a_disabled_key_refuses_every_use_in_every_process_until_it_is_enabled() {
    play(|world| match world.role() {
        "user" => {
            let token = world.same_token();
            let key = token.find_objects(&aes_material()).unwrap()[0];
            token.encrypt_block(key).unwrap();
            world.tell("used");
            world.hear();
            refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
            refused(
                token.decrypt(&Mechanism::AesEcb, key, &[0; 16]),
                RvError::KeyFunctionNotPermitted,
            );
            world.tell("refused");
            world.hear();
            token.encrypt_block(key).unwrap();
        }
        _ => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            let metadata = token.metadata(&token.key_of(key));
            let mut user = world.start("user");
            user.says("used");
            token.update_attributes(metadata, &[number(STATUS, DISABLED)]).unwrap();
            refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
            assert_eq!(token.number(key, STATUS), DISABLED);
            user.tell("disabled");
            user.says("refused");
            token.update_attributes(metadata, &[number(STATUS, ENABLED)]).unwrap();
            token.encrypt_block(key).unwrap();
            user.tell("enabled");
            user.ends_well();
        }
    });
}

#[test]
fn a_status_that_nobody_can_set_is_refused() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let metadata = token.metadata(&token.key_of(key));
        for status in [0, 1, 4, 5, 6, u64::MAX] {
            assert!(token.update_attributes(metadata, &[number(STATUS, status)]).is_err());
        }
        assert_eq!(token.number(metadata, STATUS), ENABLED);
    });
}

#[test]
fn a_key_whose_deletion_is_scheduled_refuses_use_and_is_disabled_when_rescued() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let metadata = token.metadata(&token.key_of(key));
        let days = |number: u64| world::now() + number * 86_400;
        for wrong in [1, world::now(), days(6), days(1098)] {
            let result = token.update_attributes(metadata, &[number(DELETION_AT, wrong)]);
            refused(result, RvError::AttributeValueInvalid);
        }
        token.update_attributes(metadata, &[number(DELETION_AT, days(30))]).unwrap();
        assert_eq!(token.number(metadata, STATUS), PENDING_DELETION);
        refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
        token.update_attributes(metadata, &[number(DELETION_AT, 0)]).unwrap();
        assert_eq!(token.number(metadata, STATUS), DISABLED);
        token.update_attributes(metadata, &[number(STATUS, ENABLED)]).unwrap();
        token.encrypt_block(key).unwrap();
    });
}

#[test]
fn an_empty_key_is_made_in_the_native_way() {
    play(|world| {
        let token = world.token();
        let template = [label("payroll"), text(DESCRIPTION, "for the salaries")];
        let id = token.empty_key(&template);
        let metadata = token.metadata(&id);
        assert_eq!(token.number(metadata, ORIGIN), EXTERNAL);
        assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
        assert_eq!(token.number(metadata, MATERIAL_STATE), NEVER_IMPORTED);
        assert_eq!(token.text(metadata, kind(DESCRIPTION)), "for the salaries");
        assert_eq!(token.text(metadata, AttributeType::Label), "payroll");
        assert_eq!(token.material(&id), None);
        refused(token.destroy_object(metadata), RvError::ActionProhibited);
        token.update_attributes(metadata, &[text(DESCRIPTION, "changed")]).unwrap();
        assert_eq!(token.json(&id)["description"], "changed");
    });
}

#[test]
fn an_empty_key_is_made_by_writing_json() {
    play(|world| {
        let token = world.token();
        let metadata = write_json(
            &token,
            r#"{"alias":"payroll","description":"for the salaries","key_type":"AES","key_bits":256}"#,
        )
        .unwrap();
        let id = token.key_of(metadata);
        assert_eq!(token.metadata(&id), metadata);
        assert_eq!(token.text(metadata, AttributeType::Label), "payroll");
        assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
        let json = token.json(&id);
        assert_eq!(json["description"], "for the salaries");
        assert_eq!(json["material"], "never imported");
        let courier = Courier::new(&token);
        let short = [&aes_material()[..], &[for_key(&id)]].concat();
        assert!(courier.import(&token, &[1; 16], &short).is_err(), "128 bits into a key of 256");
        courier.import(&token, &[1; 32], &short).unwrap();
    });
}

#[test]
fn json_that_makes_no_sense_makes_no_key() {
    play(|world| {
        let token = world.token();
        for wrong in [
            "",
            "not json",
            "[]",
            r#"{"alias":""}"#,
            r#"{"alias":"a","surprise":1}"#,
            r#"{"alias":"a","key_type":"ROT13"}"#,
            r#"{"alias":"a","key_bits":100}"#,
            r#"{"alias":"a","expires":"yesterday"}"#,
            r#"{"alias":"a","expires":"2001-01-01T00:00:00Z"}"#,
            r#"{"alias":"a","expires_in":"-3d"}"#,
            r#"{"alias":"a","expires_in":"90d","expires":"2099-01-01T00:00:00Z"}"#,
        ] {
            let result = write_json(&token, wrong);
            assert!(result.is_err(), "{wrong:?} made a key");
            refused(result, RvError::AttributeValueInvalid);
        }
        assert!(made_objects(&token).is_empty());
    });
}

#[test]
fn the_json_form_is_private_unless_it_says_otherwise() {
    play(|world| {
        let token = world.token();
        write_json(&token, r#"{"alias":"closed"}"#).unwrap();
        write_json(&token, r#"{"alias":"open","private":false}"#).unwrap();
        token.logout().unwrap();
        let seen = token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap();
        let labels: Vec<String> =
            seen.iter().map(|&object| token.text(object, AttributeType::Label)).collect();
        assert_eq!(labels, ["open"]);
    });
}

#[test]
fn imported_material_is_deleted_and_the_metadata_says_so() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let id = token.empty_key(&[label("payroll")]);
        let template = [&aes_material()[..], &[for_key(&id)]].concat();
        let key = courier.import(&token, &[3; 32], &template).unwrap();
        token.destroy_object(key).unwrap();
        assert_eq!(token.material(&id), None);
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        refused(token.destroy_object(key), RvError::ObjectHandleInvalid);
        let metadata = token.metadata(&id);
        assert_eq!(token.number(metadata, MATERIAL_STATE), DELETED);
        assert_eq!(token.number(metadata, STATUS), PENDING_IMPORT);
        assert_eq!(token.json(&id)["material"], "deleted");
        assert_eq!(token.text(metadata, AttributeType::Label), "payroll");
    });
}

#[test]
fn an_ordinary_key_asked_for_has_no_metadata_and_is_destroyed_like_any() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true), without_custody()]);
        assert_eq!(made_objects(&token), [key]);
        token.destroy_object(key).unwrap();
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        assert!(made_objects(&token).is_empty());
    });
}

#[test]
fn custody_by_configuration_is_off_for_tokens_made_under_it_and_a_template_may_still_ask() {
    play(|world| {
        world.configure("custody = false");
        let token = world.token();
        let plain = token.generate_aes(&[Attribute::Token(true)]);
        token.destroy_object(plain).unwrap();
        let asked = Attribute::VendorDefined((kind(crate::rig::CUSTODY), vec![1]));
        let custom = token.generate_aes(&[Attribute::Token(true), asked]);
        refused(token.destroy_object(custom), RvError::ActionProhibited);
    });
}

#[test]
fn a_pairs_public_half_is_ordinary_and_carries_the_key_id() {
    play(|world| {
        let token = world.token();
        let (public, private) = token
            .generate_key_pair(
                &Mechanism::RsaPkcsKeyPairGen,
                &[
                    Attribute::Token(true),
                    Attribute::ModulusBits(2048.into()),
                    Attribute::PublicExponent(vec![1, 0, 1]),
                ],
                &[Attribute::Token(true), label("pair")],
            )
            .unwrap();
        let id = token.key_of(private);
        assert_eq!(token.key_of(public), id);
        assert_eq!(token.text(public, AttributeType::Label), "pair");
        assert_eq!(token.bytes(public, AttributeType::Id), token.bytes(private, AttributeType::Id));
        refused(token.destroy_object(private), RvError::ActionProhibited);
        token.destroy_object(public).unwrap();
        assert_eq!(token.json(&id)["key_type"], "RSA");
    });
}

fn write_json(token: &Token, json: &str) -> cryptoki::error::Result<ObjectHandle> {
    // What `pkcs11-tool --write-object FILE --type data --application-label keystead` sends.
    token.create_object(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Value(json.as_bytes().to_vec()),
        Attribute::Private(false),
        Attribute::Application(b"keystead".to_vec()),
    ])
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

fn uuid_bytes(id: &str) -> Vec<u8> {
    uuid::Uuid::parse_str(id).unwrap().as_bytes().to_vec()
}

#[test]
fn a_key_type_that_no_custom_key_can_have_is_refused() {
    play(|world| {
        let token = world.token();
        let result = token.create_object(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::DES3),
            Attribute::Token(true),
            number(ORIGIN, EXTERNAL),
        ]);
        assert!(result.is_err());
        assert!(made_objects(&token).is_empty());
    });
}

#[test]
fn what_an_empty_key_has_no_place_for_is_refused_and_not_forgotten() {
    play(|world| {
        let token = world.token();
        let native = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            number(ORIGIN, EXTERNAL),
        ];
        let json = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Application(b"keystead".to_vec()),
            Attribute::Value(br#"{"alias":"payroll","key_type":"AES"}"#.to_vec()),
        ];
        let expiry = expires_at(world::now() + 1000);
        for (base, more) in [
            (&native[..], number(EXPIRY_ACTION, 2)),
            (&native[..], for_key("00000000-0000-4000-8000-000000000000")),
            (&json[..], expiry),
            (&json[..], number(ORIGIN, 1)),
            (&json[..], number(EXPIRY_ACTION, 2)),
        ] {
            let made = token.create_object(&[base, &[more]].concat());
            refused(made, RvError::TemplateInconsistent);
        }
        assert_eq!(token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap(), []);
    });
}
