//! Ways around custody that must lead nowhere: by hand, by import, by copy, by forgery.

use crate::rig::token::{Token, aes_material};
use crate::rig::wrap::Courier;
use crate::rig::{
    CREATED_AT, DELETED, DELETION_AT, DESCRIPTION, ENABLED, EXPIRY_ACTION, EXTERNAL, GENERATED,
    KEY_ID, MATERIAL_STATE, MATERIAL_VERSION, ORIGIN, STATUS, expires_at, for_key, made_on_token,
    number, play, refused, text, without_custody, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

/// A secret that an attacker knows.
const KNOWN: [u8; 32] = [7; 32];
/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;
const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];

#[test]
fn what_custody_decides_cannot_be_written_by_hand() {
    play(|world| {
        let token = world.token();
        let generated = token.generate_aes(&[Attribute::Token(true)]);
        let id = token.key_of(generated);
        let imported = token
            .create_object(&[&aes_material()[..], &[Attribute::Value(KNOWN.to_vec())]].concat())
            .unwrap();
        let later = world::now() + 1000;
        for key in [generated, imported] {
            let metadata = token.metadata(&token.key_of(key));
            let before = token.json(&token.key_of(key));
            for object in [key, metadata] {
                for written in [
                    text(KEY_ID, "00000000-0000-4000-8000-000000000000"),
                    number(ORIGIN, 3 - token.number(key, ORIGIN)),
                    number(CREATED_AT, 1),
                    number(MATERIAL_STATE, DELETED),
                    number(MATERIAL_VERSION, 9),
                    number(EXPIRY_ACTION, READ_ONLY),
                    expires_at(later),
                    Attribute::Destroyable(true),
                    Attribute::Copyable(true),
                ] {
                    let kind = written.attribute_type();
                    // What an object of that kind says already may be said again.
                    if kind == AttributeType::Destroyable && object == imported {
                        continue;
                    }
                    let refusal = token.update_attributes(object, &[written]);
                    refused(refusal, RvError::AttributeReadOnly);
                }
                assert!(token.update_attributes(object, &[without_custody()]).is_err());
            }
            let value = Attribute::Value(b"{}".to_vec());
            refused(token.update_attributes(metadata, &[value]), RvError::AttributeReadOnly);
            assert_eq!(token.json(&token.key_of(key)), before);
        }
        refused(token.destroy_object(generated), RvError::ActionProhibited);
        refused(token.destroy_object(token.metadata(&id)), RvError::ActionProhibited);
    });
}

#[test]
fn a_generated_keys_material_is_exchanged_by_no_import() {
    play(|world| {
        let token = world.token();
        let named = [Attribute::Token(true), Attribute::Label(b"mine".to_vec())];
        let key = token.generate_aes(&named);
        let (id, block) = (token.key_of(key), token.encrypt_block(key).unwrap());
        let uuid = token.bytes(key, AttributeType::Id);
        let courier = Courier::new(&token);
        for name in [for_key(&id), Attribute::Id(uuid)] {
            let target = [&aes_material()[..], &[name]].concat();
            let imported = courier.import(&token, &KNOWN, &target);
            refused(imported, RvError::TemplateInconsistent);
            let created = [&target[..], &[Attribute::Value(KNOWN.to_vec())]].concat();
            refused(token.create_object(&created), RvError::TemplateInconsistent);
        }
        let again = [Attribute::ValueLen(32.into()), Attribute::Token(true), for_key(&id)];
        let again = token.generate_key(&Mechanism::AesKeyGen, &again);
        refused(again, RvError::TemplateInconsistent);
        let same_name = [&aes_material()[..], &[named[1].clone()]].concat();
        let other = courier.import(&token, &KNOWN, &same_name).unwrap();
        assert_ne!(token.key_of(other), id, "a label names no generated key");
        assert_eq!(token.encrypt_block(key).unwrap(), block);
    });
}

#[test]
fn no_copy_takes_a_custom_key_out_of_custody() {
    play(|world| {
        let token = world.token();
        let generated = token.generate_aes(&[Attribute::Token(true), Attribute::Extractable(true)]);
        let expiring = [&aes_material()[..], &[expires_at(world::now() + 1000)]].concat();
        let imported = Courier::new(&token).import(&token, &KNOWN, &expiring).unwrap();
        for key in [generated, imported] {
            for template in [
                &[][..],
                &[Attribute::Token(false)],
                &[without_custody()],
                &[Attribute::Token(false), Attribute::Copyable(true)],
            ] {
                refused(token.copy_object(key, template), RvError::ActionProhibited);
            }
            let fleeting = [Attribute::Token(false)];
            refused(token.update_attributes(key, &fleeting), RvError::AttributeReadOnly);
        }
    });
}

