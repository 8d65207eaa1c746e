//! The common part of all AES mechanisms, and `CKM_AES_KEY_GEN`: PKCS#11 3.1, "AES".

use super::random_key::random_key;
use super::row::row;
use super::{MechanismRow, Params};
use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::aes::{AesKey, BLOCK};
use crate::secret::Secret;
use pkcs11_sys::CKK_AES;

pub(super) const KEY_GEN: MechanismRow =
    MechanismRow { generate: Some(generate), ..aes(row!(CKM_AES_KEY_GEN)) };

/// A row for AES keys, whose sizes the specification counts in bytes.
pub(super) const fn aes(row: MechanismRow) -> MechanismRow {
    MechanismRow { key_type: Some(CKK_AES), key_sizes: (16, 32), ..row }
}

/// The key's AES form, or `KeyTypeInconsistent`.
pub(super) fn key(key: &UsableKey) -> Result<&AesKey> {
    match &key.parsed {
        Parsed::Aes(key) => Ok(key),
        _ => Err(Reason::KeyTypeInconsistent.into()),
    }
}

/// The IV of a mode that takes one block, or `MechanismParam`.
pub(super) fn iv(params: &Params) -> Result<&[u8]> {
    match params {
        Params::Bytes(iv) if iv.len() == BLOCK => Ok(iv),
        _ => Err(Reason::MechanismParam.detail("the IV has not 16 bytes")),
    }
}

fn generate(params: &Params, len: usize) -> Result<Secret> {
    random_key(params, len, matches!(len, 16 | 24 | 32))
}
