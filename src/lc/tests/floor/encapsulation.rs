//! ML-KEM, and the generation of keys of its kind.

use super::Time;
use crate::lc::lattice::{self, Algorithm};
use aws_lc_sys::*;
use std::hint::black_box;
use std::ptr::null_mut;

/// Generates pairs of a parameter set.
pub(crate) fn generate(set: lattice::Set, time: Time) {
    // SAFETY: the context and each key are made and freed here.
    unsafe {
        let context = match set.algorithm() {
            Algorithm::MlKem => EVP_PKEY_CTX_new_id(EVP_PKEY_KEM, null_mut()),
            Algorithm::MlDsa => EVP_PKEY_CTX_new_id(EVP_PKEY_PQDSA, null_mut()),
        };
        match set.algorithm() {
            Algorithm::MlKem => EVP_PKEY_CTX_kem_set_params(context, set.nid()),
            Algorithm::MlDsa => EVP_PKEY_CTX_pqdsa_set_params(context, set.nid()),
        };
        EVP_PKEY_keygen_init(context);
        time(&mut || {
            let mut key = null_mut();
            EVP_PKEY_keygen(context, &mut key);
            EVP_PKEY_free(key);
        });
        EVP_PKEY_CTX_free(context);
    }
}

/// Encapsulates secrets for a key.
pub(crate) fn encapsulate(key: &lattice::PublicKey, time: Time) {
    let (mut ciphertext, mut shared) = ([0; 1568], [0; 32]);
    // SAFETY: the context is made and freed here; no set's ciphertext is longer than the room for it, and each
    // secret has 32 bytes.
    unsafe {
        let context = EVP_PKEY_CTX_new(key.pkey().as_ptr(), null_mut());
        time(&mut || {
            let (to, mut size) = (ciphertext.as_mut_ptr(), ciphertext.len());
            let (secret, mut room) = (shared.as_mut_ptr(), shared.len());
            EVP_PKEY_encapsulate(black_box(context), to, &mut size, secret, &mut room);
        });
        EVP_PKEY_CTX_free(context);
    }
}

/// Decapsulates a ciphertext with a key.
pub(crate) fn decapsulate(key: &lattice::PrivateKey, ciphertext: &[u8], time: Time) {
    let mut shared = [0; 32];
    // SAFETY: the context is made and freed here; the call reads `ciphertext` by its length, and each secret
    // has 32 bytes.
    unsafe {
        let context = EVP_PKEY_CTX_new(key.pkey().as_ptr(), null_mut());
        time(&mut || {
            let (secret, mut room) = (shared.as_mut_ptr(), shared.len());
            let from = black_box(ciphertext.as_ptr());
            EVP_PKEY_decapsulate(context, secret, &mut room, from, ciphertext.len());
        });
        EVP_PKEY_CTX_free(context);
    }
}
