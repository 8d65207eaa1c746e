//! The cell file, byte by byte: cells of 64 bytes, none of which crosses a sector.
//!
//! | places | cells | kind | content |
//! |---|---|---|---|
//! | 0 | 0 | format | magic and format |
//! | 1 | 1 | identity | the store's identity and incarnation |
//! | 2 | 2 | clock | the high-water mark of time |
//! | 3 | 3 | commits | the number of the last commit known to be durable |
//! | 4 | 4 | fleet key | the key that all hosts of a fleet have, if the store is a fleet's |
//! | 5–6 | 5–6 | envelope key | this host's, those with odd numbers in 6, those with even ones in 5 |
//! | 7 | 7 | host | this host's identity in its fleet |
//! | 8–511 | 8–511 | PIN | one for each token, in the order of the slots: wrong PINs in a row |
//! | 512–1023 | 0–511 | | the same cells once more, byte for byte |
//! | 1024 … | 512 … | erase, shared | one random secret each, or what became of it |
//!
//! The cells 4–7 are zero in a store of one machine.
//!
//! So every cell before the erase cells, a *fixed* one, has two copies. Both are written before a sync; the
//! first counts where it is whole, else the second. An opening for service makes them equal again.
//!
//! A cell (integers are little endian):
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 format, 2 identity, 3 clock, 4 PIN, 5 erase, 6 commits, 7 shared, 8 fleet key, 9 envelope key, 10 host |
//! | 1 | state. PIN: 0 free, 1 reserved, 2 in use. Erase: 1 live, 2 deleted, 3 expired. Shared, fleet key: 1. Envelope key: 1 live, 2 overwritten. Else 0 |
//! | 2–3 | zero |
//! | 4–7 | the cell's own number |
//! | 8–15 | format: `3`, in a fleet `4`. Identity: incarnation. Clock: seconds. Commits: their number. Erase: second of the erasure, 0 when live. PIN, host: 0. Shared: the number that the secret has on all hosts. Keys: their number |
//! | 16–47 | format: `keystead slots`, zeros. Identity, host: 16 bytes, zeros. PIN: token (16), wrong PINs of the security officer (1), of the user (1), zeros. Erase: 32 random bytes when live, else zeros. Shared, keys: 32 bytes, zeros when overwritten |
//! | 48–63 | the first 16 bytes of SHA-256 over bytes 0–47 |
//!
//! An unused cell, and one that a crash left half made at the end of the file, is all zero.
//!
//! In a fleet a secret has the same number on all hosts, and each host keeps it in any erase cell of its file; once it is
//! overwritten the cell says so as an erase cell does, and is free.
//!
//! Format 2 has the same cells in the same places; format 1 has each once, cell *n* at place *n*. Records are kept
//! otherwise beside either: see [`earlier`](super::earlier).

use crate::clock::Seconds;
use crate::id::Id;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The size of a cell, in bytes.
pub(crate) const SIZE: usize = 64;

/// The length that the checksum covers, in bytes.
const HEAD: usize = 48;

/// The number of a cell.
pub(crate) type CellNumber = u32;

/// The format that this build reads and writes for a store of one machine.
pub(crate) const CELLS_FORMAT: u64 = 3;

/// The format of a fleet's file: the same, with cells that are a fleet's alone.
pub(crate) const FLEET_FORMAT: u64 = 4;

/// The first format. Those from it on are upgraded.
pub(crate) const FIRST_FORMAT: u64 = 1;

/// The cell that holds the format.
pub(crate) const FORMAT_CELL: CellNumber = 0;
/// The cell that holds the store's identity.
pub(crate) const IDENTITY_CELL: CellNumber = 1;
/// The cell that holds the high-water mark of time.
pub(crate) const CLOCK_CELL: CellNumber = 2;
/// The cell that counts commits.
pub(crate) const COMMITS_CELL: CellNumber = 3;
/// The cell that holds the fleet key.
pub(crate) const FLEET_KEY_CELL: CellNumber = 4;
/// The cells that hold envelope keys, by number modulo 2.
pub(crate) const ENVELOPE_KEY_CELLS: [CellNumber; 2] = [5, 6];
/// The cell that holds the host's identity.
pub(crate) const HOST_CELL: CellNumber = 7;
/// The first PIN cell.
pub(crate) const FIRST_PIN: CellNumber = 8;
/// The cells that count wrong PINs.
pub const PIN_CELLS: std::ops::Range<CellNumber> = FIRST_PIN..FIRST_ERASE;
/// The first erase cell.
pub(crate) const FIRST_ERASE: CellNumber = 512;

