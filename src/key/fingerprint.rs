//! The fingerprint of key material, which is known without seeing it.

use serde::{Deserialize, Serialize};

/// A keyed fingerprint of key material: it outlives the material and tells nothing about it without
/// the private token key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// The fingerprints that a custom key's material is recognized by, also where it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Association {
    /// The fingerprint of the identity of the material: no other custom key has material of the same.
    pub of_all: Fingerprint,
    /// The fingerprint of the rest of a private key, if it has any and that is known.
    pub of_rest: Option<Fingerprint>,
}

impl Association {
    /// Returns whether material with this association is the same, as far as both are known.
    pub(crate) fn is_same(self, other: Self) -> bool {
        let differ = |(one, other)| one != other;
        self.of_all == other.of_all && !self.of_rest.zip(other.of_rest).is_some_and(differ)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}
