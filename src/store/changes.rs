//! The keys that the latest commits of a store wrote, kept in memory for those who follow it.

use super::Batch;
use std::collections::VecDeque;

/// The number of a commit: it grows with every batch that is applied.
pub(crate) type CommitNumber = u64;

/// The keys that one commit wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedKeys {
    /// Its number.
    pub number: CommitNumber,
    /// Every key that it wrote or removed.
    pub keys: Vec<Vec<u8>>,
}

/// The commits after a given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Each of them, oldest first.
    Commits(Vec<CommittedKeys>),
    /// Some of them are no longer known: anything may have changed.
    Unknown,
}

/// The size of the keys that are kept, in bytes.
const KEPT: usize = 4 << 20;

/// The size of a key beside its bytes, in bytes.
const KEY_OVERHEAD: usize = size_of::<Vec<u8>>();

/// The number of the last commit, and the keys of as many commits before it as [`KEPT`] holds.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    number: CommitNumber,
    commits: VecDeque<CommittedKeys>,
    bytes: usize,
}

impl ChangeLog {
    /// Begins after commit `number`, of which nothing is known.
    pub(super) fn after(number: CommitNumber) -> Self {
        Self { number, ..Self::default() }
    }

    /// Returns the number of the last commit.
    pub(super) fn number(&self) -> CommitNumber {
        self.number
    }

    /// Adds a batch that has been applied, and returns the number of its commit.
    pub(super) fn push(&mut self, batch: &Batch) -> CommitNumber {
        self.number += 1;
        let keys = batch.writes.iter().map(|(key, _)| key.clone()).collect();
        let commit = CommittedKeys { number: self.number, keys };
        self.bytes += size(&commit);
        self.commits.push_back(commit);
        while self.bytes > KEPT {
            let oldest = self.commits.pop_front();
            self.bytes -= oldest.as_ref().map_or(self.bytes, size);
        }
        self.number
    }

    /// Returns the commits after `since`.
    pub(super) fn since(&self, since: CommitNumber) -> Changes {
        let missing = self.number.checked_sub(since).map(usize::try_from);
        let Some(Ok(missing)) = missing else { return Changes::Unknown };
        match self.commits.len().checked_sub(missing) {
            Some(known) => Changes::Commits(self.commits.iter().skip(known).cloned().collect()),
            None => Changes::Unknown,
        }
    }
}

fn size(commit: &CommittedKeys) -> usize {
    size_of::<CommittedKeys>()
        + commit.keys.iter().map(|key| key.len() + KEY_OVERHEAD).sum::<usize>()
}
