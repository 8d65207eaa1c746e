//! Time as an argument: seconds since 1970 UTC from the system, or from a test.

use crate::sys;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 00:00 UTC.
pub type Seconds = u64;

/// Where "now" comes from.
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

    /// What the kernel noted at its last tick: no counter of the processor is read.
    fn coarse(&self) -> Seconds {
        sys::coarse_seconds()
    }
}

/// A clock that a test sets.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicU64);

impl FixedClock {
    /// A clock that reads `now` until it is set.
    pub const fn at(now: Seconds) -> Self {
        Self(AtomicU64::new(now))
    }

    /// Sets what the clock reads, forward or back.
    pub fn set(&self, now: Seconds) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Seconds {
        self.0.load(Ordering::Relaxed)
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
}
