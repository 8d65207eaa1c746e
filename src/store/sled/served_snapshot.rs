//! The snapshot of a store that cannot be opened, served in its place to be read.

use super::database::room;
use super::snapshot;
use crate::error::Result;
use crate::store::{
    Batch, BatchLimits, Changes, CommitNumber, Memory, Need, Pair, ReadOnly, Room, Standing, Store,
    StoreIdentity,
};
use std::path::Path;

/// The pairs of a snapshot, in memory. A batch changes them there, and in nothing that lasts.
pub(crate) struct ServedSnapshot {
    memory: Memory,
    room: Room,
    why: ReadOnly,
}

impl ServedSnapshot {
    /// Loads the snapshot that was kept in `directory`.
    pub(crate) fn load(directory: &Path, why: ReadOnly) -> Result<Self> {
        Ok(Self { memory: snapshot::load(directory)?, room: room(directory)?, why })
    }
}

impl Store for ServedSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.memory.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.memory.scan(prefix, from, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        self.memory.apply(batch)
    }

    fn number(&self) -> Result<CommitNumber> {
        self.memory.number()
    }

    fn sync(&self) -> Result<()> {
        self.memory.sync()
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.memory.changes(since)
    }

    fn limits(&self) -> BatchLimits {
        self.memory.limits()
    }

    fn room(&self, need: Need) -> Result<()> {
        self.room.check(need)
    }

    fn standing(&self) -> Standing {
        Standing::ReadOnly(self.why)
    }

    fn keep_snapshot(&self, _identity: StoreIdentity) -> Result<u64> {
        Ok(0)
    }
}
