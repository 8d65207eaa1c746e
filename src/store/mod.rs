//! Where sealed records lie. A store knows bytes: no keys, no PINs, no PKCS#11.

pub(crate) mod files;
mod memory;
mod room;
mod sled;
pub mod slots;
pub mod snapshot;
pub(crate) mod syncs;

#[cfg(test)]
mod contract;

pub use memory::Memory;
pub use room::{Need, Room, check_growth};
pub use sled::Sled;
pub use slots::Slots;

use crate::error::Result;

/// A condition that must hold when a batch is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing stands at the key.
    Absent(Vec<u8>),
    /// Exactly this value stands at the key.
    Equals(Vec<u8>, Vec<u8>),
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must hold; else the batch is a [`crate::error::Reason::Conflict`] and changes nothing.
    pub conditions: Vec<Condition>,
    /// Key and new value; a value of `None` removes the key.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Key and value, as [`Store::scan`] yields them.
pub type Pair = (Vec<u8>, Vec<u8>);

/// How many pairs one scan brings.
const PAGE: usize = 1024;

/// Calls `visit` for each pair under `prefix`, ascending, until it says false.
pub fn each(
    store: &dyn Store,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    let mut from = Vec::new();
    loop {
        let pairs = store.scan(prefix, &from, PAGE)?;
        for (key, value) in &pairs {
            if !visit(key, value)? {
                return Ok(());
            }
        }
        match pairs.into_iter().next_back() {
            Some((last, _)) => from = [&last[..], &[0]].concat(),
            None => return Ok(()),
        }
    }
}

/// The longest key, in bytes.
pub const MAX_KEY: usize = 256;

/// An ordered map of byte strings with atomic, conditional batches.
///
/// The contract, held by every backend and tested by one suite:
/// * `apply` is atomic: after a crash at any moment either all of a batch is there or none of it.
/// * A batch whose `apply` and a following `sync` returned `Ok` survives a crash and a power loss.
/// * `get` and `scan` see every batch whose `apply` returned, in that order.
/// * Keys are 1 to [`MAX_KEY`] bytes; values have any size up to the frame limit of the protocol.
/// * A batch that writes a key twice leaves the last value.
/// * A `Conflict`, or a key outside those bounds, changes nothing and harms nothing. After any other
///   error the instance is no longer [`alive`](Store::alive): it refuses everything, and is dropped
///   and opened again.
pub trait Store: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Up to `limit` pairs whose keys start with `prefix` and are not less than `from`, ascending.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>>;

    /// Applies a batch if its conditions hold.
    fn apply(&self, batch: &Batch) -> Result<()>;

    /// Makes everything applied so far durable.
    fn sync(&self) -> Result<()>;

    /// Whether no error has ended this instance.
    fn alive(&self) -> bool;
}
