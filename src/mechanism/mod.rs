//! The mechanisms: one row for each mechanism, one file for each family.

mod aead;
mod aes;
mod aes_block;
mod aes_ccm;
mod aes_gcm;
mod aes_stream;
mod aes_wrap;
mod aes_xts;
mod chacha20;
mod derive_params;
mod digest;
mod ec;
mod eddsa;
mod encrypt_data;
mod hkdf;
mod kbkdf;
mod mac;
mod ml_dsa;
mod ml_kem;
mod one_shot;
pub(crate) mod params;
mod pbkdf2;
mod random_key;
mod rotate;
mod row;
mod rsa;
mod rsa_aes;
mod rsa_sign;
mod seal;
mod served;
mod simple_derivation;
mod steps;
mod tls;
mod versions;

pub(crate) use derive_params::{EcKdf, Field, Kbkdf, KeySizes, NumberForm, Prf};
pub(crate) use params::{Hash, HkdfSalt, Mechanism, Params, ParamsShape};
pub(crate) use row::{MechanismRow, Setting};
pub use seal::SEAL_AROUND;
pub(crate) use steps::{
    Absorb, BeginDigest, BeginSign, BeginTransform, BeginVerify, Check, CiphertextLength,
    Decapsulate, Derive, DeriveSeveral, Domain, Encapsulate, Generate, GeneratePair, Lengths,
    MessageRow, MessageShape, Protections, ResumeDigest, Tells, Transform, Unwrap, Wrap,
};
pub(crate) use versions::begin_verify;

use crate::error::{Reason, Result};

