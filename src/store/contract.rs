//! The one suite that every backend passes: what [`super::Store`] promises.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::{Batch, Condition, Memory, Sled, Store};
use crate::error::Reason;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A backend under test, and how to drop it and open it again.
struct Subject {
    name: &'static str,
    store: Option<Box<dyn Store>>,
    directory: tempfile::TempDir,
    durable: bool,
}

impl Subject {
    fn all() -> Vec<Self> {
        vec![Self::new("memory", false), Self::new("sled", true)]
    }

    fn new(name: &'static str, durable: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut subject = Self { name, store: None, directory, durable };
        subject.open();
        subject
    }

    fn open(&mut self) {
        self.store = None;
        self.store = Some(match self.name {
            "memory" => Box::new(Memory::default()),
            _ => Box::new(Sled::open(&self.directory.path().join("db")).unwrap()),
        });
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }
}

fn put(key: &[u8], value: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.to_vec(), Some(value.to_vec()))
}

fn writes(writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Batch {
    Batch { conditions: Vec::new(), writes }
}

#[test]
fn a_batch_is_seen_whole_and_ordered() {
    for subject in Subject::all() {
        let store = subject.store();
        let pairs = vec![put(b"b2", b"2"), put(b"a", b"1"), put(b"b1", b""), put(b"c", b"3")];
        store.apply(&writes(pairs)).unwrap();
        assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "{}", subject.name);
        assert_eq!(store.get(b"b").unwrap(), None);
        let found = store.scan(b"b", b"", 10).unwrap();
        assert_eq!(found, vec![(b"b1".to_vec(), vec![]), (b"b2".to_vec(), b"2".to_vec())]);
        assert_eq!(store.scan(b"b", b"b1\0", 10).unwrap().len(), 1);
        assert_eq!(store.scan(b"", b"b", 1).unwrap(), vec![(b"b1".to_vec(), vec![])]);
        assert_eq!(store.scan(b"b", b"c", 10).unwrap(), vec![]);
        assert!(store.alive());
    }
}

#[test]
fn a_failed_condition_changes_nothing_and_harms_nothing() {
    for subject in Subject::all() {
        let store = subject.store();
        store.apply(&writes(vec![put(b"k", b"1")])).unwrap();
        let refused = [
            vec![Condition::Absent(b"k".to_vec())],
            vec![Condition::Equals(b"k".to_vec(), b"2".to_vec())],
            vec![Condition::Equals(b"none".to_vec(), vec![])],
            vec![Condition::Absent(b"none".to_vec()), Condition::Absent(b"k".to_vec())],
        ];
        for conditions in refused {
            let batch = Batch { conditions, writes: vec![put(b"k", b"9"), put(b"other", b"9")] };
            assert_eq!(store.apply(&batch).unwrap_err().reason(), Reason::Conflict);
        }
        let conditions = vec![
            Condition::Equals(b"k".to_vec(), b"1".to_vec()),
            Condition::Absent(b"other".to_vec()),
        ];
        store.apply(&Batch { conditions, writes: vec![(b"k".to_vec(), None)] }).unwrap();
        assert_eq!(store.scan(b"", b"", 10).unwrap(), vec![], "{}", subject.name);
    }
}

#[test]
fn an_impossible_key_changes_nothing_and_harms_nothing() {
    for subject in Subject::all() {
        for key in [vec![], vec![1; 257]] {
            let batch = writes(vec![put(b"good", b"1"), (key, Some(vec![]))]);
            assert!(subject.store().apply(&batch).is_err(), "{}", subject.name);
        }
        assert_eq!(subject.store().get(b"good").unwrap(), None);
        let longest = vec![1; 256];
        subject.store().apply(&writes(vec![put(&longest, b"1")])).unwrap();
        assert_eq!(subject.store().get(&longest).unwrap(), Some(b"1".to_vec()));
    }
}

#[test]
fn what_was_synced_is_there_after_opening_again() {
    for mut subject in Subject::all().into_iter().filter(|subject| subject.durable) {
        let long = vec![5; 70_000];
        subject.store().apply(&writes(vec![put(b"k", &long), put(b"gone", b"1")])).unwrap();
        subject.store().sync().unwrap();
        subject.store().apply(&writes(vec![(b"gone".to_vec(), None)])).unwrap();
        subject.store().sync().unwrap();
        subject.open();
        assert_eq!(subject.store().get(b"k").unwrap(), Some(long));
        assert_eq!(subject.store().get(b"gone").unwrap(), None);
    }
}

#[test]
fn writers_that_compare_and_swap_lose_no_update() {
    for subject in Subject::all() {
        let store = subject.store();
        store.apply(&writes(vec![put(b"n", &0u64.to_be_bytes())])).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| increment(store)));
            }
        });
        assert_eq!(store.get(b"n").unwrap(), Some(200u64.to_be_bytes().to_vec()));
    }
}

fn increment(store: &dyn Store) {
    loop {
        let old = store.get(b"n").unwrap().unwrap();
        let next = u64::from_be_bytes(old.as_slice().try_into().unwrap()) + 1;
        let conditions = vec![Condition::Equals(b"n".to_vec(), old)];
        if store.apply(&Batch { conditions, writes: vec![put(b"n", &next.to_be_bytes())] }).is_ok()
        {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any sequence of batches leaves what an ordered map would hold, also after opening again.
    #[test]
    fn any_sequence_of_batches_equals_a_map(
        batches in proptest::collection::vec(
            proptest::collection::vec((key(), proptest::option::of(value())), 1..8), 1..20)
    ) {
        for mut subject in Subject::all() {
            let mut model = BTreeMap::new();
            for batch in &batches {
                for (key, value) in batch {
                    match value {
                        Some(value) => model.insert(key.clone(), value.clone()),
                        None => model.remove(key),
                    };
                }
                subject.store().apply(&writes(batch.clone())).unwrap();
            }
            subject.store().sync().unwrap();
            if subject.durable {
                subject.open();
            }
            let all: BTreeMap<_, _> = subject.store().scan(b"", b"", 1000).unwrap().into_iter().collect();
            prop_assert_eq!(&all, &model, "{}", subject.name);
        }
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..3, 1..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), prop_oneof![0usize..20, 4090usize..4100, Just(20_000)])
        .prop_map(|(byte, size)| vec![byte; size])
}
