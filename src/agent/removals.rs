//! Many records of a token that end, some in each transaction.

use super::open_store::OpenStore;
use super::transaction::{Ending, Transaction};
use super::writer::STEP;
use crate::error::Result;
use crate::id::Id;
use crate::key::Header;

/// The records that are still to end.
pub(crate) struct Removals {
    token: Id,
    ids: Vec<Id>,
    /// How many of them the transaction under way removes.
    under_way: usize,
}

impl Removals {
    /// Lists the records of a token that end.
    pub(crate) fn of(store: &OpenStore, token: Id, ends: impl Fn(&Header) -> bool) -> Result<Self> {
        let mut ids = Vec::new();
        store.each_record(token, |id, row| {
            ids.extend(ends(&store.found(id, row)?.known.header).then_some(id));
            Ok(())
        })?;
        Ok(Self { token, ids, under_way: 0 })
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Has a transaction remove the next of them. Returns false where none is left.
    pub(crate) fn step(&mut self, transaction: &mut Transaction<'_>) -> Result<bool> {
        let step = self.ids.iter().take(STEP);
        self.under_way = step.len();
        for id in step {
            transaction.remove(self.token, *id, Ending::Deleted)?;
        }
        Ok(self.under_way > 0)
    }

    /// Notes that the transaction was applied.
    pub(crate) fn applied(&mut self) {
        self.ids.drain(..std::mem::take(&mut self.under_way));
    }
}
