//! The keys in etcd, byte by byte. All begin with the fleet's path and a zero byte, which no path has: so one fleet's
//! rows are never among those of another.
//!
//! | key | value |
//! |---|---|
//! | `i` | the identity: store (16), incarnation (u64) |
//! | `l`, opening (16) | an opening's latest request (16), see [`lane`](super::lane) |
//! | `r`, key | a row of the store |
//! | `t` | nothing: its `version` is the number of the last commit |
//!
//! Every transaction writes `t`, and writes it last. So the event of `t` is the last of a revision, and one whose version
//! is not the next shows that something between was not seen.

use crate::id::Id;
use crate::store::StoreIdentity;

/// The keys of one fleet.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    prefix: Vec<u8>,
}

/// The meaning of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyKind<'a> {
    /// The store's identity.
    Identity,
    /// The row of an opening.
    Lane(&'a [u8]),
    /// A row of the store.
    Row(&'a [u8]),
    /// The count of commits.
    Tick,
    /// Something that this build knows nothing of.
    Unknown,
}

impl Layout {
    /// Returns the keys below a path.
    pub(super) fn new(path: &str) -> Self {
        Self { prefix: [path.as_bytes(), &[0]].concat() }
    }

    /// Returns the beginning of all keys.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Returns the first key behind all of them.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut end = self.prefix.clone();
        end.pop();
        end.push(1);
        end
    }

    pub(super) fn identity(&self) -> Vec<u8> {
        self.key(b'i', &[])
    }

    pub(super) fn tick(&self) -> Vec<u8> {
        self.key(b't', &[])
    }

    pub(super) fn lane(&self, opening: &[u8]) -> Vec<u8> {
        self.key(b'l', opening)
    }

    pub(super) fn row(&self, key: &[u8]) -> Vec<u8> {
        self.key(b'r', key)
    }

    /// Returns the meaning of a key.
    pub(super) fn kind<'a>(&self, key: &'a [u8]) -> KeyKind<'a> {
        match key.strip_prefix(&self.prefix[..]).and_then(<[u8]>::split_first) {
            Some((b'i', [])) => KeyKind::Identity,
            Some((b'l', opening)) => KeyKind::Lane(opening),
            Some((b'r', key)) if !key.is_empty() => KeyKind::Row(key),
            Some((b't', [])) => KeyKind::Tick,
            _ => KeyKind::Unknown,
        }
    }

    fn key(&self, kind: u8, rest: &[u8]) -> Vec<u8> {
        [&self.prefix[..], &[kind], rest].concat()
    }
}

/// Writes an identity.
pub(super) fn encode_identity(identity: StoreIdentity) -> Vec<u8> {
    [&identity.store.bytes()[..], &identity.incarnation.to_be_bytes()].concat()
}

/// Reads [`encode_identity`]'s bytes back.
pub(super) fn decode_identity(bytes: &[u8]) -> Option<StoreIdentity> {
    let (store, incarnation) = bytes.split_first_chunk::<16>()?;
    let incarnation = u64::from_be_bytes(incarnation.try_into().ok()?);
    Some(StoreIdentity { store: Id::new(*store), incarnation })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores that exist are read with these: they never change.
    #[test]
    fn keys_are_byte_for_byte_what_the_format_says() {
        let layout = Layout::new("/k");
        assert_eq!(layout.identity(), b"/k\0i");
        assert_eq!(layout.lane(&[1, 2]), b"/k\0l\x01\x02");
        assert_eq!(layout.row(b"ab"), b"/k\0rab");
        assert_eq!(layout.tick(), b"/k\0t");
        assert_eq!(layout.end(), b"/k\x01");
        let identity = StoreIdentity { store: Id::new([7; 16]), incarnation: 258 };
        let bytes = [&[7; 16][..], &[0, 0, 0, 0, 0, 0, 1, 2]].concat();
        assert_eq!(encode_identity(identity), bytes);
        assert_eq!(decode_identity(&bytes), Some(identity));
    }

    #[test]
    fn what_a_key_stands_for_is_read_back() {
        let layout = Layout::new("/k");
        for (key, kind) in [
            (layout.identity(), KeyKind::Identity),
            (layout.lane(b"x"), KeyKind::Lane(b"x")),
            (layout.row(b"x"), KeyKind::Row(b"x")),
            (layout.tick(), KeyKind::Tick),
            (layout.row(b""), KeyKind::Unknown),
            (Layout::new("/k/below").tick(), KeyKind::Unknown),
        ] {
            assert_eq!(layout.kind(&key), kind);
        }
    }
}
