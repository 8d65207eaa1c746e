//! Tests of the sweep: each thing ends in its second and once.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::writer::Writer;
use crate::clock::FixedClock;
use crate::erasure::{Erasure, Tombstone};
use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, KeyState};
use crate::store::Memory;
use std::sync::Arc;

const TOKEN: Id = Id::new([1; 16]);

fn put(transaction: &mut Transaction<'_>, number: u8, role: Role, at: Option<Seconds>) {
    let expiry = at.map(|at| Expiry { at, action: ExpiryAction::Erase });
    let header = Header { private: true, role, expiry, tags: vec![] };
    let bytes = (header.encode().unwrap(), vec![number]);
    transaction.put(TOKEN, Id::new([number; 16]), &header, bytes, None).unwrap();
}

/// Two ordinary keys due at 10 and 20, material due at 10, and the end of its custom key at 30.
fn furnished(directory: &std::path::Path) -> (Arc<FixedClock>, Writer) {
    let clock = Arc::new(FixedClock::at(5));
    let store = Box::new(Memory::narrow());
    crate::store::Cells::make(directory).unwrap();
    let store = OpenStore::open(directory, store, Arc::clone(&clock) as _).unwrap();
    let store = Arc::new(store);
    let mut writer = Writer::open(Arc::clone(&store), Arc::default()).unwrap();
    let mut transaction = Transaction::new(&store);
    put(&mut transaction, 2, Role::Object { holds_key: true }, Some(10));
    put(&mut transaction, 3, Role::Object { holds_key: true }, Some(20));
    let state = KeyState { version: 1, deletion_at: Some(30), ..KeyState::awaiting_import() };
    put(&mut transaction, 4, Role::CustomKey(state), None);
    let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
    put(&mut transaction, 5, Role::Material { key, version: 1, fingerprint }, Some(10));
    writer.apply(transaction).unwrap();
    (clock, writer)
}

#[test]
fn each_thing_ends_once_and_in_its_second() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, mut writer) = furnished(directory.path());
    // An ordinary key's record goes when it has told for a minute that it has expired.
    let expected = [
        (9, 0, 0, Some(10)),
        (10, 1, 1, Some(20)),
        (20, 0, 1, Some(30)),
        (30, 1, 0, Some(70)),
        (70, 0, 0, Some(80)),
        (80, 0, 0, None),
    ];
    for (now, erased, ended, next) in expected {
        clock.set(now);
        assert_eq!(writer.sweep().unwrap(), Swept { erased, ended }, "at {now}");
        assert_eq!(next_due(&writer.store, writer.grace).unwrap(), next, "at {now}");
    }
}

#[test]
fn what_is_due_together_ends_together_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, mut writer) = furnished(directory.path());
    clock.set(30);
    assert_eq!(writer.sweep().unwrap(), Swept { erased: 2, ended: 2 });
    assert_eq!(sweep_at(&clock, &mut writer, 90), (0, 0));
    let left = writer.store.records.scan(b"", b"", 100).unwrap();
    let keys: Vec<_> = left.into_iter().map(|(key, _)| key).collect();
    let lines = (1..=4).map(|seq| keyspace::AuditRows::default().line(seq));
    assert_eq!(
        keys,
        [keyspace::audit_head(), keyspace::meta()].into_iter().chain(lines).collect::<Vec<_>>()
    );
}

#[test]
fn the_second_from_which_a_key_can_only_be_read_outlives_a_clock_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, mut writer) = furnished(directory.path());
    let store = Arc::clone(&writer.store);
    let expiry = Some(Expiry { at: 8, action: ExpiryAction::ReadOnly });
    let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
    let role = Role::Material { key, version: 1, fingerprint };
    let header = Header { private: true, role, expiry, tags: vec![] };
    let bytes = (header.encode().unwrap(), vec![6]);
    let mut transaction = Transaction::new(&store);
    transaction.put(TOKEN, Id::new([6; 16]), &header, bytes, None).unwrap();
    writer.apply(transaction).unwrap();
    writer.sync_and_publish().unwrap();
    assert_eq!(next_due(&store, 0).unwrap(), Some(8));
    assert_eq!(sweep_at(&clock, &mut writer, 8), (0, 0));
    assert_eq!(next_due(&store, 0).unwrap(), Some(10));
    assert!(store.find(TOKEN, Id::new([6; 16])).unwrap().is_some());
    let kept = crate::store::Cells::open(directory.path()).unwrap();
    assert_eq!(kept.time.get(), 8);
    assert_eq!(store.page.mark(), 8);
}

