//! HMAC, AES-CMAC and generic secret keys: PKCS#11 3.1, "Generic secret key", "SHA-1" to
//! "SHA3-512" and "AES CMAC".

use super::aes;
use super::row::row;
use super::{Absorb, Check, Params, Row};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::digest::Hash;
use crate::lc::mac::Mac;
use crate::lc::random;
use crate::secret::Secret;
use pkcs11_sys::CKK_GENERIC_SECRET;
use subtle::ConstantTimeEq;

/// The longest generic secret, in bytes.
const MAX_SECRET: u64 = 4096;

pub(super) const GENERIC_SECRET_KEY_GEN: Row = Row {
    key_type: Some(CKK_GENERIC_SECRET),
    // The specification counts this mechanism's sizes in bits.
    key_sizes: (8, MAX_SECRET * 8),
    generate: Some(generate),
    ..row!(CKM_GENERIC_SECRET_KEY_GEN)
};

macro_rules! hmacs {
    ($($name:ident = $id:ident, $hash:ident;)*) => {$(
        pub(super) const $name: Row = Row {
            key_type: Some(CKK_GENERIC_SECRET),
            key_sizes: (1, MAX_SECRET),
            sign: Some(|key, params| Ok(Box::new(hmac(Hash::$hash, key, params)?))),
            verify: Some(|key, params| Ok(Box::new(hmac(Hash::$hash, key, params)?))),
            ..row!($id)
        };
    )*};
}

hmacs! {
    SHA_1_HMAC = CKM_SHA_1_HMAC, Sha1;
    SHA224_HMAC = CKM_SHA224_HMAC, Sha224;
    SHA256_HMAC = CKM_SHA256_HMAC, Sha256;
    SHA384_HMAC = CKM_SHA384_HMAC, Sha384;
    SHA512_HMAC = CKM_SHA512_HMAC, Sha512;
    SHA512_224_HMAC = CKM_SHA512_224_HMAC, Sha512_224;
    SHA512_256_HMAC = CKM_SHA512_256_HMAC, Sha512_256;
    SHA3_224_HMAC = CKM_SHA3_224_HMAC, Sha3_224;
    SHA3_256_HMAC = CKM_SHA3_256_HMAC, Sha3_256;
    SHA3_384_HMAC = CKM_SHA3_384_HMAC, Sha3_384;
    SHA3_512_HMAC = CKM_SHA3_512_HMAC, Sha3_512;
}

pub(super) const AES_CMAC: Row = Row {
    sign: Some(|key, params| Ok(Box::new(cmac(key, params)?))),
    verify: Some(|key, params| Ok(Box::new(cmac(key, params)?))),
    ..aes::aes(row!(CKM_AES_CMAC))
};

fn generate(params: &Params, len: usize) -> Result<Secret> {
    match params {
        Params::None if (1..=MAX_SECRET).contains(&(len as u64)) => random::secret(len),
        Params::None => Err(Reason::KeySizeRange.into()),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn hmac(hash: Hash, usable: &UsableKey, params: &Params) -> Result<Mac> {
    match (params, &usable.parsed) {
        (Params::None, Parsed::Generic(key)) => Mac::hmac(hash, key.expose()),
        (Params::None, _) => Err(Reason::KeyTypeInconsistent.into()),
        _ => Err(Reason::MechanismParam.into()),
    }
}

fn cmac(usable: &UsableKey, params: &Params) -> Result<Mac> {
    match params {
        Params::None => Mac::cmac(aes::key(usable)?),
        _ => Err(Reason::MechanismParam.into()),
    }
}

impl Absorb for Mac {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        Self::update(self, input)
    }

    fn finish_len(&self) -> usize {
        self.size()
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let len = self.size();
        let output = output.get_mut(..len).ok_or(Reason::BufferTooSmall)?;
        output.copy_from_slice(Self::finish(self)?.get(..len).ok_or(Reason::General)?);
        Ok(len)
    }
}

impl Check for Mac {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        Self::update(self, input)
    }

    fn finish(&mut self, signature: &[u8]) -> Result<()> {
        if signature.len() != self.size() {
            return Err(Reason::SignatureLength.into());
        }
        let mac = Self::finish(self)?;
        let mac = mac.get(..signature.len()).ok_or(Reason::General)?;
        if mac.ct_eq(signature).into() { Ok(()) } else { Err(Reason::SignatureInvalid.into()) }
    }
}
