//! The status of a fleet, as the agent of one of its hosts knows it.

use super::bounded::list;
use crate::clock::Seconds;
use crate::erasure::ErasureStatus;
use crate::id::Id;
use serde::{Deserialize, Serialize};

/// The most hosts in a status, those that were expelled among them.
pub(crate) const MAX_HOSTS: usize = 1024;

/// The most different states of erasures in a status.
pub(crate) const MAX_ERASURES: usize = 4096;

/// The status of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// The fleet.
    pub fleet: Id,
    /// The host whose agent answers.
    pub own: Id,
    /// The number of the last commit that this host has followed.
    pub applied: u64,
    /// The time for which it may rely on what it knows without a word from etcd, in seconds.
    pub word_left: Seconds,
    /// The hosts, in the order in which they were listed.
    #[serde(deserialize_with = "list::<_, _, MAX_HOSTS>")]
    pub hosts: Vec<HostStatus>,
    /// The erasures that are written down, by their state, with the number of secrets in each.
    #[serde(deserialize_with = "list::<_, _, MAX_ERASURES>")]
    pub erasures: Vec<(ErasureStatus, u64)>,
}

/// A host in the status of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// The host.
    pub host: Id,
    /// Its name, for people.
    pub name: String,
    /// Its place in the fleet.
    pub state: HostState,
    /// The commit up to which it has said that nothing erased can be had from it.
    pub erased_through: u64,
    /// Its last heartbeat; none where it has sent none.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// A host's place in a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostState {
    /// It is being sent the secrets that there were before it.
    Listed,
    /// It has everything, and serves.
    Enrolled,
    /// It belongs to the fleet no longer.
    Expelled,
}

/// A host's last heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatStatus {
    /// The host's clock when it was sent, in seconds since 1970 UTC.
    pub clock: Seconds,
    /// The number of the last commit that the host had followed.
    pub applied: u64,
    /// The build of its agent.
    pub version: String,
}
