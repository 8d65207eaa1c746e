//! The values of the store's rows, byte by byte.
//!
//! A value is a format byte (`0x02`) and the fields in postcard's wire format, in the order of the struct. The
//! store's own row, tokens, records and answers end with their *extras*, pairs of a number and bytes, for what
//! later builds add: a build that does not know one leaves it as it is for as long as the row stands. A backup
//! has a format of its own, and carries none.

use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Header;
use crate::store::CommitNumber;
use crate::store::cells::CellNumber;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const ROW_FORMAT: u8 = 2;

/// The fields that later builds add to a row, by number.
pub(crate) type Extras = Vec<(u32, Vec<u8>)>;

/// The store itself. Written with every commit, and compared by none but that which lowers the mark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The high-water mark of time at the last commit.
    pub(crate) mark: Seconds,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// A token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    /// Its slot number, for good.
    pub(crate) slot: u32,
    /// Moves by one with each change of the entry.
    pub(crate) revision: u64,
    /// The entry (see `key::pin`).
    pub(crate) entry: Vec<u8>,
    /// A change in several transactions that has begun: nothing else is changed meanwhile.
    pub(crate) under_way: Option<UnderWay>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// A change of a token in several transactions, so that it can be gone on with after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UnderWay {
    /// The token ends.
    Destroy {
        /// Names the change.
        change: [u8; 16],
        /// The number of its records.
        records: u64,
    },
    /// The token begins again: its objects end.
    Wipe {
        /// Names the change.
        change: [u8; 16],
        /// The entry that it gets.
        entry: Vec<u8>,
    },
}

/// A record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    /// The record's own counter.
    pub(crate) revision: u64,
    /// The erase cell under whose secret the sealed part is encrypted once more.
    pub(crate) cell: Option<CellNumber>,
    /// The end of the material in it; on a custom key, of its newest material.
    pub(crate) tombstone: Option<Tombstone>,
    /// The name of a key in the audit log.
    pub(crate) alias: Option<String>,
    /// The public header.
    pub(crate) header: Vec<u8>,
    /// The sealed part; encrypted once more where there is a cell, empty where material has ended.
    pub(crate) sealed: Vec<u8>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

impl RecordRow {
    /// Reads a record's row and its header.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, Header)> {
        let row: Self = decode(bytes, "a record")?;
        let header = Header::decode(&row.header)?;
        Ok((row, header))
    }
}

/// The answer to a change, kept so that it happens once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Names the change.
    pub(crate) change: [u8; 16],
    /// The revisions that were answered.
    pub(crate) revisions: Vec<u64>,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// The number of an answer's field that says when it was given, in a store that several hosts write.
const ANSWERED_AT: u32 = 1;

impl Answered {
    /// Returns the same answer, given at that second.
    pub(crate) fn given_at(mut self, at: Seconds) -> Self {
        self.extras.push((ANSWERED_AT, at.to_be_bytes().to_vec()));
        self
    }

    /// Returns the second at which it was given; 0 where it does not say.
    pub(crate) fn at(&self) -> Seconds {
        let field = self.extras.iter().find(|(number, _)| *number == ANSWERED_AT);
        let bytes = field.and_then(|(_, bytes)| bytes.as_slice().try_into().ok());
        bytes.map_or(0, Seconds::from_be_bytes)
    }
}

/// The counts of a token's wrong PINs in a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinRow {
    /// Those of the security officer's PIN.
    pub(crate) officer: WrongPins,
    /// Those of the user's.
    pub(crate) user: WrongPins,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// The wrong tries of one PIN in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrongPins {
    /// Those of all hosts.
    pub(crate) in_all: u8,
    /// Those of each host that had any.
    pub(crate) by_host: Vec<(Id, u8)>,
    /// Names the last try, or the last beginning again: no two states of the row are alike.
    pub(crate) nonce: [u8; 16],
}

/// A host's heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeartbeatRow {
    /// Names the agent that sent it, from its start to its end.
    pub(crate) agent: [u8; 16],
    /// The number of heartbeats that this agent has sent before.
    pub(crate) count: u64,
    /// The host's clock when it was sent, in seconds since 1970 UTC.
    pub(crate) clock: Seconds,
    /// The number of the last commit that the host knew then.
    pub(crate) applied: CommitNumber,
    /// The build of the agent.
    pub(crate) version: String,
    /// The fields that later builds add.
    pub(crate) extras: Extras,
}

/// The remedy of rows that cannot be read.
const REMEDY: &str = "restore the store's directory as a whole from a backup";

/// Writes a value.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(value, vec![ROW_FORMAT]).map_err(|cause| Reason::General.detail(cause))
}

/// Reads [`encode`]'s bytes back; `what` names the value in the error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    decode_as(ROW_FORMAT, bytes, what)
}

