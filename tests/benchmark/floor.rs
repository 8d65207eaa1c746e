//! The floor of each operation: the same cryptography straight in AWS-LC, as a program does it that has a key and one
//! message. Keys of public-key cryptography are kept, those of ciphers are expanded for each message.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use aws_lc_rs::{digest, hmac as mac};
use std::hint::black_box;

/// One operation of AWS-LC.
pub type Floor = Box<dyn FnMut() -> Result<(), aws_lc_rs::error::Unspecified>>;

pub fn gcm(size: usize) -> Floor {
    let mut buffer = vec![3; size];
    Box::new(move || {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, black_box(&[7; 32]))?);
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut buffer).map(drop)
    })
}

/// The same by a program that keeps the expanded key.
pub fn gcm_kept(size: usize) -> Floor {
    let (key, mut buffer) = (UnboundKey::new(&AES_256_GCM, &[7; 32]), vec![3; size]);
    let key = key.map(LessSafeKey::new);
    Box::new(move || {
        let key = key.as_ref().map_err(|error| *error)?;
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), black_box(&mut buffer)).map(drop)
    })
}

pub fn cbc() -> Floor {
    Box::new(|| {
        let key = UnboundCipherKey::new(&cipher::AES_256, black_box(&[7; 32]))?;
        let (mut block, context) = ([3; 16], EncryptionContext::Iv128((&[2; 16]).into()));
        EncryptingKey::cbc(key)?.less_safe_encrypt(&mut block, context).map(drop)
    })
}

pub fn sha256() -> Floor {
    Box::new(|| {
        black_box(digest::digest(&digest::SHA256, black_box(&[3; 32])));
        Ok(())
    })
}

pub fn hmac() -> Floor {
    Box::new(|| {
        let key = mac::Key::new(mac::HMAC_SHA256, black_box(&[9; 32]));
        black_box(mac::sign(&key, &[5; 32]));
        Ok(())
    })
}

pub fn rsa_sign() -> Floor {
    let (key, random) = (RsaKeyPair::generate(KeySize::Rsa2048), SystemRandom::new());
    let mut signature = [0; 256];
    Box::new(move || {
        key.as_ref().map_err(|_| aws_lc_rs::error::Unspecified)?.sign(
            &RSA_PKCS1_SHA256,
            &random,
            &[5; 32],
            &mut signature,
        )
    })
}

pub fn p256_sign() -> Floor {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let random = SystemRandom::new();
    Box::new(move || {
        let key = key.as_ref().map_err(|_| aws_lc_rs::error::Unspecified)?;
        key.sign(&random, &[5; 32]).map(drop)
    })
}

pub fn ed25519_sign() -> Floor {
    let key = Ed25519KeyPair::generate();
    Box::new(move || {
        let key = key.as_ref().map_err(|_| aws_lc_rs::error::Unspecified)?;
        black_box(key.sign(&[5; 32]));
        Ok(())
    })
}

/// A pair, and its public key as bytes.
pub fn p256_pair() -> Floor {
    Box::new(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        black_box(pair.public_key().as_ref());
        Ok(())
    })
}

pub fn ed25519_pair() -> Floor {
    Box::new(|| {
        let pair = Ed25519KeyPair::generate()?;
        black_box(pair.public_key().as_ref());
        Ok(())
    })
}

pub fn rsa_pair() -> Floor {
    Box::new(|| RsaKeyPair::generate(KeySize::Rsa2048).map(drop))
}

/// 32 random bytes, which is what a generated secret key is made of.
pub fn random() -> Floor {
    Box::new(|| fill(black_box(&mut [0; 32])))
}

pub fn unwrap() -> Floor {
    let mut wrapped = [0; 40];
    let made =
        AesKek::new(&AES_256, &[7; 32]).and_then(|key| key.wrap(&[7; 32], &mut wrapped).map(drop));
    Box::new(move || {
        made?;
        let mut key = [0; 40];
        AesKek::new(&AES_256, black_box(&[7; 32]))?.unwrap(&wrapped, &mut key).map(drop)
    })
}
