//! The agent's protocol, and the module's side of it: connect, start the agent when nobody answers,
//! ask, retry. What travels is sealed or opaque: nothing here knows keys.

mod bounded;
mod confidential;
mod deadline;
pub mod frame;
pub mod link;
pub mod message;
mod outage;
pub mod page;
pub mod process;
pub mod proof;
pub mod socket;
pub mod start;

pub use confidential::Confidential;
pub use deadline::{Deadline, PATIENCE};
pub use link::Link;
pub use message::{Authority, Change, Expect, Request, Response, Stored, TokenEntry};
pub use page::{Page, PageWriter};
pub use start::AgentLocation;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
