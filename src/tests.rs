//! The items that the tests of several modules share.

#[path = "../tests/fuzz/library.rs"]
mod fuzz;

use crate::error::Result;
use crate::store::{
    Batch, BatchLimits, Changes, CommitNumber, Memory, Need, Pair, Standing, Store, StoreIdentity,
};
use proptest::prelude::ProptestConfig;

/// Returns the configuration of a property that is tried in so many cases. One that fails prints its input, and
/// writes no file into the tree.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A use of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    Get,
    Scan,
    Apply,
    Number,
    Changes,
    Room,
}

/// A store in memory of which a test notices each use, before it takes place.
pub(crate) trait ObservedStore: Send + Sync {
    fn memory(&self) -> &Memory;

    /// Does what the test has come before the use, or refuses it.
    fn before(&self, used: StoreUse) -> Result<()>;

    /// Applies a batch.
    fn applied(&self, batch: &Batch) -> Result<CommitNumber> {
        self.memory().apply(batch)
    }

    /// Makes everything durable.
    fn synced(&self) -> Result<()> {
        self.memory().sync()
    }

    /// Returns the most rows that one scan reads of those asked for.
    fn at_once(&self, limit: usize) -> usize {
        limit
    }
}

impl<S: ObservedStore> Store for S {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.before(StoreUse::Get)?;
        self.memory().get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.before(StoreUse::Scan)?;
        self.memory().scan(prefix, from, self.at_once(limit))
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        self.before(StoreUse::Apply)?;
        self.applied(batch)
    }

    fn number(&self) -> Result<CommitNumber> {
        self.before(StoreUse::Number)?;
        self.memory().number()
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.before(StoreUse::Changes)?;
        self.memory().changes(since)
    }

    fn limits(&self) -> BatchLimits {
        self.memory().limits()
    }

    fn room(&self, need: Need) -> Result<()> {
        self.before(StoreUse::Room)?;
        self.memory().room(need)
    }

    fn sync(&self) -> Result<()> {
        self.synced()
    }

    fn standing(&self) -> Standing {
        self.memory().standing()
    }

    fn keep_snapshot(&self, identity: StoreIdentity) -> Result<u64> {
        self.memory().keep_snapshot(identity)
    }
}
