//! Answers to texts that were changed on their way, which tell nothing: malleable wrappings, shortened tags,
//! PKCS#1 v1.5 paddings.

use crate::rig::paddings;
use crate::rig::token::aes_material;
use crate::rig::wrap::Courier;
use crate::rig::{PENDING_IMPORT, STATUS, Token, for_key, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectHandle};

/// A secret that an attacker knows.
const KNOWN: [u8; 32] = [7; 32];
const IV: [u8; 16] = [3; 16];

#[test]
fn every_wrong_padding_decrypts_to_something_and_always_the_same() {
    play(|world| {
        let token = world.token();
        let (public, private) = rsa_pair(&token);
        let decrypt = |sealed: &[u8]| token.decrypt(&Mechanism::RsaPkcs, private, sealed);
        let good = token.encrypt(&Mechanism::RsaPkcs, public, b"text").unwrap();
        assert_eq!(decrypt(&good).unwrap(), b"text");
        let mut texts = Vec::new();
        for (flaw, block) in paddings::wrong(0x55) {
            let sealed = token.encrypt(&Mechanism::RsaX509, public, &block).unwrap();
            let text = decrypt(&sealed).unwrap_or_else(|error| panic!("{flaw}: {error}"));
            assert_eq!(decrypt(&sealed).unwrap(), text, "{flaw}");
            assert!(!block.ends_with(&text) || text.is_empty(), "{flaw} tells what it held");
            texts.push(text);
        }
        texts.dedup();
        assert!(texts.len() > 1, "the made-up text depends on what was sent");
    });
}

#[test]
fn tampering_with_a_cbc_wrapped_key_tells_nothing_and_replaces_nothing() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let role = |usage| {
            let value = Attribute::Value(vec![8; 32]);
            token.create_object(&[&session_aes()[..], &[usage, value]].concat()).unwrap()
        };
        let (sender, receiver) = (role(Attribute::Encrypt(true)), role(Attribute::Unwrap(true)));
        let wrapped = token.encrypt(&Mechanism::AesCbcPad(IV), sender, &KNOWN).unwrap();
        let target = [&aes_material()[..], &[for_key(&id)]].concat();
        let unwrap =
            |iv, blob: &[u8]| token.unwrap_key(&Mechanism::AesCbcPad(iv), receiver, blob, &target);
        let key = unwrap(IV, &wrapped).unwrap();
        let block = token.encrypt_block(key).unwrap();
        let tampered = |at: usize| {
            let (mut iv, mut blob) = (IV, wrapped.clone());
            *iv.iter_mut().chain(&mut blob).nth(at).unwrap() ^= 1;
            unwrap(iv, &blob)
        };
        for at in [0, 15, 16, 31, 47] {
            refused(tampered(at), RvError::WrappedKeyInvalid);
        }
        assert_eq!(token.encrypt_block(key).unwrap(), block);
        token.destroy_object(key).unwrap();
        for at in [0, 15, 16, 31, 47] {
            refused(tampered(at), RvError::WrappedKeyInvalid);
        }
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        let again = unwrap(IV, &wrapped).unwrap();
        assert_eq!(token.encrypt_block(again).unwrap(), block);
    });
}

#[test]
fn a_shortened_tag_or_wrapping_opens_nothing() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[]);
        let open = |bits: u64, sealed: &[u8]| {
            let mut iv = [9; 12];
            let gcm = Mechanism::AesGcm(GcmParams::new(&mut iv, b"aad", bits.into()).unwrap());
            token.decrypt(&gcm, key, sealed)
        };
        let mut iv = [9; 12];
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut iv, b"aad", 128.into()).unwrap());
        let sealed = token.encrypt(&gcm, key, b"twenty bytes of text").unwrap();
        for bits in [0, 1, 8, 16, 24, 31, 33, 127, 136] {
            refused(open(bits, &sealed), RvError::MechanismParamInvalid);
        }
        for left in 16..sealed.len() {
            refused(open(128, &sealed[..left]), RvError::EncryptedDataInvalid);
        }
        for left in 0..16 {
            assert!(open(128, &sealed[..left]).is_err(), "{left} bytes");
        }
        assert_eq!(open(128, &sealed).unwrap(), b"twenty bytes of text");

        let courier = Courier::new(&token);
        let unwrap = |mechanism: &Mechanism, blob: &[u8]| {
            token.unwrap_key(mechanism, courier.key, blob, &session_aes())
        };
        let (plain, padded) = (courier.wrap(&KNOWN), courier.wrap_padded(&KNOWN));
        for left in [8, 16, 24, 32] {
            for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
                for blob in [&plain, &padded] {
                    // No AES key is as short, which shows before it is opened.
                    let code = match left < 24 {
                        true => RvError::WrappedKeyLenRange,
                        false => RvError::WrappedKeyInvalid,
                    };
                    refused(unwrap(&mechanism, &blob[..left]), code);
                    refused(unwrap(&mechanism, &blob[blob.len() - left..]), code);
                }
            }
        }
        refused(unwrap(&Mechanism::AesKeyWrapPad, &plain), RvError::WrappedKeyInvalid);
        refused(unwrap(&Mechanism::AesKeyWrap, &padded), RvError::WrappedKeyInvalid);
    });
}

fn session_aes() -> [Attribute; 3] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false)]
}

fn rsa_pair(token: &Token) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::ModulusBits(2048.into())];
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &[]).unwrap()
}
