//! The cell file, `slots` on disk: what a store keeps in fixed places, written in place and synced.
//!
//! What stands here only takes away and is never rolled back. Key material is encrypted under the
//! secret of an erase cell; overwriting the cell is what "deleted" means. Cells are filled ahead with
//! fresh secrets, in batches, so that a commit claims one without a sync of its own.
//!
//! | part | what it keeps |
//! |---|---|
//! | [`StoreIdentity`] | which store this is |
//! | [`TimeMark`] | the latest time it has seen |
//! | [`CommitCount`] | the number of its last commit |
//! | [`PinCounts`] | the wrong PINs of each token |
//! | [`EraseCells`] | the secrets under which material is encrypted |

mod anew;
mod cell;
mod commits;
mod damage;
mod erase;
mod file;
mod identity;
mod pins;
mod time;

use super::files;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use cell::{
    CLOCK_CELL, COMMITS_CELL, Cell, EraseSecret, FIRST_ERASE, FIRST_PIN, FORMAT, FORMAT_CELL,
    IDENTITY_CELL, SIZE,
};
use file::{CellFile, FixedCells, write_whole};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use anew::NewContent;
pub(crate) use commits::CommitCount;
pub use damage::{Damage, damage};
pub(crate) use erase::EraseCells;
pub use identity::StoreIdentity;
pub(crate) use pins::{PinCounts, TOKENS};
pub(crate) use time::TimeMark;

/// The file's name in a store's directory.
pub const NAME: &str = crate::presence::MARK;

/// The cells that count wrong PINs.
pub const PIN_CELLS: std::ops::Range<u32> = FIRST_PIN..FIRST_ERASE;

/// The number of a cell.
pub(crate) type CellNumber = u32;

/// The content of an erase cell.
pub(crate) enum EraseCell {
    /// The secret under which material is encrypted.
    Secret(EraseSecret),
    /// The material was deleted, at that second.
    Deleted(Seconds),
    /// The material had expired and was erased, at that second.
    Expired(Seconds),
}

/// An open cell file, in its parts.
pub(crate) struct Cells {
    /// Which store this is.
    pub(crate) identity: StoreIdentity,
    /// The latest time it has seen.
    pub(crate) time: TimeMark,
    /// The number of its last commit.
    pub(crate) commits: CommitCount,
    /// The wrong PINs of each token.
    pub(crate) pins: PinCounts,
    /// The secrets under which material is encrypted.
    pub(crate) erase: EraseCells,
    file: Arc<CellFile>,
}

impl Cells {
    /// Opens the cell file in a store's directory.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        Self::open_path(directory.join(NAME))
    }

    fn open_path(path: PathBuf) -> Result<Self> {
        let (file, fixed) = CellFile::open(path)?;
        let identity = StoreIdentity::read(&fixed, file.path())?;
        let file = Arc::new(file);
        let cells = Self {
            identity,
            time: TimeMark::read(Arc::clone(&file), &fixed),
            commits: CommitCount::read(Arc::clone(&file), &fixed),
            pins: PinCounts::read(Arc::clone(&file), &fixed),
            erase: EraseCells::read(Arc::clone(&file), &fixed),
            file,
        };
        cells.file.note_damage(fixed);
        Ok(cells)
    }

    /// Returns the store's identity and the number of its last commit, from a file that is only read.
    pub(crate) fn noted(directory: &Path) -> Result<(StoreIdentity, u64)> {
        let path = directory.join(NAME);
        let file = files::open_to_read(&path).map_err(|cause| files::failed(&path, &cause))?;
        let fixed = FixedCells::read(&file, &path)?;
        let commits = match fixed.get(COMMITS_CELL) {
            Some(Cell::Commits(number)) => *number,
            _ => 0,
        };
        Ok((StoreIdentity::read(&fixed, &path)?, commits))
    }

    /// Makes the file for a new store in `directory`, unless it is there. The caller holds the store's
    /// lock.
    pub(crate) fn make(directory: &Path) -> Result<()> {
        let path = directory.join(NAME);
        if path.exists() { Ok(()) } else { create(directory, &path) }
    }

    /// Returns true if nothing was ever committed to the store, as far as this file knows.
    pub(crate) fn is_new(&self) -> bool {
        self.is_unused() && self.commits.get() == 0
    }

    /// Returns true if no token is in the store, as far as this file knows.
    pub(crate) fn is_unused(&self) -> bool {
        self.pins.is_empty() && self.file.damaged().is_empty()
    }

    /// Returns true if its tokens are others than these: it knows some, and none of them.
    pub(crate) fn is_of_others(&self, tokens: &HashMap<Id, u32>) -> bool {
        self.pins.is_of_others(tokens)
    }

    /// Returns true until a write or a sync has failed.
    pub(crate) fn alive(&self) -> bool {
        self.file.alive()
    }

    /// Accepts a store that has lost commits: it goes on as a new incarnation, from the commits and
    /// with the tokens that it has. Durable on return; erased cells stay erased. Takes effect for
    /// [`identity`](Self::identity) when the file is opened again.
    pub(crate) fn begin_again(&self, commits: u64, tokens: &HashSet<Id>) -> Result<()> {
        self.pins.keep_only(tokens)?;
        self.file.write(IDENTITY_CELL, &self.identity.next().cell())?;
        self.commits.note(commits)?;
        self.sync()
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

/// Writes a new store's file beside its place and names it when it is whole.
fn create(directory: &Path, path: &Path) -> Result<()> {
    let mut store = [0; 16];
    aws_lc_rs::rand::fill(&mut store).map_err(|_| Reason::General)?;
    let unfinished = directory.join("slots.new");
    let identity = StoreIdentity { store: Id::from_random(store), incarnation: 1 };
    write_whole(&unfinished, FIRST_ERASE, &head(identity, 0, 0))?;
    std::fs::rename(&unfinished, path).map_err(|cause| files::failed(path, &cause))?;
    files::sync_directory(directory)
}

/// Returns the cells that every file begins with.
fn head(identity: StoreIdentity, mark: Seconds, commits: u64) -> Vec<(CellNumber, Cell)> {
    vec![
        (FORMAT_CELL, Cell::Format(FORMAT)),
        (IDENTITY_CELL, identity.cell()),
        (CLOCK_CELL, Cell::Clock(mark)),
        (COMMITS_CELL, Cell::Commits(commits)),
    ]
}

const fn offset(number: CellNumber) -> u64 {
    number as u64 * SIZE as u64
}

#[cfg(test)]
mod tests;
