//! Contexts of AWS-LC's that hold a key and wait for the next message with it. They lie in shards, one
//! for each of a few threads: two threads with one key touch no common cache line.

use super::owned::{Owned, Release};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The number of shards: so many threads have one each.
const SHARDS: usize = 8;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// The spare contexts of one key, of `KINDS` kinds.
pub(super) struct ContextPool<T: Release, const KINDS: usize>(
    [OnceLock<Arc<Shard<T, KINDS>>>; SHARDS],
);

impl<T: Release, const KINDS: usize> ContextPool<T, KINDS> {
    /// Returns the shard of this thread.
    pub(super) fn shard(&self) -> Arc<Shard<T, KINDS>> {
        let shard = SHARD.with(|shard| *shard);
        match self.0.get(shard) {
            Some(shard) => Arc::clone(shard.get_or_init(Arc::default)),
            None => Arc::default(),
        }
    }
}

impl<T: Release, const KINDS: usize> Default for ContextPool<T, KINDS> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; SHARDS])
    }
}

/// One spare context of each kind. Its size keeps neighbours, and their prefetching, apart.
#[repr(align(128))]
pub(super) struct Shard<T: Release, const KINDS: usize>([AtomicPtr<T>; KINDS]);

impl<T: Release, const KINDS: usize> Shard<T, KINDS> {
    /// The spare of that kind, if it is there.
    pub(super) fn take(&self, kind: usize) -> Option<Owned<T>> {
        let spare = self.0.get(kind)?.swap(null_mut(), Ordering::Acquire);
        // SAFETY: `give` left a pointer of `Owned::give` here or nothing did, and the swap hands it to one
        // caller only.
        unsafe { Owned::own(spare) }
    }

    /// Keeps a context as the spare of that kind, in place of an earlier one.
    pub(super) fn give(&self, kind: usize, context: Owned<T>) {
        if let Some(slot) = self.0.get(kind) {
            let earlier = slot.swap(context.give(), Ordering::AcqRel);
            // SAFETY: an earlier `give` left the pointer of `Owned::give` here, or null; the swap took it out,
            // and no other thread can have it.
            drop(unsafe { Owned::own(earlier) });
        }
    }
}

impl<T: Release, const KINDS: usize> Shard<T, KINDS> {
    const fn empty() -> Self {
        Self([const { AtomicPtr::new(null_mut()) }; KINDS])
    }
}

impl<T: Release, const KINDS: usize> Default for Shard<T, KINDS> {
    fn default() -> Self {
        Self::empty()
    }
}

/// Spare contexts that hold no key, for all operations of the process. Nothing waits here, and so nothing can in a
/// forked child.
pub(super) struct SparePool<T: Release, const KINDS: usize>([Shard<T, KINDS>; SHARDS]);

impl<T: Release, const KINDS: usize> SparePool<T, KINDS> {
    pub(super) const fn new() -> Self {
        Self([const { Shard::empty() }; SHARDS])
    }

    /// Returns the shard of this thread.
    pub(super) fn shard(&self) -> Option<&Shard<T, KINDS>> {
        self.0.get(SHARD.with(|shard| *shard))
    }
}

impl<T: Release, const KINDS: usize> Drop for Shard<T, KINDS> {
    fn drop(&mut self) {
        for kind in 0..KINDS {
            drop(self.take(kind));
        }
    }
}
