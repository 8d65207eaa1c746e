//! Commits of another opening of a store reach everything that follows the records of this one.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::rows::{self, RecordRow, TokenRow};
use crate::agent::sweep::next_due;
use crate::clock::FixedClock;
use crate::id::Id;
use crate::key::{Expiry, ExpiryAction, Header, Role, Tag};
use crate::store::{Cells, Memory, Store};
use crate::tests::{ObservedStore, StoreUse};
use crate::wire::page::Page;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

const TOKEN: Id = Id::new([1; 16]);

/// A store in memory that counts what is read of it, and to which another opening commits while it is used.
#[derive(Clone, Default)]
struct Observed {
    memory: Memory,
    gets: Arc<AtomicU64>,
    scans: Arc<AtomicU64>,
    /// The number of commits that the other opening still makes, each as this one is used.
    busy: Arc<AtomicU64>,
}

impl Observed {
    fn commit(&self, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        self.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    }

    fn interrupt(&self) {
        let next = |left: u64| left.checked_sub(1);
        if let Ok(left) = self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            self.commit(vec![key((left % 8) as u8, left)]);
        }
    }

    /// Returns the numbers of reads since the last call: of a row, and of many.
    fn reads(&self) -> (u64, u64) {
        (self.gets.swap(0, Ordering::Relaxed), self.scans.swap(0, Ordering::Relaxed))
    }
}

impl ObservedStore for Observed {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, used: StoreUse) -> Result<()> {
        match used {
            StoreUse::Apply | StoreUse::Room => return Ok(()),
            StoreUse::Get => _ = self.gets.fetch_add(1, Ordering::Relaxed),
            StoreUse::Scan => _ = self.scans.fetch_add(1, Ordering::Relaxed),
            StoreUse::Number | StoreUse::Changes => {}
        }
        self.interrupt();
        Ok(())
    }
}

fn id(number: u8) -> Id {
    Id::new([number; 16])
}

/// The row of a key that expires at that second.
fn key(number: u8, expires: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let header = Header {
        private: true,
        role: Role::Object { holds_key: true },
        expiry: Some(Expiry { at: expires, action: ExpiryAction::Erase }),
        tags: vec![Tag([2; 16])],
    };
    let row = RecordRow { header: header.encode().unwrap(), ..RecordRow::default() };
    (keyspace::record(TOKEN, id(number)), Some(rows::encode(&row).unwrap()))
}

fn token(revision: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let row = TokenRow { revision, ..TokenRow::default() };
    (keyspace::token(TOKEN), Some(rows::encode(&row).unwrap()))
}

/// An opening of a store of 200 keys, and the store.
fn opened(directory: &std::path::Path) -> (Observed, OpenStore) {
    let store = Observed::default();
    (1..=200).for_each(|number| store.commit(vec![key(number, 1000)]));
    store.commit(vec![token(1)]);
    Cells::make(directory).unwrap();
    let clock = Arc::new(FixedClock::at(5));
    let open = OpenStore::open(directory, Box::new(store.clone()), clock).unwrap();
    store.reads();
    (store, open)
}

fn due(open: &OpenStore) -> Vec<(u64, Id)> {
    let index = open.index().unwrap();
    index.due(999).map(|(at, _, id)| (at, id)).collect()
}

fn is_woken(open: &OpenStore) -> bool {
    let mut look = [PollFd::new(&open.waker, PollFlags::IN)];
    poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
}

#[test]
fn it_moves_the_index_by_its_rows_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    store.commit(vec![key(7, 20), (keyspace::record(TOKEN, id(8)), None)]);
    store.commit(vec![key(9, 30), key(201, 10)]);
    assert_eq!(due(&open), [(10, id(201)), (20, id(7)), (30, id(9))]);
    assert_eq!(store.reads(), (8, 0), "the rows of four records, and whether their erasures wait");
    assert_eq!(due(&open).len(), 3);
    assert_eq!(store.reads(), (0, 0), "once");
}

