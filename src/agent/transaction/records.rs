//! The part of a transaction that changes records: their rows, the fingerprints that belong to custom keys, and the
//! erase cells that they claim and give up.

use super::Transaction;
use crate::agent::audit;
use crate::agent::keyspace;
use crate::agent::open_store::{Found, OpenStore};
use crate::agent::rows::{self, RecordRow};
use crate::agent::rules::KnownRecord;
use crate::agent::shred_layer;
use crate::clock::Seconds;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Fingerprint, Header, Role};
use crate::store::cells::{CellNumber, EraseCell};

impl Transaction<'_> {
    /// Returns the custom key that material with a fingerprint belongs to, if it still stands.
    pub(crate) fn owner(&self, token: Id, fingerprint: &Fingerprint) -> Result<Option<Id>> {
        let Some(owner) = self.get(&keyspace::owner(token, fingerprint))? else { return Ok(None) };
        let key = keyspace::id(&owner).ok_or(Reason::StoreDamaged)?;
        Ok(self.find(token, key)?.map(|_| key))
    }

    /// Writes a record over what stands there, and returns its new revision. Without an `alias` it keeps the
    /// one that it has.
    pub(crate) fn put(
        &mut self,
        token: Id,
        id: Id,
        header: &Header,
        (header_bytes, sealed): (Vec<u8>, Vec<u8>),
        alias: Option<&str>,
    ) -> Result<u64> {
        let old = self.find(token, id)?;
        let mut row = old.as_ref().map_or_else(RecordRow::default, |old| old.row.clone());
        row.revision += 1;
        (row.header, row.sealed) = (header_bytes, sealed);
        row.alias = alias.map(str::to_owned).or(row.alias);
        // What the new state says of its material itself, the tombstone dates.
        row.tombstone = row.tombstone.filter(|_| lacks_material(header));
        row.cell = None;
        if header.holds_key() {
            let cell = self.cell_for(token, old.as_ref())?;
            let binding = shred_layer::Binding { token, id, revision: row.revision };
            row.sealed = self.store.encrypt_in_cell(cell, binding, &row.sealed)?;
            row.cell = Some(cell);
        }
        if let Some((fingerprint, key)) = keyspace::ownership(id, header) {
            self.write_owner(token, &fingerprint, key)?;
        }
        let revision = row.revision;
        self.write_row(token, id, &row)?;
        Ok(revision)
    }

    /// Removes a record, where there is one, and has its material erased.
    pub(crate) fn remove(
        &mut self,
        token: Id,
        id: Id,
        end: fn(Seconds) -> Tombstone,
    ) -> Result<()> {
        match self.remove_alone(token, id, end)? {
            Some(old) if matches!(old.known.header.role, Role::CustomKey(_)) => {
                self.remove_owners(token, &old)
            }
            _ => Ok(()),
        }
    }

    /// The same; a custom key's fingerprints are left to the caller. Returns what stood there.
    pub(crate) fn remove_alone(
        &mut self,
        token: Id,
        id: Id,
        end: fn(Seconds) -> Tombstone,
    ) -> Result<Option<Found>> {
        let Some(old) = self.find(token, id)? else { return Ok(None) };
        self.give_up_cell(token, &old, end(self.store.now()))?;
        self.writes.insert(keyspace::record(token, id), None);
        Ok(Some(old))
    }

    /// Has the record of a token that ends removed, and its material erased, as [`Self::remove_alone`] does. Of one
    /// that cannot be read the cell that it seems to claim is overwritten, unless another record claims it too.
    pub(crate) fn remove_even_unread(&mut self, token: Id, id: Id) -> Result<()> {
        let removed = self.remove_alone(token, id, Tombstone::Deleted);
        if self.store.if_readable((token, id), removed)?.is_some() {
            return Ok(());
        }
        let at = keyspace::record(token, id);
        if let Some(cell) = self.get(&at)?.and_then(|row| rows::claimed_cell(&row))
            && self.store.cells.erase.has(cell)
            && self.store.index()?.claims_of(cell).eq([(token, id)])
        {
            self.end_secret(cell, Tombstone::Deleted(self.store.now()))?;
            self.freed.insert(cell);
        }
        self.writes.insert(at, None);
        Ok(())
    }

    /// Removes a custom key with its material, or as much of that as there is room for. Returns true where the
    /// key goes too. Its row, which the caller has read, changes with each new version.
    pub(crate) fn remove_key(&mut self, token: Id, key: Id) -> Result<bool> {
        for material in self.store.version_ids(token, key)? {
            if !self.has_room() {
                return Ok(false);
            }
            let old = self.remove_alone(token, material, Tombstone::Deleted)?;
            let owned = old.and_then(|old| keyspace::ownership(material, &old.known.header));
            owned.into_iter().for_each(|(fingerprint, _)| self.free(token, &fingerprint));
        }
        if let Some(old) = self.remove_alone(token, key, Tombstone::Deleted)?
            && let Some((fingerprint, _)) = keyspace::ownership(key, &old.known.header)
        {
            self.free(token, &fingerprint);
        }
        Ok(true)
    }

    /// Has the material of a record erased, and leaves the record, found by its custom key only, as the place
    /// that says what happened.
    pub(crate) fn tombstone(&mut self, token: Id, old: &Found) -> Result<()> {
        let KnownRecord { id, header, .. } = &old.known;
        self.get(&keyspace::record(token, *id))?;
        let tombstone = self.tombstone_of(old);
        self.give_up_cell(token, old, tombstone)?;
        let (cell, sealed) = (None, Vec::new());
        let row = RecordRow { tombstone: Some(tombstone), cell, sealed, ..old.row.clone() };
        self.write_row(token, *id, &row)?;
        match header.role {
            Role::Material { key, version, .. } => self.write_key(token, key, (version, tombstone)),
            Role::CustomKey(_) | Role::Object { .. } => Ok(()),
        }
    }

    /// Returns the end of a record's material: that of its cell, where that is overwritten already.
    fn tombstone_of(&self, old: &Found) -> Tombstone {
        let said = old.row.cell.and_then(|cell| self.store.erasure(cell).ok());
        said.and_then(Erasure::tombstone).unwrap_or(Tombstone::Expired(self.store.now()))
    }

    /// Notes on a custom key the end of its newest version. Its row is written for any version, so that the
    /// key's counter moves with those of its material. One that cannot be read stays as it is, and keeps no material.
    fn write_key(
        &mut self,
        token: Id,
        key: Id,
        (version, tombstone): (u32, Tombstone),
    ) -> Result<()> {
        let at = keyspace::record(token, key);
        let before = self.get(&at)?;
        let Some(row) = self.writes.get(&at).cloned().unwrap_or(before) else { return Ok(()) };
        let read = self.store.if_readable((token, key), RecordRow::read(&row))?;
        let Some((mut row, header)) = read else { return Ok(()) };
        if let Role::CustomKey(state) = header.role
            && state.version == version
        {
            row.tombstone = Some(tombstone);
        }
        self.writes.insert(at, Some(rows::encode(&row)?));
        Ok(())
    }

    fn write_row(&mut self, token: Id, id: Id, row: &RecordRow) -> Result<()> {
        self.writes.insert(keyspace::record(token, id), Some(rows::encode(row)?));
        Ok(())
    }

    fn write_owner(&mut self, token: Id, fingerprint: &Fingerprint, key: Id) -> Result<()> {
        let at = keyspace::owner(token, fingerprint);
        if self.get(&at)?.as_deref() != Some(key.bytes()) {
            self.writes.insert(at, Some(key.bytes().to_vec()));
        }
        Ok(())
    }

    /// Frees the fingerprints of a custom key that ends.
    fn remove_owners(&mut self, token: Id, key: &Found) -> Result<()> {
        let versions = self.versions(token, key.known.id)?;
        for Found { known: KnownRecord { id, header, .. }, .. } in versions.iter().chain([key]) {
            if let Some((fingerprint, _)) = keyspace::ownership(*id, header) {
                self.free(token, &fingerprint);
            }
        }
        Ok(())
    }

    fn free(&mut self, token: Id, fingerprint: &Fingerprint) {
        self.writes.insert(keyspace::owner(token, fingerprint), None);
    }

    /// Returns the cell that a record keeps while its material lives, else a fresh one.
    fn cell_for(&mut self, token: Id, old: Option<&Found>) -> Result<CellNumber> {
        let now = self.store.now();
        match old.map(|old| (old, old.row.cell)) {
            Some((old, Some(cell))) if !old.known.is_dead(now) => return Ok(cell),
            Some((old, _)) => self.give_up_cell(token, old, Tombstone::Expired(now))?,
            None => {}
        }
        self.compare_hosts()?;
        let cell = self.store.take_cell()?;
        self.claimed.push(cell);
        Ok(cell)
    }

    /// Returns whether a cell has to be overwritten: a damaged one may have all but the bit that tells.
    fn may_hold_secret(&self, cell: CellNumber, erasure: Erasure) -> bool {
        erasure == Erasure::Live || self.store.erase_cell(cell).is_err()
    }

    fn give_up_cell(&mut self, token: Id, old: &Found, end: Tombstone) -> Result<()> {
        let Some(cell) = old.row.cell else { return Ok(()) };
        let erased = self.may_hold_secret(cell, old.known.erasure);
        if erased {
            self.end_secret(cell, end)?;
        }
        // A cell that a crash left overwritten tells what for; the change has no line yet.
        let expired = |erasure| matches!(erasure, Erasure::Ended(Tombstone::Expired(_)));
        if expired(Erasure::Ended(end)) && (erased || expired(old.known.erasure)) {
            self.facts.push(audit::expired(token, &old.known));
        }
        self.freed.insert(cell);
        Ok(())
    }
}

/// Returns whether a record is a custom key without material.
fn lacks_material(header: &Header) -> bool {
    matches!(&header.role, Role::CustomKey(state) if !state.has_material())
}

impl OpenStore {
    /// Encrypts a sealed part once more, under a cell's secret.
    fn encrypt_in_cell(
        &self,
        cell: CellNumber,
        binding: shred_layer::Binding,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        match self.erase_cell(cell)? {
            EraseCell::Secret(secret) => shred_layer::encrypt(&secret, binding, sealed),
            EraseCell::Erased(_) => Err(Reason::Conflict.into()),
        }
    }
}
