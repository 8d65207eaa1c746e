//! What is damaged in the cell file, what that means, and what can be mended. Nothing is revived: a cell
//! of which one byte was damaged is put back as its checksum tells it was, any other counts as lost.

use super::cell::{
    CLOCK_CELL, COMMITS_CELL, Cell, FIRST_ERASE, FIRST_PIN, FORMAT, FORMAT_CELL, IDENTITY_CELL,
    SIZE,
};
use super::file::{count_cells, damaged as hopeless};
use super::identity::StoreIdentity;
use super::{CellNumber, Cells, NAME, offset};
use crate::clock::Seconds;
use crate::error::Result;
use crate::store::{files, syncs};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// A cell that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Which.
    pub cell: CellNumber,
    /// Whether it can be told what it was.
    pub mendable: bool,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&told(self.cell, self.mendable))
    }
}

/// How many cells are corrected at the most: it takes some milliseconds each, and a file with more of them
/// has lost more than a byte here and there.
pub(super) const MOST_CORRECTED: usize = 16;

/// The damaged ones of these cells, and what they were, where that can be told.
pub(super) fn damaged_of<'a>(
    cells: impl Iterator<Item = (CellNumber, &'a [u8; SIZE])> + Clone,
) -> Vec<(CellNumber, Option<Cell>)> {
    let damaged = cells.filter(|(number, cell)| Cell::decode(*number, cell).is_none());
    let few = damaged.clone().count() <= MOST_CORRECTED;
    damaged
        .map(|(number, cell)| (number, few.then(|| Cell::corrected(number, cell)).flatten()))
        .collect()
}

/// What a damaged cell means.
pub(super) fn told(cell: CellNumber, mendable: bool) -> String {
    let (what, lost) = match cell {
        FORMAT_CELL => ("the file's format", "the file cannot be read"),
        IDENTITY_CELL => ("whose store this is", "no record can be opened"),
        CLOCK_CELL => ("the clock's mark", "the one in db/ counts"),
        COMMITS_CELL => ("the count of commits", "a db/ put back to an earlier day is not noticed"),
        FIRST_PIN..FIRST_ERASE => ("a token's wrong PINs", "its PINs count as locked"),
        FIRST_ERASE.. => ("an erase secret", "the key's material counts as deleted"),
        _ => ("nothing", "nothing is lost"),
    };
    match mendable {
        true => format!("cell {cell} ({what}) has a damaged byte, and is read as it was"),
        false => format!("cell {cell} ({what}) is not as it was written: {lost}"),
    }
}

/// Looks for damage in the cell file of a store's directory; an agent may be writing in it.
pub fn damage(directory: &Path) -> Result<Vec<Damage>> {
    let mut found = scan(directory)?;
    if !found.is_empty() {
        let again = scan(directory)?;
        found.retain(|damage| again.contains(damage));
    }
    Ok(found)
}

fn scan(directory: &Path) -> Result<Vec<Damage>> {
    let path = directory.join(NAME);
    if !path.exists() {
        return Err(hopeless(&path, "it is gone"));
    }
    let file = files::open_private(&path, false)?;
    let end = count_cells(&file, &path)?;
    let mut bytes = Zeroizing::new(vec![0; offset(end) as usize]);
    file.read_exact_at(&mut bytes, 0).map_err(|cause| files::failed(&path, &cause))?;
    let damaged = damaged_of((0..).zip(bytes.as_chunks::<SIZE>().0));
    Ok(damaged.into_iter().map(|(cell, was)| Damage { cell, mendable: was.is_some() }).collect())
}

