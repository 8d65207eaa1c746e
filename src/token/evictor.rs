//! The signs that something has ended: what is kept of it leaves the memory at the next call.

use super::loaded::Loaded;
use crate::clock::{Clock, Seconds};
use crate::wire::Page;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The second of an end that never comes.
pub(super) const NEVER: Seconds = Seconds::MAX;

/// The signs that something has ended, for all tokens of a store.
pub(crate) struct Evictor {
    /// The store's page, once it is known.
    page: OnceLock<Arc<Page>>,
    /// The page's count of changes when it was looked at last.
    pub(super) seen: AtomicU64,
    /// True where a session may hold a key that this process has let go of.
    pub(super) had_users: AtomicBool,
    /// True where one may hold a key that no cache has, because there were too many.
    pub(super) uncached: AtomicBool,
    /// The first second in which something in a cache ends.
    pub(super) due: AtomicU64,
    /// The first second in which an operation under way ends with its key.
    pub(super) due_in_sessions: AtomicU64,
    /// The second in which the clock was looked at last.
    pub(super) second: AtomicU64,
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
    pub(super) fn is_news(&self, clock: &dyn Clock) -> bool {
        self.has_changed() || self.had_users.load(Ordering::Acquire) || self.may_be_due(clock)
    }

    #[inline]
    pub(super) fn has_changed(&self) -> bool {
        self.changes() != self.seen.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.page.get().map_or(0, |page| page.changes())
    }

    /// Looks at the time once in each second of the clock.
    #[inline]
    pub(super) fn may_be_due(&self, clock: &dyn Clock) -> bool {
        if self.next() == NEVER {
            return false;
        }
        let second = clock.coarse();
        second != self.second.load(Ordering::Relaxed)
            && self.second.swap(second, Ordering::AcqRel) != second
            && self.next() <= self.time(clock)
    }

    #[inline]
    pub(super) fn next(&self) -> Seconds {
        self.due.load(Ordering::Acquire).min(self.due_in_sessions.load(Ordering::Acquire))
    }

    pub(super) fn time(&self, clock: &dyn Clock) -> Seconds {
        self.page.get().map_or_else(|| clock.coarse(), |page| page.time(clock))
    }
}
