//! What the agent keeps in the store: the keys, and what stands at them, byte by byte.
//!
//! | key | value |
//! |---|---|
//! | `M` | the store itself: [`Meta`] |
//! | `T`, token | a token: [`TokenRow`] |
//! | `r`, token, record | a record: [`Row`] |
//! | `a`, token, private, record | nothing; every record that can be found |
//! | `t`, token, private, tag (16), record | nothing; the same, by tag |
//! | `f`, token, fingerprint (32), record | nothing; custom keys and live material, by fingerprint |
//! | `v`, token, custom key, version (u32), record | nothing; a custom key's material |
//! | `d`, second (u64), token, record | nothing; what is due, and when |
//! | `n`, second (u64), token, record | nothing; what can only be read from then on |
//! | `g`, token, record | when an erasure that waits its grace out was found due, by the clock (u64, big endian) |
//! | `u`, token, key, day (u32, since 1970 UTC) | how often the key was used on a day that is not over (u64, big endian) |
//! | `k`, token, record | what the audit log calls a key, while it is there (text) |
//! | `s`, cell (u32) | token, record: who claims the erase cell |
//! | `c`, change (16) | the answer to a change: [`Answered`] |
//! | `L` | the end of the audit log's chain: [`Head`](super::audit::Head) |
//! | `l`, line (u64) | a line of the audit log that may not be in its file yet |
//!
//! Identities are 16 bytes, *private* is one byte (0 or 1), integers in keys are big endian. A value
//! is a format byte (`0x01`) and the fields in postcard's wire format, in the order of the struct.

use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{ExpiryAction, Fingerprint, Header, Role, Tag};
use crate::store::cells::CellNumber;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

/// A key of the store.
pub type Key = Vec<u8>;

/// What the store says of itself. Written with every commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// How many commits there have been.
    pub commits: u64,
    /// The high-water mark of time at the last of them.
    pub mark: Seconds,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Its slot number, for good.
    pub slot: u32,
    /// Moves by one with each change of the entry.
    pub revision: u64,
    /// The entry (see `key::pin`).
    pub entry: Vec<u8>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The record's own counter.
    pub revision: u64,
    /// The erase cell under whose secret the sealed part is covered.
    pub cell: Option<CellNumber>,
    /// The public header.
    pub header: Vec<u8>,
    /// The sealed part; covered where there is a cell.
    pub sealed: Vec<u8>,
}

/// What a change was answered, so that it happens once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The number of its commit: old ones are forgotten first.
    pub number: u64,
    /// The revisions that were answered.
    pub revisions: Vec<u64>,
}

/// Writes a value.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(value, vec![FORMAT]).map_err(|cause| Reason::General.detail(cause))
}

/// Reads [`encode`]'s bytes back; `what` names the value in the error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            _ => Err(Reason::StoreDamaged.detail(format_args!("{what} in db/ does not parse"))),
        },
        _ => Err(Reason::StoreDamaged.detail(format_args!("{what} in db/ has an unknown format"))),
    }
}

/// Returns where [`Meta`] stands.
pub fn meta() -> Key {
    b"M".to_vec()
}

/// Returns where a token stands.
pub fn token(token: Id) -> Key {
    [b"T", &token.bytes()[..]].concat()
}

/// Returns where a record stands.
pub fn record(token: Id, id: Id) -> Key {
    [&records(token)[..], id.bytes()].concat()
}

/// All records of a token.
pub fn records(token: Id) -> Key {
    [b"r", &token.bytes()[..]].concat()
}

/// The first byte of the keys of answers.
pub const ANSWERS: &[u8] = b"c";

/// Returns where a change's answer stands.
pub fn answered(change: &[u8; 16]) -> Key {
    [ANSWERS, &change[..]].concat()
}

/// Returns where the end of the audit log's chain stands.
pub fn audit_head() -> Key {
    b"L".to_vec()
}

/// The first byte of the keys of the audit log's lines.
pub const AUDIT_LINES: &[u8] = b"l";

/// Returns where a line of the audit log stands.
pub fn audit_line(seq: u64) -> Key {
    [AUDIT_LINES, &seq.to_be_bytes()].concat()
}

/// The number of the line whose key [`audit_line`] made.
pub fn audit_seq(key: &[u8]) -> Option<u64> {
    key.strip_prefix(AUDIT_LINES)?.try_into().ok().map(u64::from_be_bytes)
}

/// Returns who claims an erase cell.
pub fn claim(cell: CellNumber) -> Key {
    [b"s", &cell.to_be_bytes()[..]].concat()
}

/// The records that carry a tag, or all that can be found; identities follow.
pub fn tagged(token: Id, private: bool, tag: Option<&Tag>) -> Key {
    let private = [u8::from(private)];
    match tag {
        Some(tag) => [b"t", &token.bytes()[..], &private, &tag.0].concat(),
        None => [b"a", &token.bytes()[..], &private].concat(),
    }
}

