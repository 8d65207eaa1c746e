//! The uses of a custom key in the last 90 days, which tell what its deletion would break: of days that are over from
//! the audit log, of today from the agent.

use crate::{Failure, Global};
use jiff::Timestamp;
use keystead::internal::agent::audit::{self, AuditEvent};
use keystead::internal::clock::{Seconds, timestamp};
use keystead::internal::config::Config;
use keystead::internal::id::Id;
use keystead::internal::key::state::DAY;
use keystead::internal::wire::{AgentLocation, Link, Request, Response};
use serde_json::{Value, json};
use std::fmt;

/// The number of days that are looked at.
const DAYS: u64 = 90;

/// The uses of a custom key.
pub(crate) enum RecentUses {
    /// It was used: on that day for the last time, and so many times in all.
    Used { last: Timestamp, times: u64 },
    /// It was not used.
    Unused,
    /// The user may not know: the audit log is for the store's owner and root.
    Unknown,
}

impl RecentUses {
    /// Finds them out, for a key with that key ID.
    pub(crate) fn of(global: &Global, key_id: &str) -> Result<Self, Failure> {
        let (config, now) = (global.configuration()?, global.store_time()?.now());
        let Some(days) = days(&config, key_id) else { return Ok(Self::Unknown) };
        let since = now.saturating_sub(DAYS * DAY);
        let recent = days.into_iter().filter(|(day, times)| *day >= since && *times > 0);
        Ok(recent.fold(Self::Unused, Self::and))
    }

    fn and(self, (day, times): (Seconds, u64)) -> Self {
        let day = timestamp(day);
        match self {
            Self::Used { last, times: before } => {
                Self::Used { last: last.max(day), times: before.saturating_add(times) }
            }
            Self::Unused | Self::Unknown => Self::Used { last: day, times },
        }
    }

    /// Returns them as members of a JSON object.
    pub(crate) fn json(&self) -> [(&'static str, Value); 3] {
        let (last, times, risk) = match self {
            Self::Used { last, times } => (json!(date(*last)), json!(times), "used"),
            Self::Unused => (Value::Null, json!(0), "unused"),
            Self::Unknown => (Value::Null, Value::Null, "unknown"),
        };
        [("last_used", last), ("uses_in_90_days", times), ("deletion_risk", json!(risk))]
    }
}

impl fmt::Display for RecentUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used { last, times } => {
                write!(
                    f,
                    "it was used in the last {DAYS} days: {times} time{}, last on {}",
                    if *times == 1 { "" } else { "s" },
                    date(*last)
                )
            }
            Self::Unused => write!(f, "it was not used in the last {DAYS} days"),
            Self::Unknown => {
                f.write_str("whether it was used lately is for the store's owner and root to know")
            }
        }
    }
}

fn date(day: Timestamp) -> String {
    day.strftime("%Y-%m-%d").to_string()
}

/// Returns days, by their first seconds, and how often the key was used on each; none where the user may not know.
fn days(config: &Config, key_id: &str) -> Option<Vec<(Seconds, u64)>> {
    let key = Id::parse(key_id.as_bytes())?;
    let (lines, _) = audit::entries(&config.directory).ok()?;
    let open = Link::new(AgentLocation::of(config)).ask(&Request::OpenUses { key }).ok()?;
    let Response::OpenUses(open) = open else { return None };
    let closed = lines.into_iter().filter_map(|line| {
        let fact = line.entry.fact;
        let is_of_key = fact.event == AuditEvent::Used && fact.key.as_deref() == Some(key_id);
        let day = Seconds::try_from(fact.at?.as_second()).ok()?;
        is_of_key.then_some((day, fact.times?))
    });
    Some(
        closed
            .chain(open.into_iter().map(|(day, times)| (Seconds::from(day) * DAY, times)))
            .collect(),
    )
}
