//! One opening of a fleet's store: what its callers and the thread that follows etcd share.

use super::connection::Connection;
use super::lane::Lane;
use super::mirror::{Mirror, Revision, State};
use crate::error::{Error, Reason, Result};
use crate::store::CommitNumber;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The time after which a watch that does not show what has happened is taken to hang.
const HANGING: Duration = Duration::from_secs(3);

/// The number of watches in turn that a commit is waited for.
pub(super) const WATCHES: usize = 3;

/// An opening.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Locked by one commit after the other.
    lane: Mutex<Lane>,
    /// Locked for writing while a revision is applied, and while everything is read.
    mirror: RwLock<Mirror>,
    /// The revision that the mirror has come to, and its number.
    seen: watch::Sender<(i64, CommitNumber)>,
    /// Wakes the thread that follows etcd: it is over, or its watch hangs.
    pub(super) wake: Notify,
    over: AtomicBool,
    failure: OnceLock<Error>,
    /// Called after what the mirror has come to has changed.
    told: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Opened {
    pub(super) fn new(connection: Connection, lane: Lane, mirror: Mirror) -> Self {
        let State { revision, number, .. } = mirror.state();
        Self {
            connection,
            lane: Mutex::new(lane),
            mirror: RwLock::new(mirror),
            seen: watch::Sender::new((revision, number)),
            wake: Notify::new(),
            over: AtomicBool::new(false),
            failure: OnceLock::new(),
            told: OnceLock::new(),
        }
    }

    pub(super) fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mirror(&self) -> RwLockReadGuard<'_, Mirror> {
        self.mirror.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mirror_mut(&self) -> RwLockWriteGuard<'_, Mirror> {
        self.mirror.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a revision, and lets those go on who wait for it.
    pub(super) fn apply(&self, revision: Revision) -> Result<()> {
        let mut mirror = self.mirror_mut();
        mirror.apply(revision)?;
        self.show(mirror.state());
        drop(mirror);
        if let Some(told) = self.told.get() {
            told();
        }
        Ok(())
    }

    /// Has this called after each revision that is applied. The first who asks is told.
    pub(super) fn tell(&self, changed: Box<dyn Fn() + Send + Sync>) {
        // An opening has one agent.
        let _ = self.told.set(changed);
    }

    /// Lets those go on who wait for what the mirror has come to.
    pub(super) fn show(&self, state: State) {
        self.seen.send_replace((state.revision, state.number));
    }

    /// Returns the revision that the mirror has come to, and its number.
    pub(super) fn seen(&self) -> (i64, CommitNumber) {
        *self.seen.borrow()
    }

    /// Waits until the mirror has come so far. A watch that does not show it in time is followed by another.
    pub(super) fn wait_until(
        &self,
        watches: usize,
        has_come: impl Fn(i64, CommitNumber) -> bool,
    ) -> Result<()> {
        for _ in 0..watches {
            let mut seen = self.seen.subscribe();
            let come = seen.wait_for(|(revision, number)| {
                has_come(*revision, *number) || self.check_alive().is_err()
            });
            let waited = async { tokio::time::timeout(HANGING, come).await.is_ok() };
            if self.connection.members.wait(waited) {
                return self.check_alive();
            }
            self.wake.notify_one();
        }
        Err(Reason::StoreUnavailable.detail("etcd does not show what it has carried out"))
    }

    /// Lets so much time pass, or less where the opening ends.
    pub(super) fn wait_for_wake(&self, pause: Duration) {
        let woken = async {
            // Both lead on.
            let _ = tokio::time::timeout(pause, self.wake.notified()).await;
        };
        self.connection.members.wait(woken);
    }

    /// Ends this instance.
    pub(super) fn fail(&self, error: Error) {
        // The first failure is the reason of those that follow.
        let _ = self.failure.set(error);
        self.end();
        self.seen.send_modify(|_| ());
    }

    /// Lets the thread that follows etcd end.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Returns true where nothing more is to be followed.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Fails where a failure has ended this instance.
    pub(super) fn check_alive(&self) -> Result<()> {
        self.failure.get().cloned().map_or(Ok(()), Err)
    }
}
