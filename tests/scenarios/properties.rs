//! Every row of the table of properties, from outside: where it is shown, who sets it, by what objects are
//! found; and properties that this build does not know.

use crate::rig::raw::Raw;
use crate::rig::token::{Token, USER_PIN, aes_material};
use crate::rig::world::now;
use crate::rig::wrap::Courier;
use crate::rig::{
    CREATED_AT, DELETION_AT, DESCRIPTION, DISABLED, EXPIRY_ACTION, ROTATION_DAYS, STATUS,
    expires_at, for_key, kind, number, play, refused,
};
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectHandle};
use keystead::internal::id::Id;
use keystead::internal::key::{Event, Header, Metadata, Numbered};
use keystead::internal::object::properties::PROPERTIES;
use keystead::internal::object::property::{MATERIAL, METADATA, Property, SetBy};
use keystead::internal::object::rule::ValueForm;
use keystead::internal::wire::{Change, Stored};
use pkcs11_sys::{CKA_ID, CKA_LABEL};
use serde_json::Value;
use std::collections::BTreeSet;

/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;
/// A label that JSON shows escaped, so that every member is there.
const ODD: &[u8] = b"\xffodd";
/// A number that no property of this build has.
const LATER: u64 = 0x804B_53FF;

#[test]
fn every_property_is_shown_by_the_objects_and_in_the_json_that_its_row_names() {
    play(|world| {
        let token = world.token();
        for key in [imported(&token, &[]), generated(&token)] {
            let metadata = token.metadata(&token.key_of(key));
            for row in PROPERTIES.iter().filter(|row| row.rule.is_some()) {
                for (object, bit) in [(metadata, METADATA), (key, MATERIAL)] {
                    let shows = has(&token, object, row);
                    assert_eq!(shows, row.shown & bit != 0, "{} {bit}", row.name);
                }
            }
            let json = token.json(&token.key_of(key));
            let members: Vec<&str> = PROPERTIES.iter().filter_map(|row| row.json).collect();
            assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), members);
            for row in PROPERTIES.iter().filter(|row| row.rule.is_some()) {
                if let Some(member) = row.json {
                    let bytes = token.bytes(metadata, attribute_type(row));
                    assert!(agree(&bytes, &json[member]), "{} {bytes:?} {json}", row.name);
                }
            }
        }
    });
}

#[test]
fn every_property_is_set_through_both_objects_or_through_none_as_its_row_says() {
    play(|world| {
        let token = world.token();
        let kinds: BTreeSet<u64> = PROPERTIES.iter().filter_map(|row| row.kind).collect();
        for kind in kinds {
            let mut rows = PROPERTIES.iter().filter(|row| row.kind == Some(kind));
            let is_set = rows.clone().any(|row| !matches!(row.set, SetBy::Never));
            let row = rows.next().unwrap();
            let key = generated(&token);
            let metadata = token.metadata(&token.key_of(key));
            for object in [metadata, key] {
                // No metadata has a CKA_ID.
                if !has(&token, object, row) && kind != CKA_LABEL {
                    continue;
                }
                let other = other_value(row);
                let done = token.update_attributes(object, &[asked(kind, &other)]);
                if !is_set {
                    refused(done, RvError::AttributeReadOnly);
                    continue;
                }
                done.unwrap_or_else(|error| panic!("{}: {error}", row.name));
                for shows in [metadata, key].into_iter().filter(|it| has(&token, *it, row)) {
                    assert_eq!(token.bytes(shows, attribute_type(row)), other, "{}", row.name);
                }
                if kind == DELETION_AT {
                    token.update_attributes(object, &[number(DELETION_AT, 0)]).unwrap();
                }
            }
        }
    });
}

#[test]
fn objects_are_found_by_every_property_and_unopened_by_those_that_are_searched() {
    play(|world| {
        let token = world.token();
        let key = imported(&token, &[Attribute::Private(false)]);
        let metadata = token.metadata(&token.key_of(key));
        let mut agent = Raw::connect(world);
        agent.login(false, USER_PIN).unwrap();
        let public = agent.public_key();
        for (object, bit) in [(metadata, METADATA), (key, MATERIAL)] {
            let header = header(&mut agent, &token, object);
            for row in PROPERTIES.iter().filter(|row| row.shown & bit != 0) {
                let kind = row.kind.unwrap();
                let value = token.bytes(object, attribute_type(row));
                let found = token.find_objects(&[asked(kind, &value), Attribute::Token(true)]);
                assert!(found.unwrap().contains(&object), "{}", row.name);
                let tagged = header.tags.contains(&public.tag(kind, &value).unwrap());
                assert_eq!(tagged, row.searched, "{} {bit}", row.name);
            }
        }
    });
}

