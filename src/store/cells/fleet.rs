//! The cells of a fleet's host: its identity, the fleet key, and its envelope keys, of which there are two while one takes
//! the other's place.

use super::cell::{
    Cell, CellNumber, CellSecret, ENVELOPE_KEY_CELLS, FLEET_FORMAT, FLEET_KEY_CELL, HOST_CELL,
};
use super::file::CellFile;
use super::fixed::{FixedCells, damaged};
use crate::error::Result;
use crate::id::Id;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The cells of a fleet's host.
pub(crate) struct FleetCells {
    file: Arc<CellFile>,
    host: Id,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    fleet: Option<(u32, CellSecret)>,
    envelope: BTreeMap<u64, CellSecret>,
}

impl FleetCells {
    /// Reads them from the fixed cells; none in a store of one machine. Fails where the host's identity is lost.
    pub(super) fn read(file: Arc<CellFile>, fixed: &FixedCells) -> Result<Option<Self>> {
        if fixed.format() != Some(FLEET_FORMAT) {
            return Ok(None);
        }
        let Some(Cell::Host(host)) = fixed.get(HOST_CELL) else {
            return Err(damaged(file.path(), "it does not tell which host of its fleet this is"));
        };
        let mut keys = Keys::default();
        if let Some(Cell::FleetKey(number, key)) = fixed.get(FLEET_KEY_CELL) {
            keys.fleet = Some((*number, key.clone()));
        }
        for cell in ENVELOPE_KEY_CELLS {
            if let Some(Cell::EnvelopeKey(number, Some(key))) = fixed.get(cell) {
                keys.envelope.insert(*number, key.clone());
            }
        }
        let host = *host;
        Ok(Some(Self { file, host, keys: Mutex::new(keys) }))
    }

    /// Returns this host's identity.
    pub(crate) fn host(&self) -> Id {
        self.host
    }

    /// Returns the fleet key with its number; none before the host has been given it.
    pub(crate) fn fleet_key(&self) -> Option<(u32, CellSecret)> {
        self.lock().fleet.clone()
    }

    /// Keeps the fleet key, durably; an earlier one is overwritten.
    pub(crate) fn keep_fleet_key(&self, number: u32, key: &CellSecret) -> Result<()> {
        let mut keys = self.lock();
        self.file.write(FLEET_KEY_CELL, &Cell::FleetKey(number, key.clone()))?;
        self.file.sync()?;
        keys.fleet = Some((number, key.clone()));
        Ok(())
    }

    /// Returns the numbers of the envelope keys that there are, ascending.
    pub(crate) fn envelope_keys(&self) -> Vec<u64> {
        self.lock().envelope.keys().copied().collect()
    }

    /// Returns the private half of an envelope key; none where it is overwritten, or never was.
    pub(crate) fn envelope_key(&self, number: u64) -> Option<CellSecret> {
        self.lock().envelope.get(&number).cloned()
    }

    /// Keeps the private half of the envelope key after the present one, durably, beside it.
    pub(crate) fn keep_envelope_key(&self, number: u64, key: &CellSecret) -> Result<()> {
        let mut keys = self.lock();
        self.file
            .write(envelope_key_cell(number), &Cell::EnvelopeKey(number, Some(key.clone())))?;
        self.file.sync()?;
        keys.envelope.retain(|kept, _| envelope_key_cell(*kept) != envelope_key_cell(number));
        keys.envelope.insert(number, key.clone());
        Ok(())
    }

    /// Overwrites the private half of an envelope key. After `Ok` it is gone from the file.
    pub(crate) fn overwrite_envelope_key(&self, number: u64) -> Result<()> {
        let mut keys = self.lock();
        if keys.envelope.contains_key(&number) {
            self.file.write(envelope_key_cell(number), &Cell::EnvelopeKey(number, None))?;
            self.file.sync()?;
            keys.envelope.remove(&number);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the cell of an envelope key.
pub(super) fn envelope_key_cell(number: u64) -> CellNumber {
    let [even, odd] = ENVELOPE_KEY_CELLS;
    if number.is_multiple_of(2) { even } else { odd }
}
