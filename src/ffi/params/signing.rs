//! The parameters of mechanisms that sign.

use super::{Parameter, piece};
use crate::error::Result;
use crate::mechanism::Params;
use pkcs11_sys::*;

impl Parameter {
    pub(super) unsafe fn eddsa(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let eddsa = unsafe { self.structure::<CK_EDDSA_PARAMS>() }?;
        Ok(Params::Eddsa {
            prehash: eddsa.phFlag != CK_FALSE,
            // SAFETY: `pContextData` has `ulContextDataLen` bytes.
            context: unsafe { piece(eddsa.pContextData, eddsa.ulContextDataLen) }?,
        })
    }
}