#[test]
fn a_property_of_a_later_build_survives_a_rename_and_an_import_and_is_found_as_before() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let key = imported(&token, &[Attribute::Private(false)]);
        let id = token.key_of(key);
        let mut agent = Raw::connect(world);
        agent.login(false, USER_PIN).unwrap();
        let of_later = [(LATER, true, &b"team"[..]), (LATER + 1, false, b"x")];
        let numbered = of_later.map(|(number, searched, value)| Numbered {
            number,
            searched,
            value: value.to_vec(),
        });
        let stored = record(&mut agent, &id);
        agent.commit(vec![written_by_later(&agent, &stored, &numbered)]).unwrap();
        let kept = |agent: &mut Raw, objects: &[Id]| {
            let stored = record(agent, &id);
            let metadata = Metadata::decode(&agent.opened(&stored)).unwrap();
            assert_eq!(metadata.numbered, numbered);
            assert_eq!(agent.find(Some((LATER, b"team"))), objects);
            assert!(agent.find(Some((LATER + 1, b"x"))).is_empty());
        };
        let material = Id::parse(&token.bytes(key, AttributeType::UniqueId)).unwrap();
        let both = [Id::parse(id.as_bytes()).unwrap(), material];
        token.update_attributes(key, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
        kept(&mut agent, &both);
        let given = [for_key(&id), expires_at(now() + 900), Attribute::Private(false)];
        let again = [&aes_material()[..], &given].concat();
        courier.import(&token, &[5; 32], &again).unwrap();
        kept(&mut agent, &both);
        token.destroy_object(key).unwrap();
        kept(&mut agent, &both[..1]);
        let back = courier.import(&token, &[5; 32], &again).unwrap();
        let material = Id::parse(&token.bytes(back, AttributeType::UniqueId)).unwrap();
        kept(&mut agent, &[both[0], material]);
        assert_eq!(token.text(back, AttributeType::Label), "renamed");
    });
}

/// The change by which a later build writes a custom key's record.
fn written_by_later(agent: &Raw, stored: &Stored, numbered: &[Numbered]) -> Change {
    let metadata = Metadata::decode(&agent.opened(stored)).unwrap();
    let metadata = Metadata { numbered: numbered.to_vec(), ..metadata };
    let body = metadata.encode().unwrap();
    let event = Event::Describe.encode().unwrap();
    Change { event, ..agent.forged(stored, body.expose()) }
}

/// A custom key with imported material, and with all that an import can give.
fn imported(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let given = [
        Attribute::Label(ODD.to_vec()),
        Attribute::Id(b"id".to_vec()),
        Attribute::VendorDefined((kind(DESCRIPTION), b"for tests".to_vec())),
        expires_at(now() + 800),
        number(EXPIRY_ACTION, READ_ONLY),
    ];
    let template = [&aes_material()[..], &given, more].concat();
    Courier::new(token).import(token, &[5; 32], &template).unwrap()
}

fn generated(token: &Token) -> ObjectHandle {
    token.generate_aes(&[
        Attribute::Token(true),
        Attribute::Label(ODD.to_vec()),
        Attribute::Id(b"made".to_vec()),
        number(ROTATION_DAYS, 90),
    ])
}

/// A value that the property of a fresh key does not have, and that can be set where any can.
fn other_value(row: &Property) -> Vec<u8> {
    match (row.kind.unwrap(), row.rule.map(|rule| rule.form)) {
        (STATUS, _) => DISABLED.to_ne_bytes().to_vec(),
        (ROTATION_DAYS, _) => 30_u64.to_ne_bytes().to_vec(),
        (DELETION_AT, _) => (now() + 8 * 86_400).to_ne_bytes().to_vec(),
        (CREATED_AT, _) => 1_u64.to_ne_bytes().to_vec(),
        (CKA_LABEL | CKA_ID, _) | (_, Some(ValueForm::Text(_))) => b"another text".to_vec(),
        (_, Some(ValueForm::Flag)) => vec![1],
        _ => 77_u64.to_ne_bytes().to_vec(),
    }
}

/// The attribute and the member say the same.
fn agree(bytes: &[u8], member: &Value) -> bool {
    let number = || u64::from_ne_bytes(bytes.try_into().unwrap());
    match member {
        Value::String(text) if text.as_bytes() == bytes => true,
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => moment.as_second() == i64::try_from(number()).unwrap(),
            Err(_) => (1..=5).contains(&number()),
        },
        Value::Null => number() <= 1,
        member => member.as_u64() == Some(number()),
    }
}

fn has(token: &Token, object: ObjectHandle, row: &Property) -> bool {
    let info = token.get_attribute_info(object, &[attribute_type(row)]).unwrap();
    matches!(info[..], [AttributeInfo::Available(_)])
}

fn attribute_type(row: &Property) -> AttributeType {
    match row.kind.unwrap() {
        CKA_LABEL => AttributeType::Label,
        CKA_ID => AttributeType::Id,
        number => kind(number),
    }
}

fn asked(kind: u64, value: &[u8]) -> Attribute {
    match kind {
        CKA_LABEL => Attribute::Label(value.to_vec()),
        CKA_ID => Attribute::Id(value.to_vec()),
        number => Attribute::VendorDefined((crate::rig::kind(number), value.to_vec())),
    }
}

fn header(agent: &mut Raw, token: &Token, object: ObjectHandle) -> Header {
    let id = Id::parse(&token.bytes(object, AttributeType::UniqueId)).unwrap();
    Header::decode(&agent.read(id).unwrap().0.header).unwrap()
}

fn record(agent: &mut Raw, key: &str) -> Stored {
    agent.read(Id::parse(key.as_bytes()).unwrap()).unwrap().0
}
