//! The agent: the one process that opens a store. Only the program links it.

mod commit;
mod cover;
mod draft;
mod find;
mod lock;
mod rows;
mod rules;
mod shelf;
mod sweep;

pub use lock::{Claim, Lock, claim};

use crate::error::{Reason, Result};
use std::time::Duration;

/// How an agent serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether it stays while an expiry lies ahead, though nobody is connected.
    pub linger: bool,
    /// The group whose members may connect, by number.
    pub group: Option<u32>,
    /// How long it stays when nobody is connected.
    pub idle: Duration,
}

// A stand-in until the server lands.
/// Opens the store, calls `ready` when the socket listens, and serves until it is idle for long enough
/// or the directory is gone.
pub fn serve(_lock: &Lock, _options: &Options, _ready: impl FnOnce()) -> Result<()> {
    Err(Reason::NotSupported.into())
}
