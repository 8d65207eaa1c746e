//! One open database: guarded against its own failures, its commits numbered and made durable.

use super::changed_keys::ChangedKeys;
use super::entries::Entries;
use super::pending::Pending;
use super::sled_error::{damaged, failed};
use super::snapshot::ChangedPairs;
use super::{opening, snapshot};
use crate::error::{Reason, Result};
use crate::store::changes::ChangeLog;
use crate::store::{
    Batch, BatchLimits, Changes, CommitNumber, Need, Pair, Room, SnapshotOrigin, Standing, Store,
    StoreIdentity, files, pending_syncs,
};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

/// The folder with sled's files in a store's directory.
pub(crate) const DATABASE: &str = crate::file_names::RECORDS;

/// The part of its log that sled keeps in memory, in bytes.
const CACHE: u64 = 8 << 20;

/// A store in a folder of its own. One process opens it at a time; a clone is a second opening within that
/// process.
#[derive(Clone)]
pub(crate) struct Sled(Arc<Opened>);

struct Opened {
    entries: Entries,
    /// sled's log, for the fdatasync that sled leaves out.
    log: File,
    /// Locked for writing while a batch is compared and applied, and for reading while a value is put together, so
    /// that half of a split value is never seen.
    latest: RwLock<Latest>,
    broken: AtomicBool,
    room: Room,
    /// The snapshot, once it is known.
    snapshot: Mutex<Option<snapshot::Kept>>,
}

/// The last commits.
#[derive(Default)]
struct Latest {
    commits: ChangeLog,
    pending: Pending,
    /// The keys of rows that the snapshot does not have as they are.
    changed: ChangedKeys,
}

impl Latest {
    /// Notes that the snapshot has everything up to commit `number`.
    fn kept(&mut self, number: CommitNumber) {
        if number == self.commits.number() {
            self.changed = ChangedKeys::since(number);
        }
    }
}

impl Sled {
    /// Opens the store in `folder`, or makes it. The caller holds a lock that keeps other processes out.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        opening::prepare(folder)?;
        let config = sled::Config::new()
            .path(folder)
            .flush_every_ms(None)
            .cache_capacity(CACHE)
            .mode(sled::Mode::HighThroughput);
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| damaged(folder, "sled cannot read it"))?
            .map_err(|cause| failed(folder, &cause))?;
        let log = files::open_private(&folder.join("db"), false)?;
        opening::sync_all(folder)?;
        let room = Room::watch(folder.parent().unwrap_or(folder), folder)?;
        let (entries, broken) = (Entries::new(db, folder), AtomicBool::new(false));
        let (latest, snapshot) = (RwLock::default(), Mutex::default());
        let mut opened = Opened { entries, log, latest, broken, room, snapshot };
        let number = opened.guarded(|| opened.entries.number())?;
        let (commits, changed) = (ChangeLog::after(number), ChangedKeys::since(number));
        let latest = Latest { commits, changed, ..Latest::default() };
        opened.latest = RwLock::new(latest);
        Ok(Self(Arc::new(opened)))
    }

    /// Applies a batch without looking at its keys: a mirror keeps its state under one that no row can have.
    #[cfg(feature = "etcd")]
    pub(in crate::store) fn apply_unchecked(&self, batch: &Batch) -> Result<CommitNumber> {
        let mut latest = self.0.latest();
        self.0.guarded(|| self.0.write(batch, &mut latest))
    }

    /// Sets the number of the last commit, which no batch has made: it counts from the next opening on.
    pub(super) fn set_number(&self, number: CommitNumber) -> Result<()> {
        let mut latest = self.0.latest();
        self.0.guarded(|| self.0.settle(&mut latest))?;
        self.0.guarded(|| self.0.entries.set_number(number))
    }
}

