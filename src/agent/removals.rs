//! Many records of a token that end, some in each transaction.

use super::keyspace::{self, RowKey};
use super::open_store::OpenStore;
use super::proposer::STEP;
use super::transaction::Transaction;
use crate::erasure::Tombstone;
use crate::error::Result;
use crate::id::Id;
use crate::key::Header;
use std::collections::HashSet;

/// The records that are still to end.
pub(crate) struct Removals {
    token: Id,
    ids: Vec<Id>,
    /// The fingerprints that are freed behind them, by their keys.
    owners: Vec<RowKey>,
    /// The numbers of records and fingerprints that the transaction under way removes.
    under_way: (usize, usize),
}

impl Removals {
    /// Lists the records of a token that end.
    pub(crate) fn of(store: &OpenStore, token: Id, ends: impl Fn(&Header) -> bool) -> Result<Self> {
        let (mut ids, mut owners) = (Vec::new(), Vec::new());
        store.each_record(token, |id, row| {
            ids.extend(ends(&store.found(id, row)?.known.header).then_some(id));
            Ok(())
        })?;
        let ended: HashSet<Id> = ids.iter().copied().collect();
        store.each(&keyspace::owners(token), |at, key| {
            let ends = keyspace::id(key).is_none_or(|key| ended.contains(&key));
            owners.extend(ends.then(|| at.to_vec()));
            Ok(true)
        })?;
        Ok(Self { token, ids, owners, under_way: (0, 0) })
    }

    /// Returns their number.
    pub(crate) fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Has a transaction remove the next of them. Returns false where none is left.
    pub(crate) fn step(&mut self, transaction: &mut Transaction<'_>) -> Result<bool> {
        self.under_way = (0, 0);
        for id in self.ids.iter().take(STEP) {
            if !transaction.has_room() {
                break;
            }
            transaction.remove_alone(self.token, *id, Tombstone::Deleted)?;
            self.under_way.0 += 1;
        }
        if self.under_way.0 == 0 {
            for owner in self.owners.iter().take(STEP) {
                if !transaction.has_room() {
                    break;
                }
                transaction.forget(owner.clone());
                self.under_way.1 += 1;
            }
        }
        Ok(self.under_way != (0, 0))
    }

    /// Notes that the transaction was applied.
    pub(crate) fn applied(&mut self) {
        let (ids, owners) = std::mem::take(&mut self.under_way);
        self.ids.drain(..ids);
        self.owners.drain(..owners);
    }
}
