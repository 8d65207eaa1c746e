//! A store in sled 0.34, which is fast and lists its hazards; this file contains each of them.
//!
//! | hazard | what contains it |
//! |---|---|
//! | `flush` does not fsync on Linux | [`Store::sync`] also syncs the file `db` through a descriptor of its own |
//! | `conf`, snapshots and directories are never synced | synced after each open, before anything is answered |
//! | leaves above 128 KiB move to `blobs/`, which is never synced | values are split at [`CHUNK`]; a leaf holds at most some twenty of them |
//! | a torn `snap.*.generating` stops the next open | removed before opening; the caller holds the store's lock |
//! | a closed instance keeps its lock a moment longer, and the next is refused | opening waits for the lock |
//! | an I/O error or a panic leaves the instance in an unknown state | the first of them ends the instance |
//!
//! # Keys on disk, byte by byte
//!
//! | entry | key | value |
//! |---|---|---|
//! | whole value | `v`, key | `0`, value |
//! | split value | `v`, key | `1`, number of chunks (u32, big endian) |
//! | chunk | `c`, length of key (u16, big endian), key, number (u32, big endian) | up to 4096 bytes |
//! | number of the last commit | `n` | u64, big endian |

mod first_format;
mod served_snapshot;

pub use served_snapshot::ServedSnapshot;

use super::changes::ChangeLog;
use super::{
    Batch, Changes, CommitNumber, Limits, Need, Pair, Room, Standing, Store, files, syncs,
};
use crate::error::{Error, Reason, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sled::IVec;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The longest value that sled sees, in bytes.
pub const CHUNK: usize = 4096;

const WHOLE: u8 = 0;
const SPLIT: u8 = 1;

/// The entry with the number of the last commit.
const NUMBER: &[u8] = b"n";

/// How much of the log sled keeps in memory, in bytes.
const CACHE: u64 = 64 << 20;

/// A store in a directory of its own. One process opens it at a time; a clone is a second opening
/// within that process.
#[derive(Clone)]
pub struct Sled(Arc<Opened>);

struct Opened {
    db: sled::Db,
    /// sled's log, for the fdatasync that sled leaves out.
    log: File,
    directory: PathBuf,
    /// Written while conditions are checked and a batch is applied; read so that nobody sees half of
    /// a split value.
    commits: RwLock<ChangeLog>,
    broken: AtomicBool,
    room: Room,
}

impl Sled {
    /// Opens the store in `directory`, or makes it. The caller holds a lock that keeps other
    /// processes out.
    pub fn open(directory: &Path) -> Result<Self> {
        make_directory(directory)?;
        remove_unfinished_snapshots(directory)?;
        wait_until_free(&directory.join("db"))?;
        // A disk that hangs is seen here, and not in what sled syncs itself as it opens.
        sync_all(directory)?;
        let config = sled::Config::new()
            .path(directory)
            .flush_every_ms(None)
            .cache_capacity(CACHE)
            .mode(sled::Mode::HighThroughput);
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| damaged(directory, "sled cannot read it"))?
            .map_err(|cause| opening_failed(directory, &cause))?;
        let log = files::open_private(&directory.join("db"), false)?;
        sync_all(directory)?;
        let room = Room::watch(directory.parent().unwrap_or(directory))?;
        let (directory, broken) = (directory.to_owned(), AtomicBool::new(false));
        let opened = Opened { db, log, directory, commits: RwLock::default(), broken, room };
        let number = opened.guarded(|| opened.kept_number())?;
        *opened.commits.write().unwrap_or_else(PoisonError::into_inner) = ChangeLog::after(number);
        Ok(Self(Arc::new(opened)))
    }
}

impl Opened {
    /// Returns the number of the last commit as it stands in the store. A build for the first format,
    /// which keeps it in the row `M` alone, may have gone on meanwhile.
    fn kept_number(&self) -> Result<CommitNumber> {
        let kept = match self.raw(NUMBER)? {
            Some(kept) => <[u8; 8]>::try_from(&*kept).ok().map(u64::from_be_bytes),
            None => None,
        };
        let first = self.value(b"M")?.and_then(|row| first_format::number(&row));
        Ok(kept.max(first).unwrap_or(0))
    }

