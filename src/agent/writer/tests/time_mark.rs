//! The time in the store puts no two writers in conflict, and never goes back on its own.

use super::erasure::{Host, NOW};
use super::*;

/// Writes a row that concerns one record alone.
fn defer(store: &OpenStore, number: u8) -> Transaction<'_> {
    let mut transaction = Transaction::new(store);
    let id = Id::new([number; 16]);
    transaction.find(TOKEN, id).unwrap();
    transaction.defer(NOW, TOKEN, id);
    transaction
}

#[test]
fn writers_of_different_keys_that_read_before_either_wrote_are_in_no_conflict() {
    let host = Host::new();
    let [mut one, mut other] = [host.writer(), host.other().writer()];
    let stores = [Arc::clone(&one.store), Arc::clone(&other.store)];
    let (ours, theirs) = (defer(&stores[0], 8), defer(&stores[1], 9));
    one.apply(ours).unwrap();
    other.apply(theirs).unwrap();
    assert_eq!(host.memory.scan(b"g", b"", 10).unwrap().len(), 2);
}

#[test]
fn the_mark_of_time_is_the_latest_of_any_writer() {
    let host = Host::new();
    let behind = host.other();
    let [mut one, mut other] = [host.writer(), behind.writer()];
    let stores = [Arc::clone(&one.store), Arc::clone(&other.store)];
    host.clock.set(NOW + 50);
    one.apply(defer(&stores[0], 8)).unwrap();
    other.apply(defer(&stores[1], 9)).unwrap();
    assert_eq!(stores[0].meta().unwrap().mark, NOW + 50);
}
