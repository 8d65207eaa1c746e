//! The part of a transaction that gives a token its PKCS#11 slot. A row names the token of each slot, and is compared:
//! where two writers want one for two tokens, the slower takes another. The agent's cell file counts the token's wrong
//! PINs at the same number.

use super::Transaction;
use crate::agent::keyspace;
use crate::error::{Reason, Result};
use crate::id::Id;

impl Transaction<'_> {
    /// Takes a slot for a new token: the one that is `meant`, which is a conflict where it is not free any more, else
    /// the first free one. It is given back where the transaction does not happen.
    pub(crate) fn take_slot(&mut self, token: Id, meant: Option<u32>) -> Result<u32> {
        let fits = |slot| Ok(meant.is_none_or(|meant| meant == slot) && self.is_slot_free(slot)?);
        let slot = self.store.cells.pins.reserve(token, &fits)?;
        self.reserved = Some(token);
        Ok(slot)
    }

    /// Returns true if no token has the slot, which is to be so when the transaction is applied.
    fn is_slot_free(&self, slot: u32) -> Result<bool> {
        let key = keyspace::slot(slot);
        // Only the slot that is taken is a condition, not those that were passed over.
        Ok(self.store.records.get(&key)?.is_none() && self.get(&key)?.is_none())
    }

    /// Writes that a token has a slot.
    pub(super) fn write_slot(&mut self, token: Id, slot: u32) -> Result<()> {
        let key = keyspace::slot(slot);
        match self.get(&key)? {
            Some(holder) if holder == token.bytes() => {}
            Some(_) => return Err(Reason::Conflict.into()),
            None => self.writes.insert(key, Some(token.bytes().to_vec())),
        }
        Ok(())
    }

    /// Writes that a token has its slot no longer.
    pub(crate) fn free_slot(&mut self, token: Id, slot: u32) -> Result<()> {
        let key = keyspace::slot(slot);
        if self.get(&key)?.is_some_and(|holder| holder == token.bytes()) {
            self.writes.insert(key, None);
        }
        Ok(())
    }

    /// Gives the slot back that was taken for a transaction that did not happen.
    pub(super) fn give_slot_back(&mut self) {
        let vacated = self.reserved.take().map(|token| self.store.cells.pins.vacate(token));
        if let Some(Err(error)) = vacated {
            log::error!("a slot stays reserved until the store is opened again: {error}");
        }
    }
}
