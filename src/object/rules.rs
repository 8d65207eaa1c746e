//! Every attribute the token knows: one row each, read by one interpreter ([`super::build`]).

use super::values::RSA_NUMBERS;
use super::vendor::*;
use pkcs11_sys::*;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// A `CK_BBOOL`.
    Flag,
    /// A `CK_BBOOL` that is false: no key of this token can do it.
    No,
    /// A `CK_ULONG`.
    Number,
    /// A `CK_ULONG` from 0 to this one.
    UpTo(u64),
    /// Any bytes.
    Bytes,
    /// At most 255 bytes. The specification says UTF-8; clients (crypto11) keep random bytes there.
    Label,
    /// UTF-8 of at most so many bytes.
    Text(usize),
    /// A `CK_DATE`, or nothing.
    Date,
    /// A list of `CK_MECHANISM_TYPE`.
    Mechanisms,
    /// A template, flattened (see [`super::template`]).
    Template,
}

/// How a value may change after the object has come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all.
    Never,
    /// As the owner likes.
    Free,
    /// From false to true only.
    Rises,
    /// From true to false only.
    Falls,
    /// From false to true by the security officer only, from true to false by the owner too.
    Officer,
    /// What a key is used for: as the owner likes, but of a bound key (see [`super::build`]) from true
    /// to false only, unless the security officer does it.
    Usage,
    /// Only while an object is copied (PKCS#11 3.1, 4.1.3).
    Copying,
    /// To nothing only, which removes it (4.10).
    Ends,
    /// To the key's own only, in whatever encoding; another is a wrong value (4.9).
    Own,
}

/// What stands where no template says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Nothing.
    Absent,
    /// An empty value.
    Empty,
    /// A flag.
    Flag(bool),
    /// A number.
    Number(u64),
}

/// One attribute.
#[derive(Debug)]
pub struct Rule {
    /// Its type.
    pub kind: u64,
    /// What its value looks like.
    pub form: ValueForm,
    /// The classes that have it, see [`class_bit`].
    pub classes: u8,
    /// In which templates it may stand.
    pub given: u8,
    /// How it may change.
    pub change: Change,
    /// What it is when nobody says.
    pub default: Initial,
    /// Whether a sensitive or unextractable key hides it.
    pub secret: bool,
}

/// `C_CreateObject`.
pub const CREATE: u8 = 1;
/// `C_GenerateKey`, `C_GenerateKeyPair`.
pub const GENERATE: u8 = 2;
/// `C_UnwrapKey`.
pub const UNWRAP: u8 = 4;
/// `C_CopyObject`, of Keystead's own attributes: of the specification's, what may change may differ in a copy.
pub const COPY: u8 = 8;
/// `C_DeriveKey`.
pub const DERIVE: u8 = 16;

const MADE: u8 = CREATE | GENERATE | UNWRAP | DERIVE;
const NEVER: u8 = 0;

const DATA: u8 = 1;
const SECRET: u8 = 2;
const PUBLIC: u8 = 4;
const PRIVATE: u8 = 8;
const CERTIFICATE: u8 = 16;
const KEYS: u8 = SECRET | PUBLIC | PRIVATE;
const HIDDEN: u8 = SECRET | PRIVATE;
const ALL: u8 = DATA | CERTIFICATE | KEYS;

/// The bit of an object class in [`Rule::classes`]; 0 for a class the token does not keep.
pub fn class_bit(class: u64) -> u8 {
    match class {
        CKO_DATA => DATA,
        CKO_CERTIFICATE => CERTIFICATE,
        CKO_SECRET_KEY => SECRET,
        CKO_PUBLIC_KEY => PUBLIC,
        CKO_PRIVATE_KEY => PRIVATE,
        _ => 0,
    }
}

/// The row of an attribute of an object of this class; none if such an object cannot have it.
pub fn rule(kind: u64, class: u64) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind == kind && rule.classes & class_bit(class) != 0)
}

/// What public and private keys on curves alone have.
const OF_CURVES: [u64; 3] = [CKA_EC_PARAMS, CKA_EC_POINT, CKA_VALUE];

