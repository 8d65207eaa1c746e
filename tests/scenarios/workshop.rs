//! The objects that the tables of the specification are tried on: one of each kind, and every way to make it.

use super::specification::{BEYOND, CKA_PARAMETER_SET, Of, Row, TABLES, Value, Way};
use crate::rig::token::Token;
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use pkcs11_sys::*;
use std::cell::RefCell;

const P256: &[u8] = &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const ED25519: &[u8] = &[6, 3, 0x2B, 0x65, 0x70];
const X25519: &[u8] = &[6, 3, 0x2B, 0x65, 0x6E];

const CKK_ML_KEM: u64 = 0x49;
const CKP_ML_KEM_768: u64 = 2;

pub type Given = Vec<(u64, Vec<u8>)>;

/// A kind of object.
pub struct Kind {
    pub name: &'static str,
    pub class: u64,
    /// 0 of what is no key.
    pub key_type: u64,
    pub tables: &'static [Of],
    pub ways: &'static [Way],
}

const EVERY_OBJECT: [Of; 2] = [Of::Object, Of::Storage];

pub const KINDS: &[Kind] = &[
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
    Kind {
        name: "Ed25519 public key",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_EC_EDWARDS,
        tables: &[Of::Key, Of::PublicKey, Of::CurvePublic],
        ways: &[Way::Create, Way::Generate],
    },
    Kind {
        name: "Ed25519 private key",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_EC_EDWARDS,
        tables: &[Of::Key, Of::PrivateKey, Of::CurvePrivate],
        ways: &[Way::Create, Way::Generate, Way::Unwrap],
    },
    Kind {
        name: "X25519 public key",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_EC_MONTGOMERY,
        tables: &[Of::Key, Of::PublicKey, Of::CurvePublic],
        ways: &[Way::Create, Way::Generate],
    },
    Kind {
        name: "X25519 private key",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_EC_MONTGOMERY,
        tables: &[Of::Key, Of::PrivateKey, Of::CurvePrivate],
        ways: &[Way::Create, Way::Generate, Way::Unwrap],
    },
    Kind {
        name: "ML-KEM public key",
        class: CKO_PUBLIC_KEY,
        key_type: CKK_ML_KEM,
        tables: &[Of::Key, Of::PublicKey, Of::LatticePublic],
        ways: &[Way::Create, Way::Generate],
    },
    Kind {
        name: "ML-KEM private key",
        class: CKO_PRIVATE_KEY,
        key_type: CKK_ML_KEM,
        tables: &[Of::Key, Of::PrivateKey, Of::LatticePrivate],
        ways: &[Way::Create, Way::Generate, Way::Unwrap],
    },
    Kind {
        name: "HMAC secret",
        class: CKO_SECRET_KEY,
        key_type: CKK_SHA256_HMAC,
        tables: &[Of::Key, Of::SecretKey, Of::Bytes],
        ways: &[Way::Create, Way::Unwrap, Way::Derive],
    },
    Kind {
        name: "HKDF secret",
        class: CKO_SECRET_KEY,
        key_type: CKK_HKDF,
        tables: &[Of::Key, Of::SecretKey, Of::Bytes],
        ways: &[Way::Create, Way::Unwrap, Way::Derive],
    },
];

impl Kind {
    pub fn rows(&self) -> impl Iterator<Item = (Of, &'static Row)> {
        let tables = TABLES.iter().filter(|(of, _)| self.is_in(*of));
        tables.flat_map(|(of, rows)| rows.iter().map(|row| (*of, row)))
    }

    /// The rows that are tried in a way. An RSA pair takes its time, and another pair does for what is no
    /// matter of RSA.
    pub fn tried(&self, way: Way) -> impl Iterator<Item = (Of, &'static Row)> {
        let slow = way == Way::Generate && self.key_type == CKK_RSA && self.class != CKO_SECRET_KEY;
        self.rows().filter(move |(of, _)| !slow || matches!(of, Of::RsaPublic | Of::RsaPrivate))
    }

