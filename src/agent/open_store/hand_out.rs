//! Records as they are handed out: without the sealed part of what has ended.

use super::{Found, OpenStore};
use crate::agent::rows::RecordRow;
use crate::agent::rules::KnownRecord;
use crate::agent::shred_layer;
use crate::erasure::{Erasure, Tombstone};
use crate::error::Result;
use crate::id::Id;
use crate::key::{KeyState, Role};
use crate::store::cells::EraseCell;
use crate::wire::Stored;

impl OpenStore {
    /// A record as it is handed out: what is dead comes without its sealed part.
    pub(crate) fn hand_out(&self, token: Id, found: Found) -> Result<Stored> {
        let Found { row, known } = found;
        let erasure = match &known.header.role {
            Role::CustomKey(state) => self.newest_outcome(token, known.id, state, &row)?,
            Role::Material { .. } | Role::Object { .. } => self.outcome(&known),
        };
        let sealed = match (erasure, row.cell) {
            (Erasure::Live, Some(cell)) => {
                let binding = shred_layer::Binding { token, id: known.id, revision: row.revision };
                match self.cells.erase.read_cell(cell)? {
                    EraseCell::Secret(secret) => {
                        shred_layer::decrypt(&secret, binding, &row.sealed)?
                    }
                    EraseCell::Erased(_) => Vec::new(),
                }
            }
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
        Ok(newest.map_or(Erasure::Live, |found| self.outcome(&found.known)))
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
