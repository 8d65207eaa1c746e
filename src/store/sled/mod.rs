//! A store in sled 0.34, which is fast and lists its hazards; this folder contains each of them.
//!
//! | hazard | what contains it |
//! |---|---|
//! | `flush` does not fsync on Linux | `sync` also syncs the file `db` through a descriptor of its own |
//! | `conf`, snapshots and directories are never synced | synced after each open, before anything is answered |
//! | leaves above 128 KiB move to `blobs/`, which is never synced | values are split at `CHUNK` bytes; a leaf holds at most some twenty of them |
//! | a torn `snap.*.generating` stops the next open | removed before opening; the caller holds the store's lock |
//! | a closed instance keeps its lock a moment longer, and the next is refused | opening waits for the lock |
//! | an I/O error or a panic leaves the instance in an unknown state | the first of them ends the instance |
//! | what cannot be opened stays so | a verified copy is kept beside it, served meanwhile, and gone on from |

pub(super) mod build;
mod changed_keys;
pub(super) mod database;
mod earlier_number;
mod entries;
mod opening;
mod pending;
pub(super) mod rescue;
mod served_snapshot;
mod sled_error;
pub(super) mod snapshot;
pub(super) mod upgrade;
