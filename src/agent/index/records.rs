//! The numbers of records: four bytes stand for a token and an identity.

use super::numbers::Numbers;
use crate::id::Id;
use serde::{Deserialize, Serialize};

/// The number of a record while it is in the index.
pub(super) type RecordNumber = u32;

/// The number of a token, for good.
type TokenNumber = u32;

/// Tokens and records by number, and the numbers by those.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Records {
    tokens: Numbers<Id>,
    records: Numbers<(TokenNumber, Id)>,
}

impl Records {
    /// Returns the number of a record, a new one where it has none.
    pub(super) fn number_or_new(&mut self, token: Id, id: Id) -> RecordNumber {
        let token = self.tokens.find_or_add(token);
        self.records.find_or_add((token, id))
    }

    /// Returns about the count of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the number of a record.
    pub(super) fn number(&self, token: Id, id: Id) -> Option<RecordNumber> {
        self.records.find(&(self.tokens.find(&token)?, id))
    }

    /// Frees the number of a record that nothing leads to any more.
    pub(super) fn release(&mut self, number: RecordNumber) {
        self.records.release(number);
    }

    /// Returns a record's identity.
    pub(super) fn id(&self, number: RecordNumber) -> Id {
        self.at(number).1
    }

    /// Returns a record's token and identity.
    pub(super) fn ids(&self, number: RecordNumber) -> (Id, Id) {
        let (token, id) = self.at(number);
        (self.tokens.value(token).unwrap_or(id), id)
    }

    /// Returns the record of a number that was given out.
    fn at(&self, number: RecordNumber) -> (TokenNumber, Id) {
        self.records.value(number).unwrap_or((TokenNumber::MAX, Id::new([0; 16])))
    }
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