fn sweep_at(clock: &FixedClock, writer: &mut Writer, now: Seconds) -> (u64, u64) {
    clock.set(now);
    let Swept { erased, ended } = writer.sweep().unwrap();
    (erased, ended)
}

#[test]
fn what_is_due_waits_its_grace_out_unusable() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, writer) = furnished(directory.path());
    let mut writer = writer.with_grace(100);
    assert_eq!(sweep_at(&clock, &mut writer, 12), (0, 0));
    assert_eq!(next_due(&writer.store, 100).unwrap(), Some(20));
    let found = writer.store.find(TOKEN, Id::new([5; 16])).unwrap().unwrap();
    assert!(found.known.erasure == Erasure::Live && found.known.is_dead(writer.store.now()));
    assert_eq!(sweep_at(&clock, &mut writer, 35), (0, 0));
    assert_eq!(next_due(&writer.store, 100).unwrap(), Some(112));
    assert_eq!(sweep_at(&clock, &mut writer, 111), (0, 0));
    assert_eq!(sweep_at(&clock, &mut writer, 112), (1, 1));
    assert_eq!(sweep_at(&clock, &mut writer, 135), (1, 1));
    assert_eq!(next_due(&writer.store, 100).unwrap(), Some(172));
    assert_eq!(sweep_at(&clock, &mut writer, 195), (0, 0));
    assert_eq!(next_due(&writer.store, 100).unwrap(), None);
}

/// The transactions of a sweep, none of which the store ever hears of.
fn steps_unheard(writer: &Writer, mut sweep: Sweep) -> usize {
    let mut steps = 0;
    while let (NextStep::Apply(_), true) = (sweep.propose(&writer.store).unwrap(), steps < 10) {
        sweep.applied();
        steps += 1;
    }
    steps
}

#[test]
fn a_sweep_ends_even_where_all_that_it_has_seen_to_stays_due() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, writer) = furnished(directory.path());
    clock.set(30);
    for grace in [0, 100] {
        let steps = steps_unheard(&writer, Sweep::new(grace));
        assert!((1..10).contains(&steps), "{steps} steps with {grace} s of grace");
    }
}

#[test]
fn a_wrong_clock_that_is_mended_within_the_grace_costs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, writer) = furnished(directory.path());
    let mut writer = writer.with_grace(100);
    assert_eq!(sweep_at(&clock, &mut writer, 5000), (0, 0));
    clock.set(6);
    writer.accept_clock().unwrap();
    assert_eq!(next_due(&writer.store, 100).unwrap(), Some(10));
    let found = writer.store.find(TOKEN, Id::new([5; 16])).unwrap().unwrap();
    assert!(!found.known.is_dead(writer.store.now()));
    assert_eq!(sweep_at(&clock, &mut writer, 9), (0, 0));
    assert_eq!(sweep_at(&clock, &mut writer, 10), (0, 0));
    assert_eq!(sweep_at(&clock, &mut writer, 110), (1, 1));
}

#[test]
fn a_clock_that_was_set_back_and_not_accepted_lengthens_no_grace() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, writer) = furnished(directory.path());
    let mut writer = writer.with_grace(100);
    assert_eq!(sweep_at(&clock, &mut writer, 5000), (0, 0));
    clock.set(50);
    assert_eq!(next_due(&writer.store, 100).unwrap(), Some(5100));
    clock.pass(99);
    assert_eq!(sweep_at(&clock, &mut writer, 60), (0, 0));
    clock.pass(1);
    // The custom key ends with its material in it.
    assert_eq!(sweep_at(&clock, &mut writer, 50), (1, 2));
}

#[test]
fn what_ends_otherwise_while_it_waits_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, writer) = furnished(directory.path());
    let mut writer = writer.with_grace(100);
    assert_eq!(sweep_at(&clock, &mut writer, 10), (0, 0));
    let store = Arc::clone(&writer.store);
    let mut transaction = Transaction::new(&store);
    transaction.remove(TOKEN, Id::new([2; 16]), Tombstone::Deleted).unwrap();
    writer.apply(transaction).unwrap();
    // Without a grace from now on, what waits is due.
    let mut writer = writer.with_grace(0);
    assert_eq!(sweep_at(&clock, &mut writer, 11), (1, 0));
    assert_eq!(store.index().unwrap().waiting().count(), 0);
}
