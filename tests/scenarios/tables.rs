//! Every attribute of every kind of object, tried in every way in which an attribute is given or changed,
//! against the tables of the specification ([`super::specification`]).

use super::specification::{BEYOND, Of, Row, TABLES, Value, Way, deviation};
use crate::rig::play;
use crate::rig::token::{SO_PIN, Token, USER_PIN, pin};
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use keystead::object::rules::{self, Change, RULES};
use pkcs11_sys::*;
use std::cell::RefCell;
use std::collections::BTreeSet;

const P256: &[u8] = &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];

type Given = Vec<(u64, Vec<u8>)>;

/// A kind of object.
struct Kind {
    name: &'static str,
    class: u64,
    /// 0 of what is no key.
    key_type: u64,
    tables: &'static [Of],
    ways: &'static [Way],
}

const EVERY_OBJECT: [Of; 2] = [Of::Object, Of::Storage];

const KINDS: &[Kind] = &[
    Kind { name: "data", class: CKO_DATA, key_type: 0, tables: &[Of::Data], ways: &[Way::Create] },
    Kind {
        name: "X.509 certificate",
        class: CKO_CERTIFICATE,
        key_type: 0,
        tables: &[Of::Certificate],
        ways: &[Way::Create],
    },
    Kind {
        name: "RSA public key",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_RSA,
        tables: &[Of::Key, Of::PublicKey, Of::RsaPublic],
        ways: &[Way::Create, Way::Generate],
    },
    Kind {
        name: "RSA private key",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_RSA,
        tables: &[Of::Key, Of::PrivateKey, Of::RsaPrivate],
        ways: &[Way::Create, Way::Generate, Way::Unwrap],
    },
    Kind {
        name: "EC public key",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_EC,
        tables: &[Of::Key, Of::PublicKey, Of::CurvePublic],
        ways: &[Way::Create, Way::Generate],
    },
    Kind {
        name: "EC private key",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_EC,
        tables: &[Of::Key, Of::PrivateKey, Of::CurvePrivate],
        ways: &[Way::Create, Way::Generate, Way::Unwrap],
    },
    Kind {
        name: "AES key",
        class: CKO_SECRET_KEY,
        key_type: CKK_AES,
        tables: &[Of::Key, Of::SecretKey, Of::Bytes],
        ways: &[Way::Create, Way::Generate, Way::Unwrap, Way::Derive],
    },
    Kind {
        name: "generic secret",
        class: CKO_SECRET_KEY,
        key_type: CKK_GENERIC_SECRET,
        tables: &[Of::Key, Of::SecretKey, Of::Bytes],
        ways: &[Way::Create, Way::Generate, Way::Unwrap, Way::Derive],
    },
];

impl Kind {
    fn rows(&self) -> impl Iterator<Item = (Of, &'static Row)> {
        let tables = TABLES.iter().filter(|(of, _)| self.is_in(*of));
        tables.flat_map(|(of, rows)| rows.iter().map(|row| (*of, row)))
    }

    /// The rows that are tried in a way. An RSA pair takes its time, and another pair does for what is no
    /// matter of RSA.
    fn tried(&self, way: Way) -> impl Iterator<Item = (Of, &'static Row)> {
        let slow = way == Way::Generate && self.key_type == CKK_RSA && self.class != CKO_SECRET_KEY;
        self.rows().filter(move |(of, _)| !slow || matches!(of, Of::RsaPublic | Of::RsaPrivate))
    }

    fn is_in(&self, table: Of) -> bool {
        EVERY_OBJECT.contains(&table) || self.tables.contains(&table)
    }

    fn has(&self, attribute: u64) -> bool {
        self.rows().any(|(_, row)| row.kind == attribute)
            || BEYOND.iter().any(|(class, kind, ..)| (*class, *kind) == (self.class, attribute))
    }
}

