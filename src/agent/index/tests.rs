//! The index is what the rows say, whatever has happened to them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::keyspace::RowKey;
use crate::agent::open_store::OpenStore;
use crate::clock::FixedClock;
use crate::erasure::Tombstone;
use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, KeyState, Role, Tag};
use crate::store::{Batch, Cells, Condition, Memory};
use crate::tests::{ObservedStore, StoreUse, cases};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const TOKEN: Id = Id::new([1; 16]);
const OTHER: Id = Id::new([2; 16]);

type Row = (RowKey, Option<Vec<u8>>);

type IndexContent = (Vec<(Id, Id, IndexEntry)>, Vec<((Id, Id), Seconds)>, String);

/// All that an index says, in an order of its own.
fn content(index: &Index) -> IndexContent {
    let of = |record: &RecordNumber, entry| {
        let (token, id) = index.records.ids(*record);
        (token, id, entry)
    };
    let mut all: Vec<_> =
        index.claims.iter().map(|(cell, it)| of(it, IndexEntry::Claim(*cell))).collect();
    all.extend(index.versions.iter().map(|(key, at, it)| of(it, IndexEntry::Version(*key, *at))));
    all.extend(index.due.iter().map(|(at, it)| of(it, IndexEntry::Due(*at))));
    all.extend(index.hidden.iter().map(|(it, at)| of(it, IndexEntry::Hidden(*at))));
    all.extend(index.narrowing.iter().map(|(at, it)| of(it, IndexEntry::Narrowing(*at))));
    for ((token, private), tags) in &index.tags {
        let found = tags.entries(&index.records).into_iter();
        all.extend(found.map(|(tag, id)| (*token, id, IndexEntry::Found(*private, tag))));
    }
    all.sort_unstable();
    (all, index.waiting().collect(), format!("{:?}", index.answers.numbers()))
}

fn record(number: u8) -> (Id, Id) {
    let token = if number.is_multiple_of(2) { TOKEN } else { OTHER };
    (token, Id::new([number; 16]))
}

prop_compose! {
    fn header()(
        kind in 0_u8..4,
        private in any::<bool>(),
        version in 1_u32..4,
        expiry in proptest::option::of((0_u64..50, any::<bool>())),
        tags in proptest::collection::vec(0_u8..6, 0..4),
    ) -> Header {
        let deletion_at = expiry.map(|(at, _)| at);
        let role = match kind {
            0 => Role::Object { holds_key: false },
            1 => Role::Object { holds_key: true },
            2 => Role::CustomKey(KeyState { deletion_at, ..KeyState::awaiting_import() }),
            _ => Role::Material { key: Id::new([9; 16]), version, fingerprint: Fingerprint([4; 32]) },
        };
        let action = |erase| if erase { ExpiryAction::Erase } else { ExpiryAction::ReadOnly };
        let expiry = expiry.map(|(at, erase)| Expiry { at, action: action(erase) });
        Header { private, role, expiry, tags: tags.into_iter().map(|tag| Tag([tag; 16])).collect() }
    }
}

prop_compose! {
    fn record_row()(
        header in header(),
        cell in proptest::option::of(512_u32..600),
        ended in proptest::option::of((any::<bool>(), 0_u64..50)),
        damaged in 0_u8..12,
    ) -> Vec<u8> {
        let end = |deleted| if deleted { Tombstone::Deleted } else { Tombstone::Expired };
        let tombstone = ended.map(|(deleted, at)| end(deleted)(at));
        let mut bytes = header.encode().unwrap();
        bytes.truncate(if damaged == 0 { 3 } else { bytes.len() });
        let row = RecordRow { cell, tombstone, header: bytes, ..RecordRow::default() };
        let mut row = rows::encode(&row).unwrap();
        row.truncate(if damaged == 1 { row.len() / 2 } else { row.len() });
        row
    }
}

