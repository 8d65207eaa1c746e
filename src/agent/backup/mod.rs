//! Backups: what a store holds at one moment, gathered by its writer between two commits, and put into
//! an empty store.
//!
//! # The content of a backup, byte by byte
//!
//! Items, one after the other, each in [postcard's wire format](https://postcard.jamesmunns.com/wire-format)
//! behind the number of its kind. How a file seals them is in [`manual::backup`](crate::manual::backup).
//!
//! | kind | item | fields |
//! |---|---|---|
//! | 0 | the store, first | format (varint, `2`), identity (16), incarnation, commits, high-water mark of time, the clock's time at the backup (varints) |
//! | 1 | a token | identity (16), slot, revision (varints), entry (length, bytes), wrong PINs of the security officer (1), of the user (1) |
//! | 2 | a record | token (16), identity (16), revision (varint), header (length, bytes), sealed part (length, bytes; without the shred layer), its erase cell (option): number (varint; 0 where the material has ended), check (32), state (0 live; 1 deleted, 2 expired: and since when) |
//! | 3 | the end, last | number of tokens, number of records (varints) |
//!
//! *Check* is SHA-256 over `keystead v1 slot` and the cell's secret, zeros where it was erased: it
//! tells whether the cell of a living store still holds that secret. Material that was deleted, or has
//! expired, is not in a backup: its record comes with an empty sealed part.

mod content;
mod parts;

pub use content::Backup;
pub(crate) use content::{BackedUpCell, BackedUpRecord, BackedUpToken};
pub(crate) use parts::BackupParts;

use sha2::{Digest, Sha256};

/// The format of the content that this build writes. The items of format 1 are the same; a build that knows
/// no other would restore records of a later format, and could not serve them.
const BACKUP_FORMAT: u16 = 2;

/// The formats that this build reads.
const READ: std::ops::RangeInclusive<u16> = 1..=BACKUP_FORMAT;

/// Returns the check of a cell's secret.
pub(crate) fn check_of(secret: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(b"keystead v1 slot").chain_update(secret).finalize().into()
}
