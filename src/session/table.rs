//! The sessions of a process: opening, closing, and the registry of which are open on which slot.

use super::Session;
use super::holders::Holders;
use super::message_iv::IvCounter;
use super::slab::SessionSlab;
use super::state_key::StateKey;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::fast_map::FastMap;
use crate::token::{Caller, Login, Token};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All sessions. The registry's lock may be taken at any time but while a session is in use by the same
/// thread; no thread takes a session's lock under the registry's.
pub(crate) struct SessionTable {
    slab: SessionSlab<Session>,
    registry: Mutex<Registry>,
    /// Counts the IVs that are made for messages.
    ivs: Arc<IvCounter>,
    /// Authenticates the states that are saved of operations.
    state_key: Arc<StateKey>,
    holders: Arc<Holders>,
    missed: Missed,
}

/// The sessions that hold keys and were busy when their keys were to be reviewed.
#[derive(Default)]
struct Missed {
    any: AtomicBool,
    sessions: Mutex<Vec<u64>>,
}

impl Missed {
    #[inline]
    fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    fn add(&self, session: u64) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(session);
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<u64> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut sessions)
    }
}

/// The open sessions, by slot.
#[derive(Default)]
pub(super) struct Registry(FastMap<u64, OnSlot>);

/// The sessions open on one slot.
#[derive(Default)]
struct OnSlot {
    /// Each open session by its handle; true for those that are read-write.
    sessions: FastMap<u64, bool>,
    /// The number of read-write sessions.
    read_write: usize,
}

/// The number of open sessions of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// All of them.
    pub all: usize,
    /// Those that are read-write.
    pub read_write: usize,
}

impl SessionTable {
    /// No sessions.
    pub(crate) fn new() -> Self {
        Self {
            slab: SessionSlab::new(),
            registry: Mutex::default(),
            ivs: Arc::default(),
            state_key: Arc::default(),
            holders: Arc::default(),
            missed: Missed::default(),
        }
    }

    /// Opens a session on the token in `slot`; returns its handle (PKCS#11 3.1, 5.6.1).
    pub(crate) fn open(&self, slot: u64, token: Arc<Token>, read_write: bool) -> Result<u64> {
        let mut registry = self.registry();
        if !read_write && token.logged_in_as() == Login::Officer {
            return Err(Reason::SessionReadWriteSoExists.into());
        }
        // No thread uses a session whose handle has not been given out yet.
        let handle = self.slab.insert(|session| {
            let (ivs, holders) = (Arc::clone(&self.ivs), Arc::clone(&self.holders));
            let state_key = Arc::clone(&self.state_key);
            Session::new(Caller { session, read_write }, slot, token, ivs, state_key, holders)
        })?;
        registry.add(slot, handle, read_write);
        Ok(handle)
    }

    /// Runs `call` on the session, which no other thread uses meanwhile.
    #[inline]
    pub(crate) fn with<T>(
        &self,
        handle: u64,
        call: impl FnOnce(&mut Session) -> Result<T>,
    ) -> Result<T> {
        self.slab.with(handle, call)
    }

    /// Runs `call` on the session unless it is closed; returns false, without a wait, while it is in use.
    pub(super) fn try_with(&self, handle: u64, call: impl FnOnce(&mut Session)) -> bool {
        self.slab.try_with(handle, call)
    }

    /// Has all sessions drop keys that have ended; returns the time at which the first operation ends
    /// that goes on. Sessions in use are visited by the next calls.
    pub(crate) fn let_go(&self) -> Option<Seconds> {
        self.visit(self.holders.all())
    }

    /// Visits the sessions that were in use; returns the time at which the first operation ends that goes
    /// on.
    #[inline]
    pub(crate) fn let_go_missed(&self) -> Option<Seconds> {
        match self.missed.is_empty() {
            true => None,
            false => self.visit(self.missed.take()),
        }
    }