/// The records with a fingerprint; identities follow.
pub fn fingerprinted(token: Id, fingerprint: &Fingerprint) -> Key {
    [b"f", &token.bytes()[..], &fingerprint.0].concat()
}

/// A custom key's material; versions and identities follow.
pub fn versions(token: Id, key: Id) -> Key {
    [b"v", &token.bytes()[..], key.bytes()].concat()
}

/// The first byte of the keys of what is due.
pub const DUE: &[u8] = b"d";

/// The first byte of the keys of what will only be readable.
pub const NARROWING: &[u8] = b"n";

/// Second, token and record of a key that [`due_entry`] or [`narrowing_entry`] made.
pub fn due_parts(key: &[u8]) -> Option<(Seconds, Id, Id)> {
    let (at, ids) = key.get(1..)?.split_first_chunk::<8>()?;
    let (token, id) = id_pair(ids)?;
    Some((u64::from_be_bytes(*at), token, id))
}

/// The first byte of the keys of erasures that wait their grace out.
pub const WAITING: &[u8] = b"g";

/// Returns where it stands that a record's erasure waits.
pub fn waiting(token: Id, id: Id) -> Key {
    [WAITING, token.bytes(), id.bytes()].concat()
}

/// Token and record of a key made by [`waiting`].
pub fn waiting_ids(key: &[u8]) -> Option<(Id, Id)> {
    id_pair(key.strip_prefix(WAITING)?)
}

/// Returns where it stands what the audit log calls a key.
pub fn alias(token: Id, id: Id) -> Key {
    [b"k", &token.bytes()[..], id.bytes()].concat()
}

/// The first byte of the keys of the days' uses.
pub const USES: &[u8] = b"u";

/// Returns where it stands how often a token's key was used on a day.
pub fn uses((token, key, day): (Id, Id, u32)) -> Key {
    [USES, token.bytes(), key.bytes(), &day.to_be_bytes()].concat()
}

/// Token, key and day of a key made by [`uses`].
pub fn uses_of(key: &[u8]) -> Option<(Id, Id, u32)> {
    let (ids, day) = key.strip_prefix(USES)?.split_last_chunk::<4>()?;
    let (token, key) = id_pair(ids)?;
    Some((token, key, u32::from_be_bytes(*day)))
}

/// Returns where it stands that a record is due at a second.
pub fn due_entry(at: Seconds, token: Id, id: Id) -> Key {
    [DUE, &at.to_be_bytes(), token.bytes(), id.bytes()].concat()
}

/// Returns where it stands that a record can only be read from a second on.
pub fn narrowing_entry(at: Seconds, token: Id, id: Id) -> Key {
    [NARROWING, &at.to_be_bytes(), token.bytes(), id.bytes()].concat()
}

/// The cell of a key made by [`claim`].
pub fn claimed_cell(key: &[u8]) -> Option<CellNumber> {
    key.strip_prefix(b"s")?.try_into().ok().map(CellNumber::from_be_bytes)
}

/// Two identities, one after the other.
pub fn id_pair(bytes: &[u8]) -> Option<(Id, Id)> {
    let (first, second) = bytes.split_first_chunk::<16>()?;
    Some((Id::new(*first), Id::new(second.try_into().ok()?)))
}

/// The identity at the end of a key.
pub fn last_id(key: &[u8]) -> Option<Id> {
    key.last_chunk::<16>().map(|bytes| Id::new(*bytes))
}

/// Returns when something must happen to a record by itself, if ever.
pub fn due_at(header: &Header) -> Option<Seconds> {
    match &header.role {
        Role::CustomKey(state) => state.deletion_at,
        Role::Material { .. } | Role::Object { .. } => expires_to(ExpiryAction::Erase, header),
    }
}

/// From when on a record can only be read, if ever.
fn narrows_at(header: &Header) -> Option<Seconds> {
    match &header.role {
        Role::CustomKey(_) => None,
        Role::Material { .. } | Role::Object { .. } => expires_to(ExpiryAction::ReadOnly, header),
    }
}

fn expires_to(action: ExpiryAction, header: &Header) -> Option<Seconds> {
    header.expiry.filter(|expiry| expiry.action == action).map(|expiry| expiry.at)
}

