//! The agent's protocol, and the module's side of it: connect, start the agent when nobody answers,
//! ask, retry. What travels is sealed or opaque: nothing here knows keys.

pub mod frame;
pub mod message;
pub mod page;

pub use message::{Change, Expect, Outcome, Request, Response, Stored, TokenEntry};
pub use page::{Page, PageWriter};

/// The module's line to the agent.
pub struct Link;
