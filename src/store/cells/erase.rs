//! The erase cells: secrets filled ahead, claimed by commits, overwritten when their material ends. In a fleet the numbers
//! by which they are asked for are those that their secrets have on all hosts: see [`mod@shared`].

mod shared;

use super::cell::{Cell, CellBytes, CellNumber, EraseSecret, FIRST_ERASE, SIZE};
use super::damage::{Damage, Extent, MOST_CORRECTED};
use super::file::CellFile;
use super::fixed::{FixedCells, damaged};
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::{Error, Reason, Result};
use shared::SharedCells;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The number of cells that are filled at once: one page of the file.
const BATCH: u32 = 64;

/// The content of an erase cell.
pub(crate) enum EraseCell {
    /// The secret under which material is encrypted.
    Secret(EraseSecret),
    /// The material has ended, and its secret is overwritten.
    Erased(Tombstone),
}

impl EraseCell {
    pub(super) fn of(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Live(secret) => Some(Self::Secret(secret)),
            Cell::Deleted(since) => Some(Self::Erased(Tombstone::Deleted(since))),
            Cell::Expired(since) => Some(Self::Erased(Tombstone::Expired(since))),
            _ => None,
        }
    }

    /// Returns the content of a cell that is to have this number; none where it has another.
    fn of_number(cell: Cell, number: CellNumber) -> Option<Self> {
        match cell {
            Cell::Shared(has, secret) if has == number => Some(Self::Secret(secret)),
            cell => Self::of(cell),
        }
    }
}

/// The erase cells of a store.
pub(crate) struct EraseCells {
    file: Arc<CellFile>,
    pool: Mutex<Pool>,
}

struct Pool {
    /// Cells with a fresh, synced secret that no record has claimed.
    ready: Vec<CellNumber>,
    /// Cells that no record claims any more.
    spent: Vec<CellNumber>,
    /// The number of cells in the file.
    end: CellNumber,
    /// Cells whose secret is not that of the records that claim them: they count as deleted until they are filled.
    foreign: HashMap<CellNumber, Seconds>,
    /// The cells of a fleet's secrets; none in a store of one machine.
    shared: Option<SharedCells>,
}

impl EraseCells {
    /// Takes the file's erase cells as they are: none is ready, none spent.
    pub(super) fn read(file: Arc<CellFile>, fixed: &FixedCells) -> Self {
        let (ready, spent, foreign) = (Vec::new(), Vec::new(), HashMap::new());
        let pool = Pool { ready, spent, end: fixed.end, foreign, shared: None };
        Self { file, pool: Mutex::new(pool) }
    }

    /// Fills all cells afresh that the store does not claim, after opening and before the first answer:
    /// nothing that a crash left behind can be read with them.
    pub(crate) fn renew_unclaimed(&self, claimed: &HashSet<CellNumber>) -> Result<()> {
        let mut pool = self.lock();
        pool.of_one_machine()?;
        if let Some(lost) = claimed.iter().find(|number| !pool.holds(**number)) {
            return Err(cut_short(self.file.path(), pool.end, *lost));
        }
        (pool.spent, pool.ready) = (Vec::new(), Vec::new());
        let unclaimed =
            (FIRST_ERASE..pool.end).filter(|number| !claimed.contains(number)).collect();
        self.fill(&mut pool, unclaimed)
    }

    /// Returns a cell with a fresh secret, durable already; the caller's batch claims it.
    pub(crate) fn take(&self) -> Result<CellNumber> {
        let mut pool = self.lock();
        pool.of_one_machine()?;
        if pool.ready.is_empty() {
            self.fill_batch(&mut pool)?;
        }
        pool.ready.pop().ok_or_else(|| Reason::General.into())
    }

    /// Takes back a cell that no store claims (any more). A fleet's secret is claimed once, whatever came of that.
    pub(crate) fn release(&self, number: CellNumber) {
        let mut pool = self.lock();
        if pool.shared.is_none() {
            pool.spent.push(number);
        }
    }

    /// Fills cells ahead while no peer waits.
    pub(crate) fn fill_ahead(&self) -> Result<()> {
        let mut pool = self.lock();
        if pool.shared.is_some() {
            return Ok(());
        }
        if pool.ready.len() < BATCH as usize / 2 { self.fill_batch(&mut pool) } else { Ok(()) }
    }

