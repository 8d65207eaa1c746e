//! The keys of the store's rows, byte by byte. Their values are in [`rows`](super::rows).
//!
//! | key | value |
//! |---|---|
//! | `M` | the store itself: [`Meta`](super::rows::Meta) |
//! | `T`, token | a token: [`TokenRow`](super::rows::TokenRow) |
//! | `S`, slot (u32) | the token (16) that has this PKCS#11 slot |
//! | `r`, token, record | a record: [`RecordRow`](super::rows::RecordRow) |
//! | `o`, token, fingerprint (32) | the custom key (16) that material with this fingerprint belongs to |
//! | `g`, token, record | when an erasure that waits its grace out was found due, by the clock (u64) |
//! | `u`, token, key, day (u32, since 1970 UTC) | how often the key was used on a day that is not over, as far as it is saved (u64) |
//! | `c`, number (u64) | the answer to a change: [`Answered`](super::rows::Answered) |
//! | `L` | the end of the audit log's chain: [`ChainHead`](super::audit::ChainHead) |
//! | `l`, line (u64) | a line of the audit log that may not be in its file yet |
//!
//! What leads to records is no row: the [`index`](super::index) derives it from them. Rows at ascending keys cost a
//! log-structured store little more than their bytes, and those at random keys a page each: so the identities of
//! records ascend, and answers have numbers.
//!
//! Each change reads what it judges by, and is in conflict with others that change it. Two rows put even writers of
//! different keys in conflict: `c`, since the next number must be free, and `L`. One agent writes a store, so that costs
//! nothing. A store that several hosts write has these rows instead:
//!
//! | key | value |
//! |---|---|
//! | `c`, change (16) | the answer to a change: it is compared that there is none |
//! | `L`, host | the end of the chain of a host's audit log |
//! | `l`, host, line (u64) | a line of a host's audit log |
//! | `p`, token | the counts of wrong PINs: [`PinRow`](super::rows::PinRow) |
//! | `a`, host | the host's heartbeat: [`HeartbeatRow`](super::rows::HeartbeatRow) |
//!
//! Identities are 16 bytes, integers are big endian.

use crate::id::Id;
use crate::key::{Fingerprint, Header, Role};

/// A key of the store.
pub(crate) type RowKey = Vec<u8>;

/// The number of an answer.
pub(crate) type AnswerNumber = u64;

/// Returns the key of the store's own row.
pub(crate) fn meta() -> RowKey {
    b"M".to_vec()
}

/// The prefix of the keys of tokens.
pub(crate) const TOKEN_PREFIX: &[u8] = b"T";

/// Returns the key of a token's row.
pub(crate) fn token(token: Id) -> RowKey {
    [TOKEN_PREFIX, &token.bytes()[..]].concat()
}

/// The prefix of the keys of slots.
pub(crate) const SLOT_PREFIX: &[u8] = b"S";

/// Returns the key of the row that names the token of a PKCS#11 slot.
pub(crate) fn slot(slot: u32) -> RowKey {
    [SLOT_PREFIX, &slot.to_be_bytes()[..]].concat()
}

/// Returns the key of a record's row.
pub(crate) fn record(token: Id, id: Id) -> RowKey {
    [&records(token)[..], id.bytes()].concat()
}

/// The prefix of the keys of records.
pub(crate) const RECORD_PREFIX: &[u8] = b"r";

/// All records of a token.
pub(crate) fn records(token: Id) -> RowKey {
    [RECORD_PREFIX, &token.bytes()[..]].concat()
}

/// Token and record of a key made by [`record`].
pub(crate) fn record_ids(key: &[u8]) -> Option<(Id, Id)> {
    id_pair(key.strip_prefix(RECORD_PREFIX)?)
}

/// The prefix of the keys of answers.
pub(crate) const ANSWER_PREFIX: &[u8] = b"c";

/// Returns the key of an answer.
pub(crate) fn answer(number: AnswerNumber) -> RowKey {
    [ANSWER_PREFIX, &number.to_be_bytes()[..]].concat()
}

