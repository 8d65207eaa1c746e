//! A record that cannot be read stands in the way of nothing but itself.

use super::erasure::{Host, KEY, NOW, begin, commit, read, rewrite, secret_of_key};
use super::*;
use crate::agent::destroy::DestroyToken;
use crate::agent::expiry_report::ExpiryReport;
use crate::agent::rows;
use crate::agent::token_entry::{EntryChange, PutToken};
use crate::erasure::Tombstone;
use crate::key::{Expiry, ExpiryAction, Fingerprint};
use crate::store::cells::EraseCell;
use crate::wire::Response;

const OTHER: Id = Id::new([2; 16]);

impl Host {
    /// Writes a row behind the writers' back.
    fn write(&self, token: Id, id: Id, row: Vec<u8>) {
        let writes = vec![(keyspace::record(token, id), Some(row))];
        self.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    }

    /// Cuts the key's row short: of it no more can be told than its erase cell.
    fn cut(&self) {
        let mut row = self.memory.get(&keyspace::record(TOKEN, KEY)).unwrap().unwrap();
        row.truncate(row.len() / 2);
        self.write(TOKEN, KEY, row);
    }

    /// Brings another token, with the same PINs.
    fn put_other(&self) {
        let put = PutToken { token: OTHER, by: None, ..self.put(Expect::Absent, false) };
        let put = PutToken { change: [5; 16], ..put };
        self.writer().drive(&mut EntryChange::new(put)).unwrap();
    }
}

#[test]
fn a_token_ends_with_a_record_that_cannot_be_read_and_its_material() {
    let host = Host::new();
    let secret = secret_of_key(&host.writer());
    host.cut();
    let mut writer = host.writer();
    assert_eq!(writer.drive(&mut DestroyToken::new(TOKEN, [9; 16])), Ok(1));
    writer.sync_and_publish().unwrap();
    assert_eq!(writer.store.tokens().unwrap(), vec![]);
    assert!(!host.secret_stands(&secret));
    assert_eq!(host.memory.scan(&keyspace::records(TOKEN), b"", 9).unwrap(), vec![]);
}

#[test]
fn no_material_is_erased_that_only_a_damaged_record_claims_beside_its_own() {
    let host = Host::new();
    host.put_other();
    let secret = secret_of_key(&host.writer());
    let cell = host.writer().store.find(TOKEN, KEY).unwrap().unwrap().row.cell;
    host.write(OTHER, KEY, rows::encode(&(1_u64, cell)).unwrap());
    let mut writer = host.writer();
    assert_eq!(writer.drive(&mut DestroyToken::new(OTHER, [9; 16])), Ok(1));
    writer.sync_and_publish().unwrap();
    assert!(host.secret_stands(&secret));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}

#[test]
fn a_change_under_way_that_meets_a_damaged_record_comes_to_its_end() {
    for ends in [true, false] {
        let host = Host::new();
        begin(&host, ends);
        host.write(TOKEN, Id::new([3; 16]), b"damaged".to_vec());
        let writer = host.writer();
        let token = writer.store.token(TOKEN).unwrap();
        assert_eq!(token.map(|row| row.under_way), (!ends).then_some(None));
        assert!(read(&writer).is_none(), "its key went with it");
    }
}

#[test]
fn a_backup_names_a_damaged_record_and_has_all_others() {
    let (host, damaged) = (Host::new(), Id::new([3; 16]));
    host.write(TOKEN, damaged, b"damaged".to_vec());
    let parts = BackupParts::from(&host.writer().store).unwrap();
    let Response::BackupReady { tokens, others, damaged: named, .. } = parts.summary() else {
        panic!("it is no backup")
    };
    assert_eq!((tokens, others, named), (1, 1, vec![damaged]));
}

#[test]
fn what_expires_is_told_beside_a_damaged_record() {
    let host = Host::new();
    host.write(TOKEN, Id::new([3; 16]), b"damaged".to_vec());
    let directory = tempfile::tempdir().unwrap();
    let figures = directory.path().join("figures");
    ExpiryReport::new(Some(figures.clone()), NOW).report_if_due(&host.writer().store);
    assert!(std::fs::read_to_string(figures).unwrap().contains("keystead_custom_keys"));
}

