//! The parameters of mechanisms that sign.

use super::{Parameter, hash, piece};
use crate::error::Result;
use crate::mechanism::Params;
use pkcs11_sys::*;

impl Parameter {
    pub(super) fn eddsa(&self) -> Result<Params> {
        let eddsa = self.structure::<CK_EDDSA_PARAMS>()?;
        Ok(Params::Eddsa {
            prehash: eddsa.phFlag != CK_FALSE,
            // SAFETY: `pContextData` has `ulContextDataLen` bytes.
            context: unsafe { piece(eddsa.pContextData, eddsa.ulContextDataLen) }?,
        })
    }

    pub(super) fn sign_context(&self) -> Result<Params> {
        let given = self.structure::<SignContext>()?;
        // SAFETY: `context` has `context_len` bytes.
        let context = unsafe { piece(given.context, given.context_len) }?;
        Ok(Params::SignContext { hedge: given.hedge, context })
    }

    pub(super) fn hash_sign_context(&self) -> Result<Params> {
        let HashSignContext { sign, hash: number } = self.structure()?;
        // SAFETY: `context` has `context_len` bytes.
        let context = unsafe { piece(sign.context, sign.context_len) }?;
        Ok(Params::HashSignContext { hedge: sign.hedge, context, hash: hash(number)? })
    }
}

c_structures!(CK_EDDSA_PARAMS, SignContext, HashSignContext);

/// `CK_SIGN_ADDITIONAL_CONTEXT` (PKCS#11 3.2, 6.67.1).
#[repr(C)]
#[derive(Clone, Copy)]
struct SignContext {
    hedge: CK_ULONG,
    context: *const CK_BYTE,
    context_len: CK_ULONG,
}

/// `CK_HASH_SIGN_ADDITIONAL_CONTEXT` (PKCS#11 3.2, 6.67.1): the fields of the other, and the hash.
#[repr(C)]
#[derive(Clone, Copy)]
struct HashSignContext {
    sign: SignContext,
    hash: CK_MECHANISM_TYPE,
}
