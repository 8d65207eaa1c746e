//! The keys that commits have written since the snapshot, which is brought up to date by them.

use crate::store::CommitNumber;
use std::collections::BTreeSet;

/// The most keys that are remembered: beyond that the snapshot is written anew.
const MOST: usize = 1 << 16;

/// The keys written since a commit.
#[derive(Debug, Default)]
pub(super) struct ChangedKeys {
    since: CommitNumber,
    keys: BTreeSet<Vec<u8>>,
    /// True once they were too many.
    forgotten: bool,
}

impl ChangedKeys {
    /// Remembers from commit `since` on.
    pub(super) fn since(since: CommitNumber) -> Self {
        Self { since, ..Self::default() }
    }

    /// Remembers a key.
    pub(super) fn insert(&mut self, key: &[u8]) {
        if self.forgotten || self.keys.contains(key) {
            return;
        }
        self.keys.insert(key.to_vec());
        if self.keys.len() > MOST {
            (self.keys, self.forgotten) = (BTreeSet::new(), true);
        }
    }

    /// Returns the commit after which they were written, and the keys; none where they were too many.
    pub(super) fn keys(&self) -> Option<(CommitNumber, impl Iterator<Item = &Vec<u8>>)> {
        (!self.forgotten).then(|| (self.since, self.keys.iter()))
    }
}
