//! AWS-LC itself, called as directly as can be: what mechanisms cost is measured above it. Each function has
//! `time` run one call again and again, and returns its result.
#![allow(unused_must_use)]

use crate::lc::lattice;
use aws_lc_sys::*;
use std::hint::black_box;
use std::ptr::{null, null_mut};

/// Encrypts `size` bytes with AES-256-GCM under a kept key.
pub(crate) fn gcm(size: usize, time: impl FnOnce(&mut dyn FnMut()) -> f64) -> f64 {
    let (key, iv, input, mut output) = ([1_u8; 32], [1_u8; 12], vec![0; size], vec![0; size + 16]);
    let mut written = 0;
    // SAFETY: the context is made and freed here; `key` and `iv` have the cipher's sizes, `input` has `size`
    // bytes, and `output` as many and the tag's 16.
    unsafe {
        let context = EVP_CIPHER_CTX_new();
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), null_mut(), key.as_ptr(), null(), 1);
        let took = time(&mut || {
            let out = output.as_mut_ptr();
            EVP_CipherInit_ex(context, null(), null_mut(), null(), iv.as_ptr(), 1);
            EVP_EncryptUpdate(context, out, &mut written, black_box(input.as_ptr()), size as i32);
            EVP_EncryptFinal_ex(context, out, &mut written);
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.add(size).cast());
        });
        EVP_CIPHER_CTX_free(context);
        took
    }
}

/// Encrypts `size` bytes with AES-256-OFB under a kept key, the beginning of `key`.
pub(crate) fn ofb(key: &[u8; 64], size: usize, time: Time) -> f64 {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_ofb() }, key, size, time)
}

/// The same with AES-256-CFB128.
pub(crate) fn cfb(key: &[u8; 64], size: usize, time: Time) -> f64 {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_cfb128() }, key, size, time)
}

/// The same with AES-256-XTS, whose two keys `key` is.
pub(crate) fn xts(key: &[u8; 64], size: usize, time: Time) -> f64 {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_xts() }, key, size, time)
}

/// A function that runs a call again and again.
type Time<'a> = &'a mut dyn FnMut(&mut dyn FnMut()) -> f64;

fn cipher(cipher: *const EVP_CIPHER, key: &[u8; 64], size: usize, time: Time) -> f64 {
    let (iv, input, mut output, mut written) = ([3; 16], vec![0; size], vec![0; size], 0);
    // SAFETY: the context is made and freed here; no cipher's key has more than the 64 bytes of `key`, and
    // none's IV more than the 16 of `iv`; `input` and `output` have `size` bytes, and no block is filled up.
    unsafe {
        let context = EVP_CIPHER_CTX_new();
        EVP_CipherInit_ex(context, cipher, null_mut(), key.as_ptr(), null(), 1);
        let took = time(&mut || {
            EVP_CipherInit_ex(context, null(), null_mut(), null(), iv.as_ptr(), 1);
            let (from, to) = (black_box(input.as_ptr()), output.as_mut_ptr());
            EVP_CipherUpdate(context, to, &mut written, from, size as i32);
        });
        EVP_CIPHER_CTX_free(context);
        took
    }
}

/// Encrypts `size` bytes with ChaCha20-Poly1305 under a kept key, the beginning of `key`.
pub(crate) fn chacha20_poly1305(key: &[u8; 64], size: usize, time: Time) -> f64 {
    let (nonce, input, mut output, mut written) = ([3; 12], vec![0; size], vec![0; size + 16], 0);
    // SAFETY: the context is made and freed here; 32 bytes of `key` are read and the 12 of `nonce`; `input` has
    // `size` bytes, and `output` as many and the tag's 16.
    unsafe {
        let context = EVP_AEAD_CTX_new(EVP_aead_chacha20_poly1305(), key.as_ptr(), 32, 16);
        let took = time(&mut || {
            let (from, to, room) = (black_box(input.as_ptr()), output.as_mut_ptr(), size + 16);
            let nonce = nonce.as_ptr();
            EVP_AEAD_CTX_seal(context, to, &mut written, room, nonce, 12, from, size, null(), 0);
        });
        EVP_AEAD_CTX_free(context);
        took
    }
}

/// Digests `input` with SHA-256.
pub(crate) fn sha256(input: &[u8], time: impl FnOnce(&mut dyn FnMut()) -> f64) -> f64 {
    let mut output = [0; 32];
    // SAFETY: the call reads `input` by its own length, and writes the 32 bytes that `output` has.
    time(&mut || unsafe {
        SHA256(black_box(input.as_ptr()), input.len(), output.as_mut_ptr());
    })
}

/// Authenticates `input` with HMAC-SHA-256.
pub(crate) fn hmac_sha256(
    key: &[u8; 32],
    input: &[u8],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let mut output = [0; 32];
    // SAFETY: the call reads `key` and `input` by their own lengths, and writes the 32 bytes that `output` has.
    time(&mut || unsafe {
        let (key, to) = (key.as_ptr().cast(), output.as_mut_ptr());
        HMAC(EVP_sha256(), key, 32, black_box(input.as_ptr()), input.len(), to, null_mut());
    })
}