/// Returns whether an attribute belongs to another type of public or private key.
pub fn is_foreign(kind: u64, class: u64, key_type: u64) -> bool {
    let foreign = match key_type {
        CKK_RSA => OF_CURVES.contains(&kind),
        _ => kind == CKA_MODULUS_BITS || RSA_NUMBERS.contains(&kind),
    };
    matches!(class, CKO_PUBLIC_KEY | CKO_PRIVATE_KEY) && foreign
}

const fn row(
    kind: u64,
    form: ValueForm,
    classes: u8,
    given: u8,
    change: Change,
    default: Initial,
) -> Rule {
    Rule { kind, form, classes, given, change, default, secret: false }
}

const fn secret(kind: u64, classes: u8, given: u8) -> Rule {
    Rule {
        kind,
        form: ValueForm::Bytes,
        classes,
        given,
        change: Change::Never,
        default: Initial::Absent,
        secret: true,
    }
}

use Change::{Copying, Ends, Falls, Free, Never, Officer, Own, Rises, Usage};
use Initial::{Absent, Empty};
use ValueForm::{Bytes, Date, Flag, Label, Mechanisms, No, Number, Text, UpTo};

// PKCS#11 3.2's, which `pkcs11-sys` does not have yet.

/// The template of what a key encapsulates.
pub const CKA_ENCAPSULATE_TEMPLATE: u64 = 0x62A;
/// The template of what a key decapsulates.
pub const CKA_DECAPSULATE_TEMPLATE: u64 = 0x62B;
/// Whether a key encapsulates.
pub const CKA_ENCAPSULATE: u64 = 0x633;
/// Whether a key decapsulates.
pub const CKA_DECAPSULATE: u64 = 0x634;

/// The attributes whose value is a template.
pub const TEMPLATES: [u64; 5] = [
    CKA_WRAP_TEMPLATE,
    CKA_UNWRAP_TEMPLATE,
    CKA_DERIVE_TEMPLATE,
    CKA_ENCAPSULATE_TEMPLATE,
    CKA_DECAPSULATE_TEMPLATE,
];

