//! The erase slots, PIN counters and clock mark: the file `slots`, written in place and synced.
//!
//! What stands here only takes away and is never rolled back. Key material is encrypted under the
//! secret of an erase cell; overwriting the cell is what "deleted" means. Cells are filled ahead with
//! fresh secrets, in batches, so that a commit claims one without a sync of its own.

mod cell;

use super::files;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::state::Erasure;
use cell::{
    CLOCK_CELL, COMMITS_CELL, Cell, FIRST_ERASE, FIRST_PIN, FORMAT, FORMAT_CELL, IDENTITY_CELL,
    Pin, SIZE,
};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The number of an erase cell.
pub type CellNumber = u32;

/// How many cells are filled at once: one page of the file.
const BATCH: u32 = 64;

/// What stands in an erase cell.
pub enum Content {
    /// The secret under which material is encrypted.
    Secret(Zeroizing<[u8; 32]>),
    /// The material is gone.
    Gone(Erasure),
}

/// The open file.
pub struct Slots {
    file: File,
    path: PathBuf,
    store: Id,
    incarnation: u64,
    inner: Mutex<Inner>,
    broken: AtomicBool,
}

#[derive(Default)]
struct Inner {
    /// Cells with a fresh, synced secret that nobody has claimed.
    ready: Vec<CellNumber>,
    /// Cells that nobody claims any more.
    spent: Vec<CellNumber>,
    /// The number of cells in the file.
    end: CellNumber,
    /// Each token's PIN cell.
    pins: BTreeMap<Id, (u32, Pin)>,
    mark: Seconds,
    commits: u64,
}

impl Slots {
    /// Opens the file `slots` in a store's directory, or makes it for a store that is new.
    pub fn open(directory: &Path, new: bool) -> Result<Self> {
        let path = directory.join("slots");
        if new && !path.exists() {
            create(directory, &path)?;
        }
        let file = files::open_private(&path, false).map_err(|error| match error.reason() {
            Reason::AgentAbsent => damaged(&path, error),
            _ => error,
        })?;
        let (bytes, end) = fixed_part(&file, &path)?;
        let (store, incarnation) = identity(&bytes, &path)?;
        let inner = Mutex::new(Inner::read(&bytes, end, &path));
        Ok(Self { file, path, store, incarnation, inner, broken: AtomicBool::new(false) })
    }

    /// The store's identity and incarnation.
    pub fn identity(&self) -> (Id, u64) {
        (self.store, self.incarnation)
    }

    /// Whether no failed write or sync has ended this instance.
    pub fn alive(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }

    /// The high-water mark of time.
    pub fn mark(&self) -> Seconds {
        self.lock().mark
    }

    /// Raises the mark; durable with the next sync.
    pub fn raise_mark(&self, mark: Seconds) -> Result<()> {
        let mut inner = self.lock();
        if mark <= inner.mark {
            return Ok(());
        }
        inner.mark = mark;
        self.write(CLOCK_CELL, &Cell::Clock(mark))
    }

    /// The number of the last commit known to be durable in the store.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Notes that the store has made commits durable up to `number`. It needs no sync: a store that
    /// knows fewer commits than this file has lost some, whenever the note reached the disk.
    pub fn note_commits(&self, number: u64) -> Result<()> {
        let mut inner = self.lock();
        inner.commits = number;
        self.write(COMMITS_CELL, &Cell::Commits(number))
    }

