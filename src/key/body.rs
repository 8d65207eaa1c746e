//! The sealed part of a record: what only a token key opens.
//!
//! # The sealed part, byte by byte (before sealing)
//!
//! One format byte, then in postcard's wire format:
//!
//! * a custom key's metadata, `0x03`: alias, identifier (bytes), description, class, key type, size in bits
//!   (0 while unknown), created (seconds), its own expiry as an option (0 at a moment, 1 so many
//!   seconds after each import, 2 and 3 the same with material that can only be read from then on; then
//!   the seconds), days between rotations, when the next of them is counted from (seconds); its bindings, as
//!   the attributes of an object; its numbered properties: how many, for each its number, whether objects
//!   are found by it (0 or 1), and its value. Formats `0x01`, without bindings and numbered properties, and
//!   `0x02`, without the latter, are read;
//! * material or an ordinary object, `0x01`: the number of attributes, for each its type and its value, then
//!   the material.
//!
//! A numbered property that a build does not know is kept as it is when the record is written again, and
//! so is the tag by which it is found: its number and its value are an attribute's.

use super::own_expiry::OwnExpiry;
use super::state::DAY;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The format of objects, and the first of metadata.
const OBJECT_FORMAT: u8 = 1;

/// The format of metadata with bindings.
const WITH_BINDINGS: u8 = 2;

/// The format of metadata with numbered properties, which is written.
const WITH_PROPERTIES: u8 = 3;

/// The names and purpose of a custom key: they stay when the material goes.
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
    /// The second in which the custom key came into being.
    pub created_at: Seconds,
    /// The expiry of every import that is given no other.
    pub own_expiry: Option<OwnExpiry>,
    /// Days between scheduled rotations; 0 none.
    pub rotation_days: u16,
    /// The second from which the next scheduled rotation is counted: that of the latest one, or of the
    /// schedule's setting.
    pub rotation_from: Seconds,
    /// The attributes that its material is bound to for good, as the border numbers them, since it was
    /// trusted: the same material is bound to them when it comes again.
    #[serde(skip)]
    pub bindings: Vec<(u64, Vec<u8>)>,
    /// The properties that have no field of their own.
    #[serde(skip)]
    pub numbered: Vec<Numbered>,
}

/// A property by the number of its attribute. Which ones there are is the border's to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered {
    /// The number of its attribute.
    pub number: u64,
    /// Set where objects are found by it.
    pub searched: bool,
    /// The attribute's value.
    pub value: Vec<u8>,
}

impl Metadata {
    /// Returns the metadata of a new custom key without a name: its key ID stands for alias and
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
            numbered: Vec::new(),
        }
    }

    /// Returns when the next version of the material is due, if there is a schedule.
    pub fn rotation_due(&self) -> Option<Seconds> {
        let days = Seconds::from(self.rotation_days);
        (days != 0).then(|| self.rotation_from.saturating_add(days * DAY))
    }

    /// Returns the name of the key of that ID: its alias, or else its ID.
    pub fn name(&self, id: Id) -> Vec<u8> {
        match self.given_name(id) {
            [] => id.to_string().into_bytes(),
            given => given.to_vec(),
        }
    }

    /// Returns the alias that the key of that ID was given; empty if it was given none.
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

    /// Returns the bytes to seal.
    pub fn encode(&self) -> Result<Secret> {
        encode(WITH_PROPERTIES, &(self, &self.bindings, &self.numbered))
    }

    /// Reads [`Self::encode`]'s bytes back, and those of earlier formats.
    pub fn decode(bytes: &Secret) -> Result<Self> {
        match bytes.expose().first() {
            Some(&WITH_PROPERTIES) => {
                let (metadata, bindings, numbered) =
                    decode::<(Self, _, _)>(WITH_PROPERTIES, bytes)?;
                Ok(Self { bindings, numbered, ..metadata })
            }
            Some(&WITH_BINDINGS) => {
                let (metadata, bindings) = decode::<(Self, _)>(WITH_BINDINGS, bytes)?;
                Ok(Self { bindings, ..metadata })
            }
            _ => decode(OBJECT_FORMAT, bytes),
        }
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
    /// Returns the bytes to seal.
    pub fn encode(&self) -> Result<Secret> {
        encode(OBJECT_FORMAT, self)
    }

    /// Reads [`Self::encode`]'s bytes back.
    pub fn decode(bytes: &Secret) -> Result<Self> {
        decode(OBJECT_FORMAT, bytes)
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
    use crate::key::{Due, ExpiryAction};

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
            numbered: Vec::new(),
        }
    }

    /// Returns the bytes that every format has in common.
    fn fixed_part() -> Vec<u8> {
        let rest = [2, 1, 2, 0, 4, 0x1F, 0x80, 2, 0x80, 0xE2, 0xCF, 0xAA, 6, 1, 1, 90, 0, 0];
        [&[7][..], b"payroll", &rest].concat()
    }

    fn read(format: u8, parts: &[&[u8]]) -> Result<Metadata> {
        let bytes = [&[format][..], &fixed_part(), &parts.concat()].concat();
        Metadata::decode(&Secret::new(bytes))
    }

    #[test]
    fn metadata_is_byte_for_byte_what_the_format_says() {
        let whole = Metadata {
            bindings: vec![(0x105, vec![0])],
            numbered: vec![
                Numbered { number: 0x804B_530E, searched: true, value: b"ops".to_vec() },
                Numbered { number: 5, searched: false, value: Vec::new() },
            ],
            ..metadata()
        };
        let bindings = [1, 0x85, 2, 1, 0];
        let numbered = [2, 0x8E, 0xA6, 0xAD, 0x82, 8, 1, 3, b'o', b'p', b's', 5, 0, 0];
        let expected = [&[3][..], &fixed_part(), &bindings, &numbered].concat();
        assert_eq!(whole.encode().unwrap().expose(), expected);
        assert_eq!(Metadata::decode(&Secret::new(expected)).unwrap(), whole);
        let plain = [&[3][..], &fixed_part(), &[0, 0]].concat();
        assert_eq!(metadata().encode().unwrap().expose(), plain);
    }

    #[test]
    fn metadata_of_earlier_formats_is_read() {
        assert_eq!(read(1, &[]).unwrap(), metadata());
        let bound = Metadata { bindings: vec![(0x105, vec![0])], ..metadata() };
        assert_eq!(read(2, &[&[1, 0x85, 2, 1, 0]]).unwrap(), bound);
        assert!(read(1, &[&[0]]).is_err() && read(2, &[]).is_err());
        assert!(read(3, &[&[0]]).is_err() && read(4, &[&[0, 0]]).is_err());
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
            assert!(
                written.expose().ends_with(&[1, byte, 90, 0, 0, 0, 0]),
                "{:?}",
                written.expose()
            );
            assert_eq!(Metadata::decode(&written).unwrap().own_expiry, own_expiry);
        }
    }
}