/// The entries that lead to a record. What is `dead` (erased, or about to be) is found by its custom
/// key only, and so is material without tags: an older version.
pub fn entries(token_id: Id, id: Id, header: &Header, dead: bool) -> Vec<Key> {
    let to = |mut prefix: Key| {
        prefix.extend_from_slice(id.bytes());
        prefix
    };
    let mut entries = Vec::new();
    if let Role::Material { key, version, .. } = &header.role {
        entries.push(to([&versions(token_id, *key)[..], &version.to_be_bytes()].concat()));
    }
    if dead {
        return entries;
    }
    let older = header.tags.is_empty() && matches!(header.role, Role::Material { .. });
    if !older {
        entries.push(to(tagged(token_id, header.private, None)));
    }
    let tagged = |tag| to(tagged(token_id, header.private, Some(tag)));
    entries.extend(header.tags.iter().map(tagged));
    let fingerprint = match &header.role {
        Role::CustomKey(state) => state.fingerprint.as_ref(),
        Role::Material { fingerprint, .. } => Some(fingerprint),
        Role::Object { .. } => None,
    };
    entries.extend(fingerprint.map(|fingerprint| to(fingerprinted(token_id, fingerprint))));
    entries.extend(due_at(header).map(|at| due_entry(at, token_id, id)));
    entries.extend(narrows_at(header).map(|at| narrowing_entry(at, token_id, id)));
    entries
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Expiry;

    fn material() -> Header {
        Header {
            private: true,
            role: Role::Material {
                key: Id::new([3; 16]),
                version: 1,
                fingerprint: Fingerprint([4; 32]),
            },
            expiry: Some(Expiry { at: 9, action: ExpiryAction::Erase }),
            tags: vec![Tag([5; 16]), Tag([6; 16])],
        }
    }

    /// Stores that exist are read with these: they never change.
    #[test]
    fn values_and_keys_are_byte_for_byte_what_the_format_says() {
        let (token, id) = (Id::new([1; 16]), Id::new([2; 16]));
        let row = Row { revision: 300, cell: Some(512), header: vec![1, 2], sealed: vec![3] };
        assert_eq!(encode(&row).unwrap(), [1, 0xAC, 2, 1, 0x80, 4, 2, 1, 2, 1, 3]);
        let token_row = TokenRow { slot: 5, revision: 2, entry: vec![9] };
        assert_eq!(encode(&token_row).unwrap(), [1, 5, 2, 1, 9]);
        assert_eq!(encode(&Meta { commits: 7, mark: 200 }).unwrap(), [1, 7, 0xC8, 1]);
        let answered = Answered { number: 7, revisions: vec![1, 2] };
        assert_eq!(encode(&answered).unwrap(), [1, 7, 2, 1, 2]);
        let (one, two) = ([1; 16], [2; 16]);
        let parts = |parts: &[&[u8]]| parts.concat();
        assert_eq!(super::token(token), parts(&[b"T", &one]));
        assert_eq!(record(token, id), parts(&[b"r", &one, &two]));
        assert_eq!(tagged(token, true, None), parts(&[b"a", &one, &[1]]));
        assert_eq!(tagged(token, false, Some(&Tag([9; 16]))), parts(&[b"t", &one, &[0], &[9; 16]]));
        assert_eq!(versions(token, id), parts(&[b"v", &one, &two]));
        assert_eq!(due_entry(258, token, id), parts(&[b"d\0\0\0\0\0\0\x01\x02", &one, &two]));
        assert_eq!(waiting(token, id), parts(&[b"g", &one, &two]));
        assert_eq!(alias(token, id), parts(&[b"k", &one, &two]));
        assert_eq!(encode(&"ab").unwrap(), [1, 2, b'a', b'b']);
        assert_eq!(uses((token, id, 258)), parts(&[b"u", &one, &two, b"\0\0\x01\x02"]));
        assert_eq!(claim(258), b"s\0\0\x01\x02");
        assert_eq!(audit_line(258), b"l\0\0\0\0\0\0\x01\x02");
        assert_eq!((meta(), audit_head()), (b"M".to_vec(), b"L".to_vec()));
    }

    #[test]
    fn values_read_back_and_a_cut_one_does_not() {
        let row = Row { revision: 300, cell: Some(512), header: vec![1, 2], sealed: vec![3; 200] };
        let bytes = encode(&row).unwrap();
        assert_eq!(decode::<Row>(&bytes, "a record").unwrap(), row);
        for cut in 0..bytes.len() {
            let error = decode::<Row>(bytes.get(..cut).unwrap(), "a record").unwrap_err();
            assert_eq!(error.reason(), Reason::StoreDamaged);
        }
    }

    #[test]
    fn dead_material_is_found_by_its_custom_key_only() {
        let (token, id) = (Id::new([1; 16]), Id::new([2; 16]));
        assert_eq!(entries(token, id, &material(), false).len(), 6);
        let left = entries(token, id, &material(), true);
        assert_eq!(left.len(), 1);
        assert!(left.iter().all(|key| key.starts_with(&versions(token, Id::new([3; 16])))));
    }

    #[test]
    fn a_due_entry_tells_when_and_what() {
        let (token, id) = (Id::new([1; 16]), Id::new([2; 16]));
        let entries = entries(token, id, &material(), false);
        let due: Vec<_> = entries.iter().filter_map(|key| due_parts(key)).collect();
        assert_eq!(due, vec![(9, token, id)]);
    }

    #[test]
    fn no_key_is_longer_than_a_store_allows() {
        let keys = entries(Id::new([1; 16]), Id::new([2; 16]), &material(), false);
        assert!(keys.iter().all(|key| key.len() <= crate::store::MAX_KEY));
    }
}
