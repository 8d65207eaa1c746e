//! Sealing of backups: in chunks, under a key that Argon2id makes of a passphrase.
//!
//! # The file, byte by byte
//!
//! Integers are big endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–15 | `keystead backup`, and the format: `0x01` |
//! | 16–31 | salt, random for each file |
//! | 32–43 | Argon2id's memory in KiB, passes and lanes (u32 each) |
//! | then | chunks: each 49 bytes longer than what it seals, which is 1 MiB but for the last |
//!
//! Key: Argon2id (version `0x13`) of passphrase and salt, 32 bytes. A chunk is a sealed part as
//! [`seal`](super::seal) draws it, with `keystead v1 backup` as its info; authenticated with it are the
//! 44 bytes in front, the chunk's index (u64, from 0) and whether it is the last (one byte, 0 or 1): so
//! that none can be left out, moved, added or cut off.

use super::seal::{Salt, open_with, seal_with};
use super::stretch::{Cost, stretch};
use crate::error::{Reason, Result};
use crate::secret::Secret;

/// The size of what a chunk seals, but for the last, in bytes.
pub const CHUNK: usize = 1 << 20;

/// The number of bytes by which a chunk is longer than what it seals.
pub const AROUND: usize = 49;

/// The number of bytes in front of the chunks.
pub const FRONT: usize = 44;

/// The lengths a passphrase may have, in bytes.
pub const PASSPHRASE_LENGTH: std::ops::RangeInclusive<usize> = 12..=1000;

const MAGIC: &[u8; 15] = b"keystead backup";
const BACKUP_FILE_FORMAT: u8 = 1;
const INFO: &[u8] = b"keystead v1 backup";

/// The second of the two choices that RFC 9106, section 4, recommends.
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };

/// The sealer or opener of one file's chunks, one after the other.
pub struct BackupSealer {
    front: [u8; FRONT],
    key: Secret,
    index: u64,
}

impl BackupSealer {
    /// Makes the sealer of a new file.
    pub fn new(passphrase: &[u8], salt: [u8; 16]) -> Result<Self> {
        let mut front = [0; FRONT];
        let Cost { memory_kib, passes, lanes } = COST;
        let numbers = [memory_kib, passes, lanes].map(u32::to_be_bytes);
        let bytes = [&MAGIC[..], &[BACKUP_FILE_FORMAT], &salt, numbers.as_flattened()].concat();
        front.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(Self { front, key: stretch(passphrase, &salt, COST, 32)?, index: 0 })
    }

    /// Makes the opener of a file that begins with `front`.
    pub fn of(front: &[u8], passphrase: &[u8]) -> Result<Self> {
        let not_one = || Reason::BackupDamaged.detail("it does not begin as a backup does");
        let front: [u8; FRONT] = front.try_into().map_err(|_| not_one())?;
        let (format, rest) =
            front.strip_prefix(MAGIC).and_then(|rest| rest.split_first()).ok_or_else(not_one)?;
        if *format != BACKUP_FILE_FORMAT {
            return Err(Reason::BackupDamaged.detail(format_args!(
                "it has format {format}, and this build reads {BACKUP_FILE_FORMAT}"
            )));
        }
        let (salt, numbers) = rest.split_first_chunk().ok_or_else(not_one)?;
        let cost = cost(numbers).ok_or_else(not_one)?;
        let key = stretch(passphrase, salt, cost, 32)
            .map_err(|error| Reason::BackupDamaged.detail(error))?;
        Ok(Self { front, key, index: 0 })
    }

    /// Returns the bytes in front of the chunks.
    pub fn front(&self) -> &[u8; FRONT] {
        &self.front
    }

    /// Returns the number of chunks that have been sealed or opened.
    pub fn chunks(&self) -> u64 {
        self.index
    }

    /// Seals the next chunk.
    pub fn seal(&mut self, text: &[u8], last: bool, salt: &Salt) -> Result<Vec<u8>> {
        let sealed = seal_with(&self.key, INFO, &self.authenticated(last), text, salt)?;
        self.index += 1;
        Ok(sealed)
    }

    /// Opens the next chunk, if it is the next and all is as it was sealed.
    pub fn open(&mut self, chunk: &[u8], last: bool) -> Result<Secret> {
        let opened = open_with(&self.key, INFO, &self.authenticated(last), chunk)
            .map_err(|_| Reason::BackupDamaged)?;
        self.index += 1;
        Ok(opened)
    }

    fn authenticated(&self, last: bool) -> Vec<u8> {
        [&self.front[..], &self.index.to_be_bytes(), &[u8::from(last)]].concat()
    }
}

fn cost(numbers: &[u8]) -> Option<Cost> {
    let (memory, rest) = numbers.split_first_chunk()?;
    let (passes, lanes) = rest.split_first_chunk()?;
    Some(Cost {
        memory_kib: u32::from_be_bytes(*memory),
        passes: u32::from_be_bytes(*passes),
        lanes: u32::from_be_bytes(lanes.try_into().ok()?),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn sealer() -> BackupSealer {
        BackupSealer::new(b"correct horse", [7; 16]).unwrap()
    }

    fn opener(passphrase: &[u8]) -> BackupSealer {
        BackupSealer::of(sealer().front(), passphrase).unwrap()
    }

    #[test]
    fn the_front_equals_its_golden_bytes() {
        let golden =
            [b"keystead backup\x01", &[7; 16][..], &[0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4]].concat();
        assert_eq!(sealer().front(), &golden[..]);
    }

    #[test]
    fn chunks_open_in_their_order_with_the_passphrase_alone() {
        let mut sealer = sealer();
        let chunks = [(b"first", false), (b"other", true)]
            .map(|(text, last)| sealer.seal(text, last, &[9; 32]).unwrap());
        assert!(chunks.iter().all(|chunk| chunk.len() == 5 + AROUND));
        let mut opener_ = opener(b"correct horse");
        assert_eq!(opener_.open(&chunks[0], false).unwrap().expose(), b"first");
        assert_eq!(opener_.open(&chunks[1], true).unwrap().expose(), b"other");
        assert!(opener(b"correct horsf").open(&chunks[0], false).is_err());
        assert!(opener(b"correct horse").open(&chunks[1], true).is_err(), "moved");
        assert!(opener(b"correct horse").open(&chunks[0], true).is_err(), "cut off");
    }

    #[test]
    fn another_beginning_is_refused_by_what_is_wrong() {
        let refusal = |front: &[u8]| {
            let error = BackupSealer::of(front, b"correct horse").map(drop).unwrap_err();
            assert_eq!(error.reason(), Reason::BackupDamaged);
            error.to_string()
        };
        let front = *sealer().front();
        assert!(refusal(&[0; FRONT]).contains("begin"));
        assert!(refusal(&front[..FRONT - 1]).contains("begin"));
        let mut newer = front;
        newer[15] = 2;
        assert!(refusal(&newer).contains("format 2"));
        let mut dear = front;
        dear[32] = 0xFF;
        assert!(refusal(&dear).contains("proportion"));
    }
}
