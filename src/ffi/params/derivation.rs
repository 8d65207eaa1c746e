//! The parameters of mechanisms that derive keys, of other keys and of passwords.

use super::{Parameter, hash, piece, wrong};
use crate::error::Result;
use crate::ffi::buffer::{self, MAX_PIECE};
use crate::mechanism::{EcKdf, Hash, HkdfSalt, Params};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::ptr;
use std::sync::Arc;

impl Parameter {
    pub(super) fn ecdh(&self) -> Result<Params> {
        let ecdh = self.structure::<CK_ECDH1_DERIVE_PARAMS>()?;
        Ok(Params::Ecdh {
            kdf: kdf(ecdh.kdf)?,
            // SAFETY: `pSharedData` has `ulSharedDataLen` bytes.
            shared: unsafe { piece(ecdh.pSharedData, ecdh.ulSharedDataLen) }?,
            // SAFETY: `pPublicData` has `ulPublicDataLen` bytes.
            public: unsafe { piece(ecdh.pPublicData, ecdh.ulPublicDataLen) }?,
        })
    }

    /// Reads HKDF's parameter. The salt belongs to the first step, `pInfo` to the second, and each is
    /// ignored without its step: pkcs11-provider names no kind of salt where it only expands.
    pub(super) fn hkdf(&self) -> Result<Params> {
        let hkdf = self.structure::<CK_HKDF_PARAMS>()?;
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

    pub(super) fn data(&self) -> Result<Params> {
        let data = self.structure::<CK_KEY_DERIVATION_STRING_DATA>()?;
        // SAFETY: `pData` has `ulLen` bytes.
        unsafe { piece(data.pData, data.ulLen) }.map(Params::Data)
    }

    pub(super) fn cbc_data(&self) -> Result<Params> {
        let cbc = self.structure::<CK_AES_CBC_ENCRYPT_DATA_PARAMS>()?;
        // SAFETY: `pData` has `length` bytes.
        Ok(Params::CbcData { iv: cbc.iv, data: unsafe { piece(cbc.pData, cbc.length) }? })
    }

    /// Reads PBKDF2's parameter.
    pub(super) fn pbkdf2(&self) -> Result<Params> {
        let pbkdf2 = self.structure::<CK_PKCS5_PBKD2_PARAMS2>()?;
        if pbkdf2.saltSource != CKZ_SALT_SPECIFIED || pbkdf2.ulPrfDataLen != 0 {
            return Err(wrong("the source of the salt, or data for the function"));
        }
        // SAFETY: `pPassword` has as many bytes as `ulPasswordLen` says, or the number that it points to.
        let password = unsafe { piece(pbkdf2.pPassword, password_len(pbkdf2.ulPasswordLen)?) }?;
        Ok(Params::Pbkdf2 {
            hash: password_hash(pbkdf2.prf)?,
            // SAFETY: `pSaltSourceData` has `ulSaltSourceDataLen` bytes, for the salt is specified.
            salt: unsafe { piece(pbkdf2.pSaltSourceData.cast(), pbkdf2.ulSaltSourceDataLen) }?,
            iterations: pbkdf2.iterations,
            password: Arc::new(Secret::new(password)),
        })
    }
}

c_structures!(
    CK_ECDH1_DERIVE_PARAMS,
    CK_HKDF_PARAMS,
    CK_KEY_DERIVATION_STRING_DATA,
    CK_AES_CBC_ENCRYPT_DATA_PARAMS,
    CK_PKCS5_PBKD2_PARAMS2,
);

/// Returns the derivation function of a key agreement.
fn kdf(number: CK_EC_KDF_TYPE) -> Result<EcKdf> {
    let hash = match number {
        CKD_NULL => return Ok(EcKdf::Null),
        CKD_SHA1_KDF | CKD_SHA1_KDF_SP800 => Hash::Sha1,
        CKD_SHA224_KDF | CKD_SHA224_KDF_SP800 => Hash::Sha224,
        CKD_SHA256_KDF | CKD_SHA256_KDF_SP800 => Hash::Sha256,
        CKD_SHA384_KDF | CKD_SHA384_KDF_SP800 => Hash::Sha384,
        CKD_SHA512_KDF | CKD_SHA512_KDF_SP800 => Hash::Sha512,
        CKD_SHA3_224_KDF | CKD_SHA3_224_KDF_SP800 => Hash::Sha3_224,
        CKD_SHA3_256_KDF | CKD_SHA3_256_KDF_SP800 => Hash::Sha3_256,
        CKD_SHA3_384_KDF | CKD_SHA3_384_KDF_SP800 => Hash::Sha3_384,
        CKD_SHA3_512_KDF | CKD_SHA3_512_KDF_SP800 => Hash::Sha3_512,
        _ => return Err(wrong("the derivation function")),
    };
    Ok(match number {
        CKD_SHA1_KDF_SP800..=CKD_SHA3_512_KDF_SP800 => EcKdf::OneStep(hash),
        _ => EcKdf::X963(hash),
    })
}

/// Returns the length of PBKDF2's password. The structure of before version 2.40's errata, which NSS fills, is
/// as long and has a pointer to the length in its place. A number above [`MAX_PIECE`] is no length: where
/// memory can be read at that address, it is the pointer.
fn password_len(given: CK_ULONG) -> Result<CK_ULONG> {
    let address: *const CK_ULONG = ptr::with_exposed_provenance(given as usize);
    if given <= MAX_PIECE || !address.is_aligned() || !buffer::is_readable(address.cast())? {
        return Ok(given);
    }
    // SAFETY: the kernel has just read the first byte, and the others of an aligned number are in its page.
    Ok(unsafe { address.read() })
}

/// Returns the hash of PBKDF2's pseudorandom function.
fn password_hash(function: CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE) -> Result<Hash> {
    Ok(match function {
        CKP_PKCS5_PBKD2_HMAC_SHA1 => Hash::Sha1,
        CKP_PKCS5_PBKD2_HMAC_SHA224 => Hash::Sha224,
        CKP_PKCS5_PBKD2_HMAC_SHA256 => Hash::Sha256,
        CKP_PKCS5_PBKD2_HMAC_SHA384 => Hash::Sha384,
        CKP_PKCS5_PBKD2_HMAC_SHA512 => Hash::Sha512,
        CKP_PKCS5_PBKD2_HMAC_SHA512_224 => Hash::Sha512_224,
        CKP_PKCS5_PBKD2_HMAC_SHA512_256 => Hash::Sha512_256,
        _ => return Err(wrong("the pseudorandom function")),
    })
}
