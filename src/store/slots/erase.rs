//! The erase cells: secrets filled ahead, claimed by commits, overwritten when their material ends.

use super::cell::{Cell, EraseSecret, FIRST_ERASE, SIZE};
use super::{CellNumber, Content, Inner, Slots, damaged, offset};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::store::files;
use std::collections::HashSet;
use std::os::unix::fs::FileExt;

/// How many cells are filled at once: one page of the file.
const BATCH: u32 = 64;

impl Slots {
    /// Tells the file which cells the store claims, after opening and before the first answer: all
    /// others get fresh secrets, so that nothing a crash left behind can be read with them.
    pub fn settle(&self, claimed: &HashSet<CellNumber>) -> Result<()> {
        let mut inner = self.lock();
        if let Some(lost) = claimed.iter().find(|number| !(FIRST_ERASE..inner.end).contains(number))
        {
            return Err(Reason::StoreDamaged.detail(format_args!(
                "{}: it ends at cell {}, but cell {lost} holds material; restore the store's directory as a \
                 whole from a backup, or accept the loss of that material with `keystead recover`",
                self.path.display(),
                inner.end
            )));
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

    /// Takes cells for deleted at that second, without a change of the file: their secrets are not those
    /// of the records that are known.
    pub fn presume_deleted(&self, cells: &[CellNumber], since: Seconds) {
        self.lock().foreign.extend(cells.iter().map(|number| (*number, since)));
    }

    /// What stands in a cell. A damaged cell is an error that names the file.
    pub fn content(&self, number: CellNumber) -> Result<Content> {
        if let Some(since) = self.lock().foreign.get(&number) {
            return Ok(Content::Deleted(*since));
        }
        let read = self.read(number).or_else(|_| {
            // A write of the same cell may have been under way: none is while the lock is held.
            let _inner = self.lock();
            self.read(number)
        })?;
        match read {
            Cell::Live(secret) => Ok(Content::Secret(secret)),
            Cell::Deleted(since) => Ok(Content::Deleted(since)),
            Cell::Expired(since) => Ok(Content::Expired(since)),
            _ => Err(damaged(&self.path, format_args!("cell {number} is no erase cell"))),
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
            let mut secret = EraseSecret::default();
            aws_lc_rs::rand::fill(&mut **secret).map_err(|_| Reason::General)?;
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
