//! The database where sled is hazardous.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::store::sled::entries::CHUNK;

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
fn entries_equal_their_golden_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sled::open(&directory.path().join("db")).unwrap();
    store.apply(&write(b"k", Some(vec![9; CHUNK + 1]))).unwrap();
    store.apply(&write(b"s", Some(b"short".to_vec()))).unwrap();
    store.sync().unwrap();
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let expected = [
        entry(b"c\0\x01k\0\0\0\0", &[9; CHUNK]),
        entry(b"c\0\x01k\0\0\0\x01", &[9]),
        entry(b"n", &[0, 0, 0, 0, 0, 0, 0, 2]),
        entry(b"vk", &[1, 0, 0, 0, 2]),
        entry(b"vs", b"\0short"),
    ];
    assert_eq!(store.0.entries.all(), expected);
}

#[test]
fn a_shorter_value_leaves_no_chunk_of_a_longer_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sled::open(&directory.path().join("db")).unwrap();
    for size in [5 * CHUNK, 2 * CHUNK, 10, 3 * CHUNK] {
        store.apply(&write(b"key", Some(vec![1; size]))).unwrap();
        store.sync().unwrap();
        assert_eq!(store.get(b"key").unwrap().unwrap().len(), size);
    }
    store.apply(&write(b"key", None)).unwrap();
    store.sync().unwrap();
    assert_eq!(store.0.entries.all().len(), 1, "the number");
}

#[test]
fn a_group_of_commits_is_one_batch_of_sled() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sled::open(&directory.path().join("db")).unwrap();
    for number in 0..100 {
        store.apply(&write(&[1, number], Some(vec![number]))).unwrap();
        store.apply(&write(&[1, number / 2], None)).unwrap();
    }
    assert_eq!(store.0.entries.all(), [], "sled has none of them before they are made durable");
    assert_eq!(store.scan(&[1], &[], usize::MAX).unwrap().len(), 50, "and all see them");
    store.sync().unwrap();
    assert_eq!(store.0.entries.all().len(), 51, "with the number of the last");
    assert_eq!(store.number().unwrap(), 200);
}

#[test]
fn what_many_commits_write_does_not_wait_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sled::open(&directory.path().join("db")).unwrap();
    for number in 0..20 {
        store.apply(&write(&[number], Some(vec![number; 100_000]))).unwrap();
    }
    assert!(!store.0.entries.all().is_empty());
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
