//! The connections that there are, those that wait, and who makes room for whom. Any number of processes and threads
//! share a store: no peer is refused because others are connected, and none is hung up on in the midst
//! of a request; one who has proved nothing, of one that has arrived whole. Whose connection is closed
//! takes up another when there is something to ask.
//!
//! * A peer that comes is admitted where there is room, and waits else.
//! * For each who waits, one who is idle leaves: first those who have proved nothing, then those who have
//!   been idle longest. A peer that has been admitted has had time to ask something before, and while one
//!   without a proof still has, none with a proof leaves for others that have just come.
//! * While a peer waits, one that has had a turn leaves after an answer.
//! * A process whose connection has been idle for a few seconds keeps it only if it is the last one.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The time that a peer stays which has been answered while others wait.
const TIME_SLICE: Duration = Duration::from_millis(50);

/// The time that a peer stays which has asked nothing yet while others wait.
const FIRST_SLICE: Duration = Duration::from_millis(500);

/// The number of connections that there may be in any case.
const FEWEST: usize = 4;

/// The most connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// Of one user.
    pub per_user: usize,
    /// In all, as far as they are trusted neither as the store's owner nor as root.
    pub others: usize,
    /// In all, for want of descriptors.
    pub in_all: usize,
    /// The most that may wait; of one user who is trusted no more than others, half as many.
    pub waiting: usize,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The user's number.
    pub user: u32,
    /// The process, where it can be seen.
    pub process: Option<u32>,
    /// True if it is the store's owner or root.
    pub trusted: bool,
}

/// The connections of an agent; `S` stands for one.
pub(crate) struct Connections<S> {
    limits: ConnectionLimits,
    next: u64,
    admitted: BTreeMap<u64, Admitted<S>>,
    /// The number of admitted connections of each user.
    by_user: BTreeMap<u32, usize>,
    /// The number of admitted connections whose user is trusted no more than others.
    others: usize,
    waiting: VecDeque<WaitingPeer<S>>,
    /// The moment at which a connection ended last.
    left: Instant,
}

struct WaitingPeer<S> {
    peer: Peer,
    connection: S,
    since: Instant,
}

struct Admitted<S> {
    peer: Peer,
    connection: S,
    since: Instant,
    activity: Activity,
    /// True if it has been answered more than a greeting.
    answered: bool,
    /// True if it has proved a login.
    proved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Idle(Instant),
    Busy,
    Leaving,
}

/// The connections that begin, and those that end for them.
pub(crate) struct Moves<S> {
    /// Number, peer and connection of those who are admitted now.
    pub admitted: Vec<(u64, Peer, S)>,
    /// Those that are to be hung up on. They are admitted until [`Connections::leave`].
    pub leaving: Vec<S>,
}

impl<S: Clone> Connections<S> {
    /// Makes the connections of an agent that has none yet.
    pub(crate) fn new(limits: ConnectionLimits, now: Instant) -> Self {
        Self {
            limits,
            next: 0,
            admitted: BTreeMap::new(),
            by_user: BTreeMap::new(),
            others: 0,
            waiting: VecDeque::new(),
            left: now,
        }
    }

    /// Returns the number of peers that are connected or wait.
    pub(crate) fn count(&self) -> usize {
        self.admitted.len() + self.waiting.len()
    }

    /// Returns the moment since which there has been no connection; none where there is one.
    pub(crate) fn alone_since(&self) -> Option<Instant> {
        (self.count() == 0).then_some(self.left)
    }

    /// Those who are admitted.
    pub(crate) fn admitted(&self) -> impl Iterator<Item = &S> {
        self.admitted.values().map(|admitted| &admitted.connection)
    }

    /// Lets those who wait wait on of whom `keep` says so.
    pub(crate) fn keep_waiting(&mut self, keep: impl Fn(&S) -> bool) {
        self.waiting.retain(|waiting| keep(&waiting.connection));
    }

    /// Returns true where no peer is admitted.
    pub(crate) fn is_empty(&self) -> bool {
        self.admitted.is_empty()
    }

    /// Returns whether a peer waits.
    pub(crate) fn is_crowded(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns true where no more peers can wait for a connection.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limits.waiting
    }

