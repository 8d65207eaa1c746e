//! Public keys of any type as `SubjectPublicKeyInfo`.

use super::{ec, pkey};
use crate::error::Result;

/// Encodes a `SubjectPublicKeyInfo` as keys here encode their own; `DataInvalid` for anything else.
pub(crate) fn canonical(der: &[u8]) -> Result<Vec<u8>> {
    match ec::PublicKey::from_spki(der) {
        // A compressed point is remembered as one.
        Ok(key) => ec::PublicKey::from_point(key.curve(), &key.point()?)?.to_spki(),
        Err(_) => pkey::Pkey::from_any_spki(der)?.to_spki(),
    }
}
