//! The reach of what a fleet's host knows: for how long it may rely on it without a word from the store, and by which
//! time it may end what ends for all.

use super::OpenStore;
use crate::agent::keyspace;
use crate::agent::rows::{self, HeartbeatRow};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::key::state::DAY;
use std::collections::HashSet;
use std::time::Duration;

impl OpenStore {
    /// Has modules and this agent rely on what is known for `grace` from the moment of that uptime on.
    pub(crate) fn rely(&self, from: Duration, grace: Duration) {
        self.page.rely_until(from.saturating_add(grace));
    }

    /// Fails where other hosts may have changed what is known here, long ago: nothing is answered by it.
    pub(crate) fn check_known(&self) -> Result<()> {
        let Some(until) = self.page.relied_until().filter(|until| self.uptime() >= *until) else {
            return Ok(());
        };
        let past = (self.uptime() - until).as_secs();
        let why = self.contact.check().err();
        let why =
            why.map_or_else(|| "no heartbeat has come back".to_owned(), |why| why.to_string());
        Err(Reason::StoreUnavailable.detail(format_args!(
            "this host is cut off from its fleet, and `offline_grace` is over since {past} s: {why}"
        )))
    }

    /// Notes the clocks of the hosts whose heartbeats have moved.
    pub(crate) fn hear_hosts(&self) -> Result<()> {
        let Some(own) = self.host else { return Ok(()) };
        // While that cannot be read, no heartbeat comes back either, which is told.
        let expelled = self.expelled().unwrap_or_else(|error| {
            log::debug!("the list of hosts is not read: {error}");
            HashSet::new()
        });
        expelled.iter().for_each(|host| self.clocks.forget(*host));
        self.each(keyspace::HEARTBEAT_PREFIX, |key, row| {
            if let Some(host) = keyspace::heartbeat_host(key)
                .filter(|host| *host != own && !expelled.contains(host))
            {
                let row = rows::decode::<HeartbeatRow>(row, "a heartbeat")?;
                self.clocks.hear(host, (row.agent, row.count), (row.clock, self.uptime()));
            }
            Ok(true)
        })
    }

    /// Returns the time by which something ends for all who use the store. In a fleet no host decides that by a clock
    /// that most others are behind, nor alone, before a day has passed.
    pub(crate) fn end_time(&self) -> Result<Seconds> {
        let now = self.now();
        if self.host.is_none() {
            return Ok(now);
        }
        self.hear_hosts()?;
        let median = self.clocks.lower_median(self.clock(), self.uptime());
        let failure = match median {
            Some(_) => None,
            None => {
                Some("most hosts of the fleet are silent: what ends waits for a day".to_owned())
            }
        };
        if self.contact.check().is_ok()
            && let Some(why) = self.troubles.note("fleet", failure)
        {
            log::warn!("{why}");
        }
        Ok(median.map_or(now.saturating_sub(DAY), |median| now.min(median)))
    }

    /// Returns the same, a little later on each further host, so that not all do the same work at once.
    pub(crate) fn turn_time(&self) -> Result<Seconds> {
        let rank = self.host.map_or(0, |own| self.clocks.before(own));
        Ok(self.end_time()?.saturating_sub(rank))
    }

    /// Fails at once where the store is known to be out of reach: a change would only wait for it.
    pub(crate) fn check_reach(&self) -> Result<()> {
        self.contact.check()
    }
}
