//! The fingerprint of key material, which is known without seeing it.

use serde::{Deserialize, Serialize};

/// A keyed fingerprint of key material: it outlives the material and tells nothing about it without
/// the private token key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}
