//! `CKM_KEYSTEAD_SEAL`: what a custom key sealed, that key opens, and no other does.

use crate::rig::token::{Token, aes_material, make_token};
use crate::rig::{
    DISABLED, ENABLED, STATUS, for_key, number, play, refused, rotate, seal, seal_number,
    seal_with, without_custody,
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};

const TEXT: &[u8] = b"what only this key opens";
const CUSTOMER: &[u8; 11] = b"customer 17";

/// Format, key ID, version, salt and tag.
const AROUND: usize = 1 + 16 + 4 + 32 + 16;

#[test]
fn what_was_sealed_opens_whole_and_in_parts() {
    play(|world| {
        let token = world.token();
        let info = token.module.get_mechanism_info(token.slot, seal_number()).unwrap();
        assert!(info.encrypt() && info.decrypt() && info.wrap() && info.unwrap());
        let key = token.generate_aes(&[Attribute::Token(true)]);
        for mechanism in [seal(), seal_with(CUSTOMER)] {
            for text in [TEXT, b"", &[7; 5000]] {
                let blob = token.encrypt(&mechanism, key, text).unwrap();
                assert_eq!(blob.len(), text.len() + AROUND, "the length that was asked for");
                assert_eq!(token.decrypt(&mechanism, key, &blob).unwrap(), text);
                assert_eq!(opened_in_parts(&token, &mechanism, key, &blob).unwrap(), text);
                let blob = sealed_in_parts(&token, &mechanism, key, text);
                assert_eq!(token.decrypt(&mechanism, key, &blob).unwrap(), text);
            }
        }
    });
}

#[test]
fn a_blob_begins_with_the_key_id_and_the_version() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let blob = sealed(&token, key);
        let id: String = blob[1..17].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(id, token.key_of(key).replace('-', ""));
        assert_eq!((blob[0], &blob[17..21]), (1, &[0, 0, 0, 1][..]));
        assert_ne!(blob[21..], sealed(&token, key)[21..], "no two are alike");
    });
}

#[test]
fn two_keys_with_equal_material_never_open_each_others_blobs() {
    play(|world| {
        let one = world.token();
        let other = make_token(&one.module, "another token");
        let (here, there) = (imported(&one, None), imported(&other, None));
        assert_eq!(one.encrypt_block(here).unwrap(), other.encrypt_block(there).unwrap());
        let blob = sealed(&one, here);
        refused(other.decrypt(&seal(), there, &blob), RvError::EncryptedDataInvalid);
        let mut renamed = blob.clone();
        renamed[..21].copy_from_slice(&sealed(&other, there)[..21]);
        refused(other.decrypt(&seal(), there, &renamed), RvError::EncryptedDataInvalid);
        assert_eq!(one.decrypt(&seal(), here, &blob).unwrap(), TEXT);
    });
}

#[test]
fn material_imported_again_opens_what_it_sealed_before() {
    play(|world| {
        let token = world.token();
        let key = imported(&token, None);
        let (id, blob) = (token.key_of(key), sealed(&token, key));
        token.destroy_object(key).unwrap();
        refused(token.decrypt(&seal(), key, &blob), RvError::KeyHandleInvalid);
        let again = imported(&token, Some(&id));
        assert_eq!(token.decrypt(&seal(), again, &blob).unwrap(), TEXT);
    });
}

#[test]
fn a_rotated_key_opens_what_each_version_sealed() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let old = sealed(&token, key);
        let data_key = token.wrap_key(&seal(), key, data_key(&token)).unwrap();
        token.generate_key(&rotate(), &[for_key(&token.key_of(key))]).unwrap();
        let new = sealed(&token, key);
        assert_eq!((old[20], new[20]), (1, 2), "the newest version seals");
        for blob in [&old, &new] {
            assert_eq!(token.decrypt(&seal(), key, blob).unwrap(), TEXT);
            assert_eq!(opened_in_parts(&token, &seal(), key, blob).unwrap(), TEXT);
        }
        unwrapped(&token, &seal(), key, &data_key).unwrap();
        let mut forged = old.clone();
        forged[20] = 2;
        refused(token.decrypt(&seal(), key, &forged), RvError::EncryptedDataInvalid);
    });
}

