//! Erasing on this host, and how far it has come. What has ended is overwritten in this host's cells. An envelope that
//! carried it lies in etcd, its log and its backups for good, and is opened by the envelope key that it was sealed for:
//! so the commit up to which everything is erased passes an end only once no such key is left.

use super::batch::batch_of;
use super::host_store::HostStore;
use super::state::{Fleet, Work};
use crate::error::Result;
use crate::store::CommitNumber;

impl Fleet {
    /// Overwrites what has ended. After `Ok` it is gone from this host's cells.
    pub(super) fn erase_ended(&self, host: &dyn HostStore, work: &mut Work) -> Result<()> {
        // Whatever has been committed is noted once it is followed.
        host.followed()?;
        let waiting = self.noted.waiting(host, work.reached + 1)?;
        let taken = self.taken();
        let ended: Vec<_> = waiting.iter().map(|(cell, _, end)| (*cell, *end)).collect();
        host.slots().erase.erase(&ended)?;
        let keys = host.fleet_cells()?.envelope_keys();
        let last = keys.last().copied().unwrap_or_default();
        for (cell, number, _) in &waiting {
            let batch = batch_of(*cell);
            let carried = taken.carried.get(&batch).copied().unwrap_or(last);
            if !work.own.contains(&batch) && keys.iter().any(|key| *key <= carried) {
                let first = work.tainted.entry(carried).or_insert(*number);
                *first = (*first).min(*number);
            }
        }
        let cells: Vec<_> = ended.into_iter().map(|(cell, _)| cell).collect();
        self.noted.seen_to(&cells);
        Ok(())
    }

    /// Returns the commit up to which nothing that was erased can be had from this host, or from what was sent to it.
    pub(super) fn erased_through(
        &self,
        host: &dyn HostStore,
        work: &mut Work,
    ) -> Result<CommitNumber> {
        let followed = host.followed()?;
        let first = [self.noted.first_waiting(), work.tainted.values().min().copied()];
        let before = first.into_iter().flatten().map(|number| number.saturating_sub(1)).min();
        work.reached = work.reached.max(before.unwrap_or(followed).min(followed));
        Ok(work.reached)
    }
}
