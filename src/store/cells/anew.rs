//! A cell file that is made: for a new store, or for one that is restored from a backup. It is written whole
//! under another name, and named `slots` last, so that no store looks whole whose making was cut short.

use super::cell::{
    CELLS_FORMAT, CLOCK_CELL, COMMITS_CELL, Cell, CellNumber, CellSecret, EraseSecret, FIRST_ERASE,
    FIRST_PIN, FLEET_FORMAT, FORMAT_CELL, HOST_CELL, IDENTITY_CELL, PinCell,
};
use super::file::write_whole;
use super::fleet::envelope_key_cell;
use super::identity::StoreIdentity;
use super::layout::NAME;
use super::open::Cells;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::file_names::{CELLS_MADE, CELLS_RESTORED};
use crate::id::Id;
use crate::store::files;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Beyond what a store's file would ever have, which is written whole: 1 GiB.
const MOST_CELLS: CellNumber = 1 << 24;

/// The content of a new file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct NewContent {
    /// The clock's high-water mark.
    pub(crate) mark: Seconds,
    /// The number of the store's last commit.
    pub(crate) commits: u64,
    /// Slot, token and wrong PINs: security officer's, user's.
    pub(crate) pins: Vec<(u32, Id, (u8, u8))>,
    /// The cells that records claim: each gets a fresh secret.
    pub(crate) cells: Vec<CellNumber>,
}

impl Cells {
    /// Makes the file for a new store in `directory`, unless it is there. The caller holds the store's
    /// lock.
    pub(crate) fn make(directory: &Path) -> Result<()> {
        let path = directory.join(NAME);
        if path.exists() { Ok(()) } else { create(directory) }
    }

    /// Makes the file of a host that joins a fleet, or founds it: this identity, no fleet key yet, one envelope key. The
    /// caller holds the store's lock.
    pub(crate) fn make_for_fleet(
        directory: &Path,
        identity: StoreIdentity,
        host: Id,
        envelope_key: (u64, CellSecret),
    ) -> Result<()> {
        let mut cells = head(identity, 0, 0);
        cells.retain(|(number, _)| *number != FORMAT_CELL);
        let (number, key) = envelope_key;
        cells.push((FORMAT_CELL, Cell::Format(FLEET_FORMAT)));
        cells.push((HOST_CELL, Cell::Host(host)));
        cells.push((envelope_key_cell(number), Cell::EnvelopeKey(number, Some(key))));
        put(directory, &cells)
    }

    /// Writes the file of a store that is being restored, durably; it takes its place with
    /// [`Self::take_place`].
    pub(crate) fn restoring(
        directory: &Path,
        identity: StoreIdentity,
        what: &NewContent,
    ) -> Result<Self> {
        let mut cells = head(identity, what.mark, what.commits);
        for (slot, token, (officer, user)) in &what.pins {
            let number = FIRST_PIN.saturating_add(*slot);
            if number >= FIRST_ERASE {
                return Err(Reason::BackupDamaged.detail(format_args!("there is no slot {slot}")));
            }
            let pin = PinCell { token: *token, in_use: true, officer: *officer, user: *user };
            cells.push((number, Cell::Pin(Some(pin))));
        }
        let mut end = FIRST_ERASE;
        for number in &what.cells {
            if !(FIRST_ERASE..MOST_CELLS).contains(number) {
                return Err(Reason::BackupDamaged.detail(format_args!("there is no cell {number}")));
            }
            end = end.max(number.saturating_add(1));
            cells.push((*number, live()?));
        }
        let path = directory.join(CELLS_RESTORED);
        write_whole(&path, end, &cells)?;
        Self::open_path(path)
    }

    /// Puts the file of a restored store in its place.
    pub(crate) fn take_place(self) -> Result<()> {
        let path = self.file.path();
        let Some(directory) = path.parent() else { return Err(Reason::General.into()) };
        std::fs::rename(path, directory.join(NAME)).map_err(|cause| files::failed(path, &cause))?;
        files::sync_directory(directory)
    }

    /// Removes the file of a store in which nothing is kept, where there is one.
    pub(crate) fn remove(directory: &Path) -> Result<()> {
        let path = directory.join(NAME);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(&path, &cause)),
            _ => files::sync_directory(directory),
        }
    }

    /// Returns the file that a restoration in `directory` has left behind, if it was cut short.
    pub(crate) fn unfinished(directory: &Path) -> Option<PathBuf> {
        let path = directory.join(CELLS_RESTORED);
        path.exists().then_some(path)
    }
}

/// Returns an erase cell with a secret that is made now.
fn live() -> Result<Cell> {
    let mut secret = EraseSecret::default();
    aws_lc_rs::rand::fill(&mut **secret).map_err(|_| Reason::General)?;
    Ok(Cell::Live(secret))
}

/// Makes a new store's file.
fn create(directory: &Path) -> Result<()> {
    let mut store = [0; 16];
    aws_lc_rs::rand::fill(&mut store).map_err(|_| Reason::General)?;
    let identity = StoreIdentity { store: Id::from_random(store), incarnation: 1 };
    put(directory, &head(identity, 0, 0))
}

/// Writes a file of these fixed cells beside its place and names it when it is whole.
fn put(directory: &Path, cells: &[(CellNumber, Cell)]) -> Result<()> {
    let (unfinished, path) = (directory.join(CELLS_MADE), directory.join(NAME));
    write_whole(&unfinished, FIRST_ERASE, cells)?;
    std::fs::rename(&unfinished, &path).map_err(|cause| files::failed(&path, &cause))?;
    files::sync_directory(directory)
}

/// Returns the cells that every file begins with.
fn head(identity: StoreIdentity, mark: Seconds, commits: u64) -> Vec<(CellNumber, Cell)> {
    vec![
        (FORMAT_CELL, Cell::Format(CELLS_FORMAT)),
        (IDENTITY_CELL, identity.cell()),
        (CLOCK_CELL, Cell::Clock(mark)),
        (COMMITS_CELL, Cell::Commits(commits)),
    ]
}
