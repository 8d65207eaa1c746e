//! The end of a whole token: it is marked, so that nothing is created in it meanwhile, then its records go,
//! and last its entry. What a crash interrupts is gone on with at the next opening.

use super::audit::{AuditEvent, Fact};
use super::open_store::OpenStore;
use super::proposer::{NextStep, Proposer};
use super::removals::Removals;
use super::rows::UnderWay;
use super::transaction::Transaction;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::Need;

/// The end of a token whose security officer has asked for it.
pub(crate) struct DestroyToken {
    token: Id,
    change: [u8; 16],
    /// The part that is left of it; none before it is marked.
    left: Option<Removals>,
}

impl DestroyToken {
    /// Proposes the end of a token, by a change of that name.
    pub(crate) fn new(token: Id, change: [u8; 16]) -> Self {
        Self { token, change, left: None }
    }
}

impl Proposer for DestroyToken {
    /// The number of records that went with it.
    type Answer = u64;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, u64>> {
        let mut transaction = Transaction::new(store);
        if let Some(counts) = transaction.answered(&self.change)? {
            return Ok(NextStep::Done(counts.first().copied().unwrap_or(0)));
        }
        let row = transaction.token(self.token)?.ok_or(Reason::TokenAbsent)?;
        store.records.room(Need::Shrink)?;
        let records = match row.under_way {
            Some(UnderWay::Destroy { change, records }) if change == self.change => records,
            Some(_) => return Err(Reason::Conflict.into()),
            None => {
                let records = Removals::all(store, self.token)?.count();
                let ends = UnderWay::Destroy { change: self.change, records };
                transaction.begin(self.token, row, ends)?;
                return Ok(NextStep::Apply(transaction));
            }
        };
        let left = match &mut self.left {
            Some(left) => left,
            none => none.insert(Removals::all(store, self.token)?),
        };
        if !left.step(&mut transaction)? {
            transaction.remove_token(self.token)?;
            transaction.note(Fact::of_token(AuditEvent::TokenDestroyed, self.token));
            transaction.answer(self.change, vec![records]);
        }
        Ok(NextStep::Apply(transaction))
    }

    fn applied(&mut self) {
        if let Some(left) = &mut self.left {
            left.applied();
        }
    }
}

#[cfg(test)]
mod tests;
