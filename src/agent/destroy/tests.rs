//! A token ends with everything in it, and nothing else does.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::rows::TokenRow;
use crate::agent::writer::Writer;
use crate::clock::{FixedClock, Seconds};
use crate::erasure::{Erasure, Tombstone};
use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, KeyState, Role};
use crate::store::Memory;
use std::path::Path;
use std::sync::Arc;

const TOKEN: Id = Id::new([0xA1; 16]);
const OTHER: Id = Id::new([0xB2; 16]);

fn put(transaction: &mut Transaction<'_>, token: Id, number: u8, role: Role, at: Option<Seconds>) {
    let expiry = at.map(|at| Expiry { at, action: ExpiryAction::Erase });
    let tags = vec![crate::key::Tag([number; 16])];
    let header = Header { private: true, role, expiry, tags };
    let bytes = (header.encode().unwrap(), vec![number]);
    transaction.put(token, Id::new([number; 16]), &header, bytes, None).unwrap();
}

/// Two tokens with an object, an ordinary key, and a custom key with material that expires at 10.
fn furnished(directory: &Path) -> (Arc<FixedClock>, Writer) {
    let clock = Arc::new(FixedClock::at(5));
    let store = Box::new(Memory::narrow());
    crate::store::Cells::make(directory).unwrap();
    let store = Arc::new(OpenStore::open(directory, store, Arc::clone(&clock) as _).unwrap());
    let mut writer = Writer::open(Arc::clone(&store), Arc::default()).unwrap();
    for token in [TOKEN, OTHER] {
        let mut transaction = Transaction::new(&store);
        let slot = transaction.take_slot(token, None).unwrap();
        let row = TokenRow { slot, revision: 1, ..TokenRow::default() };
        transaction.put_token(token, &row, (false, false)).unwrap();
        put(&mut transaction, token, 2, Role::Object { holds_key: false }, None);
        put(&mut transaction, token, 3, Role::Object { holds_key: true }, Some(20));
        let state = KeyState { deletion_at: Some(30), ..KeyState::awaiting_import() };
        put(&mut transaction, token, 4, Role::CustomKey(state), None);
        let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
        put(&mut transaction, token, 5, Role::Material { key, version: 1, fingerprint }, Some(10));
        writer.apply(transaction).unwrap();
        store.cells.pins.confirm(token).unwrap();
    }
    (clock, writer)
}

fn rows_about(store: &OpenStore, token: Id) -> usize {
    let names = |bytes: &[u8]| bytes.windows(16).any(|window| window == token.bytes());
    let rows = store.records.scan(b"", b"", 1000).unwrap();
    rows.iter().filter(|(key, value)| names(key) || names(value)).count()
}

#[test]
fn no_row_speaks_of_a_destroyed_token_and_the_other_keeps_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, mut writer) = furnished(directory.path());
    clock.set(10);
    writer.sweep().unwrap();
    let store = Arc::clone(&writer.store);
    let others = rows_about(&store, OTHER);
    assert_eq!(writer.drive(&mut DestroyToken::new(TOKEN, [7; 16])), Ok(4));
    writer.sync_and_publish().unwrap();
    assert_eq!((rows_about(&store, TOKEN), rows_about(&store, OTHER)), (0, others));
    let slot = Transaction::new(&store).take_slot(Id::new([0xC3; 16]), None);
    assert_eq!(slot, Ok(0), "the slot is free");
    assert_eq!(writer.drive(&mut DestroyToken::new(TOKEN, [7; 16])), Ok(4), "a retry is answered");
    let again = writer.drive(&mut DestroyToken::new(TOKEN, [8; 16]));
    assert_eq!(again.unwrap_err().reason(), Reason::TokenAbsent);
}

#[test]
fn a_destroyed_tokens_secrets_are_gone_when_its_end_is_answered_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut writer) = furnished(directory.path());
    let cells = |writer: &Writer, token| -> Vec<_> {
        let claims = writer.store.claims().unwrap().into_iter();
        claims.filter(|(_, owner)| owner.0 == token).map(|(cell, _)| cell).collect()
    };
    let erasures = |writer: &Writer, cells: &[_]| -> Vec<_> {
        cells.iter().map(|cell| writer.store.erasure(*cell).unwrap()).collect()
    };
    let (ours, others) = (cells(&writer, TOKEN), cells(&writer, OTHER));
    writer.drive(&mut DestroyToken::new(TOKEN, [7; 16])).unwrap();
    writer.sync_and_publish().unwrap();
    assert_eq!(erasures(&writer, &ours), vec![Erasure::Ended(Tombstone::Deleted(5)); 2]);
    assert_eq!(erasures(&writer, &others), vec![Erasure::Live; 2]);
}
