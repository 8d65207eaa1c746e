//! A `CKA_ID` on the command line or in a manifest, in hexadecimal.

use crate::Failure;
use crate::keys::ListedKey;
use std::collections::HashSet;
use std::fmt;
use uuid::Uuid;

/// The longest ID, in bytes.
const LONGEST: usize = 64;

/// A `CKA_ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identifier(Vec<u8>);

impl Identifier {
    /// Parses hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bytes = base16ct::mixed::decode_vec(text).unwrap_or_default();
        match (1..=LONGEST).contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(format!("an ID is 1 to {LONGEST} bytes, two hexadecimal digits each")),
        }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Its hexadecimal digits.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

/// The IDs by which an import would find a custom key that is there: their `CKA_ID`s and key IDs.
#[derive(Default)]
pub(crate) struct TakenIds(HashSet<Vec<u8>>);

impl TakenIds {
    /// Returns those of custom keys.
    pub(crate) fn of(keys: &[ListedKey]) -> Self {
        let own = |key: &ListedKey| Uuid::parse_str(&key.shown.key_id).ok();
        let own = keys.iter().filter_map(own).map(|id| id.into_bytes().to_vec());
        Self(keys.iter().map(|key| key.shown.id_bytes()).chain(own).collect())
    }

    /// Takes one for a new key; refuses it where another has it, into which the import would go.
    pub(crate) fn take(&mut self, id: &Identifier) -> Result<(), Failure> {
        match self.0.insert(id.0.clone()) {
            true => Ok(()),
            false => Err(Failure::new(format_args!("another custom key has the CKA_ID {id}"))
                .hint("programs find a key by it: give each its own")),
        }
    }
}
