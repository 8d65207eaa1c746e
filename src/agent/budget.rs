//! One budget for the frames that are in the agent's memory at once, received or to be sent: a
//! frame is read, and a long answer made, when there is room for it. Who has proved no login has a budget
//! apart, so that strangers keep no peer waiting that has. Of either one user takes at most a third, however
//! many connections they have, and of two who wait the one goes first who has less.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The memory that the frames of all who have proved a login take at once, in bytes.
const PROVED: usize = 64 << 20;

/// The same of all who have not.
const UNPROVED: usize = 16 << 20;

/// The bytes that each connection may take in any case: no short frame waits.
const FREE: usize = 4 << 10;

/// The fewest users that can use a budget up.
const USERS: usize = 3;

/// The budget that a frame is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Of those who have proved a login.
    Proved,
    /// Of all others.
    Unproved,
}

/// The memory that frames may take.
#[derive(Debug)]
pub(crate) struct Budget {
    purses: Mutex<[Purse; 2]>,
    returned: Condvar,
}

/// One share of it.
#[derive(Debug)]
struct Purse {
    size: usize,
    left: usize,
    /// The bytes that users have taken of it, by their numbers.
    taken: BTreeMap<u32, usize>,
    /// Those who wait for their turn, in the order in which they came.
    queue: VecDeque<WaitingCharge>,
    /// The one of them who takes next.
    turn: Option<u64>,
    /// The number of those that have ever waited.
    count: u64,
}

#[derive(Debug, Clone, Copy)]
struct WaitingCharge {
    number: u64,
    user: u32,
    bytes: usize,
}

impl Purse {
    fn new(size: usize) -> Self {
        Self {
            size,
            left: size,
            taken: BTreeMap::new(),
            queue: VecDeque::new(),
            turn: None,
            count: 0,
        }
    }

    /// The most that one user takes.
    fn most(&self) -> usize {
        self.size / USERS
    }

    fn join(&mut self, user: u32, bytes: usize) -> WaitingCharge {
        self.count += 1;
        let waiting = WaitingCharge { number: self.count, user, bytes: bytes.min(self.most()) };
        self.queue.push_back(waiting);
        self.turn = self.next();
        waiting
    }

    fn leave(&mut self, waiting: WaitingCharge) {
        self.queue.retain(|one| one.number != waiting.number);
        self.turn = self.next();
    }

    fn taken_by(&self, user: u32) -> usize {
        self.taken.get(&user).copied().unwrap_or_default()
    }

    /// Returns whose turn it is: of those who are their users' first and whose users may take that much, the one
    /// whose user has taken least.
    fn next(&self) -> Option<u64> {
        let mut seen = BTreeSet::new();
        let firsts = self.queue.iter().filter(|one| seen.insert(one.user));
        let may = firsts.filter(|one| self.taken_by(one.user) + one.bytes <= self.most());
        may.min_by_key(|one| (self.taken_by(one.user), one.number)).map(|one| one.number)
    }

    /// Takes what is waited for, if it is that one's turn and there is as much left.
    fn take(&mut self, waiting: WaitingCharge) -> bool {
        let takes = self.left >= waiting.bytes && self.turn == Some(waiting.number);
        if takes {
            self.left -= waiting.bytes;
            *self.taken.entry(waiting.user).or_default() += waiting.bytes;
            self.leave(waiting);
        }
        takes
    }