const MAGIC: &[u8; 14] = b"keystead slots";

/// The bytes of one cell; they may hold a secret, and so do not move.
pub(crate) type CellBytes = Box<Zeroizing<[u8; SIZE]>>;

/// A secret of a cell, in one place wherever it is passed on.
pub(crate) type CellSecret = Box<Zeroizing<[u8; 32]>>;

/// An erase cell's secret.
pub(crate) type EraseSecret = CellSecret;

/// The bytes of a cell that was never written.
pub(crate) fn blank() -> CellBytes {
    Box::new(Zeroizing::new([0; SIZE]))
}

/// The content of a cell.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Never written.
    Unused,
    /// The file's format.
    Format(u64),
    /// The identity of the store.
    Identity {
        /// Its identity, for good.
        store: Id,
        /// Grows with every recovery.
        incarnation: u64,
    },
    /// The high-water mark of time.
    Clock(Seconds),
    /// The number of the last commit known to be durable.
    Commits(u64),
    /// A token's wrong PINs.
    Pin(Option<PinCell>),
    /// A live secret.
    Live(EraseSecret),
    /// A secret erased on request, at that second.
    Deleted(Seconds),
    /// A secret erased at its expiry, at that second.
    Expired(Seconds),
    /// A live secret of a fleet, with the number that it has on all hosts.
    Shared(CellNumber, EraseSecret),
    /// The fleet key, with its number.
    FleetKey(u32, CellSecret),
    /// The private half of an envelope key, with its number; none once it is overwritten.
    EnvelopeKey(u64, Option<CellSecret>),
    /// This host's identity in its fleet.
    Host(Id),
}

/// A token's wrong PINs in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PinCell {
    /// The token.
    pub(crate) token: Id,
    /// True if the token's entry is known to stand in the store.
    pub(crate) in_use: bool,
    /// The security officer's.
    pub(crate) officer: u8,
    /// The user's.
    pub(crate) user: u8,
}

impl Cell {
    /// The bytes of this cell at place `number`.
    pub(crate) fn encode(&self, number: CellNumber) -> CellBytes {
        let mut bytes = blank();
        let (kind, state, value, body) = self.fields();
        if kind == 0 {
            return bytes;
        }
        let parts = [&[kind, state, 0, 0][..], &number.to_le_bytes(), &value.to_le_bytes(), &body];
        let (head, sum) = bytes.split_at_mut(HEAD);
        fill(head, &parts);
        if let Some(secret) = self.secret() {
            head.split_at_mut(HEAD - secret.len()).1.copy_from_slice(secret.as_slice());
        }
        sum.copy_from_slice(&checksum(head));
        bytes
    }

