//! The expiry of a key: its second, what happens to the material then, and how long what has begun may go on.
//!
//! Whether a key may be used is asked in [`policy`](super::policy); the agent's sweep erases what has expired,
//! and its index knows when.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};

/// The time that an operation may go on after its key has expired, in seconds.
pub(crate) const FINISH: Seconds = 60;

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

    /// Returns whether it has come by `now`: the material is not fully usable any more.
    pub fn has_come(self, now: Seconds) -> bool {
        self.at <= now
    }

    /// Returns whether the material is to be gone by `now`, erased already or not.
    pub fn erases_by(self, now: Seconds) -> bool {
        self.erases_at().is_some_and(|at| at <= now)
    }

    /// Returns the second in which the material is to be erased, if it is.
    pub fn erases_at(self) -> Option<Seconds> {
        (self.action == ExpiryAction::Erase).then_some(self.at)
    }

    /// Returns the second from which the material can only be read, if it stays.
    pub fn narrows_at(self) -> Option<Seconds> {
        (self.action == ExpiryAction::ReadOnly).then_some(self.at)
    }

    /// Returns the first second in which an operation that has begun with the whole key may not go on.
    pub fn ends_operations_at(self) -> Seconds {
        self.at.saturating_add(FINISH)
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
