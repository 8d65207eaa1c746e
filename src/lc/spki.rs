//! Public keys of any type as `SubjectPublicKeyInfo`.

use super::{ec, pkey};
use crate::error::Result;

/// Encodes a `SubjectPublicKeyInfo` as keys here encode their own; `DataInvalid` for anything else.
pub(crate) fn canonical(der: &[u8]) -> Result<Vec<u8>> {
    match ec::PublicKey::from_spki(der) {
        Ok(key) => Ok(key.to_spki()),
        Err(_) => pkey::Pkey::from_any_spki(der)?.to_spki(),
    }
}
