//! The expiry of a key: its second, and what happens to the material then.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};

/// The end of material: its second, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// The first second in which the material is not fully usable.
    pub at: Seconds,
    /// The fate of the material in that second.
    pub action: ExpiryAction,
}

impl Expiry {
    /// Returns the end that outlives none of these: the soonest second, and erasure where one of them erases.
    /// What only decrypts from the sooner second on would do so for good.
    pub fn strictest(ends: impl IntoIterator<Item = Self>) -> Option<Self> {
        ends.into_iter().reduce(|one, other| Self {
            at: one.at.min(other.at),
            action: if one.action == other.action { one.action } else { ExpiryAction::Erase },
        })
    }
}

/// The fate of material at its expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpiryAction {
    /// Erasure.
    Erase,
    /// Decrypting, verifying, unwrapping and decapsulating only, from then on.
    ReadOnly,
}
