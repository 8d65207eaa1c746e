//! The traces of lost commits in the cells: tokens that they destroyed, and secrets that they filled in.

use super::OpenStore;
use crate::agent::{keyspace, shred_layer};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::Batch;
use crate::store::cells::EraseCell;
use std::collections::HashSet;

impl OpenStore {
    /// Removes the entries of tokens that were destroyed in lost commits, and returns the tokens that stay. A
    /// token whose wrong PINs are no longer counted was destroyed.
    pub(crate) fn remove_destroyed_tokens(&self) -> Result<HashSet<Id>> {
        let (mut stay, mut writes) = (HashSet::new(), Vec::new());
        for (token, row) in self.tokens()? {
            if self.cells.pins.counts(token, row.slot) {
                stay.insert(token);
            } else {
                writes.push((keyspace::token(token), None));
            }
        }
        for writes in writes.chunks(self.records.limits().writes.max(1)) {
            self.apply(&Batch { conditions: Vec::new(), writes: writes.to_vec() })?;
        }
        self.records.sync()?;
        Ok(stay)
    }

    /// Returns the cells whose secret is not the one under which the record that claims them was encrypted.
    pub(crate) fn foreign_cells(&self) -> Result<Vec<u32>> {
        let mut foreign = Vec::new();
        for (cell, (token, id)) in self.claims()? {
            let found = self.find(token, id)?.ok_or(Reason::StoreDamaged)?;
            let binding = shred_layer::Binding { token, id, revision: found.row.revision };
            match self.cells.erase.read_cell(cell) {
                Ok(EraseCell::Secret(secret)) => {
                    let mine = shred_layer::decrypt(&secret, binding, &found.row.sealed).is_ok();
                    foreign.extend((!mine).then_some(cell));
                }
                Ok(EraseCell::Erased(_)) => {}
                // Its secret is lost: no record can be decrypted with it.
                Err(error) => log::error!("{error}"),
            }
        }
        Ok(foreign)
    }
}
