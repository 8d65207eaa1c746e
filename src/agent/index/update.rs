//! The index follows a commit: the rows that it writes, as they were before, and as they are.

use super::{Index, seconds};
use crate::agent::keyspace;
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;
use crate::store::{Batch, CommitNumber, Store};
use std::collections::BTreeMap;

/// The rows of one commit that the index follows.
pub(crate) struct Update<'b> {
    /// Each record whose entries may change.
    records: BTreeMap<(Id, Id), RecordChange<'b>>,
    batch: &'b Batch,
}

/// The change of one record.
#[derive(Default)]
struct RecordChange<'b> {
    before: Option<Vec<u8>>,
    /// The row that is written, or none that it is removed; nothing where it stays.
    row: Option<Option<&'b [u8]>>,
    /// The second at which an erasure was found due that waits from now on, or none that it waits no more.
    waiting: Option<Option<Seconds>>,
}

impl<'b> Update<'b> {
    /// Reads what a batch replaces that is about to be applied.
    pub(crate) fn before(store: &dyn Store, batch: &'b Batch) -> Result<Self> {
        let mut records: BTreeMap<_, RecordChange<'b>> = BTreeMap::new();
        for (key, value) in &batch.writes {
            let value = value.as_deref();
            if let Some(ids) = keyspace::record_ids(key) {
                records.entry(ids).or_default().row = Some(value);
            } else if let Some(ids) = keyspace::waiting_ids(key) {
                records.entry(ids).or_default().waiting = Some(value.and_then(seconds));
            }
        }
        for ((token, id), change) in &mut records {
            change.before = store.get(&keyspace::record(*token, *id))?;
        }
        Ok(Self { records, batch })
    }
}

impl Index {
    /// Follows an update that was applied as commit `number`. Where another one came before it, nothing is
    /// followed, and the index is to be derived anew.
    pub(crate) fn follow(&mut self, number: CommitNumber, update: Update<'_>) {
        if number != self.number + 1 {
            return;
        }
        for (ids, change) in update.records {
            self.replace(ids, change);
        }
        for (key, value) in &update.batch.writes {
            match (keyspace::answer_number(key), value) {
                (Some(_), Some(row)) => self.add_answer(key, row),
                (Some(number), None) => self.answers.forget(number),
                (None, _) => {}
            }
        }
        // Last: an index that a panic leaves in the midst is derived anew.
        self.number = number;
    }

    fn replace(&mut self, (token, id): (Id, Id), change: RecordChange<'_>) {
        let RecordChange { before, row, waiting } = change;
        if let Some(before) = &before {
            self.take_away(token, id, before);
        }
        match waiting {
            Some(Some(found)) => {
                self.waiting.insert((token, id), found);
            }
            Some(None) => {
                self.waiting.remove(&(token, id));
            }
            None => {}
        }
        if let Some(row) = row.unwrap_or(before.as_deref()) {
            self.add(token, id, row);
        }
    }
}
