//! The properties of custom keys: one row each, in the order of the metadata's JSON.
//!
//! Everything else follows from the rows: the templates that give an attribute, the objects that show it,
//! the JSON that has it and can give it, what setting it does, and whether objects are found by it. A new
//! property is its number in [`super::vendor`] and `include/keystead.h`, its row here, its home in
//! [`Metadata`], and its tests.

use super::kinds::{kind, rotates_on_schedule};
use super::property::{MATERIAL, METADATA, Property, Read, SetBy, Value};
use super::rule::{ALL, DATA};
use super::rule::{
    COPY, CREATE, Changeable, GENERATE, HIDDEN, Initial, MADE, NEVER, PRIVATE, PUBLIC, Rule,
    UNWRAP, ValueForm, row,
};
use super::vendor::*;
use super::words;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{Due, Event, ExpiryAction, Metadata, Origin, OwnExpiry};
use crate::text::{MAX_TEXT, escaped};
use Changeable::{Free, Never};
use Read::{Current, Sealed};
use ValueForm::{Flag, Number, Text};
use pkcs11_sys::{CKA_ID, CKA_LABEL};

/// The number of days that a schedule may leave between rotations.
pub const ROTATION_DAYS: std::ops::RangeInclusive<u64> = 30..=365;

const BOTH: u8 = METADATA | MATERIAL;
const ON_KEYS: u8 = DATA | HIDDEN;

/// A row of one of Keystead's own attributes.
macro_rules! own {
    ($kind:ident, $form:expr, $classes:expr, $given:expr, $change:expr) => {
        Property {
            name: stringify!($kind),
            kind: Some($kind),
            rule: Some(row($kind, $form, $classes, $given, $change, Initial::Absent)),
            ..Property::new()
        }
    };
}

/// A row of one of the specification's attributes.
macro_rules! standard {
    ($kind:ident) => {
        Property { name: stringify!($kind), kind: Some($kind), ..Property::new() }
    };
}

