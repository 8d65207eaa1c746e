//! Records as they are handed out: without the sealed part of what has ended.

use super::{Found, OpenStore};
use crate::agent::rows::RecordRow;
use crate::agent::rules::KnownRecord;
use crate::agent::shred_layer;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{KeyState, Role};
use crate::store::cells::{CellNumber, EraseCell};
use crate::wire::Stored;

/// The sealed part of a record by the secret of its cell.
enum Decrypted {
    Sealed(Vec<u8>),
    Erased,
    /// The secret is another's, as after an earlier cell file was put in place of the store's own.
    Lost(Tombstone),
}

impl OpenStore {
    /// A record as it is handed out: what is dead comes without its sealed part.
    pub(crate) fn hand_out(&self, token: Id, found: Found) -> Result<Stored> {
        let Found { row, known } = found;
        let mut erasure = match &known.header.role {
            Role::CustomKey(state) => self.newest_outcome(token, known.id, state, &row)?,
            Role::Material { .. } | Role::Object { .. } => self.outcome(&known),
        };
        let sealed = match (erasure, row.cell) {
            (Erasure::Live, Some(cell)) => match self.decrypted(token, known.id, &row, cell)? {
                Decrypted::Sealed(sealed) => sealed,
                Decrypted::Erased => Vec::new(),
                Decrypted::Lost(tombstone) => {
                    erasure = Erasure::Ended(tombstone);
                    Vec::new()
                }
            },
            (_, Some(_)) => Vec::new(),
            (Erasure::Live, None) => row.sealed,
            (_, None) if matches!(known.header.role, Role::Object { .. }) => Vec::new(),
            (_, None) => row.sealed,
        };
        Ok(Stored { id: known.id, revision: row.revision, header: row.header, sealed, erasure })
    }

    /// Returns the state of a custom key's newest material.
    pub(crate) fn newest_outcome(
        &self,
        token: Id,
        key: Id,
        state: &KeyState,
        row: &RecordRow,
    ) -> Result<Erasure> {
        if let Some(tombstone) = row.tombstone {
            return Ok(Erasure::Ended(tombstone));
        }
        let newest = self.versions(token, key)?.into_iter().find(|found| {
            matches!(found.known.header.role, Role::Material { version, .. } if version == state.version)
        });
        let Some(Found { known, row }) = newest else { return Ok(Erasure::Live) };
        let erasure = self.outcome(&known);
        match row.cell.filter(|_| erasure == Erasure::Live) {
            Some(cell) => match self.decrypted(token, known.id, &row, cell)? {
                Decrypted::Lost(tombstone) => Ok(Erasure::Ended(tombstone)),
                Decrypted::Sealed(_) | Decrypted::Erased => Ok(erasure),
            },
            None => Ok(erasure),
        }
    }

    /// Decrypts the shred layer of a record. Where it does not fit the secret of the cell that the record claims, the
    /// cell counts as deleted from here on, and is left as it is.
    fn decrypted(&self, token: Id, id: Id, row: &RecordRow, cell: CellNumber) -> Result<Decrypted> {
        let EraseCell::Secret(secret) = self.erase_cell(cell)? else {
            return Ok(Decrypted::Erased);
        };
        let binding = shred_layer::Binding { token, id, revision: row.revision };
        let error = match shred_layer::decrypt(&secret, binding, &row.sealed) {
            Ok(sealed) => return Ok(Decrypted::Sealed(sealed)),
            Err(error) => error,
        };
        // It may have made way since it was read, and its cell may serve another.
        let now = self.find(token, id)?.map(|found| (found.row.revision, found.row.cell));
        if error.reason() != Reason::StoreDamaged || now != Some((row.revision, Some(cell))) {
            return Err(error);
        }
        log::error!("its material counts as deleted: {error}");
        // Where damage has two records claim the cell, it may be the other's.
        if self.index()?.claims_of(cell).eq([(token, id)]) {
            self.cells.erase.presume_deleted(&[cell], self.now());
        }
        Ok(Decrypted::Lost(Tombstone::Deleted(self.now())))
    }

    /// Returns the state of material by its cell, as it will be once all that is due has been erased.
    fn outcome(&self, known: &KnownRecord) -> Erasure {
        match known.erasure {
            Erasure::Live if known.is_dead(self.now()) => Erasure::Ended(Tombstone::Expired(
                known.header.expiry.map_or(0, |expiry| expiry.at),
            )),
            erasure => erasure,
        }
    }
}
