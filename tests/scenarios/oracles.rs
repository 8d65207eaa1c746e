//! Answers to texts that were changed on their way, which tell nothing: malleable wrappings, shortened tags,
//! PKCS#1 v1.5 paddings.

use crate::rig::token::aes_material;
use crate::rig::wrap::Courier;
use crate::rig::{PENDING_IMPORT, STATUS, Token, for_key, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, ObjectHandle};
use std::time::{Duration, Instant};

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
        for (flaw, block) in wrong_paddings() {
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

/// Looks at the clock for what that can tell within a test: a refusal that takes another way altogether.
#[test]
fn wrong_paddings_take_as_long_as_a_right_one() {
    const ROUNDS: usize = 60;
    play(|world| {
        let token = world.token();
        let (public, private) = rsa_pair(&token);
        let good = token.encrypt(&Mechanism::RsaPkcs, public, b"text").unwrap();
        let mut kinds = vec![("a right one", good)];
        for (flaw, block) in wrong_paddings() {
            kinds.push((flaw, token.encrypt(&Mechanism::RsaX509, public, &block).unwrap()));
        }
        let mut times = vec![Vec::with_capacity(ROUNDS); kinds.len()];
        for _ in 0..ROUNDS {
            for ((_, sealed), times) in kinds.iter().zip(&mut times) {
                let began = Instant::now();
                token.decrypt(&Mechanism::RsaPkcs, private, sealed).unwrap();
                times.push(began.elapsed());
            }
        }
        // What other processes take only ever adds: the quickest is the module's own.
        let typical: Vec<Duration> =
            times.iter().map(|times: &Vec<Duration>| *times.iter().min().unwrap()).collect();
        let (least, most) = (typical.iter().min().unwrap(), typical.iter().max().unwrap());
        let names: Vec<_> = kinds.iter().map(|(name, _)| name).zip(&typical).collect();
        assert!(*most < *least * 3 / 2, "{names:?}");
    });
}

/// Blocks of 256 bytes that are no PKCS#1 v1.5 padding of a message, each with another flaw.
fn wrong_paddings() -> Vec<(&'static str, Vec<u8>)> {
    let right = {
        let mut block = vec![0x55; 256];
        (block[0], block[1], block[251]) = (0, 2, 0);
        block[252..].copy_from_slice(b"text");
        block
    };
    let with = |at: usize, byte: u8| {
        let mut block = right.clone();
        block[at] = byte;
        block
    };
    vec![
        ("a first byte that is not zero", with(0, 1)),
        ("the block type of signatures", with(1, 1)),
        ("no zero after the padding", with(251, 0x55)),
        ("a padding that is too short", with(9, 0)),
        ("no padding", with(2, 0)),
    ]
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
