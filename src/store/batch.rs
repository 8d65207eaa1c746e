//! One batch of a store: the conditions that it depends on, what it writes, and how large it may be.

use super::MAX_KEY;
use crate::error::{Reason, Result};

/// A condition that must hold when a batch is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// No value stands at the key.
    Absent(Vec<u8>),
    /// Exactly this value stands at the key.
    Equals(Vec<u8>, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The conditions that must all hold; else the batch is a [`Reason::Conflict`] and changes nothing.
    pub conditions: Vec<Condition>,
    /// Keys and their new values; `None` removes the key.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Takes one pair for a store in the making.
pub(crate) type Put<'a> = dyn FnMut(Vec<u8>, Vec<u8>) -> Result<()> + 'a;

/// The bounds of one batch in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    /// The number of conditions.
    pub conditions: usize,
    /// The number of writes.
    pub writes: usize,
    /// The size of all keys and of the values that are written, in bytes.
    pub bytes: usize,
}

impl BatchLimits {
    /// The bounds of a store on this machine: far above what one frame of the protocol can ask for.
    pub(crate) const LOCAL: Self = Self { conditions: 1 << 18, writes: 1 << 18, bytes: 64 << 20 };
}

impl Condition {
    /// The condition that at a key still stands what was found there: a value, or none.
    pub(crate) fn unchanged(key: Vec<u8>, found: Option<Vec<u8>>) -> Self {
        match found {
            Some(value) => Self::Equals(key, value),
            None => Self::Absent(key),
        }
    }

    /// Returns the key that it looks at.
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Absent(key) | Self::Equals(key, _) => key,
        }
    }

    /// Fails with [`Reason::Conflict`] unless it holds where `found` stands.
    pub(super) fn holds(&self, found: Option<&[u8]>) -> Result<()> {
        let holds = match self {
            Self::Absent(_) => found.is_none(),
            Self::Equals(_, value) => found == Some(value.as_slice()),
        };
        if holds { Ok(()) } else { Err(Reason::Conflict.into()) }
    }
}

impl Batch {
    /// Fails with [`Reason::ArgumentsBad`] unless every key has a lawful length and the batch keeps
    /// within `limits`.
    pub(crate) fn check(&self, limits: BatchLimits) -> Result<()> {
        if !self.keys().all(|key| (1..=MAX_KEY).contains(&key.len())) {
            return Err(Reason::ArgumentsBad.detail("a key of the store has an impossible length"));
        }
        let fits = self.conditions.len() <= limits.conditions
            && self.writes.len() <= limits.writes
            && self.size() <= limits.bytes;
        match fits {
            true => Ok(()),
            false => {
                Err(Reason::ArgumentsBad.detail("a change is larger than the store takes at once"))
            }
        }
    }

    /// Returns the size of all keys and of the values that are written, in bytes.
    pub(crate) fn size(&self) -> usize {
        let values = self.writes.iter().filter_map(|(_, value)| value.as_ref());
        self.keys().map(<[u8]>::len).sum::<usize>() + values.map(Vec::len).sum::<usize>()
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let conditions = self.conditions.iter().map(Condition::key);
        self.writes.iter().map(|(key, _)| key.as_slice()).chain(conditions)
    }
}
