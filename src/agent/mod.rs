//! The agent: the one process that opens a store. Only the program links it.

mod lock;

pub use lock::{Claim, Lock, claim};