    fn is_in(&self, table: Of) -> bool {
        EVERY_OBJECT.contains(&table) || self.tables.contains(&table)
    }

    pub fn has(&self, attribute: u64) -> bool {
        self.rows().any(|(_, row)| row.kind == attribute)
            || BEYOND.iter().any(|(class, kind, ..)| (*class, *kind) == (self.class, attribute))
    }
}

/// The material for objects: one of each kind, which can be read, and how the others come.
pub struct Workshop<'a> {
    token: &'a Token,
    /// The session in which all that is made lies, and with which it ends.
    session: RefCell<Session>,
    /// The parts that follow from a key of each kind, and such a key wrapped, in the order of [`KINDS`].
    parts: Vec<Given>,
    wrapped: Vec<Vec<u8>>,
    by: ObjectHandle,
    agreed: Vec<u8>,
    base: ObjectHandle,
}

impl<'a> Workshop<'a> {
    pub fn new(token: &'a Token) -> Self {
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let by = token.generate_aes(&both);
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let exponent = Attribute::PublicExponent(vec![1, 0, 1]);
        let rsa = [Attribute::ModulusBits(2048.into()), exponent];
        let rsa = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &rsa, &open).unwrap();
        let on = |key_type| {
            let (mechanism, curve) = curve(key_type);
            let curve = [Attribute::EcParams(curve.to_vec())];
            token.generate_key_pair(&mechanism, &curve, &open).unwrap()
        };
        let (ec, edwards, montgomery) = (on(CKK_EC), on(CKK_EC_EDWARDS), on(CKK_EC_MONTGOMERY));
        let set = attributes(&vec![(CKA_PARAMETER_SET, number(CKP_ML_KEM_768))]);
        let lattice = token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &set, &open).unwrap();
        let aes = token.generate_aes(&open);
        let generic = [Attribute::ValueLen(32.into()), open[0].clone(), open[1].clone()];
        let generic = token.generate_key(&Mechanism::GenericSecretKeyGen, &generic).unwrap();
        let of = |key_type: u64| {
            let key_type = (CKA_KEY_TYPE, number(key_type));
            let secret = (CKA_CLASS, number(CKO_SECRET_KEY));
            let value = (CKA_VALUE, number(key_type.1[0].into()).repeat(4));
            let given = [secret, key_type, value].to_vec();
            token.create_object(&[&attributes(&given)[..], &open].concat()).unwrap()
        };
        let first = [rsa.0, rsa.1, ec.0, ec.1, aes, generic, edwards.0, edwards.1];
        let more = [montgomery.0, montgomery.1, lattice.0, lattice.1];
        let others = more.into_iter().chain([of(CKK_SHA256_HMAC), of(CKK_HKDF)]);
        let keys = first.into_iter().chain(others).map(Some);
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
    pub fn clear(&self) {
        *self.session.borrow_mut() = self.token.another_session();
    }

    pub fn parts_of(&self, kind: &Kind) -> &Given {
        &self.parts[place(kind)]
    }

    /// Returns the least that a template needs.
    pub fn least(&self, kind: &Kind, way: Way) -> Given {
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
            (Way::Create, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY, CKK_ML_KEM) => {
                of(&[CKA_PARAMETER_SET, CKA_VALUE])
            }
            (Way::Create, CKO_PUBLIC_KEY, _) => of(&[CKA_EC_PARAMS, CKA_EC_POINT]),
            (Way::Create, CKO_PRIVATE_KEY, _) => of(&[CKA_EC_PARAMS, CKA_VALUE]),
            (Way::Create, CKO_SECRET_KEY, _) => of(&[CKA_VALUE]),
            (Way::Generate, CKO_PUBLIC_KEY, CKK_RSA) => vec![(CKA_MODULUS_BITS, number(2048))],
            (Way::Generate, CKO_PUBLIC_KEY, CKK_ML_KEM) => {
                vec![(CKA_PARAMETER_SET, number(CKP_ML_KEM_768))]
            }
            (Way::Generate, CKO_PUBLIC_KEY, _) => {
                vec![(CKA_EC_PARAMS, curve(kind.key_type).1.to_vec())]
            }
            (Way::Generate, CKO_SECRET_KEY, _) => vec![(CKA_VALUE_LEN, number(32))],
            _ => Vec::new(),
        });
        least
    }

    pub fn make(&self, kind: &Kind, way: Way, given: &Given) -> Result<ObjectHandle> {
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
    pub fn fresh(&self, kind: &Kind) -> ObjectHandle {
        self.make(kind, Way::Create, &self.least(kind, Way::Create)).unwrap()
    }

    /// Returns true if the object has this value: if a search for it finds the object.
    pub fn is(&self, object: ObjectHandle, kind: u64, value: &[u8]) -> bool {
        self.token.has(object, kind, value)
    }

    /// A value of an attribute as the table has it, for an object like the workshop's own.
    pub fn sample(&self, kind: &Kind, row: &Row) -> Vec<u8> {
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
    pub fn other(&self, kind: &Kind, row: &Row, object: ObjectHandle) -> Vec<u8> {
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
        (_, CKK_ML_KEM) => {
            let set = attributes(&vec![(CKA_PARAMETER_SET, number(CKP_ML_KEM_768))]);
            pair(Mechanism::MlKemKeyPairGen, &set)
        }
        (_, CKK_RSA) => pair(Mechanism::RsaPkcsKeyPairGen, &[Attribute::ModulusBits(2048.into())]),
        _ => {
            let (mechanism, curve) = curve(kind.key_type);
            pair(mechanism, &[Attribute::EcParams(curve.to_vec())])
        }
    }
}

/// The curve of a key type, and what makes a pair on it.
fn curve(key_type: u64) -> (Mechanism<'static>, &'static [u8]) {
    match key_type {
        CKK_EC_EDWARDS => (Mechanism::EccEdwardsKeyPairGen, ED25519),
        CKK_EC_MONTGOMERY => (Mechanism::EccMontgomeryKeyPairGen, X25519),
        _ => (Mechanism::EccKeyPairGen, P256),
    }
}

/// Attributes as they are, which the client crate has no look at.
pub fn attributes(given: &Given) -> Vec<Attribute> {
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

pub fn number(value: u64) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn place(kind: &Kind) -> usize {
    KINDS.iter().position(|it| it.name == kind.name).unwrap()
}

pub fn value_of(parts: &Given, kind: u64) -> Vec<u8> {
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
                | Attribute::Seed(value)
                | Attribute::Value(value),
            ] => value.clone(),
            [Attribute::ParameterSet(set)] => number(***set),
            other => panic!("{} reads {other:?}", row.name),
        };
        (row.kind, value)
    })
    .collect()
}

pub fn code<T: std::fmt::Debug>(answer: &Result<T>) -> Option<RvError> {
    match answer {
        Ok(_) => None,
        Err(Error::Pkcs11(code, _)) => Some(*code),
        Err(other) => panic!("{other:?}"),
    }
}

/// The findings that are not as the tables say.
#[derive(Default)]
pub struct Faults(Vec<String>);

impl Faults {
    pub fn note(&mut self, fine: bool, what: impl FnOnce() -> String) {
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

pub fn holds_template(kind: u64) -> bool {
    (0x4000_0211..=0x4000_0213).contains(&kind) || kind == 0x62A || kind == 0x62B
}

pub fn for_each_way(workshop: &Workshop, mut see: impl FnMut(&Kind, Way)) {
    for kind in KINDS {
        for way in kind.ways {
            workshop.clear();
            see(kind, *way);
        }
    }
}
