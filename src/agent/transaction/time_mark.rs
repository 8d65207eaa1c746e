//! The part of a transaction that writes the store's own row, which has the high-water mark of time. Each
//! transaction writes it, and none compares it: that would put every two writers in conflict.

use super::Transaction;
use crate::agent::keyspace;
use crate::agent::rows::{self, Meta};
use crate::error::Result;

impl Transaction<'_> {
    /// Has the mark follow the store's time down, and not stay at the later time that the row has. Here it is compared.
    pub(crate) fn lower_time_mark(&mut self) -> Result<()> {
        self.get(&keyspace::meta())?;
        self.lowers_time_mark = true;
        Ok(())
    }

    /// Writes the later of the store's time and that which another writer has left there.
    pub(super) fn write_time_mark(&mut self) -> Result<()> {
        // No host of a fleet takes another's clock for the time.
        if self.store.host().is_some() {
            return Ok(());
        }
        let (now, meta) = (self.store.now(), self.store.meta()?);
        let mark = if self.lowers_time_mark { now } else { meta.mark.max(now) };
        self.writes.insert(keyspace::meta(), Some(rows::encode(&Meta { mark, ..meta })?));
        Ok(())
    }
}
