//! Records by their tags: what a search goes through.

use super::numbers::Numbers;
use super::postings::Postings;
use super::records::{RecordNumber, Records};
use crate::key::Tag;
use serde::{Deserialize, Serialize};

/// The public or the private records of one token that can be found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tags {
    all: Postings,
    /// Each tag that a record carries.
    tags: Numbers<Tag>,
    /// The records of each tag, by its number; of a free one there are none.
    tagged: Vec<Postings>,
}

impl Tags {
    /// Returns the records that carry a tag, or all.
    pub(super) fn postings(&self, tag: Option<&Tag>) -> Option<&Postings> {
        match tag {
            None => Some(&self.all),
            Some(tag) => self.tagged.get(self.tags.find(tag)? as usize),
        }
    }

    /// Adds a record to those that carry a tag, or to all.
    pub(super) fn insert(&mut self, tag: Option<&Tag>, record: RecordNumber, records: &Records) {
        let Some(tag) = tag else { return self.all.insert(record, records) };
        let number = self.tags.find_or_add(*tag) as usize;
        if number == self.tagged.len() {
            self.tagged.push(Postings::default());
        }
        if let Some(postings) = self.tagged.get_mut(number) {
            postings.insert(record, records);
        }
    }

    /// Takes a record away.
    pub(super) fn remove(&mut self, tag: Option<&Tag>, record: RecordNumber, records: &Records) {
        let Some(tag) = tag else { return self.all.remove(record, records) };
        let Some(number) = self.tags.find(tag) else { return };
        let Some(postings) = self.tagged.get_mut(number as usize) else { return };
        postings.remove(record, records);
        if postings.is_empty() {
            *postings = Postings::default();
            self.tags.release(number);
        }
    }

    /// Returns each tag, and none for all, with each record.
    #[cfg(test)]
    pub(super) fn entries(&self, records: &Records) -> Vec<(Option<Tag>, crate::id::Id)> {
        let tagged = self.tagged.iter().zip(0..);
        let tagged = tagged.map(|(postings, number)| (self.tags.value(number), postings));
        let all = tagged.chain([(None, &self.all)]);
        all.flat_map(|(tag, postings)| postings.ids(records).into_iter().map(move |id| (tag, id)))
            .collect()
    }
}
