//! Argon2id (RFC 9106): what makes guessing a PIN or a passphrase slow.

use crate::error::{Reason, Result};
use crate::secret::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

/// The cost of one guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// The number of passes over it.
    pub passes: u32,
    /// The number of lanes.
    pub lanes: u32,
}

/// The most that stands for a wish: a larger figure is damage.
const MAX_COST: Cost = Cost { memory_kib: 1 << 20, passes: 64, lanes: 64 };

/// Makes `length` bytes of what a person knows.
pub(crate) fn stretch(known: &[u8], salt: &[u8; 16], cost: Cost, length: usize) -> Result<Secret> {
    let Cost { memory_kib, passes, lanes } = cost;
    if memory_kib > MAX_COST.memory_kib || passes > MAX_COST.passes || lanes > MAX_COST.lanes {
        return Err(Reason::StoreDamaged.detail("the cost of a guess is out of all proportion"));
    }
    let params = Params::new(memory_kib, passes, lanes, Some(length))
        .map_err(|_| Reason::StoreDamaged.detail("the cost of a guess is not valid"))?;
    let mut output = Secret::new(vec![0; length]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(known, salt, output.expose_mut())
        .map_err(|_| Reason::HostMemory)?;
    Ok(output)
}
