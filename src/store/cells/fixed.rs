//! The fixed cells: those before the erase cells, each in two copies.

use super::cell::{Cell, CellNumber, FIRST_ERASE, FORMAT_CELL, SIZE};
use super::damage::{self, Extent, MOST_CORRECTED};
use super::layout::{COPY, has_one_copy};
use crate::error::{Error, Reason, Result};
use crate::store::files;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The fixed cells that are not as they were written: how far, and what they were, where that can be told.
pub(super) type Damaged = BTreeMap<CellNumber, (Extent, Option<Cell>)>;

/// The fixed cells of a file, read at once.
#[derive(Default)]
pub(super) struct FixedCells {
    /// Those of which nothing is damaged.
    cells: BTreeMap<CellNumber, Cell>,
    pub(super) damaged: Damaged,
    /// The number of the first cell behind the file's end.
    pub(super) end: CellNumber,
    /// True of a file of the first format.
    pub(super) has_one_copy: bool,
}

impl FixedCells {
    /// Reads them from an open file of this build's format or of an earlier one, and logs what is damaged.
    /// Erase secrets are not read here. Fails where the file is too short.
    pub(super) fn read(file: &File, path: &Path) -> Result<Self> {
        let fixed = Self::look(file, path)?;
        for (number, extent) in fixed.extents().filter(|(_, extent)| *extent != Extent::Unequal) {
            log::error!("{}: {}", path.display(), damage::describe(number, extent));
        }
        Ok(fixed)
    }

    /// Reads them without a word in the log.
    pub(super) fn look(file: &File, path: &Path) -> Result<Self> {
        let fixed = Self::beginning(file, path)?;
        match fixed.end {
            FIRST_ERASE.. => Ok(fixed),
            _ => {
                let length = file.metadata().map_err(|cause| files::failed(path, &cause))?.len();
                Err(damaged(path, format_args!("{length} bytes cannot be its length")))
            }
        }
    }

    /// Reads them from a file that may be too short: what was cut off is blank.
    pub(super) fn beginning(file: &File, path: &Path) -> Result<Self> {
        let failed = |cause| files::failed(path, &cause);
        let length = file.metadata().map_err(failed)?.len();
        let mut bytes = Zeroizing::new(vec![0; 2 * COPY]);
        let there = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        let (part, _) = bytes.split_at_mut(there);
        file.read_exact_at(part, 0).map_err(failed)?;
        let places = u32::try_from(length / SIZE as u64).unwrap_or(0);
        Ok(match has_one_copy(&bytes) {
            true => Self::of_one_copy(&bytes, places),
            false => Self::of_two_copies(&bytes, places),
        })
    }

    /// Reads them as format 1 has them: each once.
    fn of_one_copy(bytes: &[u8], end: u32) -> Self {
        let mut fixed = Self { end, has_one_copy: true, ..Self::default() };
        let numbered = (0..FIRST_ERASE).zip(bytes.as_chunks().0);
        for (number, extent, was) in damage::damaged_of(numbered.clone()) {
            fixed.damaged.insert(number, (extent, was));
        }
        let whole = |(number, bytes)| Some((number, Cell::decode(number, bytes)?));
        fixed.cells = numbered.filter_map(whole).collect();
        fixed
    }

    fn of_two_copies(bytes: &[u8], places: u32) -> Self {
        let mut fixed = Self { end: places.saturating_sub(FIRST_ERASE), ..Self::default() };
        let (first, second) = bytes.split_at(COPY);
        let copies = first.as_chunks().0.iter().zip(second.as_chunks().0);
        let copies = (0..FIRST_ERASE).zip(copies);
        let gone = |(number, (first, second)): &(u32, (&[u8; SIZE], &[u8; SIZE]))| {
            Cell::decode(*number, first).is_none() && Cell::decode(*number, second).is_none()
        };
        let few = copies.clone().filter(gone).count() <= MOST_CORRECTED;
        for (number, (first, second)) in copies {
            match reading(number, first, second, few) {
                (None, Some(cell)) => drop(fixed.cells.insert(number, cell)),
                (extent, was) => {
                    let extent = extent.unwrap_or(Extent::Lost);
                    fixed.damaged.insert(number, (extent, was));
                }
            }
        }
        fixed
    }

    /// Returns the file's format, unless that is lost.
    pub(super) fn format(&self) -> Option<u64> {
        match self.get(FORMAT_CELL) {
            Some(Cell::Format(format)) => Some(*format),
            _ => None,
        }
    }

    /// Returns the damaged ones, and how far each is.
    pub(super) fn extents(&self) -> impl Iterator<Item = (CellNumber, Extent)> {
        self.damaged.iter().map(|(number, (extent, _))| (*number, *extent))
    }

    /// Returns a cell, unless it is lost.
    pub(super) fn get(&self, number: CellNumber) -> Option<&Cell> {
        self.cells.get(&number).or_else(|| self.damaged.get(&number)?.1.as_ref())
    }
}

/// Returns the extent of a cell's damage, if it is damaged, and its content by the two copies. A cell that was
/// written is never blank again, so that a blank copy gives way. Where `few` cells are damaged in both, these are
/// corrected.
fn reading(
    number: CellNumber,
    first: &[u8; SIZE],
    second: &[u8; SIZE],
    few: bool,
) -> (Option<Extent>, Option<Cell>) {
    match (Cell::decode(number, first), Cell::decode(number, second)) {
        (Some(cell), Some(_)) if first == second => (None, Some(cell)),
        (Some(Cell::Unused), Some(cell)) | (Some(cell), Some(_)) => {
            (Some(Extent::Unequal), Some(cell))
        }
        (Some(cell), None) | (None, Some(cell)) if cell != Cell::Unused => {
            (Some(Extent::Copy), Some(cell))
        }
        _ => {
            let corrected = |bytes| Cell::corrected(number, bytes);
            let was = few.then(|| corrected(first).or_else(|| corrected(second))).flatten();
            (Some(if was.is_some() { Extent::Byte } else { Extent::Lost }), was)
        }
    }
}

/// Returns the error for a file that nothing but a backup mends.
pub(super) fn damaged(path: &Path, what: impl Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        path.display()
    ))
}