/// What there is to make objects of: one of each kind, which can be read, and how the others come.
struct Workshop<'a> {
    token: &'a Token,
    /// What is made lies in this session, and ends with it.
    session: RefCell<Session>,
    /// What follows from a key of each kind, and such a key wrapped, in the order of [`KINDS`].
    parts: Vec<Given>,
    wrapped: Vec<Vec<u8>>,
    by: ObjectHandle,
    agreed: Vec<u8>,
    base: ObjectHandle,
}

impl<'a> Workshop<'a> {
    fn new(token: &'a Token) -> Self {
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let by = token.generate_aes(&both);
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let exponent = Attribute::PublicExponent(vec![1, 0, 1]);
        let rsa = [Attribute::ModulusBits(2048.into()), exponent];
        let rsa = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &rsa, &open).unwrap();
        let curve = [Attribute::EcParams(P256.to_vec())];
        let ec = token.generate_key_pair(&Mechanism::EccKeyPairGen, &curve, &open).unwrap();
        let aes = token.generate_aes(&open);
        let generic = [Attribute::ValueLen(32.into()), open[0].clone(), open[1].clone()];
        let generic = token.generate_key(&Mechanism::GenericSecretKeyGen, &generic).unwrap();
        let keys = [rsa.0, rsa.1, ec.0, ec.1, aes, generic].map(Some);
        let keys = [None, None].into_iter().chain(keys);
        let (mut parts, mut wrapped) = (Vec::new(), Vec::new());
        for (kind, key) in KINDS.iter().zip(keys) {
            let wraps = kind.ways.contains(&Way::Unwrap);
            let wrap = |key| token.wrap_key(&Mechanism::AesKeyWrapPad, by, key).unwrap();
            parts.push(key.map(|key| read_all(token, key, kind)).unwrap_or_default());
            wrapped.push(key.filter(|_| wraps).map(wrap).unwrap_or_default());
        }
        let agreed = value_of(&parts[4], CKA_EC_POINT);
        let session = RefCell::new(token.another_session());
        Self { token, session, parts, wrapped, by, agreed, base: ec.1 }
    }

    /// Ends all that was made, which searches would pass over.
    fn clear(&self) {
        *self.session.borrow_mut() = self.token.another_session();
    }

    fn parts_of(&self, kind: &Kind) -> &Given {
        &self.parts[place(kind)]
    }

    /// What a template needs at least.
    fn least(&self, kind: &Kind, way: Way) -> Given {
        let of = |kinds: &[u64]| {
            let parts = self.parts_of(kind);
            kinds.iter().map(|it| (*it, value_of(parts, *it))).collect::<Given>()
        };
        let mut least = match way {
            Way::Generate => Given::new(),
            _ => vec![(CKA_CLASS, number(kind.class))],
        };
        if kind.tables.contains(&Of::Key) && way != Way::Generate {
            least.push((CKA_KEY_TYPE, number(kind.key_type)));
        }
        least.extend(match (way, kind.class, kind.key_type) {
            (Way::Create, CKO_CERTIFICATE, _) => vec![
                (CKA_CERTIFICATE_TYPE, number(CKC_X_509)),
                (CKA_SUBJECT, b"a subject".to_vec()),
                (CKA_VALUE, b"a certificate".to_vec()),
            ],
            (Way::Create, CKO_PUBLIC_KEY, CKK_RSA) => of(&[CKA_MODULUS, CKA_PUBLIC_EXPONENT]),
            (Way::Create, CKO_PRIVATE_KEY, CKK_RSA) => {
                of(&[CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT])
            }
            (Way::Create, CKO_PUBLIC_KEY, _) => of(&[CKA_EC_PARAMS, CKA_EC_POINT]),
            (Way::Create, CKO_PRIVATE_KEY, _) => of(&[CKA_EC_PARAMS, CKA_VALUE]),
            (Way::Create, CKO_SECRET_KEY, _) => of(&[CKA_VALUE]),
            (Way::Generate, CKO_PUBLIC_KEY, CKK_RSA) => vec![(CKA_MODULUS_BITS, number(2048))],
            (Way::Generate, CKO_PUBLIC_KEY, _) => vec![(CKA_EC_PARAMS, P256.to_vec())],
            (Way::Generate, CKO_SECRET_KEY, _) => vec![(CKA_VALUE_LEN, number(32))],
            _ => Vec::new(),
        });
        least
    }

    fn make(&self, kind: &Kind, way: Way, given: &Given) -> Result<ObjectHandle> {
        let template = attributes(given);
        let token = self.session.borrow();
        match way {
            Way::Create => token.create_object(&template),
            Way::Unwrap => {
                let blob = &self.wrapped[place(kind)];
                token.unwrap_key(&Mechanism::AesKeyWrapPad, self.by, blob, &template)
            }
            Way::Derive => {
                let ecdh = Ecdh1DeriveParams::new(EcKdf::null(), &self.agreed);
                token.derive_key(&Mechanism::Ecdh1Derive(ecdh), self.base, &template)
            }
            Way::Generate => generate(&token, kind, &template),
            Way::Copy | Way::Set => unreachable!("no way to make an object of nothing"),
        }
    }

    /// A fresh object of the kind, which may be changed and read.
    fn fresh(&self, kind: &Kind) -> ObjectHandle {
        self.make(kind, Way::Create, &self.least(kind, Way::Create)).unwrap()
    }

    /// Whether the object has this value: whether a search for it finds the object.
    fn is(&self, object: ObjectHandle, kind: u64, value: &[u8]) -> bool {
        self.token.has(object, kind, value)
    }

    /// A value of an attribute as the table has it, for an object like the workshop's own.
    fn sample(&self, kind: &Kind, row: &Row) -> Vec<u8> {
        match row.value {
            Value::Flag(flag) => vec![flag.into()],
            Value::Number(value) => number(value),
            Value::Bytes(value) | Value::Text(value) => value.to_vec(),
            Value::Date => b"20310102".to_vec(),
            Value::Mechanisms => number(CKM_AES_CBC),
            Value::Template => template(),
            Value::Own => match row.kind {
                CKA_CLASS => number(kind.class),
                CKA_KEY_TYPE => number(kind.key_type),
                CKA_CERTIFICATE_TYPE => number(CKC_X_509),
                CKA_VALUE_LEN => number(32),
                CKA_CHECK_VALUE => Vec::new(),
                attribute => value_of(self.parts_of(kind), attribute),
            },
        }
    }

    /// A value that the object does not have, for a change.
    fn other(&self, kind: &Kind, row: &Row, object: ObjectHandle) -> Vec<u8> {
        let flag = |object| u8::from(!self.is(object, row.kind, &[1]));
        match row.value {
            Value::Flag(_) => vec![flag(object)],
            Value::Text(b"") => b"http://example.org".to_vec(),
            Value::Number(value) => number(value - 1),
            Value::Own if row.kind == CKA_PUBLIC_KEY_INFO && !row.has(8) => b"another".to_vec(),
            Value::Own if row.notes.is_empty() || row.has(8) => self.sample(kind, row),
            Value::Own => number(0x7777),
            _ => self.sample(kind, row),
        }
    }
}

