//! The rows that the latest commits of a store changed, kept in memory for those who follow it.

use std::collections::VecDeque;
use std::sync::Arc;

/// The number of a commit: it grows with every batch that is applied.
pub(crate) type CommitNumber = u64;

/// A row's key, and its value before a commit; none where there was no such row.
pub(crate) type RowBefore = (Vec<u8>, Option<Vec<u8>>);

/// One commit, and all that it replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplacedRows {
    /// The commit's number.
    pub number: CommitNumber,
    /// Every row that it wrote or removed, as it stood before.
    pub rows: Vec<RowBefore>,
}

/// The commits after a given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Each of them, oldest first.
    Commits(Vec<Arc<ReplacedRows>>),
    /// Some of them are no longer known: anything may have changed.
    Unknown,
}

/// The size of the commits that are kept, in bytes. Those who follow come at once, or read everything anew.
const KEPT: usize = 1 << 20;

/// The size of a row beside its key and its value, in bytes.
const ROW_OVERHEAD: usize = size_of::<RowBefore>();

/// The number of the last commit, and what that and as many commits before it as [`KEPT`] holds replaced.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    number: CommitNumber,
    commits: VecDeque<Arc<ReplacedRows>>,
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

    /// Adds a batch that has been applied, by the rows that it replaced, and returns the number of its commit.
    pub(super) fn push(&mut self, rows: Vec<RowBefore>) -> CommitNumber {
        self.number += 1;
        let commit = ReplacedRows { number: self.number, rows };
        self.bytes += size(&commit);
        self.commits.push_back(Arc::new(commit));
        // The last one is kept whatever its size, for its own maker follows it too.
        while self.bytes > KEPT && self.commits.len() > 1 {
            let oldest = self.commits.pop_front();
            self.bytes -= oldest.as_deref().map_or(self.bytes, size);
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

fn size(commit: &ReplacedRows) -> usize {
    let row =
        |(key, value): &RowBefore| key.len() + value.as_ref().map_or(0, Vec::len) + ROW_OVERHEAD;
    size_of::<ReplacedRows>() + commit.rows.iter().map(row).sum::<usize>()
}