    /// Returns true for a number that an erase cell of the file has.
    pub(crate) fn has(&self, number: CellNumber) -> bool {
        let pool = self.lock();
        pool.shared.as_ref().map_or_else(|| pool.holds(number), |shared| shared.has(number))
    }

    /// Takes cells for deleted at that second, without a change of the file: their secrets are not those
    /// of the records that are known.
    pub(crate) fn presume_deleted(&self, cells: &[CellNumber], since: Seconds) {
        self.lock().foreign.extend(cells.iter().map(|number| (*number, since)));
    }

    /// Returns the content of a cell. A damaged cell is an error that names the file.
    pub(crate) fn read_cell(&self, number: CellNumber) -> Result<EraseCell> {
        if let Some(since) = self.lock().foreign.get(&number) {
            return Ok(EraseCell::Erased(Tombstone::Deleted(*since)));
        }
        let local = self.lock().local(number)?;
        let read = self.file.read(local).or_else(|_| {
            // A write of the same cell may have been under way: none is while the lock is held.
            let _pool = self.lock();
            self.file.read(local)
        })?;
        EraseCell::of_number(read, number).ok_or_else(|| {
            damaged(self.file.path(), format_args!("cell {number} is no erase cell"))
        })
    }

    /// Returns the companions of those of these cells whose secret is overwritten. A cell that is lost has a line in the
    /// log. Where the cells ascend, each page of the file is read once.
    pub(crate) fn overwritten<T>(&self, cells: Vec<(CellNumber, T)>) -> Vec<T> {
        let (mut page, mut overwritten) = (CellPage::default(), Vec::new());
        if self.is_shared() {
            // What is overwritten has a row that says so.
            return overwritten;
        }
        for (number, beside) in cells {
            if page.is_live(&self.file, number) && !self.lock().foreign.contains_key(&number) {
                continue;
            }
            match self.read_cell(number) {
                Ok(EraseCell::Secret(_)) => {}
                Ok(EraseCell::Erased(_)) => overwritten.push(beside),
                Err(error) => log::error!("{error}"),
            }
        }
        overwritten
    }

    /// Returns the content of a cell, or none where it is lost. Fails where the file cannot be read, which says
    /// nothing of the content.
    pub(crate) fn read_unless_lost(&self, number: CellNumber) -> Result<Option<EraseCell>> {
        let pool = self.lock();
        if !pool.holds(number) {
            log::error!("{}", cut_short(self.file.path(), pool.end, number));
            return Ok(None);
        }
        let bytes = self.file.raw(number)?;
        let read = self.file.decode(number, &bytes).map(EraseCell::of);
        Ok(read.unwrap_or_else(|error| {
            log::error!("{error}");
            None
        }))
    }

    /// Erases the secrets of material that is deleted. After `Ok` they are gone from the file.
    pub(crate) fn delete(&self, cells: &[CellNumber], since: Seconds) -> Result<()> {
        let ended: Vec<_> = cells.iter().map(|cell| (*cell, Tombstone::Deleted(since))).collect();
        self.erase(&ended)
    }

    /// Erases the secrets of material that has ended, with one sync for all. After `Ok` they are gone from the file.
    pub(crate) fn erase(&self, ended: &[(CellNumber, Tombstone)]) -> Result<()> {
        if ended.is_empty() {
            return Ok(());
        }
        let mut pool = self.lock();
        if pool.shared.is_some() {
            return self.erase_shared(&mut pool, ended);
        }
        for (number, tombstone) in ended {
            self.file.write(*number, &ended_cell(*tombstone))?;
        }
        drop(pool);
        self.file.sync()
    }

    /// Erases the secrets of all cells, for a store that others go on with. After `Ok` they are gone from the file.
    #[cfg_attr(not(test), allow(dead_code))] // no program founds a fleet yet
    pub(crate) fn erase_all(&self, since: Seconds) -> Result<()> {
        let end = self.lock().end;
        self.delete(&(FIRST_ERASE..end).collect::<Vec<_>>(), since)
    }

