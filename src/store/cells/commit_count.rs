//! The number of the last durable commit, by which a store that has lost commits is noticed.

use super::cell::{COMMITS_CELL, Cell};
use super::file::CellFile;
use super::fixed::FixedCells;
use crate::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of the last commit known to be durable in the store.
pub(crate) struct CommitCount {
    file: Arc<CellFile>,
    number: Mutex<u64>,
}

impl CommitCount {
    /// Reads it from the fixed cells; a lost one counts as 0.
    pub(super) fn read(file: Arc<CellFile>, fixed: &FixedCells) -> Self {
        let number = match fixed.get(COMMITS_CELL) {
            Some(Cell::Commits(number)) => *number,
            _ => {
                log::error!("{}: the count of commits is lost", file.path().display());
                0
            }
        };
        Self { file, number: Mutex::new(number) }
    }

    /// Returns the number.
    pub(crate) fn get(&self) -> u64 {
        *self.lock()
    }

    /// Notes that the store has made commits durable up to `number`. It needs no sync: a store that
    /// knows fewer commits than this file has lost some, whenever the note reached the disk.
    pub(crate) fn note(&self, number: u64) -> Result<()> {
        let mut current = self.lock();
        *current = number;
        self.file.write(COMMITS_CELL, &Cell::Commits(number))
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
