//! The audit log: one JSON line for each event of a key's life, each chained to the one before.
//!
//! A line is first a row of the store, in the same batch as the change it tells of, so that neither
//! happens without the other. Then it is appended to `audit/audit.jsonl`; the row goes when the file
//! has been synced. A crash or a full disk in between only delays the file, and what a loss of power takes
//! from it is written again from the rows.
//!
//! # A line, byte by byte
//!
//! A JSON object without spaces whose last member is `"mac"`: 64 hexadecimal digits of
//! `HMAC-SHA-256(key, previous mac (32 bytes) || the line up to and without `,"mac"`)`. The mac before
//! the first line is 32 zero bytes; the key is the 32 random bytes of `audit/key`. Members: `seq` (from
//! 1, without a gap), `time` (RFC 3339, UTC), `event` ([`AuditEvent`]), `token`, and where they
//! apply `label` (the token's), `key` (the key ID), `alias` (the key's, or an ordinary key's
//! label), `version` (of the material), `at` (when material expires or a key ends; of `used`, the
//! day, by its first second), `again` (`true` where material had been imported before), `times`
//! (how often a key was used), `pin` (`user` or `so`), `reason` (of a refusal), `user` (the number
//! of the user whose process asked; none where the agent acted by itself), `process` (its number)
//! and `program` (the name of the program that it runs). A reader passes over members that it does
//! not know: lines of earlier versions have fewer, of later ones perhaps more.
//!
//! Alias and label stand here, and in the store's rows, in the clear.

use std::path::{Path, PathBuf};

mod chain;
mod display;
mod entry;
mod facts;
mod files;
mod files_end;
mod journal;
pub(crate) mod line;
mod read;

pub(crate) use chain::ChainKey;
pub use chain::GONE;
pub(crate) use display::log;
pub(crate) use entry::{Asker, Fact, timestamp};
pub use entry::{AuditEntry, AuditEvent};
pub(crate) use facts::{expired, of_change, of_entry};
pub(crate) use journal::{Journal, Sealed};
pub use line::ChainHead;
pub(crate) use line::LONGEST_LINE;
pub use read::{Claimed, Fault, Kept, LogLine, Verified, entries, kept, verify};

/// The folder in a store's directory.
pub(crate) const FOLDER: &str = crate::file_names::AUDIT;

/// Returns the folder of the audit log of the store in `directory`.
pub fn folder(directory: &Path) -> PathBuf {
    directory.join(FOLDER)
}

/// Returns whether `directory` holds the folder of an audit log.
pub fn is_in(directory: &Path) -> bool {
    folder(directory).is_dir()
}

/// The file that holds the key of the chain.
pub const KEY: &str = "key";

/// The file that is appended to.
const CURRENT: &str = "audit.jsonl";