impl Cells {
    /// Writes back the cells of which a byte was damaged, and what is known of the others otherwise: the
    /// count of commits, and `tries` as the wrong PINs of a token whose count is lost (security officer's,
    /// user's). Erase cells that are `claimed` and lost say that their material was deleted. Durable when it
    /// returns what was mended.
    pub(crate) fn mend(
        &self,
        claimed: &[CellNumber],
        commits: u64,
        tries: (u8, u8),
        now: Seconds,
    ) -> Result<Vec<Damage>> {
        let mut mended = self.mend_fixed(commits)?;
        let counted = self.pins.count_anew(tries)?;
        let new = |damage: &Damage| !mended.iter().any(|it| it.cell == damage.cell);
        let counted: Vec<_> = counted.into_iter().filter(new).collect();
        mended.extend(counted);
        mended.extend(self.erase.mend(claimed, now)?);
        self.sync()?;
        Ok(mended)
    }

    fn mend_fixed(&self, commits: u64) -> Result<Vec<Damage>> {
        let damaged = std::mem::take(&mut *self.file.damaged());
        let mut mended = Vec::new();
        for (number, was) in damaged {
            mended.push(Damage { cell: number, mendable: was.is_some() });
            self.file.write(number, &was.unwrap_or_else(|| self.substitute(number, commits)))?;
        }
        Ok(mended)
    }

    /// Returns what takes the place of a fixed cell that is lost.
    fn substitute(&self, number: CellNumber, commits: u64) -> Cell {
        match number {
            CLOCK_CELL => Cell::Clock(self.time.get()),
            COMMITS_CELL => Cell::Commits(commits),
            _ => Cell::Unused,
        }
    }

    /// Writes anew how the file begins, where that is lost: as the store's snapshot knows it, under an
    /// incarnation that is later than any there was. Returns true if it was lost.
    pub(crate) fn mend_head(directory: &Path, origin: Option<StoreIdentity>) -> Result<bool> {
        let path = directory.join(NAME);
        if !path.exists() {
            return Ok(false);
        }
        let file = files::open_private(&path, false)?;
        let length = file.metadata().map_err(|cause| files::failed(&path, &cause))?.len();
        let Some(origin) = origin.filter(|_| length >= offset(FIRST_PIN)) else {
            return Ok(false);
        };
        let head = [FORMAT_CELL, IDENTITY_CELL, CLOCK_CELL, COMMITS_CELL];
        let head = head.map(|number| head_cell(&file, &path, number));
        let [format, identity, clock, commits] = head;
        let (format, identity) = (format?, identity?);
        // A file of which nothing is left has no secrets either.
        if format.is_none() && identity.is_none() && clock?.is_none() && commits?.is_none() {
            return Ok(false);
        }
        if format.is_none() {
            put(&file, &path, FORMAT_CELL, &Cell::Format(FORMAT))?;
        }
        if identity.is_none() {
            // The file may have been recovered once since the snapshot.
            put(&file, &path, IDENTITY_CELL, &origin.next().next().cell())?;
        }
        // What was cut off is lost, and is told from what was never written when its token is looked for.
        if length < offset(FIRST_ERASE) {
            file.set_len(offset(FIRST_ERASE)).map_err(|cause| files::failed(&path, &cause))?;
        }
        syncs::during(&path, || file.sync_all()).map_err(|cause| files::failed(&path, &cause))?;
        Ok(format.is_none() || identity.is_none() || length < offset(FIRST_ERASE))
    }
}

/// Reads a cell of the file's beginning, unless it is lost.
fn head_cell(file: &File, path: &Path, number: CellNumber) -> Result<Option<Cell>> {
    let mut bytes = [0; SIZE];
    file.read_exact_at(&mut bytes, offset(number)).map_err(|cause| files::failed(path, &cause))?;
    let read = Cell::decode(number, &bytes).or_else(|| Cell::corrected(number, &bytes));
    Ok(read.filter(|cell| *cell != Cell::Unused))
}

fn put(file: &File, path: &Path, number: CellNumber, cell: &Cell) -> Result<()> {
    let bytes = cell.encode(number);
    file.write_all_at(&**bytes, offset(number)).map_err(|cause| files::failed(path, &cause))
}