/// The table. Usage flags and the defaults of `CKA_PRIVATE`, `CKA_SENSITIVE` and `CKA_EXTRACTABLE`
/// depend on the rest of the template and are decided in [`super::build`].
pub const RULES: &[Rule] = &[
    // Every object (PKCS#11 3.1, 4.4)
    row(CKA_CLASS, Number, ALL, MADE, Never, Absent),
    row(CKA_TOKEN, Flag, ALL, MADE, Copying, Initial::Flag(false)),
    row(CKA_PRIVATE, Flag, ALL, MADE, Copying, Absent),
    row(CKA_MODIFIABLE, Flag, ALL, MADE, Copying, Initial::Flag(true)),
    row(CKA_LABEL, Label, ALL, MADE, Free, Empty),
    row(CKA_COPYABLE, Flag, ALL, MADE, Falls, Initial::Flag(true)),
    row(CKA_DESTROYABLE, Flag, ALL, MADE, Copying, Initial::Flag(true)),
    row(CKA_UNIQUE_ID, Bytes, ALL, NEVER, Never, Absent),
    // Data objects (4.5)
    row(CKA_APPLICATION, Text(255), DATA, CREATE | DERIVE, Free, Empty),
    row(CKA_OBJECT_ID, Bytes, DATA, CREATE | DERIVE, Free, Empty),
    row(CKA_VALUE, Bytes, DATA, CREATE, Free, Empty),
    // How much CKM_HKDF_DATA derives (6.62); no data object has it afterwards.
    row(CKA_VALUE_LEN, Number, DATA, DERIVE, Never, Absent),
    // X.509 certificates (4.6): their names change, and nothing else; a trusted one's not either.
    row(CKA_CERTIFICATE_TYPE, Number, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_CERTIFICATE_CATEGORY, UpTo(3), CERTIFICATE, CREATE, Never, Initial::Number(0)),
    row(CKA_VALUE, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_SUBJECT, Bytes, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_ID, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_ISSUER, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_SERIAL_NUMBER, Bytes, CERTIFICATE, CREATE, Free, Empty),
    row(CKA_TRUSTED, Flag, CERTIFICATE, CREATE, Officer, Initial::Flag(false)),
    row(CKA_CHECK_VALUE, Bytes, CERTIFICATE, CREATE, Never, Absent),
    row(CKA_START_DATE, Date, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_END_DATE, Date, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_PUBLIC_KEY_INFO, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_URL, Text(2048), CERTIFICATE, CREATE, Never, Empty),
    row(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes, CERTIFICATE, CREATE, Never, Empty),
    row(CKA_JAVA_MIDP_SECURITY_DOMAIN, UpTo(3), CERTIFICATE, CREATE, Never, Initial::Number(0)),
    row(CKA_NAME_HASH_ALGORITHM, Number, CERTIFICATE, CREATE, Never, Initial::Number(CKM_SHA_1)),
    // Every key (4.7)
    row(CKA_KEY_TYPE, Number, KEYS, MADE, Never, Absent),
    row(CKA_ID, Bytes, KEYS, MADE, Free, Empty),
    row(CKA_START_DATE, Date, KEYS, MADE, Free, Empty),
    row(CKA_END_DATE, Date, KEYS, MADE, Free, Empty),
    row(CKA_DERIVE, Flag, KEYS, MADE, Usage, Absent),
    row(CKA_LOCAL, Flag, KEYS, NEVER, Never, Absent),
    row(CKA_KEY_GEN_MECHANISM, Number, KEYS, NEVER, Never, Absent),
    row(CKA_ALLOWED_MECHANISMS, Mechanisms, KEYS, MADE, Never, Empty),
    // Since 3.2. No mechanism of this token encapsulates.
    row(CKA_ENCAPSULATE, No, KEYS, MADE, Free, Initial::Flag(false)),
    row(CKA_DECAPSULATE, No, KEYS, MADE, Free, Initial::Flag(false)),
    // Secret and private keys (4.9, 4.10)
    row(CKA_SENSITIVE, Flag, HIDDEN, MADE, Rises, Absent),
    row(CKA_EXTRACTABLE, Flag, HIDDEN, MADE, Falls, Absent),
    row(CKA_ALWAYS_SENSITIVE, Flag, HIDDEN, NEVER, Never, Absent),
    row(CKA_NEVER_EXTRACTABLE, Flag, HIDDEN, NEVER, Never, Absent),
    row(CKA_WRAP_WITH_TRUSTED, Flag, HIDDEN, MADE, Rises, Initial::Flag(false)),
    row(CKA_ENCRYPT, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_DECRYPT, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_SIGN, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_VERIFY, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_WRAP, Flag, SECRET | PUBLIC, MADE, Usage, Absent),
    row(CKA_UNWRAP, Flag, SECRET | PRIVATE, MADE, Usage, Absent),
    row(CKA_TRUSTED, Flag, SECRET | PUBLIC, MADE, Officer, Initial::Flag(false)),
    secret(CKA_VALUE, SECRET, CREATE),
    row(CKA_CHECK_VALUE, Bytes, SECRET, MADE, Ends, Absent),
    row(CKA_VALUE_LEN, Number, SECRET, MADE, Never, Absent),
    // Public and private keys (4.8, 4.9)
    row(CKA_SUBJECT, Bytes, PUBLIC | PRIVATE, MADE, Free, Empty),
    row(CKA_SIGN_RECOVER, Flag, PRIVATE, MADE, Usage, Absent),
    row(CKA_VERIFY_RECOVER, Flag, PUBLIC, MADE, Usage, Absent),
    row(CKA_ALWAYS_AUTHENTICATE, Flag, PRIVATE, MADE, Never, Initial::Flag(false)),
    // Not the specification's: pkcs11-tool asks it of every key it uses, and warns where there is none.
    row(CKA_ALWAYS_AUTHENTICATE, Flag, SECRET, NEVER, Never, Initial::Flag(false)),
    row(CKA_PUBLIC_KEY_INFO, Bytes, PRIVATE, CREATE | UNWRAP, Own, Absent),
    row(CKA_PUBLIC_KEY_INFO, Bytes, PUBLIC, CREATE, Never, Absent),
    row(CKA_WRAP_TEMPLATE, ValueForm::Template, SECRET | PUBLIC, MADE, Never, Empty),
    row(CKA_UNWRAP_TEMPLATE, ValueForm::Template, HIDDEN, MADE, Never, Empty),
    row(CKA_DERIVE_TEMPLATE, ValueForm::Template, HIDDEN, MADE, Never, Empty),
    row(CKA_ENCAPSULATE_TEMPLATE, ValueForm::Template, PUBLIC, MADE, Never, Empty),
    row(CKA_DECAPSULATE_TEMPLATE, ValueForm::Template, PRIVATE, MADE, Never, Empty),
    // Elliptic curves (6.3)
    row(CKA_EC_PARAMS, Bytes, PUBLIC | PRIVATE, CREATE | GENERATE, Never, Absent),
    row(CKA_EC_POINT, Bytes, PUBLIC | PRIVATE, CREATE, Never, Absent),
    secret(CKA_VALUE, PRIVATE, CREATE),
    // RSA (6.1)
    row(CKA_MODULUS, Bytes, PUBLIC | PRIVATE, CREATE, Never, Absent),
    row(CKA_MODULUS_BITS, Number, PUBLIC, GENERATE, Never, Absent),
    row(CKA_PUBLIC_EXPONENT, Bytes, PUBLIC | PRIVATE, CREATE | GENERATE, Never, Absent),
    secret(CKA_PRIVATE_EXPONENT, PRIVATE, CREATE),
    secret(CKA_PRIME_1, PRIVATE, CREATE),
    secret(CKA_PRIME_2, PRIVATE, CREATE),
    secret(CKA_EXPONENT_1, PRIVATE, CREATE),
    secret(CKA_EXPONENT_2, PRIVATE, CREATE),
    secret(CKA_COEFFICIENT, PRIVATE, CREATE),
    // Custom keys (design of this token; see `manual`)
    row(CKA_KEYSTEAD_KEY_ID, Text(36), ALL, MADE, Never, Absent),
    row(CKA_KEYSTEAD_ORIGIN, Number, DATA | HIDDEN, CREATE, Never, Absent),
    row(CKA_KEYSTEAD_STATUS, Number, DATA | HIDDEN, NEVER, Free, Absent),
    row(CKA_KEYSTEAD_DESCRIPTION, Text(255), DATA | HIDDEN, MADE, Free, Absent),
    row(CKA_KEYSTEAD_CREATED_AT, Number, DATA | HIDDEN, NEVER, Never, Absent),
    row(CKA_KEYSTEAD_EXPIRES_AT, Number, ALL, MADE, Never, Absent),
    row(CKA_KEYSTEAD_MATERIAL_STATE, Number, DATA | HIDDEN, NEVER, Never, Absent),
    row(CKA_KEYSTEAD_MATERIAL_VERSION, Number, DATA | HIDDEN, NEVER, Never, Absent),
    row(CKA_KEYSTEAD_ROTATION_DAYS, Number, DATA | HIDDEN, GENERATE, Free, Absent),
    row(CKA_KEYSTEAD_DELETION_AT, Number, DATA | HIDDEN, NEVER, Free, Absent),
    row(CKA_KEYSTEAD_CUSTODY, Flag, HIDDEN, MADE | COPY, Never, Absent),
    row(CKA_KEYSTEAD_EXPIRY_ACTION, Number, ALL, MADE, Never, Absent),
    row(CKA_KEYSTEAD_IMPORT_ONLY, Flag, PUBLIC | PRIVATE, GENERATE, Never, Absent),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_has_one_row_for_each_class() {
        for (at, rule) in RULES.iter().enumerate() {
            for other in RULES.iter().skip(at + 1) {
                let both = other.kind == rule.kind && other.classes & rule.classes != 0;
                assert!(!both, "{:#x}", rule.kind);
            }
        }
    }

    #[test]
    fn every_usage_flag_changes_as_one() {
        for &(_, flag) in crate::object::kinds::USAGE_FLAGS {
            let mut rows = RULES.iter().filter(|rule| rule.kind == flag).peekable();
            assert!(rows.peek().is_some(), "{flag:#x}");
            assert!(rows.all(|rule| rule.change == Usage), "{flag:#x}");
        }
    }

    #[test]
    fn only_flags_rise_or_fall_and_nothing_secret_changes() {
        for rule in RULES {
            if matches!(rule.change, Rises | Falls | Usage) {
                assert_eq!(rule.form, Flag, "{:#x}", rule.kind);
            }
            if rule.secret {
                assert_eq!(rule.change, Never, "{:#x}", rule.kind);
            }
        }
    }
}