fn generate(session: &Session, kind: &Kind, template: &[Attribute]) -> Result<ObjectHandle> {
    let pair = |mechanism: Mechanism, other: &[Attribute]| {
        let (public, private) = match kind.class {
            CKO_PUBLIC_KEY => (template, &[][..]),
            _ => (other, template),
        };
        let made = session.generate_key_pair(&mechanism, public, private)?;
        Ok(if kind.class == CKO_PUBLIC_KEY { made.0 } else { made.1 })
    };
    match (kind.class, kind.key_type) {
        (CKO_SECRET_KEY, CKK_AES) => session.generate_key(&Mechanism::AesKeyGen, template),
        (CKO_SECRET_KEY, _) => session.generate_key(&Mechanism::GenericSecretKeyGen, template),
        (_, CKK_RSA) => pair(Mechanism::RsaPkcsKeyPairGen, &[Attribute::ModulusBits(2048.into())]),
        _ => pair(Mechanism::EccKeyPairGen, &[Attribute::EcParams(P256.to_vec())]),
    }
}

/// Attributes as they are, which the client crate has no look at.
fn attributes(given: &Given) -> Vec<Attribute> {
    let raw = |(kind, value): &(u64, Vec<u8>)| {
        Attribute::VendorDefined((AttributeType::VendorDefined(*kind), value.clone()))
    };
    given.iter().map(raw).collect()
}

