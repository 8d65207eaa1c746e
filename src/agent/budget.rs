//! One budget for the frames that are in the agent's memory at once, whoever sent them or is sent them: a
//! frame is read, and a long answer made, when there is room for it. Who has proved no login has a budget
//! apart, so that strangers keep nobody waiting who has.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How much of memory the frames of all who have proved a login take at once, in bytes.
const PROVED: usize = 64 << 20;

/// The same of all who have not.
const UNPROVED: usize = 16 << 20;

/// What each connection may take in any case, in bytes: nobody waits for the sake of a short frame.
const FREE: usize = 4 << 10;

/// Whose budget a frame is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Of those who have proved a login.
    Proved,
    /// Of everybody else.
    Unproved,
}

/// The memory that frames may take.
#[derive(Debug)]
pub struct Budget {
    purses: Mutex<[Purse; 2]>,
    returned: Condvar,
}

/// One share of it.
#[derive(Debug)]
struct Purse {
    size: usize,
    left: usize,
    /// Those who wait for their turn, in order.
    queue: VecDeque<u64>,
    next: u64,
}

impl Purse {
    fn new(size: usize) -> Self {
        Self { size, left: size, queue: VecDeque::new(), next: 0 }
    }

    fn join(&mut self) -> u64 {
        self.next += 1;
        self.queue.push_back(self.next);
        self.next
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(PROVED, UNPROVED)
    }
}

impl Budget {
    fn new(proved: usize, unproved: usize) -> Self {
        let purses = Mutex::new([Purse::new(proved), Purse::new(unproved)]);
        Self { purses, returned: Condvar::new() }
    }

    /// Takes so many bytes, or all there are where that is less, as soon as it is this caller's turn. Fails
    /// with [`TimedOut`](io::ErrorKind::TimedOut) where that is not so by `end`.
    pub fn take(&self, share: Share, bytes: usize, end: Instant) -> io::Result<Portion<'_>> {
        if bytes <= FREE {
            return Ok(Portion { budget: self, share, bytes: 0 });
        }
        let mut purses = self.lock();
        let number = purse(&mut purses, share).join();
        loop {
            let purse = purse(&mut purses, share);
            let bytes = bytes.min(purse.size);
            if purse.queue.front() == Some(&number) && purse.left >= bytes {
                purse.left -= bytes;
                purse.queue.pop_front();
                self.returned.notify_all();
                return Ok(Portion { budget: self, share, bytes });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                purse.queue.retain(|waiting| *waiting != number);
                self.returned.notify_all();
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "too many long frames at once",
                ));
            }
            let waited = self.returned.wait_timeout(purses, left);
            purses = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Purse; 2]> {
        self.purses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn purse(purses: &mut [Purse; 2], share: Share) -> &mut Purse {
    let [proved, unproved] = purses;
    match share {
        Share::Proved => proved,
        Share::Unproved => unproved,
    }
}

/// What somebody has taken. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Portion<'a> {
    budget: &'a Budget,
    share: Share,
    bytes: usize,
}

impl Portion<'_> {
    /// Gives back what is more than so many bytes.
    pub fn keep(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > 0 {
            self.bytes -= surplus;
            purse(&mut self.budget.lock(), self.share).left += surplus;
            self.budget.returned.notify_all();
        }
    }
}

impl Drop for Portion<'_> {
    fn drop(&mut self) {
        self.keep(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::{Budget, FREE, Share};
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    const UNIT: usize = 2 * FREE;

    fn now() -> Instant {
        Instant::now()
    }

    fn later() -> Instant {
        now() + Duration::from_secs(60)
    }

    #[test]
    fn what_does_not_fit_waits_until_its_end_and_strangers_take_nothing_from_others() {
        let budget = Budget::new(2 * UNIT, UNIT);
        let strange = budget.take(Share::Unproved, UNIT, now()).unwrap();
        assert!(budget.take(Share::Unproved, UNIT, now()).is_err());
        assert!(budget.take(Share::Unproved, FREE, now()).is_ok(), "short frames wait for nobody");
        let mut whole = budget.take(Share::Proved, 100 * UNIT, now()).unwrap();
        assert!(budget.take(Share::Proved, UNIT, now()).is_err());
        whole.keep(UNIT);
        let rest = budget.take(Share::Proved, UNIT, now()).unwrap();
        assert!(budget.take(Share::Proved, UNIT, now()).is_err());
        drop((rest, whole, strange));
        assert!(budget.take(Share::Proved, 2 * UNIT, now()).is_ok());
        assert!(budget.take(Share::Unproved, UNIT, now()).is_ok());
    }

    #[test]
    fn who_waits_for_much_is_not_overtaken_by_those_who_want_little() {
        let budget = Budget::new(2 * UNIT, UNIT);
        let first = budget.take(Share::Proved, UNIT, now()).unwrap();
        let (sender, order) = channel();
        std::thread::scope(|scope| {
            let waiting = |bytes, name| {
                let (sender, budget) = (sender.clone(), &budget);
                let before = budget.lock()[0].queue.len();
                scope.spawn(move || {
                    let portion = budget.take(Share::Proved, bytes, later()).unwrap();
                    sender.send(name).unwrap();
                    drop(portion);
                });
                while budget.lock()[0].queue.len() == before {
                    std::thread::yield_now();
                }
            };
            waiting(2 * UNIT, "much");
            waiting(UNIT, "little");
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["much", "little"]);
    }
}