#[test]
fn a_store_is_opened_whose_damaged_record_had_its_cell_overwritten() {
    let host = Host::new();
    let store = host.writer().store;
    let cell = store.find(TOKEN, KEY).unwrap().unwrap().row.cell.unwrap();
    store.cells.erase.erase(&[(cell, Tombstone::Deleted(NOW))]).unwrap();
    host.cut();
    let mut writer = host.writer();
    let other = Change { id: Id::new([4; 16]), ..rewrite(Expect::Absent, 100) };
    let other = Commit { change: [4; 16], ..commit(other) };
    assert_eq!(writer.drive(&mut { other }), Ok(vec![1]));
}

/// A host with material that is due at 50 s from now, and whose custom key cannot be read. Returns the material too.
fn orphaned() -> (Host, Id) {
    let (host, key, material) = (Host::new(), Id::new([5; 16]), Id::new([6; 16]));
    let fingerprint = Fingerprint([6; 32]);
    let expiry = Some(Expiry { at: NOW + 50, action: ExpiryAction::Erase });
    let role = Role::Material { key, version: 1, fingerprint };
    let header = Header { private: true, role, expiry, tags: vec![] };
    let mut writer = host.writer();
    let store = Arc::clone(&writer.store);
    let mut transaction = Transaction::new(&store);
    let sealed = (header.encode().unwrap(), b"sealed".to_vec());
    transaction.put(TOKEN, material, &header, sealed, None).unwrap();
    writer.apply(transaction).unwrap();
    writer.sync_and_publish().unwrap();
    host.write(TOKEN, key, b"damaged".to_vec());
    (host, material)
}

#[test]
fn a_store_is_opened_whose_overwritten_material_has_a_damaged_custom_key() {
    let (host, material) = orphaned();
    let store = host.writer().store;
    let cell = store.find(TOKEN, material).unwrap().unwrap().row.cell.unwrap();
    store.cells.erase.erase(&[(cell, Tombstone::Deleted(NOW))]).unwrap();
    let mended = host.writer().store.find(TOKEN, material).unwrap().unwrap();
    assert_eq!(mended.row.tombstone, Some(Tombstone::Deleted(NOW)));
    assert_eq!(mended.row.cell, None);
}

#[test]
fn material_that_is_due_is_erased_though_its_custom_key_is_damaged() {
    let (host, material) = orphaned();
    let mut writer = host.writer();
    let cell = writer.store.find(TOKEN, material).unwrap().unwrap().row.cell.unwrap();
    let Ok(EraseCell::Secret(secret)) = writer.store.cells.erase.read_cell(cell) else { panic!() };
    host.clock.set(NOW + 50);
    assert_eq!(writer.sweep().unwrap().erased, 1);
    writer.sync_and_publish().unwrap();
    assert!(!host.secret_stands(&secret[..]));
}

#[test]
fn a_store_is_opened_whose_damaged_record_seems_to_claim_a_cell_that_never_was() {
    let host = Host::new();
    let secret = secret_of_key(&host.writer());
    host.write(TOKEN, Id::new([4; 16]), rows::encode(&(1_u64, Some(4_000_000_u32))).unwrap());
    let writer = host.writer();
    assert!(host.secret_stands(&secret));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}

#[test]
fn the_secrets_of_lost_commits_are_found_beside_a_damaged_record() {
    let host = Host::new();
    host.cut();
    let store = host.writer().store;
    assert_eq!(store.foreign_cells(), Ok(vec![]));
    assert_eq!(store.claims().unwrap().len(), 1, "its cell is not given to another");
}

#[test]
fn a_record_that_claims_the_cell_of_another_takes_no_material_from_it() {
    let host = Host::new();
    let store = host.writer().store;
    let row = store.records.get(&keyspace::record(TOKEN, KEY)).unwrap().unwrap();
    let double = Id::new([4; 16]);
    host.write(TOKEN, double, row);
    let writer = host.writer();
    assert_eq!(writer.store.foreign_cells(), Ok(vec![]));
    let found = writer.store.find(TOKEN, double).unwrap().unwrap();
    let erasure = writer.store.hand_out(TOKEN, found).unwrap().erasure;
    assert!(matches!(erasure, Erasure::Ended(Tombstone::Deleted(_))));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}
