//! The parameters of mechanisms that derive keys.

use super::{Parameter, hash, piece, wrong};
use crate::error::Result;
use crate::mechanism::{Hash, HkdfSalt, Params};
use pkcs11_sys::*;

impl Parameter {
    pub(super) unsafe fn ecdh(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let ecdh = unsafe { self.structure::<CK_ECDH1_DERIVE_PARAMS>() }?;
        Ok(Params::Ecdh {
            hash: kdf(ecdh.kdf)?,
            // SAFETY: `pSharedData` has `ulSharedDataLen` bytes.
            shared: unsafe { piece(ecdh.pSharedData, ecdh.ulSharedDataLen) }?,
            // SAFETY: `pPublicData` has `ulPublicDataLen` bytes.
            public: unsafe { piece(ecdh.pPublicData, ecdh.ulPublicDataLen) }?,
        })
    }

    /// Reads HKDF's parameter. The salt belongs to the first step, `pInfo` to the second, and each is
    /// ignored without its step: pkcs11-provider names no kind of salt where it only expands.
    pub(super) unsafe fn hkdf(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let hkdf = unsafe { self.structure::<CK_HKDF_PARAMS>() }?;
        let (extract, expand) = (hkdf.bExtract != CK_FALSE, hkdf.bExpand != CK_FALSE);
        let salt = match hkdf.ulSaltType {
            _ if !extract => HkdfSalt::Bytes(Vec::new()),
            CKF_HKDF_SALT_NULL => HkdfSalt::Bytes(Vec::new()),
            // SAFETY: `pSalt` has `ulSaltLen` bytes where the salt is data.
            CKF_HKDF_SALT_DATA => HkdfSalt::Bytes(unsafe { piece(hkdf.pSalt, hkdf.ulSaltLen) }?),
            CKF_HKDF_SALT_KEY => HkdfSalt::Key(hkdf.hSaltKey),
            _ => return Err(wrong("the kind of salt")),
        };
        let info = match expand {
            // SAFETY: `pInfo` has `ulInfoLen` bytes where the second step is asked for.
            true => unsafe { piece(hkdf.pInfo, hkdf.ulInfoLen) }?,
            false => Vec::new(),
        };
        Ok(Params::Hkdf { extract, expand, hash: hash(hkdf.prfHashMechanism)?, salt, info })
    }
}

/// ANSI X9.63's derivation function by the hash in it.
fn kdf(number: CK_EC_KDF_TYPE) -> Result<Option<Hash>> {
    Ok(match number {
        CKD_NULL => None,
        CKD_SHA1_KDF => Some(Hash::Sha1),
        CKD_SHA224_KDF => Some(Hash::Sha224),
        CKD_SHA256_KDF => Some(Hash::Sha256),
        CKD_SHA384_KDF => Some(Hash::Sha384),
        CKD_SHA512_KDF => Some(Hash::Sha512),
        CKD_SHA3_224_KDF => Some(Hash::Sha3_224),
        CKD_SHA3_256_KDF => Some(Hash::Sha3_256),
        CKD_SHA3_384_KDF => Some(Hash::Sha3_384),
        CKD_SHA3_512_KDF => Some(Hash::Sha3_512),
        _ => return Err(wrong("the derivation function")),
    })
}
