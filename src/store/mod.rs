//! Stores of sealed records. A store knows bytes: no keys, no PINs, no PKCS#11.

mod acknowledged;
mod batch;
pub(crate) mod cells;
mod changes;
#[cfg(feature = "etcd")]
pub(crate) mod etcd;
pub(crate) mod files;
mod memory;
mod open;
mod origin;
pub(crate) mod pending_syncs;
mod room;
mod sled;
mod summed;
#[cfg(not(feature = "etcd"))]
mod without_etcd;

pub(crate) use crate::config::Location;
pub(crate) use acknowledged::Acknowledged;
pub(crate) use batch::{Batch, BatchLimits, Condition, Put};
pub(crate) use cells::Cells;
pub(crate) use cells::StoreIdentity;
pub(crate) use changes::{Changes, CommitNumber, ReplacedRows};
pub(crate) use memory::Memory;
pub use open::check_snapshot;
pub(crate) use open::{build_upgraded, discard_upgrade, set_earlier_aside, take_upgraded};
pub(crate) use open::{
    check_growth, check_local, check_room, exists, has_remains, identity, is_suspect, mend, open,
    open_unverified, remove, remove_unfinished, replace, snapshot_origin, snapshot_value, suspect,
};
pub(crate) use origin::SnapshotOrigin;
pub(crate) use room::{Need, Room};
pub(crate) use summed::Summed;

use crate::error::Result;

/// Key and value, as [`Store::scan`] yields them.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The number of pairs of one scan.
const SCAN_PAGE: usize = 1024;

/// Calls `visit` for each pair under `prefix`, ascending, until it returns false.
pub(crate) fn each(
    store: &dyn Store,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    let mut from = Vec::new();
    loop {
        let pairs = store.scan(prefix, &from, SCAN_PAGE)?;
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
pub(crate) const MAX_KEY: usize = 256;

/// An ordered map of byte strings with atomic, conditional batches.
///
/// The contract, held by every backend and tested by one suite:
/// * `apply` is atomic: after a crash at any moment either all of a batch is there or none of it.
/// * A batch whose `apply` and a following `sync` returned `Ok` survives a crash and a power loss.
//////   store applied it.
/// * A condition is compared at the moment at which its batch is applied, and against what every opening
///   has written.
/// * Keys are 1 to [`MAX_KEY`] bytes; values have any size up to the frame limit of the protocol.
/// * A batch that writes a key twice leaves the last value.
/// * A `Conflict`, a key outside those bounds, or a batch beyond the [`BatchLimits`], changes
///   nothing and harms nothing. After any other error the instance has
///   [`Failed`](Standing::Failed): it refuses everything, and is dropped and opened again. A store on other machines
///   that cannot be reached, or be written, goes on to be read: what such an error leaves open, it says.
pub(crate) trait Store: Send + Sync {
    /// Returns the value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Returns up to `limit` pairs whose keys start with `prefix` and are not less than `from`, ascending.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>>;

    /// Applies a batch if its conditions hold, and returns the number of this commit.
    fn apply(&self, batch: &Batch) -> Result<CommitNumber>;

    /// Returns the number of the last commit; 0 before the first.
    fn number(&self) -> Result<CommitNumber>;

    /// Makes everything applied so far durable.
    fn sync(&self) -> Result<()>;

    /// Returns the commits after `since`, those of other openings too, each with the rows that it replaced. The
    /// last one is known for as long as no other follows it.
    fn changes(&self, since: CommitNumber) -> Result<Changes>;

    /// Has `_changed` called after commits, those of other openings too, by a store that learns of them while it is not
    /// asked.
    fn tell(&self, _changed: Box<dyn Fn() + Send + Sync>) {}

    /// Returns the bounds of one batch.
    fn limits(&self) -> BatchLimits;

    /// Fails with [`Reason::StoreFull`](crate::error::Reason::StoreFull) where there is no room for what
    /// `need` says. Deletions may use a reserve.
    fn room(&self, need: Need) -> Result<()>;

    /// Returns the service that this instance gives.
    fn standing(&self) -> Standing;

    /// Keeps a copy for the day on which the store cannot be opened, with its identity and incarnation, and
    /// returns about how many bytes that took: none where the last copy has everything, and where a store
    /// needs no copy.
    fn keep_snapshot(&self, identity: StoreIdentity) -> Result<u64>;
}

/// The service that an open store gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It serves, and keeps every write.
    Serving,
    /// It can only be read: a batch is seen once it is applied, and lost at the end.
    ReadOnly(ReadOnly),
    /// A failure has ended this instance.
    Failed,
}

/// The reason for which a store can only be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// Its file system is full, and its snapshot, which has everything, is served instead.
    Full,
    /// It is damaged, and its snapshot is served instead.
    Damaged,
}

impl ReadOnly {
    /// Returns the remedy, as the end of a sentence.
    pub(crate) fn way_out(self) -> &'static str {
        match self {
            Self::Full => "the store is opened again once there is room on its file system",
            Self::Damaged => "`keystead recover` goes on from that",
        }
    }
}

#[cfg(test)]
mod tests;
