//! The public header of a record: all that the agent may know of it without a token key.
//!
//! # The header, byte by byte
//!
//! One format byte, then the fields in [postcard's wire format](https://postcard.jamesmunns.com/wire-format)
//! (integers as little-endian base-128 varints, `Option` as a 0 or 1 byte, an enum as its number):
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, `0x01` |
//! | 1 | private: 1 when sealed under the private token key, 0 under the public one |
//! | 1 | role: 0 object, 1 custom key, 2 material |
//! | … | object: 1 byte "holds a secret or private key" |
//! | … | custom key: origin (0 generated, 1 external), enabled, material (0 never, 1 present, 2 deleted, 3 expired, 4 readable), version, expiry, fingerprint (option of 32 bytes), deletion (option of seconds) |
//! | … | material: custom key (16 bytes), version, fingerprint (32 bytes) |
//! | … | expiry: option of seconds and action (0 erase, 1 read-only) |
//! | … | tags: their number, then 16 bytes each |
//!
//! The header is authenticated with the sealed part and never changes without the token key.

use super::expiry::Expiry;
use super::fingerprint::Fingerprint;
use super::state::KeyState;
use crate::error::{Reason, Result};
use crate::id::Id;
use serde::{Deserialize, Serialize};

/// The format this build writes.
pub(crate) const HEADER_FORMAT: u8 = 1;

/// An opaque search term: a keyed hash of one attribute's type and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag(pub [u8; 16]);

/// The role of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// An ordinary object: it comes and goes as its owner likes.
    Object {
        /// True where it holds a secret or private key.
        holds_key: bool,
    },
    /// The metadata of a custom key.
    CustomKey(KeyState),
    /// One version of a custom key's material.
    Material {
        /// The custom key it belongs to.
        key: Id,
        /// Its version.
        version: u32,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
}

/// The part of a record that the agent reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// True where it is sealed under the private token key, and found only after a login.
    pub private: bool,
    /// Its role.
    pub role: Role,
    /// The end of the key in it; on material the same as in its custom key's state.
    pub expiry: Option<Expiry>,
    /// The terms that it is found by.
    pub tags: Vec<Tag>,
}

impl Header {
    /// Returns the bytes that are stored and authenticated.
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![HEADER_FORMAT])
            .map_err(|cause| Reason::General.detail(cause))
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&HEADER_FORMAT, rest)) => match postcard::take_from_bytes(rest) {
                Ok((header, [])) => Ok(header),
                _ => Err(Reason::StoreDamaged.detail("a record's header does not parse")),
            },
            Some((format, _)) => Err(Reason::StoreDamaged.detail(format_args!(
                "a record has header format {format}, which this build does not know"
            ))),
            None => Err(Reason::StoreDamaged.detail("a record has no header")),
        }
    }

    /// Returns whether there is a secret or private key in the record: then its sealed part goes through an
    /// erase cell, and is read only after a login, though it may be a public object's.
    pub fn holds_key(&self) -> bool {
        matches!(self.role, Role::Material { .. } | Role::Object { holds_key: true })
    }

    /// Returns the object whose changes a user of this record must notice: a custom key's material and
    /// metadata move one generation counter.
    pub fn watched(&self, own: Id) -> Id {
        match self.role {
            Role::Material { key, .. } => key,
            Role::Object { .. } | Role::CustomKey(_) => own,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::key::ExpiryAction;

    /// Returns the headers of an ordinary object, an imported custom key and its material, as this format has
    /// them since its first release.
    fn golden() -> [(Header, Vec<u8>); 3] {
        let expiry = Some(Expiry { at: 300, action: ExpiryAction::ReadOnly });
        let fingerprint = Fingerprint([0xFF; 32]);
        let object = Header {
            private: false,
            role: Role::Object { holds_key: true },
            expiry: None,
            tags: vec![Tag([7; 16])],
        };
        let state = KeyState {
            expiry,
            ..KeyState { fingerprint: Some(fingerprint), ..KeyState::generated(fingerprint) }
        };
        let custom =
            Header { private: true, role: Role::CustomKey(state), expiry: None, tags: vec![] };
        let role = Role::Material { key: Id::new([1; 16]), version: 1, fingerprint };
        let material = Header { private: true, role, expiry, tags: vec![] };
        [
            (object, [&[1, 0, 0, 1, 0, 1][..], &[7; 16]].concat()),
            (
                custom,
                [&[1, 1, 1, 0, 1, 1, 1, 1, 0xAC, 2, 1, 1][..], &[0xFF; 32], &[0, 0, 0]].concat(),
            ),
            (material, [&[1, 1, 2][..], &[1; 16], &[1], &[0xFF; 32], &[1, 0xAC, 2, 1, 0]].concat()),
        ]
    }

    #[test]
    fn headers_are_byte_for_byte_what_the_format_says() {
        for (header, bytes) in golden() {
            assert_eq!(header.encode().unwrap(), bytes, "{header:?}");
            assert_eq!(Header::decode(&bytes).unwrap(), header);
        }
    }

    #[test]
    fn a_header_that_is_cut_longer_or_newer_does_not_parse() {
        for (_, bytes) in golden() {
            for cut in 0..bytes.len() {
                assert!(Header::decode(&bytes[..cut]).is_err(), "cut at {cut}");
            }
            assert!(Header::decode(&[&bytes[..], &[0]].concat()).is_err());
            assert!(Header::decode(&[&[2], &bytes[1..]].concat()).is_err());
        }
    }
}