    fn alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// Runs one call into sled; its first failure or panic ends the instance.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.alive() {
            return Err(damaged(&self.directory, "an earlier failure ended this instance"));
        }
        let result = catch_unwind(AssertUnwindSafe(call))
            .unwrap_or_else(|_| Err(damaged(&self.directory, "sled gave up")));
        if result.as_ref().is_err_and(|error| error.reason() != Reason::Conflict) {
            self.broken.store(true, Ordering::Release);
        }
        result
    }

    /// Runs one look into the store, between two batches.
    fn reading<T>(&self, look: impl FnOnce(&ChangeLog) -> Result<T>) -> Result<T> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        self.guarded(|| look(&commits))
    }

    fn sync(&self) -> Result<()> {
        syncs::during(&self.directory, || {
            self.db.flush().map_err(|cause| self.failed(&cause))?;
            self.log.sync_data().map_err(|cause| files::failed(&self.directory, &cause))
        })
    }

    fn failed(&self, cause: &sled::Error) -> Error {
        match cause {
            sled::Error::Io(cause) => files::failed(&self.directory, cause),
            other => damaged(&self.directory, other),
        }
    }

    fn raw(&self, key: &[u8]) -> Result<Option<IVec>> {
        self.db.get(key).map_err(|cause| self.failed(&cause))
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.raw(&value_key(key))? {
            Some(stored) => self.whole(key, &stored).map(Some),
            None => Ok(None),
        }
    }

    /// The value at `key`, gathered from its chunks if `stored` says so.
    fn whole(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>> {
        let count = match stored.split_first() {
            Some((&WHOLE, value)) => return Ok(value.to_vec()),
            _ => chunks(stored).ok_or_else(|| damaged(&self.directory, "a value's first byte"))?,
        };
        let mut value = Vec::new();
        for number in 0..count {
            let chunk = self.raw(&chunk_key(key, number))?;
            value.extend_from_slice(
                &chunk.ok_or_else(|| damaged(&self.directory, "a value lacks a chunk"))?,
            );
        }
        Ok(value)
    }

    fn pairs(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
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

    fn write(&self, batch: &Batch, commits: &mut ChangeLog) -> Result<CommitNumber> {
        for condition in &batch.conditions {
            condition.holds(self.value(condition.key())?.as_deref())?;
        }
        let mut raw = sled::Batch::default();
        for (key, value) in &batch.writes {
            self.replace(&mut raw, key, value.as_deref())?;
        }
        raw.insert(NUMBER, &(commits.number() + 1).to_be_bytes());
        self.db.apply_batch(raw).map_err(|cause| self.failed(&cause))?;
        Ok(commits.push(batch))
    }

    /// Adds the new value's entries, and takes away the old one's chunks that it does not overwrite.
    fn replace(&self, raw: &mut sled::Batch, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let parts: Vec<&[u8]> = match value {
            Some(value) if value.len() >= CHUNK => value.chunks(CHUNK).collect(),
            _ => Vec::new(),
        };
        let old = self.raw(&value_key(key))?.and_then(|stored| chunks(&stored)).unwrap_or(0);
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
}

impl Store for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.reading(|_| self.0.value(key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.0.reading(|_| self.0.pairs(prefix, from, limit))
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        batch.check(self.limits())?;
        let mut commits = self.0.commits.write().unwrap_or_else(PoisonError::into_inner);
        self.0.guarded(|| self.0.write(batch, &mut commits))
    }

    fn number(&self) -> Result<CommitNumber> {
        self.0.reading(|commits| Ok(commits.number()))
    }

    fn sync(&self) -> Result<()> {
        self.0.guarded(|| self.0.sync())
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.0.reading(|commits| Ok(commits.since(since)))
    }

    fn limits(&self) -> Limits {
        Limits::LOCAL
    }

    fn room(&self, need: Need) -> Result<()> {
        self.0.room.check(need)
    }

    fn standing(&self) -> Standing {
        if self.0.alive() { Standing::Serving } else { Standing::Failed }
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

/// How many chunks a stored value stands for, if it is a split one.
fn chunks(stored: &[u8]) -> Option<u32> {
    match stored.split_first() {
        Some((&SPLIT, count)) => count.try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}

fn make_directory(directory: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|cause| files::failed(directory, &cause))
}

/// An instance that was closed keeps its lock until the last of sled's threads lets go of the file, and
/// sled refuses rather than waits.
fn wait_until_free(log: &Path) -> Result<()> {
    if !log.is_file() {
        return Ok(());
    }
    let file = files::open_private(log, false)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(files::failed(log, &error.into())),
        }
    }
}

/// Snapshots that a crash interrupted: sled 0.34.7 refuses to open beside one.
fn remove_unfinished_snapshots(directory: &Path) -> Result<()> {
    for path in entries(directory)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(|cause| files::failed(&path, &cause))?;
        }
    }
    Ok(())
}

