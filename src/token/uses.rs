//! Uses of custom keys that the agent has not been told of.

use crate::clock::Seconds;
use crate::id::Id;
use crate::key::state::DAY;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Uses that the agent has not been told of.
#[derive(Default)]
pub(crate) struct Uses(Mutex<Unreported>);

#[derive(Default)]
struct Unreported {
    /// The minute in which the agent was told last.
    reported_at: u64,
    /// The number of uses, by custom key and day.
    counts: BTreeMap<(Id, u32), u64>,
}

impl Uses {
    /// Counts uses of a key in a `minute`. Returns true for the first of the minute that it is `now`.
    pub(super) fn count(&self, key: Id, minute: u64, times: u64, now: u64) -> bool {
        let mut unreported = self.lock();
        *unreported.counts.entry((key, day(minute * 60))).or_default() += times;
        std::mem::replace(&mut unreported.reported_at, now) != now
    }

    /// Takes all counts away: key, day, times.
    pub(super) fn take(&self) -> Vec<(Id, u32, u64)> {
        let counts = std::mem::take(&mut self.lock().counts);
        counts.into_iter().map(|((key, day), times)| (key, day, times)).collect()
    }

    /// Puts counts back that the agent did not take.
    pub(super) fn put_back(&self, uses: &[(Id, u32, u64)]) {
        let mut unreported = self.lock();
        for (key, day, times) in uses {
            *unreported.counts.entry((*key, *day)).or_default() += times;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unreported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the day of a second, in days since 1970 UTC.
fn day(at: Seconds) -> u32 {
    u32::try_from(at / DAY).unwrap_or(u32::MAX)
}