/// The table.
pub const PROPERTIES: &[Property] = &[
    Property {
        json: Some("key_id"),
        shown: BOTH,
        read: Sealed(|_, id| Value::Text(id.to_string())),
        searched: true,
        ..own!(CKA_KEYSTEAD_KEY_ID, Text(36), ALL, MADE, Never)
    },
    Property {
        json: Some("alias"),
        shown: METADATA,
        read: Sealed(|metadata, id| Value::Name(metadata.name(id))),
        set: SetBy::Sealed(|metadata, id, value| {
            metadata.rename(id, value);
            Ok(())
        }),
        searched: true,
        ..standard!(CKA_LABEL)
    },
    // Programs show a label in the place of a certificate's name: a key without a name of its own has none there.
    Property {
        shown: MATERIAL,
        read: Sealed(|metadata, id| Value::Name(metadata.given_name(id).to_vec())),
        searched: true,
        ..standard!(CKA_LABEL)
    },
    Property { json: Some("alias_hex"), read: Sealed(alias_hex), ..Property::new() },
    Property {
        json: Some("description"),
        shown: BOTH,
        read: Sealed(|metadata, _| Value::Text(metadata.description.clone())),
        set: SetBy::Sealed(|metadata, _, value| {
            metadata.description = text(value)?;
            Ok(())
        }),
        ..own!(CKA_KEYSTEAD_DESCRIPTION, Text(MAX_TEXT), ON_KEYS, MADE, Free)
    },
    // The metadata object has no CKA_ID of its own.
    Property {
        json: Some("id"),
        shown: MATERIAL,
        read: Sealed(|metadata, _| Value::Bytes(metadata.identifier.clone())),
        set: SetBy::Sealed(|metadata, _, value| {
            metadata.identifier = value.to_vec();
            Ok(())
        }),
        searched: true,
        ..standard!(CKA_ID)
    },
    Property {
        json: Some("key_type"),
        read: Current(|key| {
            let kind = kind(key.metadata.class, key.metadata.key_type)?;
            Ok(Value::Text(kind.called(key.metadata.bits).to_owned()))
        }),
        ..Property::new()
    },
    Property {
        json: Some("key_bits"),
        read: Sealed(|metadata, _| Value::Number(Some(metadata.bits))),
        ..Property::new()
    },
    Property {
        json: Some("origin"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Word(words::origin(key.state.origin)))),
        ..own!(CKA_KEYSTEAD_ORIGIN, Number, ON_KEYS, CREATE, Never)
    },
    Property {
        json: Some("status"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Word(words::status(key.state.status())))),
        set: SetBy::Event(|number| match number {
            STATUS_ENABLED => Ok(Event::Enable(true)),
            STATUS_DISABLED => Ok(Event::Enable(false)),
            _ => Err(Reason::AttributeValue.detail("CKA_KEYSTEAD_STATUS can be set to 2 and 3")),
        }),
        ..own!(CKA_KEYSTEAD_STATUS, Number, ON_KEYS, NEVER, Free)
    },
    Property {
        json: Some("enabled"),
        read: Current(|key| Ok(Value::Flag(key.state.enabled))),
        ..Property::new()
    },
    Property {
        json: Some("material"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Word(words::material(key.state.material)))),
        ..own!(CKA_KEYSTEAD_MATERIAL_STATE, Number, ON_KEYS, NEVER, Never)
    },
    Property {
        json: Some("material_version"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Number(Some(key.version.into())))),
        ..own!(CKA_KEYSTEAD_MATERIAL_VERSION, Number, ON_KEYS, NEVER, Never)
    },
    Property {
        json: Some("created"),
        shown: BOTH,
        read: Sealed(|metadata, _| Value::Moment(Some(metadata.created_at))),
        ..own!(CKA_KEYSTEAD_CREATED_AT, Number, ON_KEYS, NEVER, Never)
    },
    Property {
        json: Some("expires"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Moment(key.state.expiry.map(|expiry| expiry.at)))),
        ..own!(CKA_KEYSTEAD_EXPIRES_AT, Number, ALL, MADE, Never)
    },
    Property {
        json: Some("expiry_action"),
        shown: BOTH,
        read: Current(|key| Ok(action(key.state.expiry.map(|expiry| expiry.action)))),
        ..own!(CKA_KEYSTEAD_EXPIRY_ACTION, Number, ALL, MADE, Never)
    },
    Property {
        json: Some("next_import_expires"),
        read: Sealed(|metadata, _| match metadata.own_expiry {
            Some(OwnExpiry { due: Due::At(at), .. }) => Value::Moment(Some(at)),
            _ => Value::Moment(None),
        }),
        ..Property::new()
    },
    Property {
        json: Some("next_import_expires_in_seconds"),
        read: Sealed(|metadata, _| match metadata.own_expiry {
            Some(OwnExpiry { due: Due::After(seconds), .. }) => Value::Number(Some(seconds)),
            _ => Value::Number(None),
        }),
        ..Property::new()
    },
    Property {
        json: Some("next_import_expiry_action"),
        read: Sealed(|metadata, _| action(metadata.own_expiry.map(|own| own.action))),
        ..Property::new()
    },
    Property {
        json: Some("rotation_days"),
        shown: BOTH,
        read: Sealed(|metadata, _| {
            let days = Some(metadata.rotation_days).filter(|days| *days != 0);
            Value::Number(days.map(u64::from))
        }),
        set: SetBy::Judged(schedule),
        ..own!(CKA_KEYSTEAD_ROTATION_DAYS, Number, ON_KEYS, GENERATE, Free)
    },
    Property {
        json: Some("next_rotation"),
        read: Sealed(|metadata, _| Value::Moment(metadata.rotation_due())),
        ..Property::new()
    },
    Property {
        json: Some("deletion"),
        shown: BOTH,
        read: Current(|key| Ok(Value::Moment(key.state.deletion_at))),
        set: SetBy::Event(|at| Ok(Event::ScheduleDeletion(Some(at).filter(|at| *at != 0)))),
        ..own!(CKA_KEYSTEAD_DELETION_AT, Number, ON_KEYS, NEVER, Free)
    },
    Property {
        json: Some("private"),
        read: Current(|key| Ok(Value::Flag(key.private))),
        ..Property::new()
    },
    own!(CKA_KEYSTEAD_CUSTODY, Flag, HIDDEN, MADE | COPY, Never),
    // An attribute of the pair's own.
    own!(CKA_KEYSTEAD_IMPORT_ONLY, Flag, PUBLIC | PRIVATE, GENERATE, Never),
    own!(CKA_KEYSTEAD_KEY_BITS, Number, HIDDEN, UNWRAP, Never),
];

const _: () = assert!(searched_are_sealed(), "what is searched is read from what is sealed alone");

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn searched_are_sealed() -> bool {
    let mut at = 0;
    while at < PROPERTIES.len() {
        if PROPERTIES[at].searched && !matches!(PROPERTIES[at].read, Sealed(_)) {
            return false;
        }
        at += 1;
    }
    true
}

