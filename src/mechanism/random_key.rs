//! Secret keys that are nothing but random bytes.

use super::Params;
use crate::error::{Reason, Result};
use crate::lc::random;
use crate::secret::Secret;

/// Generates a key of `len` bytes by a mechanism without a parameter; `KeySizeRange` unless that `fits`.
pub(super) fn random_key(params: &Params, len: usize, fits: bool) -> Result<Secret> {
    match (params, fits) {
        (Params::None, true) => random::secret(len),
        (Params::None, false) => Err(Reason::KeySizeRange.into()),
        _ => Err(Reason::MechanismParam.into()),
    }
}