/// An attribute that is a template of one attribute, as it lies in memory.
fn template() -> Vec<u8> {
    let address = (&raw const TRUE).expose_provenance();
    [CKA_SENSITIVE.to_ne_bytes(), (address as u64).to_ne_bytes(), 1_u64.to_ne_bytes()].concat()
}

static TRUE: CK_BBOOL = CK_TRUE;

fn number(value: u64) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn place(kind: &Kind) -> usize {
    KINDS.iter().position(|it| it.name == kind.name).unwrap()
}

fn value_of(parts: &Given, kind: u64) -> Vec<u8> {
    let found = parts.iter().find(|(it, _)| *it == kind);
    found.map(|(_, value)| value.clone()).unwrap_or_else(|| panic!("no {kind:#x}"))
}

/// Everything that follows from the key itself.
fn read_all(token: &Token, key: ObjectHandle, kind: &Kind) -> Given {
    let own = kind.rows().map(|(_, row)| row).filter(|row| matches!(row.value, Value::Own));
    let own = own.filter(|row| ![CKA_CLASS, CKA_KEY_TYPE, CKA_VALUE_LEN].contains(&row.kind));
    own.map(|row| {
        let asked = AttributeType::try_from(row.kind).unwrap();
        let read = token.get_attributes(key, &[asked]).unwrap();
        let value = match &read[..] {
            [
                Attribute::Modulus(value)
                | Attribute::PublicExponent(value)
                | Attribute::PrivateExponent(value)
                | Attribute::Prime1(value)
                | Attribute::Prime2(value)
                | Attribute::Exponent1(value)
                | Attribute::Exponent2(value)
                | Attribute::Coefficient(value)
                | Attribute::EcParams(value)
                | Attribute::EcPoint(value)
                | Attribute::PublicKeyInfo(value)
                | Attribute::Value(value),
            ] => value.clone(),
            other => panic!("{} reads {other:?}", row.name),
        };
        (row.kind, value)
    })
    .collect()
}

fn code<T: std::fmt::Debug>(answer: &Result<T>) -> Option<RvError> {
    match answer {
        Ok(_) => None,
        Err(Error::Pkcs11(code, _)) => Some(*code),
        Err(other) => panic!("{other:?}"),
    }
}

/// What was found to be otherwise than the tables say.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, fine: bool, what: impl FnOnce() -> String) {
        if !fine {
            self.0.push(what());
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} answers:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}

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
            let stays = matches!(rule.change, Change::Never | Change::Copying);
            let may_change = row.answer(of, Way::Set).is_none();
            faults.note(stays != may_change, || told(format!("changes: {:?}", rule.change)));
            faults.note(rule.secret == row.has(7), || told("is secret".into()));
            for (note, change) in [(10, Change::Officer), (11, Change::Rises), (12, Change::Falls)]
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
                        // No mechanism of this token does that.
                        0x633 | 0x634 => Some(RvError::TemplateInconsistent),
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

fn holds_template(kind: u64) -> bool {
    kind >= 0x4000_0211 && kind <= 0x4000_0213 || kind == 0x62A || kind == 0x62B
}

fn for_each_way(workshop: &Workshop, mut see: impl FnMut(&Kind, Way)) {
    for kind in KINDS {
        for way in kind.ways {
            workshop.clear();
            see(kind, *way);
        }
    }
}

/// What a session may do with objects (PKCS#11 3.1, "Access to different types of objects by different types
/// of sessions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    No,
    /// Reads, and changes nothing: the code says why.
    Reads(RvError),
    Full,
}