/// The number of an answer whose key [`answer`] made.
pub(crate) fn answer_number(key: &[u8]) -> Option<AnswerNumber> {
    key.strip_prefix(ANSWER_PREFIX)?.try_into().ok().map(u64::from_be_bytes)
}

/// Returns the key of the answer to a change, in a store that several hosts write.
pub(crate) fn shared_answer(change: &[u8; 16]) -> RowKey {
    [ANSWER_PREFIX, change].concat()
}

/// The change whose answer has a key that [`shared_answer`] made.
pub(crate) fn answered_change(key: &[u8]) -> Option<[u8; 16]> {
    key.strip_prefix(ANSWER_PREFIX)?.try_into().ok()
}

/// Returns the key of the end of the audit log's chain.
pub(crate) fn audit_head() -> RowKey {
    b"L".to_vec()
}

/// The rows of one audit log: the store's, or that of a host where several write the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AuditRows {
    /// The host whose log it is; none where the store has one.
    pub(crate) host: Option<Id>,
}

impl AuditRows {
    /// Returns the key of the end of its chain.
    pub(crate) fn head(self) -> RowKey {
        [&audit_head()[..], self.infix()].concat()
    }

    /// Returns the prefix of the keys of its lines.
    pub(crate) fn lines(self) -> RowKey {
        [AUDIT_LINE_PREFIX, self.infix()].concat()
    }

    /// Returns the key of a line.
    pub(crate) fn line(self, seq: u64) -> RowKey {
        [&self.lines()[..], &seq.to_be_bytes()].concat()
    }

    /// The number of the line whose key [`Self::line`] made.
    pub(crate) fn seq(self, key: &[u8]) -> Option<u64> {
        key.strip_prefix(&self.lines()[..])?.try_into().ok().map(u64::from_be_bytes)
    }

    fn infix(&self) -> &[u8] {
        self.host.as_ref().map_or(&[], |host| host.bytes())
    }
}

/// The prefix of the keys of the audit log's lines.
pub(crate) const AUDIT_LINE_PREFIX: &[u8] = b"l";

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

/// Returns the key of the counts of a token's wrong PINs, in a store that several hosts write.
pub(crate) fn pins(token: Id) -> RowKey {
    [b"p", &token.bytes()[..]].concat()
}

/// The token whose own row, or counts of wrong PINs, have that key.
pub(crate) fn counted_token(key: &[u8]) -> Option<Id> {
    match key.split_first()? {
        (b'T' | b'p', token) => id(token),
        _ => None,
    }
}

/// Returns the key of a host's heartbeat.
pub(crate) fn heartbeat(host: Id) -> RowKey {
    [HEARTBEAT_PREFIX, &host.bytes()[..]].concat()
}

/// The prefix of the keys of heartbeats.
pub(crate) const HEARTBEAT_PREFIX: &[u8] = b"a";

/// The host whose heartbeat has that key.
pub(crate) fn heartbeat_host(key: &[u8]) -> Option<Id> {
    id(key.strip_prefix(HEARTBEAT_PREFIX)?)
}

/// The prefix of the keys of erasures that wait their grace out.
pub(crate) const WAITING_PREFIX: &[u8] = b"g";

/// Returns the key of the entry of an erasure that waits.
pub(crate) fn waiting(token: Id, id: Id) -> RowKey {
    [WAITING_PREFIX, token.bytes(), id.bytes()].concat()
}

/// Token and record of a key made by [`waiting`].
pub(crate) fn waiting_ids(key: &[u8]) -> Option<(Id, Id)> {
    id_pair(key.strip_prefix(WAITING_PREFIX)?)
}

/// The prefix of the keys of the days' uses.
pub(crate) const USES_PREFIX: &[u8] = b"u";

/// Returns the key of the count of a token's key on a day.
pub(crate) fn uses((token, key, day): (Id, Id, u32)) -> RowKey {
    [USES_PREFIX, token.bytes(), key.bytes(), &day.to_be_bytes()].concat()
}

