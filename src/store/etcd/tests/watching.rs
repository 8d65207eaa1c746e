//! The mirror: it follows every commit, notices what it has missed, and reads all where it must.

use super::*;
use crate::store::Changes;

#[test]
fn a_large_commit_comes_whole() {
    let Some(fleet) = Fleet::new("a large commit") else { return };
    let (one, other) = (fleet.open("one"), fleet.open("other"));
    let before = other.number().unwrap();
    let size = one.limits().bytes / 100 - 64;
    let row = |at: u8| (vec![at], Some(vec![at; size]));
    let batch = Batch { conditions: Vec::new(), writes: (1..=100).map(row).collect() };
    let number = one.apply(&batch).unwrap();
    wait_for(&other, number);
    let Changes::Commits(commits) = other.changes(before).unwrap() else { panic!("known") };
    assert_eq!(commits.last().map(|commit| commit.rows.len()), Some(100));
    assert_eq!(other.scan(b"", b"", 1000).unwrap().len(), 100);
    assert_eq!(other.get(&[100]).unwrap(), Some(vec![100; size]));
}

#[test]
fn what_was_compacted_while_a_host_was_away_is_read_anew() {
    let Some(fleet) = Fleet::alone("a compaction") else { return };
    let (one, other) = (fleet.open("one"), fleet.open("other"));
    for key in ["stays", "goes", "changes"] {
        one.apply(&put(key, "1")).unwrap();
    }
    let seen = one.number().unwrap();
    wait_for(&other, seen);
    drop(other);
    one.apply(&Batch { writes: vec![(b"goes".to_vec(), None)], ..Batch::default() }).unwrap();
    one.apply(&put("changes", "2")).unwrap();
    // More rows than a page has.
    for at in 0..300 {
        one.apply(&put(&format!("more {at:03}"), "1")).unwrap();
    }
    compact(&fleet);
    let other = fleet.open("other");
    assert_eq!(value(&other, "stays").as_deref(), Some("1"));
    assert_eq!(value(&other, "goes"), None);
    assert_eq!(value(&other, "changes").as_deref(), Some("2"));
    assert_eq!(other.scan(b"more ", b"", 1000).unwrap().len(), 300);
    assert_eq!(other.changes(seen).unwrap(), Changes::Unknown);
    let number = one.apply(&put("after", "1")).unwrap();
    wait_for(&other, number);
    assert_eq!(value(&other, "after").as_deref(), Some("1"));
}

/// Compacts etcd up to its latest revision.
fn compact(fleet: &Fleet) {
    let status = fleet.server.control(&["get", "none", "--write-out", "fields"]);
    let revision = status.lines().find_map(|line| line.strip_prefix("\"Revision\" : "));
    fleet.server.control(&["compact", revision.expect("a revision")]);
}

#[test]
fn rows_that_another_program_writes_are_noticed_and_read() {
    let Some(fleet) = Fleet::alone("another program's rows") else { return };
    let store = fleet.open("one");
    let before = store.apply(&put("k", "1")).unwrap();
    // `etcdctl` cannot write a zero byte, which is in every key: what it writes beside them is no row.
    fleet.server.control(&["put", &format!("/{}", fleet.prefix), "another program's"]);
    fleet.server.control(&["put", &format!("/{}/below", fleet.prefix), "another fleet's"]);
    assert_eq!(store.apply(&put("k", "2")).unwrap(), before + 1);
    assert_eq!(store.scan(b"", b"", 10).unwrap(), [(b"k".to_vec(), b"2".to_vec())]);
}

#[test]
fn a_mirror_that_is_lost_is_made_anew() {
    let Some(fleet) = Fleet::new("a lost mirror") else { return };
    let store = fleet.open("one");
    store.apply(&put("k", "1")).unwrap();
    drop(store);
    std::fs::remove_dir_all(fleet.directory("one")).unwrap();
    let store = fleet.open("one");
    assert_eq!(value(&store, "k").as_deref(), Some("1"));
}

#[test]
fn an_etcd_that_was_set_back_is_refused() {
    let Some(fleet) = Fleet::new("an etcd that was set back") else { return };
    let store = fleet.open("one");
    store.apply(&put("k", "1")).unwrap();
    drop(store);
    let fresh = Arc::new(member::Etcd::start());
    let moved = Fleet { server: fresh, ..fleet };
    let (place, directory) = (moved.place("one"), moved.directory("one"));
    let error = open(&place, &moved.acknowledged()).map(drop).unwrap_err();
    assert!(error.to_string().contains("etcd has been set back, or is another"), "{error}");
    // A mirror that is lost tells nothing, but the agent's own files do.
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::create_dir(&directory).unwrap();
    let known = Acknowledged { number: 3, is_new: false, ..moved.acknowledged() };
    let error = open(&place, &known).map(drop).unwrap_err();
    assert!(error.to_string().contains("there are no records of a fleet"), "{error}");
    open(&place, &moved.acknowledged()).map(drop).unwrap();
    let ahead = Acknowledged { number: 100, is_new: false, ..moved.acknowledged() };
    let error = open(&place, &ahead).map(drop).unwrap_err();
    assert!(error.to_string().contains("etcd has been set back, or is another"), "{error}");
}
