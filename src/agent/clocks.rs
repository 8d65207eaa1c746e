//! The clocks of a fleet's hosts, as their heartbeats tell them. What ends for all ends by the lower median of those that
//! are heard: where one host's clock is far ahead it does not decide, nor does it where the others are silent.

use crate::clock::Seconds;
use crate::id::Id;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time after which a host whose heartbeat does not move is silent.
const SILENT: Duration = Duration::from_secs(15);

/// Names one heartbeat of a host.
type Beat = ([u8; 16], u64);

/// The clocks of the other hosts.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<BTreeMap<Id, Heard>>);

/// The last heartbeat of a host.
#[derive(Debug)]
struct Heard {
    beat: Beat,
    clock: Seconds,
    /// The uptime at which it was seen to move; none where it has not since this agent began.
    moved: Option<Duration>,
}

impl Clocks {
    /// Notes a host's heartbeat, and its clock, as they are found at an uptime.
    pub(crate) fn hear(&self, host: Id, beat: Beat, (clock, uptime): (Seconds, Duration)) {
        let mut heard = self.heard();
        let moved = match heard.get(&host) {
            Some(known) if known.beat == beat => return,
            Some(_) => Some(uptime),
            None => None,
        };
        heard.insert(host, Heard { beat, clock, moved });
    }

    /// Takes a host's clock for none any more: it was expelled.
    pub(crate) fn forget(&self, host: Id) {
        self.heard().remove(&host);
    }

    /// Returns the lower median of the clocks at an uptime, with the own one among them. None where most hosts are
    /// silent.
    pub(crate) fn lower_median(&self, own: Seconds, uptime: Duration) -> Option<Seconds> {
        let heard = self.heard();
        let going_on = |host: &Heard| {
            let since = uptime.saturating_sub(host.moved?);
            (since < SILENT).then(|| host.clock.saturating_add(since.as_secs()))
        };
        let mut clocks: Vec<Seconds> = heard.values().filter_map(going_on).chain([own]).collect();
        let hosts = heard.len() + 1;
        clocks.sort_unstable();
        (2 * clocks.len() > hosts).then(|| clocks.get((clocks.len() - 1) / 2).copied()).flatten()
    }

    /// Returns the number of hosts that come before this one.
    pub(crate) fn before(&self, own: Id) -> u64 {
        self.heard().range(..own).count() as u64
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<Id, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Seconds = 31_536_000;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn host(number: u8) -> Id {
        Id::new([number; 16])
    }

    /// Hosts 1 and 2, which were heard at these uptimes, and whose clocks were right.
    fn heard(one: u64, other: u64) -> Clocks {
        let clocks = Clocks::default();
        for (number, uptime) in [(1, one), (2, other)] {
            clocks.hear(host(number), ([0; 16], 0), (0, at(0)));
            clocks.hear(host(number), ([0; 16], 1), (1000 + uptime, at(uptime)));
        }
        clocks
    }

    /// Sequence "the wrong survivor".
    #[test]
    fn a_clock_that_is_ahead_of_most_decides_nothing_and_alone_neither() {
        assert_eq!(heard(10, 12).lower_median(1014 + YEAR, at(14)), Some(1014));
        assert_eq!(heard(10, 12).lower_median(14, at(14)), Some(1014), "nor one that is behind");
        assert_eq!(
            heard(0, 12).lower_median(1015 + YEAR, at(16)),
            Some(1016),
            "two are a majority"
        );
        assert_eq!(heard(0, 0).lower_median(1015 + YEAR, at(16)), None, "the survivor is alone");
    }

    #[test]
    fn a_heartbeat_that_was_there_before_and_does_not_move_is_no_sign_of_life() {
        let clocks = Clocks::default();
        clocks.hear(host(1), ([0; 16], 7), (1000, at(1)));
        clocks.hear(host(1), ([0; 16], 7), (1000, at(2)));
        assert_eq!(clocks.lower_median(1002, at(2)), None, "one of two");
        clocks.hear(host(1), ([0; 16], 8), (900, at(3)));
        assert_eq!(clocks.lower_median(1003, at(4)), Some(901));
        assert_eq!((clocks.before(host(0)), clocks.before(host(2))), (0, 1));
    }

    #[test]
    fn one_that_was_expelled_has_no_clock_and_makes_no_majority() {
        let clocks = heard(0, 0);
        assert_eq!(clocks.lower_median(1015, at(16)), None);
        [host(1), host(2)].into_iter().for_each(|host| clocks.forget(host));
        assert_eq!(clocks.lower_median(1015, at(16)), Some(1015));
    }

    #[test]
    fn one_host_has_its_own_clock() {
        assert_eq!(Clocks::default().lower_median(1000, at(1)), Some(1000));
    }
}
