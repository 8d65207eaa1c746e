//! Many records of a token that end, some in each transaction.

use super::keyspace::{self, RowKey};
use super::open_store::OpenStore;
use super::proposer::fill;
use super::transaction::Transaction;
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
    /// Lists all records of a token, which ends with them.
    pub(crate) fn all(store: &OpenStore, token: Id) -> Result<Self> {
        let mut ids = Vec::new();
        store.each_record(token, |id, _| {
            ids.push(id);
            Ok(())
        })?;
        Self::with_owners(store, token, ids)
    }

    /// Lists the records of a token that end. One that cannot be read stays.
    pub(crate) fn of(store: &OpenStore, token: Id, ends: impl Fn(&Header) -> bool) -> Result<Self> {
        let mut ids = Vec::new();
        store.each_readable_record(token, |found| {
            ids.extend(ends(&found.known.header).then_some(found.known.id));
            Ok(())
        })?;
        Self::with_owners(store, token, ids)
    }

    fn with_owners(store: &OpenStore, token: Id, ids: Vec<Id>) -> Result<Self> {
        let mut owners = Vec::new();
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
        let records = fill(transaction, &self.ids, |transaction, id| {
            transaction.remove_even_unread(self.token, *id)
        })?;
        let owners = if records == 0 { &self.owners[..] } else { &[] };
        let owners = fill(transaction, owners, |transaction, owner| {
            transaction.forget(owner.clone());
            Ok(())
        })?;
        self.under_way = (records, owners);
        Ok(self.under_way != (0, 0))
    }

    /// Notes that the transaction was applied.
    pub(crate) fn applied(&mut self) {
        let (ids, owners) = std::mem::take(&mut self.under_way);
        self.ids.drain(..ids);
        self.owners.drain(..owners);
    }
}
