//! The one suite that every backend passes: what [`super::Store`] promises.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::sled::database::Sled;
use super::{Batch, BatchLimits, Changes, Condition, Memory, ReplacedRows, Standing, Store};
use crate::error::Reason;
use crate::tests::cases;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A backend under test, opened twice, and how to drop it and open it again.
struct Subject {
    name: &'static str,
    openings: Option<[Box<dyn Store>; 2]>,
    open: Box<dyn Fn() -> [Box<dyn Store>; 2]>,
    durable: bool,
}

impl Subject {
    fn all() -> Vec<Self> {
        let directory = tempfile::tempdir().unwrap();
        let sled = move || twice(Sled::open(&directory.path().join("db")).unwrap());
        let memory = Self::new("memory", false, Box::new(|| twice(Memory::default())));
        let mut all = vec![memory, Self::new("sled", true, Box::new(sled))];
        all.extend(fleet());
        all
    }

    fn new(name: &'static str, durable: bool, open: Box<dyn Fn() -> [Box<dyn Store>; 2]>) -> Self {
        let mut subject = Self { name, openings: None, open, durable };
        subject.open();
        subject
    }

    fn open(&mut self) {
        self.openings = None;
        self.openings = Some((self.open)());
        self.meet();
    }

    fn store(&self) -> &dyn Store {
        self.both().0
    }

    /// Both openings of the same store.
    fn both(&self) -> (&dyn Store, &dyn Store) {
        let [one, other] = self.openings.as_ref().unwrap();
        (&**one, &**other)
    }

    /// Returns the number of commits that both openings make as they begin: a host takes its row in etcd.
    fn commits_of_opening(&self) -> u64 {
        if self.name == "etcd" { 2 } else { 0 }
    }

