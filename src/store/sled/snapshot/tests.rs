//! The snapshot and its changes, as they lie in their files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::file_names::SNAPSHOT_CHANGES;
use crate::store::sled::database::Sled;
use crate::store::{Batch, StoreIdentity};
use sha2::{Digest, Sha256};
use std::fs;

const ORIGIN: SnapshotOrigin =
    SnapshotOrigin { store: Id::new([7; 16]), incarnation: 2, commits: 300 };

fn filled(pairs: usize) -> Memory {
    let memory = Memory::default();
    let writes = (0..pairs)
        .map(|n| (format!("key {n:06}").into_bytes(), Some(vec![n as u8; n % 5000])))
        .collect();
    memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    memory
}

#[test]
fn a_snapshot_that_never_got_its_name_does_not_stay() {
    let directory = tempfile::tempdir().unwrap();
    let unfinished = directory.path().join(SNAPSHOT_MADE);
    std::fs::create_dir(place(directory.path())).unwrap();
    keep(directory.path(), &filled(3), ORIGIN).unwrap_err();
    assert!(!unfinished.exists());
    // One that a crash has left goes at the next opening.
    std::fs::write(&unfinished, b"keystead").unwrap();
    remove_unfinished(directory.path());
    assert!(!unfinished.exists());
}

#[test]
fn what_is_kept_is_loaded_again_and_kept_over() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(origin(directory.path()).unwrap(), None);
    for pairs in [0, 1, 1024, 3 * 1024 + 7] {
        let store = filled(pairs);
        keep(directory.path(), &store, ORIGIN).unwrap();
        let loaded = load(directory.path()).unwrap();
        let all = |store: &Memory| store.scan(b"", b"", usize::MAX).unwrap();
        assert_eq!(all(&loaded), all(&store));
    }
    assert_eq!(origin(directory.path()).unwrap(), Some(ORIGIN));
}

#[test]
fn the_file_equals_its_golden_bytes() {
    let directory = tempfile::tempdir().unwrap();
    keep(directory.path(), &filled(2), ORIGIN).unwrap();
    let written = std::fs::read(place(directory.path())).unwrap();
    let body = [
        &b"keystead pairs\0\x01"[..],
        &[7; 16],
        &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 44],
        b"\0\x0akey 000000\0\0\0\0",
        b"\0\x0akey 000001\0\0\0\x01\x01",
        &[0, 0],
    ]
    .concat();
    assert_eq!(written[..body.len()], body);
    assert_eq!(written[body.len()..], Sha256::digest(&body)[..]);
}

#[test]
fn any_flipped_byte_and_any_cut_is_damage_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    keep(directory.path(), &filled(3), ORIGIN).unwrap();
    let path = place(directory.path());
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = load(directory.path()).map(drop).unwrap_err();
        assert_eq!(error.reason(), Reason::StoreDamaged);
        assert!(error.to_string().contains("snapshot"), "{error}");
    };
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        refused(&flipped);
        refused(&whole[..at]);
    }
    refused(&[&whole[..], &[0]].concat());
}

const IDENTITY: StoreIdentity =
    StoreIdentity { store: ORIGIN.store, incarnation: ORIGIN.incarnation };

/// The number of rows at the first snapshot.
const ROWS: usize = 300;

/// More bytes than what has changed takes, and fewer than a snapshot: the size of sled's log.
const ANEW: u64 = 10_000;

/// Commits one row, or its removal.
fn write(store: &Sled, number: usize, value: Option<Vec<u8>>) {
    let writes = vec![(format!("key {number:06}").into_bytes(), value)];
    store.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn all(store: &dyn Store) -> Pairs {
    store.scan(b"", b"", usize::MAX).unwrap()
}

/// Makes a store with a snapshot of its first rows, and keeps it up twice with a few more.
fn kept_up(directory: &Path) -> (Sled, [Pairs; 3]) {
    let store = Sled::open(&directory.join("db")).unwrap();
    (0..ROWS).for_each(|number| write(&store, number, Some(vec![1; 40])));
    store.sync().unwrap();
    assert!(store.keep_snapshot(IDENTITY).unwrap() > ANEW);
    let first = all(&store);
    let next = |number| {
        write(&store, number, None);
        write(&store, number + 1, Some(vec![2; 500]));
        write(&store, number + 5000, Some(Vec::new()));
        store.sync().unwrap();
        assert!(store.keep_snapshot(IDENTITY).unwrap() < 1000, "only what has changed");
        assert_eq!(store.keep_snapshot(IDENTITY).unwrap(), 0, "nothing has changed");
        all(&store)
    };
    let states = [first, next(10), next(11)];
    (store, states)
}

#[test]
fn what_has_changed_is_added_and_is_loaded_poured_and_found_with_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let (store, [.., last]) = kept_up(directory.path());
    let number = store.number().unwrap();
    let kept = origin(directory.path()).unwrap().unwrap();
    assert_eq!(kept, SnapshotOrigin { commits: number, ..ORIGIN });
    assert_eq!(all(&load(directory.path()).unwrap()), last);
    let mut poured = BTreeMap::new();
    pour(directory.path(), &mut |key, value| {
        assert!(poured.insert(key, value).is_none(), "each once");
        Ok(())
    })
    .unwrap();
    assert_eq!(poured.into_iter().collect::<Pairs>(), last);
    assert_eq!(value(directory.path(), b"key 000010").unwrap(), None);
    assert_eq!(value(directory.path(), b"key 000012").unwrap(), Some(vec![2; 500]));
    assert!(check(directory.path()).unwrap());
}

