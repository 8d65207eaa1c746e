//! Time as an argument: seconds since 1970 UTC from the system, or from a test.

use crate::error::{Reason, Result};
use crate::sys;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 00:00 UTC.
pub type Seconds = u64;

/// One start of the machine.
pub(crate) type Boot = [u8; 16];

/// A source of the present time.
pub trait Clock: Send + Sync {
    /// Seconds since 1970 UTC.
    fn now(&self) -> Seconds;

    /// The same with its fraction, as far as the clock knows it.
    fn precise(&self) -> Duration {
        Duration::from_secs(self.now())
    }

    /// The same, perhaps some milliseconds late, for those who only want to know the minute.
    fn coarse(&self) -> Seconds {
        self.now()
    }

    /// Returns for how long the machine has run, suspended or not: this time cannot be set.
    fn uptime(&self) -> Duration;

    /// Returns since which start of the machine that is, where it can be told.
    fn boot(&self) -> Option<Boot>;
}

/// The system's clock. A clock set before 1970 reads 0.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Seconds {
        self.precise().as_secs()
    }

    fn precise(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Returns the time that the kernel noted at its last tick: no counter of the processor is read.
    fn coarse(&self) -> Seconds {
        sys::coarse_seconds()
    }

    fn uptime(&self) -> Duration {
        sys::uptime()
    }

    fn boot(&self) -> Option<Boot> {
        sys::boot()
    }
}

/// A clock that a test sets.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct FixedClock {
    now: AtomicU64,
    uptime: AtomicU64,
    boot: AtomicU64,
}

#[cfg(test)]
impl FixedClock {
    /// A clock that reads `now` until it is set.
    pub(crate) const fn at(now: Seconds) -> Self {
        let (now, uptime, boot) = (AtomicU64::new(now), AtomicU64::new(0), AtomicU64::new(1));
        Self { now, uptime, boot }
    }

    /// Sets what the clock reads, forward or back.
    pub(crate) fn set(&self, now: Seconds) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Moves the time on.
    pub(crate) fn pass(&self, seconds: Seconds) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
        self.uptime.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Starts the machine anew.
    pub(crate) fn reboot(&self) {
        self.uptime.store(0, Ordering::Relaxed);
        self.boot.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for FixedClock {
    fn now(&self) -> Seconds {
        self.now.load(Ordering::Relaxed)
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.uptime.load(Ordering::Relaxed))
    }

    fn boot(&self) -> Option<Boot> {
        Some(u128::from(self.boot.load(Ordering::Relaxed)).to_be_bytes())
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Seconds {
        (**self).now()
    }

    fn precise(&self) -> Duration {
        (**self).precise()
    }

    fn coarse(&self) -> Seconds {
        (**self).coarse()
    }

    fn uptime(&self) -> Duration {
        (**self).uptime()
    }

    fn boot(&self) -> Option<Boot> {
        (**self).boot()
    }
}

/// The lag of the clock behind a store's time, in seconds, that needs no attention: clocks are
/// corrected by less now and then.
pub const TOLERANCE: Seconds = 60;

/// Returns that second of the calendar; its last where it is beyond that.
pub fn timestamp(at: Seconds) -> Timestamp {
    let second = i64::try_from(at).unwrap_or(i64::MAX);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// Returns that second of the calendar; beyond the year 9999 it is `AttributeValue`.
pub fn exact_timestamp(at: Seconds) -> Result<Timestamp> {
    i64::try_from(at)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or_else(|| Reason::AttributeValue.detail("a time after the year 9999"))
}

/// Returns the whole seconds of a span such as `90d` or `36h`; days have 24 hours.
pub fn seconds_of_span(text: &str) -> Option<Seconds> {
    let span: Span = text.trim().parse().ok()?;
    let total = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    // The largest f64 that is exact in whole seconds is far beyond any calendar.
    (1.0..1e12).contains(&total).then_some(total as Seconds)
}

/// Fails unless an expiry lies ahead of the store's time `now`. Where it lies ahead of the `clock`, that is
/// what has to be seen to.
pub(crate) fn check_ahead(at: Seconds, now: Seconds, clock: Seconds) -> Result<()> {
    if at > now {
        return Ok(());
    }
    if at <= clock {
        return Err(Reason::ExpiryPast.into());
    }
    Err(Reason::ClockBehind.detail(format_args!(
        "the expiry is {}, the store has seen {}, the clock shows {}; set the clock, or, if it is right, \
         let the store take its time: `keystead clock --accept`",
        timestamp(at),
        timestamp(now),
        timestamp(clock)
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Clock, SystemClock, check_ahead, seconds_of_span};
    use crate::error::Reason;

    #[test]
    fn an_expiry_that_only_the_clock_has_ahead_is_told_from_one_that_is_past() {
        let reason = |at, now, clock| check_ahead(at, now, clock).map_err(|error| error.reason());
        assert_eq!(reason(11, 10, 10), Ok(()));
        assert_eq!(reason(10, 10, 10), Err(Reason::ExpiryPast));
        assert_eq!(reason(5, 10, 4), Err(Reason::ClockBehind));
        assert_eq!(reason(4, 10, 4), Err(Reason::ExpiryPast));
        let told = check_ahead(1_800_000_001, 1_900_000_000, 1_800_000_000).unwrap_err();
        for part in ["2027-01-15T08:00:01Z", "2030-03-17T17:46:40Z", "keystead clock --accept"] {
            assert!(told.to_string().contains(part), "{told}");
        }
    }

    #[test]
    fn the_machine_has_started_once_and_runs_on() {
        let began = SystemClock.uptime();
        assert!(began.as_nanos() > 0 && SystemClock.uptime() >= began);
        assert_eq!(SystemClock.boot(), SystemClock.boot());
        assert!(SystemClock.boot().is_some());
    }

    #[test]
    fn spans_are_what_people_write() {
        assert_eq!(seconds_of_span("90d"), Some(90 * 86_400));
        assert_eq!(seconds_of_span("36h"), Some(36 * 3_600));
        assert_eq!(seconds_of_span("5s"), Some(5));
        for wrong in ["", "90", "-1d", "0s", "1000000000000y"] {
            assert_eq!(seconds_of_span(wrong), None, "{wrong}");
        }
    }
}
