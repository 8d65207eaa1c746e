//! The knowledge of its store that an agent has before it opens it.

use super::cells::EarlierFile;
use super::{Cells, CommitNumber, StoreIdentity};

/// The word of the agent's own directory about the store: the one that is opened must be that store, with
/// everything that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// The identity of the store.
    pub identity: StoreIdentity,
    /// The number of the last commit that was acknowledged.
    pub number: CommitNumber,
    /// True where nothing was ever committed.
    pub is_new: bool,
}

impl Acknowledged {
    /// Reads it from the cell file.
    pub(crate) fn of(cells: &Cells) -> Self {
        let (identity, number) = (cells.identity, cells.commits.get());
        Self { identity, number, is_new: cells.is_new() }
    }

    /// Reads it from the cell file of an earlier build.
    pub(crate) fn of_earlier(cells: &EarlierFile) -> Self {
        let (identity, number) = (cells.identity, cells.commits());
        Self { identity, number, is_new: cells.is_new() }
    }
}