#[test]
fn whatever_is_wrong_with_a_blob_has_one_code() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let blob = token.encrypt(&seal_with(CUSTOMER), key, TEXT).unwrap();
        let open = |blob: &[u8]| token.decrypt(&seal_with(CUSTOMER), key, blob);
        for at in 0..blob.len() {
            let mut forged = blob.clone();
            forged[at] ^= 1 << (at % 8);
            refused(open(&forged), RvError::EncryptedDataInvalid);
            refused(
                opened_in_parts(&token, &seal_with(CUSTOMER), key, &forged),
                RvError::EncryptedDataInvalid,
            );
        }
        for len in [0, 1, 21, 53, AROUND - 1, AROUND, blob.len() - 1] {
            refused(open(&blob[..len]), RvError::EncryptedDataInvalid);
        }
        refused(open(&[&blob[..], b"x"].concat()), RvError::EncryptedDataInvalid);
        for other in [seal(), seal_with(b"customer 18")] {
            refused(token.decrypt(&other, key, &blob), RvError::EncryptedDataInvalid);
        }
        assert_eq!(open(&blob).unwrap(), TEXT);
    });
}

#[test]
fn a_data_key_is_sealed_and_unsealed_without_being_seen() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let blob = token.wrap_key(&seal_with(CUSTOMER), key, data_key(&token)).unwrap();
        assert_eq!(blob.len(), 32 + AROUND);
        let back = unwrapped(&token, &seal_with(CUSTOMER), key, &blob).unwrap();
        assert_eq!(token.bytes(back, AttributeType::Value), [7; 32]);
        refused(unwrapped(&token, &seal(), key, &blob), RvError::WrappedKeyInvalid);
        let mut forged = blob.clone();
        forged[60] ^= 1;
        let unwrap = |wrong: &[u8]| unwrapped(&token, &seal_with(CUSTOMER), key, wrong);
        refused(unwrap(&forged), RvError::WrappedKeyInvalid);
        for wrong in [&blob[..40], b""] {
            refused(unwrap(wrong), RvError::WrappedKeyLenRange);
        }
        let other = token.generate_aes(&[Attribute::Token(true)]);
        refused(unwrapped(&token, &seal_with(CUSTOMER), other, &blob), RvError::WrappedKeyInvalid);
    });
}

/// HKDF begins with a digest of the salt and the key: with that, a blob opens by hand.
#[test]
fn no_digest_of_a_key_that_does_not_decrypt_opens_what_it_sealed() {
    play(|world| {
        let token = world.token();
        let wrapping = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let wrapping = token.generate_aes(&[&wrapping[..], &[Attribute::Token(true)]].concat());
        let wrapped = token.wrap_key(&seal(), wrapping, data_key(&token)).unwrap();
        refused(opened_by_hand(&token, wrapping, &wrapped), RvError::KeyIndigestible);
        let sealing = token.generate_aes(&[Attribute::Token(true), Attribute::Encrypt(true)]);
        let blob = sealed(&token, sealing);
        refused(opened_by_hand(&token, sealing, &blob), RvError::KeyIndigestible);
        let both = token.generate_aes(&[Attribute::Token(true)]);
        assert_eq!(opened_by_hand(&token, both, &sealed(&token, both)).unwrap(), TEXT);
    });
}

#[test]
fn a_key_that_is_switched_off_neither_seals_nor_opens() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let blob = sealed(&token, key);
        token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        refused(token.decrypt(&seal(), key, &blob), RvError::KeyFunctionNotPermitted);
        refused(token.encrypt(&seal(), key, TEXT), RvError::KeyFunctionNotPermitted);
        token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
        assert_eq!(token.decrypt(&seal(), key, &blob).unwrap(), TEXT);
    });
}

