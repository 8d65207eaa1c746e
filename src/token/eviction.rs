//! Letting go of keys that have ended: what is deleted, expired or of an earlier login leaves the memory
//! of the process at its next call of any kind, not only at the next use of that key.
//!
//! Looking costs a call a few loads. Where the store has changed, or something that is kept may have
//! expired, the caches drop what no longer holds, and the sessions are visited where one of them may have
//! a key of it.

use super::loaded::Loaded;
use super::{Slots, Token};
use crate::clock::{Clock, Seconds};
use crate::wire::Page;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The second of an end that never comes.
const NEVER: Seconds = Seconds::MAX;

/// The signs that something has ended, for all tokens of a store.
pub struct Evictor {
    /// The store's page, once it is known.
    page: OnceLock<Arc<Page>>,
    /// The page's count of changes when it was looked at last.
    seen: AtomicU64,
    /// True where a session may hold a key that this process has let go of.
    had_users: AtomicBool,
    /// True where one may hold a key that no cache has, because there were too many.
    uncached: AtomicBool,
    /// The first second in which something in a cache ends.
    due: AtomicU64,
    /// The first second in which an operation under way ends with its key.
    due_in_sessions: AtomicU64,
    /// The second in which the clock was looked at last.
    second: AtomicU64,
}

impl Default for Evictor {
    fn default() -> Self {
        Self {
            page: OnceLock::new(),
            seen: AtomicU64::new(0),
            had_users: AtomicBool::new(false),
            uncached: AtomicBool::new(false),
            due: AtomicU64::new(NEVER),
            due_in_sessions: AtomicU64::new(NEVER),
            second: AtomicU64::new(0),
        }
    }
}

impl Evictor {
    /// Notes the page of the store.
    pub(super) fn watch(&self, page: &Arc<Page>) {
        let _known = self.page.set(Arc::clone(page));
    }

    /// Notes that something in a cache ends in that second.
    pub(super) fn expect(&self, at: Option<Seconds>) {
        if let Some(at) = at {
            self.due.fetch_min(at, Ordering::AcqRel);
        }
    }

    /// Notes that an object is let go of, whose key a session may hold.
    pub(super) fn evict(&self, object: &Arc<Loaded>) {
        if object.is_held_elsewhere() {
            self.had_users.store(true, Ordering::Release);
        }
    }

    /// Notes that objects are let go of that have not ended.
    pub(super) fn forget(&self) {
        self.uncached.store(true, Ordering::Release);
    }

    /// Returns whether anything has happened since the last look.
    #[inline]
    fn is_news(&self, clock: &dyn Clock) -> bool {
        self.has_changed() || self.had_users.load(Ordering::Acquire) || self.may_be_due(clock)
    }

    #[inline]
    fn has_changed(&self) -> bool {
        self.changes() != self.seen.load(Ordering::Acquire)
    }

    #[inline]
    fn changes(&self) -> u64 {
        self.page.get().map_or(0, |page| page.changes())
    }

    /// Looks at the time once in each second of the clock.
    #[inline]
    fn may_be_due(&self, clock: &dyn Clock) -> bool {
        if self.next() == NEVER {
            return false;
        }
        let second = clock.coarse();
        second != self.second.load(Ordering::Relaxed)
            && self.second.swap(second, Ordering::AcqRel) != second
            && self.next() <= self.time(clock)
    }

    #[inline]
    fn next(&self) -> Seconds {
        self.due.load(Ordering::Acquire).min(self.due_in_sessions.load(Ordering::Acquire))
    }

    fn time(&self, clock: &dyn Clock) -> Seconds {
        self.page.get().map_or_else(|| clock.coarse(), |page| page.time(clock))
    }
}

impl Slots {
    /// Lets go of what has ended since the last look. `visit` visits the sessions that hold keys, and
    /// tells when the first operation ends that goes on.
    #[inline]
    pub fn evict(&self, visit: impl FnOnce() -> Option<Seconds>) {
        if self.evictor.is_news(&*self.clock) {
            self.evict_now(visit);
        }
    }

    /// The same at the end of a call, of what that call itself has let go of.
    #[inline]
    pub fn evict_own(&self, visit: impl FnOnce() -> Option<Seconds>) {
        if self.evictor.had_users.load(Ordering::Acquire) {
            self.evict_now(visit);
        }
    }

    /// Notes that an operation under way ends in that second.
    #[inline]
    pub fn expect(&self, at: Option<Seconds>) {
        if let Some(at) = at {
            self.evictor.due_in_sessions.fetch_min(at, Ordering::AcqRel);
        }
    }

    #[cold]
    fn evict_now(&self, visit: impl FnOnce() -> Option<Seconds>) {
        let evictor = &*self.evictor;
        let (changes, now) = (evictor.changes(), evictor.time(&*self.clock));
        let changed = evictor.seen.swap(changes, Ordering::AcqRel) != changes;
        let overdue = evictor.next() <= now;
        // What is kept from here on is expected anew.
        evictor.due.store(NEVER, Ordering::Release);
        let tokens: Vec<Arc<Token>> = self.tokens().values().cloned().collect();
        tokens.iter().for_each(|token| token.evict(now));
        let had_users = evictor.had_users.swap(false, Ordering::AcqRel);
        let unnoticed = evictor.uncached.load(Ordering::Acquire)
            || evictor.due_in_sessions.load(Ordering::Acquire) != NEVER;
        if had_users || overdue || (changed && unnoticed) {
            evictor.due_in_sessions.store(NEVER, Ordering::Release);
            self.expect(visit());
        }
    }
}

impl Token {
    /// Drops what is kept of token objects that may have changed, and whatever has expired.
    fn evict(&self, now: Seconds) {
        self.cache.retain(now, |object| self.is_unchanged(&object.watch));
        self.handles.evict_expired(now);
    }
}
