//! The sealed part of a record: what only a token key opens.
//!
//! # The sealed part, byte by byte (before sealing)
//!
//! One format byte (`0x01`, `0x02` where the last part of the metadata follows), then in postcard's wire
//! format:
//!
//! * a custom key's metadata: alias, identifier (bytes), description, class, key type, size in bits
//!   (0 while unknown), created (seconds), its own expiry as an option (0 at a moment, 1 so many
//!   seconds after each import, 2 and 3 the same with material that can only be read from then on; then
//!   the seconds), days between rotations, when the next of them is counted from (seconds);
//!   in format 2 also its bindings, as the attributes of an object;
//! * material or an ordinary object: the number of attributes, for each its type and its value, then
//!   the material.

use super::material::{Expiry, ExpiryAction};
use super::state::DAY;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

const FORMAT: u8 = 1;

/// The format of metadata with bindings.
const WITH_BINDINGS: u8 = 2;

/// What a custom key is called and made for: it stays when the material goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The name people give it, UTF-8 or not; its key ID while it has none.
    pub alias: Vec<u8>,
    /// The identifier programs find it by (`CKA_ID` at the border).
    pub identifier: Vec<u8>,
    /// Free text, at most 255 bytes.
    pub description: String,
    /// Secret or private key, as the border numbers them.
    pub class: u64,
    /// The algorithm, as the border numbers it.
    pub key_type: u64,
    /// The size in bits; 0 while no material has been seen and none was asked for.
    pub bits: u64,
    /// When the custom key came into being.
    pub created_at: Seconds,
    /// The expiry of every import that is given no other.
    pub own_expiry: Option<OwnExpiry>,
    /// Days between scheduled rotations; 0 none.
    pub rotation_days: u16,
    /// From when the next scheduled rotation is counted: the latest one, or the setting of the schedule.
    pub rotation_from: Seconds,
    /// What its material is bound to for good, as the border numbers it, since it was trusted: the
    /// same material is when it comes again.
    #[serde(skip)]
    pub bindings: Vec<(u64, Vec<u8>)>,
}

/// An expiry that a custom key keeps for its imports, until it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredExpiry", into = "StoredExpiry")]
pub struct OwnExpiry {
    /// When it is.
    pub due: Due,
    /// What happens then.
    pub action: ExpiryAction,
}

/// When material expires that is yet to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At that second.
    At(Seconds),
    /// So many seconds after the import.
    After(Seconds),
}

impl OwnExpiry {
    /// The expiry of an import at `now`.
    pub fn of_import(self, now: Seconds) -> Expiry {
        let at = match self.due {
            Due::At(at) => at,
            Due::After(seconds) => now.saturating_add(seconds),
        };
        Expiry { at, action: self.action }
    }
}

/// An own expiry as it is stored.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum StoredExpiry {
    At(Seconds),
    After(Seconds),
    ReadOnlyAt(Seconds),
    ReadOnlyAfter(Seconds),
}

impl From<StoredExpiry> for OwnExpiry {
    fn from(form: StoredExpiry) -> Self {
        let (due, action) = match form {
            StoredExpiry::At(at) => (Due::At(at), ExpiryAction::Erase),
            StoredExpiry::After(seconds) => (Due::After(seconds), ExpiryAction::Erase),
            StoredExpiry::ReadOnlyAt(at) => (Due::At(at), ExpiryAction::ReadOnly),
            StoredExpiry::ReadOnlyAfter(seconds) => (Due::After(seconds), ExpiryAction::ReadOnly),
        };
        Self { due, action }
    }
}

impl From<OwnExpiry> for StoredExpiry {
    fn from(own: OwnExpiry) -> Self {
        match (own.due, own.action) {
            (Due::At(at), ExpiryAction::Erase) => Self::At(at),
            (Due::After(seconds), ExpiryAction::Erase) => Self::After(seconds),
            (Due::At(at), ExpiryAction::ReadOnly) => Self::ReadOnlyAt(at),
            (Due::After(seconds), ExpiryAction::ReadOnly) => Self::ReadOnlyAfter(seconds),
        }
    }
}

impl Metadata {
    /// Returns the metadata of a new custom key that nobody has named: its key ID stands for alias and
    /// identifier.
    pub fn new(id: Id, class: u64, key_type: u64, created_at: Seconds) -> Self {
        Self {
            alias: id.to_string().into_bytes(),
            identifier: id.bytes().to_vec(),
            description: String::new(),
            class,
            key_type,
            bits: 0,
            created_at,
            own_expiry: None,
            rotation_days: 0,
            rotation_from: 0,
            bindings: Vec::new(),
        }
    }

    /// When the next version of the material is due, if there is a schedule.
    pub fn rotation_due(&self) -> Option<Seconds> {
        let days = Seconds::from(self.rotation_days);
        (days != 0).then(|| self.rotation_from.saturating_add(days * DAY))
    }

    /// What the key of that ID is called: its alias, or else its ID.
    pub fn name(&self, id: Id) -> Vec<u8> {
        match self.given_name(id) {
            [] => id.to_string().into_bytes(),
            given => given.to_vec(),
        }
    }

    /// The alias that somebody gave the key of that ID; empty if nobody did.
    pub fn given_name(&self, id: Id) -> &[u8] {
        match self.alias == id.to_string().as_bytes() {
            true => &[],
            false => &self.alias,
        }
    }

    /// Gives the key of that ID another alias, or none.
    pub fn rename(&mut self, id: Id, alias: &[u8]) {
        self.alias = alias.to_vec();
        self.alias = self.name(id);
    }