    /// The cell in `bytes`, read from place `number`; none if they were damaged.
    pub(crate) fn decode(number: CellNumber, bytes: &[u8; SIZE]) -> Option<Self> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Some(Self::Unused);
        }
        let (numbered, sum) = (u32::from_le_bytes(part(bytes, 4)), part::<16>(bytes, HEAD));
        if sum != checksum(bytes) || numbered != number {
            return None;
        }
        let value = u64::from_le_bytes(part(bytes, 8));
        match (bytes[0], bytes[1]) {
            (1, 0) if bytes[16..].starts_with(MAGIC) => Some(Self::Format(value)),
            (2, 0) => Some(Self::Identity { store: Id::new(part(bytes, 16)), incarnation: value }),
            (3, 0) => Some(Self::Clock(value)),
            (6, 0) => Some(Self::Commits(value)),
            (4, 0) => Some(Self::Pin(None)),
            (4, state @ 1..=2) => Some(Self::Pin(Some(PinCell {
                token: Id::new(part(bytes, 16)),
                in_use: state == 2,
                officer: bytes[32],
                user: bytes[33],
            }))),
            (5, 1) => Some(Self::Live(secret_in(bytes))),
            (7, 1) => Some(Self::Shared(u32::try_from(value).ok()?, secret_in(bytes))),
            (8, 1) => Some(Self::FleetKey(u32::try_from(value).ok()?, secret_in(bytes))),
            (9, 1) => Some(Self::EnvelopeKey(value, Some(secret_in(bytes)))),
            (9, 2) => Some(Self::EnvelopeKey(value, None)),
            (10, 0) => Some(Self::Host(Id::new(part(bytes, 16)))),
            (5, 2) => Some(Self::Deleted(value)),
            (5, 3) => Some(Self::Expired(value)),
            _ => None,
        }
    }

    /// Returns true for a cell that holds an erase secret, or held one.
    pub(crate) fn is_erase(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Deleted(_) | Self::Expired(_) | Self::Shared(..))
    }

    fn secret(&self) -> Option<&CellSecret> {
        match self {
            Self::Live(secret) | Self::Shared(_, secret) | Self::FleetKey(_, secret) => {
                Some(secret)
            }
            Self::EnvelopeKey(_, secret) => secret.as_ref(),
            _ => None,
        }
    }

    /// Returns the cell as it was before one byte of it was damaged; none where more was.
    pub(crate) fn corrected(number: CellNumber, bytes: &[u8; SIZE]) -> Option<Self> {
        let sum = checksum(bytes);
        let differing = (HEAD..SIZE).filter(|at| bytes.get(*at) != sum.get(at - HEAD)).count();
        let mut mended = blank();
        mended.copy_from_slice(bytes);
        if differing == 1 {
            mended.get_mut(HEAD..)?.copy_from_slice(&sum);
            return Self::decode(number, &mended);
        }
        if bytes.iter().filter(|byte| **byte != 0).count() == 1 {
            return Some(Self::Unused);
        }
        for at in 0..HEAD {
            let damaged = *bytes.get(at)?;
            for byte in 0..=u8::MAX {
                *mended.get_mut(at)? = byte;
                if checksum(&**mended).as_slice() == bytes.get(HEAD..)? {
                    return Self::decode(number, &mended);
                }
            }
            *mended.get_mut(at)? = damaged;
        }
        None
    }

    /// Kind, state, value and body but for a secret.
    fn fields(&self) -> (u8, u8, u64, [u8; 32]) {
        match self {
            Self::Unused => (0, 0, 0, lay(&[])),
            Self::Format(format) => (1, 0, *format, lay(&[MAGIC])),
            Self::Identity { store, incarnation } => (2, 0, *incarnation, lay(&[store.bytes()])),
            Self::Clock(mark) => (3, 0, *mark, lay(&[])),
            Self::Pin(None) => (4, 0, 0, lay(&[])),
            Self::Pin(Some(pin)) => {
                let state = if pin.in_use { 2 } else { 1 };
                (4, state, 0, lay(&[pin.token.bytes(), &[pin.officer, pin.user]]))
            }
            Self::Live(_) => (5, 1, 0, lay(&[])),
            Self::Deleted(since) => (5, 2, *since, lay(&[])),
            Self::Expired(since) => (5, 3, *since, lay(&[])),
            Self::Commits(number) => (6, 0, *number, lay(&[])),
            Self::Shared(number, _) => (7, 1, u64::from(*number), lay(&[])),
            Self::FleetKey(number, _) => (8, 1, u64::from(*number), lay(&[])),
            Self::EnvelopeKey(number, Some(_)) => (9, 1, *number, lay(&[])),
            Self::EnvelopeKey(number, None) => (9, 2, *number, lay(&[])),
            Self::Host(host) => (10, 0, 0, lay(&[host.bytes()])),
        }
    }
}

/// The secret in a cell's bytes.
fn secret_in(bytes: &[u8; SIZE]) -> CellSecret {
    let mut secret = CellSecret::default();
    for (to, from) in secret.iter_mut().zip(bytes.iter().skip(16)) {
        *to = *from;
    }
    secret
}

/// The first bytes of a hash over a cell's head; what stands behind it is not looked at.
fn checksum(bytes: &[u8]) -> [u8; 16] {
    part(&Sha256::digest(bytes.get(..HEAD).unwrap_or_default()), 0)
}

/// The parts one after the other, then zeros.
fn lay<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes, parts);
    bytes
}

fn fill(bytes: &mut [u8], parts: &[&[u8]]) {
    for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
}