    /// Writes back the claimed cells of which a byte was damaged; those that are lost say that their
    /// material was deleted. Durable with the next sync. Returns what was damaged.
    pub(super) fn mend(&self, claimed: &[CellNumber], now: Seconds) -> Result<Vec<Damage>> {
        let mut pool = self.lock();
        if pool.shared.is_some() {
            // Another host sends what is lost.
            return Ok(Vec::new());
        }
        let unreadable = self.unreadable(&pool, claimed)?;
        let few = unreadable.len() <= MOST_CORRECTED;
        let beyond = claimed.iter().copied().filter(|cell| *cell >= pool.end);
        let lost: Vec<CellNumber> = unreadable.keys().copied().chain(beyond).collect();
        let mut mended = Vec::new();
        for cell in lost {
            let bytes = unreadable.get(&cell).filter(|_| few);
            let was = bytes.and_then(|bytes| Cell::corrected(cell, bytes)).filter(Cell::is_erase);
            let extent = if was.is_some() { Extent::Byte } else { Extent::Lost };
            mended.push(Damage { cell, extent });
            self.file.write(cell, &was.unwrap_or(Cell::Deleted(now)))?;
            pool.end = pool.end.max(cell.saturating_add(1));
        }
        Ok(mended)
    }

    /// Returns the bytes of those claimed cells that are no erase cells as they stand.
    fn unreadable(
        &self,
        pool: &Pool,
        claimed: &[CellNumber],
    ) -> Result<BTreeMap<CellNumber, CellBytes>> {
        let mut unreadable = BTreeMap::new();
        for cell in claimed.iter().copied().filter(|cell| pool.holds(*cell)) {
            let bytes = self.file.raw(cell)?;
            if !Cell::decode(cell, &bytes).as_ref().is_some_and(Cell::is_erase) {
                unreadable.insert(cell, bytes);
            }
        }
        Ok(unreadable)
    }

    /// Fills a batch of spent cells, or of new ones where few are spent.
    fn fill_batch(&self, pool: &mut Pool) -> Result<()> {
        if pool.spent.len() < BATCH as usize / 2 {
            self.file.extend(pool.end, BATCH)?;
            pool.spent.extend(pool.end..pool.end + BATCH);
            pool.end += BATCH;
        }
        let rest = pool.spent.len().saturating_sub(BATCH as usize);
        let numbers = pool.spent.split_off(rest);
        self.fill(pool, numbers)
    }

    fn fill(&self, pool: &mut Pool, numbers: Vec<CellNumber>) -> Result<()> {
        for number in &numbers {
            let mut secret = EraseSecret::default();
            aws_lc_rs::rand::fill(&mut **secret).map_err(|_| Reason::General)?;
            self.file.write(*number, &Cell::Live(secret))?;
            pool.foreign.remove(number);
        }
        self.file.sync()?;
        pool.ready.extend(numbers);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the cell of a secret that has ended.
fn ended_cell(tombstone: Tombstone) -> Cell {
    match tombstone {
        Tombstone::Deleted(since) => Cell::Deleted(since),
        Tombstone::Expired(since) => Cell::Expired(since),
    }
}

/// A page of the file's erase cells, as it was read.
#[derive(Default)]
struct CellPage {
    first: CellNumber,
    bytes: Zeroizing<Vec<u8>>,
}

impl CellPage {
    /// Returns true for a cell that holds a secret, as the page with it was read; false where that has to be looked at.
    fn is_live(&mut self, file: &CellFile, number: CellNumber) -> bool {
        matches!(self.cell(file, number), Some(Cell::Live(_)))
    }

    /// Returns a cell, as the page with it was read; none where that has to be looked at.
    fn cell(&mut self, file: &CellFile, number: CellNumber) -> Option<Cell> {
        let first = number - number % BATCH;
        if self.first != first {
            *self = Self { first, bytes: file.raw_page(first, BATCH) };
        }
        let (cells, _) = self.bytes.as_chunks::<SIZE>();
        Cell::decode(number, cells.get((number - first) as usize)?)
    }
}

impl Pool {
    fn holds(&self, number: CellNumber) -> bool {
        (FIRST_ERASE..self.end).contains(&number)
    }
}
/// Returns the error for a file that ends before a cell that holds material.
pub(super) fn cut_short(path: &Path, end: CellNumber, lost: CellNumber) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: it ends at cell {end}, but cell {lost} holds material; restore the store's directory as a whole \
         from a backup, or accept the loss of that material with `keystead recover`",
        path.display()
    ))
}
