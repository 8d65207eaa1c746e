//! The numbers of records: four bytes stand for a token and an identity.

use crate::id::Id;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// The number of a record while it is in the index.
pub(super) type RecordNumber = u32;

/// The number of a token, for good.
type TokenNumber = u32;

/// Tokens and records by number, and the numbers by those.
#[derive(Debug, Default)]
pub(super) struct Records {
    tokens: Vec<Id>,
    token_numbers: HashMap<Id, TokenNumber>,
    records: Vec<(TokenNumber, Id)>,
    free: Vec<RecordNumber>,
    numbers: HashTable<RecordNumber>,
    hasher: RandomState,
}

impl Records {
    /// Returns the number of a record, a new one where it has none.
    pub(super) fn number_or_new(&mut self, token: Id, id: Id) -> RecordNumber {
        if let Some(number) = self.number(token, id) {
            return number;
        }
        let token = self.token_number(token);
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.records.push((token, id));
                self.records.len() as RecordNumber - 1
            }
        };
        if let Some(record) = self.records.get_mut(number as usize) {
            *record = (token, id);
        }
        let Self { numbers, records, hasher, .. } = self;
        let hash = |number: &RecordNumber| hasher.hash_one(at(records, *number));
        numbers.insert_unique(hasher.hash_one((token, id)), number, hash);
        number
    }

    /// Returns the number of a record.
    pub(super) fn number(&self, token: Id, id: Id) -> Option<RecordNumber> {
        let record = (*self.token_numbers.get(&token)?, id);
        let is_it = |number: &RecordNumber| at(&self.records, *number) == record;
        self.numbers.find(self.hasher.hash_one(record), is_it).copied()
    }

    /// Frees the number of a record that nothing leads to any more.
    pub(super) fn release(&mut self, number: RecordNumber) {
        let record = at(&self.records, number);
        let found = self.numbers.find_entry(self.hasher.hash_one(record), |it| *it == number);
        if let Ok(found) = found {
            found.remove();
            self.free.push(number);
        }
    }

    /// Returns a record's identity.
    pub(super) fn id(&self, number: RecordNumber) -> Id {
        at(&self.records, number).1
    }

    /// Returns a record's token and identity.
    pub(super) fn ids(&self, number: RecordNumber) -> (Id, Id) {
        let (token, id) = at(&self.records, number);
        (self.tokens.get(token as usize).copied().unwrap_or(id), id)
    }

    fn token_number(&mut self, token: Id) -> TokenNumber {
        *self.token_numbers.entry(token).or_insert_with(|| {
            self.tokens.push(token);
            self.tokens.len() as TokenNumber - 1
        })
    }
}

/// Returns the record of a number that was given out.
fn at(records: &[(TokenNumber, Id)], number: RecordNumber) -> (TokenNumber, Id) {
    records.get(number as usize).copied().unwrap_or((TokenNumber::MAX, Id::new([0; 16])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_until_it_is_free_and_then_serves_another() {
        let (mut records, token) = (Records::default(), Id::new([1; 16]));
        let id = |number| Id::new([number; 16]);
        let first = records.number_or_new(token, id(1));
        assert_eq!(records.number_or_new(token, id(1)), first);
        let other = records.number_or_new(id(9), id(1));
        assert_ne!(other, first, "another token's record of the same identity");
        assert_eq!(records.ids(other), (id(9), id(1)));
        records.release(first);
        assert_eq!(records.number(token, id(1)), None);
        assert_eq!(records.number_or_new(token, id(2)), first);
        assert_eq!((records.number(token, id(2)), records.id(first)), (Some(first), id(2)));
    }
}
