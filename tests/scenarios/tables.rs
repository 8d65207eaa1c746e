//! Every attribute of every kind of object, tried in every way in which an attribute is given or changed,
//! against the tables of the specification ([`super::specification`]).

use super::specification::{CUSTODY, Of, TABLES, Value, Way, deviation};
use super::workshop::{
    Faults, KINDS, Workshop, attributes, code, for_each_way, holds_template, number,
};
use crate::rig::play;
use crate::rig::token::aes_material;
use crate::rig::wrap::Courier;
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType};
use keystead::internal::object::rules::{self, Changeable, RULES};
use pkcs11_sys::*;
use std::collections::BTreeSet;

#[test]
fn the_codes_tables_are_the_specifications() {
    let mut faults = Faults::default();
    for kind in KINDS {
        for (of, row) in kind.rows() {
            let Some(rule) = rules::rule(row.kind, kind.class) else {
                faults.note(false, || format!("{}: no {}", kind.name, row.name));
                continue;
            };
            let told = |what| format!("{} of {}: {what}", row.name, kind.name);
            for (way, bit) in [
                (Way::Create, rules::CREATE),
                (Way::Generate, rules::GENERATE),
                (Way::Unwrap, rules::UNWRAP),
                (Way::Derive, rules::DERIVE),
            ] {
                let taken = row.answer(of, way).is_none();
                // An empty custom key is told its length; any other has that of its value.
                let empty = way == Way::Create && row.kind == CKA_VALUE_LEN;
                let elsewhere = !kind.ways.contains(&way) || empty;
                let fine = elsewhere || taken == (rule.given & bit != 0);
                faults.note(fine, || told(format!("given by {way:?}")));
            }
            let stays = matches!(rule.change, Changeable::Never | Changeable::Copying);
            let may_change = row.answer(of, Way::Set).is_none();
            faults.note(stays != may_change, || told(format!("changes: {:?}", rule.change)));
            faults.note(rule.secret == row.has(7), || told("is secret".into()));
            for (note, change) in
                [(10, Changeable::Officer), (11, Changeable::Rises), (12, Changeable::Falls)]
            {
                let fine = row.has(note) == (rule.change == change);
                faults.note(fine, || told(format!("changes: {:?}", rule.change)));
            }
        }
    }
    for rule in RULES.iter().filter(|rule| rule.kind < CKA_VENDOR_DEFINED) {
        let mut of_class = KINDS.iter().filter(|kind| {
            rules::class_bit(kind.class) & rule.classes != 0 && !kind.has(rule.kind)
        });
        let known = KINDS
            .iter()
            .any(|kind| rules::class_bit(kind.class) & rule.classes != 0 && kind.has(rule.kind));
        let first = of_class.next();
        faults.note(known || first.is_none(), || format!("{:#x} is in no table", rule.kind));
    }
}

#[test]
fn an_attribute_is_taken_where_its_footnotes_let_it_be_given() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for_each_way(&workshop, |kind, way| {
            let least = workshop.least(kind, way);
            for (of, row) in kind.tried(way) {
                let sample = workshop.sample(kind, row);
                let mut given = least.clone();
                given.retain(|(it, _)| *it != row.kind);
                given.push((row.kind, sample.clone()));
                let made = workshop.make(kind, way, &given);
                let told = |what: String| {
                    let why = deviation(of, row.kind, way).map_or("", |it| it.why);
                    format!("{way:?} {} {}: {what} {why}", kind.name, row.name)
                };
                faults.note(code(&made) == row.answer(of, way), || told(format!("{made:?}")));
                let shows = !row.has(7) && row.kind != CKA_CHECK_VALUE;
                if let (Ok(object), true) = (made, shows) {
                    let kept = workshop.is(object, row.kind, &sample);
                    faults.note(kept, || told("reads otherwise".into()));
                }
            }
        });
    });
}

#[test]
fn a_template_without_what_its_footnotes_ask_for_is_incomplete() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for_each_way(&workshop, |kind, way| {
            let note = match way {
                Way::Create => 1,
                Way::Generate => 3,
                Way::Unwrap => 5,
                _ => return,
            };
            for (_, row) in kind.rows().filter(|(_, row)| row.has(note)) {
                let mut given = workshop.least(kind, way);
                given.retain(|(it, _)| *it != row.kind);
                let code = code(&workshop.make(kind, way, &given));
                // 6.1.3 lets a token compute the public exponent; a class is needed for all (4.1.1).
                let computed = kind.class == CKO_PRIVATE_KEY && row.kind == CKA_PUBLIC_EXPONENT;
                let wanted = (!computed).then_some(RvError::TemplateIncomplete);
                let told = || format!("{way:?} {} without {}: {code:?}", kind.name, row.name);
                faults.note(code == wanted, told);
            }
        });
        let class = (CKA_CLASS, number(CKO_SECRET_KEY));
        let aes = KINDS.iter().find(|kind| kind.name == "AES key").unwrap();
        for way in [Way::Create, Way::Unwrap] {
            let mut given = workshop.least(aes, way);
            given.retain(|(kind, _)| *kind != class.0);
            let code = code(&workshop.make(aes, way, &given));
            let told = || format!("{way:?} without a class: {code:?}");
            faults.note(code == Some(RvError::TemplateIncomplete), told);
        }
    });
}

