//! The cell file of formats 1 and 2, as earlier builds wrote it: only read, and written anew in this build's
//! format. Format 2 differs in its number alone; what it stands for is how the records beside it are kept. Format 1:
//!
//! | places | cells | kind |
//! |---|---|---|
//! | 0–511 | 0–511 | the fixed cells, each once; the first one says format `1` |
//! | 512 … | 512 … | erase cells |
//!
//! The cells themselves are those of [`cell`](super::cell). The upgrade leaves each its number and its
//! content: what is encrypted under an erase cell stays so, what was erased stays erased, and a
//! backup still tells a living secret from another.

use super::cell::{
    CELLS_FORMAT, COMMITS_CELL, Cell, CellNumber, FIRST_ERASE, FLEET_FORMAT, FORMAT_CELL,
    PIN_CELLS, SIZE,
};
use super::damage::{Extent, damaged_of, describe};
use super::erase::{EraseCell, cut_short};
use super::file::write_whole;
use super::fixed::FixedCells;
use super::identity::StoreIdentity;
use super::layout::{COPY, NAME};
use crate::error::Result;
use crate::file_names::{CELLS_EARLIER, CELLS_UPGRADED};
use crate::store::files;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A cell file of an earlier format.
pub(crate) struct EarlierFile {
    path: PathBuf,
    fixed: FixedCells,
    /// Its format.
    pub(crate) format: u64,
    /// The bytes of all cells, each once.
    bytes: Zeroizing<Vec<u8>>,
    /// Erase cells as they were before one byte of them was damaged.
    corrected: BTreeMap<CellNumber, Cell>,
    /// The identity of its store.
    pub(crate) identity: StoreIdentity,
}

impl EarlierFile {
    /// Reads the file in a store's directory; none where it has this build's format, or is gone. Fails where its
    /// beginning is lost.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(NAME);
        if !path.exists() {
            return Ok(None);
        }
        let file = files::open_to_read(&path).map_err(|cause| files::failed(&path, &cause))?;
        let fixed = FixedCells::look(&file, &path)?;
        let format = fixed.format().unwrap_or_default();
        if matches!(format, CELLS_FORMAT | FLEET_FORMAT) {
            return Ok(None);
        }
        let identity = StoreIdentity::read(&fixed, &path)?;
        let from = if fixed.has_one_copy { 0 } else { COPY as u64 };
        let mut bytes = Zeroizing::new(vec![0; fixed.end as usize * SIZE]);
        file.read_exact_at(&mut bytes, from).map_err(|cause| files::failed(&path, &cause))?;
        let erase = (0..).zip(bytes.as_chunks().0).skip(FIRST_ERASE as usize);
        let damaged = damaged_of(erase);
        let description = damaged.iter().map(|(number, extent, _)| (*number, *extent));
        let fixed_damage = fixed.extents().filter(|(_, extent)| *extent != Extent::Unequal);
        for (number, extent) in fixed_damage.chain(description) {
            log::error!("{}: {}", path.display(), describe(number, extent));
        }
        let corrected =
            damaged.into_iter().filter_map(|(number, _, was)| Some((number, was?))).collect();
        Ok(Some(Self { path, fixed, format, bytes, corrected, identity }))
    }

    /// Returns true if nothing was ever committed to the store, as far as this file knows.
    pub(crate) fn is_new(&self) -> bool {
        let used = |number| matches!(self.fixed.get(number), None | Some(Cell::Pin(Some(_))));
        self.commits() == 0 && !PIN_CELLS.into_iter().any(used)
    }

    /// Returns the number of the store's last commit, as far as it is known.
    pub(crate) fn commits(&self) -> u64 {
        match self.fixed.get(COMMITS_CELL) {
            Some(Cell::Commits(number)) => *number,
            _ => 0,
        }
    }

    /// Fails where a cell that holds material lies beyond the end of the file, which has been cut then.
    pub(crate) fn check_holds(&self, number: CellNumber) -> Result<()> {
        match number < self.fixed.end {
            true => Ok(()),
            false => Err(cut_short(&self.path, self.fixed.end, number)),
        }
    }

    /// Returns the content of an erase cell, unless it is lost.
    pub(crate) fn erase_cell(&self, number: CellNumber) -> Option<EraseCell> {
        match number {
            FIRST_ERASE.. => EraseCell::of(self.cell(number)?),
            _ => None,
        }
    }

    /// Writes the file anew beside itself, durably, in this build's format. What is lost is left blank, and
    /// stays lost.
    pub(crate) fn write_upgraded(&self, directory: &Path) -> Result<()> {
        let cell = |number| Some((number, self.cell(number)?));
        let mut cells: Vec<_> = (FORMAT_CELL + 1..self.fixed.end).filter_map(cell).collect();
        cells.push((FORMAT_CELL, Cell::Format(CELLS_FORMAT)));
        write_whole(&directory.join(CELLS_UPGRADED), self.fixed.end, &cells)
    }

    fn cell(&self, number: CellNumber) -> Option<Cell> {
        match number {
            FIRST_ERASE.. => {
                let bytes = self.bytes.as_chunks().0.get(number as usize)?;
                Cell::decode(number, bytes).or_else(|| self.corrected.get(&number).cloned())
            }
            _ => self.fixed.get(number).cloned(),
        }
    }
}

/// Gives the earlier file a second name, durably, by which it is wiped once it is replaced.
pub(crate) fn keep_earlier(directory: &Path) -> Result<()> {
    let (place, kept) = (directory.join(NAME), directory.join(CELLS_EARLIER));
    std::fs::hard_link(&place, &kept).map_err(|cause| files::failed(&kept, &cause))?;
    files::sync_directory(directory)
}

/// Puts the upgraded file in its place, durably. From here on the store has this build's format.
pub(crate) fn take_upgraded(directory: &Path) -> Result<()> {
    let place = directory.join(NAME);
    std::fs::rename(directory.join(CELLS_UPGRADED), &place)
        .map_err(|cause| files::failed(&place, &cause))?;
    files::sync_directory(directory)
}

/// Returns true from when the upgraded file has taken its place until the earlier one is wiped.
pub(crate) fn is_upgrade_unfinished(directory: &Path) -> bool {
    directory.join(CELLS_EARLIER).exists()
}

/// Overwrites the file that was replaced, durably, and removes it.
pub(crate) fn wipe_earlier(directory: &Path) -> Result<()> {
    wipe(&directory.join(CELLS_EARLIER))?;
    files::sync_directory(directory)
}

/// Removes what an upgrade has left that was cut short before the upgraded file took its place.
pub(crate) fn discard_upgrade(directory: &Path) -> Result<()> {
    wipe(&directory.join(CELLS_UPGRADED))?;
    // A second name of the file that is in its place.
    remove(&directory.join(CELLS_EARLIER))?;
    files::sync_directory(directory)
}

/// Overwrites a file with zeros, durably, and removes it; one that is not there is no failure.
fn wipe(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file = files::open_private(path, false)?;
    overwrite(&file).map_err(|cause| files::failed(path, &cause))?;
    remove(path)
}

fn overwrite(file: &File) -> std::io::Result<()> {
    let zeros = [0; 1 << 16];
    let (mut at, length) = (0, file.metadata()?.len());
    while at < length {
        let part =
            zeros.get(..usize::try_from(length - at).unwrap_or(zeros.len())).unwrap_or(&zeros);
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    file.sync_all()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(path, &cause)),
        _ => Ok(()),
    }
}
