//! A store in memory: the contract at its plainest, for tests and for what a snapshot holds.

use super::changes::ChangeLog;
use super::{
    Batch, BatchLimits, Changes, CommitNumber, Need, Pair, Standing, Store, StoreIdentity,
};
use crate::error::Result;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An ordered map behind a lock. A clone is a second opening of the same data.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    content: Arc<Mutex<MemoryContent>>,
    limits: BatchLimits,
}

#[derive(Debug, Default)]
struct MemoryContent {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    commits: ChangeLog,
}

impl Default for Memory {
    fn default() -> Self {
        Self::holding(BTreeMap::new(), 0)
    }
}

impl Memory {
    /// Holds these pairs as they were after commit `number`.
    pub(super) fn holding(map: BTreeMap<Vec<u8>, Vec<u8>>, number: CommitNumber) -> Self {
        let content = MemoryContent { map, commits: ChangeLog::after(number) };
        Self { content: Arc::new(Mutex::new(content)), limits: BatchLimits::LOCAL }
    }

    /// Refuses batches beyond `limits`, as a store on another machine does.
    #[cfg(test)]
    pub(crate) fn with_limits(self, limits: BatchLimits) -> Self {
        Self { limits, ..self }
    }

    /// Refuses batches that a store on other machines would refuse: etcd's limits.
    #[cfg(test)]
    pub(crate) fn narrow() -> Self {
        let limits = BatchLimits { conditions: 128, writes: 128, bytes: 3 << 19 };
        Self::default().with_limits(limits)
    }

    fn content(&self) -> MutexGuard<'_, MemoryContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.content().map.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        Ok(self
            .content()
            .map
            .range(from.max(prefix).to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        batch.check(self.limits)?;
        let mut content = self.content();
        for condition in &batch.conditions {
            condition.holds(content.map.get(condition.key()).map(Vec::as_slice))?;
        }
        let replaced = batch.writes.iter().map(|(key, value)| {
            let before = match value {
                Some(value) => content.map.insert(key.clone(), value.clone()),
                None => content.map.remove(key),
            };
            (key.clone(), before)
        });
        let replaced = replaced.collect();
        Ok(content.commits.push(replaced))
    }

    fn number(&self) -> Result<CommitNumber> {
        Ok(self.content().commits.number())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        Ok(self.content().commits.since(since))
    }

    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn room(&self, _need: Need) -> Result<()> {
        Ok(())
    }

    fn standing(&self) -> Standing {
        Standing::Serving
    }

    fn keep_snapshot(&self, _identity: StoreIdentity) -> Result<u64> {
        Ok(0)
    }
}
