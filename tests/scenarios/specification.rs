//! The attribute tables of PKCS#11 (3.1 and 3.2, sections 4 and 6), written down from the specification and
//! not from the code: which attributes an object has, with the footnotes of "Common footnotes for object
//! attribute tables". Where the product answers otherwise on purpose, [`DEVIATIONS`] says so, and why.

use cryptoki::error::RvError;
use pkcs11_sys::*;

/// A table of the specification, by what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Object,
    Storage,
    Data,
    Certificate,
    Key,
    PublicKey,
    PrivateKey,
    SecretKey,
    RsaPublic,
    RsaPrivate,
    CurvePublic,
    CurvePrivate,
    LatticePublic,
    LatticePrivate,
    Bytes,
}

/// A way in which an attribute is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Create,
    Generate,
    Unwrap,
    Derive,
    Copy,
    Set,
}

/// A value that an attribute can have, to try it out.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    Flag(bool),
    Number(u64),
    Bytes(&'static [u8]),
    Text(&'static [u8]),
    Date,
    Mechanisms,
    Template,
    /// The value that the object has already: it follows from the rest, or from the key.
    Own,
}

/// An attribute in a table: its footnotes, and a value.
#[derive(Debug)]
pub struct Row {
    pub kind: u64,
    pub name: &'static str,
    pub notes: &'static [u8],
    pub value: Value,
}

macro_rules! rows {
    ($($kind:ident [$($note:literal),*] $value:expr;)*) => {
        &[$(Row { kind: $kind, name: stringify!($kind), notes: &[$($note),*], value: $value }),*]
    };
}

const CKA_ENCAPSULATE_TEMPLATE: u64 = 0x62A;
const CKA_DECAPSULATE_TEMPLATE: u64 = 0x62B;
const CKA_ENCAPSULATE: u64 = 0x633;
const CKA_DECAPSULATE: u64 = 0x634;
pub const CKA_PARAMETER_SET: u64 = 0x61D;
pub const CKA_SEED: u64 = 0x637;

use Value::{Bytes, Date, Flag, Mechanisms, Number, Own, Template, Text};

/// The tables. A row that the specification's prose lets be modified, and not its footnotes, has a note 8
/// here as well.
pub const TABLES: &[(Of, &[Row])] = &[
    // 4.2 Common attributes
    (
        Of::Object,
        rows! {
            CKA_CLASS [1] Own;
            CKA_UNIQUE_ID [2, 4, 6] Text(b"mine");
        },
    ),
    // 4.4 Storage objects: "only the CKA_LABEL attribute can be modified after the object is created"
    (
        Of::Storage,
        rows! {
            CKA_TOKEN [] Flag(false);
            CKA_PRIVATE [] Flag(true);
            CKA_MODIFIABLE [] Flag(false);
            CKA_LABEL [8] Text(b"a label");
            CKA_COPYABLE [12] Flag(false);
            CKA_DESTROYABLE [] Flag(false);
        },
    ),
    // 4.5 Data objects: "each of these attributes may be modified after the object is created"
    (
        Of::Data,
        rows! {
            CKA_APPLICATION [8] Text(b"tests");
            CKA_OBJECT_ID [8] Bytes(&[6, 1, 42]);
            CKA_VALUE [8] Bytes(b"a value");
        },
    ),
    // 4.6 Certificate objects: "only the CKA_ID, CKA_ISSUER, and CKA_SERIAL_NUMBER attributes may be modified"
    (
        Of::Certificate,
        rows! {
            CKA_CERTIFICATE_TYPE [1] Own;
            CKA_TRUSTED [10] Flag(false);
            CKA_CERTIFICATE_CATEGORY [] Number(2);
            CKA_CHECK_VALUE [] Own;
            CKA_START_DATE [] Date;
            CKA_END_DATE [] Date;
            CKA_PUBLIC_KEY_INFO [] Bytes(b"info");
            CKA_SUBJECT [1] Bytes(b"subject");
            CKA_ID [8] Bytes(b"id");
            CKA_ISSUER [8] Bytes(b"issuer");
            CKA_SERIAL_NUMBER [8] Bytes(&[2, 1, 7]);
            CKA_VALUE [1] Bytes(b"certificate");
            CKA_URL [] Text(b"");
            CKA_HASH_OF_SUBJECT_PUBLIC_KEY [] Bytes(b"hash");
            CKA_HASH_OF_ISSUER_PUBLIC_KEY [] Bytes(b"hash");
            CKA_JAVA_MIDP_SECURITY_DOMAIN [] Number(3);
            CKA_NAME_HASH_ALGORITHM [] Number(CKM_SHA256);
        },
    ),
    // 4.8 Key objects
    (
        Of::Key,
        rows! {
            CKA_KEY_TYPE [1, 5] Own;
            CKA_ID [8] Bytes(b"id");
            CKA_START_DATE [8] Date;
            CKA_END_DATE [8] Date;
            CKA_DERIVE [8] Flag(false);
            CKA_LOCAL [2, 4, 6] Flag(false);
            CKA_KEY_GEN_MECHANISM [2, 4, 6] Number(CKM_AES_KEY_GEN);
            CKA_ALLOWED_MECHANISMS [] Mechanisms;
        },
    ),
    // 4.9 Public key objects
    (
        Of::PublicKey,
        rows! {
            CKA_SUBJECT [8] Bytes(b"subject");
            CKA_ENCRYPT [8] Flag(false);
            CKA_VERIFY [8] Flag(true);
            CKA_VERIFY_RECOVER [8] Flag(false);
            CKA_WRAP [8] Flag(false);
            CKA_ENCAPSULATE [8] Flag(false);
            CKA_TRUSTED [10] Flag(false);
            CKA_WRAP_TEMPLATE [] Template;
            CKA_ENCAPSULATE_TEMPLATE [] Template;
            CKA_PUBLIC_KEY_INFO [] Own;
        },
    ),
    // 4.10 Private key objects
    (
        Of::PrivateKey,
        rows! {
            CKA_SUBJECT [8] Bytes(b"subject");
            CKA_SENSITIVE [8, 11] Flag(true);
            CKA_DECRYPT [8] Flag(false);
            CKA_SIGN [8] Flag(true);
            CKA_SIGN_RECOVER [8] Flag(false);
            CKA_UNWRAP [8] Flag(false);
            CKA_DECAPSULATE [8] Flag(false);
            CKA_EXTRACTABLE [8, 12] Flag(false);
            CKA_ALWAYS_SENSITIVE [2, 4, 6] Flag(true);
            CKA_NEVER_EXTRACTABLE [2, 4, 6] Flag(true);
            CKA_WRAP_WITH_TRUSTED [11] Flag(true);
            CKA_UNWRAP_TEMPLATE [] Template;
            CKA_DECAPSULATE_TEMPLATE [] Template;
            CKA_ALWAYS_AUTHENTICATE [] Flag(true);
            CKA_PUBLIC_KEY_INFO [8] Own;
            CKA_DERIVE_TEMPLATE [] Template;
        },
    ),
    // 4.11 Secret key objects
    (
        Of::SecretKey,
        rows! {
            CKA_SENSITIVE [8, 11] Flag(true);
            CKA_ENCRYPT [8] Flag(true);
            CKA_DECRYPT [8] Flag(false);
            CKA_SIGN [8] Flag(true);
            CKA_VERIFY [8] Flag(false);
            CKA_WRAP [8] Flag(false);
            CKA_UNWRAP [8] Flag(true);
            CKA_EXTRACTABLE [8, 12] Flag(false);
            CKA_ALWAYS_SENSITIVE [2, 4, 6] Flag(true);
            CKA_NEVER_EXTRACTABLE [2, 4, 6] Flag(true);
            CKA_CHECK_VALUE [] Bytes(b"");
            CKA_WRAP_WITH_TRUSTED [11] Flag(true);
            CKA_TRUSTED [10] Flag(false);
            CKA_WRAP_TEMPLATE [] Template;
            CKA_UNWRAP_TEMPLATE [] Template;
            CKA_DERIVE_TEMPLATE [] Template;
        },
    ),
    // 6.1.2 RSA public key objects
    (
        Of::RsaPublic,
        rows! {
            CKA_MODULUS [1, 4] Own;
            CKA_MODULUS_BITS [2, 3] Number(2048);
            CKA_PUBLIC_EXPONENT [1] Own;
        },
    ),
    // 6.1.3 RSA private key objects
    (
        Of::RsaPrivate,
        rows! {
            CKA_MODULUS [1, 4, 6] Own;
            CKA_PUBLIC_EXPONENT [1, 4, 6] Own;
            CKA_PRIVATE_EXPONENT [1, 4, 6, 7] Own;
            CKA_PRIME_1 [4, 6, 7] Own;
            CKA_PRIME_2 [4, 6, 7] Own;
            CKA_EXPONENT_1 [4, 6, 7] Own;
            CKA_EXPONENT_2 [4, 6, 7] Own;
            CKA_COEFFICIENT [4, 6, 7] Own;
        },
    ),
    // 6.3.3 Elliptic curve public key objects, and those of Edwards and Montgomery curves
    (
        Of::CurvePublic,
        rows! {
            CKA_EC_PARAMS [1, 3] Own;
            CKA_EC_POINT [1, 4] Own;
        },
    ),
    // 6.3.4 Elliptic curve private key objects, and those of Edwards and Montgomery curves
    (
        Of::CurvePrivate,
        rows! {
            CKA_EC_PARAMS [1, 4, 6] Own;
            CKA_VALUE [1, 4, 6, 7] Own;
        },
    ),
    // 6.68.2 ML-KEM public key objects (3.2)
    (
        Of::LatticePublic,
        rows! {
            CKA_PARAMETER_SET [1, 3] Own;
            CKA_VALUE [1, 4] Own;
        },
    ),
    // 6.68.3 ML-KEM private key objects (3.2)
    (
        Of::LatticePrivate,
        rows! {
            CKA_PARAMETER_SET [1, 4, 6] Own;
            CKA_SEED [4, 6, 7] Own;
            CKA_VALUE [1, 4, 6, 7] Own;
        },
    ),
    // 6.10.2 AES secret key objects, 6.8.2 generic secret key objects, and HMAC's and HKDF's
    (
        Of::Bytes,
        rows! {
            CKA_VALUE [1, 4, 6, 7] Own;
            CKA_VALUE_LEN [2, 3] Own;
        },
    ),
];

/// An answer of the product that is not as the tables say.
#[derive(Debug)]
pub struct Deviation {
    pub of: Of,
    pub kind: u64,
    pub ways: &'static [Way],
    /// The code; none where it accepts.
    pub answer: Option<RvError>,
    pub why: &'static str,
}

const MAKING: &[Way] = &[Way::Create, Way::Generate, Way::Unwrap, Way::Derive];

pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        of: Of::Object,
        kind: CKA_UNIQUE_ID,
        ways: MAKING,
        answer: Some(RvError::AttributeTypeInvalid),
        why: "the code that independent tests hold a module to where an object is made",
    },
    Deviation {
        of: Of::RsaPrivate,
        kind: CKA_PUBLIC_EXPONENT,
        ways: &[Way::Generate],
        answer: None,
        why: "clients say again what the pair is to be like; only a contradiction is refused",
    },
    Deviation {
        of: Of::CurvePrivate,
        kind: CKA_EC_PARAMS,
        ways: &[Way::Generate],
        answer: None,
        why: "clients say again what the pair is to be like; only a contradiction is refused",
    },
    Deviation {
        of: Of::LatticePrivate,
        kind: CKA_PARAMETER_SET,
        ways: &[Way::Generate],
        answer: None,
        why: "clients say again what the pair is to be like; only a contradiction is refused",
    },
    Deviation {
        of: Of::PrivateKey,
        kind: CKA_PUBLIC_KEY_INFO,
        ways: &[Way::Generate],
        answer: Some(RvError::AttributeReadOnly),
        why: "it follows from a key that is not there yet",
    },
    Deviation {
        of: Of::PublicKey,
        kind: CKA_PUBLIC_KEY_INFO,
        ways: &[Way::Generate],
        answer: Some(RvError::AttributeReadOnly),
        why: "it follows from a key that is not there yet",
    },
    Deviation {
        of: Of::SecretKey,
        kind: CKA_CHECK_VALUE,
        ways: &[Way::Copy, Way::Set],
        answer: None,
        why: "4.11 lets an empty one take it away",
    },
];

