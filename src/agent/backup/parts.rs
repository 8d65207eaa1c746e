//! The content of a backup, gathered from a store in parts.

use super::content::{BackedUpCell, BackedUpRecord, BackedUpStore, BackedUpToken, Item};
use super::{BACKUP_FORMAT, check_of};
use crate::agent::keyspace;
use crate::agent::open_store::{Found, OpenStore};
use crate::agent::rows::{RecordRow, TokenRow};
use crate::agent::rules::KnownRecord;
use crate::agent::shred_layer;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Role;
use crate::store::cells::{CellNumber, EraseCell, StoreIdentity};
use crate::wire::Response;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// The size of a part but for the last, in bytes: it fits into a frame with room to spare.
const PART: usize = 1 << 20;

/// A backup's content in parts, each given out once.
#[derive(Default)]
pub(crate) struct BackupParts {
    parts: VecDeque<Zeroizing<Vec<u8>>>,
    bytes: u64,
    tokens: u64,
    custom_keys: u64,
    others: u64,
    damaged: Vec<Id>,
}

impl BackupParts {
    /// Gathers everything. Nothing is written meanwhile.
    pub(crate) fn from(store: &OpenStore) -> Result<Self> {
        let StoreIdentity { store: id, incarnation } = store.cells.identity;
        let mut parts = Self::default();
        parts.put(&Item::Store(BackedUpStore {
            format: BACKUP_FORMAT,
            id,
            incarnation,
            commits: store.records.number()?,
            mark: store.now(),
            taken: store.clock(),
        }))?;
        let mut records = 0;
        for (token, row) in store.tokens()? {
            parts.put(&token_item(store, token, row)?)?;
            parts.tokens += 1;
            let unread = store.each_readable_record(token, |found| {
                let record = parts.record(store, token, found)?;
                parts.put(&Item::Record(record))?;
                records += 1;
                Ok(())
            })?;
            parts.damaged.extend(unread);
        }
        parts.put(&Item::End { tokens: parts.tokens, records })?;
        Ok(parts)
    }

    /// The next part; empty behind the last.
    pub(crate) fn next_part(&mut self) -> Zeroizing<Vec<u8>> {
        self.parts.pop_front().unwrap_or_default()
    }

    /// Returns the answer to the request for it.
    pub(crate) fn summary(&self) -> Response {
        let Self { bytes, tokens, custom_keys, others, .. } = *self;
        Response::BackupReady { bytes, tokens, custom_keys, others, damaged: self.damaged.clone() }
    }

    fn put(&mut self, item: &Item) -> Result<()> {
        let encoded = Zeroizing::new(item.encode(Vec::new())?);
        self.bytes += encoded.len() as u64;
        let mut rest = encoded.as_slice();
        while !rest.is_empty() {
            if self.parts.back().is_none_or(|part| part.len() == PART) {
                // With all its room at once, so that it never moves and leaves no copy.
                self.parts.push_back(Zeroizing::new(Vec::with_capacity(PART)));
            }
            let Some(part) = self.parts.back_mut() else { continue };
            let (now, later) = rest.split_at(rest.len().min(PART - part.len()));
            part.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    /// A record as it goes into a backup: material that is dead, or due to die, stays behind. What waits
    /// its grace out comes along: the clock may have been wrong.
    fn record(&mut self, store: &OpenStore, token: Id, found: Found) -> Result<BackedUpRecord> {
        let Found { row, known } = found;
        match known.header.role {
            Role::CustomKey(_) => self.custom_keys += 1,
            Role::Object { .. } => self.others += 1,
            Role::Material { .. } => {}
        }
        let (id, holds_key) = (known.id, known.header.holds_key());
        let (sealed, cell) = match (row.cell, row.tombstone) {
            (Some(number), None) => {
                let (sealed, check, erasure) = self.material(store, token, number, &known, &row)?;
                (sealed, Some(BackedUpCell { number, check, erasure }))
            }
            (_, Some(tombstone)) if holds_key => {
                let erasure = Erasure::Ended(tombstone);
                (Vec::new(), Some(BackedUpCell { number: 0, check: [0; 32], erasure }))
            }
            _ => (row.sealed, None),
        };
        Ok(BackedUpRecord { token, id, revision: row.revision, header: row.header, sealed, cell })
    }

    /// Returns the sealed part of live material, what tells its secret, and what became of it.
    fn material(
        &mut self,
        store: &OpenStore,
        token: Id,
        number: CellNumber,
        known: &KnownRecord,
        row: &RecordRow,
    ) -> Result<(Vec<u8>, [u8; 32], Erasure)> {
        let (id, gone) = (known.id, (Vec::new(), [0; 32]));
        let secret = match store.erase_cell(number) {
            Ok(EraseCell::Erased(tombstone)) => {
                return Ok((gone.0, gone.1, Erasure::Ended(tombstone)));
            }
            Ok(EraseCell::Secret(secret)) => secret,
            Err(error) => return Ok(self.without(store, id, &error)),
        };
        let waits = store.records.get(&keyspace::waiting(token, id))?.is_some();
        if known.is_dead(store.now()) && !waits {
            let due = known.header.expiry.map_or(0, |expiry| expiry.at);
            return Ok((gone.0, gone.1, Erasure::Ended(Tombstone::Expired(due))));
        }
        let binding = shred_layer::Binding { token, id, revision: row.revision };
        Ok(match shred_layer::decrypt(&secret, binding, &row.sealed) {
            Ok(sealed) => (sealed, check_of(&secret), Erasure::Live),
            Err(error) => self.without(store, id, &error),
        })
    }

    /// A record whose material damage has taken: the rest of the store is backed up all the same.
    fn without(
        &mut self,
        store: &OpenStore,
        id: Id,
        error: &Error,
    ) -> (Vec<u8>, [u8; 32], Erasure) {
        log::error!("the material of record {id} is not in the backup: {error}");
        self.damaged.push(id);
        (Vec::new(), [0; 32], Erasure::Ended(Tombstone::Deleted(store.now())))
    }
}

fn token_item(store: &OpenStore, id: Id, row: TokenRow) -> Result<Item> {
    let wrong = store.wrong_pins(id)?;
    Ok(Item::Token(BackedUpToken {
        id,
        slot: row.slot,
        revision: row.revision,
        entry: row.entry,
        wrong,
    }))
}
