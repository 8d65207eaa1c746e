//! Where sessions sit in memory: a handle leads to its seat without a lock, and no two seats share a
//! cache line, so that threads with a session each do not disturb one another.

use crate::error::{Reason, Result};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

const NUMBER_BITS: u32 = 16;

/// The most seats there can be: what the low bits of a handle tell apart.
pub const MAX_SEATS: usize = 1 << NUMBER_BITS;

/// Seats that are taken and left under handles. A handle is a serial number that is never used again,
/// and below it the number of the seat.
pub struct Seats<T> {
    seats: boxcar::Vec<Seat<T>>,
    free: Mutex<Free>,
}

/// Aligned to two cache lines, as processors fetch them in pairs.
#[repr(align(128))]
struct Seat<T>(Mutex<Option<(u64, T)>>);

#[derive(Default)]
struct Free {
    serial: u64,
    numbers: Vec<usize>,
}

impl<T> Seats<T> {
    /// No seats yet.
    pub fn new() -> Self {
        Self { seats: boxcar::Vec::new(), free: Mutex::default() }
    }

    /// Takes a seat for what `make` makes of its handle.
    pub fn take(&self, make: impl FnOnce(u64) -> T) -> Result<u64> {
        let handle = self.reserve()?;
        *self.lock(handle)? = Some((handle, make(handle)));
        Ok(handle)
    }

    fn reserve(&self) -> Result<u64> {
        let mut free = lock(&self.free);
        let number = match free.numbers.pop() {
            Some(number) => number,
            None if self.seats.count() < MAX_SEATS => self.seats.push(Seat(Mutex::new(None))),
            None => return Err(Reason::SessionCount.into()),
        };
        free.serial += 1;
        Ok(free.serial << NUMBER_BITS | number as u64)
    }

    /// Runs `call` on what sits there; nobody else does meanwhile.
    #[inline]
    pub fn with<R>(&self, handle: u64, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        match &mut *self.lock(handle)? {
            Some((taken, sitting)) if *taken == handle => call(sitting),
            _ => Err(Reason::SessionUnknown.into()),
        }
    }

    /// Runs `call` on what sits there, unless somebody is at it: then it returns false.
    pub fn try_with(&self, handle: u64, call: impl FnOnce(&mut T)) -> bool {
        let Some(seat) = self.seats.get(number(handle)) else { return true };
        let mut seat = match seat.0.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(seat)) => seat.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        match &mut *seat {
            Some((taken, sitting)) if *taken == handle => call(sitting),
            _ => {}
        }
        true
    }

    /// Leaves the seat, once nobody is at it.
    pub fn leave(&self, handle: u64) -> Result<T> {
        let left = self.lock(handle)?.take_if(|(taken, _)| *taken == handle);
        let (_, left) = left.ok_or(Reason::SessionUnknown)?;
        lock(&self.free).numbers.push(number(handle));
        Ok(left)
    }

    #[inline]
    fn lock(&self, handle: u64) -> Result<MutexGuard<'_, Option<(u64, T)>>> {
        Ok(lock(&self.seats.get(number(handle)).ok_or(Reason::SessionUnknown)?.0))
    }
}

impl<T> Default for Seats<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn number(handle: u64) -> usize {
    handle as usize & (MAX_SEATS - 1)
}

/// A panic in the middle of a call has ended its operation; what the lock guards is whole.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::{MAX_SEATS, Seats};
    use crate::error::{Reason, Result};
    use std::sync::Barrier;

    fn read<T: Copy>(seats: &Seats<T>, handle: u64) -> Result<T> {
        seats.with(handle, |sitting| Ok(*sitting))
    }

    #[test]
    fn a_handle_leads_to_its_own_seat_until_it_is_left() {
        let seats = Seats::new();
        let (one, two) = (seats.take(|_| 'a').unwrap(), seats.take(|_| 'b').unwrap());
        assert_eq!((read(&seats, one), read(&seats, two)), (Ok('a'), Ok('b')));
        assert_eq!(seats.leave(one), Ok('a'));
        assert_eq!(read(&seats, one).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(seats.leave(one).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(read(&seats, two), Ok('b'));
    }

    #[test]
    fn a_seat_is_used_again_but_never_a_handle() {
        let seats = Seats::new();
        let first = seats.take(|_| 1).unwrap();
        seats.leave(first).unwrap();
        let second = seats.take(|_| 2).unwrap();
        assert_eq!(first % MAX_SEATS as u64, second % MAX_SEATS as u64);
        assert_eq!(read(&seats, first).unwrap_err().reason(), Reason::SessionUnknown);
        assert_eq!(read(&seats, second), Ok(2));
    }

    #[test]
    fn handles_that_were_never_given_lead_nowhere() {
        let seats = Seats::new();
        let handle = seats.take(|handle| handle).unwrap();
        assert_eq!(read(&seats, handle), Ok(handle), "a seat knows its handle");
        for wrong in [0, 1, handle - 1, handle + 1, handle + MAX_SEATS as u64, u64::MAX] {
            assert_eq!(read(&seats, wrong).unwrap_err().reason(), Reason::SessionUnknown);
        }
    }

    #[test]
    fn there_is_an_end_to_the_seats() {
        let seats = Seats::new();
        let handles: Vec<u64> = (0..MAX_SEATS).map(|_| seats.take(|_| ()).unwrap()).collect();
        assert_eq!(seats.take(|_| ()).unwrap_err().reason(), Reason::SessionCount);
        seats.leave(handles[77]).unwrap();
        assert!(seats.take(|_| ()).is_ok());
    }

    #[test]
    fn a_panic_at_a_seat_leaves_it_usable() {
        let seats = Seats::new();
        let handle = seats.take(|_| 1).unwrap();
        let call =
            std::panic::AssertUnwindSafe(|| seats.with(handle, |_| -> Result<()> { panic!() }));
        assert!(std::panic::catch_unwind(call).is_err());
        assert_eq!(read(&seats, handle), Ok(1));
    }

    #[test]
    fn threads_that_come_and_go_keep_their_own_seats() {
        let (seats, start) = (Seats::new(), Barrier::new(4));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (seats, start) = (&seats, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..1000 {
                        let mine = (thread, round);
                        let handle = seats.take(|_| mine).unwrap();
                        assert_eq!(read(seats, handle), Ok(mine));
                        assert_eq!(seats.leave(handle), Ok(mine));
                    }
                });
            }
        });
    }
}
