//! HMAC, AES-CMAC, AES-GMAC and the secrets of HMAC: PKCS#11 3.1, "Generic secret key", "SHA-1" to
//! "SHA3-512", "AES CMAC" and "AES-GMAC".

use super::random_key::random_key;
use super::row::row;
use super::{Absorb, Check, MechanismRow, Params, ParamsShape};
use super::{aes, aes_gcm};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::mac::Mac;
use crate::object::template::MAX_VALUE;
use crate::secret::Secret;
use pkcs11_sys::*;
use subtle::ConstantTimeEq;

/// The longest generic secret that is made here, in bytes.
pub(super) const MAX_MADE: u64 = 4096;

/// The longest secret that there is, in bytes: what a template holds.
pub(super) const MAX_SECRET: u64 = MAX_VALUE as u64;

pub(super) const GENERIC_SECRET_KEY_GEN: MechanismRow = MechanismRow {
    key_type: Some(CKK_GENERIC_SECRET),
    // The specification counts this mechanism's sizes in bits.
    key_sizes: (8, MAX_MADE * 8),
    generate: Some(generate),
    ..row!(CKM_GENERIC_SECRET_KEY_GEN)
};

macro_rules! key_generations {
    ($($name:ident = $id:ident, $key_type:ident;)*) => {$(
        /// Makes secrets that name their hash; sizes are in bytes.
        pub(super) const $name: MechanismRow = MechanismRow {
            key_type: Some($key_type),
            key_sizes: (1, MAX_MADE),
            generate: Some(generate),
            ..row!($id)
        };
    )*};
}

key_generations! {
    SHA_1_KEY_GEN = CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC;
    SHA224_KEY_GEN = CKM_SHA224_KEY_GEN, CKK_SHA224_HMAC;
    SHA256_KEY_GEN = CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC;
    SHA384_KEY_GEN = CKM_SHA384_KEY_GEN, CKK_SHA384_HMAC;
    SHA512_KEY_GEN = CKM_SHA512_KEY_GEN, CKK_SHA512_HMAC;
    SHA512_224_KEY_GEN = CKM_SHA512_224_KEY_GEN, CKK_SHA512_224_HMAC;
    SHA512_256_KEY_GEN = CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC;
    SHA3_224_KEY_GEN = CKM_SHA3_224_KEY_GEN, CKK_SHA3_224_HMAC;
    SHA3_256_KEY_GEN = CKM_SHA3_256_KEY_GEN, CKK_SHA3_256_HMAC;
    SHA3_384_KEY_GEN = CKM_SHA3_384_KEY_GEN, CKK_SHA3_384_HMAC;
    SHA3_512_KEY_GEN = CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC;
}

macro_rules! hmacs {
    ($($hash:ident: $full:ident = $full_id:ident, $general:ident = $general_id:ident;)*) => {$(
        pub(super) const $full: MechanismRow = MechanismRow {
            signs_messages: true,
            sign: Some(|key, params| Ok(Box::new(full(hmac(Hash::$hash, key)?, params)?))),
            verify: Some(|key, params| Ok(Box::new(full(hmac(Hash::$hash, key)?, params)?))),
            ..secret(row!($full_id))
        };

        pub(super) const $general: MechanismRow = MechanismRow {
            params: ParamsShape::Length,
            signs_messages: true,
            sign: Some(|key, params| Ok(Box::new(general(hmac(Hash::$hash, key)?, params)?))),
            verify: Some(|key, params| Ok(Box::new(general(hmac(Hash::$hash, key)?, params)?))),
            ..secret(row!($general_id))
        };
    )*};
}

hmacs! {
    Sha1: SHA_1_HMAC = CKM_SHA_1_HMAC, SHA_1_HMAC_GENERAL = CKM_SHA_1_HMAC_GENERAL;
    Sha224: SHA224_HMAC = CKM_SHA224_HMAC, SHA224_HMAC_GENERAL = CKM_SHA224_HMAC_GENERAL;
    Sha256: SHA256_HMAC = CKM_SHA256_HMAC, SHA256_HMAC_GENERAL = CKM_SHA256_HMAC_GENERAL;
    Sha384: SHA384_HMAC = CKM_SHA384_HMAC, SHA384_HMAC_GENERAL = CKM_SHA384_HMAC_GENERAL;
    Sha512: SHA512_HMAC = CKM_SHA512_HMAC, SHA512_HMAC_GENERAL = CKM_SHA512_HMAC_GENERAL;
    Sha512_224: SHA512_224_HMAC = CKM_SHA512_224_HMAC, SHA512_224_HMAC_GENERAL = CKM_SHA512_224_HMAC_GENERAL;
    Sha512_256: SHA512_256_HMAC = CKM_SHA512_256_HMAC, SHA512_256_HMAC_GENERAL = CKM_SHA512_256_HMAC_GENERAL;
    Sha3_224: SHA3_224_HMAC = CKM_SHA3_224_HMAC, SHA3_224_HMAC_GENERAL = CKM_SHA3_224_HMAC_GENERAL;
    Sha3_256: SHA3_256_HMAC = CKM_SHA3_256_HMAC, SHA3_256_HMAC_GENERAL = CKM_SHA3_256_HMAC_GENERAL;
    Sha3_384: SHA3_384_HMAC = CKM_SHA3_384_HMAC, SHA3_384_HMAC_GENERAL = CKM_SHA3_384_HMAC_GENERAL;
    Sha3_512: SHA3_512_HMAC = CKM_SHA3_512_HMAC, SHA3_512_HMAC_GENERAL = CKM_SHA3_512_HMAC_GENERAL;
}

