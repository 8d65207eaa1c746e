//! The identity of a token or of an object: sixteen random bytes, shown as a UUID.

use serde::{Deserialize, Serialize};
use std::fmt;

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

    /// The sixteen bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
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
    use super::Id;

    #[test]
    fn text_and_bytes_name_the_same_identity() {
        let id = Id::from_random([7; 16]);
        assert_eq!(Id::parse(id.to_string().as_bytes()), Some(id));
        assert_eq!(Id::parse(b"not a uuid"), None);
        assert_eq!(Id::parse(&[b'0'; 32]), None);
    }
}
