//! Secret bytes in a message: they are read from the frame straight into a buffer of their own, which
//! stays where it is and is wiped, and no message prints them.

use crate::secret::Secret;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The most secret bytes that one field of a message has.
const MAX_BYTES: usize = 64;

/// Secret bytes in a message: an authenticator, a proof, a ticket. At most 64.
#[derive(Debug, PartialEq, Eq)]
pub struct Confidential(Secret);

impl Confidential {
    /// The bytes, for the length of a borrow.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// A second copy, where two owners are meant.
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The bytes, to be kept.
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

impl From<Secret> for Confidential {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

impl Serialize for Confidential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.expose())
    }
}

impl<'de> Deserialize<'de> for Confidential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Copied)
    }
}

struct Copied;

impl Visitor<'_> for Copied {
    type Value = Confidential;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_BYTES} bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Confidential, E> {
        match bytes.len() {
            0..=MAX_BYTES => Ok(Secret::from(bytes).into()),
            length => Err(E::invalid_length(length, &self)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_as_bytes_and_prints_none() {
        let sent = Confidential::from(Secret::new(vec![0xAB; 3]));
        let bytes = postcard::to_stdvec(&sent).unwrap();
        assert_eq!(bytes, [3, 0xAB, 0xAB, 0xAB]);
        assert_eq!(postcard::from_bytes::<Confidential>(&bytes).unwrap(), sent);
        assert_eq!(format!("{sent:?}"), "Confidential(Secret(3 bytes))");
    }

    #[test]
    fn it_has_a_most() {
        let bytes = postcard::to_stdvec(&vec![7_u8; MAX_BYTES + 1]).unwrap();
        assert!(postcard::from_bytes::<Confidential>(&bytes).is_err());
    }
}