#[test]
fn the_next_opening_goes_on_with_a_snapshot_of_its_last_commit_and_with_no_other() {
    let directory = tempfile::tempdir().unwrap();
    drop(kept_up(directory.path()));
    let store = Sled::open(&directory.path().join("db")).unwrap();
    write(&store, 20, None);
    store.sync().unwrap();
    assert!(store.keep_snapshot(IDENTITY).unwrap() < 1000);
    // A commit that no snapshot was kept of, as before a crash.
    write(&store, 21, None);
    store.sync().unwrap();
    drop(store);
    let store = Sled::open(&directory.path().join("db")).unwrap();
    write(&store, 22, None);
    store.sync().unwrap();
    assert!(store.keep_snapshot(IDENTITY).unwrap() > ANEW, "written anew");
    assert!(!directory.path().join(SNAPSHOT_CHANGES).exists());
    assert_eq!(all(&load(directory.path()).unwrap()), all(&store));
    let recovered = StoreIdentity { incarnation: 3, ..IDENTITY };
    assert!(store.keep_snapshot(recovered).unwrap() > ANEW, "of another incarnation");
}

#[test]
fn a_snapshot_is_written_anew_where_much_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = kept_up(directory.path());
    (0..ROWS / 2).for_each(|number| write(&store, number, Some(vec![3; 40])));
    store.sync().unwrap();
    assert!(store.keep_snapshot(IDENTITY).unwrap() > ANEW);
    assert!(!directory.path().join(SNAPSHOT_CHANGES).exists());
    assert_eq!(all(&load(directory.path()).unwrap()), all(&store));
}

#[test]
fn changes_count_up_to_the_first_byte_that_is_not_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, states) = kept_up(directory.path());
    let path = directory.path().join(SNAPSHOT_CHANGES);
    let whole = fs::read(&path).unwrap();
    let parts = [0, 3, 6].map(|commits| ROWS as u64 + commits);
    assert_eq!(store.number().unwrap(), parts[2]);
    let counts = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let commits = origin(directory.path()).unwrap().unwrap().commits;
        let at = parts.iter().position(|part| *part == commits).unwrap();
        assert!(all(&load(directory.path()).unwrap()) == states[at]);
        at
    };
    let mut last = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        let cut = counts(&whole[..at]);
        assert_eq!(cut, counts(&flipped), "byte {at}");
        assert!(cut == last || cut == last + 1, "byte {at}");
        last = cut;
    }
    assert_eq!(last, 1, "what stands before the last part has two of three states");
    assert_eq!(counts(&[&whole[..], &[0]].concat()), 2);
    let error = check(directory.path()).unwrap_err();
    assert!(error.to_string().contains("snapshot.changes"), "{error}");
    // The next snapshot is whole again.
    drop(store);
    let store = Sled::open(&directory.path().join("db")).unwrap();
    write(&store, 30, None);
    store.sync().unwrap();
    assert!(store.keep_snapshot(IDENTITY).unwrap() > ANEW);
    assert!(check(directory.path()).unwrap());
}

#[test]
fn changes_beside_another_snapshot_count_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = kept_up(directory.path());
    let changes = fs::read(directory.path().join(SNAPSHOT_CHANGES)).unwrap();
    keep(directory.path(), &filled(3), ORIGIN).unwrap();
    fs::write(directory.path().join(SNAPSHOT_CHANGES), changes).unwrap();
    assert_eq!(origin(directory.path()).unwrap(), Some(ORIGIN));
    assert_eq!(all(&load(directory.path()).unwrap()), all(&filled(3)));
    assert!(check(directory.path()).unwrap());
    drop(store);
}

#[test]
fn the_changes_equal_their_golden_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = keep(directory.path(), &filled(2), ORIGIN).unwrap();
    let changed = |key: &[u8], value: Option<&[u8]>| (key.to_vec(), value.map(<[u8]>::to_vec));
    let first = ChangedPairs::from([changed(b"a", Some(b"bc")), changed(b"d", None)]);
    kept.add(directory.path(), 301, &first).unwrap();
    kept.add(directory.path(), 302, &ChangedPairs::new()).unwrap();
    let snapshot = fs::read(place(directory.path())).unwrap();
    let sum = &snapshot[snapshot.len() - 32..];
    let one =
        [&[0, 0, 0, 0, 0, 0, 1, 45][..], b"\0\x01a\x01\0\0\0\x02bc\0\x01d\0", &[0, 0]].concat();
    let first_sum = Sha256::digest([sum, &one].concat());
    let two = [0, 0, 0, 0, 0, 0, 1, 46, 0, 0];
    let second_sum = Sha256::digest([&first_sum[..], &two].concat());
    let expected =
        [b"keystead change\x01", sum, &one, &first_sum[..], &two, &second_sum[..]].concat();
    assert_eq!(fs::read(directory.path().join(SNAPSHOT_CHANGES)).unwrap(), expected);
}
