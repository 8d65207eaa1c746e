//! The erase slots, PIN counters and clock mark: the file `slots`, written in place and synced.
//!
//! What stands here only takes away and is never rolled back. Key material is encrypted under the
//! secret of an erase cell; overwriting the cell is what "deleted" means. Cells are filled ahead with
//! fresh secrets, in batches, so that a commit claims one without a sync of its own.

mod cell;
mod damage;
mod erase;
mod pins;
mod restored;

use super::{files, syncs};
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use cell::{
    CLOCK_CELL, COMMITS_CELL, Cell, EraseSecret, FIRST_ERASE, FIRST_PIN, FORMAT, FORMAT_CELL,
    IDENTITY_CELL, Pin, SIZE, blank,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

pub use damage::{Damage, damage};
pub use pins::TOKENS;
pub use restored::{Fresh, Restoring};

/// The file's name in a store's directory.
pub const NAME: &str = crate::presence::MARK;

/// The cells that count wrong PINs.
pub const PIN_CELLS: std::ops::Range<u32> = FIRST_PIN..FIRST_ERASE;

/// The number of an erase cell.
pub type CellNumber = u32;

/// What stands in an erase cell.
pub enum Content {
    /// The secret under which material is encrypted.
    Secret(EraseSecret),
    /// The material was deleted, at that second.
    Deleted(Seconds),
    /// The material had expired and was erased, at that second.
    Expired(Seconds),
}

/// The open file.
pub struct Slots {
    file: File,
    path: PathBuf,
    store: Id,
    incarnation: u64,
    inner: Mutex<Inner>,
    /// Cells that nothing tells what they were.
    hopeless: Mutex<HashSet<u32>>,
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
    /// Cells whose material belongs to commits that are not known: they count as deleted.
    foreign: HashMap<CellNumber, Seconds>,
    /// The cells before the erase cells that are not as they were written, and what they were, if that
    /// can be told.
    damaged: BTreeMap<u32, Option<Cell>>,
    /// PIN cells that a token has left.
    vacant: HashSet<u32>,
    /// Tokens whose count is lost, each with its PIN cell: they count as locked.
    uncounted: BTreeMap<Id, u32>,
    mark: Seconds,
    commits: u64,
}

impl Slots {
    /// Opens the file `slots` in a store's directory.
    pub fn open(directory: &Path) -> Result<Self> {
        Self::open_file(directory.join(NAME))
    }

    /// Returns the store's identity, its incarnation and the number of its last commit, from a file that
    /// is only read.
    pub fn noted(directory: &Path) -> Result<((Id, u64), u64)> {
        let path = directory.join(NAME);
        let file = files::open_to_read(&path).map_err(|cause| files::failed(&path, &cause))?;
        let (mut bytes, end) = fixed_part(&file, &path)?;
        let damaged = correct(&mut bytes, &path);
        Ok((identity(&bytes, &path)?, Inner::read(&bytes, end, damaged, &path).commits))
    }

    /// Makes the file for a new store in `directory`, unless it is there. The caller holds the store's
    /// lock.
    pub fn make(directory: &Path) -> Result<()> {
        let path = directory.join(NAME);
        if path.exists() { Ok(()) } else { create(directory, &path) }
    }

    fn open_file(path: PathBuf) -> Result<Self> {
        if !path.exists() {
            return Err(damaged(&path, "it is gone"));
        }
        let file = files::open_private(&path, false)?;
        let (mut bytes, end) = fixed_part(&file, &path)?;
        let damaged = correct(&mut bytes, &path);
        let (store, incarnation) = identity(&bytes, &path)?;
        let inner = Mutex::new(Inner::read(&bytes, end, damaged, &path));
        let (hopeless, broken) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { file, path, store, incarnation, inner, hopeless, broken })
    }

    /// The store's identity and incarnation.
    pub fn identity(&self) -> (Id, u64) {
        (self.store, self.incarnation)
    }

    /// Whether nothing was ever committed to the store, as far as this file knows.
    pub fn is_new(&self) -> bool {
        self.is_unused() && self.commits() == 0
    }

    /// Whether no token is in the store, as far as this file knows.
    pub fn is_unused(&self) -> bool {
        let inner = self.lock();
        inner.pins.is_empty() && inner.damaged.is_empty()
    }

    /// Whether its tokens are others than these: it knows some, and none of them.
    pub fn is_of_others(&self, tokens: &HashMap<Id, u32>) -> bool {
        let inner = self.lock();
        let known = |token: &Id| tokens.contains_key(token);
        !inner.pins.is_empty() && !tokens.is_empty() && !inner.pins.keys().any(known)
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
        inner.damaged.remove(&CLOCK_CELL);
        self.write(CLOCK_CELL, &Cell::Clock(mark))
    }

    /// Lowers the mark after a wrong clock; durable when it returns.
    pub fn lower_mark(&self, mark: Seconds) -> Result<()> {
        let mut inner = self.lock();
        inner.mark = mark;
        self.write(CLOCK_CELL, &Cell::Clock(mark))?;
        drop(inner);
        self.sync()
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
        inner.damaged.remove(&COMMITS_CELL);
        self.write(COMMITS_CELL, &Cell::Commits(number))
    }

    /// Accepts a store that has lost commits: it goes on as a new incarnation, from the commits and
    /// with the tokens that it has. Durable on return; erased cells stay erased. Takes effect for
    /// [`identity`](Self::identity) when the file is opened again.
    pub fn begin_again(&self, commits: u64, tokens: &HashSet<Id>) -> Result<()> {
        let lost: Vec<(u32, Pin)> = self
            .lock()
            .pins
            .values()
            .filter(|(_, pin)| !tokens.contains(&pin.token))
            .copied()
            .collect();
        for (number, pin) in lost {
            let mut inner = self.lock();
            inner.pins.remove(&pin.token);
            self.empty_pin(&mut inner, number)?;
        }
        let (store, incarnation) = (self.store, self.incarnation + 1);
        self.write(IDENTITY_CELL, &Cell::Identity { store, incarnation })?;
        self.note_commits(commits)?;
        self.sync()
    }

    /// Makes everything written so far durable.
    pub fn sync(&self) -> Result<()> {
        self.ended()?;
        let synced = syncs::during(&self.path, || self.file.sync_data());
        synced.map_err(|cause| self.fail(files::failed(&self.path, &cause)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, number: u32) -> Result<Cell> {
        let mut bytes = blank();
        self.file
            .read_exact_at(&mut **bytes, offset(number))
            .map_err(|cause| files::failed(&self.path, &cause))?;
        if let Some(cell) = Cell::decode(number, &bytes) {
            return Ok(cell);
        }
        let cell = self.corrected(number, &bytes);
        let told = damage::told(number, cell.is_some());
        match cell {
            Some(cell) => {
                log::error!("{}: {told}; `keystead recover` mends it", self.path.display());
                Ok(cell)
            }
            None => Err(damaged(&self.path, told)),
        }
    }

    fn write(&self, number: u32, cell: &Cell) -> Result<()> {
        self.ended()?;
        self.file
            .write_all_at(&**cell.encode(number), offset(number))
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

impl Inner {
    fn read(bytes: &[u8], end: CellNumber, damaged: Damaged, path: &Path) -> Self {
        let mut inner = Self { end, damaged, ..Self::default() };
        // A damaged mark alone must not lock anybody out: the store keeps a second copy.
        match cell_in(bytes, CLOCK_CELL) {
            Some(Cell::Clock(mark)) => inner.mark = mark,
            _ => log::error!("{}: the clock's mark is lost; the one in db/ counts", path.display()),
        }
        match cell_in(bytes, COMMITS_CELL) {
            Some(Cell::Commits(number)) => inner.commits = number,
            _ => log::error!("{}: the count of commits is lost", path.display()),
        }
        for number in FIRST_PIN..FIRST_ERASE {
            match cell_in(bytes, number) {
                Some(Cell::Pin(Some(pin))) => drop(inner.pins.insert(pin.token, (number, pin))),
                Some(Cell::Pin(None)) => drop(inner.vacant.insert(number)),
                _ => {}
            }
        }
        inner
    }
}

type Damaged = BTreeMap<u32, Option<Cell>>;

/// Puts the cells right in memory of which one byte was damaged; those that were not as they were written.
fn correct(bytes: &mut [u8], path: &Path) -> Damaged {
    let damaged = damage::damaged_of((0..FIRST_ERASE).zip(bytes.as_chunks::<SIZE>().0));
    for (number, cell) in &damaged {
        let at = *number as usize * SIZE;
        if let (Some(cell), Some(place)) = (cell, bytes.get_mut(at..at + SIZE)) {
            place.copy_from_slice(&**cell.encode(*number));
        }
        let told = damage::told(*number, cell.is_some());
        log::error!("{}: {told}; `keystead recover` mends what can be mended", path.display());
    }
    damaged.into_iter().collect()
}

/// Writes a new store's file beside its place and names it when it is whole.
fn create(directory: &Path, path: &Path) -> Result<()> {
    let mut identity = [0; 16];
    aws_lc_rs::rand::fill(&mut identity).map_err(|_| Reason::General)?;
    let unfinished = directory.join("slots.new");
    let store = Id::from_random(identity);
    write_file(&unfinished, FIRST_ERASE, &head(store, 1, 0, 0))?;
    std::fs::rename(&unfinished, path).map_err(|cause| files::failed(path, &cause))?;
    files::sync_directory(directory)
}

/// The cells that every file begins with.
fn head(store: Id, incarnation: u64, mark: Seconds, commits: u64) -> Vec<(u32, Cell)> {
    vec![
        (FORMAT_CELL, Cell::Format(FORMAT)),
        (IDENTITY_CELL, Cell::Identity { store, incarnation }),
        (CLOCK_CELL, Cell::Clock(mark)),
        (COMMITS_CELL, Cell::Commits(commits)),
    ]
}

/// A whole file of that many cells, durable; those that are not given are unused.
fn write_file(path: &Path, end: CellNumber, cells: &[(u32, Cell)]) -> Result<()> {
    let file = files::open_private(path, true)?;
    let mut bytes = Zeroizing::new(vec![0; end as usize * SIZE]);
    for (number, cell) in cells {
        let at = *number as usize * SIZE;
        if let Some(place) = bytes.get_mut(at..at + SIZE) {
            place.copy_from_slice(&**cell.encode(*number));
        }
    }
    file.set_len(0)
        .and_then(|()| file.write_all_at(&bytes, 0))
        .and_then(|()| file.sync_all())
        .map_err(|cause| files::failed(path, &cause))
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
        (format, identity) => {
            let lost = match (format, identity) {
                (Some(Cell::Format(_)), _) => {
                    "its second cell, which says whose store this is, is lost"
                }
                (_, Some(Cell::Identity { .. })) => {
                    "its first cell, which says its format, is lost"
                }
                _ => "it does not begin as a file of erase slots",
            };
            Err(Reason::StoreDamaged.detail(format_args!(
                "{}: {lost}; `keystead recover` mends what can be mended, else restore the store's \
                 directory as a whole from a backup",
                path.display()
            )))
        }
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