    /// Lets a peer wait for a connection; false where too many of that user do already, so that no other
    /// could.
    pub(crate) fn arrive(&mut self, peer: Peer, connection: S, since: Instant) -> bool {
        let same = self.waiting.iter().filter(|other| other.peer.user == peer.user).count();
        let admitted = peer.trusted || same < self.limits.waiting.div_ceil(2);
        if admitted {
            self.waiting.push_back(WaitingPeer { peer, connection, since });
        }
        admitted
    }

    /// Admits those who wait, in turn, as far as there is room, and chooses who leaves for the others.
    pub(crate) fn admit(&mut self, now: Instant) -> Moves<S> {
        let mut moves = Moves { admitted: Vec::new(), leaving: Vec::new() };
        let mut still = VecDeque::new();
        // Users for whom no connection can leave at the moment.
        let mut stuck = Vec::new();
        let mut due = self.leaving();
        for one in std::mem::take(&mut self.waiting) {
            let Some(shortage) = self.shortage(one.peer) else {
                moves.admitted.push(self.admit_one(one.peer, one.connection, now));
                continue;
            };
            let (user, waits) = (one.peer.user, now.saturating_duration_since(one.since));
            still.push_back(one);
            if stuck.contains(&user) {
                continue;
            }
            match due.iter().position(|going| shortage.is_relieved_by(*going)) {
                Some(going) => drop(due.swap_remove(going)),
                None => match self.send_away(shortage, waits, now) {
                    Some(left) => moves.leaving.push(left),
                    None => stuck.push(user),
                },
            }
        }
        self.waiting = still;
        moves
    }

    /// Chooses the connection that leaves because there are no descriptors for others.
    pub(crate) fn make_room(&mut self, now: Instant) -> Option<S> {
        self.send_away(Shortage::InAll, FIRST_SLICE, now)
    }

    /// Lets a peer wait again that could not be admitted: there can be no more than there are.
    pub(crate) fn put_back(&mut self, peer: Peer, connection: S, since: Instant) {
        self.limits.in_all = self.admitted.len().max(FEWEST);
        self.waiting.push_front(WaitingPeer { peer, connection, since });
    }

    /// A request has begun to arrive, or has arrived. False where it has been decided that its peer leaves.
    pub(crate) fn begin(&mut self, number: u64) -> bool {
        match self.admitted.get_mut(&number) {
            Some(admitted) if admitted.activity != Activity::Leaving => {
                admitted.activity = Activity::Busy;
                true
            }
            _ => false,
        }
    }

    /// A request has been answered, which was more than a greeting or not. False where its peer leaves
    /// then, since others wait.
    pub(crate) fn rest(&mut self, number: u64, answered: bool, proved: bool, now: Instant) -> bool {
        let wanted = self.is_crowded() && self.waiting.len() > self.leaving().len();
        let Some(admitted) = self.admitted.get_mut(&number) else { return false };
        admitted.answered |= answered;
        admitted.proved = proved;
        admitted.activity = Activity::Idle(now);
        let (peer, had_turn) = (admitted.peer, admitted.has_had_turn(now));
        let helps = |waiting: Peer| {
            self.shortage(waiting).is_some_and(|shortage| shortage.is_relieved_by(peer))
        };
        let leaves = wanted && had_turn && self.waiting.iter().any(|other| helps(other.peer));
        if let Some(admitted) = self.admitted.get_mut(&number).filter(|_| leaves) {
            admitted.activity = Activity::Leaving;
        }
        !leaves
    }

    /// Returns whether one who has been idle for a while leaves, since its process has another connection.
    pub(crate) fn is_spare(&mut self, number: u64) -> bool {
        let Some(own) = self.admitted.get(&number) else { return true };
        if own.activity == Activity::Busy {
            return false;
        }
        let peer = own.peer;
        let another = self.admitted.iter().any(|(other, admitted)| {
            *other != number
                && admitted.activity != Activity::Leaving
                && peer.process.is_some()
                && admitted.peer == peer
        });
        if let Some(own) = self.admitted.get_mut(&number).filter(|_| another) {
            own.activity = Activity::Leaving;
        }
        another
    }