const fn secret(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_GENERIC_SECRET), key_sizes: (1, MAX_SECRET), ..row }
}

pub(super) const AES_CMAC: MechanismRow = MechanismRow {
    signs_messages: true,
    sign: Some(|key, params| Ok(Box::new(full(cmac(key)?, params)?))),
    verify: Some(|key, params| Ok(Box::new(full(cmac(key)?, params)?))),
    ..aes::aes(row!(CKM_AES_CMAC))
};

pub(super) const AES_CMAC_GENERAL: MechanismRow = MechanismRow {
    params: ParamsShape::Length,
    signs_messages: true,
    sign: Some(|key, params| Ok(Box::new(general(cmac(key)?, params)?))),
    verify: Some(|key, params| Ok(Box::new(general(cmac(key)?, params)?))),
    ..aes::aes(row!(CKM_AES_CMAC_GENERAL))
};

/// A second message would repeat the IV, which gives the key away: there are no messages.
pub(super) const AES_GMAC: MechanismRow = MechanismRow {
    params: ParamsShape::Gmac,
    sign: Some(|key, params| Ok(Box::new(gmac(key, params)?))),
    verify: Some(|key, params| Ok(Box::new(gmac(key, params)?))),
    ..aes::aes(row!(CKM_AES_GMAC))
};

pub(super) fn generate(params: &Params, len: usize) -> Result<Secret> {
    random_key(params, len, (1..=MAX_MADE).contains(&(len as u64)))
}

fn hmac(hash: Hash, usable: &UsableKey) -> Result<Mac> {
    match &usable.parsed {
        Parsed::Generic(key) => Mac::hmac(hash, key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

fn cmac(usable: &UsableKey) -> Result<Mac> {
    Mac::cmac(aes::key(usable)?)
}

/// Starts a GMAC, of as many bits as a tag of GCM's can have. What is authenticated is the data, not what
/// the parameter of GCM has room for.
fn gmac(usable: &UsableKey, params: &Params) -> Result<SizedMac> {
    match params {
        Params::Gcm { iv, aad, tag_bits } if aad.is_empty() => {
            let len = aes_gcm::tag_len(*tag_bits)?;
            Ok(SizedMac { mac: Mac::gmac(aes::key(usable)?, iv)?, len })
        }
        _ => Err(Reason::MechanismParam.into()),
    }
}

/// A MAC, or the first bytes of one.
struct SizedMac {
    mac: Mac,
    len: usize,
}

fn full(mac: Mac, params: &Params) -> Result<SizedMac> {
    match params {
        Params::None => Ok(SizedMac { len: mac.size(), mac }),
        _ => Err(Reason::MechanismParam.into()),
    }
}

/// Starts a MAC of as many bytes as the caller wants: at least one, or anything would verify.
fn general(mac: Mac, params: &Params) -> Result<SizedMac> {
    match params {
        Params::Length(len) if (1..=mac.size() as u64).contains(len) => {
            Ok(SizedMac { mac, len: *len as usize })
        }
        _ => Err(Reason::MechanismParam.detail("the MAC's length")),
    }
}

impl Absorb for SizedMac {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.mac.update(input)
    }

    fn finish_len(&self) -> usize {
        self.len
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let output = output.get_mut(..self.len).ok_or(Reason::BufferTooSmall)?;
        output.copy_from_slice(self.mac.finish()?.get(..self.len).ok_or(Reason::General)?);
        Ok(self.len)
    }
}

impl Check for SizedMac {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.mac.update(input)
    }

    fn finish(&mut self, signature: &[u8]) -> Result<()> {
        if signature.len() != self.len {
            return Err(Reason::SignatureLength.into());
        }
        let mac = self.mac.finish()?;
        let mac = mac.get(..self.len).ok_or(Reason::General)?;
        if mac.ct_eq(signature).into() { Ok(()) } else { Err(Reason::SignatureInvalid.into()) }
    }
}
