//! The identity of a token or of an object: sixteen bytes, shown as a UUID. Those of objects begin with
//! the time of their creation (RFC 9562, version 7), so that their order is the order of creation.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sixteen bytes that name one token, object or custom key for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id([u8; 16]);

impl Id {
    /// Wraps bytes that are an identity already.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A fresh identity (UUID version 4) from sixteen random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(*uuid::Builder::from_random_bytes(bytes).as_uuid().as_bytes())
    }

    /// Reads the canonical UUID text (36 characters).
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        uuid::Uuid::try_parse_ascii(text).ok().map(|uuid| Self(*uuid.as_bytes()))
    }

    /// The serial number of a token with this identity: sixteen characters.
    pub fn serial(&self) -> String {
        self.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The sixteen bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Gives out identities that ascend (UUID version 7), also where the clock stands still or goes back while
/// this process runs.
#[derive(Debug, Default)]
pub(crate) struct IdSource {
    /// The last time given out, in 4096ths of a millisecond since 1970.
    last: AtomicU64,
}

impl IdSource {
    /// Returns the next identity: the time since 1970 in milliseconds, 12 bits of its fraction (RFC 9562,
    /// 6.2, method 3), and 62 of the random bits.
    pub(crate) fn next(&self, now: Duration, random: [u8; 8]) -> Id {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX >> 12);
        let fraction = u64::from(now.subsec_nanos() % 1_000_000) * 4096 / 1_000_000;
        let tick = self.claim(millis << 12 | fraction);
        let mut bytes = [0; 10];
        let (head, tail) = bytes.split_at_mut(2);
        head.copy_from_slice(&(tick as u16 & 0xFFF).to_be_bytes());
        tail.copy_from_slice(&random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(tick >> 12, &bytes);
        Id(*uuid.as_uuid().as_bytes())
    }

    /// Returns `tick`, or the one after the last where that is later.
    fn claim(&self, tick: u64) -> u64 {
        let later = |last: u64| tick.max(last.wrapping_add(1));
        // Both orders are those of one word; the closure never declines.
        let update =
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)));
        update.map_or(tick, later)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, IdSource};
    use std::time::Duration;

    #[test]
    fn identities_ascend_with_time_and_where_it_stands_still_or_goes_back() {
        let source = IdSource::default();
        let times =
            [1_000_000_000, 1_000_000_300, 1_000_000_300, 999, 1_001_000_000, 1_700_000_000];
        let ids: Vec<Id> =
            times.map(|nanos| source.next(Duration::from_nanos(nanos), [0xFF; 8])).to_vec();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }

    #[test]
    fn an_identity_is_a_uuid_of_version_7_with_its_milliseconds_in_front() {
        let id = IdSource::default().next(Duration::new(0x19_0000_0000, 500_000), [0; 8]);
        let millis = 0x19_0000_0000_u64 * 1000;
        assert_eq!(id.to_string().replace('-', ""), format!("{millis:012x}78008000000000000000"));
    }

    #[test]
    fn text_and_bytes_name_the_same_identity() {
        let id = Id::from_random([7; 16]);
        assert_eq!(Id::parse(id.to_string().as_bytes()), Some(id));
        assert_eq!(Id::parse(b"not a uuid"), None);
        assert_eq!(Id::parse(&[b'0'; 32]), None);
    }
}
