//! The agent's protocol, and the module's side of it: connect, start the agent when none answers,
//! ask, retry. What travels is sealed or opaque: nothing here knows keys.

mod bounded;
mod confidential;
mod deadline;
mod denied;
mod fleet;
pub(crate) mod frame;
pub(crate) mod handing;
pub(crate) mod link;
pub(crate) mod message;
mod outage;
pub(crate) mod page;
pub(crate) mod process;
pub(crate) mod proof;
pub(crate) mod socket;
pub(crate) mod start;

pub(crate) use confidential::Confidential;
pub use deadline::{Deadline, SILENCE_TIMEOUT};
pub use fleet::{FleetStatus, HeartbeatStatus, HostState, HostStatus};
pub use link::Link;
pub(crate) use link::ProvedConnection;
pub(crate) use message::{Authority, StoredToken};
pub use message::{Change, Expect, Request, Response, Stored};
pub(crate) use page::Page;
pub use start::AgentLocation;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