#[test]
fn its_erasure_that_begins_to_wait_is_due_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    let waiting = |found: Option<u64>| {
        store.commit(vec![(
            keyspace::waiting(TOKEN, id(7)),
            found.map(|at| at.to_be_bytes().into()),
        )]);
    };
    store.commit(vec![key(7, 20)]);
    waiting(Some(21));
    assert_eq!(due(&open), []);
    assert_eq!(open.index().unwrap().waiting().collect::<Vec<_>>(), [((TOKEN, id(7)), 21)]);
    waiting(None);
    assert_eq!(due(&open), [(20, id(7))]);
    assert_eq!(store.reads().1, 0);
}

#[test]
fn the_modules_are_told_of_what_it_has_changed_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    let handed = open.page.handed().try_clone_to_owned().unwrap();
    let page = Page::new(directory.path(), &handed).unwrap();
    let counters = || [page.record(id(7)), page.token(TOKEN), page.record(id(8))];
    let before = counters();
    store.commit(vec![key(7, 20)]);
    assert_eq!(counters(), before);
    drop(open.index().unwrap());
    let [record, token, other] = before;
    assert_eq!(counters(), [record + 1, token + 1, other]);
}

#[test]
fn it_has_logins_questioned_where_a_token_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    let before = open.logins().unwrap();
    store.commit(vec![key(7, 20)]);
    assert_eq!(open.logins().unwrap(), before);
    store.commit(vec![token(2)]);
    assert_ne!(open.logins().unwrap(), before);
}

#[test]
fn it_wakes_the_thread_that_waits_for_what_is_due() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    assert_eq!(next_due(&open, 0).unwrap(), Some(1000));
    open.waker.reset();
    store.commit(vec![key(7, 20)]);
    open.apply(&Batch { conditions: Vec::new(), writes: vec![key(8, 900)] }).unwrap();
    assert!(is_woken(&open), "it came before a commit of this opening");
    assert_eq!(next_due(&open, 0).unwrap(), Some(20));
    open.waker.reset();
    open.apply(&Batch { conditions: Vec::new(), writes: vec![key(8, 800)] }).unwrap();
    assert!(!is_woken(&open), "the writer wakes it after its own");
    store.commit(vec![key(9, 10)]);
    drop(open.index().unwrap());
    assert!(is_woken(&open), "a reader has noticed it");
    assert_eq!(next_due(&open, 0).unwrap(), Some(10));
}

#[test]
fn a_busy_opening_keeps_no_reader_and_no_writer_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    store.busy.store(100_000, Ordering::Relaxed);
    for _ in 0..10 {
        let before = store.memory.number().unwrap();
        assert!(open.index().unwrap().number() > before);
        open.apply(&Batch { conditions: Vec::new(), writes: vec![key(8, 900)] }).unwrap();
    }
    let made = 100_000 - store.busy.swap(0, Ordering::Relaxed);
    assert!(made < 1000, "{made} commits went by");
    assert_eq!(store.reads().1, 0, "and nothing was derived anew");
}

/// So many commits that the first of them are not known any more.
fn make_gap(store: &Observed) {
    let long = || vec![(b"long".to_vec(), Some(vec![7; 600 << 10]))];
    store.commit(vec![key(7, 20)]);
    (0..4).for_each(|_| store.commit(long()));
}

#[test]
fn after_a_gap_all_is_derived_anew_once_whoever_reads_and_everything_is_questioned() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    drop(Index::of(&store).unwrap());
    let (_, one_derivation) = store.reads();
    let handed = open.page.handed().try_clone_to_owned().unwrap();
    let page = Page::new(directory.path(), &handed).unwrap();
    let before = (page.record(id(200)), open.logins().unwrap());
    make_gap(&store);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| assert_eq!(due(&open), [(20, id(7))]));
        }
    });
    assert_eq!(store.reads(), (0, one_derivation));
    assert_eq!(page.record(id(200)), before.0 + 1);
    assert_ne!(open.logins().unwrap(), before.1);
}

#[test]
fn a_panic_in_the_midst_of_following_leaves_no_reader_half_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let (store, open) = opened(directory.path());
    let dies = std::thread::scope(|threads| {
        let dies = threads.spawn(|| {
            let _index = open.index.write().unwrap();
            std::panic::resume_unwind(Box::new("it panics"));
        });
        dies.join()
    });
    assert!(dies.is_err() && open.index.is_poisoned());
    store.commit(vec![key(7, 20)]);
    assert_eq!(due(&open), [(20, id(7))]);
    assert!(store.reads().1 > 0 && !open.index.is_poisoned());
}
