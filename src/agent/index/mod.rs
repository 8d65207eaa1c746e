//! The index: what leads to records, in memory. The store keeps rows only, and everything here is derived from
//! them by one function, [`mod@entries`], as the store is opened and with each commit.
//!
//! | entry | leads from | to |
//! |---|---|---|
//! | found | token, private or public, a tag or none | every record that can be found |
//! | version | custom key, version | its material |
//! | due | second | what must happen to a record by itself |
//! | hidden | record | the second from which it is not found, though nothing has been erased |
//! | narrowing | second | what can only be read from then on |
//! | claim | erase cell | the record that claims it |
//! | waiting | token, record | an erasure that waits its grace out |
//! | answer | change | the number of its answer, or when it was given |
//!
//! A record stands in it as a number of four bytes, so that a store of many keys has room. An agent that ends keeps an
//! [`mod@image`] of it, so that the next one need not read every record.

mod answer_log;
mod entries;
pub(crate) mod image;
mod numbers;
mod postings;
mod records;
mod search;
mod shared_answers;
mod tags;
mod update;

pub(crate) use answer_log::AnswerLog;
pub(crate) use entries::due_at;
pub(crate) use search::{IndexSearch, next};
pub(crate) use shared_answers::SharedAnswers;

use super::keyspace::{self, AnswerNumber};
use super::rows::{self, RecordRow};
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;
use crate::store::cells::CellNumber;
use crate::store::{self, CommitNumber, Store};
use entries::{IndexEntry, entries};
use records::{RecordNumber, Records};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tags::Tags;

/// The index of one store: all that leads to its records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The number of the last commit that it knows.
    number: CommitNumber,
    records: Records,
    /// By token, public and private.
    tags: HashMap<(Id, bool), Tags>,
    /// Custom key, version, record.
    versions: BTreeSet<(Id, u32, RecordNumber)>,
    due: BTreeSet<(Seconds, RecordNumber)>,
    narrowing: BTreeSet<(Seconds, RecordNumber)>,
    /// The seconds from which records are not found; of most there is none.
    hidden: HashMap<RecordNumber, Seconds>,
    claims: BTreeSet<(CellNumber, RecordNumber)>,
    /// The seconds at which the erasures that wait were found due, by token and record.
    waiting: BTreeMap<(Id, Id), Seconds>,
    answers: AnswerLog,
    /// Those in a store that several hosts write.
    shared_answers: SharedAnswers,
}

impl Index {
    /// Derives it from the rows of a store. A record that cannot be read has a line in the log, and stands in
    /// no other's way.
    pub(crate) fn of(store: &dyn Store) -> Result<Self> {
        let mut index = Self { number: store.number()?, ..Self::default() };
        store::each(store, keyspace::WAITING_PREFIX, |key, found| {
            if let (Some(ids), Some(found)) = (keyspace::waiting_ids(key), seconds(found)) {
                index.waiting.insert(ids, found);
            }
            Ok(true)
        })?;
        store::each(store, keyspace::RECORD_PREFIX, |key, row| {
            if let Some((token, id)) = keyspace::record_ids(key) {
                index.add(token, id, row);
            }
            Ok(true)
        })?;
        store::each(store, keyspace::ANSWER_PREFIX, |key, row| {
            if let Some(number) = keyspace::answer_number(key) {
                index.add_answer(number, row);
            } else if let Some(change) = keyspace::answered_change(key) {
                index.add_shared_answer(change, row);
            }
            Ok(true)
        })?;
        Ok(index)
    }

    /// Returns the number of the last commit that it knows.
    pub(crate) fn number(&self) -> CommitNumber {
        self.number
    }

    /// Returns the changes that have been answered.
    pub(crate) fn answers(&self) -> &AnswerLog {
        &self.answers
    }

    /// Returns the same of a store that several hosts write.
    pub(crate) fn shared_answers(&self) -> &SharedAnswers {
        &self.shared_answers
    }

    /// Returns the records of a custom key's material, oldest version first.
    pub(crate) fn versions(&self, token: Id, key: Id) -> Vec<Id> {
        let versions = self.versions.range((key, 0, 0)..=(key, u32::MAX, RecordNumber::MAX));
        let records = versions.map(|(.., record)| self.records.ids(*record));
        records.filter(|(its, _)| *its == token).map(|(_, id)| id).collect()
    }

    /// Returns the records that are due by `until`, with their tokens, soonest first. An erasure that waits is not.
    pub(crate) fn due(&self, until: Seconds) -> impl Iterator<Item = (Seconds, Id, Id)> {
        self.by_time(&self.due, 0, until)
    }

    /// Returns the records that can only be read from a second on that is later than `after` and not later than `until`,
    /// with token and record, soonest first.
    pub(crate) fn narrowing(
        &self,
        after: Seconds,
        until: Seconds,
    ) -> impl Iterator<Item = (Seconds, Id, Id)> {
        self.by_time(&self.narrowing, after.saturating_add(1), until)
    }

