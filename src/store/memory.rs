//! A store in memory: the contract at its plainest, for tests and for what a snapshot holds.

use super::{Batch, Condition, MAX_KEY, Pair, Store};
use crate::error::{Reason, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An ordered map behind a lock.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Memory {
    fn map(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.map().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        Ok(self
            .map()
            .range(from.max(prefix).to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn apply(&self, batch: &Batch) -> Result<()> {
        batch.check_keys()?;
        let mut map = self.map();
        for condition in &batch.conditions {
            condition.holds(map.get(condition.key()).map(Vec::as_slice))?;
        }
        for (key, value) in &batch.writes {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn alive(&self) -> bool {
        true
    }
}

impl Condition {
    /// The key it looks at.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Absent(key) | Self::Equals(key, _) => key,
        }
    }

    /// Whether it holds where `found` stands.
    pub(super) fn holds(&self, found: Option<&[u8]>) -> Result<()> {
        let holds = match self {
            Self::Absent(_) => found.is_none(),
            Self::Equals(_, value) => found == Some(value.as_slice()),
        };
        if holds { Ok(()) } else { Err(Reason::Conflict.into()) }
    }
}

impl Batch {
    /// Whether every key has a lawful length.
    pub(super) fn check_keys(&self) -> Result<()> {
        let conditions = self.conditions.iter().map(Condition::key);
        let mut keys = self.writes.iter().map(|(key, _)| key.as_slice()).chain(conditions);
        if keys.all(|key| (1..=MAX_KEY).contains(&key.len())) {
            Ok(())
        } else {
            Err(Reason::ArgumentsBad.detail("a key of the store has an impossible length"))
        }
    }
}
