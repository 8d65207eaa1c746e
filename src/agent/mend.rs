//! Records whose cell is overwritten though they have no tombstone: a recovery, or a deletion that an earlier
//! build began, has left them so. They get one before the first answer.

use super::open_store::OpenStore;
use super::proposer::{NextStep, Proposer, fill};
use super::transaction::Transaction;
use crate::error::Result;
use crate::id::Id;

/// Finishes the end of records whose cell is overwritten already.
pub(crate) struct Mend {
    /// Token and record of what is still to be looked at.
    erased: Vec<(Id, Id)>,
    under_way: usize,
}

impl Mend {
    /// Lists the records whose cell is overwritten.
    pub(crate) fn of(store: &OpenStore) -> Result<Self> {
        let erased = store.cells.erase.overwritten(store.claims()?);
        Ok(Self { erased, under_way: 0 })
    }
}

impl Proposer for Mend {
    type Answer = ();

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, ()>> {
        while !self.erased.is_empty() {
            let mut transaction = Transaction::new(store);
            self.under_way = fill(&mut transaction, &self.erased, |transaction, record| {
                mend(store, transaction, *record)
            })?;
            if !transaction.is_empty() {
                return Ok(NextStep::Apply(transaction));
            }
            self.applied();
        }
        Ok(NextStep::Done(()))
    }

    fn applied(&mut self) {
        self.erased.drain(..std::mem::take(&mut self.under_way));
    }
}

/// Gives a record whose cell was overwritten its tombstone. It stays in its place, so that a client that lost
/// its answer can still finish what it began: material for good, with its custom key, any other for a while.
fn mend(store: &OpenStore, transaction: &mut Transaction<'_>, (token, id): (Id, Id)) -> Result<()> {
    match store.if_readable((token, id), transaction.find(token, id))? {
        Some(Some(found)) => transaction.tombstone(token, &found),
        Some(None) | None => Ok(()),
    }
}
