//! The writer on a store that counts, fills up and fails.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::agent::access::Access;
use crate::agent::commit::{Commit, MOST_TAGS};
use crate::agent::index::Index;
use crate::agent::keyspace;
use crate::clock::FixedClock;
use crate::erasure::Erasure;
use crate::key::{Header, Role, Tag};
use crate::store::{
    Batch, BatchLimits, Cells, Changes, CommitNumber, Memory, Pair, Room, Standing, Store,
    StoreIdentity,
};
use crate::wire::{Change, Expect};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};

mod erasure;
mod extras;
mod histories;
mod limits;
mod slots;
mod time_mark;
mod unreadable;

const TOKEN: Id = Id::new([1; 16]);

/// A store in memory that counts its syncs and fails when told to.
struct Probe {
    memory: Memory,
    syncs: AtomicU64,
    /// The next apply or sync fails.
    fails: AtomicBool,
    room: OnceLock<Room>,
}

impl Probe {
    fn new() -> Self {
        let (syncs, fails) = (AtomicU64::default(), AtomicBool::default());
        Self { memory: Memory::narrow(), syncs, fails, room: OnceLock::new() }
    }
}

struct Shared(Arc<Probe>);

impl Store for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.memory.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.0.memory.scan(prefix, from, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        self.check().and_then(|()| self.0.memory.apply(batch))
    }

    fn number(&self) -> Result<CommitNumber> {
        self.0.memory.number()
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.0.memory.changes(since)
    }

    fn limits(&self) -> BatchLimits {
        self.0.memory.limits()
    }

    fn room(&self, need: Need) -> Result<()> {
        self.0.room.get().map_or(Ok(()), |room| room.check(need))
    }

    fn sync(&self) -> Result<()> {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
        self.check()
    }

    fn standing(&self) -> Standing {
        match self.0.fails.load(Ordering::Relaxed) {
            true => Standing::Failed,
            false => Standing::Serving,
        }
    }

    fn keep_snapshot(&self, identity: StoreIdentity) -> Result<u64> {
        self.0.memory.keep_snapshot(identity)
    }
}

impl Shared {
    fn check(&self) -> Result<()> {
        match self.standing() {
            Standing::Failed => Err(Reason::StoreDamaged.into()),
            _ => Ok(()),
        }
    }
}

/// A writer, what it stands on, and how much room there is.
struct Bench {
    writer: Writer,
    probe: Arc<Probe>,
    free: Arc<AtomicU64>,
}

impl Bench {
    fn new(directory: &Path) -> Self {
        let (probe, free) = (Arc::new(Probe::new()), Arc::new(AtomicU64::new(u64::MAX)));
        let store = Box::new(Shared(Arc::clone(&probe)));
        let clock = Arc::new(FixedClock::at(1_800_000_000));
        Cells::make(directory).unwrap();
        let level = Arc::clone(&free);
        let read = Box::new(move || Ok(level.load(Ordering::Relaxed)));
        assert!(probe.room.set(Room::with(directory, read).unwrap()).is_ok());
        let store = OpenStore::open(directory, store, clock).unwrap();
        let mut writer = Writer::open(Arc::new(store), Arc::default()).unwrap();
        let store = Arc::clone(&writer.store);
        let mut transaction = Transaction::new(&store);
        let slot = transaction.take_slot(TOKEN, None).unwrap();
        let row = TokenRow { slot, revision: 1, ..TokenRow::default() };
        transaction.put_token(TOKEN, &row, (false, false)).unwrap();
        writer.apply(transaction).unwrap();
        Self { writer, probe, free }
    }

    fn commit(&mut self, change: Change) -> Result<Vec<u64>> {
        let name = [change.id.bytes().first().copied().unwrap(), u8::from(change.put.is_some())];
        let mut named = [0; 16];
        named.iter_mut().zip(name).for_each(|(to, from)| *to = from);
        let access = Access::User;
        let mut commit = Commit { token: TOKEN, changes: vec![change], change: named, access };
        self.writer.drive(&mut commit)
    }

    fn everything(&self) -> Vec<Pair> {
        self.probe.memory.scan(b"", b"", 1000).unwrap()
    }
}

fn key_object(number: u8) -> Change {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![Tag([2; 16])] };
    let put = Some((header.encode().unwrap(), vec![number; 100]));
    Change { id: Id::new([number; 16]), expect: Expect::Absent, event: vec![], put, alias: None }
}

fn removal(number: u8) -> Change {
    let id = Id::new([number; 16]);
    Change { id, expect: Expect::Revision(1), event: vec![], put: None, alias: None }
}

