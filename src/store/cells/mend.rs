//! The search for damage in the cell file, and its mending. Nothing is revived: a fixed cell is read from whichever
//! copy is whole, a cell of which one byte was damaged is read as its checksum tells it was, and any other
//! counts as lost.

use super::cell::{
    CELLS_FORMAT, CLOCK_CELL, COMMITS_CELL, Cell, CellNumber, FIRST_ERASE, FIRST_FORMAT, FIRST_PIN,
    FLEET_FORMAT, FORMAT_CELL, HOST_CELL, IDENTITY_CELL, SIZE,
};
use super::damage::{Damage, Extent, damaged_of};
use super::fixed::{FixedCells, damaged as hopeless};
use super::identity::StoreIdentity;
use super::layout::{COPY, NAME, first_copy, offset};
use super::open::Cells;
use crate::clock::Seconds;
use crate::error::Result;
use crate::store::{files, pending_syncs};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

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
    let fixed = FixedCells::look(&file, &path)?;
    let from = if fixed.has_one_copy { COPY as u64 } else { offset(FIRST_ERASE) };
    let mut bytes = Zeroizing::new(vec![0; (fixed.end - FIRST_ERASE) as usize * SIZE]);
    file.read_exact_at(&mut bytes, from).map_err(|cause| files::failed(&path, &cause))?;
    let erase = damaged_of((FIRST_ERASE..).zip(bytes.as_chunks().0));
    let all = fixed.extents().chain(erase.iter().map(|(cell, extent, _)| (*cell, *extent)));
    let damaged = all.filter(|(_, extent)| *extent != Extent::Unequal);
    Ok(damaged.map(|(cell, extent)| Damage { cell, extent }).collect())
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

    /// Writes back the fixed cells of which one copy was damaged or older, before the store is served.
    pub(crate) fn make_copies_equal(&self) -> Result<()> {
        let behind = |(_, (extent, _)): &(CellNumber, (Extent, Option<Cell>))| {
            matches!(extent, Extent::Unequal | Extent::Copy)
        };
        let behind: Vec<_> = self.file.damaged().clone().into_iter().filter(behind).collect();
        for (number, (_, cell)) in &behind {
            cell.iter().try_for_each(|cell| self.file.write(*number, cell))?;
        }
        if behind.is_empty() { Ok(()) } else { self.sync() }
    }

    fn mend_fixed(&self, commits: u64) -> Result<Vec<Damage>> {
        let damaged = std::mem::take(&mut *self.file.damaged());
        let mut mended = Vec::new();
        for (number, (extent, was)) in damaged {
            if extent != Extent::Unequal {
                mended.push(Damage { cell: number, extent });
            }
            self.file.write(number, &was.unwrap_or_else(|| self.substitute(number, commits)))?;
        }
        Ok(mended)
    }

    /// Returns the substitute of a fixed cell that is lost.
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
        let pins = u64::from(FIRST_PIN) * SIZE as u64;
        let Some(origin) = origin.filter(|_| length >= pins) else { return Ok(false) };
        let fixed = FixedCells::beginning(&file, &path)?;
        let lost = |number| fixed.get(number).is_none_or(|cell| *cell == Cell::Unused);
        // A file of which nothing is left has no secrets either.
        if [FORMAT_CELL, IDENTITY_CELL, CLOCK_CELL, COMMITS_CELL].into_iter().all(lost) {
            return Ok(false);
        }
        let head = Head { file: &file, path: &path, has_one_copy: fixed.has_one_copy };
        if lost(FORMAT_CELL) {
            let format = match fixed.get(HOST_CELL) {
                Some(Cell::Host(_)) => FLEET_FORMAT,
                _ if fixed.has_one_copy => FIRST_FORMAT,
                _ => CELLS_FORMAT,
            };
            head.put(FORMAT_CELL, &Cell::Format(format))?;
        }
        if lost(IDENTITY_CELL) {
            // The file may have been recovered once since the snapshot.
            head.put(IDENTITY_CELL, &origin.next().next().cell())?;
        }
        let short = fixed.end < FIRST_ERASE;
        if short {
            head.lengthen()?;
        }
        pending_syncs::during(&path, || file.sync_all())
            .map_err(|cause| files::failed(&path, &cause))?;
        Ok(lost(FORMAT_CELL) || lost(IDENTITY_CELL) || short)
    }
}

/// The beginning of a file that cannot be opened.
struct Head<'a> {
    file: &'a File,
    path: &'a Path,
    has_one_copy: bool,
}

impl Head<'_> {
    fn put(&self, number: CellNumber, cell: &Cell) -> Result<()> {
        let second = (!self.has_one_copy).then_some(offset(number));
        let bytes = cell.encode(number);
        for at in first_copy(number).into_iter().chain(second) {
            self.file
                .write_all_at(&**bytes, at)
                .map_err(|cause| files::failed(self.path, &cause))?;
        }
        Ok(())
    }

    /// Gives the file the length that it has at least. What was cut off is lost, and is told from what was
    /// never written when its token is looked for.
    fn lengthen(&self) -> Result<()> {
        let length = if self.has_one_copy { COPY as u64 } else { offset(FIRST_ERASE) };
        self.file.set_len(length).map_err(|cause| files::failed(self.path, &cause))
    }
}