    /// Makes everything written so far durable.
    pub fn sync(&self) -> Result<()> {
        self.ended()?;
        self.file.sync_data().map_err(|cause| self.fail(files::failed(&self.path, &cause)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, number: u32) -> Result<Cell> {
        let mut bytes = Zeroizing::new([0; SIZE]);
        self.file
            .read_exact_at(&mut *bytes, offset(number))
            .map_err(|cause| files::failed(&self.path, &cause))?;
        Cell::decode(number, &bytes).ok_or_else(|| {
            damaged(&self.path, format_args!("cell {number} is not as it was written"))
        })
    }

    fn write(&self, number: u32, cell: &Cell) -> Result<()> {
        self.ended()?;
        self.file
            .write_all_at(&*cell.encode(number), offset(number))
            .map_err(|cause| self.fail(files::failed(&self.path, &cause)))
    }

    fn ended(&self) -> Result<()> {
        if self.alive() {
            Ok(())
        } else {
            Err(damaged(&self.path, "an earlier failure ended this instance"))
        }
    }

    fn fail(&self, error: Error) -> Error {
        self.broken.store(true, Ordering::Release);
        error
    }
}

/// Erase cells.
impl Slots {
    /// Tells the file which cells the store claims, after opening and before the first answer: all
    /// others get fresh secrets, so that nothing a crash left behind can be read with them.
    pub fn settle(&self, claimed: &HashSet<CellNumber>) -> Result<()> {
        let mut inner = self.lock();
        if let Some(lost) = claimed.iter().find(|number| !(FIRST_ERASE..inner.end).contains(number))
        {
            return Err(damaged(
                &self.path,
                format_args!("it ends at cell {}, but cell {lost} holds material", inner.end),
            ));
        }
        (inner.spent, inner.ready) = (Vec::new(), Vec::new());
        let unclaimed =
            (FIRST_ERASE..inner.end).filter(|number| !claimed.contains(number)).collect();
        self.fill(&mut inner, unclaimed)
    }

    /// A cell with a fresh secret, durable already; the caller's batch claims it.
    pub fn take(&self) -> Result<CellNumber> {
        let mut inner = self.lock();
        if inner.ready.is_empty() {
            self.fill_batch(&mut inner)?;
        }
        inner.ready.pop().ok_or_else(|| Reason::General.into())
    }

    /// Takes back a cell that no store claims (any more).
    pub fn release(&self, number: CellNumber) {
        self.lock().spent.push(number);
    }

    /// Fills cells ahead while nobody waits.
    pub fn refill(&self) -> Result<()> {
        let mut inner = self.lock();
        if inner.ready.len() < BATCH as usize / 2 { self.fill_batch(&mut inner) } else { Ok(()) }
    }

    /// What stands in a cell. A damaged cell is an error that names the file.
    pub fn content(&self, number: CellNumber) -> Result<Content> {
        let read = self.read(number).or_else(|_| {
            // A write of the same cell may have been under way: none is while the lock is held.
            let _inner = self.lock();
            self.read(number)
        })?;
        match read {
            Cell::Live(secret) => Ok(Content::Secret(secret)),
            Cell::Deleted(since) => Ok(Content::Gone(Erasure::Deleted(since))),
            Cell::Expired(since) => Ok(Content::Gone(Erasure::Expired(since))),
            _ => Err(damaged(&self.path, format_args!("cell {number} is no erase cell"))),
        }
    }

    /// What a cell says of its material.
    pub fn erasure(&self, number: CellNumber) -> Result<Erasure> {
        match self.content(number)? {
            Content::Secret(_) => Ok(Erasure::Live),
            Content::Gone(erasure) => Ok(erasure),
        }
    }

    /// Erases the secrets of material that is deleted. After `Ok` they are gone from the file.
    pub fn delete(&self, cells: &[CellNumber], since: Seconds) -> Result<()> {
        self.overwrite(cells, &Cell::Deleted(since))
    }

    /// Erases the secrets of material that has expired. After `Ok` they are gone from the file.
    pub fn expire(&self, cells: &[CellNumber], since: Seconds) -> Result<()> {
        self.overwrite(cells, &Cell::Expired(since))
    }

    fn overwrite(&self, cells: &[CellNumber], with: &Cell) -> Result<()> {
        if cells.is_empty() {
            return Ok(());
        }
        let inner = self.lock();
        for number in cells {
            self.write(*number, with)?;
        }
        drop(inner);
        self.sync()
    }

    /// Fills a batch of spent cells, or of new ones where few are spent.
    fn fill_batch(&self, inner: &mut Inner) -> Result<()> {
        if inner.spent.len() < BATCH as usize / 2 {
            self.extend(inner)?;
        }
        let rest = inner.spent.len().saturating_sub(BATCH as usize);
        let numbers = inner.spent.split_off(rest);
        self.fill(inner, numbers)
    }

    fn fill(&self, inner: &mut Inner, numbers: Vec<CellNumber>) -> Result<()> {
        for number in &numbers {
            let mut secret = Zeroizing::new([0; 32]);
            aws_lc_rs::rand::fill(&mut *secret).map_err(|_| Reason::General)?;
            self.write(*number, &Cell::Live(secret))?;
        }
        self.sync()?;
        inner.ready.extend(numbers);
        Ok(())
    }

    /// Makes the file longer, or leaves it as it was where there is no room.
    fn extend(&self, inner: &mut Inner) -> Result<()> {
        self.ended()?;
        let from = offset(inner.end);
        match self.file.write_all_at(&[0; BATCH as usize * SIZE], from) {
            Ok(()) => {
                inner.spent.extend(inner.end..inner.end + BATCH);
                inner.end += BATCH;
                Ok(())
            }
            Err(cause) => {
                let error = files::failed(&self.path, &cause);
                self.file
                    .set_len(from)
                    .map_err(|cause| self.fail(files::failed(&self.path, &cause)))?;
                Err(error)
            }
        }
    }
}

/// PIN counters.
impl Slots {
    /// The slot number of a token, for good, and its wrong PINs: security officer's, user's.
    pub fn pin(&self, token: Id) -> Result<(u32, (u8, u8))> {
        match self.lock().pins.get(&token) {
            Some((number, pin)) => Ok((number - FIRST_PIN, (pin.officer, pin.user))),
            None => Err(self.no_counter(token)),
        }
    }

    /// Durably reserves the first free slot for a token that is about to be written.
    pub fn reserve(&self, token: Id) -> Result<u32> {
        let mut inner = self.lock();
        if let Some((number, _)) = inner.pins.get(&token) {
            return Ok(number - FIRST_PIN);
        }
        let used: HashSet<u32> = inner.pins.values().map(|(number, _)| *number).collect();
        let number = (FIRST_PIN..FIRST_ERASE)
            .find(|number| !used.contains(number))
            .ok_or_else(|| Reason::StoreFull.detail("a store holds at most 504 tokens"))?;
        let pin = Pin { token, in_use: false, officer: 0, user: 0 };
        self.write_pin(&mut inner, number, pin)?;
        drop(inner);
        self.sync()?;
        Ok(number - FIRST_PIN)
    }

    /// Tells the file which tokens the store holds, after opening. A reservation that no token
    /// followed is free again; a token in use that the store does not know means that it lost it.
    pub fn settle_tokens(&self, known: &HashSet<Id>) -> Result<()> {
        let pins: Vec<(u32, Pin)> = self.lock().pins.values().copied().collect();
        for (number, pin) in pins {
            match (known.contains(&pin.token), pin.in_use) {
                (true, true) => {}
                (true, false) => self.confirm(pin.token)?,
                (false, false) => {
                    self.lock().pins.remove(&pin.token);
                    self.write(number, &Cell::Pin(None))?;
                }
                (false, true) => {
                    return Err(damaged(
                        &self.path,
                        format_args!(
                            "it counts the PINs of token {}, which db/ does not hold",
                            pin.token
                        ),
                    ));
                }
            }
        }
        match known.iter().find(|token| !self.lock().pins.contains_key(token)) {
            Some(token) => Err(self.no_counter(*token)),
            None => Ok(()),
        }
    }

    /// Notes that a token's entry stands in the store; durable with the next sync.
    pub fn confirm(&self, token: Id) -> Result<()> {
        self.change_pin(token, |pin| pin.in_use = true).map(drop)
    }

    /// Durably counts one attempt; the number of attempts in a row, with this one.
    pub fn count_attempt(&self, token: Id, officer: bool) -> Result<u8> {
        let pin = self.change_pin(token, |pin| {
            let count = if officer { &mut pin.officer } else { &mut pin.user };
            *count = count.saturating_add(1);
        })?;
        self.sync()?;
        Ok(if officer { pin.officer } else { pin.user })
    }

    /// Starts counts again: security officer's, user's. Durable with the next sync.
    pub fn reset(&self, token: Id, which: (bool, bool)) -> Result<()> {
        let reset = |pin: &mut Pin| {
            pin.officer = if which.0 { 0 } else { pin.officer };
            pin.user = if which.1 { 0 } else { pin.user };
        };
        self.change_pin(token, reset).map(drop)
    }

    fn change_pin(&self, token: Id, change: impl FnOnce(&mut Pin)) -> Result<Pin> {
        let mut inner = self.lock();
        let (number, mut pin) =
            inner.pins.get(&token).copied().ok_or_else(|| self.no_counter(token))?;
        let before = pin;
        change(&mut pin);
        if pin != before {
            self.write_pin(&mut inner, number, pin)?;
        }
        Ok(pin)
    }

    fn write_pin(&self, inner: &mut Inner, number: u32, pin: Pin) -> Result<()> {
        self.write(number, &Cell::Pin(Some(pin)))?;
        inner.pins.insert(pin.token, (number, pin));
        Ok(())
    }

    fn no_counter(&self, token: Id) -> Error {
        damaged(&self.path, format_args!("it does not count the PINs of token {token}"))
    }
}

impl Inner {
    fn read(bytes: &[u8], end: CellNumber, path: &Path) -> Self {
        let mut inner = Self { end, ..Self::default() };
        // A damaged mark alone must not lock anybody out: the store keeps a second copy.
        match cell_in(bytes, CLOCK_CELL) {
            Some(Cell::Clock(mark)) => inner.mark = mark,
            _ => log::error!("{}: the clock's mark is damaged and starts again", path.display()),
        }
        match cell_in(bytes, COMMITS_CELL) {
            Some(Cell::Commits(number)) => inner.commits = number,
            _ => log::error!("{}: the count of commits is damaged", path.display()),
        }
        for number in FIRST_PIN..FIRST_ERASE {
            match cell_in(bytes, number) {
                Some(Cell::Pin(Some(pin))) => drop(inner.pins.insert(pin.token, (number, pin))),
                Some(Cell::Pin(None) | Cell::Unused) => {}
                _ => log::error!("{}: PIN cell {number} is damaged", path.display()),
            }
        }
        inner
    }
}

/// Writes a new store's file beside its place and names it when it is whole.
fn create(directory: &Path, path: &Path) -> Result<()> {
    let mut identity = [0; 16];
    aws_lc_rs::rand::fill(&mut identity).map_err(|_| Reason::General)?;
    let unfinished = directory.join("slots.new");
    let file = files::open_private(&unfinished, true)?;
    let mut bytes = vec![0; FIRST_ERASE as usize * SIZE];
    let cells = [
        (FORMAT_CELL, Cell::Format(FORMAT)),
        (IDENTITY_CELL, Cell::Identity { store: Id::from_random(identity), incarnation: 1 }),
        (CLOCK_CELL, Cell::Clock(0)),
        (COMMITS_CELL, Cell::Commits(0)),
    ];
    for (number, cell) in cells {
        let at = number as usize * SIZE;
        bytes.splice(at..at + SIZE, *cell.encode(number));
    }
    file.set_len(0)
        .and_then(|()| file.write_all_at(&bytes, 0))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&unfinished, path))
        .map_err(|cause| files::failed(path, &cause))?;
    files::sync_directory(directory)
}

