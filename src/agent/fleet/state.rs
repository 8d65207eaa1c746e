//! The fleet as one host's agent knows it, beside what stands in rows and cells. All of it is found again after a start.

use super::batch::BatchNumber;
use super::fleet_key::FleetKey;
use super::host_store::HostStore;
use super::keys::{self, RowKey};
use super::noted::Noted;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::CommitNumber;
use crate::store::cells::CellNumber;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The fleet as one host's agent knows it.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(super) noted: Noted,
    /// Locked while envelopes are taken and while secrets are overwritten: so that none comes back. Nothing is committed
    /// meanwhile, and the index is not asked.
    taken: Mutex<Taken>,
    /// Locked by the one who changes rows.
    work: Mutex<Work>,
    /// Set where something has come that asks for work.
    is_stirred: AtomicBool,
    /// The second before which work that has failed is not tried again.
    rests_until: AtomicU64,
}

/// The time after which work that has failed is tried again, in seconds.
const REST: Seconds = 5;

/// The envelopes that have been taken.
#[derive(Default)]
pub(super) struct Taken {
    /// The rows that are of no more use: key and value.
    pub(super) rows: HashMap<RowKey, Vec<u8>>,
    /// The highest number of an envelope key under which a batch has come.
    pub(super) carried: HashMap<BatchNumber, u64>,
}

/// The knowledge of the one who changes rows.
#[derive(Default)]
pub(super) struct Work {
    /// The secrets that this host's commits may claim, the next one last.
    pub(super) ready: Vec<CellNumber>,
    /// The batches that this process has made: no envelope has brought them here.
    pub(super) own: BTreeSet<BatchNumber>,
    /// Ends that were overwritten here while an envelope key up to this number could still tell them, each with the
    /// first commit of those that wait for it.
    pub(super) tainted: BTreeMap<u64, CommitNumber>,
    /// The commit up to which everything is erased here, as far as that is known.
    pub(super) reached: CommitNumber,
    /// The highest number seen of each host's envelope key.
    pub(super) seen_keys: HashMap<Id, u64>,
    /// Hosts that this process has sent everything to.
    pub(super) sent: HashSet<Id>,
}

impl Fleet {
    /// Returns the envelopes that have been taken; none is taken, and nothing overwritten, meanwhile.
    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the work of changing rows.
    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true for the key of a row that is noted.
    pub(crate) fn is_noted(key: &[u8]) -> bool {
        keys::asks_for_work(key)
    }

    /// Notes that a commit has written a row, or removed it.
    pub(crate) fn note(&self, number: CommitNumber, key: &[u8], is_there: bool) {
        self.noted.note(number, key, is_there);
        self.is_stirred.store(true, Ordering::Release);
    }

    /// Notes that commits went by unseen, as before a start.
    pub(crate) fn note_gap(&self) {
        self.noted.note_gap();
        self.is_stirred.store(true, Ordering::Release);
    }

    /// Returns the second from which there is work to be done, if there is any.
    pub(crate) fn due(&self) -> Option<Seconds> {
        let is_stirred = self.is_stirred.load(Ordering::Acquire);
        is_stirred.then(|| self.rests_until.load(Ordering::Acquire))
    }

    /// Has `work` done where there is any to be done now. Where it fails it is tried again after a while.
    pub(crate) fn tend(&self, now: Seconds, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.is_stirred.store(false, Ordering::Release);
        work().inspect_err(|_| {
            self.rests_until.store(now.saturating_add(REST), Ordering::Release);
            self.is_stirred.store(true, Ordering::Release);
        })
    }

    /// Has the work be tried at once: more secrets are wanted.
    pub(super) fn stir(&self) {
        self.is_stirred.store(true, Ordering::Release);
    }
}

/// Returns the fleet key. Fails where the host has not been given it.
pub(crate) fn key_of(host: &dyn HostStore) -> Result<FleetKey> {
    let fleet = host.slots().identity.store;
    match host.fleet_cells()?.fleet_key() {
        Some((number, key)) => Ok(FleetKey::new(fleet, number, key)),
        None => Err(Reason::StoreUnavailable
            .detail("this host has not been given the fleet's key yet: another host lets it join")),
    }
}

/// The number of times in a row that a change of the fleet's rows is judged again because another host was faster.
const MOST_CONFLICTS: usize = 16;

/// Has `attempt` try again where another host was faster.
pub(super) fn again<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..MOST_CONFLICTS {
        match attempt() {
            Err(error) if error.reason() == Reason::Conflict => {}
            done => return done,
        }
    }
    attempt()
}
