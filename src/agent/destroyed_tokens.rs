//! The tokens that were destroyed in lost commits, of which the records know no more.

use super::keyspace;
use super::open_store::OpenStore;
use super::proposer::{NextStep, Proposer};
use super::transaction::Transaction;
use crate::error::Result;
use crate::id::Id;
use std::collections::HashSet;

/// Removes their entries. A token whose wrong PINs are no longer counted was destroyed.
pub(crate) struct DestroyedTokens;

impl Proposer for DestroyedTokens {
    /// The tokens that stay.
    type Answer = HashSet<Id>;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, HashSet<Id>>> {
        let (mut transaction, mut stay) = (Transaction::new(store), HashSet::new());
        for (token, row) in store.tokens()? {
            if store.cells.pins.counts(token, row.slot) {
                stay.insert(token);
            } else if transaction.has_room() && transaction.token(token)?.is_some() {
                transaction.forget(keyspace::token(token));
                transaction.free_slot(token, row.slot)?;
            }
        }
        Ok(if transaction.is_empty() { NextStep::Done(stay) } else { NextStep::Apply(transaction) })
    }
}
