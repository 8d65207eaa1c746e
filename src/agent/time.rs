//! The store's time. It never runs back, and goes on as the machine runs from the latest clock that an agent
//! has seen: a clock that is set back lengthens nothing.

use crate::clock::{Clock, Seconds};
use crate::wire::page::PageWriter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time of one store.
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    /// The time by which it is ahead of the machine's uptime, in nanoseconds.
    ahead: AtomicU64,
}

impl Time {
    /// Time that goes by `clock` until something later is known.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: AtomicU64::new(0) }
    }

    /// Goes on from `mark`, a time that the store has seen, and from what the page of an earlier agent says
    /// since the machine started.
    pub(crate) fn begin(&self, mark: Seconds, page: &PageWriter) {
        let from_mark = beyond(Duration::from_secs(mark), self.clock.uptime());
        let from_page = self.clock.boot().and_then(|boot| page.ahead(boot));
        self.ahead.fetch_max(from_mark.max(from_page.unwrap_or(0)), Ordering::Relaxed);
        self.publish(page);
    }

    /// Returns the store's time, and publishes it where the clock has moved it.
    pub(crate) fn now(&self, page: &PageWriter) -> Duration {
        // Read in this order: what passes in between never counts twice.
        let clock = self.clock.precise();
        let uptime = self.clock.uptime();
        let ahead = beyond(clock, uptime);
        let before = self.ahead.fetch_max(ahead, Ordering::Relaxed);
        if before < ahead {
            self.publish(page);
        }
        uptime.saturating_add(Duration::from_nanos(before.max(ahead)))
    }

    /// Takes the clock's time, though the store has seen a later one.
    pub(crate) fn accept_clock(&self, page: &PageWriter) {
        let ahead = beyond(self.clock.precise(), self.clock.uptime());
        self.ahead.store(ahead, Ordering::Relaxed);
        self.publish(page);
    }

    /// Returns for how long the machine has run, suspended or not.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// Returns the time that the clock shows.
    pub(crate) fn clock(&self) -> Seconds {
        self.clock.now()
    }

    fn publish(&self, page: &PageWriter) {
        let boot = self.clock.boot().unwrap_or_default();
        page.set_ahead(self.ahead.load(Ordering::Relaxed), boot);
    }
}

/// Returns by how much a moment is beyond the uptime, in nanoseconds.
fn beyond(moment: Duration, uptime: Duration) -> u64 {
    u64::try_from(moment.saturating_sub(uptime).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{PageWriter, Time};
    use crate::clock::{FixedClock, Seconds};
    use std::sync::Arc;

    struct Fixture {
        _directory: tempfile::TempDir,
        page: PageWriter,
        clock: Arc<FixedClock>,
    }

    impl Fixture {
        fn new(clock: Seconds) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let page = PageWriter::open(directory.path()).unwrap();
            Self { _directory: directory, page, clock: Arc::new(FixedClock::at(clock)) }
        }

        fn agent(&self, mark: Seconds) -> Time {
            let time = Time::new(Arc::clone(&self.clock) as _);
            time.begin(mark, &self.page);
            time
        }

        fn now(&self, time: &Time) -> Seconds {
            time.now(&self.page).as_secs()
        }
    }

    #[test]
    fn a_clock_set_back_while_the_agent_runs_is_not_believed() {
        let store = Fixture::new(1000);
        let time = store.agent(0);
        assert_eq!(store.now(&time), 1000);
        store.clock.set(10);
        store.clock.pass(7);
        assert_eq!(store.now(&time), 1007);
        store.clock.set(5000);
        assert_eq!(store.now(&time), 5000);
        store.clock.set(20);
        store.clock.pass(1);
        assert_eq!((store.now(&time), time.clock()), (5001, 21));
    }

    #[test]
    fn time_goes_on_where_the_agent_before_left_it_while_the_machine_runs() {
        let store = Fixture::new(1000);
        store.now(&store.agent(0));
        store.clock.set(10);
        store.clock.pass(50);
        // The mark that the store has kept is older.
        assert_eq!(store.now(&store.agent(990)), 1050);
        store.clock.reboot();
        store.clock.set(10);
        assert_eq!(store.now(&store.agent(990)), 990);
        store.clock.pass(5);
        assert_eq!(store.now(&store.agent(990)), 995);
    }

    #[test]
    fn an_accepted_clock_is_gone_on_from() {
        let store = Fixture::new(5000);
        let time = store.agent(9000);
        assert_eq!(store.now(&time), 9000);
        time.accept_clock(&store.page);
        assert_eq!(store.now(&time), 5000);
        store.clock.set(4000);
        store.clock.pass(3);
        assert_eq!(store.now(&store.agent(0)), 5003);
    }

    #[test]
    fn a_clock_beyond_all_calendars_overflows_nothing() {
        let store = Fixture::new(Seconds::MAX);
        let time = store.agent(Seconds::MAX);
        store.clock.pass(0);
        assert!(store.now(&time) > 1 << 33);
    }
}