/// An attribute of a custom key on the token that the rules of custody let no call change, though the tables would.
#[derive(Debug)]
pub struct Custody {
    pub of: Of,
    pub kind: u64,
    pub of_imported_only: bool,
    pub why: &'static str,
}

pub const CUSTODY: &[Custody] = &[
    Custody {
        of: Of::Key,
        kind: CKA_END_DATE,
        of_imported_only: true,
        why: "it shows the expiry of imported material",
    },
    Custody {
        of: Of::Data,
        kind: CKA_APPLICATION,
        of_imported_only: false,
        why: "metadata is told by it",
    },
    Custody {
        of: Of::Data,
        kind: CKA_OBJECT_ID,
        of_imported_only: false,
        why: "it is empty on metadata",
    },
    Custody {
        of: Of::Data,
        kind: CKA_VALUE,
        of_imported_only: false,
        why: "the JSON shows the metadata, and takes nothing but an expiry of its own",
    },
];

/// Attributes that objects have beyond the tables, and where they may be given.
pub const BEYOND: &[(u64, u64, &[Way], &str)] = &[
    (CKO_PRIVATE_KEY, CKA_EC_POINT, &[Way::Create], "engine_pkcs11 asks the private key for it"),
    (CKO_SECRET_KEY, CKA_ALWAYS_AUTHENTICATE, &[], "pkcs11-tool asks every key that it uses"),
    (CKO_DATA, CKA_VALUE_LEN, &[Way::Derive], "how much CKM_HKDF_DATA derives (6.62)"),
    (CKO_PUBLIC_KEY, CKA_DECAPSULATE, MAKING, "every key says that it cannot"),
    (CKO_PRIVATE_KEY, CKA_ENCAPSULATE, MAKING, "every key says that it cannot"),
    (CKO_SECRET_KEY, CKA_ENCAPSULATE, MAKING, "every key says that it cannot"),
    (CKO_SECRET_KEY, CKA_DECAPSULATE, MAKING, "every key says that it cannot"),
];

impl Row {
    pub fn has(&self, note: u8) -> bool {
        self.notes.contains(&note)
    }

    /// Returns the answer that a value other than the object's is to get, as the footnotes have it; none where it
    /// is taken.
    pub fn answer(&self, of: Of, way: Way) -> Option<RvError> {
        if let Some(deviation) = deviation(of, self.kind, way) {
            return deviation.answer;
        }
        let copied = [CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE, CKA_DESTROYABLE].contains(&self.kind);
        let taken = match way {
            Way::Create => !self.has(2),
            Way::Generate | Way::Derive => !self.has(4),
            Way::Unwrap => !self.has(6),
            Way::Set => [8, 10, 11, 12].iter().any(|note| self.has(*note)),
            Way::Copy => copied || [8, 10, 11, 12].iter().any(|note| self.has(*note)),
        };
        (!taken).then_some(RvError::AttributeReadOnly)
    }
}

pub fn deviation(of: Of, kind: u64, way: Way) -> Option<&'static Deviation> {
    DEVIATIONS.iter().find(|it| it.of == of && it.kind == kind && it.ways.contains(&way))
}
