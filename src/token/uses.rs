//! How often each custom key is used: counted in the sessions, gathered here, and told to the agent for
//! its audit log at most once a minute, and at each logout. An operation that has begun is a use,
//! and so is each call that begins a message.
//!
//! The agent is not started for it, and no operation fails or waits long on its account: what a killed
//! process, or one whose agent does not answer, has not told of the last minute is not counted.

use super::Token;
use crate::clock::Seconds;
use crate::id::Id;
use crate::key::Key;
use crate::key::policy::Watch;
use crate::key::state::DAY;
use crate::wire::Request;
use crate::wire::message::MAX_USES;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Uses that the agent has not been told of.
#[derive(Default)]
pub struct Uses(Mutex<Unreported>);

#[derive(Default)]
struct Unreported {
    /// The minute in which the agent was told last.
    reported_at: u64,
    /// The number of uses, by custom key and day.
    counts: BTreeMap<(Id, u32), u64>,
}

impl Token {
    /// The minute it is, in minutes since 1970 UTC; cheap.
    pub fn minute(&self) -> u64 {
        self.clock.coarse() / 60
    }

    /// Counts uses of a key in that minute.
    pub fn count_uses(&self, key: &Key, minute: u64, times: u64) {
        let (Some(_), Watch::Record { watched, .. }) = (&key.state, &key.watch) else { return };
        let now = self.minute();
        let due = {
            let mut unreported = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            *unreported.counts.entry((*watched, day(minute * 60))).or_default() += times;
            std::mem::replace(&mut unreported.reported_at, now) != now
        };
        if due {
            self.report_uses();
        }
    }

    /// Tells the agent, if it runs. What it did not take is told another time.
    pub fn report_uses(&self) {
        let counts = {
            let mut unreported = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut unreported.counts)
        };
        if counts.is_empty() {
            return;
        }
        let uses: Vec<_> =
            counts.into_iter().map(|((key, day), times)| (key, day, times)).collect();
        uses.chunks(MAX_USES).for_each(|some| self.report_some(some));
    }

    fn report_some(&self, uses: &[(Id, u32, u64)]) {
        let told = self.link.tell_running(&Request::Used { token: self.id, uses: uses.to_vec() });
        if matches!(told, Ok(true)) {
            return;
        }
        log::debug!("uses of keys are not told: {told:?}");
        let mut unreported = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, day, times) in uses {
            *unreported.counts.entry((*key, *day)).or_default() += times;
        }
    }
}

/// Reports the last uses even where nobody logs out.
impl Drop for Token {
    fn drop(&mut self) {
        self.report_uses();
    }
}

/// The day of a second, in days since 1970 UTC.
fn day(at: Seconds) -> u32 {
    u32::try_from(at / DAY).unwrap_or(u32::MAX)
}
