//! What is known of key material without seeing it: its fingerprint, and its end.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};

/// A keyed fingerprint of key material: it outlives the material and tells nothing about it without
/// the private token key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

/// When material stops being usable, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// The first second in which the material is not fully usable.
    pub at: Seconds,
    /// What happens at that second.
    pub action: ExpiryAction,
}

/// What happens to material at its expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpiryAction {
    /// It is erased.
    Erase,
    /// It only decrypts, verifies and unwraps from then on.
    ReadOnly,
}