/// Every mechanism, sorted by its number.
pub(crate) static MECHANISMS: &[MechanismRow] = &[
    rsa::KEY_PAIR_GEN,
    rsa_sign::PKCS,
    rsa_sign::X_509,
    rsa_sign::SHA1_RSA_PKCS,
    rsa::OAEP,
    rsa_sign::PSS,
    rsa_sign::SHA1_RSA_PKCS_PSS,
    ml_kem::KEY_PAIR_GEN,
    ml_kem::ML_KEM,
    ml_dsa::KEY_PAIR_GEN,
    ml_dsa::ML_DSA,
    ml_dsa::HASH_ML_DSA,
    ml_dsa::HASH_ML_DSA_SHA224,
    ml_dsa::HASH_ML_DSA_SHA256,
    ml_dsa::HASH_ML_DSA_SHA384,
    ml_dsa::HASH_ML_DSA_SHA512,
    ml_dsa::HASH_ML_DSA_SHA3_224,
    ml_dsa::HASH_ML_DSA_SHA3_256,
    ml_dsa::HASH_ML_DSA_SHA3_384,
    ml_dsa::HASH_ML_DSA_SHA3_512,
    ml_dsa::HASH_ML_DSA_SHAKE128,
    ml_dsa::HASH_ML_DSA_SHAKE256,
    rsa_sign::SHA256_RSA_PKCS,
    rsa_sign::SHA384_RSA_PKCS,
    rsa_sign::SHA512_RSA_PKCS,
    rsa_sign::SHA256_RSA_PKCS_PSS,
    rsa_sign::SHA384_RSA_PKCS_PSS,
    rsa_sign::SHA512_RSA_PKCS_PSS,
    rsa_sign::SHA224_RSA_PKCS,
    rsa_sign::SHA224_RSA_PKCS_PSS,
    digest::SHA512_224,
    mac::SHA512_224_HMAC,
    mac::SHA512_224_HMAC_GENERAL,
    digest::SHA512_256,
    mac::SHA512_256_HMAC,
    mac::SHA512_256_HMAC_GENERAL,
    tls::EXTENDED_MASTER_KEY_DERIVE,
    tls::EXTENDED_MASTER_KEY_DERIVE_DH,
    rsa_sign::SHA3_256_RSA_PKCS,
    rsa_sign::SHA3_384_RSA_PKCS,
    rsa_sign::SHA3_512_RSA_PKCS,
    rsa_sign::SHA3_256_RSA_PKCS_PSS,
    rsa_sign::SHA3_384_RSA_PKCS_PSS,
    rsa_sign::SHA3_512_RSA_PKCS_PSS,
    rsa_sign::SHA3_224_RSA_PKCS,
    rsa_sign::SHA3_224_RSA_PKCS_PSS,
    digest::SHA_1,
    mac::SHA_1_HMAC,
    mac::SHA_1_HMAC_GENERAL,
    digest::SHA256,
    mac::SHA256_HMAC,
    mac::SHA256_HMAC_GENERAL,
    digest::SHA224,
    mac::SHA224_HMAC,
    mac::SHA224_HMAC_GENERAL,
    digest::SHA384,
    mac::SHA384_HMAC,
    mac::SHA384_HMAC_GENERAL,
    digest::SHA512,
    mac::SHA512_HMAC,
    mac::SHA512_HMAC_GENERAL,
    digest::SHA3_256,
    mac::SHA3_256_HMAC,
    mac::SHA3_256_HMAC_GENERAL,
    mac::SHA3_256_KEY_GEN,
    digest::SHA3_224,
    mac::SHA3_224_HMAC,
    mac::SHA3_224_HMAC_GENERAL,
    mac::SHA3_224_KEY_GEN,
    digest::SHA3_384,
    mac::SHA3_384_HMAC,
    mac::SHA3_384_HMAC_GENERAL,
    mac::SHA3_384_KEY_GEN,
    digest::SHA3_512,
    mac::SHA3_512_HMAC,
    mac::SHA3_512_HMAC_GENERAL,
    mac::SHA3_512_KEY_GEN,
    mac::GENERIC_SECRET_KEY_GEN,
    simple_derivation::BASE_AND_KEY,
    simple_derivation::BASE_AND_DATA,
    simple_derivation::DATA_AND_BASE,
    simple_derivation::XOR,
    simple_derivation::EXTRACT,
    tls::SSL3_PRE_MASTER_KEY_GEN,
    tls::PRE_MASTER_KEY_GEN,
    kbkdf::COUNTER,
    kbkdf::FEEDBACK,
    kbkdf::DOUBLE_PIPELINE,
    pbkdf2::PBKD2,
    tls::TLS12_MAC,
    tls::TLS12_KDF,
    tls::MASTER_KEY_DERIVE,
    tls::KEY_AND_MAC_DERIVE,
    tls::MASTER_KEY_DERIVE_DH,
    tls::KEY_SAFE_DERIVE,
    tls::MAC,
    tls::KDF,
    ec::KEY_PAIR_GEN,
    ec::ECDSA,
    ec::ECDSA_SHA1,
    ec::ECDSA_SHA224,
    ec::ECDSA_SHA256,
    ec::ECDSA_SHA384,
    ec::ECDSA_SHA512,
    ec::ECDSA_SHA3_224,
    ec::ECDSA_SHA3_256,
    ec::ECDSA_SHA3_384,
    ec::ECDSA_SHA3_512,
    ec::ECDH1_DERIVE,
    ec::ECDH1_COFACTOR_DERIVE,
    rsa_aes::RSA_AES_KEY_WRAP,
    ec::EDWARDS_KEY_PAIR_GEN,
    ec::MONTGOMERY_KEY_PAIR_GEN,
    eddsa::EDDSA,
    aes_xts::XTS,
    aes_xts::KEY_GEN,
    aes::KEY_GEN,
    aes_block::ECB,
    aes_block::CBC,
    aes_block::CBC_PAD,
    aes_stream::CTR,
    aes_gcm::GCM,
    aes_ccm::CCM,
    mac::AES_CMAC,
    mac::AES_CMAC_GENERAL,
    mac::AES_GMAC,
    encrypt_data::ECB,
    encrypt_data::CBC,
    chacha20::KEY_GEN,
    aes_stream::OFB,
    aes_stream::CFB128,
    aes_wrap::KEY_WRAP,
    aes_wrap::KEY_WRAP_PAD,
    aes_wrap::KEY_WRAP_KWP,
    mac::SHA_1_KEY_GEN,
    mac::SHA224_KEY_GEN,
    mac::SHA256_KEY_GEN,
    mac::SHA384_KEY_GEN,
    mac::SHA512_KEY_GEN,
    mac::SHA512_224_KEY_GEN,
    mac::SHA512_256_KEY_GEN,
    chacha20::POLY1305,
    hkdf::DERIVE,
    hkdf::DATA,
    hkdf::KEY_GEN,
    seal::SEAL,
    rotate::ROTATE,
];

const _: () = assert!(row::sorted(MECHANISMS), "MECHANISMS is not sorted by number");

/// The rows by number, for the lower numbers, which almost every Init looks up.
static PLACES: [u8; 0x1200] = row::places(MECHANISMS);

/// The row of a mechanism; `MechanismInvalid` if there is none.
#[inline]
pub(crate) fn find(id: u64) -> Result<&'static MechanismRow> {
    let near = usize::try_from(id).ok().and_then(|id| PLACES.get(id));
    let row = match near {
        Some(place) => MECHANISMS.get(usize::from(*place)).filter(|row| row.id == id),
        None => MECHANISMS
            .binary_search_by_key(&id, |row| row.id)
            .ok()
            .and_then(|at| MECHANISMS.get(at)),
    };
    row.ok_or(Reason::MechanismInvalid.into())
}

/// Returns the `CKM_` number of the mechanism that generates keys or pairs of a `CKK_` number, if there is one.
pub fn generating(key_type: u64) -> Option<u64> {
    let makes = |row: &MechanismRow| row.generate.is_some() || row.generate_pair.is_some();
    let generates = |row: &&MechanismRow| makes(row) && row.key_type == Some(key_type);
    MECHANISMS.iter().find(generates).map(|row| row.id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
pub(crate) mod tests;
