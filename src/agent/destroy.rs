//! The end of a whole token. What is secret goes first and durably, in every record's cell; then the
//! records go, and last the token's entry, so that a crash in between leaves a token whose officer can
//! ask again, and nothing that could be read.

use super::audit::{Event, Fact};
use super::keyspace;
use super::open_store::{Found, OpenStore};
use super::transaction::{Ending, Transaction};
use super::writer::{STEP, Writer};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::Need;
use std::sync::Arc;

impl Writer {
    /// Ends a token; how many records went with it.
    pub(super) fn destroy_token(&mut self, token: Id, change: &[u8; 16]) -> Result<u64> {
        if let Some(counts) = self.answered(change)? {
            return Ok(counts.first().copied().unwrap_or(0));
        }
        let store = Arc::clone(&self.store);
        if store.token(token)?.is_none() {
            return Err(Reason::TokenAbsent.into());
        }
        store.records.room(Need::Shrink)?;
        erase(&store, token)?;
        let count = self.remove_records(&store, token)?;
        // An entry that is missing from now on was not lost.
        store.cells.pins.abandon(token)?;
        let mut transaction = Transaction::new(&store);
        transaction.remove_token(token);
        transaction.note(Fact::of_token(Event::TokenDestroyed, token));
        self.finish(transaction, change, vec![count])?;
        self.sync_and_publish()?;
        store.cells.pins.vacate(token)?;
        Ok(count)
    }

    fn remove_records(&mut self, store: &OpenStore, token: Id) -> Result<u64> {
        let records = records(store, token)?;
        for step in records.chunks(STEP) {
            let mut transaction = Transaction::new(store);
            for found in step {
                transaction.remove(token, found, Ending::Deleted)?;
            }
            self.apply(transaction)?;
        }
        Ok(records.len() as u64)
    }
}

/// Erases the secret of every record. The modules notice before and, with the records' removal, after.
fn erase(store: &OpenStore, token: Id) -> Result<()> {
    let records = records(store, token)?;
    store.page.moved(token, token);
    for found in &records {
        store.page.moved(token, found.known.header.watched(found.known.id));
    }
    let cells: Vec<_> = records.iter().filter_map(|found| found.row.cell).collect();
    store.cells.erase.delete(&cells, store.now())
}

fn records(store: &OpenStore, token: Id) -> Result<Vec<Found>> {
    let mut records = Vec::new();
    store.each(&keyspace::records(token), |key, value| {
        let id = keyspace::last_id(key).ok_or(Reason::StoreDamaged)?;
        records.push(store.found(id, value)?);
        Ok(true)
    })?;
    Ok(records)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::keyspace::TokenRow;
    use crate::agent::waker::Waker;
    use crate::clock::{FixedClock, Seconds};
    use crate::key::state::Erasure;
    use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, Role, State};
    use crate::store::Memory;
    use std::path::Path;

    const TOKEN: Id = Id::new([0xA1; 16]);
    const OTHER: Id = Id::new([0xB2; 16]);

    fn put(
        transaction: &mut Transaction<'_>,
        token: Id,
        number: u8,
        role: Role,
        at: Option<Seconds>,
    ) {
        let expiry = at.map(|at| Expiry { at, action: ExpiryAction::Erase });
        let tags = vec![crate::key::Tag([number; 16])];
        let header = Header { private: true, role, expiry, tags };
        let bytes = (header.encode().unwrap(), vec![number]);
        transaction.put(token, Id::new([number; 16]), None, header, bytes).unwrap();
    }

    /// Two tokens with an object, an ordinary key, and a custom key with material that expires at 10.
    fn furnished(directory: &Path) -> (Arc<FixedClock>, Writer) {
        let clock = Arc::new(FixedClock::at(5));
        let store = Box::new(Memory::default());
        crate::store::Cells::make(directory).unwrap();
        let store = Arc::new(OpenStore::open(directory, store, Arc::clone(&clock) as _).unwrap());
        let mut writer = Writer::open(Arc::clone(&store), Arc::new(Waker::new().unwrap())).unwrap();
        for token in [TOKEN, OTHER] {
            let slot = store.cells.pins.reserve(token, None).unwrap();
            let mut transaction = Transaction::new(&store);
            transaction.put_token(token, &TokenRow { slot, revision: 1, entry: vec![] }).unwrap();
            put(&mut transaction, token, 2, Role::Object { holds_key: false }, None);
            put(&mut transaction, token, 3, Role::Object { holds_key: true }, Some(20));
            let state = State { deletion_at: Some(30), ..State::awaiting_import() };
            put(&mut transaction, token, 4, Role::CustomKey(state), None);
            let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
            put(
                &mut transaction,
                token,
                5,
                Role::Material { key, version: 1, fingerprint },
                Some(10),
            );
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
        assert_eq!(writer.destroy_token(TOKEN, &[7; 16]), Ok(4));
        assert_eq!((rows_about(&store, TOKEN), rows_about(&store, OTHER)), (0, others));
        assert_eq!(store.cells.pins.reserve(Id::new([0xC3; 16]), None), Ok(0), "the slot is free");
        assert_eq!(writer.destroy_token(TOKEN, &[7; 16]), Ok(4), "a retry is answered");
        let again = writer.destroy_token(TOKEN, &[8; 16]);
        assert_eq!(again.unwrap_err().reason(), Reason::TokenAbsent);
    }

    #[test]
    fn secrets_are_gone_before_anything_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let (_, writer) = furnished(directory.path());
        let store = &writer.store;
        let before = rows_about(store, TOKEN);
        erase(store, TOKEN).unwrap();
        let erased = |token| {
            let erasures = records(store, token).unwrap().into_iter();
            let held = erasures.filter(|found| found.row.cell.is_some());
            held.map(|found| found.known.erasure).collect::<Vec<_>>()
        };
        assert_eq!(erased(TOKEN), vec![Erasure::Deleted(5); 2]);
        assert_eq!(erased(OTHER), vec![Erasure::Live; 2]);
        assert_eq!(rows_about(store, TOKEN), before);
    }
}
