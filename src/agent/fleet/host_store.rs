//! A fleet's store as one host has it.

use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::store::cells::{CellNumber, FleetCells};
use crate::store::{Batch, Cells, CommitNumber, Store};
use std::collections::HashSet;

/// The store as one host has it: the rows, its own cells, and what it has followed.
pub(crate) trait HostStore {
    /// Returns the rows, to be read.
    fn rows(&self) -> &dyn Store;

    /// Returns this host's cell file.
    fn slots(&self) -> &Cells;

    /// Applies a batch. It has been followed when this returns.
    fn commit(&self, batch: &Batch) -> Result<CommitNumber>;

    /// Returns the number of the last commit that is followed: each row of it has been noted.
    fn followed(&self) -> Result<CommitNumber>;

    /// Returns the cells that records claim, as of a commit that is not before the call.
    fn claimed(&self) -> Result<HashSet<CellNumber>>;

    /// Returns the store's time.
    fn time(&self) -> Seconds;

    /// Returns the cells of a fleet's host.
    fn fleet_cells(&self) -> Result<&FleetCells> {
        self.slots().fleet.as_ref().ok_or_else(|| Reason::General.into())
    }
}

/// A store that no agent has opened yet: the rows, and the cell file of the host.
pub(crate) struct Unopened<'a> {
    /// The rows.
    pub(crate) rows: &'a dyn Store,
    /// The host's cell file.
    pub(crate) slots: &'a Cells,
}

impl HostStore for Unopened<'_> {
    fn rows(&self) -> &dyn Store {
        self.rows
    }

    fn slots(&self) -> &Cells {
        self.slots
    }

    fn commit(&self, batch: &Batch) -> Result<CommitNumber> {
        self.rows.apply(batch)
    }

    fn followed(&self) -> Result<CommitNumber> {
        self.rows.number()
    }

    fn claimed(&self) -> Result<HashSet<CellNumber>> {
        Ok(HashSet::new())
    }

    fn time(&self) -> Seconds {
        self.slots.time.get()
    }
}