impl Opened {
    fn alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// Runs one call into sled; its first failure or panic ends the instance.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.alive() {
            return Err(damaged(self.folder(), "an earlier failure ended this instance"));
        }
        let result = catch_unwind(AssertUnwindSafe(call))
            .unwrap_or_else(|_| Err(damaged(self.folder(), "sled gave up")));
        if result.as_ref().is_err_and(|error| error.reason() != Reason::Conflict) {
            self.broken.store(true, Ordering::Release);
        }
        result
    }

    /// Runs one look into the store, between two batches.
    fn reading<T>(&self, look: impl FnOnce(&Latest) -> Result<T>) -> Result<T> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        self.guarded(|| look(&latest))
    }

    fn latest(&self) -> RwLockWriteGuard<'_, Latest> {
        self.latest.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: &Batch, latest: &mut Latest) -> Result<CommitNumber> {
        let value = |pending: &Pending, key: &[u8]| pending.value(&self.entries, key);
        for condition in &batch.conditions {
            condition.holds(value(&latest.pending, condition.key())?.as_deref())?;
        }
        let mut replaced = Vec::new();
        for (key, _) in &batch.writes {
            replaced.push((key.clone(), value(&latest.pending, key)?));
        }
        for (key, value) in &batch.writes {
            latest.pending.insert(key, value.as_deref());
            latest.changed.insert(key);
        }
        let number = latest.commits.push(replaced);
        if latest.pending.is_large() {
            self.settle(latest)?;
        }
        Ok(number)
    }

    /// Returns the number of the last commit, and the pairs that have changed since the commit of that number; none where
    /// they are too many to be known.
    fn changed(&self) -> Result<(CommitNumber, Option<(CommitNumber, ChangedPairs)>)> {
        self.reading(|latest| {
            let number = latest.commits.number();
            let Some((since, keys)) = latest.changed.keys() else { return Ok((number, None)) };
            let pair = |key: &Vec<u8>| Ok((key.clone(), latest.pending.value(&self.entries, key)?));
            Ok((number, Some((since, keys.map(pair).collect::<Result<_>>()?))))
        })
    }

    /// Keeps a snapshot of this origin but for the number of its last commit, by what has changed since the one before
    /// where that is little, and returns about how many bytes that took.
    fn keep_snapshot(&self, store: &dyn Store, origin: SnapshotOrigin) -> Result<u64> {
        let (mut known, directory) = (lock(&self.snapshot), self.directory());
        // One that cannot be read is made anew, and so is one after a failure.
        let kept = known.take().or_else(|| snapshot::kept(directory).unwrap_or_default());
        let (number, changed) = self.changed()?;
        let origin = SnapshotOrigin { commits: number, ..origin };
        let (kept, size) = match (kept, changed) {
            (Some(kept), _) if kept.origin == origin => (kept, 0),
            (Some(mut kept), Some((since, changed))) if kept.takes(origin, since, &changed) => {
                self.room.check(Need::Grow(snapshot::size(&changed)))?;
                let size = kept.add(directory, number, &changed)?;
                (kept, size)
            }
            _ => {
                let size = self.log.metadata().map_err(|it| files::failed(directory, &it))?.len();
                self.room.check(Need::Grow(size))?;
                (snapshot::keep(directory, store, origin)?, size)
            }
        };
        *known = Some(kept);
        self.latest().kept(number);
        Ok(size)
    }

    /// Gives sled the commits that it does not have yet.
    fn settle(&self, latest: &mut Latest) -> Result<()> {
        latest.pending.settle(&self.entries, latest.commits.number())
    }

    fn sync(&self) -> Result<()> {
        self.settle(&mut self.latest())?;
        pending_syncs::during(self.folder(), || {
            self.entries.flush()?;
            self.log.sync_data().map_err(|cause| files::failed(self.folder(), &cause))
        })
    }

    fn folder(&self) -> &Path {
        self.entries.folder()
    }

    /// Returns the directory of the store, in which sled's folder is one thing among others.
    fn directory(&self) -> &Path {
        self.folder().parent().unwrap_or(self.folder())
    }
}

impl Store for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.reading(|latest| latest.pending.value(&self.0.entries, key))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        let keys = (prefix, from);
        self.0.reading(|latest| latest.pending.pairs(&self.0.entries, keys, limit))
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        batch.check(self.limits())?;
        let mut latest = self.0.latest();
        self.0.guarded(|| self.0.write(batch, &mut latest))
    }

    fn number(&self) -> Result<CommitNumber> {
        self.0.reading(|latest| Ok(latest.commits.number()))
    }

    fn sync(&self) -> Result<()> {
        self.0.guarded(|| self.0.sync())
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.0.reading(|latest| Ok(latest.commits.since(since)))
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits::LOCAL
    }

    fn room(&self, need: Need) -> Result<()> {
        self.0.room.check(need)
    }

    fn standing(&self) -> Standing {
        if self.0.alive() { Standing::Serving } else { Standing::Failed }
    }

    fn keep_snapshot(&self, identity: StoreIdentity) -> Result<u64> {
        let StoreIdentity { store, incarnation } = identity;
        self.0.keep_snapshot(self, SnapshotOrigin { store, incarnation, commits: 0 })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches the room for a store in `directory`.
pub(crate) fn room(directory: &Path) -> Result<Room> {
    Room::watch(directory, &directory.join(DATABASE))
}

/// Opens the store in `directory` as it is, compared with nothing.
pub(crate) fn open(directory: &Path) -> Result<Box<dyn Store>> {
    Ok(Box::new(Sled::open(&directory.join(DATABASE))?))
}

#[cfg(test)]
mod tests;