/// A state of a session: whether it is read-write, and who is logged in; then its access to public and
/// private session objects, and to public and private token objects.
type State = (&'static str, bool, Option<UserType>, [Access; 4]);

const STATES: [State; 5] = {
    use Access::{Full, No, Reads};
    let read_only = Reads(RvError::SessionReadOnly);
    // The specification gives a public read-write session public token objects too. Here nothing on the
    // token changes without a login: else anybody who reaches the store could plant objects.
    let logged_out = Reads(RvError::UserNotLoggedIn);
    [
        ("R/O public", false, None, [Full, No, read_only, No]),
        ("R/W public", true, None, [Full, No, logged_out, No]),
        ("R/O user", false, Some(UserType::User), [Full, Full, read_only, read_only]),
        ("R/W user", true, Some(UserType::User), [Full, Full, Full, Full]),
        ("R/W SO", true, Some(UserType::So), [Full, No, Full, No]),
    ]
};

/// The objects in the order of [`STATES`]' accesses: whether they are the token's, and private.
const PLACES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn a_session_reaches_what_its_state_lets_it_reach() {
    play(|world| {
        let token = world.token();
        let (module, slot) = (token.module.clone(), token.slot);
        for (_, private) in &PLACES[2..] {
            token.create_object(&placed(true, *private, "kept")).unwrap();
        }
        token.logout().unwrap();
        drop(token);
        let mut faults = Faults::default();
        for (name, writes, login, accesses) in STATES {
            let session = match writes {
                true => module.open_rw_session(slot).unwrap(),
                false => module.open_ro_session(slot).unwrap(),
            };
            if let Some(user) = login {
                let known = if matches!(user, UserType::So) { SO_PIN } else { USER_PIN };
                session.login(user, Some(&pin(known))).unwrap();
            }
            for ((on_token, private), access) in PLACES.into_iter().zip(accesses) {
                let seen = reach(&session, on_token, private);
                let told = || format!("{name}, token {on_token}, private {private}: {seen:?}");
                faults.note(seen == Ok(access), told);
            }
        }
    });
}

/// What a session may do with objects in this place, found out by making one, and by reading, changing,
/// copying and destroying the one that is kept there or was made.
fn reach(session: &Session, on_token: bool, private: bool) -> std::result::Result<Access, String> {
    let made = session.create_object(&placed(on_token, private, "made"));
    let kept = match (on_token, &made) {
        (true, _) => {
            let named = Attribute::Label(b"kept".to_vec());
            let kept = [named, Attribute::Token(true), Attribute::Private(private)];
            session.find_objects(&kept).unwrap().first().copied()
        }
        (false, made) => made.as_ref().ok().copied(),
    };
    let Some(object) = kept else {
        return match code(&made) {
            Some(RvError::UserNotLoggedIn) => Ok(Access::No),
            // A read-only session makes nothing on the token, whoever is logged in.
            Some(RvError::SessionReadOnly) if on_token => Ok(Access::No),
            other => Err(format!("made {other:?}, and nothing is there")),
        };
    };
    session.get_attributes(object, &[AttributeType::Value]).map_err(|error| error.to_string())?;
    let change = [Attribute::Value(b"changed".to_vec())];
    let copy = placed(on_token, private, "copy");
    let answers = [
        code(&made),
        code(&session.update_attributes(object, &change)),
        code(&session.copy_object(object, &copy[2..])),
    ];
    let destroyed = made.map(|made| session.destroy_object(made));
    match answers {
        [None, None, None] if matches!(destroyed, Ok(Ok(()))) => Ok(Access::Full),
        [Some(one), Some(other), Some(third)] if one == other && one == third => {
            let destroyed = code(&session.destroy_object(object));
            match destroyed == Some(one) {
                true => Ok(Access::Reads(one)),
                false => Err(format!("destroying: {destroyed:?}")),
            }
        }
        other => Err(format!("making, changing, copying: {other:?}")),
    }
}

/// The template of a data object.
fn placed(on_token: bool, private: bool, label: &str) -> [Attribute; 6] {
    [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Value(b"value".to_vec()),
        Attribute::Application(b"tests".to_vec()),
        Attribute::Token(on_token),
        Attribute::Private(private),
        Attribute::Label(label.as_bytes().to_vec()),
    ]
}
