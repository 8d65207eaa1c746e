//! Rows by key, the last of which can be taken back.

use crate::agent::keyspace::RowKey;
use std::collections::BTreeMap;

/// A row, or none that there is not to be one.
type Row = Option<Vec<u8>>;

/// The rows that a transaction has read, or writes.
#[derive(Default)]
pub(super) struct RowLog {
    rows: BTreeMap<RowKey, Row>,
    /// The earlier value of each key, in the order in which they were noted.
    replaced: Vec<(RowKey, Option<Row>)>,
    keys_size: usize,
    rows_size: usize,
}

impl RowLog {
    /// Returns the row at `key`, if one is noted.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Row> {
        self.rows.get(key)
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true where there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the size of all keys, in bytes.
    pub(super) fn keys_size(&self) -> usize {
        self.keys_size
    }

    /// Returns the size of all rows, in bytes, without their keys.
    pub(super) fn rows_size(&self) -> usize {
        self.rows_size
    }

    /// Notes a row.
    pub(super) fn insert(&mut self, key: RowKey, row: Row) {
        let replaced = self.set(key.clone(), Some(row));
        self.replaced.push((key, replaced));
    }

    /// Returns a point to which [`Self::take_back`] goes back.
    pub(super) fn point(&self) -> usize {
        self.replaced.len()
    }

    /// Takes back what was noted after that point.
    pub(super) fn take_back(&mut self, point: usize) {
        while self.replaced.len() > point {
            let Some((key, row)) = self.replaced.pop() else { return };
            self.set(key, row);
        }
    }

    /// Takes all rows.
    pub(super) fn take(&mut self) -> BTreeMap<RowKey, Row> {
        std::mem::take(self).rows
    }

    fn set(&mut self, key: RowKey, row: Option<Row>) -> Option<Row> {
        let (key_size, row_size) = (key.len(), row.as_ref().map(size));
        let before = match row {
            Some(row) => self.rows.insert(key, row),
            None => self.rows.remove(&key),
        };
        self.keys_size += row_size.map_or(0, |_| key_size);
        self.keys_size -= before.as_ref().map_or(0, |_| key_size);
        self.rows_size += row_size.unwrap_or(0);
        self.rows_size -= before.as_ref().map_or(0, size);
        before
    }
}

fn size(row: &Row) -> usize {
    row.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_after_a_point_is_taken_back_with_its_size() {
        let mut log = RowLog::default();
        log.insert(b"a".to_vec(), Some(vec![1; 10]));
        log.insert(b"bb".to_vec(), None);
        let point = log.point();
        log.insert(b"a".to_vec(), None);
        log.insert(b"ccc".to_vec(), Some(vec![2; 30]));
        log.insert(b"bb".to_vec(), Some(vec![3; 5]));
        assert_eq!((log.len(), log.keys_size(), log.rows_size()), (3, 6, 35));
        log.take_back(point);
        assert_eq!((log.keys_size(), log.rows_size()), (3, 10));
        let rows: Vec<_> = log.take().into_iter().collect();
        assert_eq!(rows, [(b"a".to_vec(), Some(vec![1; 10])), (b"bb".to_vec(), None)]);
        assert!(log.is_empty());
    }
}
