//! The answers that are kept, so that a change whose answer was lost happens once.

use super::keyspace::{self, RowKey};
use super::open_store::OpenStore;
use super::rows::{self, Answered};
use super::transaction::Transaction;
use crate::error::Result;
use std::collections::VecDeque;

/// The number of answers that are kept for those who lost theirs.
const KEPT: usize = 16_384;

/// The answers in the store, oldest first.
pub(crate) struct Answers {
    keys: VecDeque<RowKey>,
    /// The number of them that stay.
    pub(super) kept: usize,
}

impl Answers {
    /// Reads which answers the store has.
    pub(crate) fn open(store: &OpenStore) -> Result<Self> {
        let mut answers = Vec::new();
        store.each(keyspace::ANSWERS, |key, value| {
            let Answered { number, .. } = rows::decode(value, "an answer")?;
            answers.push((number, key.to_vec()));
            Ok(true)
        })?;
        answers.sort_unstable();
        let keys = answers.into_iter().map(|(_, key)| key).collect();
        Ok(Self { keys, kept: KEPT })
    }

    /// Has the oldest make way for the answer of a transaction that will be commit `number`.
    pub(crate) fn make_room(&self, transaction: &mut Transaction<'_>, number: u64) -> Result<()> {
        transaction.keep_answer(number, self.keys.iter().take(self.surplus()))
    }

    /// Notes that the transaction with the answer at `key` was applied.
    pub(crate) fn applied(&mut self, key: RowKey) {
        let surplus = self.surplus();
        self.keys.drain(..surplus);
        self.keys.push_back(key);
    }

    fn surplus(&self) -> usize {
        (self.keys.len() + 1).saturating_sub(self.kept)
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> &VecDeque<RowKey> {
        &self.keys
    }
}
