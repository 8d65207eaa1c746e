//! The open cell file: cells are read and written whole, and the first failed write or sync ends it.

use super::cell::{Bytes, Cell, FIRST_ERASE, SIZE, blank};
use super::damage::{self, MOST_CORRECTED};
use super::{CellNumber, offset};
use crate::error::{Error, Reason, Result};
use crate::store::{files, syncs};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The fixed cells that are not as they were written, and what they were, where that can be told.
pub(super) type Damaged = BTreeMap<CellNumber, Option<Cell>>;

/// An open cell file.
pub(super) struct CellFile {
    file: File,
    path: PathBuf,
    damaged: Mutex<Damaged>,
    /// Erase cells of which nothing tells what they were.
    hopeless: Mutex<HashSet<CellNumber>>,
    broken: AtomicBool,
}

/// The fixed cells of a file, read at once; a cell with one damaged byte as it was before.
pub(super) struct FixedCells {
    cells: BTreeMap<CellNumber, Cell>,
    damaged: Damaged,
    /// The number of whole cells in the file.
    pub(super) end: CellNumber,
}

impl FixedCells {
    /// Reads them from an open file. Secrets are not read here.
    pub(super) fn read(file: &File, path: &Path) -> Result<Self> {
        let end = count_cells(file, path)?;
        let mut bytes = vec![0; offset(FIRST_ERASE) as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|cause| files::failed(path, &cause))?;
        let numbered = (0..FIRST_ERASE).zip(bytes.as_chunks::<SIZE>().0);
        let damaged: Damaged = damage::damaged_of(numbered.clone()).into_iter().collect();
        for (number, cell) in &damaged {
            let told = damage::told(*number, cell.is_some());
            log::error!("{}: {told}; `keystead recover` mends what can be mended", path.display());
        }
        let whole = |(number, bytes)| Some((number, Cell::decode(number, bytes)?));
        Ok(Self { cells: numbered.filter_map(whole).collect(), damaged, end })
    }

    /// Returns a cell, unless it is lost.
    pub(super) fn get(&self, number: CellNumber) -> Option<&Cell> {
        self.cells.get(&number).or_else(|| self.damaged.get(&number)?.as_ref())
    }
}

impl CellFile {
    /// Opens the file at `path`, and reads its fixed cells. Fails where it is gone or too short.
    pub(super) fn open(path: PathBuf) -> Result<(Self, FixedCells)> {
        if !path.exists() {
            return Err(damaged(&path, "it is gone"));
        }
        let file = files::open_private(&path, false)?;
        let fixed = FixedCells::read(&file, &path)?;
        let (hopeless, broken) = (Mutex::default(), AtomicBool::new(false));
        Ok((Self { file, path, damaged: Mutex::default(), hopeless, broken }, fixed))
    }

    /// Keeps what is damaged in the fixed cells until it is mended or written over.
    pub(super) fn note_damage(&self, fixed: FixedCells) {
        *self.damaged() = fixed.damaged;
    }

    /// Returns the damaged fixed cells that have not been written since.
    pub(super) fn damaged(&self) -> MutexGuard<'_, Damaged> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where the file lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true until a write or a sync has failed.
    pub(super) fn alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// Reads a cell; one with one damaged byte as it was before. Fails where the cell is lost.
    pub(super) fn read(&self, number: CellNumber) -> Result<Cell> {
        let bytes = self.raw(number)?;
        if let Some(cell) = Cell::decode(number, &bytes) {
            return Ok(cell);
        }
        let cell = self.corrected(number, &bytes);
        let told = damage::told(number, cell.is_some());
        match cell {
            Some(cell) => {
                log::error!("{}: {told}; `keystead recover` mends it", self.path.display());
                Ok(cell)
            }
            None => Err(damaged(&self.path, told)),
        }
    }

    /// Reads a cell's bytes as they stand in the file.
    pub(super) fn raw(&self, number: CellNumber) -> Result<Bytes> {
        let mut bytes = blank();
        self.file
            .read_exact_at(&mut **bytes, offset(number))
            .map_err(|cause| files::failed(&self.path, &cause))?;
        Ok(bytes)
    }

    /// Writes a cell; durable with the next [`sync`](Self::sync).
    pub(super) fn write(&self, number: CellNumber, cell: &Cell) -> Result<()> {
        self.ended()?;
        self.file
            .write_all_at(&**cell.encode(number), offset(number))
            .map_err(|cause| self.fail(files::failed(&self.path, &cause)))?;
        if number < FIRST_ERASE {
            self.damaged().remove(&number);
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        self.ended()?;
        let synced = syncs::during(&self.path, || self.file.sync_data());
        synced.map_err(|cause| self.fail(files::failed(&self.path, &cause)))
    }

    /// Appends `count` blank cells behind cell `end`, or leaves the file as it was where there is no room.
    pub(super) fn extend(&self, end: CellNumber, count: u32) -> Result<()> {
        self.ended()?;
        let from = offset(end);
        let Err(cause) = self.file.write_all_at(&vec![0; count as usize * SIZE], from) else {
            return Ok(());
        };
        let error = files::failed(&self.path, &cause);
        self.file.set_len(from).map_err(|cause| self.fail(files::failed(&self.path, &cause)))?;
        Err(error)
    }

    /// Returns what a damaged cell was, as long as few are.
    fn corrected(&self, number: CellNumber, bytes: &[u8; SIZE]) -> Option<Cell> {
        let mut hopeless = self.hopeless.lock().unwrap_or_else(PoisonError::into_inner);
        if hopeless.contains(&number) || hopeless.len() >= MOST_CORRECTED {
            return None;
        }
        let cell = Cell::corrected(number, bytes);
        if cell.is_none() {
            hopeless.insert(number);
        }
        cell
    }

    fn ended(&self) -> Result<()> {
        match self.alive() {
            true => Ok(()),
            false => Err(damaged(&self.path, "an earlier failure ended this instance")),
        }
    }

    fn fail(&self, error: Error) -> Error {
        self.broken.store(true, Ordering::Release);
        error
    }
}

/// Writes a whole file of `end` cells, durably; those that are not given are unused.
pub(super) fn write_whole(
    path: &Path,
    end: CellNumber,
    cells: &[(CellNumber, Cell)],
) -> Result<()> {
    let file = files::open_private(path, true)?;
    let mut bytes = Zeroizing::new(vec![0; offset(end) as usize]);
    for (number, cell) in cells {
        let at = offset(*number) as usize;
        if let Some(place) = bytes.get_mut(at..at + SIZE) {
            place.copy_from_slice(&**cell.encode(*number));
        }
    }
    file.set_len(0)
        .and_then(|()| file.write_all_at(&bytes, 0))
        .and_then(|()| file.sync_all())
        .map_err(|cause| files::failed(path, &cause))
}

/// Returns the number of whole cells in a file. Fails where the fixed cells are not all there.
pub(super) fn count_cells(file: &File, path: &Path) -> Result<CellNumber> {
    let length = file.metadata().map_err(|cause| files::failed(path, &cause))?.len();
    match u32::try_from(length / SIZE as u64) {
        Ok(end) if end >= FIRST_ERASE => Ok(end),
        _ => Err(damaged(path, format_args!("{length} bytes cannot be its length"))),
    }
}

/// Returns the error for a file that nothing but a backup mends.
pub(super) fn damaged(path: &Path, what: impl Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        path.display()
    ))
}
