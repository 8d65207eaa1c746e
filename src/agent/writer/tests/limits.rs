//! Changes that are longer than the store takes at once go in pieces, or are refused before anything has happened.

use super::erasure::{Host, NOW};
use super::*;
use crate::agent::destroy::DestroyToken;
use crate::agent::sweep::Sweep;
use crate::agent::token_entry::EntryChange;
use crate::key::{Expiry, ExpiryAction, Fingerprint, KeyState};

fn id(number: u16) -> Id {
    let mut bytes = [0xE0; 16];
    bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    Id::new(bytes)
}

fn key(number: u16, expires_in: u64) -> Change {
    let expiry = Some(Expiry { at: NOW + expires_in, action: ExpiryAction::Erase });
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry, tags: vec![Tag([2; 16])] };
    let put = Some((header.encode().unwrap(), b"sealed".to_vec()));
    Change { id: id(number), expect: Expect::Absent, event: vec![], put, alias: None }
}

fn commit(changes: Vec<Change>) -> Commit {
    let change = *changes.first().unwrap().id.bytes();
    Commit { token: TOKEN, changes, change, access: Access::User }
}

/// Some hundreds of keys, of which each expires in 50 s.
fn crowded(host: &Host) -> Writer {
    crowded_from(host, 0)
}

fn crowded_from(host: &Host, first: u16) -> Writer {
    let mut writer = host.writer();
    for number in first..first + 300 {
        writer.drive(&mut commit(vec![key(number, 50)])).unwrap();
    }
    writer.sync_and_publish().unwrap();
    writer
}

fn records(writer: &Writer) -> usize {
    let mut records = 0;
    let count = |_, _: &[u8]| {
        records += 1;
        Ok(())
    };
    writer.store.each_record(TOKEN, count).unwrap();
    records
}

#[test]
fn hundreds_of_keys_expire_together_with_and_without_a_grace() {
    for grace in [0, 100] {
        let host = Host::new();
        let mut writer = crowded(&host).with_grace(grace);
        host.clock.set(NOW + 60);
        let swept = writer.drive(&mut Sweep::new(grace)).unwrap();
        assert_eq!(swept.ended, if grace == 0 { 300 } else { 0 });
        for at in [300, 500, 700] {
            host.clock.set(NOW + at);
            writer.drive(&mut Sweep::new(grace)).unwrap();
        }
        writer.sync_and_publish().unwrap();
        assert_eq!(records(&writer), 0, "with a grace of {grace}");
    }
}

#[test]
fn a_token_of_hundreds_of_keys_is_wiped_and_destroyed() {
    let host = Host::new();
    let mut writer = crowded(&host);
    let again = host.put(Expect::Revision(1), true);
    writer
        .drive(&mut EntryChange::new(crate::agent::token_entry::PutToken {
            change: [8; 16],
            ..again
        }))
        .unwrap();
    assert_eq!(records(&writer), 0);
    drop(writer);
    let mut writer = crowded_from(&host, 300);
    assert_eq!(writer.drive(&mut DestroyToken::new(TOKEN, [9; 16])), Ok(300));
    writer.sync_and_publish().unwrap();
    assert_eq!((records(&writer), writer.store.tokens().unwrap()), (0, vec![]));
}

#[test]
fn a_custom_key_of_hundreds_of_versions_ends_when_it_is_due() {
    for grace in [0, 100] {
        let host = Host::new();
        let mut writer = host.writer().with_grace(grace);
        let store = Arc::clone(&writer.store);
        let of = id(0);
        let mut put = |number: u16, role| {
            let mut create = Transaction::new(&store);
            let header = Header { private: true, role, expiry: None, tags: Vec::new() };
            let bytes = (header.encode().unwrap(), b"sealed".to_vec());
            create.put(TOKEN, id(number), &header, bytes, None).unwrap();
            writer.apply(create).unwrap();
        };
        let deletion_at = Some(NOW + 20);
        put(0, Role::CustomKey(KeyState { deletion_at, ..KeyState::awaiting_import() }));
        for version in 1..=200 {
            let fingerprint = Fingerprint([version as u8; 32]);
            put(version, Role::Material { key: of, version: version.into(), fingerprint });
        }
        for at in [20, 120] {
            host.clock.set(NOW + at);
            writer.drive(&mut Sweep::new(grace)).unwrap();
        }
        writer.sync_and_publish().unwrap();
        let rows = host.memory.scan(b"", b"", usize::MAX).unwrap();
        let waits = keyspace::waiting(TOKEN, of);
        assert!(!rows.iter().any(|(key, _)| key.starts_with(b"o") || *key == waits));
        assert!(store.find(TOKEN, of).unwrap().is_none());
        assert_eq!(store.version_ids(TOKEN, of), Ok(vec![]));
    }
}

/// A custom key whose row has so many bytes, and its material, which expires in 20 s.
fn long_key(writer: &mut Writer, number: u16, size: usize) {
    let store = Arc::clone(&writer.store);
    let mut create = Transaction::new(&store);
    let mut put = |of: Id, role, expiry, size: usize| {
        let header = Header { private: true, role, expiry, tags: Vec::new() };
        let bytes = (header.encode().unwrap(), vec![7; size]);
        create.put(TOKEN, of, &header, bytes, None).unwrap();
    };
    let state = KeyState { version: 1, ..KeyState::awaiting_import() };
    put(id(number), Role::CustomKey(state), None, size);
    let fingerprint = Fingerprint([number as u8; 32]);
    let role = Role::Material { key: id(number), version: 1, fingerprint };
    let expiry = Some(Expiry { at: NOW + 20, action: ExpiryAction::Erase });
    put(id(number + 1), role, expiry, 100);
    writer.apply(create).unwrap();
}

#[test]
fn keys_whose_rows_fill_a_transaction_each_expire_together() {
    for grace in [0, 100] {
        let host = Host::new();
        let mut writer = host.writer().with_grace(grace);
        let sizes = [700, 900, 1400, 100, 800, 700, 700, 100].map(|size| size << 10);
        let numbers = (0..).step_by(2);
        numbers.clone().zip(sizes).for_each(|(number, size)| long_key(&mut writer, number, size));
        for at in [20, 120] {
            host.clock.set(NOW + at);
            writer.drive(&mut Sweep::new(grace)).unwrap();
        }
        for (number, _) in numbers.zip(sizes) {
            let [key, material] = [number, number + 1]
                .map(|number| writer.store.find(TOKEN, id(number)).unwrap().unwrap().row.tombstone);
            assert!(key.is_some() && key == material, "{number}, with a grace of {grace}");
        }
    }
}

#[test]
fn a_commit_beyond_the_limits_is_refused_and_changes_nothing() {
    let host = Host::new();
    let mut writer = host.writer();
    let before = (host.memory.number(), host.memory.scan(b"", b"", usize::MAX));
    let changes = (0..200).map(|number| key(number, 50)).collect();
    let refused = writer.drive(&mut commit(changes)).unwrap_err();
    assert_eq!(refused.reason(), Reason::ArgumentsBad);
    assert!(refused.to_string().contains("larger than the store takes"), "{refused}");
    assert_eq!((host.memory.number(), host.memory.scan(b"", b"", usize::MAX)), before);
    writer.drive(&mut commit(vec![key(0, 50)])).unwrap();
}