fn row() -> impl Strategy<Value = Row> {
    let record_row = (0_u8..12, proptest::option::weighted(0.7, record_row()));
    let waiting = (0_u8..12, proptest::option::of(0_u64..60));
    let answer = (0_u64..8, proptest::option::of(any::<[u8; 16]>()));
    prop_oneof![
        6 => record_row.prop_map(|(number, value)| {
            let (token, id) = record(number);
            (keyspace::record(token, id), value)
        }),
        2 => waiting.prop_map(|(number, found)| {
            let (token, id) = record(number);
            (keyspace::waiting(token, id), found.map(|found| found.to_be_bytes().to_vec()))
        }),
        1 => answer.prop_map(|(number, change)| {
            let answered = change.map(|change| rows::Answered { change, ..Default::default() });
            (keyspace::answer(number), answered.map(|answered| rows::encode(&answered).unwrap()))
        }),
        1 => Just((keyspace::meta(), Some(vec![7]))),
    ]
}

fn open(directory: &std::path::Path, memory: &Memory) -> OpenStore {
    Cells::make(directory).unwrap();
    let clock = Arc::new(FixedClock::at(0));
    let cells = Cells::open(directory).unwrap();
    OpenStore::assemble(directory, cells, Box::new(memory.clone()), clock).unwrap()
}

proptest! {
    #![proptest_config(cases(64))]
    #[test]
    fn it_is_what_the_rows_say_after_any_commits_of_either_of_two_openings(
        batches in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), proptest::collection::vec(row(), 0..6)), 0..60),
    ) {
        let (memory, [one, two]) = (Memory::default(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
        let (first, second) = (open(one.path(), &memory), open(two.path(), &memory));
        for (of_first, fails, writes) in batches {
            let store = if of_first { &first } else { &second };
            let unmet = Condition::Equals(b"never".to_vec(), Vec::new());
            let conditions = fails.then_some(unmet).into_iter().collect();
            prop_assert_eq!(store.apply(&Batch { conditions, writes }).is_err(), fails);
            prop_assert_eq!(store.index().unwrap().number(), memory.number().unwrap());
        }
        let derived = content(&Index::of(&memory).unwrap());
        for store in [first, second] {
            prop_assert_eq!(&content(&store.index().unwrap()), &derived);
        }
    }
}

/// A store in memory to which another opening commits a batch at each use.
struct Overtaken {
    memory: Memory,
    batches: Mutex<Vec<Batch>>,
}

impl Overtaken {
    fn overtake(&self) {
        let next = self.batches.lock().unwrap().pop();
        if let Some(batch) = next {
            self.memory.apply(&batch).unwrap();
        }
    }
}

impl ObservedStore for Overtaken {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, used: StoreUse) -> Result<()> {
        if matches!(used, StoreUse::Get | StoreUse::Scan | StoreUse::Changes) {
            self.overtake();
        }
        Ok(())
    }

    fn at_once(&self, limit: usize) -> usize {
        limit.min(2)
    }
}

/// The index of a store after each of its commits, by number.
fn history(batches: &[Batch]) -> Vec<IndexContent> {
    let memory = Memory::default();
    let mut history = vec![content(&Index::of(&memory).unwrap())];
    for batch in batches {
        memory.apply(batch).unwrap();
        history.push(content(&Index::of(&memory).unwrap()));
    }
    history
}

proptest! {
    #![proptest_config(cases(64))]
    #[test]
    fn it_is_that_of_one_commit_whatever_is_committed_while_it_is_derived_and_while_it_follows(
        batches in proptest::collection::vec(proptest::collection::vec(row(), 1..6), 1..40),
        before in 0_usize..10,
    ) {
        let batch = |writes: &Vec<Row>| Batch { conditions: Vec::new(), writes: writes.clone() };
        let mut batches: Vec<_> = batches.iter().map(batch).collect();
        let history = history(&batches);
        let memory = Memory::default();
        for batch in batches.drain(..before.min(batches.len())) {
            memory.apply(&batch).unwrap();
        }
        batches.reverse();
        let store = Overtaken { memory, batches: Mutex::new(batches) };
        let mut index = Index::default();
        index.derive(&store).unwrap();
        loop {
            let expected = history.get(index.number() as usize);
            prop_assert_eq!(Some(&content(&index)), expected, "of commit {}", index.number());
            if index.number() == store.number().unwrap() {
                break;
            }
            index.follow(&store).unwrap();
        }
    }
}

