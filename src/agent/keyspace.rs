//! The keys of the store's rows, byte by byte. Their values are in [`rows`](super::rows).
//!
//! | key | value |
//! |---|---|
//! | `M` | the store itself: [`Meta`](super::rows::Meta) |
//! | `T`, token | a token: [`TokenRow`](super::rows::TokenRow) |
//! | `r`, token, record | a record: [`RecordRow`] |
//! | `o`, token, fingerprint (32) | the custom key (16) that material with this fingerprint belongs to |
//! | `g`, token, record | when an erasure that waits its grace out was found due, by the clock (u64) |
//! | `u`, token, key, day (u32, since 1970 UTC) | how often the key was used on a day that is not over, as far as it is saved (u64) |
//! | `c`, change (16) | the answer to a change: [`Answered`](super::rows::Answered) |
//! | `L` | the end of the audit log's chain: [`ChainHead`](super::audit::ChainHead) |
//! | `l`, line (u64) | a line of the audit log that may not be in its file yet |
//!
//! The following are indexes. They are derived from the records by one function, [`index`], and hold nothing
//! that the records do not say:
//!
//! | key | value |
//! |---|---|
//! | `a`, token, private, record | nothing; every record that can be found |
//! | `t`, token, private, tag (16), record | nothing; the same, by tag |
//! | `v`, token, custom key, version (u32), record | nothing; a custom key's material |
//! | `d`, second (u64), token, record | nothing; what is due, and when |
//! | `n`, second (u64), token, record | nothing; what can only be read from then on |
//! | `s`, cell (u32) | token, record: who claims the erase cell |
//!
//! Identities are 16 bytes, *private* is one byte (0 or 1), integers are big endian.

use super::rows::{Ending, RecordRow, Tombstone};
use crate::clock::Seconds;
use crate::id::Id;
use crate::key::policy::FINISH;
use crate::key::{ExpiryAction, Fingerprint, Header, Role, Tag};
use crate::store::cells::CellNumber;

/// The time that an ordinary key that has expired stays to say so, in seconds: an operation under way asks.
const EXPIRED_STAYS: Seconds = FINISH;

/// The time that an ordinary key stays whose removal was interrupted, in seconds: its client may ask again.
const DELETED_STAYS: Seconds = 3600;

/// A key of the store.
pub(crate) type RowKey = Vec<u8>;

/// Returns the key of the store's own row.
pub(crate) fn meta() -> RowKey {
    b"M".to_vec()
}

/// Returns the key of a token's row.
pub(crate) fn token(token: Id) -> RowKey {
    [b"T", &token.bytes()[..]].concat()
}

/// Returns the key of a record's row.
pub(crate) fn record(token: Id, id: Id) -> RowKey {
    [&records(token)[..], id.bytes()].concat()
}

/// All records of a token.
pub(crate) fn records(token: Id) -> RowKey {
    [b"r", &token.bytes()[..]].concat()
}

/// The first byte of the keys of answers.
pub(crate) const ANSWERS: &[u8] = b"c";

/// Returns the key of a change's answer.
pub(crate) fn answered(change: &[u8; 16]) -> RowKey {
    [ANSWERS, &change[..]].concat()
}

/// Returns the key of the end of the audit log's chain.
pub(crate) fn audit_head() -> RowKey {
    b"L".to_vec()
}

/// The first byte of the keys of the audit log's lines.
pub(crate) const AUDIT_LINES: &[u8] = b"l";

/// Returns the key of a line of the audit log.
pub(crate) fn audit_line(seq: u64) -> RowKey {
    [AUDIT_LINES, &seq.to_be_bytes()].concat()
}

/// The number of the line whose key [`audit_line`] made.
pub(crate) fn audit_seq(key: &[u8]) -> Option<u64> {
    key.strip_prefix(AUDIT_LINES)?.try_into().ok().map(u64::from_be_bytes)
}

/// The prefix of the keys of claims.
pub(crate) const CLAIMS: &[u8] = b"s";

/// Returns the key of the claim on an erase cell.
pub(crate) fn claim(cell: CellNumber) -> RowKey {
    [CLAIMS, &cell.to_be_bytes()[..]].concat()
}

/// The records that carry a tag, or all that can be found; identities follow.
pub(crate) fn tagged(token: Id, private: bool, tag: Option<&Tag>) -> RowKey {
    let private = [u8::from(private)];
    match tag {
        Some(tag) => [b"t", &token.bytes()[..], &private, &tag.0].concat(),
        None => [b"a", &token.bytes()[..], &private].concat(),
    }
}

/// Returns the key of the row that names the custom key of a fingerprint.
pub(crate) fn owner(token: Id, fingerprint: &Fingerprint) -> RowKey {
    [&owners(token)[..], &fingerprint.0].concat()
}

/// Returns the prefix of the keys of a token's fingerprints.
pub(crate) fn owners(token: Id) -> RowKey {
    [b"o", &token.bytes()[..]].concat()
}

/// Returns the identity that stands as a whole value.
pub(crate) fn id(value: &[u8]) -> Option<Id> {
    value.try_into().ok().map(Id::new)
}