    fn give(&mut self, user: u32, bytes: usize) {
        self.left += bytes;
        let rest = self.taken_by(user).saturating_sub(bytes);
        match rest {
            0 => self.taken.remove(&user),
            rest => self.taken.insert(user, rest),
        };
        self.turn = self.next();
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

    /// Takes so many bytes for that user, or the most that one user takes where that is less, as soon as it
    /// is this caller's turn. Fails with [`TimedOut`](io::ErrorKind::TimedOut) where that is not so by `end`.
    pub(crate) fn take(
        &self,
        (share, user): (Share, u32),
        bytes: usize,
        end: Instant,
    ) -> io::Result<Portion<'_>> {
        if bytes <= FREE {
            return Ok(Portion { budget: self, share, user, bytes: 0 });
        }
        let mut purses = self.lock();
        let waiting = purse(&mut purses, share).join(user, bytes);
        loop {
            let purse = purse(&mut purses, share);
            if purse.take(waiting) {
                self.returned.notify_all();
                return Ok(Portion { budget: self, share, user, bytes: waiting.bytes });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                purse.leave(waiting);
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

/// A part of a budget that is taken. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Portion<'a> {
    budget: &'a Budget,
    share: Share,
    user: u32,
    bytes: usize,
}

impl Portion<'_> {
    /// Gives back what is more than so many bytes.
    pub(crate) fn keep(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        if surplus > 0 {
            self.bytes -= surplus;
            purse(&mut self.budget.lock(), self.share).give(self.user, surplus);
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
    use super::{Budget, FREE, Portion, Share, USERS};
    use std::sync::mpsc::{Sender, channel};
    use std::thread::Scope;
    use std::time::{Duration, Instant};

    const UNIT: usize = 2 * FREE;

    fn now() -> Instant {
        Instant::now()
    }

    fn later() -> Instant {
        now() + Duration::from_secs(60)
    }

    /// Of which each user may take so many units.
    fn budget(units: usize) -> Budget {
        Budget::new(USERS * units * UNIT, USERS * UNIT)
    }

    fn at_once(budget: &Budget, user: u32, units: usize) -> Option<Portion<'_>> {
        budget.take((Share::Proved, user), units * UNIT, now()).ok()
    }

    #[test]
    fn what_does_not_fit_waits_until_its_end_and_strangers_take_nothing_from_others() {
        let budget = budget(2);
        let of_stranger = |bytes| budget.take((Share::Unproved, 1), bytes, now());
        let strange = of_stranger(UNIT).unwrap();
        assert!(of_stranger(UNIT).is_err());
        assert!(of_stranger(FREE).is_ok(), "short frames wait for nobody");
        let mut whole = at_once(&budget, 1, 100).unwrap();
        assert!(at_once(&budget, 1, 1).is_none());
        whole.keep(UNIT);
        let rest = at_once(&budget, 1, 1).unwrap();
        assert!(at_once(&budget, 1, 1).is_none());
        drop((rest, whole, strange));
        assert!(at_once(&budget, 1, 2).is_some());
        assert!(of_stranger(UNIT).is_ok());
    }

    #[test]
    fn one_user_leaves_the_others_theirs() {
        let budget = budget(1);
        let _greedy = [1, 2].map(|user| at_once(&budget, user, 100).unwrap());
        assert!(at_once(&budget, 1, 1).is_none());
        let last = at_once(&budget, 3, 1).unwrap();
        assert!(at_once(&budget, 4, 1).is_none(), "nothing is left");
        drop(last);
        assert!(at_once(&budget, 4, 1).is_some());
    }

    /// Has a thread wait for its turn, which then says its name.
    fn wait<'scope>(
        scope: &'scope Scope<'scope, '_>,
        budget: &'scope Budget,
        (user, units, name): (u32, usize, &'static str),
        order: &Sender<&'static str>,
    ) {
        let order = order.clone();
        let before = budget.lock()[0].queue.len();
        scope.spawn(move || {
            let portion = budget.take((Share::Proved, user), units * UNIT, later()).unwrap();
            order.send(name).unwrap();
            drop(portion);
        });
        while budget.lock()[0].queue.len() == before {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_waits_for_much_is_not_overtaken_by_those_who_want_little() {
        let budget = budget(2);
        let first = at_once(&budget, 1, 1).unwrap();
        let (sender, order) = channel();
        std::thread::scope(|scope| {
            wait(scope, &budget, (1, 2, "much"), &sender);
            wait(scope, &budget, (1, 1, "little"), &sender);
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["much", "little"]);
    }

    #[test]
    fn who_has_something_lets_those_go_first_who_have_nothing() {
        let budget = budget(2);
        let (_one, other) = (at_once(&budget, 1, 1).unwrap(), at_once(&budget, 2, 2).unwrap());
        let rest = at_once(&budget, 3, 2).unwrap();
        let last = at_once(&budget, 4, 1).unwrap();
        let (sender, order) = channel();
        std::thread::scope(|scope| {
            wait(scope, &budget, (1, 1, "has something"), &sender);
            wait(scope, &budget, (5, 1, "has nothing"), &sender);
            drop(last);
        });
        drop((other, rest));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["has nothing", "has something"]);
    }
}
