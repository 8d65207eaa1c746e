//! Wraps that are malformed, unauthenticated or not configured, and keys that are no custom keys.

use super::{ONE, TWO, import, target};
use crate::rig::token::{aes_material, expected_block};
use crate::rig::wrap::{Courier, ImportKey, oaep_sha1, oaep_sha256};
use crate::rig::{PENDING_IMPORT, STATUS, play, refused, without_custody};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};

#[test]
fn created_material_obeys_the_same_rules_as_unwrapped() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let create = |value: [u8; 32]| {
            let value = Attribute::Value(value.to_vec());
            token.create_object(&[&target(&id)[..], &[value]].concat())
        };
        let key = create(ONE).unwrap();
        assert_eq!(token.key_of(key), id);
        refused(create(TWO), RvError::TemplateInconsistent);
        assert_eq!(create(ONE).unwrap(), key);
        token.destroy_object(key).unwrap();
        refused(create(TWO), RvError::TemplateInconsistent);
        assert_eq!(token.encrypt_block(create(ONE).unwrap()).unwrap(), expected_block(&ONE));
    });
}

#[test]
fn every_malformed_blob_of_a_possible_length_gets_one_code_and_changes_nothing() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let import_key = ImportKey::new(&token);
        let courier = Courier::new(&token);
        let good = import_key.wrap(&ONE);
        let mut blobs = vec![
            (oaep_sha256(), vec![0; good.len()]),
            (oaep_sha256(), vec![255; good.len()]),
            (oaep_sha256(), import_key.wrap(&[7; 5])),
            (oaep_sha256(), import_key.wrap(&[7; 33])),
            (oaep_sha256(), import_key.wrap(b"")),
            (oaep_sha256(), import_key.wrap_sha1(&ONE)),
            (oaep_sha1(), good.clone()),
            (oaep_sha256(), ImportKey::new(&token).wrap(&ONE)),
        ];
        for at in [0, 1, 100, good.len() - 1] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            blobs.push((oaep_sha256(), flipped));
        }
        for blob in [good[1..].to_vec(), [&good[..], &[0]].concat()] {
            let result = token.unwrap_key(&oaep_sha256(), import_key.private, &blob, &target(&id));
            refused(result, RvError::WrappedKeyLenRange);
        }
        for (mechanism, blob) in blobs {
            let result = token.unwrap_key(&mechanism, import_key.private, &blob, &target(&id));
            refused(result, RvError::WrappedKeyInvalid);
        }
        let good = courier.wrap(&ONE);
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x80;
            for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
                let result = token.unwrap_key(&mechanism, courier.key, &flipped, &target(&id));
                refused(result, RvError::WrappedKeyInvalid);
            }
        }
        for length in [8, 16, 23, 25, 31, 41] {
            let blob = vec![7; length];
            let result = token.unwrap_key(&Mechanism::AesKeyWrap, courier.key, &blob, &target(&id));
            refused(result, RvError::WrappedKeyLenRange);
        }
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        assert_eq!(token.material(&id), None);
        import(&token, &ONE, &target(&id)).unwrap();
    });
}

#[test]
fn through_unauthenticated_wraps_every_refusal_looks_alike() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        import(&token, &ONE, &target(&id)).unwrap();
        let secret = [8_u8; 32];
        // The sender's key and the token's: one that may do both would unwrap nothing sensitive.
        let key = |usage| {
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                usage,
                Attribute::Value(secret.to_vec()),
            ];
            token.create_object(&template).unwrap()
        };
        let (sender, kek) = (key(Attribute::Encrypt(true)), key(Attribute::Unwrap(true)));
        let cbc = Mechanism::AesCbcPad([3; 16]);
        let other = token.encrypt(&cbc, sender, &TWO).unwrap();
        refused(token.unwrap_key(&cbc, kek, &other, &target(&id)), RvError::WrappedKeyInvalid);
        let mut broken = other;
        broken[40] ^= 1;
        refused(token.unwrap_key(&cbc, kek, &broken, &target(&id)), RvError::WrappedKeyInvalid);
        let right = token.encrypt(&cbc, sender, &ONE).unwrap();
        token.unwrap_key(&cbc, kek, &right, &target(&id)).unwrap();
    });
}

#[test]
fn an_import_key_can_do_nothing_but_unwrap() {
    play(|world| {
        let token = world.token();
        let import_key = ImportKey::new(&token);
        for flag in [AttributeType::Decrypt, AttributeType::Sign, AttributeType::Derive] {
            assert!(!token.flag(import_key.private, flag), "{flag:?}");
        }
        refused(
            token.decrypt(&oaep_sha256(), import_key.private, &import_key.wrap(&ONE)),
            RvError::KeyFunctionNotPermitted,
        );
        token.destroy_object(import_key.private).unwrap();
        let wrapped = import_key.wrap(&ONE);
        refused(
            token.unwrap_key(&oaep_sha256(), import_key.private, &wrapped, &aes_material()),
            RvError::UnwrappingKeyHandleInvalid,
        );
    });
}

#[test]
fn pkcs1_v15_unwraps_only_where_it_is_configured() {
    play(|world| {
        let token = world.token();
        let import_key = ImportKey::new(&token);
        let blob = vec![5; 256];
        let result =
            token.unwrap_key(&Mechanism::RsaPkcs, import_key.private, &blob, &aes_material());
        refused(result, RvError::MechanismInvalid);
    });
}

#[test]
fn material_unwrapped_to_a_session_key_is_nobodys_custom_key() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let fleeting =
            [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        let key = import(&token, &ONE, &fleeting).unwrap();
        assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&ONE));
        assert!(!token.flag(key, AttributeType::Token));
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        import(&token, &ONE, &target(&id)).unwrap();
    });
}

#[test]
fn an_ordinary_key_can_be_imported_beside_the_custom_ones() {
    play(|world| {
        let token = world.token();
        let ordinary = [&aes_material()[..], &[without_custody()]].concat();
        let key = import(&token, &ONE, &ordinary).unwrap();
        token.destroy_object(key).unwrap();
        assert!(token.find_objects(&[Attribute::Class(ObjectClass::DATA)]).unwrap().is_empty());
    });
}