    fn by_time<'a>(
        &'a self,
        entries: &'a BTreeSet<(Seconds, RecordNumber)>,
        from: Seconds,
        until: Seconds,
    ) -> impl Iterator<Item = (Seconds, Id, Id)> {
        let entries = entries.range((from, 0)..).take_while(move |(at, _)| *at <= until);
        entries.map(|(at, record)| {
            let (token, id) = self.records.ids(*record);
            (*at, token, id)
        })
    }

    /// Returns the erasures that wait, by token and record, each with the second at which it was found due.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = ((Id, Id), Seconds)> {
        self.waiting.iter().map(|(ids, found)| (*ids, *found))
    }

    /// Returns the erase cells that records claim, each with token and record.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (CellNumber, (Id, Id))> {
        self.claims.iter().map(|(cell, record)| (*cell, self.records.ids(*record)))
    }

    /// Returns the records that claim an erase cell, with token: one, where none is damaged.
    pub(crate) fn claims_of(&self, cell: CellNumber) -> impl Iterator<Item = (Id, Id)> {
        let claims = self.claims.range((cell, 0)..=(cell, RecordNumber::MAX));
        claims.map(|(_, record)| self.records.ids(*record))
    }

    fn add(&mut self, token: Id, id: Id, row: &[u8]) {
        let (row, header) = match RecordRow::read(row) {
            Ok(read) => read,
            Err(error) => {
                log::error!("record {id} of token {token} is not found any more: {error}");
                return self.add_unread(token, id, row);
            }
        };
        let waits = self.waiting.contains_key(&(token, id));
        let record = self.records.number_or_new(token, id);
        for entry in entries(&header, &row, waits) {
            self.insert(token, record, entry);
        }
    }

    /// Adds what can be told of a record that cannot be read: that its erase cell is not free.
    fn add_unread(&mut self, token: Id, id: Id, row: &[u8]) {
        if let Some(cell) = rows::claimed_cell(row) {
            let record = self.records.number_or_new(token, id);
            self.claims.insert((cell, record));
        }
    }

    /// Takes the entries away that lead to a record because of this row, whether its erasure waits or not: without
    /// that it has each of those that it has with it, but for their times.
    fn take_entries_away(&mut self, (token, id): (Id, Id), row: &[u8]) {
        let Some(record) = self.records.number(token, id) else { return };
        match RecordRow::read(row) {
            Ok((row, header)) => {
                for entry in entries(&header, &row, false) {
                    self.remove(token, record, entry);
                }
            }
            Err(_) => drop(rows::claimed_cell(row).map(|cell| self.claims.remove(&(cell, record)))),
        }
    }

    /// Frees the number of a record to which nothing leads any more.
    fn release(&mut self, token: Id, id: Id) {
        let record = self.records.number(token, id);
        record.into_iter().for_each(|record| self.records.release(record));
    }

    fn insert(&mut self, token: Id, record: RecordNumber, entry: IndexEntry) {
        let Self { records, tags, .. } = self;
        match entry {
            IndexEntry::Claim(cell) => drop(self.claims.insert((cell, record))),
            IndexEntry::Version(key, version) => drop(self.versions.insert((key, version, record))),
            IndexEntry::Found(private, tag) => {
                let tags = tags.entry((token, private)).or_default();
                tags.insert(tag.as_ref(), record, records);
            }
            IndexEntry::Due(at) => drop(self.due.insert((at, record))),
            IndexEntry::Hidden(at) => drop(self.hidden.insert(record, at)),
            IndexEntry::Narrowing(at) => drop(self.narrowing.insert((at, record))),
        }
    }

    fn remove(&mut self, token: Id, record: RecordNumber, entry: IndexEntry) {
        let Self { records, tags, .. } = self;
        match entry {
            IndexEntry::Claim(cell) => drop(self.claims.remove(&(cell, record))),
            IndexEntry::Version(key, version) => {
                self.versions.remove(&(key, version, record));
            }
            IndexEntry::Found(private, tag) => {
                if let Some(tags) = tags.get_mut(&(token, private)) {
                    tags.remove(tag.as_ref(), record, records);
                }
            }
            IndexEntry::Due(at) => drop(self.due.remove(&(at, record))),
            IndexEntry::Hidden(_) => drop(self.hidden.remove(&record)),
            IndexEntry::Narrowing(at) => drop(self.narrowing.remove(&(at, record))),
        }
    }

    fn add_answer(&mut self, number: AnswerNumber, row: &[u8]) {
        let change = rows::decode::<rows::Answered>(row, "an answer").map(|answer| answer.change);
        self.answers.add(number, change.inspect_err(|error| log::error!("{error}")).ok());
    }
}

impl Index {
    fn add_shared_answer(&mut self, change: [u8; 16], row: &[u8]) {
        // One that cannot be read is the oldest.
        let at = rows::decode::<rows::Answered>(row, "an answer").map(|answer| answer.at());
        let at = at.inspect_err(|error| log::error!("{error}")).unwrap_or(0);
        self.shared_answers.add(change, at);
    }
}

fn seconds(value: &[u8]) -> Option<Seconds> {
    value.try_into().ok().map(Seconds::from_be_bytes)
}

#[cfg(test)]
mod tests;
