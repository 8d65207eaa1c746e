//! `CKM_RSA_AES_KEY_WRAP`, for which the client crate has no name: a transport key by OAEP and the
//! material by AES-KWP under it, opened in one call.

use crate::Failure;
use crate::mechanisms::numbered;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use keystead::internal::lc::digest::Hash;
use pkcs11_sys::*;
use std::ptr::null_mut;

/// Its number, as the client crate writes numbers.
pub(crate) fn number() -> MechanismType {
    numbered(CKM_RSA_AES_KEY_WRAP)
}

/// Does something with the mechanism, whose OAEP hashes with that hash and has no label. The transport
/// key's size is not asked for where something is unwrapped.
pub(crate) fn with<R>(hash: Hash, act: impl FnOnce(&Mechanism) -> R) -> Result<R, Failure> {
    let (hash_alg, mgf) = match hash {
        Hash::Sha1 => (CKM_SHA_1, CKG_MGF1_SHA1),
        Hash::Sha256 => (CKM_SHA256, CKG_MGF1_SHA256),
        other => {
            return Err(Failure::new(format_args!("no form has OAEP with {other:?}")));
        }
    };
    let mut oaep = CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: hash_alg,
        mgf,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: null_mut(),
        ulSourceDataLen: 0,
    };
    let params = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &raw mut oaep };
    let mechanism = VendorDefinedMechanism::new(number(), Some(&params));
    Ok(act(&Mechanism::VendorDefined(mechanism)))
}
