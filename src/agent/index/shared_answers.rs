//! The answers in a store that several hosts write, by change, oldest first: their age decides which of them make way.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The changes that have been answered, and when.
type Changes = BTreeMap<[u8; 16], Seconds>;

/// The changes that have been answered.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Changes")]
pub(crate) struct SharedAnswers {
    changes: Changes,
    #[serde(skip)]
    by_age: BTreeSet<(Seconds, [u8; 16])>,
}

impl From<Changes> for SharedAnswers {
    fn from(changes: Changes) -> Self {
        let by_age = changes.iter().map(|(change, at)| (*at, *change)).collect();
        Self { changes, by_age }
    }
}

impl SharedAnswers {
    /// Returns the changes whose answers make way: all before `until`, and the oldest, so that `kept` are left beside
    /// the next one.
    pub(crate) fn surplus(&self, kept: usize, until: Seconds) -> impl Iterator<Item = [u8; 16]> {
        let surplus = (self.by_age.len() + 1).saturating_sub(kept);
        let oldest = self.by_age.iter().enumerate();
        let oldest = oldest.take_while(move |(at, (when, _))| *at < surplus || *when < until);
        oldest.map(|(_, (_, change))| *change)
    }

    /// Returns the latest change.
    pub(super) fn last(&self) -> Option<[u8; 16]> {
        self.by_age.last().map(|(_, change)| *change)
    }

    /// Adds an answer that was given at that second.
    pub(super) fn add(&mut self, change: [u8; 16], at: Seconds) {
        self.forget(&change);
        self.changes.insert(change, at);
        self.by_age.insert((at, change));
    }

    /// Forgets an answer.
    pub(super) fn forget(&mut self, change: &[u8; 16]) {
        if let Some(at) = self.changes.remove(change) {
            self.by_age.remove(&(at, *change));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SharedAnswers;

    #[test]
    fn the_oldest_answers_make_way_by_age_and_by_number() {
        let mut answers = SharedAnswers::default();
        (1..=5_u8).for_each(|n| answers.add([n; 16], u64::from(10 - n)));
        let surplus = |answers: &SharedAnswers, kept, until| {
            answers.surplus(kept, until).map(|[first, ..]| first).collect::<Vec<_>>()
        };
        assert!(surplus(&answers, 6, 0).is_empty());
        assert_eq!(surplus(&answers, 4, 0), [5, 4]);
        assert_eq!(surplus(&answers, 6, 8), [5, 4, 3]);
        answers.forget(&[5; 16]);
        assert_eq!((surplus(&answers, 4, 0), answers.last()), (vec![4], Some([1; 16])));
    }
}