/// Returns the erase cell that a record claims which cannot be read as a whole, as far as it can be told.
pub(crate) fn claimed_cell(row: &[u8]) -> Option<CellNumber> {
    let (_, cell): (u64, Option<CellNumber>) =
        postcard::take_from_bytes(row.strip_prefix(&[ROW_FORMAT])?).ok()?.0;
    cell
}

/// Returns the row of this format for one of an earlier format that cannot be read: another that cannot, of which
/// the same can be told.
pub(super) fn carried_unread(row: &[u8]) -> Vec<u8> {
    [&[ROW_FORMAT], row.get(1..).unwrap_or_default()].concat()
}

/// Reads a value of that format back.
pub(super) fn decode_as<T: DeserializeOwned>(format: u8, bytes: &[u8], what: &str) -> Result<T> {
    match bytes.split_first() {
        Some((first, rest)) if *first == format => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            _ => Err(Reason::StoreDamaged.detail(format_args!("{what} does not parse; {REMEDY}"))),
        },
        _ => {
            Err(Reason::StoreDamaged.detail(format_args!("{what} has an unknown format; {REMEDY}")))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row() -> RecordRow {
        let tombstone = Some(Tombstone::Expired(200));
        let (alias, extras) = (Some("ab".to_owned()), vec![(7, vec![8])]);
        let (header, sealed) = (vec![1, 2], vec![3]);
        RecordRow { revision: 300, cell: Some(512), tombstone, alias, header, sealed, extras }
    }

    /// Stores that exist are read with these: they never change.
    #[test]
    fn values_are_byte_for_byte_what_the_format_says() {
        let golden =
            [2, 0xAC, 2, 1, 0x80, 4, 1, 1, 0xC8, 1, 1, 2, b'a', b'b', 2, 1, 2, 1, 3, 1, 7, 1, 8];
        assert_eq!(encode(&row()).unwrap(), golden);
        let live = RecordRow { revision: 1, sealed: vec![3], ..RecordRow::default() };
        assert_eq!(encode(&live).unwrap(), [2, 1, 0, 0, 0, 0, 1, 3, 0]);
        let token = TokenRow { slot: 5, revision: 2, entry: vec![9], ..TokenRow::default() };
        assert_eq!(encode(&token).unwrap(), [2, 5, 2, 1, 9, 0, 0]);
        let ends = UnderWay::Destroy { change: [6; 16], records: 300 };
        let marked = TokenRow { under_way: Some(ends), ..token.clone() };
        let bytes = [&[2, 5, 2, 1, 9, 1, 0][..], &[6; 16], &[0xAC, 2, 0]].concat();
        assert_eq!(encode(&marked).unwrap(), bytes);
        let begins = UnderWay::Wipe { change: [6; 16], entry: vec![4] };
        let marked = TokenRow { under_way: Some(begins), ..token };
        let bytes = [&[2, 5, 2, 1, 9, 1, 1][..], &[6; 16], &[1, 4, 0]].concat();
        assert_eq!(encode(&marked).unwrap(), bytes);
        assert_eq!(encode(&Meta { mark: 200, extras: vec![] }).unwrap(), [2, 0xC8, 1, 0]);
        let answered = Answered { change: [7; 16], revisions: vec![1, 2], extras: vec![] };
        assert_eq!(encode(&answered).unwrap(), [&[2][..], &[7; 16], &[2, 1, 2, 0]].concat());
        let at = answered.given_at(258);
        let bytes = [&[2][..], &[7; 16], &[2, 1, 2, 1, 1, 8, 0, 0, 0, 0, 0, 0, 1, 2]].concat();
        assert_eq!((encode(&at).unwrap(), at.at()), (bytes, 258));
        let user = WrongPins { in_all: 3, by_host: vec![(Id::new([4; 16]), 2)], nonce: [5; 16] };
        let pins = PinRow { user, ..PinRow::default() };
        let beat = HeartbeatRow {
            agent: [6; 16],
            count: 300,
            clock: 200,
            applied: 7,
            version: "1".to_owned(),
            extras: vec![],
        };
        let bytes = [&[2][..], &[6; 16], &[0xAC, 2, 0xC8, 1, 7, 1, b'1', 0]].concat();
        assert_eq!(encode(&beat).unwrap(), bytes);
        let officer = [&[2, 0, 0][..], &[0; 16]].concat();
        let bytes = [&officer[..], &[3, 1], &[4; 16], &[2], &[5; 16], &[0]].concat();
        assert_eq!(encode(&pins).unwrap(), bytes);
    }

    #[test]
    fn values_read_back_and_a_cut_one_does_not() {
        let bytes = encode(&row()).unwrap();
        assert_eq!(decode::<RecordRow>(&bytes, "a record").unwrap(), row());
        for cut in 0..bytes.len() {
            let error = decode::<RecordRow>(bytes.get(..cut).unwrap(), "a record").unwrap_err();
            assert_eq!(error.reason(), Reason::StoreDamaged);
        }
    }
}
