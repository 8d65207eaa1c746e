//! Records by their tags: what a search goes through.

use super::postings::Postings;
use super::records::{RecordNumber, Records};
use crate::key::Tag;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// The public or the private records of one token that can be found.
#[derive(Debug, Default)]
pub(super) struct Tags {
    all: Postings,
    /// Each tag with its records; empty ones are free.
    tagged: Vec<(Tag, Postings)>,
    free: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl Tags {
    /// Returns the records that carry a tag, or all.
    pub(super) fn postings(&self, tag: Option<&Tag>) -> Option<&Postings> {
        match tag {
            None => Some(&self.all),
            Some(tag) => self.tagged.get(self.number(tag)? as usize).map(|(_, postings)| postings),
        }
    }

    /// Adds a record to those that carry a tag, or to all.
    pub(super) fn insert(&mut self, tag: Option<&Tag>, record: RecordNumber, records: &Records) {
        let postings = match tag {
            None => Some(&mut self.all),
            Some(tag) => {
                let number = self.number(tag).unwrap_or_else(|| self.add(*tag));
                self.tagged.get_mut(number as usize).map(|(_, postings)| postings)
            }
        };
        postings.into_iter().for_each(|postings| postings.insert(record, records));
    }

    /// Takes a record away.
    pub(super) fn remove(&mut self, tag: Option<&Tag>, record: RecordNumber, records: &Records) {
        let Some(tag) = tag else { return self.all.remove(record, records) };
        let Some(number) = self.number(tag) else { return };
        let Some((_, postings)) = self.tagged.get_mut(number as usize) else { return };
        postings.remove(record, records);
        if !postings.is_empty() {
            return;
        }
        if let Ok(found) = self.numbers.find_entry(self.hasher.hash_one(tag), |it| *it == number) {
            found.remove();
            self.free.push(number);
        }
    }

    /// Returns each tag, and none for all, with each record.
    #[cfg(test)]
    pub(super) fn entries(&self, records: &Records) -> Vec<(Option<Tag>, crate::id::Id)> {
        let tagged = self.tagged.iter().map(|(tag, postings)| (Some(*tag), postings));
        let all = tagged.chain([(None, &self.all)]);
        all.flat_map(|(tag, postings)| postings.ids(records).into_iter().map(move |id| (tag, id)))
            .collect()
    }

    fn number(&self, tag: &Tag) -> Option<u32> {
        let is_it = |number: &u32| tag_at(&self.tagged, *number) == Some(*tag);
        self.numbers.find(self.hasher.hash_one(tag), is_it).copied()
    }

    fn add(&mut self, tag: Tag) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.tagged.push((tag, Postings::default()));
            self.tagged.len() as u32 - 1
        });
        if let Some(place) = self.tagged.get_mut(number as usize) {
            *place = (tag, Postings::default());
        }
        let Self { numbers, tagged, hasher, .. } = self;
        let hash = |number: &u32| hasher.hash_one(tag_at(tagged, *number).unwrap_or(tag));
        numbers.insert_unique(hasher.hash_one(tag), number, hash);
        number
    }
}

fn tag_at(tagged: &[(Tag, Postings)], number: u32) -> Option<Tag> {
    tagged.get(number as usize).map(|(tag, _)| *tag)
}