    /// Waits until each opening knows what the other has done.
    fn meet(&self) {
        let ((one, other), began) = (self.both(), Instant::now());
        while one.number().unwrap() != other.number().unwrap() {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns a store in etcd that two hosts open, where there is an etcd.
#[cfg(feature = "etcd")]
fn fleet() -> Option<Subject> {
    let fleet = super::etcd::tests::Fleet::of_contract()?;
    let open = move || ["one", "other"].map(|host| Box::new(fleet.open(host)) as Box<dyn Store>);
    Some(Subject::new("etcd", true, Box::new(open)))
}

#[cfg(not(feature = "etcd"))]
fn fleet() -> Option<Subject> {
    None
}

fn twice(store: impl Store + Clone + 'static) -> [Box<dyn Store>; 2] {
    [Box::new(store.clone()), Box::new(store)]
}

fn committed(store: &dyn Store, since: u64) -> Vec<ReplacedRows> {
    match store.changes(since).unwrap() {
        Changes::Commits(commits) => commits.iter().map(|commit| (**commit).clone()).collect(),
        Changes::Unknown => panic!("they are known"),
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
        assert_eq!(store.standing(), Standing::Serving);
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
        let (one, other) = subject.both();
        one.apply(&writes(vec![put(b"n", &0u64.to_be_bytes())])).unwrap();
        subject.meet();
        std::thread::scope(|scope| {
            for store in [one, other, one, other] {
                scope.spawn(move || (0..50).for_each(|_| increment(store)));
            }
        });
        subject.meet();
        assert_eq!(other.get(b"n").unwrap(), Some(200u64.to_be_bytes().to_vec()));
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

#[test]
fn what_one_opening_has_read_and_another_has_changed_is_not_overwritten() {
    for subject in Subject::all() {
        let (one, other) = subject.both();
        one.apply(&writes(vec![put(b"k", b"1")])).unwrap();
        subject.meet();
        let read =
            |store: &dyn Store| Condition::Equals(b"k".to_vec(), store.get(b"k").unwrap().unwrap());
        let (first, second) = (read(one), read(other));
        other
            .apply(&Batch { conditions: vec![second], writes: vec![put(b"k", b"theirs")] })
            .unwrap();
        let late = Batch { conditions: vec![first], writes: vec![put(b"k", b"mine")] };
        assert_eq!(one.apply(&late).unwrap_err().reason(), Reason::Conflict, "{}", subject.name);
        assert_eq!(one.get(b"k").unwrap().as_deref(), Some(&b"theirs"[..]));
    }
}

#[test]
fn what_was_only_read_is_compared_too() {
    for subject in Subject::all() {
        let (one, other) = subject.both();
        one.apply(&writes(vec![put(b"token", b"1")])).unwrap();
        let judged_by = [
            Condition::Equals(b"token".to_vec(), b"1".to_vec()),
            Condition::Absent(b"owner".to_vec()),
        ];
        let ways = [(b"token".to_vec(), None), put(b"owner", b"another key")];
        for (condition, way) in judged_by.into_iter().zip(ways) {
            other.apply(&writes(vec![way])).unwrap();
            let batch = Batch { conditions: vec![condition], writes: vec![put(b"k", b"1")] };
            assert_eq!(one.apply(&batch).unwrap_err().reason(), Reason::Conflict);
        }
        subject.meet();
        assert_eq!(other.get(b"k").unwrap(), None, "{}", subject.name);
    }
}

#[test]
fn every_opening_learns_in_order_what_each_of_them_has_changed() {
    for subject in Subject::all() {
        let (one, other) = subject.both();
        let before = other.number().unwrap();
        let first = one.apply(&writes(vec![put(b"a", b"1"), put(b"b", b"1")])).unwrap();
        let second = other.apply(&writes(vec![(b"a".to_vec(), None)])).unwrap();
        let refused =
            Batch { conditions: vec![Condition::Absent(b"b".to_vec())], ..writes(vec![]) };
        assert!(one.apply(&refused).is_err());
        assert!(before < first && first < second, "{}", subject.name);
        subject.meet();
        let expected = [
            ReplacedRows {
                number: first,
                rows: vec![(b"a".to_vec(), None), (b"b".to_vec(), None)],
            },
            ReplacedRows { number: second, rows: vec![put(b"a", b"1")] },
        ];
        for store in [one, other] {
            assert_eq!(store.number().unwrap(), second);
            assert_eq!(committed(store, before), expected);
            assert_eq!(committed(store, first), expected[1..]);
            assert_eq!(committed(store, second), []);
            assert_eq!(store.changes(second + 1).unwrap(), Changes::Unknown, "of another history");
        }
    }
}

#[test]
fn changes_after_a_gap_are_unknown() {
    for subject in Subject::all() {
        let (one, other) = subject.both();
        let before = one.number().unwrap();
        let long = |number: u32| put(&[&[7; 250], &number.to_be_bytes()[..]].concat(), b"");
        let at_once = other.limits().writes.min(1000) as u32;
        for first in (0..20_000).step_by(at_once as usize) {
            other.apply(&writes((first..first + at_once).map(long).collect())).unwrap();
        }
        subject.meet();
        assert_eq!(one.changes(before).unwrap(), Changes::Unknown, "{}", subject.name);
        let last = one.number().unwrap();
        assert_eq!(committed(one, last - 1).len(), 1);
    }
}

#[test]
fn the_last_commit_is_known_whatever_its_size() {
    for subject in Subject::all() {
        let (one, other) = subject.both();
        let long = vec![7; (one.limits().bytes - 1).min(3 << 20)];
        for value in [&long[..], b"short"] {
            let before = one.number().unwrap();
            let replaced = one.get(b"k").unwrap();
            other.apply(&writes(vec![put(b"k", value)])).unwrap();
            subject.meet();
            let rows = vec![(b"k".to_vec(), replaced)];
            let expected = [ReplacedRows { number: before + 1, rows }];
            assert_eq!(committed(one, before), expected, "{}", subject.name);
        }
    }
}

#[test]
fn a_number_goes_on_after_opening_again_and_what_came_before_is_unknown() {
    for mut subject in Subject::all().into_iter().filter(|subject| subject.durable) {
        let before = subject.store().number().unwrap();
        let last = subject.store().apply(&writes(vec![put(b"k", b"1")])).unwrap();
        subject.store().sync().unwrap();
        subject.open();
        let number = subject.store().number().unwrap();
        assert_eq!(number, last + subject.commits_of_opening(), "{}", subject.name);
        assert_eq!(subject.store().changes(before).unwrap(), Changes::Unknown);
        assert_eq!(committed(subject.store(), number), []);
        assert!(subject.store().apply(&Batch::default()).unwrap() > last);
    }
}

#[test]
fn a_batch_beyond_the_limits_changes_nothing_and_harms_nothing() {
    for subject in Subject::all() {
        assert_keeps_its_limits(subject.store());
    }
    let narrow = BatchLimits { conditions: 128, writes: 64, bytes: 1 << 20 };
    assert_keeps_its_limits(&Memory::default().with_limits(narrow));
}

fn assert_keeps_its_limits(store: &dyn Store) {
    let limits = store.limits();
    let key = |number: usize| number.to_be_bytes().to_vec();
    let absent = |number| Condition::Absent(key(number));
    let removed = |count| writes((0..count).map(|number| (key(number), None)).collect());
    let long = |size| writes(vec![put(b"k", b"1"), put(b"long", &vec![0; size])]);
    let judged = |count| Batch {
        conditions: (0..count).map(absent).collect(),
        writes: vec![put(b"k", b"1")],
    };
    let before = store.number().unwrap();
    for beyond in [removed(limits.writes + 1), long(limits.bytes), judged(limits.conditions + 1)] {
        assert_eq!(store.apply(&beyond).unwrap_err().reason(), Reason::ArgumentsBad);
    }
    assert_eq!(store.number().unwrap(), before);
    assert_eq!(store.scan(b"", b"", 1).unwrap(), []);
    store.apply(&judged(limits.conditions)).unwrap();
    store.apply(&removed(limits.writes)).unwrap();
    assert_eq!(store.get(b"k").unwrap(), Some(b"1".to_vec()));
}

proptest! {
    #![proptest_config(cases(12))]

    /// Any sequence of batches, durable or not yet, leaves what an ordered map would hold, also after opening again.
    #[test]
    fn any_sequence_of_batches_equals_a_map(
        batches in proptest::collection::vec((
            proptest::collection::vec((key(), proptest::option::of(value())), 1..8), any::<bool>()), 1..20),
        (prefix, from, limit) in (proptest::option::of(key()), key(), 1usize..9)
    ) {
        let prefix = prefix.unwrap_or_default();
        for mut subject in Subject::all() {
            let mut model = BTreeMap::new();
            for (batch, synced) in &batches {
                for (key, value) in batch {
                    match value {
                        Some(value) => model.insert(key.clone(), value.clone()),
                        None => model.remove(key),
                    };
                }
                subject.store().apply(&writes(batch.clone())).unwrap();
                if *synced {
                    subject.store().sync().unwrap();
                }
                let (begin, found) = (from.clone().max(prefix.clone()), &subject.store().scan(&prefix, &from, limit));
                let expected = model.range(begin..).filter(|(key, _)| key.starts_with(&prefix));
                let expected = expected.take(limit).map(|(key, value)| (key.clone(), value.clone()));
                prop_assert_eq!(found.as_ref().unwrap(), &expected.collect::<Vec<_>>(), "{}", subject.name);
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
