//! The places that are told of each line of the audit log: a program of the operator's (`on_event`) and the
//! system's log (`audit_syslog`). Each has a queue and a thread of its own, so that none delays a commit, an erasure
//! or the other; what a queue cannot take is counted and not told.
//!
//! A line is told once it is durable and in its file, in the order of the log. An agent that is killed tells nothing of
//! the lines that still waited; the log has them.

mod hook;
mod queue;
mod syslog;

pub use hook::check;

use super::audit::AuditEntry;
use crate::clock::Seconds;
use queue::Queue;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time that the lines still waiting have when the agent ends. The next one waits meanwhile.
const LAST: Duration = Duration::from_millis(500);

/// The configuration keys of the places.
const ON_EVENT: &str = "on_event";
const AUDIT_SYSLOG: &str = "audit_syslog";

/// Every place that there can be.
pub(crate) const PLACES: [&str; 2] = [ON_EVENT, AUDIT_SYSLOG];

/// The places that are told.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    queues: Vec<Queue>,
    health: AuditHealth,
}

/// The state of the audit log.
#[derive(Debug, Default)]
struct AuditHealth {
    /// The number of the last line.
    last: AtomicU64,
    /// The number of lines that are in no file yet.
    waiting: AtomicU64,
    /// The time of the last backup since the agent began, in seconds since 1970 UTC; 0 before the first.
    backup: AtomicU64,
    /// The keys that were made or got a version since they were last asked for, with the time, in seconds since 1970
    /// UTC.
    versions: Mutex<BTreeMap<String, Seconds>>,
}

/// The events of a key and of a version that were made, as a line has them.
const MADE: [&str; 2] = ["\"event\":\"created\"", "\"event\":\"rotated\""];

/// The event of a backup, as a line has it. Quotation marks in names are escaped there.
const BACKED_UP: &str = "\"event\":\"backed-up\"";

impl Outlets {
    /// Begins telling a program and the socket of the system's log, where they are configured; `lost` returns how
    /// many lines a place was not told before.
    pub(crate) fn begin(
        hook: Option<PathBuf>,
        syslog: Option<PathBuf>,
        lost: impl Fn(&str) -> u64,
    ) -> Self {
        let hook = hook.map(|program| {
            if let Err(error) = check(&program, geteuid().as_raw()) {
                log::error!("on_event: {error}: it is not run");
            }
            let run = move |line: &str, limit: queue::Limit<'_>| hook::run(&program, line, limit);
            Queue::begin(ON_EVENT, lost(ON_EVENT), run)
        });
        let syslog = syslog.map(|socket| {
            let send = move |line: &str, _: queue::Limit<'_>| syslog::send(&socket, line);
            Queue::begin(AUDIT_SYSLOG, lost(AUDIT_SYSLOG), send)
        });
        let queues = hook.into_iter().chain(syslog);
        let queues = queues.filter_map(|begun| {
            begun.inspect_err(|error| log::error!("no events are told: {error}")).ok()
        });
        Self { queues: queues.collect(), health: AuditHealth::default() }
    }

    /// Tells lines that are in the log's file, and notes where the log stands.
    pub(crate) fn tell(&self, lines: &[String], (last, waiting): (u64, u64), now: Seconds) {
        for line in lines {
            self.queues.iter().for_each(|queue| queue.offer(line));
        }
        if lines.iter().any(|line| line.contains(BACKED_UP)) {
            self.health.backup.store(now, Ordering::Relaxed);
        }
        let made = |line: &&String| MADE.iter().any(|event| line.contains(event));
        let entries = lines.iter().filter(made).filter_map(|line| serde_json::from_str(line).ok());
        let keys = entries.filter_map(|entry: AuditEntry| entry.fact.key);
        self.versions().extend(keys.map(|key| (key, now)));
        self.health.last.store(last, Ordering::Relaxed);
        self.health.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Returns whether a place is still being told of lines.
    pub(crate) fn are_busy(&self) -> bool {
        self.queues.iter().any(Queue::is_busy)
    }

    /// Returns the number of the log's last line, and of those that are in no file yet.
    pub(crate) fn audit_log(&self) -> (u64, u64) {
        let AuditHealth { last, waiting, .. } = &self.health;
        (last.load(Ordering::Relaxed), waiting.load(Ordering::Relaxed))
    }

    /// Returns the time of the last backup since the agent began; 0 before the first.
    pub(crate) fn last_backup(&self) -> Seconds {
        self.health.backup.load(Ordering::Relaxed)
    }

    /// Takes the keys that were made or got a version since this was last called, with the times.
    pub(crate) fn take_versions(&self) -> BTreeMap<String, Seconds> {
        std::mem::take(&mut self.versions())
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<String, Seconds>> {
        self.health.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the lines that each place was not told, by its configuration key.
    pub(crate) fn lost(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.queues.iter().map(|queue| (queue.name, queue.lost()))
    }

    /// Tells what waits, for a short time, and ends.
    pub(crate) fn end(&self) {
        self.end_within(LAST);
    }

    /// Tells what waits, for so long at most, and ends.
    pub(crate) fn end_within(&self, time: Duration) {
        self.queues.iter().for_each(|queue| queue.close(time));
        self.queues.iter().for_each(Queue::join);
    }
}