/// Signs a SHA-256 digest with the RSA-2048 key of a `PrivateKeyInfo`, by PKCS#1 v1.5.
pub(crate) fn rsa_2048_sign(
    der: &[u8],
    digest: &[u8; 32],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let (mut output, mut len) = ([0; 256], 0);
    // SAFETY: the key is parsed from `der` and freed here, and `rsa` lies in it; each call reads the 32 bytes
    // of `digest` and writes the 256 that `output` has.
    unsafe {
        let mut input = CBS { data: der.as_ptr(), len: der.len() };
        let key = EVP_parse_private_key(&mut input);
        let rsa = EVP_PKEY_get0_RSA(key);
        let took = time(&mut || {
            let (from, to) = (black_box(digest.as_ptr()), output.as_mut_ptr());
            RSA_sign(NID_sha256, from, 32, to, &mut len, rsa);
        });
        EVP_PKEY_free(key);
        took
    }
}

/// Signs a digest with the key on P-256 that has this private number.
pub(crate) fn p256_sign(
    scalar: &[u8; 32],
    digest: &[u8; 32],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    // SAFETY: key, number and signatures are made and freed here; the calls read the 32 bytes of `scalar`
    // and of `digest`.
    unsafe {
        let key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
        let number = BN_bin2bn(scalar.as_ptr(), 32, null_mut());
        EC_KEY_set_private_key(key, number);
        let took = time(&mut || {
            ECDSA_SIG_free(ECDSA_do_sign(black_box(digest.as_ptr()), 32, key));
        });
        BN_free(number);
        EC_KEY_free(key);
        took
    }
}

/// Signs a message with an ML-DSA key.
pub(crate) fn ml_dsa_sign(
    key: &lattice::PrivateKey,
    message: &[u8],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let (mut signature, mut len) = ([0; 5000], 0);
    // SAFETY: `key` owns the key; each context is made and freed here; the calls read `message` by its own length
    // and write at most `len` bytes, as many as `signature` has.
    time(&mut || unsafe {
        len = signature.len();
        let (context, from) = (EVP_MD_CTX_new(), black_box(message.as_ptr()));
        EVP_DigestSignInit(context, null_mut(), null(), null_mut(), key.pkey().as_ptr());
        EVP_DigestSign(context, signature.as_mut_ptr(), &mut len, from, message.len());
        EVP_MD_CTX_free(context);
    })
}

/// Verifies a signature of a message with an ML-DSA key.
pub(crate) fn ml_dsa_verify(
    key: &lattice::PrivateKey,
    message: &[u8],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let (mut signature, mut len) = ([0; 5000], 5000);
    // SAFETY: as in `ml_dsa_sign`; the signature that is verified has the `len` bytes that were written.
    unsafe {
        let (context, key) = (EVP_MD_CTX_new(), key.pkey().as_ptr());
        EVP_DigestSignInit(context, null_mut(), null(), null_mut(), key);
        EVP_DigestSign(context, signature.as_mut_ptr(), &mut len, message.as_ptr(), message.len());
        EVP_MD_CTX_free(context);
        time(&mut || {
            let (context, from) = (EVP_MD_CTX_new(), black_box(message.as_ptr()));
            EVP_DigestVerifyInit(context, null_mut(), null(), null_mut(), key);
            EVP_DigestVerify(context, signature.as_ptr(), len, from, message.len());
            EVP_MD_CTX_free(context);
        })
    }
}

/// Generates ML-KEM pairs of a parameter set.
pub(crate) fn ml_kem_generate(
    set: lattice::Set,
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    // SAFETY: the context and each key are made and freed here.
    unsafe {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_KEM, null_mut());
        EVP_PKEY_CTX_kem_set_params(context, set.nid());
        EVP_PKEY_keygen_init(context);
        let took = time(&mut || {
            let mut key = null_mut();
            EVP_PKEY_keygen(context, &mut key);
            EVP_PKEY_free(key);
        });
        EVP_PKEY_CTX_free(context);
        took
    }
}

/// Encapsulates secrets for an ML-KEM key.
pub(crate) fn ml_kem_encapsulate(
    key: &lattice::PublicKey,
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let (mut ciphertext, mut shared) = ([0; 1568], [0; 32]);
    // SAFETY: the context is made and freed here; no set's ciphertext is longer than the room for it, and each
    // secret has 32 bytes.
    unsafe {
        let context = EVP_PKEY_CTX_new(key.pkey().as_ptr(), null_mut());
        let took = time(&mut || {
            let (to, mut size) = (ciphertext.as_mut_ptr(), ciphertext.len());
            let (secret, mut room) = (shared.as_mut_ptr(), shared.len());
            EVP_PKEY_encapsulate(black_box(context), to, &mut size, secret, &mut room);
        });
        EVP_PKEY_CTX_free(context);
        took
    }
}

/// Decapsulates a ciphertext with an ML-KEM key.
pub(crate) fn ml_kem_decapsulate(
    key: &lattice::PrivateKey,
    ciphertext: &[u8],
    time: impl FnOnce(&mut dyn FnMut()) -> f64,
) -> f64 {
    let mut shared = [0; 32];
    // SAFETY: the context is made and freed here; the call reads `ciphertext` by its length, and each secret
    // has 32 bytes.
    unsafe {
        let context = EVP_PKEY_CTX_new(key.pkey().as_ptr(), null_mut());
        let took = time(&mut || {
            let (secret, mut room) = (shared.as_mut_ptr(), shared.len());
            let from = black_box(ciphertext.as_ptr());
            EVP_PKEY_decapsulate(context, secret, &mut room, from, ciphertext.len());
        });
        EVP_PKEY_CTX_free(context);
        took
    }
}