#[test]
fn expired_material_that_is_kept_for_reading_leaves_no_more() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let ends = world::now() + 5;
        let reading =
            [expires_at(ends), number(EXPIRY_ACTION, READ_ONLY), Attribute::Extractable(true)];
        let custom = [&aes_material()[..], &reading].concat();
        let ordinary = [&custom[..], &[without_custody()]].concat();
        let keys = [custom, ordinary].map(|own| courier.import(&token, &KNOWN, &own).unwrap());
        let wrap = |key| token.wrap_key(&Mechanism::AesKeyWrap, courier.key, key);
        let digest = |key| {
            token.digest_init(&Mechanism::Sha256)?;
            token.digest_key(key)?;
            token.digest_final()
        };
        let sealed = token.encrypt_block(keys[0]).unwrap();
        for key in keys {
            wrap(key).unwrap();
            digest(key).unwrap();
        }
        world::until(ends);
        for key in keys {
            refused(wrap(key), RvError::KeyNotWrappable);
            refused(digest(key), RvError::KeyIndigestible);
            refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
            token.decrypt(&Mechanism::AesEcb, key, &sealed).unwrap();
        }
    });
}

#[test]
fn an_ordinary_object_cannot_pass_for_a_custom_key() {
    play(|world| {
        let token = world.token();
        let note = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Label(b"note".to_vec()),
        ];
        let note = token.create_object(&note).unwrap();
        let key = token.generate_aes(&[]);
        for object in [note, key] {
            for foreign in
                [number(STATUS, ENABLED), number(DELETION_AT, 0), text(DESCRIPTION, "not mine")]
            {
                let refusal = token.update_attributes(object, &[foreign]);
                refused(refusal, RvError::AttributeTypeInvalid);
            }
        }
        let disguise = [Attribute::Application(b"keystead".to_vec())];
        refused(token.update_attributes(note, &disguise), RvError::AttributeValueInvalid);
        for forged in [
            r#"{"alias":"a","key_id":"00000000-0000-4000-8000-000000000000"}"#,
            r#"{"alias":"a","origin":"generated"}"#,
            r#"{"alias":"a","material":"present"}"#,
        ] {
            let template = [
                Attribute::Class(ObjectClass::DATA),
                Attribute::Token(true),
                Attribute::Value(forged.as_bytes().to_vec()),
                disguise[0].clone(),
            ];
            refused(token.create_object(&template), RvError::AttributeValueInvalid);
        }
        let generated = number(ORIGIN, GENERATED);
        let value = Attribute::Value(KNOWN.to_vec());
        let claimed = [&aes_material()[..], &[generated, value]].concat();
        refused(token.create_object(&claimed), RvError::AttributeValueInvalid);
        let external = [Attribute::ValueLen(32.into()), number(ORIGIN, EXTERNAL)];
        let external = token.generate_key(&Mechanism::AesKeyGen, &external);
        refused(external, RvError::AttributeReadOnly);
        assert_eq!(made_on_token(&token), [note]);
    });
}

#[test]
fn a_public_half_made_again_changes_nothing_for_the_private_one() {
    play(|world| {
        let token = world.token();
        let (public, private) = ec_pair(&token, true);
        let id = token.key_of(private);
        let names = [AttributeType::Label, AttributeType::Id, AttributeType::PublicKeyInfo];
        let before = token.get_attributes(private, &names).unwrap();
        let (strange, _) = ec_pair(&token, false);
        token.destroy_object(public).unwrap();
        let forged = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Token(true),
            Attribute::EcParams(P256.to_vec()),
            token.get_attributes(strange, &[AttributeType::EcPoint]).unwrap().remove(0),
            Attribute::Id(token.bytes(private, AttributeType::Id)),
            for_key(&id),
        ];
        let forged = token.create_object(&forged).unwrap();
        assert_eq!(token.get_attributes(private, &names).unwrap(), before);
        let signature = token.sign(&Mechanism::EcdsaSha256, private, b"message").unwrap();
        let verified = token.verify(&Mechanism::EcdsaSha256, forged, b"message", &signature);
        refused(verified, RvError::SignatureInvalid);
        token.destroy_object(forged).unwrap();
        refused(token.destroy_object(private), RvError::ActionProhibited);
        assert_eq!(token.number(token.metadata(&id), STATUS), ENABLED);
    });
}

fn ec_pair(token: &Token, on_token: bool) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::EcParams(P256.to_vec()), Attribute::Token(on_token)];
    let private = [Attribute::Token(on_token)];
    token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap()
}
