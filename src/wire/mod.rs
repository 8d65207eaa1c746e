//! The agent's protocol, and the module's side of it: connect, start the agent when nobody answers,
//! ask, retry. What travels is sealed or opaque: nothing here knows keys.

pub mod message;

pub use message::{Change, Expect, Outcome, Request, Response, Stored, TokenEntry};

/// The module's line to the agent.
pub struct Link;