#[test]
fn a_value_of_another_form_is_a_wrong_value() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for_each_way(&workshop, |kind, way| {
            for (of, row) in kind.tried(way) {
                let wrong: &[u8] = match row.value {
                    Value::Flag(_) => &[2],
                    Value::Number(_) | Value::Mechanisms => &[1, 2, 3],
                    Value::Date => b"20311301",
                    _ => continue,
                };
                if row.answer(of, way).is_some() {
                    continue;
                }
                let mut given = workshop.least(kind, way);
                given.retain(|(it, _)| *it != row.kind);
                given.push((row.kind, wrong.to_vec()));
                let code = code(&workshop.make(kind, way, &given));
                let told = || format!("{way:?} {} {}: {code:?}", kind.name, row.name);
                faults.note(code == Some(RvError::AttributeValueInvalid), told);
            }
        });
    });
}

#[test]
fn an_attribute_that_an_object_of_its_kind_does_not_have_is_unknown() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        let all: BTreeSet<u64> =
            TABLES.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.kind)).collect();
        for kind in KINDS {
            let object = workshop.fresh(kind);
            for attribute in all.iter().filter(|attribute| !kind.has(**attribute)) {
                let template = holds_template(*attribute);
                let value = if template { Vec::new() } else { vec![0] };
                let foreign = vec![(*attribute, value)];
                let told =
                    |how: &str, code| format!("{how} {} {attribute:#x}: {code:?}", kind.name);
                for way in kind.ways {
                    let given = [workshop.least(kind, *way), foreign.clone()].concat();
                    let code = code(&workshop.make(kind, *way, &given));
                    let fine = code == Some(RvError::AttributeTypeInvalid);
                    faults.note(fine, || told(&format!("{way:?}"), code));
                }
                let foreign = attributes(&foreign);
                let set = code(&token.update_attributes(object, &foreign));
                let copy = code(&token.copy_object(object, &foreign));
                for (how, code) in [("set", set), ("copy", copy)] {
                    let fine = code == Some(RvError::AttributeTypeInvalid);
                    faults.note(fine, || told(how, code));
                }
                let kind_of = AttributeType::VendorDefined(*attribute);
                let read = token.get_attribute_info(object, &[kind_of]).unwrap();
                let fine = matches!(read[..], [AttributeInfo::TypeInvalid]);
                faults.note(fine, || format!("read {} {attribute:#x}: {read:?}", kind.name));
            }
        }
    });
}

#[test]
fn an_attribute_changes_and_differs_in_a_copy_where_its_footnotes_let_it() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for kind in KINDS {
            workshop.clear();
            for (of, row) in kind.rows() {
                let object = workshop.fresh(kind);
                let other = workshop.other(kind, row, object);
                let rises = row.has(10) && other == [1];
                for way in [Way::Copy, Way::Set] {
                    let change = attributes(&vec![(row.kind, other.clone())]);
                    let done = match way {
                        Way::Copy => token.copy_object(object, &change),
                        _ => token.update_attributes(object, &change).map(|()| object),
                    };
                    let wanted = match row.kind {
                        _ if rises => Some(RvError::AttributeReadOnly),
                        // 4.4: a private object has no public copy, and this one is private.
                        CKA_PRIVATE if way == Way::Copy && other == [0] => {
                            Some(RvError::TemplateInconsistent)
                        }
                        _ => row.answer(of, way),
                    };
                    let told = |what: String| {
                        format!("{way:?} {} {} to {other:?}: {what}", kind.name, row.name)
                    };
                    faults.note(code(&done) == wanted, || told(format!("{done:?}")));
                    let shows = !row.has(7) && row.kind != CKA_CHECK_VALUE;
                    if let (Ok(object), true) = (done, shows) {
                        let kept = workshop.is(object, row.kind, &other);
                        faults.note(kept, || told("reads otherwise".into()));
                    }
                }
            }
        }
    });
}

