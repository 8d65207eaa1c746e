//! What the token knows of one attribute: its form, its classes, where it is given and how it changes.

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
    /// At most [`MAX_TEXT`](crate::text::MAX_TEXT) bytes. The specification says UTF-8; clients (crypto11) keep random bytes there.
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
#[derive(Debug, Clone, Copy)]
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

pub(super) const MADE: u8 = CREATE | GENERATE | UNWRAP | DERIVE;
pub(super) const NEVER: u8 = 0;

pub(super) const DATA: u8 = 1;
pub(super) const SECRET: u8 = 2;
pub(super) const PUBLIC: u8 = 4;
pub(super) const PRIVATE: u8 = 8;
pub(super) const CERTIFICATE: u8 = 16;
pub(super) const KEYS: u8 = SECRET | PUBLIC | PRIVATE;
pub(super) const HIDDEN: u8 = SECRET | PRIVATE;
pub(super) const ALL: u8 = DATA | CERTIFICATE | KEYS;

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

pub(super) const fn row(
    kind: u64,
    form: ValueForm,
    classes: u8,
    given: u8,
    change: Change,
    default: Initial,
) -> Rule {
    Rule { kind, form, classes, given, change, default, secret: false }
}

pub(super) const fn secret(kind: u64, classes: u8, given: u8) -> Rule {
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
