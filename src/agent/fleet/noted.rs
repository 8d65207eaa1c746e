//! The rows that following the store has noted, for the work that comes of them.

use super::erasure_row::ErasureRow;
use super::host_store::HostStore;
use super::keys;
use crate::erasure::Tombstone;
use crate::error::Result;
use crate::store::cells::CellNumber;
use crate::store::{self, CommitNumber};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The rows that have been noted.
#[derive(Default)]
pub(crate) struct Noted(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    /// The ends that have rows, each with the commit that wrote it; one that was there before with a later one.
    ends: BTreeMap<CellNumber, CommitNumber>,
    /// Those that are not seen to on this host yet, each with a commit that is not after that which wrote it.
    waiting: BTreeMap<CellNumber, CommitNumber>,
    /// Set where commits went by unseen: all rows are to be looked at.
    is_unknown: bool,
    /// Set where secrets may be here that no host claims any more.
    has_closed: bool,
}

impl Noted {
    /// Notes that a commit has written a row, or removed it.
    pub(crate) fn note(&self, number: CommitNumber, key: &[u8], is_there: bool) {
        if let Some(cell) = keys::erasure_cell(key) {
            let mut inside = self.lock();
            if is_there {
                inside.ends.insert(cell, number);
                inside.waiting.entry(cell).or_insert(number);
            } else {
                inside.ends.remove(&cell);
            }
        } else if keys::batch_number(key).is_some() && !is_there {
            self.lock().has_closed = true;
        }
    }

    /// Notes that commits went by unseen.
    pub(crate) fn note_gap(&self) {
        let mut inside = self.lock();
        (inside.is_unknown, inside.has_closed) = (true, true);
    }

    /// Notes that secrets may be here that no host claims.
    pub(crate) fn note_closed(&self) {
        self.lock().has_closed = true;
    }

    /// Returns whether secrets may be here that no host claims, and takes note that this is seen to.
    pub(crate) fn take_closed(&self) -> bool {
        std::mem::take(&mut self.lock().has_closed)
    }

    /// Returns the ends that are to be seen to. Where commits went by unseen these are all that have rows, and none of
    /// them came before commit `floor`.
    pub(crate) fn waiting(
        &self,
        host: &dyn HostStore,
        floor: CommitNumber,
    ) -> Result<Vec<(CellNumber, CommitNumber, Tombstone)>> {
        let is_unknown = std::mem::take(&mut self.lock().is_unknown);
        if is_unknown && let Err(error) = self.look(host, floor) {
            self.lock().is_unknown = true;
            return Err(error);
        }
        let waiting = self.lock().waiting.clone();
        let end = |(cell, number)| {
            let row = ErasureRow::read(host.rows(), cell)?;
            let end = row.map_or_else(|| Tombstone::Deleted(host.time()), |row| row.end);
            Ok((cell, number, end))
        };
        waiting.into_iter().map(end).collect()
    }

    /// Looks at all rows.
    fn look(&self, host: &dyn HostStore, floor: CommitNumber) -> Result<()> {
        let mut cells = Vec::new();
        store::each(host.rows(), keys::ERASURE_PREFIX, |key, _| {
            cells.extend(keys::erasure_cell(key));
            Ok(true)
        })?;
        let through = host.followed()?;
        let mut inside = self.lock();
        for cell in cells {
            inside.ends.entry(cell).or_insert(through);
            let number = inside.waiting.entry(cell).or_insert(floor);
            *number = floor.min(*number);
        }
        Ok(())
    }

    /// Takes note that these are seen to.
    pub(crate) fn seen_to(&self, cells: &[CellNumber]) {
        let mut inside = self.lock();
        for cell in cells {
            inside.waiting.remove(cell);
        }
    }

    /// Returns the first commit whose ends are not all seen to; none where all are.
    pub(crate) fn first_waiting(&self) -> Option<CommitNumber> {
        let inside = self.lock();
        let first = inside.waiting.values().min().copied();
        if inside.is_unknown { Some(0) } else { first }
    }

    /// Returns the ends that have rows, each with a commit that is not before that which wrote it.
    pub(crate) fn ends(&self) -> BTreeMap<CellNumber, CommitNumber> {
        self.lock().ends.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
