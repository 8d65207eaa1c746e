//! That no mechanism is forgotten.

use crate::client::Client;
use crate::rig::play;
use crate::{aead, ciphers, curves, derivations, lattices, macs, ml_dsa, rsa};
use cryptoki_sys::*;
use keystead::internal::object::vendor::{CKM_KEYSTEAD_ROTATE, CKM_KEYSTEAD_SEAL};
use std::collections::BTreeSet;

/// Mechanisms without published vectors that the token could be held to. Those that
/// generate are random; the others differ from a covered one only in their hash or are put together
/// from covered ones.
const WITHOUT: &[CK_MECHANISM_TYPE] = &[
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_EC_KEY_PAIR_GEN,
    CKM_EC_EDWARDS_KEY_PAIR_GEN,
    CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
    CKM_ML_KEM_KEY_PAIR_GEN,
    CKM_ML_DSA_KEY_PAIR_GEN,
    CKM_AES_KEY_GEN,
    CKM_AES_XTS_KEY_GEN,
    CKM_CHACHA20_KEY_GEN,
    CKM_GENERIC_SECRET_KEY_GEN,
    CKM_HKDF_KEY_GEN,
    CKM_SHA_1_KEY_GEN,
    CKM_SHA224_KEY_GEN,
    CKM_SHA256_KEY_GEN,
    CKM_SHA384_KEY_GEN,
    CKM_SHA512_KEY_GEN,
    CKM_SHA512_224_KEY_GEN,
    CKM_SHA512_256_KEY_GEN,
    CKM_SHA3_224_KEY_GEN,
    CKM_SHA3_256_KEY_GEN,
    CKM_SHA3_384_KEY_GEN,
    CKM_SHA3_512_KEY_GEN,
    CKM_SSL3_PRE_MASTER_KEY_GEN,
    CKM_TLS_PRE_MASTER_KEY_GEN,
    CKM_RSA_AES_KEY_WRAP,
    CKM_SHA1_RSA_PKCS,
    CKM_SHA3_224_RSA_PKCS_PSS,
    CKM_SHA3_256_RSA_PKCS_PSS,
    CKM_SHA3_384_RSA_PKCS_PSS,
    CKM_SHA3_512_RSA_PKCS_PSS,
    CKM_KEYSTEAD_SEAL,
    CKM_KEYSTEAD_ROTATE,
];

#[test]
fn every_listed_mechanism_has_vectors_or_is_known_to_have_none() {
    play(|world| {
        let covered: BTreeSet<_> = [
            ciphers::MODES,
            aead::GCM,
            aead::CHACHA,
            ciphers::XTS,
            aead::CCM,
            ciphers::CBC_PAD,
            ciphers::WRAPS,
            macs::CMAC,
            macs::GMAC,
            macs::HKDF,
            &macs::hmacs(),
            &macs::digests(),
            rsa::OAEP,
            rsa::PKCS1_DECRYPTION,
            rsa::PKCS1,
            rsa::PSS,
            curves::ECDSA,
            curves::RFC_ECDSA,
            curves::ECDH,
            curves::EDDSA,
            derivations::KBKDF,
            derivations::PBKDF2,
            derivations::ENCRYPT_DATA,
            derivations::SIMPLE,
            derivations::TLS,
            lattices::ML_KEM,
            ml_dsa::MESSAGES,
            ml_dsa::DIGESTS,
        ]
        .concat()
        .into_iter()
        .collect();
        let without: BTreeSet<_> = WITHOUT.iter().copied().collect();
        let listed: BTreeSet<_> = Client::new(world).mechanisms().into_iter().collect();
        assert_eq!(covered.intersection(&without).count(), 0, "a covered one is listed as without");
        let known: BTreeSet<_> = covered.union(&without).copied().collect();
        assert!(listed.is_subset(&known), "uncovered: {:x?}", &listed - &known);
        assert!(known.is_subset(&listed), "no longer listed: {:x?}", &known - &listed);
    });
}