/// Token, key and day of a key made by [`uses`].
pub(crate) fn uses_of(key: &[u8]) -> Option<(Id, Id, u32)> {
    let (ids, day) = key.strip_prefix(USES_PREFIX)?.split_last_chunk::<4>()?;
    let (token, key) = id_pair(ids)?;
    Some((token, key, u32::from_be_bytes(*day)))
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

/// Returns the fingerprint in a record, and the custom key that it belongs to.
pub(crate) fn ownership(id: Id, header: &Header) -> Option<(Fingerprint, Id)> {
    match &header.role {
        Role::CustomKey(state) => state.fingerprint.map(|fingerprint| (fingerprint, id)),
        Role::Material { key, fingerprint, .. } => Some((*fingerprint, *key)),
        Role::Object { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Id = Id::new([1; 16]);
    const ID: Id = Id::new([2; 16]);

    /// Stores that exist are read with these: they never change.
    #[test]
    fn keys_are_byte_for_byte_what_the_format_says() {
        let (one, two) = ([1; 16], [2; 16]);
        let parts = |parts: &[&[u8]]| parts.concat();
        assert_eq!(super::token(TOKEN), parts(&[b"T", &one]));
        assert_eq!(slot(258), b"S\0\0\x01\x02");
        assert_eq!(record(TOKEN, ID), parts(&[b"r", &one, &two]));
        assert_eq!(owner(TOKEN, &Fingerprint([9; 32])), parts(&[b"o", &one, &[9; 32]]));
        assert_eq!(waiting(TOKEN, ID), parts(&[b"g", &one, &two]));
        assert_eq!(uses((TOKEN, ID, 258)), parts(&[b"u", &one, &two, b"\0\0\x01\x02"]));
        assert_eq!(answer(258), b"c\0\0\0\0\0\0\x01\x02");
        assert_eq!(AuditRows::default().line(258), b"l\0\0\0\0\0\0\x01\x02");
        assert_eq!(AuditRows::default().head(), b"L");
        let of_host = AuditRows { host: Some(ID) };
        assert_eq!(of_host.head(), parts(&[b"L", &two]));
        assert_eq!(of_host.line(258), parts(&[b"l", &two, b"\0\0\0\0\0\0\x01\x02"]));
        assert_eq!(shared_answer(&one), parts(&[b"c", &one]));
        assert_eq!(pins(TOKEN), parts(&[b"p", &one]));
        assert_eq!(heartbeat(ID), parts(&[b"a", &two]));
        assert_eq!((meta(), audit_head()), (b"M".to_vec(), b"L".to_vec()));
    }

    #[test]
    fn what_a_key_names_is_read_back_from_it_alone() {
        assert_eq!(record_ids(&record(TOKEN, ID)), Some((TOKEN, ID)));
        assert_eq!(waiting_ids(&waiting(TOKEN, ID)), Some((TOKEN, ID)));
        assert_eq!(answer_number(&answer(258)), Some(258));
        let line = AuditRows::default().line(1);
        assert_eq!((record_ids(&waiting(TOKEN, ID)), answer_number(&line)), (None, None));
        assert_eq!(
            (answered_change(&shared_answer(&[7; 16])), answered_change(&answer(1))),
            (Some([7; 16]), None)
        );
        assert_eq!(AuditRows { host: Some(ID) }.seq(&line), None);
    }

    #[test]
    fn a_tokens_and_a_records_row_are_what_modules_watch() {
        assert_eq!(watched(&super::token(TOKEN)), Some((TOKEN, TOKEN)));
        assert_eq!(watched(&record(TOKEN, ID)), Some((TOKEN, ID)));
        assert_eq!(watched(&waiting(TOKEN, ID)), None);
    }

    #[test]
    fn no_key_is_longer_than_a_store_allows() {
        let longest = owner(TOKEN, &Fingerprint([9; 32]));
        assert!(longest.len() <= crate::store::MAX_KEY);
    }
}
