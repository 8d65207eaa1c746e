//! The open cell file: cells are read and written whole, and the first failed write or sync ends it.

use super::cell::{
    CELLS_FORMAT, Cell, CellBytes, CellNumber, FIRST_ERASE, FLEET_FORMAT, SIZE, blank,
};
use super::damage::{self, Extent, MOST_CORRECTED};
use super::fixed::{Damaged, FixedCells, damaged};
use super::identity::StoreIdentity;
use super::layout::{first_copy, offset};
use crate::error::{Error, Reason, Result};
use crate::store::{files, pending_syncs};
use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// An open cell file.
pub(super) struct CellFile {
    file: File,
    path: PathBuf,
    damaged: Mutex<Damaged>,
    /// Erase cells of which nothing tells what they were.
    hopeless: Mutex<HashSet<CellNumber>>,
    broken: AtomicBool,
}

impl CellFile {
    /// Opens the file at `path`, and reads its fixed cells. Fails where it is gone, too short, or of another
    /// format than this build's.
    pub(super) fn open(path: PathBuf) -> Result<(Self, FixedCells, StoreIdentity)> {
        if !path.exists() {
            return Err(damaged(&path, "it is gone"));
        }
        let file = files::open_private(&path, false)?;
        let fixed = FixedCells::read(&file, &path)?;
        let identity = StoreIdentity::read(&fixed, &path)?;
        if !matches!(fixed.format(), Some(CELLS_FORMAT | FLEET_FORMAT)) {
            return Err(Reason::StoreDamaged.detail(format_args!(
                "{}: it has the format of an earlier build; the next agent upgrades it",
                path.display()
            )));
        }
        let (hopeless, broken) = (Mutex::default(), AtomicBool::new(false));
        Ok((Self { file, path, damaged: Mutex::default(), hopeless, broken }, fixed, identity))
    }

    /// Keeps in mind what is damaged in the fixed cells, until it is mended or written over.
    pub(super) fn note_damage(&self, damaged: Damaged) {
        *self.damaged() = damaged;
    }

    /// Returns the damaged fixed cells that have not been written since.
    pub(super) fn damaged(&self) -> MutexGuard<'_, Damaged> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true until a write or a sync has failed.
    pub(super) fn alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// Reads an erase cell; one with one damaged byte as it was before. Fails where the cell is lost.
    pub(super) fn read(&self, number: CellNumber) -> Result<Cell> {
        let bytes = self.raw(number)?;
        self.decode(number, &bytes)
    }

    /// Decodes an erase cell's bytes, with one damaged byte as they were before. Fails where the cell is lost.
    pub(super) fn decode(&self, number: CellNumber, bytes: &[u8; SIZE]) -> Result<Cell> {
        if let Some(cell) = Cell::decode(number, bytes) {
            return Ok(cell);
        }
        let cell = self.corrected(number, bytes);
        match cell {
            Some(cell) => {
                let description = damage::describe(number, Extent::Byte);
                log::error!("{}: {description}", self.path.display());
                Ok(cell)
            }
            None => Err(damaged(&self.path, damage::describe(number, Extent::Lost))),
        }
    }

    /// Reads an erase cell's bytes as they stand in the file.
    pub(super) fn raw(&self, number: CellNumber) -> Result<CellBytes> {
        let mut bytes = blank();
        self.file
            .read_exact_at(&mut **bytes, offset(number))
            .map_err(|cause| files::failed(&self.path, &cause))?;
        Ok(bytes)
    }

    /// Reads the bytes of `count` erase cells from `first` on as they stand in the file: fewer at its end, and none where
    /// that fails.
    pub(super) fn raw_page(&self, first: CellNumber, count: u32) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; count as usize * SIZE]);
        let read = self.file.read_at(&mut bytes, offset(first)).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    /// Writes a cell, a fixed one in both copies, the first of them first; durable with the next
    /// [`sync`](Self::sync).
    pub(super) fn write(&self, number: CellNumber, cell: &Cell) -> Result<()> {
        self.ended()?;
        let bytes = cell.encode(number);
        for at in first_copy(number).into_iter().chain([offset(number)]) {
            self.file
                .write_all_at(&**bytes, at)
                .map_err(|cause| self.fail(files::failed(&self.path, &cause)))?;
        }
        if number < FIRST_ERASE {
            self.damaged().remove(&number);
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        self.ended()?;
        let synced = pending_syncs::during(&self.path, || self.file.sync_data());
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

    /// Returns the content that a damaged cell had, as long as few are.
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

/// Writes a whole file of the cells before `end`, durably; those that are not given are unused.
pub(super) fn write_whole(
    path: &Path,
    end: CellNumber,
    cells: &[(CellNumber, Cell)],
) -> Result<()> {
    let file = files::open_private(path, true)?;
    let mut bytes = Zeroizing::new(vec![0; offset(end) as usize]);
    for (number, cell) in cells {
        let copy = cell.encode(*number);
        for at in first_copy(*number).into_iter().chain([offset(*number)]) {
            if let Some(place) = bytes.get_mut(at as usize..at as usize + SIZE) {
                place.copy_from_slice(&**copy);
            }
        }
    }
    file.set_len(0)
        .and_then(|()| file.write_all_at(&bytes, 0))
        .and_then(|()| file.sync_all())
        .map_err(|cause| files::failed(path, &cause))
}
