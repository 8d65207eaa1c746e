//! The form of a row in the table of properties ([`super::properties`]), and of the values it shows.

use super::attributes;
use super::rule::Rule;
use super::words::Word;
use crate::clock::{Seconds, exact_timestamp};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Event, KeyState, Metadata, Origin};
use crate::text::{escaped, hex};
use serde_json::Value as Json;

/// One property of a custom key.
#[derive(Clone, Copy)]
pub struct Property {
    /// The name of its attribute; empty where it has none.
    pub name: &'static str,
    /// The number of its attribute.
    pub kind: Option<u64>,
    /// The rule of its attribute, if that is Keystead's own: the specification's stand in
    /// [`super::rules`].
    pub rule: Option<Rule>,
    /// Its member of the metadata's JSON.
    pub json: Option<&'static str>,
    /// The objects that show its attribute: [`METADATA`] and [`MATERIAL`].
    pub shown: u8,
    /// Its value.
    pub read: Read,
    /// The effect of setting its attribute.
    pub set: SetBy,
    /// Set where objects are found by it without being opened. Only what is read from the metadata alone
    /// can be.
    pub searched: bool,
}

/// The metadata object shows the attribute.
pub const METADATA: u8 = 1;

/// The material object shows the attribute.
pub const MATERIAL: u8 = 2;

/// The source of a property's value.
#[derive(Clone, Copy)]
pub enum Read {
    /// No source: the property only stands in templates.
    Nothing,
    /// The sealed metadata. The value changes with its record only.
    Sealed(fn(&Metadata, Id) -> Value),
    /// The custom key at one moment.
    Current(fn(&CustomKeyView<'_>) -> Result<Value>),
}

/// The effect of setting a property's attribute.
#[derive(Clone, Copy)]
pub enum SetBy {
    /// No effect: it is never set.
    Never,
    /// The metadata takes the value. A template or JSON that makes a custom key can give it as well, where
    /// the rule and the row have it.
    Sealed(fn(&mut Metadata, Id, &[u8]) -> Result<()>),
    /// The metadata takes the value, if the key's origin allows it at that moment.
    Judged(fn(&mut Metadata, (Origin, Seconds), u64) -> Result<()>),
    /// The number asks for an event.
    Event(fn(u64) -> Result<Event>),
}

/// A custom key at one moment.
pub struct CustomKeyView<'a> {
    /// Its key ID.
    pub id: Id,
    /// Its names and purpose.
    pub metadata: &'a Metadata,
    /// Its state, narrowed to the moment.
    pub state: KeyState,
    /// The version of the material that shows it; the newest on the metadata.
    pub version: u32,
    /// Set where its metadata is hidden without a login.
    pub private: bool,
}

/// A property's value, in the form of an attribute and of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: neither attribute nor member.
    Absent,
    /// Text.
    Text(String),
    /// A name of any bytes, escaped in JSON (see [`escaped`]) so that no two look the same.
    Name(Vec<u8>),
    /// Bytes, hexadecimal in JSON.
    Bytes(Vec<u8>),
    /// A `CK_BBOOL`.
    Flag(bool),
    /// A `CK_ULONG`; none is 0 and null.
    Number(Option<u64>),
    /// A state, by number and word.
    Word(Word),
    /// A number that nothing in JSON stands for: null.
    Unspoken(u64),
    /// A second since 1970 UTC, and a timestamp in JSON; none is 0 and null.
    Moment(Option<Seconds>),
}

impl Value {
    /// Returns the attribute's bytes, if there is a value.
    pub fn attribute(&self) -> Option<Vec<u8>> {
        let number = |number| attributes::number(number).to_vec();
        Some(match self {
            Self::Absent => return None,
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Name(bytes) | Self::Bytes(bytes) => bytes.clone(),
            Self::Flag(flag) => attributes::flag(*flag).to_vec(),
            Self::Number(value) | Self::Moment(value) => number(value.unwrap_or(0)),
            Self::Word(word) => number(word.number),
            Self::Unspoken(value) => number(*value),
        })
    }

    /// Returns the member's value, if there is one. Fails with `AttributeValue` for a time after the year
    /// 9999.
    pub fn json(&self) -> Result<Option<Json>> {
        Ok(Some(match self {
            Self::Absent => return Ok(None),
            Self::Text(text) => text.as_str().into(),
            Self::Name(bytes) => escaped(bytes).into(),
            Self::Bytes(bytes) => hex(bytes).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => (*number).into(),
            Self::Word(word) => word.text.into(),
            Self::Unspoken(_) | Self::Moment(None) => Json::Null,
            Self::Moment(Some(second)) => serde_json::to_value(exact_timestamp(*second)?)
                .map_err(|cause| Reason::General.detail(cause))?,
        }))
    }
}

impl Property {
    /// Returns the row of nothing yet: the rest of a row's literal.
    pub(super) const fn new() -> Self {
        Self {
            name: "",
            kind: None,
            rule: None,
            json: None,
            shown: 0,
            read: Read::Nothing,
            set: SetBy::Never,
            searched: false,
        }
    }

    /// Returns its value, of a key at one moment.
    pub fn value(&self, key: &CustomKeyView<'_>) -> Result<Value> {
        match self.read {
            Read::Nothing => Ok(Value::Absent),
            Read::Sealed(read) => Ok(read(key.metadata, key.id)),
            Read::Current(read) => read(key),
        }
    }
}