/// Returns the token and the record, or the token itself, whose row stands at a key: what modules watch.
pub(crate) fn watched(key: &[u8]) -> Option<(Id, Id)> {
    match key.split_first()? {
        (b'r', ids) => id_pair(ids),
        (b'T', token) => id(token).map(|token| (token, token)),
        _ => None,
    }
}

/// A custom key's material; versions and identities follow.
pub(crate) fn versions(token: Id, key: Id) -> RowKey {
    [b"v", &token.bytes()[..], key.bytes()].concat()
}

/// The first byte of the keys of what is due.
pub(crate) const DUE: &[u8] = b"d";

/// The first byte of the keys of what will only be readable.
pub(crate) const NARROWING: &[u8] = b"n";

/// Second, token and record of a key that [`due_entry`] or [`narrowing_entry`] made.
pub(crate) fn due_parts(key: &[u8]) -> Option<(Seconds, Id, Id)> {
    let (at, ids) = key.get(1..)?.split_first_chunk::<8>()?;
    let (token, id) = id_pair(ids)?;
    Some((u64::from_be_bytes(*at), token, id))
}

/// The first byte of the keys of erasures that wait their grace out.
pub(crate) const WAITING: &[u8] = b"g";

/// Returns the key of the entry of an erasure that waits.
pub(crate) fn waiting(token: Id, id: Id) -> RowKey {
    [WAITING, token.bytes(), id.bytes()].concat()
}

/// Token and record of a key made by [`waiting`].
pub(crate) fn waiting_ids(key: &[u8]) -> Option<(Id, Id)> {
    id_pair(key.strip_prefix(WAITING)?)
}

/// The first byte of the keys of the days' uses.
pub(crate) const USES: &[u8] = b"u";

/// Returns the key of the count of a token's key on a day.
pub(crate) fn uses((token, key, day): (Id, Id, u32)) -> RowKey {
    [USES, token.bytes(), key.bytes(), &day.to_be_bytes()].concat()
}

/// Token, key and day of a key made by [`uses`].
pub(crate) fn uses_of(key: &[u8]) -> Option<(Id, Id, u32)> {
    let (ids, day) = key.strip_prefix(USES)?.split_last_chunk::<4>()?;
    let (token, key) = id_pair(ids)?;
    Some((token, key, u32::from_be_bytes(*day)))
}

/// Returns the key of the entry of a record that is due at a second.
pub(crate) fn due_entry(at: Seconds, token: Id, id: Id) -> RowKey {
    [DUE, &at.to_be_bytes(), token.bytes(), id.bytes()].concat()
}

/// Returns the key of the entry of a record that can only be read from a second on.
pub(crate) fn narrowing_entry(at: Seconds, token: Id, id: Id) -> RowKey {
    [NARROWING, &at.to_be_bytes(), token.bytes(), id.bytes()].concat()
}

/// The cell of a key made by [`claim`].
pub(crate) fn claimed_cell(key: &[u8]) -> Option<CellNumber> {
    key.strip_prefix(CLAIMS)?.try_into().ok().map(CellNumber::from_be_bytes)
}

/// Two identities, one after the other.
pub(crate) fn id_pair(bytes: &[u8]) -> Option<(Id, Id)> {
    let (first, second) = bytes.split_first_chunk::<16>()?;
    Some((Id::new(*first), Id::new(second.try_into().ok()?)))
}

/// The identity at the end of a key.
pub(crate) fn last_id(key: &[u8]) -> Option<Id> {
    key.last_chunk::<16>().map(|bytes| Id::new(*bytes))
}

