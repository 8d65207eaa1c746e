//! The open cell file, in its parts.

use super::cell::{COMMITS_CELL, Cell, IDENTITY_CELL};
use super::commit_count::CommitCount;
use super::damage::Extent;
use super::erase::EraseCells;
use super::file::CellFile;
use super::fixed::{FixedCells, damaged};
use super::fleet::FleetCells;
use super::identity::StoreIdentity;
use super::layout::NAME;
use super::pin_counts::PinCounts;
use super::time_mark::TimeMark;
use crate::error::Result;
use crate::id::Id;
use crate::store::files;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open cell file, in its parts.
pub(crate) struct Cells {
    /// The identity of the store.
    pub(crate) identity: StoreIdentity,
    /// The latest time it has seen.
    pub(crate) time: TimeMark,
    /// The number of its last commit.
    pub(crate) commits: CommitCount,
    /// The wrong PINs of each token.
    pub(crate) pins: PinCounts,
    /// The secrets under which material is encrypted.
    pub(crate) erase: EraseCells,
    /// The identity and the keys of a fleet's host; none in a store of one machine.
    pub(crate) fleet: Option<FleetCells>,
    pub(super) file: Arc<CellFile>,
}

impl Cells {
    /// Opens the cell file in a store's directory.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        Self::open_path(directory.join(NAME))
    }

    pub(super) fn open_path(path: PathBuf) -> Result<Self> {
        let (file, fixed, identity) = CellFile::open(path)?;
        let file = Arc::new(file);
        let cells = Self {
            identity,
            time: TimeMark::read(Arc::clone(&file), &fixed),
            commits: CommitCount::read(Arc::clone(&file), &fixed),
            pins: PinCounts::read(Arc::clone(&file), &fixed),
            erase: EraseCells::read(Arc::clone(&file), &fixed),
            fleet: FleetCells::read(Arc::clone(&file), &fixed)?,
            file,
        };
        if cells.fleet.is_some() {
            cells.erase.read_shared()?;
        }
        cells.file.note_damage(fixed.damaged);
        Ok(cells)
    }

    /// Returns the store's identity and the number of its last commit, from a file that is only read.
    pub(crate) fn noted(directory: &Path) -> Result<(StoreIdentity, u64)> {
        let path = directory.join(NAME);
        if !path.exists() {
            return Err(damaged(&path, "it is gone"));
        }
        let file = files::open_to_read(&path).map_err(|cause| files::failed(&path, &cause))?;
        let fixed = FixedCells::read(&file, &path)?;
        let commits = match fixed.get(COMMITS_CELL) {
            Some(Cell::Commits(number)) => *number,
            _ => 0,
        };
        Ok((StoreIdentity::read(&fixed, &path)?, commits))
    }

    /// Returns true if nothing was ever committed to the store, as far as this file knows.
    pub(crate) fn is_new(&self) -> bool {
        self.is_unused() && self.commits.get() == 0
    }

    /// Returns true if no token is in the store, as far as this file knows.
    pub(crate) fn is_unused(&self) -> bool {
        let known = |(extent, _): &(Extent, _)| matches!(extent, Extent::Unequal | Extent::Copy);
        self.pins.is_empty() && self.file.damaged().values().all(known)
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