/// The number of rows with a rule of their own.
pub(super) const RULES: usize = count_rules();

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn count_rules() -> usize {
    let (mut at, mut count) = (0, 0);
    while at < PROPERTIES.len() {
        count += PROPERTIES[at].rule.is_some() as usize;
        at += 1;
    }
    count
}

/// Returns whether objects are found by an attribute because it is a property that is searched.
pub(crate) fn is_searched(kind: u64) -> bool {
    PROPERTIES.iter().any(|property| property.searched && property.kind == Some(kind))
}

/// Returns the effect of setting an attribute of a custom key; [`SetBy::Never`] for one that is no property.
pub(crate) fn setter(kind: u64) -> SetBy {
    let mut rows = PROPERTIES.iter().filter(|property| property.kind == Some(kind));
    rows.find(|row| !matches!(row.set, SetBy::Never)).map_or(SetBy::Never, |row| row.set)
}

/// Returns the searched properties that material shows, with their values.
pub(crate) fn searched_on_material(
    metadata: &Metadata,
    id: Id,
) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let shown = |row: &&Property| row.searched && row.shown & MATERIAL != 0;
    PROPERTIES.iter().filter(shown).filter_map(move |row| match row.read {
        Sealed(read) => Some((row.kind?, read(metadata, id).attribute()?)),
        Current(_) | Read::Nothing => None,
    })
}

/// Returns the searched properties of a custom key that this build knows nothing of, with their values: they
/// came with a later one, and objects go on being found by them.
pub(crate) fn searched_unknown(metadata: &Metadata) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let known = |number| PROPERTIES.iter().any(|property| property.kind == Some(number));
    let unknown = metadata.numbered.iter().filter(move |it| it.searched && !known(it.number));
    unknown.map(|it| (it.number, it.value.clone()))
}

/// Gives a custom key what a template or JSON has for it. What is no property that its metadata takes, or
/// is empty, says nothing.
pub(crate) fn give<'a>(
    metadata: &mut Metadata,
    id: Id,
    given: impl IntoIterator<Item = (u64, &'a [u8])>,
) -> Result<()> {
    for (kind, value) in given {
        if let (SetBy::Sealed(set), false) = (setter(kind), value.is_empty()) {
            set(metadata, id, value)?;
        }
    }
    Ok(())
}

/// Returns the form and the attribute of a property that JSON can give as text.
pub(crate) fn text_in_json(member: &str) -> Option<(u64, usize)> {
    let row = PROPERTIES.iter().find(|row| row.json == Some(member))?;
    match (row.rule?, row.set) {
        (Rule { kind, form: Text(most), .. }, SetBy::Sealed(_)) => Some((kind, most)),
        _ => None,
    }
}

/// Returns the days between rotations that a number stands for; 0 is none.
pub(crate) fn rotation_days(number: u64) -> Result<u16> {
    let wrong = || Reason::AttributeValue.detail("CKA_KEYSTEAD_ROTATION_DAYS is 0, or 30 to 365");
    match number == 0 || ROTATION_DAYS.contains(&number) {
        true => u16::try_from(number).map_err(|_| wrong()),
        false => Err(wrong()),
    }
}

/// Sets or ends a schedule of rotations, counted from now.
fn schedule(metadata: &mut Metadata, (origin, now): (Origin, Seconds), number: u64) -> Result<()> {
    let days = rotation_days(number)?;
    if days != 0 && !rotates_on_schedule(metadata, origin) {
        return Err(Reason::ActionProhibited.detail("only generated AES keys have a schedule"));
    }
    if metadata.rotation_days == 0 {
        metadata.rotation_from = now;
    }
    metadata.rotation_days = days;
    Ok(())
}

/// Returns the alias's bytes, where the alias shows them escaped.
fn alias_hex(metadata: &Metadata, id: Id) -> Value {
    let name = metadata.name(id);
    match escaped(&name).as_bytes() == name {
        true => Value::Absent,
        false => Value::Bytes(name),
    }
}

/// Returns the action at an expiry. The attribute of a key that never expires says that it would be erased.
pub(super) fn action(action: Option<ExpiryAction>) -> Value {
    match action {
        Some(action) => Value::Word(words::action(action)),
        None => Value::Unspoken(ACTION_ERASE),
    }
}

fn text(value: &[u8]) -> Result<String> {
    String::from_utf8(value.to_vec()).map_err(|_| Error::from(Reason::AttributeValue))
}