    fn visit(&self, sessions: Vec<u64>) -> Option<Seconds> {
        let mut next = None;
        for session in sessions {
            let visited = self.try_with(session, |session| {
                next = [next, session.let_go()].into_iter().flatten().min();
            });
            if !visited {
                self.missed.add(session);
            }
        }
        next
    }

    /// Closes a session; with the last one of a token its login ends (5.6.2).
    pub(crate) fn close(&self, handle: u64) -> Result<()> {
        let (slot, token) =
            self.slab.remove(handle, |session| (session.slot, Arc::clone(&session.token)))?;
        token.close_session(handle);
        let mut registry = self.registry();
        registry.remove(slot, handle);
        // Under the registry's lock, so that no thread opens a session and finds the old login.
        if registry.count(slot).all == 0 && token.logged_in_as() != Login::Public {
            token.report_uses();
            token.logout()?;
        }
        Ok(())
    }

    /// Closes all sessions on a slot.
    pub(crate) fn close_all(&self, slot: u64) -> Result<()> {
        let open = self.registry().on(slot);
        open.into_iter().try_for_each(|handle| unless_closed(self.close(handle)))
    }

    /// Counts the sessions that are open on a slot.
    pub(crate) fn count(&self, slot: u64) -> Count {
        self.registry().count(slot)
    }

    /// Runs `change` while no session is open on the slot, nor can be opened.
    pub(crate) fn while_closed<T>(
        &self,
        slot: u64,
        change: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let registry = self.registry();
        match registry.count(slot).all {
            0 => change(),
            _ => Err(Reason::SessionExists.into()),
        }
    }

    /// The sessions on a slot that hold keys.
    pub(super) fn holders(&self, slot: u64) -> Vec<u64> {
        self.holders.on(slot)
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SessionTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Passes over a session that another thread has closed first.
pub(super) fn unless_closed(done: Result<()>) -> Result<()> {
    match done {
        Err(error) if error.reason() == Reason::SessionUnknown => Ok(()),
        done => done,
    }
}

impl Registry {
    fn add(&mut self, slot: u64, handle: u64, read_write: bool) {
        let open = self.0.entry(slot).or_default();
        open.sessions.insert(handle, read_write);
        open.read_write += usize::from(read_write);
    }

    fn remove(&mut self, slot: u64, handle: u64) {
        let Some(open) = self.0.get_mut(&slot) else { return };
        if open.sessions.remove(&handle) == Some(true) {
            open.read_write -= 1;
        }
    }

    /// The sessions open on a slot.
    pub(super) fn on(&self, slot: u64) -> Vec<u64> {
        self.0.get(&slot).map_or_else(Vec::new, |open| open.sessions.keys().copied().collect())
    }

    /// Returns whether the session is open.
    pub(super) fn holds(&self, slot: u64, handle: u64) -> bool {
        self.0.get(&slot).is_some_and(|open| open.sessions.contains_key(&handle))
    }

    /// Counts the sessions that are open on a slot.
    pub(super) fn count(&self, slot: u64) -> Count {
        self.0.get(&slot).map_or_else(Count::default, |open| Count {
            all: open.sessions.len(),
            read_write: open.read_write,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Registry};

    #[test]
    fn the_book_counts_each_slot_for_itself() {
        let mut registry = Registry::default();
        registry.add(0, 10, true);
        registry.add(0, 11, false);
        registry.add(1, 12, true);
        registry.remove(1, 10);
        assert_eq!(registry.count(0), Count { all: 2, read_write: 1 });
        assert!(registry.holds(0, 10) && !registry.holds(1, 10));
        registry.remove(0, 10);
        assert_eq!(registry.count(0), Count { all: 1, read_write: 0 });
        assert_eq!(registry.count(1), Count { all: 1, read_write: 1 });
        assert_eq!(registry.count(7), Count::default());
        assert_eq!(registry.on(0), [11]);
    }
}
