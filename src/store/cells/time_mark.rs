//! The high-water mark of time.

use super::cell::{CLOCK_CELL, Cell};
use super::file::CellFile;
use super::fixed::FixedCells;
use crate::clock::Seconds;
use crate::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The latest time that the store has seen.
pub(crate) struct TimeMark {
    file: Arc<CellFile>,
    mark: Mutex<Seconds>,
}

impl TimeMark {
    /// A damaged mark alone must not lock any user out: the store keeps a second copy.
    pub(super) fn read(file: Arc<CellFile>, fixed: &FixedCells) -> Self {
        let mark = match fixed.get(CLOCK_CELL) {
            Some(Cell::Clock(mark)) => *mark,
            _ => {
                let path = file.path().display();
                log::error!("{path}: the clock's mark is lost; the one among the records counts");
                0
            }
        };
        Self { file, mark: Mutex::new(mark) }
    }

    /// Returns the mark.
    pub(crate) fn get(&self) -> Seconds {
        *self.lock()
    }

    /// Raises the mark; durable with the next sync.
    pub(crate) fn raise(&self, mark: Seconds) -> Result<()> {
        let mut current = self.lock();
        if mark <= *current {
            return Ok(());
        }
        *current = mark;
        self.file.write(CLOCK_CELL, &Cell::Clock(mark))
    }

    /// Lowers the mark after a wrong clock; durable when it returns.
    pub(crate) fn lower(&self, mark: Seconds) -> Result<()> {
        let mut current = self.lock();
        *current = mark;
        self.file.write(CLOCK_CELL, &Cell::Clock(mark))?;
        drop(current);
        self.file.sync()
    }

    fn lock(&self) -> MutexGuard<'_, Seconds> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
