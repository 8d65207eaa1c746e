//! The answers that the store keeps, by change: so that a change whose answer was lost happens once.
//!
//! They are numbered without a gap. A change that is not among those known is expected to find the next number
//! free: had another writer meanwhile made any change with an answer, this one included, it would be in conflict.

use crate::agent::keyspace::AnswerNumber;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The changes that have been answered, by number.
type Changes = BTreeMap<AnswerNumber, Option<[u8; 16]>>;

/// The changes that have been answered.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Changes")]
pub(crate) struct AnswerLog {
    /// One that cannot be read has its number all the same.
    changes: Changes,
    #[serde(skip)]
    numbers: HashMap<[u8; 16], AnswerNumber>,
}

impl From<Changes> for AnswerLog {
    fn from(changes: Changes) -> Self {
        let known = changes.iter().filter_map(|(number, change)| Some(((*change)?, *number)));
        let numbers = known.collect();
        Self { changes, numbers }
    }
}

impl AnswerLog {
    /// Returns the number of a change's answer, if the change has been made already.
    pub(crate) fn number_of(&self, change: &[u8; 16]) -> Option<AnswerNumber> {
        self.numbers.get(change).copied()
    }

    /// Returns the number of the next answer.
    pub(crate) fn next(&self) -> AnswerNumber {
        self.changes.last_key_value().map_or(0, |(last, _)| last.saturating_add(1))
    }

    /// Returns the oldest answers, which make way so that `kept` are left beside the next one.
    pub(crate) fn surplus(&self, kept: usize) -> impl Iterator<Item = AnswerNumber> {
        let surplus = (self.changes.len() + 1).saturating_sub(kept);
        self.changes.keys().copied().take(surplus)
    }

    /// Adds an answer.
    pub(super) fn add(&mut self, number: AnswerNumber, change: Option<[u8; 16]>) {
        self.changes.insert(number, change);
        self.numbers.extend(change.map(|change| (change, number)));
    }

    /// Forgets an answer.
    pub(super) fn forget(&mut self, number: AnswerNumber) {
        let change = self.changes.remove(&number).flatten();
        if let Some(change) = change.filter(|change| self.number_of(change) == Some(number)) {
            self.numbers.remove(&change);
        }
    }

    /// Returns the first and the last number.
    #[cfg(test)]
    pub(crate) fn numbers(&self) -> Option<std::ops::RangeInclusive<AnswerNumber>> {
        let ((first, _), (last, _)) =
            (self.changes.first_key_value()?, self.changes.last_key_value()?);
        Some(*first..=*last)
    }
}
