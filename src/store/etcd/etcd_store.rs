//! The store of a fleet: it reads from the mirror, and writes by transactions.

use super::lane::Outcome;
use super::opened::{Opened, WATCHES};
use crate::error::{Reason, Result};
use crate::store::{
    Batch, BatchLimits, Changes, CommitNumber, Condition, Need, Pair, Standing, Store,
    StoreIdentity,
};
use etcd_client::{Compare, CompareOp, TxnOp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The most comparisons, and the most operations, of one transaction.
const MOST_OPERATIONS: usize = 128;

/// The comparisons, and the writes, that every transaction has beside those of a batch.
const OWN_OPERATIONS: usize = 2;

/// The largest transaction, in bytes.
const MOST_BYTES: usize = 3 << 19;

/// The size of an operation or comparison beside its key and its value, in bytes, and more.
const OPERATION_OVERHEAD: usize = 64;

/// An opening of a fleet's store.
pub(crate) struct Etcd {
    opened: Arc<Opened>,
    /// The thread that follows etcd; none once it has ended.
    following: Option<JoinHandle<()>>,
}

impl Etcd {
    /// Has a thread follow etcd for an opening.
    pub(super) fn following(opened: Arc<Opened>, follow: fn(&Arc<Opened>)) -> Result<Self> {
        let shared = Arc::clone(&opened);
        let thread = std::thread::Builder::new()
            .name("etcd-watch".to_owned())
            .spawn(move || follow(&shared))
            .map_err(|cause| Reason::of(&cause, Reason::General).detail(cause))?;
        Ok(Self { opened, following: Some(thread) })
    }

    /// Returns the opening.
    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Returns the comparisons that have etcd hold a batch's conditions, which hold in the mirror.
    fn compares(&self, batch: &Batch) -> Result<Vec<Compare>> {
        let mirror = self.opened.mirror();
        let compare = |condition: &Condition| {
            let row = mirror.row(condition.key())?;
            condition.holds(row.as_ref().map(|(_, value)| &value[..]))?;
            let key = self.opened.connection.layout.row(condition.key());
            Ok(match row {
                Some((revision, _)) => Compare::mod_revision(key, CompareOp::Equal, revision),
                None => Compare::create_revision(key, CompareOp::Equal, 0),
            })
        };
        batch.conditions.iter().map(compare).collect()
    }

    /// Returns the operations for a batch's writes. etcd takes each key once: the last one counts.
    fn operations(&self, batch: &Batch) -> Vec<TxnOp> {
        let layout = &self.opened.connection.layout;
        let last: BTreeMap<&[u8], usize> =
            batch.writes.iter().enumerate().map(|(at, (key, _))| (&key[..], at)).collect();
        let writes = batch.writes.iter().enumerate();
        let writes = writes.filter(|(at, (key, _))| last.get(&key[..]) == Some(at));
        let operation = |(_, (key, value)): (usize, &(Vec<u8>, Option<Vec<u8>>))| match value {
            Some(value) => TxnOp::put(layout.row(key), value.clone(), None),
            None => TxnOp::delete(layout.row(key), None),
        };
        writes.map(operation).collect()
    }
}

impl Store for Etcd {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.opened.check_alive()?;
        Ok(self.opened.mirror().row(key)?.map(|(_, value)| value))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Pair>> {
        self.opened.check_alive()?;
        self.opened.mirror().scan(prefix, from, limit)
    }

    fn apply(&self, batch: &Batch) -> Result<CommitNumber> {
        batch.check(self.limits())?;
        self.opened.check_alive()?;
        let mut lane = self.opened.lane();
        let compares = self.compares(batch)?;
        match lane.commit(&self.opened.connection, compares, self.operations(batch)) {
            Ok(Outcome::Done(revision)) => {
                self.opened.wait_until(WATCHES, |seen, _| seen >= revision)?;
                Ok(self.opened.mirror().number_at(revision))
            }
            Ok(Outcome::Conflict(number)) => {
                drop(lane);
                // So that the next attempt is judged by what has come in between.
                self.opened.wait_until(WATCHES, |_, seen| seen >= number)?;
                Err(Reason::Conflict.into())
            }
            Err(error) => {
                if error.reason() == Reason::StoreDamaged {
                    self.opened.fail(error.clone());
                }
                Err(error)
            }
        }
    }

    fn number(&self) -> Result<CommitNumber> {
        self.opened.check_alive()?;
        Ok(self.opened.seen().1)
    }

    fn sync(&self) -> Result<()> {
        // etcd has answered once a majority of its members had it on disk.
        self.opened.check_alive()
    }

    fn changes(&self, since: CommitNumber) -> Result<Changes> {
        self.opened.check_alive()?;
        self.opened.mirror().changes(since)
    }

    fn tell(&self, changed: Box<dyn Fn() + Send + Sync>) {
        self.opened.tell(changed);
    }

    fn limits(&self) -> BatchLimits {
        let operations = MOST_OPERATIONS - OWN_OPERATIONS;
        let prefix = self.opened.connection.layout.prefix().len();
        let overhead = 3 * MOST_OPERATIONS * (prefix + OPERATION_OVERHEAD);
        let bytes = MOST_BYTES - overhead;
        BatchLimits { conditions: operations, writes: operations, bytes }
    }

    fn room(&self, need: Need) -> Result<()> {
        self.opened.mirror().room(need)
    }

    fn standing(&self) -> Standing {
        match self.opened.check_alive() {
            Ok(()) => Standing::Serving,
            Err(_) => Standing::Failed,
        }
    }

    fn keep_snapshot(&self, _identity: StoreIdentity) -> Result<u64> {
        Ok(0)
    }
}

/// Ends the thread, and makes the mirror durable, so that the next opening goes on from it.
impl Drop for Etcd {
    fn drop(&mut self) {
        self.opened.end();
        let panicked = self.following.take().is_some_and(|thread| thread.join().is_err());
        if panicked {
            log::error!("the thread that follows etcd has panicked");
        }
        if let Err(error) = self.opened.mirror().sync() {
            log::warn!("the mirror is read from etcd again: {error}");
        }
    }
}
