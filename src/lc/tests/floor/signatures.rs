//! Signatures, with keys that are kept.

use super::Time;
use crate::lc::ec::Curve;
use crate::lc::lattice;
use crate::lc::ml_dsa::sign_internal_of;
use aws_lc_sys::*;
use std::hint::black_box;
use std::ptr::{null, null_mut};

/// Signs a SHA-256 digest with the RSA-2048 key of a `PrivateKeyInfo`, by PKCS#1 v1.5.
pub(crate) fn rsa_2048(der: &[u8], digest: &[u8; 32], time: Time) {
    let (mut output, mut len) = ([0; 256], 0);
    // SAFETY: the key is parsed from `der` and freed here, and `rsa` lies in it; each call reads the 32 bytes
    // of `digest` and writes the 256 that `output` has.
    unsafe {
        let mut input = CBS { data: der.as_ptr(), len: der.len() };
        let key = EVP_parse_private_key(&mut input);
        let rsa = EVP_PKEY_get0_RSA(key);
        time(&mut || {
            let (from, to) = (black_box(digest.as_ptr()), output.as_mut_ptr());
            RSA_sign(NID_sha256, from, 32, to, &mut len, rsa);
        });
        EVP_PKEY_free(key);
    }
}

/// Signs a digest with a new key on a curve.
pub(crate) fn ecdsa(curve: Curve, digest: &[u8; 32], time: Time) {
    // SAFETY: key and signatures are made and freed here; the calls read the 32 bytes of `digest`.
    unsafe {
        let key = EC_KEY_new_by_curve_name(curve.nid());
        EC_KEY_generate_key(key);
        time(&mut || ECDSA_SIG_free(ECDSA_do_sign(black_box(digest.as_ptr()), 32, key)));
        EC_KEY_free(key);
    }
}

/// Verifies a signature of a digest with a new key on a curve.
pub(crate) fn ecdsa_verify(curve: Curve, digest: &[u8; 32], time: Time) {
    // SAFETY: as in `ecdsa`.
    unsafe {
        let key = EC_KEY_new_by_curve_name(curve.nid());
        EC_KEY_generate_key(key);
        let signature = ECDSA_do_sign(digest.as_ptr(), 32, key);
        time(&mut || {
            ECDSA_do_verify(black_box(digest.as_ptr()), 32, signature, key);
        });
        ECDSA_SIG_free(signature);
        EC_KEY_free(key);
    }
}

/// Signs a message with a new key of Ed25519ctx, or of Ed25519ph where `prehash` is set, under a context.
pub(crate) fn ed25519(prehash: bool, message: &[u8], context: &[u8], time: Time) {
    let (mut public, mut private, mut signature) = ([0; 32], [0; 64], [0; 64]);
    let sign = if prehash { ED25519ph_sign } else { ED25519ctx_sign };
    // SAFETY: the calls read `message` and `context` by their own lengths and the 64 bytes of `private`, and
    // write the 32 of `public` and 64 each of `private` and `signature`.
    unsafe {
        ED25519_keypair(public.as_mut_ptr(), private.as_mut_ptr());
        time(&mut || {
            let (to, from, len) =
                (signature.as_mut_ptr(), black_box(message.as_ptr()), message.len());
            sign(to, from, len, private.as_ptr(), context.as_ptr(), context.len());
        });
    }
}

/// Signs a message with an ML-DSA key.
pub(crate) fn ml_dsa(key: &lattice::PrivateKey, message: &[u8], time: Time) {
    let (mut signature, mut len) = ([0; 5000], 0);
    // SAFETY: `key` owns the key; each context is made and freed here; the calls read `message` by its own length
    // and write at most `len` bytes, as many as `signature` has.
    time(&mut || unsafe {
        len = signature.len();
        let (context, from) = (EVP_MD_CTX_new(), black_box(message.as_ptr()));
        EVP_DigestSignInit(context, null_mut(), null(), null_mut(), key.pkey().as_ptr());
        EVP_DigestSign(context, signature.as_mut_ptr(), &mut len, from, message.len());
        EVP_MD_CTX_free(context);
    });
}

/// Signs a message with an ML-DSA key without randomness: the message's representative by SHAKE256, and the
/// function that EVP has no way to.
pub(crate) fn ml_dsa_deterministic(key: &lattice::PrivateKey, message: &[u8], time: Time) {
    let (mut signature, mut len, mut representative) = ([0; 5000], 0, [0_u8; 64]);
    let (expanded, sign) = (key.expanded().unwrap(), sign_internal_of(key.set()).unwrap());
    let tr = &expanded.expose()[64..128];
    // SAFETY: the context is made and freed here; the calls read slices by their lengths, the expanded key of the
    // set whose function it is, and 32 bytes for the random ones; they write 64 bytes, and a signature for which
    // there is room.
    time(&mut || unsafe {
        let context = EVP_MD_CTX_new();
        EVP_DigestInit_ex(context, EVP_shake256(), null_mut());
        for part in [tr, &[0, 0], black_box(message)] {
            EVP_DigestUpdate(context, part.as_ptr().cast(), part.len());
        }
        EVP_DigestFinalXOF(context, representative.as_mut_ptr(), 64);
        EVP_MD_CTX_free(context);
        let (from, to) = (representative.as_ptr(), signature.as_mut_ptr());
        let key = expanded.expose().as_ptr();
        sign(key, to, &mut len, from, 64, null(), 0, [0; 32].as_ptr());
    });
}

/// Verifies a signature of a message with an ML-DSA key.
pub(crate) fn ml_dsa_verify(key: &lattice::PrivateKey, message: &[u8], time: Time) {
    let (mut signature, mut len) = ([0; 5000], 5000);
    // SAFETY: as in `ml_dsa`; the signature that is verified has the `len` bytes that were written.
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
        });
    }
}
