//! The commits that are not durable yet: they are seen at once, and sled gets them as one batch when they are
//! made durable. So a group of commits costs sled's threads what one costs.

use super::entries::Entries;
use crate::error::Result;
use crate::store::Pair;
use std::collections::BTreeMap;

/// The size of rows above which sled gets them before they are made durable, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// The rows that commits have written and sled does not have yet; none for a row that was removed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The size of all keys and values that were added, in bytes.
    bytes: usize,
}

impl Pending {
    /// Adds a row as a commit leaves it.
    pub(super) fn insert(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.bytes += key.len() + value.map_or(0, <[u8]>::len);
        self.rows.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// Returns true for more rows than are to be kept in memory.
    pub(super) fn is_large(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// Returns the value at `key` as the last commit leaves it.
    pub(super) fn value(&self, entries: &Entries, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => entries.value(key),
        }
    }

    /// Returns up to `limit` pairs whose keys start with `prefix` and are not less than `from`, ascending, as
    /// the last commit leaves them.
    pub(super) fn pairs(
        &self,
        entries: &Entries,
        (prefix, from): (&[u8], &[u8]),
        limit: usize,
    ) -> Result<Vec<Pair>> {
        if self.rows.is_empty() {
            return entries.pairs(prefix, from, limit);
        }
        let rows = self.rows.range(from.max(prefix).to_vec()..);
        let rows = rows.take_while(|(key, _)| key.starts_with(prefix));
        // So many that those which remain reach as far as the limit does.
        let removed = rows.clone().filter(|(_, value)| value.is_none()).count();
        let stored = entries.pairs(prefix, from, limit.saturating_add(removed))?;
        let mut pairs: BTreeMap<_, _> = stored.into_iter().collect();
        for (key, value) in rows {
            match value {
                Some(value) => pairs.insert(key.clone(), value.clone()),
                None => pairs.remove(key),
            };
        }
        Ok(pairs.into_iter().take(limit).collect())
    }

    /// Gives everything to sled, as of commit `number`.
    pub(super) fn settle(&mut self, entries: &Entries, number: u64) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut raw = sled::Batch::default();
        for (key, value) in &self.rows {
            entries.replace(&mut raw, key, value.as_deref())?;
        }
        entries.apply(raw, number)?;
        *self = Self::default();
        Ok(())
    }
}
