//! The agent: the one process that opens a store. Only the program links it.

mod acceptor;
mod access;
mod activation;
pub(crate) mod allowance;
mod answer_size;
pub(crate) mod audit;
pub(crate) mod backup;
mod budget;
mod clocks;
mod commit;
mod connections;
mod contact;
mod delivery;
mod destroy;
mod destroyed_tokens;
mod directory;
mod expiry_report;
mod figures;
mod find;
mod first_format;
mod fleet;
mod heartbeat;
mod index;
mod job;
mod keepalive;
mod keyspace;
mod lock;
mod main_loop;
mod make;
mod mend;
mod open_store;
pub(crate) mod outlets;
mod proposer;
mod records_apart;
mod recover;
mod removals;
mod restore;
pub(crate) mod rows;
mod rules;
mod second_format;
mod served_store;
mod server;
mod service;
mod shred_layer;
mod snapshots;
mod stall;
mod subject;
mod sweep;
mod tickets;
mod time;
mod timer;
mod token_entry;
mod transaction;
mod troubles;
mod upgrade;
mod usage_counts;
mod waker;
mod writer;

pub use activation::listener;
pub use directory::{check_file_system, not_given};
pub use lock::{Claim, Lock, await_lock, claim, claim_with_progress};
pub use main_loop::serve;
#[cfg(test)]
pub(crate) use main_loop::serve_until;
pub use make::{join_fleet, make, make_fleet};
pub use records_apart::{check_records, check_unclaimed};
pub use recover::{Recovered, recover};
pub use restore::{How, Restored, restore};

use crate::clock::Seconds;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// True if it stays while an expiry lies ahead, though there is no connection.
    pub linger: bool,
    /// The group whose members may connect, by number.
    pub group: Option<u32>,
    /// The place of the Prometheus text file, if one is kept.
    pub metrics: Option<PathBuf>,
    /// The program that is run for each line of the audit log, if one is.
    pub on_event: Option<PathBuf>,
    /// The socket that each line of the audit log is sent to, if one is.
    pub audit_syslog: Option<PathBuf>,
    /// The time that material which has fallen due waits before it is erased, in seconds, unusable meanwhile.
    pub grace: Seconds,
    /// The time that it stays without a connection; none: until it is told to end.
    pub idle: Option<Duration>,
    /// The time for which a process may leave a connection idle that is not its last one.
    pub spare: Duration,
    /// The time that the disk may take over one sync before those who wait are told.
    pub patience: Duration,
    /// The time for which what is known in a fleet may be relied on without a word from its store.
    pub offline_grace: Duration,
    /// True if it ends for a caller that would start an agent with higher limits.
    pub makes_way: bool,
}
#[cfg(test)]
pub(crate) mod tests;