    /// Ends all connections, and all waiting for one.
    pub(crate) fn clear(&mut self) -> Vec<S> {
        self.waiting.clear();
        let leave = |admitted: &mut Admitted<S>| {
            // A request that is being answered is answered.
            if admitted.activity != Activity::Busy {
                admitted.activity = Activity::Leaving;
            }
            admitted.connection.clone()
        };
        self.admitted.values_mut().map(leave).collect()
    }

    /// Notes that a peer has gone.
    pub(crate) fn leave(&mut self, number: u64, now: Instant) {
        self.left = now;
        let Some(Admitted { peer, .. }) = self.admitted.remove(&number) else { return };
        self.others -= usize::from(!peer.trusted);
        let left = self.of_user(peer.user) - 1;
        match left {
            0 => self.by_user.remove(&peer.user),
            left => self.by_user.insert(peer.user, left),
        };
    }

    fn of_user(&self, user: u32) -> usize {
        self.by_user.get(&user).copied().unwrap_or(0)
    }

    fn admit_one(&mut self, peer: Peer, connection: S, now: Instant) -> (u64, Peer, S) {
        let number = self.next;
        self.next += 1;
        let (activity, kept) = (Activity::Idle(now), connection.clone());
        let admitted = Admitted {
            peer,
            connection: kept,
            since: now,
            activity,
            answered: false,
            proved: false,
        };
        self.admitted.insert(number, admitted);
        self.others += usize::from(!peer.trusted);
        *self.by_user.entry(peer.user).or_default() += 1;
        (number, peer, connection)
    }

    /// Returns the shortage that keeps a peer out, if there is one.
    fn shortage(&self, peer: Peer) -> Option<Shortage> {
        let ConnectionLimits { per_user, others, in_all, .. } = self.limits;
        if self.of_user(peer.user) >= per_user {
            Some(Shortage::User(peer.user))
        } else if !peer.trusted && self.others >= others {
            Some(Shortage::Others)
        } else if self.admitted.len() >= in_all {
            Some(Shortage::InAll)
        } else {
            None
        }
    }

    fn leaving(&self) -> Vec<Peer> {
        let leaving =
            self.admitted.values().filter(|admitted| admitted.activity == Activity::Leaving);
        leaving.map(|admitted| admitted.peer).collect()
    }

    /// Sends away the connection that can be spared first for one that has waited so long: one without a proved
    /// login, then the one that has been idle longest.
    fn send_away(&mut self, shortage: Shortage, waits: Duration, now: Instant) -> Option<S> {
        let admitted = self.admitted.values_mut();
        let idle = admitted.filter_map(|admitted| match admitted.activity {
            Activity::Idle(since) if shortage.is_relieved_by(admitted.peer) => {
                Some((since, admitted))
            }
            Activity::Idle(_) | Activity::Busy | Activity::Leaving => None,
        });
        let (_, first) = idle
            // Before those who have had a turn come those who have proved nothing, or will have.
            .filter(|(_, admitted)| {
                admitted.has_had_turn(now) || (!admitted.proved && waits < FIRST_SLICE)
            })
            .min_by_key(|(since, admitted)| {
                (admitted.proved, !admitted.has_had_turn(now), *since)
            })?;
        if !first.has_had_turn(now) {
            return None;
        }
        first.activity = Activity::Leaving;
        Some(first.connection.clone())
    }
}

impl<S> Admitted<S> {
    fn has_had_turn(&self, now: Instant) -> bool {
        let turn = if self.answered { TIME_SLICE } else { FIRST_SLICE };
        now.saturating_duration_since(self.since) >= turn
    }
}

/// A kind of connections of which there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    /// Connections of one user.
    User(u32),
    /// Connections of those who are trusted no more than others.
    Others,
    /// Connections.
    InAll,
}

impl Shortage {
    fn is_relieved_by(self, going: Peer) -> bool {
        match self {
            Self::User(user) => going.user == user,
            Self::Others => !going.trusted,
            Self::InAll => true,
        }
    }
}

#[cfg(test)]
mod tests;