/// Keys that an opening changes one after another: each is replaced by another one that is tagged alike.
const KEYS: u8 = 32;

fn tagged_row() -> Vec<u8> {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![Tag([5; 16])] };
    let row = RecordRow { header: header.encode().unwrap(), ..RecordRow::default() };
    rows::encode(&row).unwrap()
}

/// The commit with which an opening's key makes way for another, or comes.
fn replacement(opening: u8, key: u8, round: u8) -> Batch {
    let id = |round| u32::from_be_bytes([0, opening, key, round]);
    let at = |round| keyspace::record(TOKEN, Id::new(u128::from(id(round)).to_be_bytes()));
    let gone = round.checked_sub(1).map(|before| (at(before), None));
    let writes = gone.into_iter().chain([(at(round), Some(tagged_row()))]).collect();
    Batch { conditions: Vec::new(), writes }
}

/// Returns the number of records of an index by their tag, and without it.
fn counts(index: &Index) -> [usize; 2] {
    let count = |alternative: Vec<[u8; 16]>| {
        let search =
            IndexSearch { token: TOKEN, private: true, alternatives: &[alternative], now: 0 };
        search.look(index, Id::new([0; 16]), usize::MAX).0.len()
    };
    [count(vec![[5; 16]]), count(Vec::new())]
}

#[test]
fn no_reader_sees_a_part_of_a_commit_of_either_of_two_openings() {
    let (memory, [one, two]) = (Memory::default(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let openings = [(0, open(one.path(), &memory)), (1, open(two.path(), &memory))];
    let replace = |(number, store): &(u8, OpenStore), round| {
        for key in 0..KEYS {
            store.apply(&replacement(*number, key, round)).unwrap();
        }
    };
    openings.iter().for_each(|opening| replace(opening, 0));
    let all = [2 * usize::from(KEYS); 2];
    let ends = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let read = |store: &OpenStore| {
            while !ends.load(Ordering::Relaxed) {
                assert_eq!(counts(&store.index().unwrap()), all);
            }
        };
        for (_, store) in openings.iter().chain(&openings) {
            threads.spawn(move || read(store));
        }
        let writers = openings.each_ref().map(|opening| {
            threads.spawn(move || (1..20).for_each(|round| replace(opening, round)))
        });
        let written = writers.map(|writer| writer.join());
        ends.store(true, Ordering::Relaxed);
        written.into_iter().for_each(|written| written.unwrap());
    });
    for (_, store) in &openings {
        assert_eq!(counts(&store.index().unwrap()), all);
    }
}

#[test]
fn a_record_that_cannot_be_read_stands_in_nobodys_way_and_keeps_its_cell() {
    let memory = Memory::default();
    let header = Header {
        private: true,
        role: Role::Object { holds_key: true },
        expiry: None,
        tags: vec![Tag([5; 16])],
    };
    let write = |number, cell, header| {
        let (token, id) = record(number);
        let row = RecordRow { cell: Some(cell), header, ..RecordRow::default() };
        (keyspace::record(token, id), Some(rows::encode(&row).unwrap()))
    };
    let writes = vec![write(2, 512, vec![1, 2]), write(4, 513, header.encode().unwrap())];
    memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    let index = Index::of(&memory).unwrap();
    let (damaged, whole) = (record(2), record(4));
    assert_eq!(index.claims().collect::<Vec<_>>(), vec![(512, damaged), (513, whole)]);
    let search =
        IndexSearch { token: TOKEN, private: true, alternatives: &[vec![[5; 16]]], now: 0 };
    assert_eq!(search.look(&index, Id::new([0; 16]), 10), (vec![whole.1], None));
}
