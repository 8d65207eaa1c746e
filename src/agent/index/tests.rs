//! The index is what the rows say, whatever has happened to them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::keyspace::RowKey;
use crate::agent::open_store::OpenStore;
use crate::agent::writer::Writer;
use crate::clock::FixedClock;
use crate::erasure::Tombstone;
use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, KeyState, Role, Tag};
use crate::store::cells::StoreIdentity;
use crate::store::{Batch, Cells, Condition, Location, Memory};
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

/// Keeps an image of the index of a store's rows.
fn kept(directory: &std::path::Path, memory: &Memory) {
    image::keep(directory, IDENTITY, memory, &Index::of(memory).unwrap()).unwrap();
}

const IDENTITY: StoreIdentity = StoreIdentity { store: Id::new([8; 16]), incarnation: 2 };

fn is_loaded(directory: &std::path::Path, identity: StoreIdentity, memory: &Memory) -> bool {
    image::load(directory, identity, memory).unwrap().is_some()
}

proptest! {
    #![proptest_config(cases(64))]
    #[test]
    fn an_image_is_the_index_and_follows_commits_as_that_does(
        batches in proptest::collection::vec(proptest::collection::vec(row(), 1..6), 1..40),
        kept_after in 0_usize..40,
    ) {
        let (memory, directory) = (Memory::default(), tempfile::tempdir().unwrap());
        let batch = |writes: &Vec<Row>| Batch { conditions: Vec::new(), writes: writes.clone() };
        let (before, after) = batches.split_at(kept_after.min(batches.len()));
        let mut index = Index::default();
        for writes in before {
            memory.apply(&batch(writes)).unwrap();
            index.follow(&memory).unwrap();
        }
        image::keep(directory.path(), IDENTITY, &memory, &index).unwrap();
        let mut loaded = image::load(directory.path(), IDENTITY, &memory).unwrap().unwrap();
        prop_assert_eq!(content(&loaded), content(&index));
        for writes in after {
            memory.apply(&batch(writes)).unwrap();
            loaded.follow(&memory).unwrap();
        }
        prop_assert_eq!(content(&loaded), content(&Index::of(&memory).unwrap()));
    }
}

fn answer(number: u64, change: [u8; 16]) -> Row {
    let answered = rows::Answered { change, ..Default::default() };
    (keyspace::answer(number), Some(rows::encode(&answered).unwrap()))
}

fn commit(memory: &Memory, writes: Vec<Row>) {
    memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
}

#[test]
fn an_image_counts_only_for_the_commit_of_the_store_that_it_is_of() {
    let (memory, directory) = (Memory::default(), tempfile::tempdir().unwrap());
    commit(&memory, vec![answer(0, [1; 16])]);
    let copy = Memory::default();
    commit(&copy, vec![answer(0, [2; 16])]);
    assert!(!is_loaded(directory.path(), IDENTITY, &memory), "there is none");
    kept(directory.path(), &memory);
    assert!(is_loaded(directory.path(), IDENTITY, &memory));
    let other = StoreIdentity { store: Id::new([9; 16]), ..IDENTITY };
    let later = StoreIdentity { incarnation: 3, ..IDENTITY };
    assert!(!is_loaded(directory.path(), other, &memory), "another store");
    assert!(!is_loaded(directory.path(), later, &memory), "after a recovery");
    assert!(!is_loaded(directory.path(), IDENTITY, &copy), "a copy that has gone another way");
    commit(&memory, vec![(keyspace::meta(), Some(vec![7]))]);
    assert!(!is_loaded(directory.path(), IDENTITY, &memory), "a later commit");
    kept(directory.path(), &memory);
    assert!(is_loaded(directory.path(), IDENTITY, &memory));
}

