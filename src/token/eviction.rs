//! Letting go of keys that have ended: what is deleted, expired or of an earlier login leaves the memory
//! of the process at its next call of any kind, not only at the next use of that key.
//!
//! Looking costs a call a few loads. Where the store has changed, or something that is kept may have
//! expired, the caches drop what no longer holds, and the sessions are visited where one of them may have
//! a key of it.

use super::evictor::NEVER;
use super::{Slots, Token};
use crate::clock::Seconds;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Slots {
    /// Lets go of what has ended since the last look. `visit` visits the sessions that hold keys, and
    /// tells when the first operation ends that goes on.
    #[inline]
    pub fn evict(&self, visit: impl FnOnce() -> Option<Seconds>) {
        if self.evictor.is_news(&*self.clock) {
            self.evict_now(visit);
        }
    }

    /// Lets go of the same at the end of a call, and of what that call itself has let go of.
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