/// The cells before the erase cells, and the number of all whole cells. Secrets are not read here.
fn fixed_part(file: &File, path: &Path) -> Result<(Vec<u8>, CellNumber)> {
    let length = file.metadata().map_err(|cause| files::failed(path, &cause))?.len();
    let end = u32::try_from(length / SIZE as u64).unwrap_or(0);
    if end < FIRST_ERASE {
        return Err(damaged(path, format_args!("{length} bytes cannot be its length")));
    }
    let mut bytes = vec![0; offset(FIRST_ERASE) as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|cause| files::failed(path, &cause))?;
    Ok((bytes, end))
}

fn identity(bytes: &[u8], path: &Path) -> Result<(Id, u64)> {
    match (cell_in(bytes, FORMAT_CELL), cell_in(bytes, IDENTITY_CELL)) {
        (Some(Cell::Format(FORMAT)), Some(Cell::Identity { store, incarnation })) => {
            Ok((store, incarnation))
        }
        (Some(Cell::Format(format)), _) if format != FORMAT => Err(damaged(
            path,
            format_args!("it has format {format}, and this build knows {FORMAT}"),
        )),
        _ => Err(damaged(path, "it does not begin as a file of erase slots")),
    }
}

fn cell_in(bytes: &[u8], number: u32) -> Option<Cell> {
    let at = number as usize * SIZE;
    let cell = bytes.get(at..at + SIZE)?;
    Cell::decode(number, cell.try_into().ok()?)
}

const fn offset(number: u32) -> u64 {
    number as u64 * SIZE as u64
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
