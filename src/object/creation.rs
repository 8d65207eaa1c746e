//! The calls by which objects come into being.

use super::rules::{CREATE, DERIVE, GENERATE, UNWRAP};

/// The call by which an object comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// `C_CreateObject`.
    Create,
    /// `C_GenerateKey`, `C_GenerateKeyPair`.
    Generate,
    /// `C_UnwrapKey`.
    Unwrap,
    /// `C_DeriveKey`, `C_EncapsulateKey`, `C_DecapsulateKey`.
    Derive,
}

impl Creation {
    /// Returns the bit of the call in a row of the attribute table.
    pub(super) const fn bit(self) -> u8 {
        match self {
            Self::Create => CREATE,
            Self::Generate => GENERATE,
            Self::Unwrap => UNWRAP,
            Self::Derive => DERIVE,
        }
    }
}
