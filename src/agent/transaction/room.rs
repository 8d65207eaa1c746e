//! The room in a transaction: what is more than the store takes at once goes in pieces, each as long as it can be.

use super::Transaction;
use crate::agent::audit::LONGEST_LINE;
use crate::error::Result;
use crate::store::BatchLimits;

/// The most rows that the end of one record reads, and writes: itself, its custom key, its fingerprint, its entry
/// where it waits, and lines of the audit log.
const ROWS_OF_RECORD: usize = 8;

/// The most rows that any transaction reads, and writes, beside: the store's own, the token's, its slot's, the end of
/// the audit log's chain, the answer, and in a fleet a few old answers that make way.
const OTHER_ROWS: usize = 12;

/// The size of a row that is short, with its key, in bytes; lines of the audit log are not.
const SHORT_ROW: usize = 1024;

/// The size of the key of a line of the audit log, in bytes, and some more.
const LINE_KEY: usize = 16;

impl Transaction<'_> {
    /// Returns whether the store takes the end of another record with it, as far as that writes short rows only.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_for(ROWS_OF_RECORD)
    }

    /// Has `add` add something that ends, and takes that back, and returns none, where the store does not take it
    /// with all that was added before. What the store does not take by itself is left for it to refuse.
    pub(crate) fn add_piece<T>(
        &mut self,
        add: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        let is_first = self.is_empty();
        let points = (self.read.borrow().point(), self.writes.point());
        let (erased, freed, facts) = (self.erased.len(), self.freed.clone(), self.facts.len());
        let added = add(self)?;
        if is_first || self.has_room_for(0) {
            return Ok(Some(added));
        }
        self.read.borrow_mut().take_back(points.0);
        self.writes.take_back(points.1);
        self.erased.truncate(erased);
        self.freed = freed;
        self.facts.truncate(facts);
        Ok(None)
    }

    /// Returns the number of lines of the audit log that it may take away, once what is noted has its own.
    pub(crate) fn spare_lines(&self) -> usize {
        let BatchLimits { writes, bytes, .. } = self.store.records.limits();
        let rows = writes.saturating_sub(self.rows_written());
        rows.min(bytes.saturating_sub(self.size()) / LINE_KEY)
    }

    /// Returns true where that many short rows more may be read and written.
    fn has_room_for(&self, rows: usize) -> bool {
        let limits = self.store.records.limits();
        self.read.borrow().len() + OTHER_ROWS + rows <= limits.conditions
            && self.rows_written() + rows <= limits.writes
            && self.size() + rows * SHORT_ROW <= limits.bytes
    }

    /// Returns the most rows that it writes as it is.
    fn rows_written(&self) -> usize {
        self.writes.len() + self.facts.len() + OTHER_ROWS
    }

    /// Returns the most bytes that it has as it is.
    fn size(&self) -> usize {
        let written = self.writes.keys_size() + self.writes.rows_size();
        let noted = self.facts.len() * LONGEST_LINE + OTHER_ROWS * SHORT_ROW;
        self.read.borrow().keys_size() + written + noted
    }
}
