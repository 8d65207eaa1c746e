//! What is damaged in the file `slots`, what that means, and what can be mended. Nothing is revived: a cell
//! of which one byte was damaged is put back as its checksum tells it was, any other counts as lost.

use super::cell::{
    Bytes, CLOCK_CELL, COMMITS_CELL, Cell, FIRST_ERASE, FIRST_PIN, FORMAT, FORMAT_CELL,
    IDENTITY_CELL, Pin, SIZE, blank,
};
use super::{CellNumber, Inner, NAME, Slots, fixed_part, offset};
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;
use crate::store::{files, syncs};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::PoisonError;
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
const MOST_CORRECTED: usize = 16;

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

/// Looks for damage in the file `slots` of a store's directory; an agent may be writing in it.
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
        return Err(super::damaged(&path, "it is gone"));
    }
    let file = files::open_private(&path, false)?;
    let (_, end) = fixed_part(&file, &path)?;
    let mut bytes = Zeroizing::new(vec![0; offset(end) as usize]);
    file.read_exact_at(&mut bytes, 0).map_err(|cause| files::failed(&path, &cause))?;
    let damaged = damaged_of((0..).zip(bytes.as_chunks::<SIZE>().0));
    Ok(damaged.into_iter().map(|(cell, was)| Damage { cell, mendable: was.is_some() }).collect())
}

impl Slots {
    /// Writes back the cells of which a byte was damaged, and what is known of the others otherwise: the
    /// count of commits, and that the PINs of a token are locked but for one try of its officer. Erase
    /// cells that are `claimed` and lost say that their material was deleted. Durable on return; what was
    /// mended.
    pub fn mend(
        &self,
        claimed: &[CellNumber],
        commits: u64,
        (officer, user): (u8, u8),
        now: Seconds,
    ) -> Result<Vec<Damage>> {
        let mut mended = Vec::new();
        let mut inner = self.lock();
        for (cell, was) in std::mem::take(&mut inner.damaged) {
            mended.push(Damage { cell, mendable: was.is_some() });
            self.write(cell, &was.unwrap_or_else(|| substitute(&inner, cell, commits)))?;
        }
        for (token, cell) in std::mem::take(&mut inner.uncounted) {
            let pin = Pin { token, in_use: true, officer, user };
            self.write_pin(&mut inner, cell, pin)?;
            if !mended.iter().any(|it| it.cell == cell) {
                mended.push(Damage { cell, mendable: false });
            }
        }
        let within = |cell: &&CellNumber| (FIRST_ERASE..inner.end).contains(*cell);
        let whole =
            |cell: &Cell| matches!(cell, Cell::Live(_) | Cell::Deleted(_) | Cell::Expired(_));
        let mut raw = BTreeMap::new();
        for cell in claimed.iter().filter(within) {
            let bytes = self.raw(*cell)?;
            if !Cell::decode(*cell, &bytes).as_ref().is_some_and(whole) {
                raw.insert(*cell, bytes);
            }
        }
        let few = raw.len() <= MOST_CORRECTED;
        let beyond = claimed.iter().filter(|cell| !within(cell)).copied();
        let lost: Vec<CellNumber> = raw.keys().copied().chain(beyond).collect();
        for cell in lost {
            let bytes = raw.get(&cell).filter(|_| few);
            let was = bytes.and_then(|bytes| Cell::corrected(cell, bytes)).filter(whole);
            mended.push(Damage { cell, mendable: was.is_some() });
            self.write(cell, &was.unwrap_or(Cell::Deleted(now)))?;
            inner.end = inner.end.max(cell.saturating_add(1));
        }
        drop(inner);
        self.sync()?;
        Ok(mended)
    }

    /// What a damaged cell was, as long as few are.
    pub(super) fn corrected(&self, number: CellNumber, bytes: &[u8; SIZE]) -> Option<Cell> {
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

    fn raw(&self, number: CellNumber) -> Result<Bytes> {
        let mut bytes = blank();
        self.file
            .read_exact_at(&mut **bytes, offset(number))
            .map_err(|cause| files::failed(&self.path, &cause))?;
        Ok(bytes)
    }

    /// Writes anew how the file begins, where that is lost: as the store's snapshot knows it, under an
    /// incarnation that is later than any there was. True if it was lost.
    pub fn mend_head(directory: &Path, origin: Option<(Id, u64)>) -> Result<bool> {
        let path = directory.join(NAME);
        if !path.exists() {
            return Ok(false);
        }
        let file = files::open_private(&path, false)?;
        let length = file.metadata().map_err(|cause| files::failed(&path, &cause))?.len();
        let Some((store, incarnation)) = origin.filter(|_| length >= offset(FIRST_PIN)) else {
            return Ok(false);
        };
        let cell = |number| -> Result<Option<Cell>> {
            let mut bytes = [0; SIZE];
            file.read_exact_at(&mut bytes, offset(number))
                .map_err(|cause| files::failed(&path, &cause))?;
            let read = Cell::decode(number, &bytes).or_else(|| Cell::corrected(number, &bytes));
            Ok(read.filter(|cell| *cell != Cell::Unused))
        };
        let put = |number, cell: &Cell| {
            let bytes = cell.encode(number);
            file.write_all_at(&**bytes, offset(number))
                .map_err(|cause| files::failed(&path, &cause))
        };
        let (format, identity) = (cell(FORMAT_CELL)?, cell(IDENTITY_CELL)?);
        let (commits, clock) = (cell(COMMITS_CELL)?, cell(CLOCK_CELL)?);
        // A file of which nothing is left has no secrets either.
        if format.is_none() && identity.is_none() && commits.is_none() && clock.is_none() {
            return Ok(false);
        }
        if format.is_none() {
            put(FORMAT_CELL, &Cell::Format(FORMAT))?;
        }
        if identity.is_none() {
            // The file may have been recovered once since the snapshot.
            let incarnation = incarnation.saturating_add(2);
            put(IDENTITY_CELL, &Cell::Identity { store, incarnation })?;
        }
        // What was cut off is lost, and is told from what was never written when its token is looked for.
        if length < offset(FIRST_ERASE) {
            file.set_len(offset(FIRST_ERASE)).map_err(|cause| files::failed(&path, &cause))?;
        }
        syncs::during(&path, || file.sync_all()).map_err(|cause| files::failed(&path, &cause))?;
        Ok(format.is_none() || identity.is_none() || length < offset(FIRST_ERASE))
    }
}

/// What takes the place of a cell that nobody can tell.
fn substitute(inner: &Inner, cell: CellNumber, commits: u64) -> Cell {
    match cell {
        CLOCK_CELL => Cell::Clock(inner.mark),
        COMMITS_CELL => Cell::Commits(commits),
        _ => Cell::Unused,
    }
}
