//! The entries in sled. Values longer than sled should see are split.
//!
//! # Entries, byte by byte
//!
//! | entry | key | value |
//! |---|---|---|
//! | whole value | `v`, key | `0`, value |
//! | split value | `v`, key | `1`, number of chunks (u32, big endian) |
//! | chunk | `c`, length of key (u16, big endian), key, number (u32, big endian) | up to 4096 bytes |
//! | number of the last commit | `n` | u64, big endian |

use super::earlier_number;
use super::sled_error::{damaged, failed};
use crate::error::{Error, Reason, Result};
use crate::store::{CommitNumber, Pair};
use sled::IVec;
use std::path::{Path, PathBuf};

/// The longest value that sled sees, in bytes.
pub(super) const CHUNK: usize = 4096;

const WHOLE: u8 = 0;
const SPLIT: u8 = 1;

/// The entry with the number of the last commit.
const NUMBER: &[u8] = b"n";

/// The entries of one open database.
pub(super) struct Entries {
    db: sled::Db,
    /// The folder with sled's files.
    folder: PathBuf,
}

impl Entries {
    /// Returns the entries of `db`, whose files lie in `folder`.
    pub(super) fn new(db: sled::Db, folder: &Path) -> Self {
        Self { db, folder: folder.to_owned() }
    }

    /// Returns the folder with sled's files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the value at `key`.
    pub(super) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.entry(&value_key(key))? {
            Some(stored) => self.whole(key, &stored).map(Some),
            None => Ok(None),
        }
    }

    /// Returns up to `limit` pairs whose keys start with `prefix` and are not less than `from`, ascending.
    pub(super) fn pairs(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        let first = value_key(from.max(prefix));
        let mut pairs = Vec::new();
        for entry in self.db.range(first..).take(limit) {
            let (stored_key, stored) = entry.map_err(|cause| self.failed(&cause))?;
            match stored_key.split_first() {
                Some((b'v', key)) if key.starts_with(prefix) => {
                    pairs.push((key.to_vec(), self.whole(key, &stored)?));
                }
                _ => break,
            }
        }
        Ok(pairs)
    }

    /// Adds the new value's entries, and takes away the old one's chunks that it does not overwrite.
    pub(super) fn replace(
        &self,
        raw: &mut sled::Batch,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        let parts: Vec<&[u8]> = match value {
            Some(value) if value.len() >= CHUNK => value.chunks(CHUNK).collect(),
            _ => Vec::new(),
        };
        let old = self.entry(&value_key(key))?.and_then(|stored| chunks(&stored)).unwrap_or(0);
        for (number, part) in (0u32..).zip(&parts) {
            raw.insert(chunk_key(key, number), *part);
        }
        for number in (0..old).skip(parts.len()) {
            raw.remove(chunk_key(key, number));
        }
        match value {
            Some(_) if !parts.is_empty() => {
                let count = u32::try_from(parts.len()).map_err(|_| Reason::ArgumentsBad)?;
                raw.insert(value_key(key), [&[SPLIT][..], &count.to_be_bytes()].concat());
            }
            Some(value) => raw.insert(value_key(key), [&[WHOLE], value].concat()),
            None => raw.remove(value_key(key)),
        }
        Ok(())
    }

    /// Returns the number of the last commit as it stands in the store. A build for the first format,
    /// which keeps it elsewhere, may have gone on meanwhile.
    pub(super) fn number(&self) -> Result<CommitNumber> {
        let kept = self.entry(NUMBER)?.map(|kept| <[u8; 8]>::try_from(&*kept));
        let kept = kept.transpose().map_err(|_| damaged(&self.folder, "its number of commits"))?;
        let kept = kept.map(u64::from_be_bytes);
        let first = self.value(earlier_number::ROW)?.and_then(|row| earlier_number::number(&row));
        Ok(kept.max(first).unwrap_or(0))
    }

    /// Writes the number of the last commit, which no batch has made.
    pub(super) fn set_number(&self, number: CommitNumber) -> Result<()> {
        self.apply(sled::Batch::default(), number)
    }

    /// Applies a batch as commit `number`.
    pub(super) fn apply(&self, mut raw: sled::Batch, number: CommitNumber) -> Result<()> {
        raw.insert(NUMBER, &number.to_be_bytes());
        self.db.apply_batch(raw).map_err(|cause| self.failed(&cause))
    }

    /// Hands everything applied so far to the operating system.
    pub(super) fn flush(&self) -> Result<()> {
        self.db.flush().map(drop).map_err(|cause| self.failed(&cause))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = self.db.iter().filter_map(std::result::Result::ok);
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    fn failed(&self, cause: &sled::Error) -> Error {
        failed(&self.folder, cause)
    }

    fn entry(&self, key: &[u8]) -> Result<Option<IVec>> {
        self.db.get(key).map_err(|cause| self.failed(&cause))
    }

    /// Returns the value at `key`, put together from its chunks if `stored` says so.
    fn whole(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>> {
        let count = match stored.split_first() {
            Some((&WHOLE, value)) => return Ok(value.to_vec()),
            _ => chunks(stored).ok_or_else(|| damaged(&self.folder, "a value's first byte"))?,
        };
        let mut value = Vec::new();
        for number in 0..count {
            let chunk = self.entry(&chunk_key(key, number))?;
            value.extend_from_slice(
                &chunk.ok_or_else(|| damaged(&self.folder, "a value lacks a chunk"))?,
            );
        }
        Ok(value)
    }
}

fn value_key(key: &[u8]) -> Vec<u8> {
    [b"v", key].concat()
}

fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    // Keys are at most 256 bytes long, so that two bytes hold the length.
    let length = (key.len() as u16).to_be_bytes();
    [b"c", &length[..], key, &number.to_be_bytes()].concat()
}

/// Returns the number of chunks that a stored value stands for, if it is a split one.
fn chunks(stored: &[u8]) -> Option<u32> {
    match stored.split_first() {
        Some((&SPLIT, count)) => count.try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}
