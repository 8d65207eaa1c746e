//! A slot has one token, whichever writer is faster.

use super::erasure::Host;
use super::*;
use crate::agent::keyspace;
use crate::agent::token_entry::{EntryChange, PutToken};

/// A new token, of that identity and by a change of that name.
fn new_token(host: &Host, number: u8, slot: Option<u32>) -> EntryChange {
    let put = host.put(Expect::Absent, false);
    let (token, change) = (Id::new([number; 16]), [number; 16]);
    EntryChange::new(PutToken { token, slot, by: None, change, ..put })
}

type Slots = Vec<(u32, Id)>;

/// Returns the tokens by their slots, as their own rows say, and as those of the slots do.
fn slots(store: &OpenStore) -> (Slots, Slots) {
    let tokens = store.tokens().unwrap().into_iter().map(|(id, row)| (row.slot, id)).collect();
    let rows = store.records.scan(keyspace::SLOT_PREFIX, b"", 1000).unwrap();
    let number = |key: &[u8]| u32::from_be_bytes(*key.last_chunk().unwrap());
    let rows = rows.iter().map(|(key, id)| (number(key), keyspace::id(id).unwrap())).collect();
    (tokens, rows)
}

#[test]
fn two_writers_never_give_one_slot_to_two_tokens() {
    let host = Host::new();
    let other = host.other();
    let (mut faster, theirs) = (other.writer(), new_token(&other, 8, None));
    let mut writer = host.overtaken_by(move || {
        let mut theirs = theirs;
        faster.drive(&mut theirs).unwrap();
    });
    writer.drive(&mut new_token(&host, 9, None)).unwrap();
    writer.sync_and_publish().unwrap();
    let expected = [(0, TOKEN), (1, Id::new([8; 16])), (2, Id::new([9; 16]))];
    assert_eq!(slots(&writer.store), (expected.to_vec(), expected.to_vec()));
    assert_eq!(writer.store.cells.pins.of(Id::new([9; 16])).unwrap(), (2, (0, 0)));
}

#[test]
fn a_slot_that_another_writers_token_has_taken_is_refused_and_stays_that_tokens() {
    let host = Host::new();
    let other = host.other();
    let (mut faster, theirs) = (other.writer(), new_token(&other, 8, Some(1)));
    let mut writer = host.overtaken_by(move || {
        let mut theirs = theirs;
        faster.drive(&mut theirs).unwrap();
    });
    let refused = writer.drive(&mut new_token(&host, 9, Some(1)));
    assert_eq!(refused.unwrap_err().reason(), Reason::Conflict);
    assert_eq!(slots(&writer.store).1, [(0, TOKEN), (1, Id::new([8; 16]))]);
    assert!(writer.store.cells.pins.of(Id::new([9; 16])).is_err(), "nothing stays reserved");
    assert_eq!(writer.drive(&mut new_token(&host, 10, Some(2))), Ok(1));
}

#[test]
fn a_slot_is_free_again_once_its_token_is_gone() {
    let host = Host::new();
    let mut writer = host.writer();
    let store = Arc::clone(&writer.store);
    let mut removal = Transaction::new(&store);
    removal.remove_token(TOKEN).unwrap();
    writer.apply(removal).unwrap();
    writer.sync_and_publish().unwrap();
    assert_eq!(slots(&store), (vec![], vec![]));
    writer.drive(&mut new_token(&host, 9, None)).unwrap();
    assert_eq!(slots(&store).1, [(0, Id::new([9; 16]))]);
}
