//! The state of the secret under which material is encrypted: the one word for it in store, protocol
//! and domain.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};

/// The word of an erase cell on material: it only takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Erasure {
    /// The cell's secret is in place, or there is no cell.
    Live,
    /// Erased on request, at that second.
    Deleted(Seconds),
    /// Erased at expiry, at that second.
    Expired(Seconds),
}
