//! Fields that a later build has added to rows outlive the changes of this one.

use super::erasure::{Host, KEY, NOW, commit, rewrite};
use super::*;
use crate::agent::rows::{self, Answered, Extras, Meta, RecordRow};
use crate::agent::sweep::Sweep;
use crate::agent::tests::{entry, token_key};
use crate::agent::token_entry::{EntryChange, PutToken};
use crate::key::pin::Pin;
use crate::store::Condition;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The change of [`Host::put`], whose answer is kept.
const CHANGE: [u8; 16] = [7; 16];

fn extras() -> Extras {
    vec![(1, b"one".to_vec()), (u32::MAX, Vec::new())]
}

fn row<T: DeserializeOwned>(host: &Host, key: &[u8]) -> T {
    rows::decode(&host.memory.get(key).unwrap().unwrap(), "a row").unwrap()
}

/// Writes a row as a later build leaves it.
fn extend<T: DeserializeOwned + Serialize>(host: &Host, key: Vec<u8>, add: fn(&mut T)) {
    let before = host.memory.get(&key).unwrap().unwrap();
    let mut row: T = rows::decode(&before, "a row").unwrap();
    add(&mut row);
    let conditions = vec![Condition::Equals(key.clone(), before)];
    let writes = vec![(key, Some(rows::encode(&row).unwrap()))];
    host.memory.apply(&Batch { conditions, writes }).unwrap();
}

fn extended() -> Host {
    let host = Host::new();
    extend(&host, keyspace::meta(), |row: &mut Meta| row.extras = extras());
    extend(&host, keyspace::token(TOKEN), |row: &mut TokenRow| row.extras = extras());
    extend(&host, keyspace::record(TOKEN, KEY), |row: &mut RecordRow| row.extras = extras());
    extend(&host, keyspace::answer(0), |row: &mut Answered| row.extras = extras());
    host
}

fn put(host: &Host, revision: u64, wipe: bool) -> PutToken {
    let mut entry = entry(true);
    let pin = format!("{revision}23456");
    entry.user = Some(Pin::wrap(TOKEN, &token_key(), pin.as_bytes(), [3; 16], &[4; 32]).unwrap());
    let (entry, change) = (entry.encode().unwrap(), [70 + revision as u8; 16]);
    PutToken { entry, change, ..host.put(Expect::Revision(revision), wipe) }
}

#[test]
fn a_change_of_pin_a_commit_and_an_expiry_keep_what_a_later_build_has_added() {
    let host = extended();
    let mut writer = host.writer();
    writer.drive(&mut EntryChange::new(put(&host, 1, false))).unwrap();
    writer.drive(&mut commit(rewrite(Expect::Revision(1), 900))).unwrap();
    host.clock.set(NOW + 900);
    writer.drive(&mut Sweep::new(0)).unwrap();
    writer.sync_and_publish().unwrap();

    let (meta, token): (Meta, TokenRow) =
        (row(&host, &keyspace::meta()), row(&host, &keyspace::token(TOKEN)));
    assert_eq!((meta.mark, meta.extras), (NOW + 900, extras()));
    assert_eq!((token.revision, token.extras), (2, extras()));
    let record: RecordRow = row(&host, &keyspace::record(TOKEN, KEY));
    assert!(record.tombstone.is_some());
    assert_eq!((record.revision, record.extras), (2, extras()));
    let answered: Answered = row(&host, &keyspace::answer(0));
    let Answered { change, revisions, extras: its } = answered;
    assert_eq!((change, revisions, its), (CHANGE, vec![1], extras()));
}

#[test]
fn a_token_that_begins_again_keeps_what_a_later_build_has_added() {
    let host = extended();
    host.writer().drive(&mut EntryChange::new(put(&host, 1, true))).unwrap();
    let token: TokenRow = row(&host, &keyspace::token(TOKEN));
    assert_eq!((token.revision, token.under_way, token.extras), (2, None, extras()));
}