/// `N` bytes from `at` on; zeros beyond the end, which no caller asks for.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    for (to, from) in part.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    part
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn examples() -> Vec<(u32, Cell)> {
        let token = Id::new([0xA1; 16]);
        vec![
            (FORMAT_CELL, Cell::Format(CELLS_FORMAT)),
            (IDENTITY_CELL, Cell::Identity { store: Id::new([0x51; 16]), incarnation: 1 }),
            (CLOCK_CELL, Cell::Clock(1_800_000_000)),
            (COMMITS_CELL, Cell::Commits(77)),
            (FIRST_PIN, Cell::Pin(Some(PinCell { token, in_use: true, officer: 1, user: 9 }))),
            (FIRST_PIN + 1, Cell::Pin(None)),
            (FIRST_ERASE, Cell::Live(Box::new(Zeroizing::new([0xC3; 32])))),
            (FIRST_ERASE + 1, Cell::Deleted(1_800_000_001)),
            (FIRST_ERASE + 2, Cell::Expired(1_800_000_002)),
        ]
    }

    /// The format is a promise to stores that exist: these bytes never change.
    #[test]
    fn cells_equal_the_golden_file() {
        let written: Vec<u8> =
            examples().iter().flat_map(|(number, cell)| cell.encode(*number).to_vec()).collect();
        assert_eq!(written, include_bytes!("golden-3.bin"));
    }

    fn examples_of_fleets() -> Vec<(u32, Cell)> {
        let secret = |byte| CellSecret::new(Zeroizing::new([byte; 32]));
        vec![
            (FORMAT_CELL, Cell::Format(FLEET_FORMAT)),
            (FLEET_KEY_CELL, Cell::FleetKey(258, secret(0xD4))),
            (ENVELOPE_KEY_CELLS[0], Cell::EnvelopeKey(258, Some(secret(0xE5)))),
            (ENVELOPE_KEY_CELLS[1], Cell::EnvelopeKey(257, None)),
            (HOST_CELL, Cell::Host(Id::new([0xB6; 16]))),
            (FIRST_ERASE, Cell::Shared(0x01020304, secret(0xC3))),
        ]
    }

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn cells_of_a_fleet_equal_the_golden_file() {
        let written: Vec<u8> = examples_of_fleets()
            .iter()
            .flat_map(|(number, cell)| cell.encode(*number).to_vec())
            .collect();
        assert_eq!(written, include_bytes!("golden-fleet-4.bin"));
    }

    /// Stores of earlier formats are upgraded from these: they never change either.
    #[test]
    fn cells_of_earlier_formats_differ_in_its_number_only() {
        let earlier = [(1, include_bytes!("golden-1.bin")), (2, include_bytes!("golden-2.bin"))];
        for (format, bytes) in earlier {
            for ((number, cell), bytes) in examples().iter().zip(bytes.as_chunks::<SIZE>().0) {
                let expected = if *number == FORMAT_CELL { &Cell::Format(format) } else { cell };
                assert!(Cell::decode(*number, bytes).as_ref() == Some(expected), "cell {number}");
            }
        }
    }

    #[test]
    fn cells_read_back() {
        for (number, cell) in examples().into_iter().chain(examples_of_fleets()) {
            let read = Cell::decode(number, &cell.encode(number));
            assert!(read == Some(cell), "cell {number}");
        }
        assert!(Cell::decode(7, &[0; SIZE]) == Some(Cell::Unused));
    }

    #[test]
    fn one_damaged_byte_is_corrected_wherever_it_is_and_two_are_not() {
        for (number, cell) in examples() {
            let bytes = cell.encode(number);
            for at in 0..SIZE {
                let mut damaged = **bytes;
                damaged[at] = !damaged[at];
                assert!(Cell::corrected(number, &damaged).as_ref() == Some(&cell), "byte {at}");
            }
            let mut damaged = **bytes;
            (damaged[1], damaged[40]) = (!damaged[1], !damaged[40]);
            assert!(Cell::corrected(number, &damaged).is_none());
            (damaged[40], damaged[50]) = (bytes[40], !damaged[50]);
            assert!(Cell::corrected(number, &damaged).is_none());
        }
        let mut unused = [0; SIZE];
        unused[17] = 1;
        assert!(Cell::corrected(9, &unused) == Some(Cell::Unused));
    }

    #[test]
    fn any_flipped_bit_and_any_other_place_is_damage() {
        for (number, cell) in examples().into_iter().chain(examples_of_fleets()) {
            let bytes = cell.encode(number);
            assert!(Cell::decode(number + 1, &bytes).is_none());
            for bit in 0..SIZE * 8 {
                let mut damaged = **bytes;
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Cell::decode(number, &damaged).is_none(), "cell {number}, bit {bit}");
            }
        }
    }
}