/// Returns the second at which something must happen to a record by itself, if any.
pub(crate) fn due_at(header: &Header) -> Option<Seconds> {
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

/// Returns the rows that lead to a record. Material that has ended is found by its custom key only, as is
/// material without tags: an older version.
pub(crate) fn index(token: Id, id: Id, header: &Header, row: &RecordRow) -> Vec<(RowKey, Vec<u8>)> {
    let mut entries = entries(token, id, header, row.tombstone.as_ref());
    let mut index: Vec<_> = entries.drain(..).map(|entry| (entry, Vec::new())).collect();
    let owner = [&token.bytes()[..], id.bytes()].concat();
    index.extend(row.cell.map(|cell| (claim(cell), owner)));
    index
}

fn entries(token: Id, id: Id, header: &Header, tombstone: Option<&Tombstone>) -> Vec<RowKey> {
    let to = |mut prefix: RowKey| {
        prefix.extend_from_slice(id.bytes());
        prefix
    };
    let mut entries = Vec::new();
    if let Role::Material { key, version, .. } = &header.role {
        entries.push(to([&versions(token, *key)[..], &version.to_be_bytes()].concat()));
    }
    match (&header.role, tombstone) {
        (Role::Material { .. }, Some(_)) => return entries,
        (Role::Object { .. }, Some(Tombstone { why, at })) => {
            let stays = if *why == Ending::Expired { EXPIRED_STAYS } else { DELETED_STAYS };
            entries.push(due_entry(at.saturating_add(stays), token, id));
            return entries;
        }
        (Role::CustomKey(_), _) | (_, None) => {}
    }
    let older = header.tags.is_empty() && matches!(header.role, Role::Material { .. });
    if !older {
        entries.push(to(tagged(token, header.private, None)));
    }
    entries.extend(header.tags.iter().map(|tag| to(tagged(token, header.private, Some(tag)))));
    entries.extend(due_at(header).map(|at| due_entry(at, token, id)));
    entries.extend(narrows_at(header).map(|at| narrowing_entry(at, token, id)));
    entries
}

/// Returns the fingerprint in a record, and the custom key that it belongs to.
pub(crate) fn ownership(id: Id, header: &Header) -> Option<(Fingerprint, Id)> {
    match &header.role {
        Role::CustomKey(state) => state.fingerprint.map(|fingerprint| (fingerprint, id)),
        Role::Material { key, fingerprint, .. } => Some((*fingerprint, *key)),
        Role::Object { .. } => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Expiry;

    const TOKEN: Id = Id::new([1; 16]);
    const ID: Id = Id::new([2; 16]);

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

    fn keys(header: &Header, row: &RecordRow) -> Vec<RowKey> {
        index(TOKEN, ID, header, row).into_iter().map(|(key, _)| key).collect()
    }

    /// Stores that exist are read with these: they never change.
    #[test]
    fn keys_are_byte_for_byte_what_the_format_says() {
        let (one, two) = ([1; 16], [2; 16]);
        let parts = |parts: &[&[u8]]| parts.concat();
        assert_eq!(super::token(TOKEN), parts(&[b"T", &one]));
        assert_eq!(record(TOKEN, ID), parts(&[b"r", &one, &two]));
        assert_eq!(owner(TOKEN, &Fingerprint([9; 32])), parts(&[b"o", &one, &[9; 32]]));
        assert_eq!(tagged(TOKEN, true, None), parts(&[b"a", &one, &[1]]));
        assert_eq!(tagged(TOKEN, false, Some(&Tag([9; 16]))), parts(&[b"t", &one, &[0], &[9; 16]]));
        assert_eq!(versions(TOKEN, ID), parts(&[b"v", &one, &two]));
        assert_eq!(due_entry(258, TOKEN, ID), parts(&[b"d\0\0\0\0\0\0\x01\x02", &one, &two]));
        assert_eq!(waiting(TOKEN, ID), parts(&[b"g", &one, &two]));
        assert_eq!(uses((TOKEN, ID, 258)), parts(&[b"u", &one, &two, b"\0\0\x01\x02"]));
        assert_eq!(claim(258), b"s\0\0\x01\x02");
        assert_eq!(answered(&two), parts(&[b"c", &two]));
        assert_eq!(audit_line(258), b"l\0\0\0\0\0\0\x01\x02");
        assert_eq!((meta(), audit_head()), (b"M".to_vec(), b"L".to_vec()));
    }

    #[test]
    fn material_that_has_ended_is_found_by_its_custom_key_only() {
        let live = RecordRow { cell: Some(512), ..RecordRow::default() };
        assert_eq!(keys(&material(), &live).len(), 6);
        let tombstone = Some(Tombstone { why: Ending::Expired, at: 9 });
        let left = keys(&material(), &RecordRow { tombstone, ..RecordRow::default() });
        assert_eq!(left.len(), 1);
        assert!(left.iter().all(|key| key.starts_with(&versions(TOKEN, Id::new([3; 16])))));
    }

    #[test]
    fn an_ordinary_key_that_has_ended_is_only_due_for_removal() {
        for (why, stays) in [(Ending::Expired, EXPIRED_STAYS), (Ending::Deleted, DELETED_STAYS)] {
            let header = Header { role: Role::Object { holds_key: true }, ..material() };
            let row =
                RecordRow { tombstone: Some(Tombstone { why, at: 9 }), ..RecordRow::default() };
            assert_eq!(keys(&header, &row), vec![due_entry(9 + stays, TOKEN, ID)]);
        }
    }

    #[test]
    fn a_due_entry_tells_when_and_what() {
        let keys = keys(&material(), &RecordRow::default());
        let due: Vec<_> = keys.iter().filter_map(|key| due_parts(key)).collect();
        assert_eq!(due, vec![(9, TOKEN, ID)]);
    }

    #[test]
    fn a_tokens_and_a_records_row_are_what_modules_watch() {
        assert_eq!(watched(&super::token(TOKEN)), Some((TOKEN, TOKEN)));
        assert_eq!(watched(&record(TOKEN, ID)), Some((TOKEN, ID)));
        assert_eq!(watched(&waiting(TOKEN, ID)), None);
    }

    #[test]
    fn no_key_is_longer_than_a_store_allows() {
        let keys = keys(&material(), &RecordRow { cell: Some(512), ..RecordRow::default() });
        assert!(keys.iter().all(|key| key.len() <= crate::store::MAX_KEY));
    }
}