#[test]
fn an_ordinary_key_has_no_identity_to_seal_with() {
    play(|world| {
        let token = world.token();
        let ordinary = [Attribute::Token(true), without_custody()];
        for template in [&ordinary[..], &[Attribute::Token(false)]] {
            let key = token.generate_aes(template);
            refused(token.encrypt(&seal(), key, TEXT), RvError::KeyFunctionNotPermitted);
            refused(token.decrypt(&seal(), key, &[1; 80]), RvError::KeyFunctionNotPermitted);
            let inner = data_key(&token);
            refused(token.wrap_key(&seal(), key, inner), RvError::KeyFunctionNotPermitted);
        }
    });
}

fn sealed(token: &Token, key: ObjectHandle) -> Vec<u8> {
    token.encrypt(&seal(), key, TEXT).unwrap()
}

/// Opens a blob by HKDF-SHA-256 and AES-256-GCM, of which the token makes only a digest.
fn opened_by_hand(token: &Token, key: ObjectHandle, blob: &[u8]) -> Result<Vec<u8>> {
    let (header, rest) = blob.split_at(21);
    let (salt, text) = rest.split_at(32);
    let block = |with: u8| {
        let salt = salt.iter().copied().chain(std::iter::repeat(0)).take(64);
        salt.map(|byte| byte ^ with).collect::<Vec<u8>>()
    };
    token.digest_init(&Mechanism::Sha256)?;
    token.digest_update(&block(0x36))?;
    token.digest_key(key)?;
    let inner = token.digest_final()?;
    let condensed = digest(&SHA256, &[block(0x5C), inner].concat());
    let info = [b"keystead seal", header, &[1]].concat();
    let message_key = hmac::sign(&hmac::Key::new(HMAC_SHA256, condensed.as_ref()), &info);
    let message_key = UnboundKey::new(&AES_256_GCM, message_key.as_ref()).unwrap();
    let (nonce, mut text) = (Nonce::assume_unique_for_key([0; 12]), text.to_vec());
    let opened = LessSafeKey::new(message_key).open_in_place(nonce, Aad::from(header), &mut text);
    Ok(opened.unwrap().to_vec())
}

fn sealed_in_parts(token: &Token, by: &Mechanism, key: ObjectHandle, text: &[u8]) -> Vec<u8> {
    token.encrypt_init(by, key).unwrap();
    let mut blob = Vec::new();
    for part in text.chunks(7) {
        blob.extend(token.encrypt_update(part).unwrap());
    }
    blob.extend(token.encrypt_final().unwrap());
    blob
}

fn opened_in_parts(
    token: &Token,
    by: &Mechanism,
    key: ObjectHandle,
    blob: &[u8],
) -> cryptoki::error::Result<Vec<u8>> {
    token.decrypt_init(by, key)?;
    for part in blob.chunks(50) {
        assert_eq!(token.decrypt_update(part)?, b"", "nothing leaves before the tag is checked");
    }
    token.decrypt_final()
}

/// Known material under a custom key: a new one, or that one.
fn imported(token: &Token, id: Option<&str>) -> ObjectHandle {
    let target = id.map(for_key);
    let value = Attribute::Value(vec![5; 32]);
    let template = [&aes_material()[..], &[value], target.as_slice()].concat();
    token.create_object(&template).unwrap()
}

/// A key to wrap whose value can be seen.
fn data_key(token: &Token) -> ObjectHandle {
    let template = [&data_key_template()[..], &[Attribute::Value(vec![7; 32])]].concat();
    token.create_object(&template).unwrap()
}

fn unwrapped(
    token: &Token,
    by: &Mechanism,
    key: ObjectHandle,
    blob: &[u8],
) -> cryptoki::error::Result<ObjectHandle> {
    token.unwrap_key(by, key, blob, &data_key_template())
}

fn data_key_template() -> [Attribute; 4] {
    [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}