    /// The bytes to seal.
    pub fn encode(&self) -> Result<Secret> {
        match self.bindings.is_empty() {
            true => encode(FORMAT, self),
            false => encode(WITH_BINDINGS, &(self, &self.bindings)),
        }
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub fn decode(bytes: &Secret) -> Result<Self> {
        if bytes.expose().first() != Some(&WITH_BINDINGS) {
            return decode(FORMAT, bytes);
        }
        let (metadata, bindings) = decode::<(Self, _)>(WITH_BINDINGS, bytes)?;
        Ok(Self { bindings, ..metadata })
    }
}

/// An object's attributes, as the border numbers them, and its key material if it is a key.
#[derive(Serialize, Deserialize)]
pub struct Body {
    /// Type and value.
    pub attributes: Vec<(u64, Vec<u8>)>,
    /// A secret key's bytes or a private key's PKCS#8; empty for everything else.
    pub material: Vec<u8>,
}

impl Body {
    /// The bytes to seal.
    pub fn encode(&self) -> Result<Secret> {
        encode(FORMAT, self)
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub fn decode(bytes: &Secret) -> Result<Self> {
        decode(FORMAT, bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.material.zeroize();
        self.attributes.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

fn encode<T: Serialize>(number: u8, value: &T) -> Result<Secret> {
    // Sized first, so that no half-grown buffer is left behind unwiped.
    let size = postcard::experimental::serialized_size(value).map_err(general)?;
    let mut bytes = Secret::new(vec![0; size + 1]);
    let (format, rest) = bytes.expose_mut().split_first_mut().ok_or(Reason::General)?;
    *format = number;
    postcard::to_slice(value, rest).map_err(general)?;
    Ok(bytes)
}

fn decode<T: serde::de::DeserializeOwned>(format: u8, bytes: &Secret) -> Result<T> {
    let damaged = || Reason::StoreDamaged.detail("a record's content does not parse");
    match bytes.expose().split_first() {
        Some((number, rest)) if *number == format => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            _ => Err(damaged()),
        },
        _ => Err(damaged()),
    }
}

fn general(cause: postcard::Error) -> crate::error::Error {
    Reason::General.detail(cause)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            alias: "payroll".into(),
            identifier: vec![1, 2],
            description: String::new(),
            class: 4,
            key_type: 0x1F,
            bits: 256,
            created_at: 1_700_000_000,
            own_expiry: Some(OwnExpiry { due: Due::After(90), action: ExpiryAction::Erase }),
            rotation_days: 0,
            rotation_from: 0,
            bindings: Vec::new(),
        }
    }

    #[test]
    fn metadata_is_byte_for_byte_what_the_format_says() {
        let expected = [
            &[1, 7][..],
            b"payroll",
            &[2, 1, 2, 0, 4, 0x1F, 0x80, 2, 0x80, 0xE2, 0xCF, 0xAA, 6, 1, 1, 90, 0, 0],
        ]
        .concat();
        assert_eq!(metadata().encode().unwrap().expose(), expected);
        assert_eq!(Metadata::decode(&Secret::new(expected)).unwrap(), metadata());
    }

    #[test]
    fn bonds_follow_the_rest_of_the_metadata() {
        let bound = Metadata { bindings: vec![(0x105, vec![0])], ..metadata() };
        let mut expected = metadata().encode().unwrap().expose().to_vec();
        expected[0] = 2;
        expected.extend_from_slice(&[1, 0x85, 2, 1, 0]);
        assert_eq!(bound.encode().unwrap().expose(), expected);
        assert_eq!(Metadata::decode(&Secret::new(expected.clone())).unwrap(), bound);
        for cut in 0..expected.len() {
            assert!(Metadata::decode(&Secret::from(expected.split_at(cut).0)).is_err());
        }
    }

    #[test]
    fn a_body_is_byte_for_byte_what_the_format_says() {
        let body =
            Body { attributes: vec![(0x104, vec![1]), (3, b"k".to_vec())], material: vec![9, 8] };
        let expected = vec![1, 2, 0x84, 2, 1, 1, 3, 1, b'k', 2, 9, 8];
        assert_eq!(body.encode().unwrap().expose(), expected);
        let read = Body::decode(&Secret::new(expected)).unwrap();
        assert_eq!((&read.attributes, &read.material), (&body.attributes, &body.material));
    }

    #[test]
    fn what_is_cut_or_longer_does_not_parse() {
        let whole = metadata().encode().unwrap();
        let longer = [whole.expose(), &[0]].concat();
        assert!(Metadata::decode(&Secret::new(longer)).is_err());
        for cut in 0..whole.len() {
            assert!(Metadata::decode(&Secret::from(whole.expose().split_at(cut).0)).is_err());
        }
    }

    #[test]
    fn each_kind_of_own_expiry_has_its_byte() {
        use ExpiryAction::{Erase, ReadOnly};
        for (byte, due, action) in [
            (0, Due::At(90), Erase),
            (1, Due::After(90), Erase),
            (2, Due::At(90), ReadOnly),
            (3, Due::After(90), ReadOnly),
        ] {
            let own_expiry = Some(OwnExpiry { due, action });
            let written = Metadata { own_expiry, ..metadata() }.encode().unwrap();
            assert!(written.expose().ends_with(&[1, byte, 90, 0, 0]), "{:?}", written.expose());
            assert_eq!(Metadata::decode(&written).unwrap().own_expiry, own_expiry);
        }
    }

    #[test]
    fn an_own_expiry_counts_from_each_import() {
        let at = |due, clock| OwnExpiry { due, action: ExpiryAction::Erase }.of_import(clock).at;
        assert_eq!(at(Due::At(50), 1000), 50);
        assert_eq!((at(Due::After(50), 1000), at(Due::After(50), 2000)), (1050, 2050));
        assert_eq!(at(Due::After(u64::MAX), 1000), u64::MAX);
    }
}