/// Makes durable what sled has written at opening, and the names it has made.
fn sync_all(directory: &Path) -> Result<()> {
    // sled would wait for a pipe without end.
    let holds = |path: &PathBuf| path.exists() && !path.is_dir();
    for path in entries(directory)?.into_iter().filter(holds) {
        syncs::during(&path, || files::open_to_read(&path).and_then(|file| file.sync_all()))
            .map_err(|cause| files::failed(&path, &cause))?;
    }
    files::sync_directory(directory)?;
    directory.parent().map_or(Ok(()), files::sync_directory)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .and_then(|listing| listing.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|cause| files::failed(directory, &cause))
}

fn opening_failed(directory: &Path, cause: &sled::Error) -> Error {
    match cause {
        sled::Error::Io(cause) => files::failed(directory, cause),
        other => damaged(directory, other),
    }
}

fn damaged(directory: &Path, what: impl std::fmt::Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        directory.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn write(key: &[u8], value: Option<Vec<u8>>) -> Batch {
        Batch { conditions: Vec::new(), writes: vec![(key.to_vec(), value)] }
    }

    /// sled never syncs what it puts there.
    fn assert_no_blobs(directory: &Path) {
        let blobs = std::fs::read_dir(directory.join("blobs")).unwrap();
        assert_eq!(blobs.count(), 0, "a value went to blobs/");
    }

    #[test]
    fn no_value_of_any_size_goes_to_the_blobs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let store = Sled::open(&path).unwrap();
        for (number, size) in
            [0, 1, 4095, 4096, 4097, 100_000, 4 << 20].into_iter().cycle().take(200).enumerate()
        {
            let size = if number > 20 { size.min(CHUNK * 3) } else { size };
            store.apply(&write(format!("{number:03}").as_bytes(), Some(vec![7; size]))).unwrap();
            store.sync().unwrap();
        }
        for number in 0..200 {
            let neighbours = vec![number as u8; CHUNK - 1];
            store.apply(&write(format!("n{number:03}").as_bytes(), Some(neighbours))).unwrap();
        }
        store.sync().unwrap();
        assert_no_blobs(&path);
    }

    #[test]
    fn a_shorter_value_leaves_no_chunk_of_a_longer_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sled::open(&directory.path().join("db")).unwrap();
        for size in [5 * CHUNK, 2 * CHUNK, 10, 3 * CHUNK] {
            store.apply(&write(b"key", Some(vec![1; size]))).unwrap();
            assert_eq!(store.get(b"key").unwrap().unwrap().len(), size);
        }
        store.apply(&write(b"key", None)).unwrap();
        assert_eq!(store.0.db.iter().count(), 1, "the number");
    }

    #[test]
    fn an_unfinished_snapshot_is_removed_before_opening() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        drop(Sled::open(&path).unwrap());
        let torn = path.join("snap.00000000000000FF.generating");
        std::fs::write(&torn, b"torn").unwrap();
        drop(Sled::open(&path).unwrap());
        assert!(!torn.exists());
    }

    #[test]
    fn an_instance_that_has_failed_answers_nothing_more() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sled::open(&directory.path().join("db")).unwrap();
        store.apply(&write(b"key", Some(vec![1]))).unwrap();
        let failed: Result<()> = store.0.guarded(|| panic!("as sled does on damage"));
        assert_eq!(failed.unwrap_err().reason(), Reason::StoreDamaged);
        assert_eq!(store.standing(), Standing::Failed);
        assert!(store.get(b"key").is_err());
        assert!(store.sync().is_err());
    }

    #[test]
    fn what_sled_cannot_open_is_a_clear_error_that_names_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        std::fs::create_dir_all(path.join("db")).unwrap();
        let error = Sled::open(&path).map(|_| ()).unwrap_err();
        assert_eq!(error.reason(), Reason::StoreDamaged);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
