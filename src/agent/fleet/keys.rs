//! The keys of a fleet's rows, byte by byte, beside those of every store, which are in
//! [`keyspace`](crate::agent::keyspace).
//!
//! | key | value |
//! |---|---|
//! | `H` | the list of hosts: [`HostsRow`](super::hosts::HostsRow), with a MAC |
//! | `h`, host | a host: [`HostRow`](super::host_row::HostRow), with a MAC |
//! | `B` | the number of the next batch of erase secrets (u32) |
//! | `b`, batch (u32) | a batch whose secrets are still claimed: the host (16) that made it |
//! | `e`, host, batch (u32) | the secrets of a batch for a host: [`EnvelopeRow`](super::envelope::EnvelopeRow), with a MAC |
//! | `k`, host, number (u32) | the fleet key with that number for a host: [`EnvelopeRow`](super::envelope::EnvelopeRow), with a MAC |
//! | `s`, host | the host (16) that has sent everything to one that joins |
//! | `x`, cell (u32) | the end of a secret: [`ErasureRow`](super::erasure_row::ErasureRow) |
//! | `i`, invitation (16) | an invitation: [`InvitationRow`](super::invitation::InvitationRow), with a MAC |
//! | `j`, invitation (16) | the request of a host that was invited, with a MAC under the invitation's key |
//!
//! Identities are 16 bytes, integers are big endian.

use crate::id::Id;
use crate::store::cells::CellNumber;

/// A key of the store.
pub(crate) type RowKey = Vec<u8>;

/// The number of a batch of erase secrets.
pub(crate) type BatchNumber = u32;

/// The prefix of the keys of hosts.
pub(crate) const HOST_PREFIX: &[u8] = b"h";
/// The key of the number of the next batch.
pub(crate) const BATCH_COUNT: &[u8] = b"B";
/// The prefix of the keys of batches.
pub(crate) const BATCH_PREFIX: &[u8] = b"b";
/// The prefix of the keys of envelopes.
const ENVELOPE_PREFIX: &[u8] = b"e";
/// The prefix of the keys of the ends of secrets.
pub(crate) const ERASURE_PREFIX: &[u8] = b"x";
/// The key of the list of hosts.
pub(crate) const HOSTS: &[u8] = b"H";

/// Returns true for the key of a row that may ask a host for work when it changes.
pub(crate) fn asks_for_work(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| b"Hbeksxj".contains(kind))
}

/// Returns the key of a host's row.
pub(crate) fn host(host: Id) -> RowKey {
    [HOST_PREFIX, host.bytes()].concat()
}

/// Returns the key of a batch.
pub(crate) fn batch(batch: BatchNumber) -> RowKey {
    [BATCH_PREFIX, &batch.to_be_bytes()].concat()
}

/// The number of a batch whose key [`batch`] made.
pub(crate) fn batch_number(key: &[u8]) -> Option<BatchNumber> {
    number(key.strip_prefix(BATCH_PREFIX)?)
}

/// Returns the prefix of the keys of the envelopes for a host.
pub(crate) fn envelopes(host: Id) -> RowKey {
    [ENVELOPE_PREFIX, host.bytes()].concat()
}

/// Returns the key of the envelope of a batch for a host.
pub(crate) fn envelope(host: Id, batch: BatchNumber) -> RowKey {
    [&envelopes(host)[..], &batch.to_be_bytes()].concat()
}

/// Receiver and batch of a key made by [`envelope`].
pub(crate) fn envelope_of(key: &[u8]) -> Option<(Id, BatchNumber)> {
    let (receiver, batch) = key.strip_prefix(ENVELOPE_PREFIX)?.split_first_chunk::<16>()?;
    Some((Id::new(*receiver), number(batch)?))
}

/// Returns the prefix of the keys of fleet keys for a host.
pub(crate) fn new_keys(host: Id) -> RowKey {
    [b"k", &host.bytes()[..]].concat()
}

/// Returns the key of the fleet key with that number for a host.
pub(crate) fn new_key(host: Id, number: u32) -> RowKey {
    [&new_keys(host)[..], &number.to_be_bytes()].concat()
}

/// Returns the key of the word that everything has been sent to a host that joins.
pub(crate) fn sent(host: Id) -> RowKey {
    [b"s", &host.bytes()[..]].concat()
}

/// Returns the key of the end of a secret.
pub(crate) fn erasure(cell: CellNumber) -> RowKey {
    [ERASURE_PREFIX, &cell.to_be_bytes()].concat()
}

/// The cell of a key made by [`erasure`].
pub(crate) fn erasure_cell(key: &[u8]) -> Option<CellNumber> {
    number(key.strip_prefix(ERASURE_PREFIX)?)
}

/// Returns the key of an invitation.
pub(crate) fn invitation(name: [u8; 16]) -> RowKey {
    [b"i", &name[..]].concat()
}

/// The prefix of the keys of requests of hosts that were invited.
pub(crate) const REQUEST_PREFIX: &[u8] = b"j";

/// Returns the key of the request of a host that was invited.
pub(crate) fn request(name: [u8; 16]) -> RowKey {
    [REQUEST_PREFIX, &name[..]].concat()
}

/// The name of the invitation of a key made by [`request`].
pub(crate) fn request_name(key: &[u8]) -> Option<[u8; 16]> {
    key.strip_prefix(REQUEST_PREFIX)?.try_into().ok()
}

/// Returns the number that stands as a whole value.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Id = Id::new([3; 16]);

    /// Fleets that exist are read with these: they never change.
    #[test]
    fn keys_are_byte_for_byte_what_the_format_says() {
        let three = [3; 16];
        assert_eq!((HOSTS, BATCH_COUNT), (&b"H"[..], &b"B"[..]));
        assert_eq!(host(HOST), [&b"h"[..], &three].concat());
        assert_eq!(batch(258), b"b\0\0\x01\x02");
        assert_eq!(envelope(HOST, 258), [&b"e"[..], &three, b"\0\0\x01\x02"].concat());
        assert_eq!(new_key(HOST, 258), [&b"k"[..], &three, b"\0\0\x01\x02"].concat());
        assert_eq!(sent(HOST), [&b"s"[..], &three].concat());
        assert_eq!(erasure(258), b"x\0\0\x01\x02");
        assert_eq!(invitation(three), [&b"i"[..], &three].concat());
        assert_eq!(request(three), [&b"j"[..], &three].concat());
    }

    #[test]
    fn a_row_of_a_host_that_only_tells_of_its_work_asks_for_none() {
        for key in [HOSTS.to_vec(), batch(2), envelope(HOST, 2), new_key(HOST, 2), erasure(512)] {
            assert!(asks_for_work(&key));
        }
        for key in [host(HOST), BATCH_COUNT.to_vec(), crate::agent::keyspace::meta()] {
            assert!(!asks_for_work(&key));
        }
    }

    #[test]
    fn what_a_key_names_is_read_back_from_it_alone() {
        assert_eq!(batch_number(&batch(258)), Some(258));
        assert_eq!(envelope_of(&envelope(HOST, 258)), Some((HOST, 258)));
        assert_eq!(erasure_cell(&erasure(258)), Some(258));
        assert_eq!((batch_number(&erasure(1)), erasure_cell(&host(HOST))), (None, None));
        assert_eq!((batch_number(BATCH_COUNT), batch_number(BATCH_PREFIX)), (None, None));
    }
}
