//! The store's time, which decides about everything that a command asks for in time.

use crate::{Failure, Global};
use jiff::Timestamp;
use keystead::internal::clock::{Clock, Seconds, SystemClock, TOLERANCE, timestamp};
use keystead::internal::module::token_settings;
use keystead::internal::token::Slots;
use keystead::internal::wire::{AgentLocation, Link};
use std::sync::Arc;
use std::time::Duration;

/// The time by which the clock was behind the store's when it was asked for.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StoreTime {
    behind: Seconds,
}

impl Global {
    /// Asks the agent for the store's time.
    pub(crate) fn store_time(&self) -> Result<StoreTime, Failure> {
        let config = self.store()?;
        let link = Link::new(AgentLocation::of(&config));
        let (clock, latest) =
            Slots::new(link, Arc::new(SystemClock), token_settings(&config)).clock()?;
        Ok(StoreTime { behind: latest.saturating_sub(clock) })
    }
}

impl StoreTime {
    /// Returns the store's time, in seconds since 1970 UTC.
    pub(crate) fn now(self) -> Seconds {
        SystemClock.now().saturating_add(self.behind)
    }

    /// Returns it as a moment of the calendar.
    pub(crate) fn moment(self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(Duration::from_secs(self.behind)).unwrap_or(now)
    }

    /// Returns the failure of an expiry that was refused though it lies ahead of the clock, which is behind.
    pub(crate) fn refused(self) -> Option<Failure> {
        (self.behind > TOLERANCE).then(|| {
            let message = format_args!(
                "the expiry lies before the latest time that the store has seen, {}; the clock shows {}",
                timestamp(self.now()),
                timestamp(SystemClock.now())
            );
            Failure::refused(message)
                .hint("set the clock; if it is right now, `keystead clock --accept` goes back to it")
        })
    }
}