fn job(number: u8) -> (Job, Receiver<Result<Done>>) {
    let (answer, done) = sync_channel(1);
    let work = Work::Commit(Commit {
        token: TOKEN,
        changes: vec![key_object(number)],
        change: [number; 16],
        access: Access::User,
    });
    (Job { work, answer: Some(answer), asker: Asker::agent(), caller: None }, done)
}

#[test]
fn one_sync_serves_all_who_wait() {
    let directory = tempfile::tempdir().unwrap();
    let Bench { writer, probe, .. } = Bench::new(directory.path());
    let (jobs, queue) = channel();
    let waiting: Vec<_> = (1..=50)
        .map(|number| {
            let (job, done) = job(number);
            jobs.send(job).unwrap();
            done
        })
        .collect();
    drop(jobs);
    let before = probe.syncs.load(Ordering::Relaxed);
    writer.run(&queue).unwrap();
    assert_eq!(probe.syncs.load(Ordering::Relaxed), before + 1);
    for done in waiting {
        assert!(matches!(done.recv().unwrap(), Ok(Done::Revisions(it)) if it == [1]));
    }
}

#[test]
fn a_store_that_fails_ends_the_writer_and_nobody_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let Bench { writer, probe, .. } = Bench::new(directory.path());
    let (jobs, queue) = channel();
    let (first, first_done) = job(1);
    let (second, second_done) = job(2);
    jobs.send(first).unwrap();
    jobs.send(second).unwrap();
    probe.fails.store(true, Ordering::Relaxed);
    assert_eq!(writer.run(&queue).unwrap_err().reason(), Reason::StoreDamaged);
    assert!(first_done.recv().is_err() && second_done.recv().is_err());
}

#[test]
fn a_full_disk_refuses_growth_changes_nothing_and_still_deletes() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(directory.path());
    bench.commit(key_object(1)).unwrap();
    bench.free.store(100, Ordering::Relaxed);
    let before = bench.everything();
    assert_eq!(bench.commit(key_object(2)).unwrap_err().reason(), Reason::StoreFull);
    assert_eq!(bench.everything(), before);
    assert_eq!(bench.commit(removal(1)), Ok(vec![0]));
    assert!(!directory.path().join("ballast").exists(), "given up for the deletion");
    bench.free.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(bench.commit(key_object(2)), Ok(vec![1]));
    assert!(directory.path().join("ballast").exists(), "laid again");
}

#[test]
fn old_answers_are_forgotten_and_young_ones_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(directory.path());
    bench.writer.kept_answers = 3;
    for number in 1..=10 {
        bench.commit(key_object(number)).unwrap();
    }
    let kept = bench.probe.memory.scan(b"c", b"", 100).unwrap();
    assert_eq!(kept.len(), 3);
    assert_eq!(bench.commit(key_object(10)), Ok(vec![1]), "a retry");
    assert_eq!(bench.commit(key_object(2)).unwrap_err().reason(), Reason::Conflict);
    let derived = Index::of(&bench.probe.memory).unwrap();
    assert_eq!(derived.answers().numbers(), Some(7..=9));
    assert_eq!(bench.writer.store.index().unwrap().answers().numbers(), Some(7..=9));
}

#[test]
fn a_refused_commit_gives_its_cells_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(directory.path());
    let length = || directory.path().join("slots").metadata().unwrap().len();
    bench.commit(key_object(1)).unwrap();
    let before = length();
    let store = Arc::clone(&bench.writer.store);
    for _ in 0..300 {
        let mut transaction = Transaction::new(&store);
        let header = Header::decode(&key_object(2).put.unwrap().0).unwrap();
        let bytes = (header.encode().unwrap(), vec![]);
        transaction.put(TOKEN, Id::new([2; 16]), &header, bytes, None).unwrap();
    }
    assert_eq!(length(), before);
}

#[test]
fn a_commit_that_fails_has_erased_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(directory.path());
    bench.commit(key_object(1)).unwrap();
    let (id, before) = (Id::new([1; 16]), bench.everything());
    bench.probe.fails.store(true, Ordering::Relaxed);
    assert!(bench.commit(removal(1)).is_err());
    assert_eq!(bench.everything(), before, "the store has not changed");
    let found = bench.writer.store.find(TOKEN, id).unwrap().unwrap();
    assert_eq!(found.known.erasure, Erasure::Live, "and the material is there");
}

#[test]
fn a_record_with_tags_beyond_measure_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(directory.path());
    let role = Role::Object { holds_key: false };
    let tags = vec![Tag([2; 16]); MOST_TAGS + 1];
    let header = Header { private: false, role, expiry: None, tags };
    let put = Some((header.encode().unwrap(), vec![]));
    let change =
        Change { id: Id::new([1; 16]), expect: Expect::Absent, event: vec![], put, alias: None };
    assert_eq!(bench.commit(change).unwrap_err().reason(), Reason::ArgumentsBad);
}
