//! The memory of sessions: a handle leads to its entry without a lock, and no two entries share a
//! cache line, so that threads with a session each do not disturb one another.

use crate::error::{Reason, Result};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

const NUMBER_BITS: u32 = 16;

/// The most sessions that can be open at once: as many as the low bits of a handle distinguish.
pub(crate) const MAX_SESSIONS: usize = 1 << NUMBER_BITS;

/// Entries under handles. A handle is a serial number that is never used again,
/// and below it the number of the entry.
pub(crate) struct SessionSlab<T> {
    entries: boxcar::Vec<Entry<T>>,
    free: Mutex<Free>,
}

/// Aligned to two cache lines, as processors fetch them in pairs.
#[repr(align(128))]
struct Entry<T>(Mutex<Option<(u64, T)>>);

#[derive(Default)]
struct Free {
    serial: u64,
    numbers: Vec<usize>,
}

impl<T> SessionSlab<T> {
    /// Returns a slab without sessions.
    pub(crate) fn new() -> Self {
        Self { entries: boxcar::Vec::new(), free: Mutex::default() }
    }

    /// Inserts what `make` makes of its handle; returns the handle. Fails with `SessionCount` when full.
    pub(crate) fn insert(&self, make: impl FnOnce(u64) -> T) -> Result<u64> {
        let handle = self.reserve()?;
        *self.lock(handle)? = Some((handle, make(handle)));
        Ok(handle)
    }

    fn reserve(&self) -> Result<u64> {
        let mut free = lock(&self.free);
        let number = match free.numbers.pop() {
            Some(number) => number,
            None if self.entries.count() < MAX_SESSIONS => {
                self.entries.push(Entry(Mutex::new(None)))
            }
            None => return Err(Reason::SessionCount.into()),
        };
        free.serial += 1;
        Ok(free.serial << NUMBER_BITS | number as u64)
    }

    /// Runs `call` on the session under the handle, which no other thread uses meanwhile.
    #[inline]
    pub(crate) fn with<R>(&self, handle: u64, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        match &mut *self.lock(handle)? {
            Some((taken, session)) if *taken == handle => call(session),
            _ => Err(Reason::SessionUnknown.into()),
        }
    }

    /// Runs `call` on the session if there is one; returns false, without a wait, while it is in use.
    pub(crate) fn try_with(&self, handle: u64, call: impl FnOnce(&mut T)) -> bool {
        let Some(entry) = self.entries.get(number(handle)) else { return true };
        let mut entry = match entry.0.try_lock() {
            Ok(entry) => entry,
            Err(TryLockError::Poisoned(entry)) => entry.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        match &mut *entry {
            Some((taken, session)) if *taken == handle => call(session),
            _ => {}
        }
        true
    }

    /// Drops the session where it lies, once no thread uses it; returns what `last` makes of it before.
    pub(crate) fn remove<R>(&self, handle: u64, last: impl FnOnce(&mut T) -> R) -> Result<R> {
        let mut entry = self.lock(handle)?;
        let result = match &mut *entry {
            Some((taken, session)) if *taken == handle => last(session),
            _ => return Err(Reason::SessionUnknown.into()),
        };
        *entry = None;
        drop(entry);
        lock(&self.free).numbers.push(number(handle));
        Ok(result)
    }

    #[inline]
    fn lock(&self, handle: u64) -> Result<MutexGuard<'_, Option<(u64, T)>>> {
        Ok(lock(&self.entries.get(number(handle)).ok_or(Reason::SessionUnknown)?.0))
    }
}

impl<T> Default for SessionSlab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn number(handle: u64) -> usize {
    handle as usize & (MAX_SESSIONS - 1)
}

/// A panic in the middle of a call has ended its operation; what the lock guards is whole.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::{MAX_SESSIONS, SessionSlab};
    use crate::error::{Reason, Result};
    use std::sync::Barrier;

    fn read<T: Copy>(slab: &SessionSlab<T>, handle: u64) -> Result<T> {
        slab.with(handle, |session| Ok(*session))
    }

    #[test]
    fn a_handle_leads_to_its_own_session_until_that_is_removed() {
        let slab = SessionSlab::new();
        let (one, two) = (slab.insert(|_| 'a').unwrap(), slab.insert(|_| 'b').unwrap());
        assert_eq!((read(&slab, one), read(&slab, two)), (Ok('a'), Ok('b')));
        assert_eq!(slab.remove(one, |session| *session), Ok('a'));
        assert_eq!(read(&slab, one).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(slab.remove(one, |_| ()).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(read(&slab, two), Ok('b'));
    }

    #[test]
    fn an_entry_is_used_again_but_never_a_handle() {
        let slab = SessionSlab::new();
        let first = slab.insert(|_| 1).unwrap();
        slab.remove(first, |_| ()).unwrap();
        let second = slab.insert(|_| 2).unwrap();
        assert_eq!(first % MAX_SESSIONS as u64, second % MAX_SESSIONS as u64);
        assert_eq!(read(&slab, first).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(read(&slab, second), Ok(2));
    }

    #[test]
    fn handles_that_were_never_given_lead_nowhere() {
        let slab = SessionSlab::new();
        let handle = slab.insert(|handle| handle).unwrap();
        assert_eq!(read(&slab, handle), Ok(handle), "a session knows its handle");
        for wrong in [0, 1, handle - 1, handle + 1, handle + MAX_SESSIONS as u64, u64::MAX] {
            assert_eq!(read(&slab, wrong).unwrap_err().reason(), Reason::SessionUnknown);
        }
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let slab = SessionSlab::new();
        let handles: Vec<u64> = (0..MAX_SESSIONS).map(|_| slab.insert(|_| ()).unwrap()).collect();
        assert_eq!(slab.insert(|_| ()).unwrap_err().reason(), Reason::SessionCount);
        slab.remove(handles[77], |_| ()).unwrap();
        assert!(slab.insert(|_| ()).is_ok());
    }

    #[test]
    fn a_panic_in_a_session_leaves_it_usable() {
        let slab = SessionSlab::new();
        let handle = slab.insert(|_| 1).unwrap();
        let call =
            std::panic::AssertUnwindSafe(|| slab.with(handle, |_| -> Result<()> { panic!() }));
        assert!(std::panic::catch_unwind(call).is_err());
        assert_eq!(read(&slab, handle), Ok(1));
    }

    #[test]
    fn threads_that_come_and_go_keep_their_own_sessions() {
        let (slab, start) = (SessionSlab::new(), Barrier::new(4));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (slab, start) = (&slab, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..1000 {
                        let mine = (thread, round);
                        let handle = slab.insert(|_| mine).unwrap();
                        assert_eq!(read(slab, handle), Ok(mine));
                        assert_eq!(slab.remove(handle, |session| *session), Ok(mine));
                    }
                });
            }
        });
    }
}