#[test]
fn an_image_with_any_flipped_byte_or_any_cut_is_none() {
    let (memory, directory) = (Memory::default(), tempfile::tempdir().unwrap());
    let (token, id) = record(2);
    commit(&memory, vec![(keyspace::record(token, id), Some(tagged_row())), answer(0, [1; 16])]);
    kept(directory.path(), &memory);
    let path = directory.path().join(crate::file_names::INDEX);
    let whole = std::fs::read(&path).unwrap();
    let loaded = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        is_loaded(directory.path(), IDENTITY, &memory)
    };
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        *flipped.get_mut(at).unwrap() ^= 1;
        assert!(!loaded(&flipped), "byte {at}");
        assert!(!loaded(whole.get(..at).unwrap()), "cut at {at}");
    }
    assert!(!loaded(&[&whole[..], &[0]].concat()), "a byte too many");
    assert!(loaded(&whole));
}

#[test]
fn an_agent_that_ends_keeps_an_image_by_which_the_next_one_goes_until_there_is_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    Cells::make(directory.path()).unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let clock = Arc::new(FixedClock::at(0));
    let open = || OpenStore::open_at(directory.path(), &location, clock.clone()).unwrap();
    let commit = |writes| {
        let store = Arc::new(open());
        store.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        store.records.sync().unwrap();
        Writer::open(Arc::clone(&store), Arc::default()).unwrap().finish_up().unwrap();
        store
    };
    let (token, id) = record(2);
    let store = commit(vec![(keyspace::record(token, id), Some(tagged_row()))]);
    let (identity, number) = (store.cells.identity, store.records.number().unwrap());
    assert!(is_image_of(directory.path(), &store));
    // One that lacks the record shows that no record is read.
    std::fs::remove_file(directory.path().join(crate::file_names::INDEX)).unwrap();
    let lacking = Index { number, ..Index::default() };
    image::keep(directory.path(), identity, &*store.records, &lacking).unwrap();
    drop(store);
    assert_eq!(counts(&open().index().unwrap()), [0, 0]);
    drop(commit(vec![(keyspace::meta(), Some(rows::encode(&rows::Meta::default()).unwrap()))]));
    std::fs::remove_file(directory.path().join(crate::file_names::INDEX)).unwrap();
    assert_eq!(counts(&open().index().unwrap()), [1, 1]);
    drop(commit(vec![answer(100, [1; 16])]));
    assert_eq!(counts(&open().index().unwrap()), [1, 1]);
}

fn is_image_of(directory: &std::path::Path, store: &OpenStore) -> bool {
    let loaded = image::load(directory, store.cells.identity, &*store.records).unwrap();
    loaded.is_some_and(|index| content(&index) == content(&store.index().unwrap()))
}

/// Images that exist are read with these: where they change, so does the format in [`image`].
#[test]
fn an_image_equals_its_golden_bytes() {
    let (memory, directory) = (Memory::default(), tempfile::tempdir().unwrap());
    let (token, id) = record(2);
    let writes = vec![
        (keyspace::record(token, id), Some(tagged_row())),
        (keyspace::waiting(token, id), Some(5_u64.to_be_bytes().to_vec())),
        answer(3, [6; 16]),
    ];
    commit(&memory, writes);
    kept(directory.path(), &memory);
    let written = std::fs::read(directory.path().join(crate::file_names::INDEX)).unwrap();
    let (front, rest) = written.split_at(48);
    let fields =
        [&b"keystead index\0\x02"[..], &[8; 16], &2_u64.to_be_bytes(), &1_u64.to_be_bytes()];
    assert_eq!(front, fields.concat());
    let (one, two) = ([1; 16], [2; 16]);
    let content = [
        // The commit; tokens and records with their numbers, none free.
        &[1, 1][..],
        &one,
        &[0, 1, 0],
        &two,
        &[0],
        // Private records of the token: all, and those of one tag.
        &[1],
        &one,
        &[1, 0, 1, 0, 0, 0, 1],
        &[5; 16],
        &[0, 1, 0, 1, 0, 0, 0],
        // No versions, nothing due or narrowing or hidden, no claims; what waits; the answer.
        &[0, 0, 0, 0, 0, 1],
        &one,
        &two,
        &[5, 1, 3, 1],
        &[6; 16],
        // No answers of a store that several hosts write.
        &[0],
    ]
    .concat();
    assert_eq!(rest.get(32..rest.len() - 32).unwrap(), content);
}