#[test]
fn a_flag_with_footnote_11_or_12_moves_one_way_only() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for kind in KINDS {
            for (_, row) in kind.rows().filter(|(_, row)| row.has(11) || row.has(12)) {
                let (from, to) = if row.has(11) { (0, 1) } else { (1, 0) };
                let set = |value: u8| attributes(&vec![(row.kind, vec![value])]);
                let object = workshop.fresh(kind);
                let told = |what| format!("{} of {}: {what}", row.name, kind.name);
                faults.note(workshop.is(object, row.kind, &[from]), || told("begins"));
                faults.note(token.update_attributes(object, &set(to)).is_ok(), || told("moves"));
                let back = code(&token.update_attributes(object, &set(from)));
                faults.note(back == Some(RvError::AttributeReadOnly), || told("moves back"));
                if row.kind != CKA_COPYABLE {
                    let copy = code(&token.copy_object(object, &set(from)));
                    faults.note(copy == Some(RvError::AttributeReadOnly), || told("by a copy"));
                }
            }
        }
    });
}

#[test]
fn what_has_footnote_7_is_told_of_a_readable_key_only() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for kind in KINDS {
            for (_, row) in kind.rows().filter(|(_, row)| row.has(7)) {
                let asked = [AttributeType::VendorDefined(row.kind)];
                for (more, readable) in [
                    (vec![], true),
                    (vec![(CKA_SENSITIVE, vec![1]), (CKA_EXTRACTABLE, vec![1])], false),
                    (vec![(CKA_SENSITIVE, vec![0]), (CKA_EXTRACTABLE, vec![0])], false),
                ] {
                    let given = [workshop.least(kind, Way::Create), more].concat();
                    let object = workshop.make(kind, Way::Create, &given).unwrap();
                    let told = token.get_attribute_info(object, &asked).unwrap();
                    let fine = match told[..] {
                        [AttributeInfo::Available(_)] => readable,
                        [AttributeInfo::Sensitive] => !readable,
                        _ => false,
                    };
                    faults.note(fine, || format!("{} of {}: {told:?}", row.name, kind.name));
                }
            }
        }
    });
}

#[test]
fn every_attribute_of_the_tables_can_be_read() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let mut faults = Faults::default();
        for_each_way(&workshop, |kind, way| {
            let object = workshop.make(kind, way, &workshop.least(kind, way)).unwrap();
            for (_, row) in kind.rows() {
                let asked = [AttributeType::VendorDefined(row.kind)];
                let told = token.get_attribute_info(object, &asked).unwrap();
                let fine = matches!(told[..], [AttributeInfo::Available(_)]);
                faults.note(fine, || format!("{way:?} {} {}: {told:?}", kind.name, row.name));
            }
        });
    });
}

/// The same of the two objects of a custom key on the token, where the rules of custody are stricter.
#[test]
fn a_custom_keys_attributes_change_as_the_tables_say_but_for_the_rules_of_custody() {
    play(|world| {
        let token = world.token();
        let workshop = Workshop::new(&token);
        let courier = Courier::new(&token);
        let mut faults = Faults::default();
        let aes = KINDS.iter().find(|kind| kind.name == "AES key").unwrap();
        let data = KINDS.iter().find(|kind| kind.name == "data").unwrap();
        let generated = || token.generate_aes(&[Attribute::Token(true)]);
        let mut next = 0;
        let mut imported = || {
            next += 1;
            courier.import(&token, &[next; 32], &aes_material()).unwrap()
        };
        for (of, row) in aes.rows().chain(data.rows()) {
            let is_data = of == Of::Data;
            let kind = if is_data { data } else { aes };
            for (origin, key) in [("generated", generated()), ("imported", imported())] {
                let object = if is_data { token.metadata(&token.key_of(key)) } else { key };
                let other = workshop.other(kind, row, object);
                let change = attributes(&vec![(row.kind, other.clone())]);
                let set = code(&token.update_attributes(object, &change));
                let copy = code(&token.copy_object(object, &change));
                let told =
                    |what, code| format!("{what} {origin} {} to {other:?}: {code:?}", row.name);
                faults.note(copy == Some(RvError::ActionProhibited), || told("copy", copy));
                let moved = row.has(11) && other == [0] || row.has(12) && other == [1];
                let ruled = CUSTODY.iter().find(|it| {
                    it.kind == row.kind
                        && it.of == of
                        && (it.of_imported_only <= (origin == "imported"))
                });
                let read_only = Some(RvError::AttributeReadOnly);
                let wanted = match ruled {
                    Some(_) => read_only,
                    None if moved || row.has(10) && other == [1] => read_only,
                    None => row.answer(of, Way::Set),
                };
                let why = ruled.map_or("", |it| it.why);
                faults.note(set == wanted, || format!("{} {why}", told("set", set)));
            }
        }
    });
}
