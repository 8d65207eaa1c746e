//! The index follows commits by the rows that they changed, whichever opening of the store made them.
//!
//! Another opening may commit while rows are read. What it replaces meanwhile is known from its commits: so the index
//! is always that of one commit, which [`Index::number`] tells.

use super::{Index, seconds};
use crate::agent::keyspace::{self, AnswerNumber, RowKey};
use crate::error::Result;
use crate::id::Id;
use crate::store::{Changes, CommitNumber, ReplacedRows, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The keys that commits have changed, and their rows.
#[derive(Default)]
struct Update {
    records: BTreeSet<(Id, Id)>,
    answers: BTreeSet<AnswerNumber>,
    shared_answers: BTreeSet<[u8; 16]>,
    rows: BTreeMap<RowKey, Option<Vec<u8>>>,
}

impl Update {
    /// Reads the changed rows as they are now, and no others.
    fn read(store: &dyn Store, commits: &[Arc<ReplacedRows>]) -> Result<Self> {
        let mut update = Self::default();
        for (key, _) in commits.iter().flat_map(|commit| &commit.rows) {
            if let Some(ids) = keyspace::record_ids(key).or_else(|| keyspace::waiting_ids(key)) {
                update.records.insert(ids);
            } else if let Some(number) = keyspace::answer_number(key) {
                update.answers.insert(number);
            } else if let Some(change) = keyspace::answered_change(key) {
                update.shared_answers.insert(change);
            }
        }
        let records = update.records.iter().flat_map(|(token, id)| {
            [keyspace::record(*token, *id), keyspace::waiting(*token, *id)]
        });
        let answers = update.answers.iter().map(|number| keyspace::answer(*number));
        let shared_answers = update.shared_answers.iter().map(keyspace::shared_answer);
        let read = records
            .chain(answers)
            .chain(shared_answers)
            .map(|key| Ok((key.clone(), store.get(&key)?)));
        update.rows = read.collect::<Result<_>>()?;
        Ok(update)
    }

    /// Takes the rows back to how they stood at a commit, by those that came after it.
    fn rewind(&mut self, to: CommitNumber, commits: &[Arc<ReplacedRows>]) {
        let later = commits.iter().rev().take_while(|commit| commit.number > to);
        for (key, before) in later.flat_map(|commit| commit.rows.iter().rev()) {
            if let Some(row) = self.rows.get_mut(key) {
                row.clone_from(before);
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<&[u8]> {
        self.rows.get(key)?.as_deref()
    }

    /// Returns each row that a record has had since the first of the commits.
    fn rows_of_records<'a>(
        &'a self,
        commits: &'a [Arc<ReplacedRows>],
    ) -> impl Iterator<Item = ((Id, Id), &'a [u8])> {
        let replaced = commits.iter().flat_map(|commit| &commit.rows).map(|(key, row)| (key, row));
        let rows = replaced.chain(&self.rows);
        rows.filter_map(|(key, row)| Some((keyspace::record_ids(key)?, row.as_deref()?)))
            .filter(|(ids, _)| self.records.contains(ids))
    }
}

impl Index {
    /// Follows every commit that it does not know yet, and returns these. Where they are not known any more, or more
    /// is changed than can be followed, the index is derived anew, once.
    pub(crate) fn follow(&mut self, store: &dyn Store) -> Result<Changes> {
        let followed = self.follow_known(store)?;
        if followed == Changes::Unknown {
            self.derive(store)?;
        }
        Ok(followed)
    }

    /// Derives it anew. What is committed meanwhile is followed, so that no part of a commit is seen.
    pub(crate) fn derive(&mut self, store: &dyn Store) -> Result<()> {
        *self = Self::of(store)?;
        self.follow_known(store).map(drop)
    }

    fn follow_known(&mut self, store: &dyn Store) -> Result<Changes> {
        let changes = store.changes(self.number)?;
        let Changes::Commits(commits) = &changes else { return Ok(Changes::Unknown) };
        let update = Update::read(store, commits)?;
        let Changes::Commits(known) = store.changes(self.number)? else {
            return Ok(Changes::Unknown);
        };
        let number = commits.last().map_or(self.number, |last| last.number);
        self.replace(update, number, &known);
        // Last: an index that a panic leaves in the midst does not know the commit.
        self.number = number;
        Ok(changes)
    }

    /// Puts the entries of changed rows, as they stood at commit `number`, in the place of those that there are:
    /// those of any row since the commit that the index knows.
    fn replace(&mut self, mut update: Update, number: CommitNumber, known: &[Arc<ReplacedRows>]) {
        for (ids, row) in update.rows_of_records(known) {
            self.take_entries_away(ids, row);
        }
        update.rewind(number, known);
        for (token, id) in update.records.iter().copied() {
            self.release(token, id);
            match update.row(&keyspace::waiting(token, id)).and_then(seconds) {
                Some(found) => drop(self.waiting.insert((token, id), found)),
                None => drop(self.waiting.remove(&(token, id))),
            }
            let row = update.row(&keyspace::record(token, id));
            row.into_iter().for_each(|row| self.add(token, id, row));
        }
        for number in update.answers.iter().copied() {
            self.answers.forget(number);
            let row = update.row(&keyspace::answer(number));
            row.into_iter().for_each(|row| self.add_answer(number, row));
        }
        for change in update.shared_answers.iter().copied() {
            self.shared_answers.forget(&change);
            let row = update.row(&keyspace::shared_answer(&change));
            row.into_iter().for_each(|row| self.add_shared_answer(change, row));
        }
    }
}
