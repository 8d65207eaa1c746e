//! The part of a transaction that is a fleet's: it compares the list of hosts, and writes down each secret that ends, so
//! that every host overwrites its own.

use super::Transaction;
use crate::agent::fleet::erasure_row::ErasureRow;
use crate::agent::fleet::keys;
use crate::agent::rows;
use crate::erasure::Tombstone;
use crate::error::Result;
use crate::store::cells::CellNumber;

impl Transaction<'_> {
    /// Reads the list of a fleet's hosts, which is to be the same when the transaction is applied. Fails where this host is
    /// not one that serves.
    pub(super) fn compare_hosts(&self) -> Result<()> {
        let Some(fleet) = self.store.fleet() else { return Ok(()) };
        let list = self.get(keys::HOSTS)?;
        self.store.check_enrolled(fleet, list.as_deref())
    }

    /// Has the secret of a cell overwritten.
    pub(super) fn end_secret(&mut self, cell: CellNumber, end: Tombstone) -> Result<()> {
        if self.store.fleet().is_some() {
            let row = rows::encode(&ErasureRow::of(end))?;
            self.writes.insert(keys::erasure(cell), Some(row));
        }
        self.erased.push((cell, end));
        Ok(())
    }
}
