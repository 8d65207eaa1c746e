//! The rule of one attribute: its form, its classes, where it is given and how it changes.

use super::trust::CKO_TRUST;
use pkcs11_sys::*;

/// The form of a value.
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
    /// At most [`MAX_TEXT`](crate::text::MAX_TEXT) bytes. The specification says UTF-8; clients (crypto11)
    /// keep random bytes there.
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

/// The changes of a value that are allowed after the object has come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changeable {
    /// No change.
    Never,
    /// Any change, as the owner likes.
    Free,
    /// Changes from false to true only.
    Rises,
    /// Changes from true to false only.
    Falls,
    /// Changes from false to true by the security officer only, from true to false by the owner too.
    Officer,
    /// Changes of a usage: as the owner likes, but of a bound key (see [`super::build`]) from true to false
    /// only, unless the security officer does it.
    Usage,
    /// Changes only while an object is copied (PKCS#11 3.1, 4.1.3).
    Copying,
    /// Changes to nothing only, which removes it (4.10).
    Ends,
    /// Changes to the key's own only, in whatever encoding; another is a wrong value (4.9).
    Own,
}

/// The value where no template names the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// No value.
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
    /// The form of its value.
    pub form: ValueForm,
    /// The classes that have it, see [`class_bit`].
    pub classes: u8,
    /// The templates that may name it.
    pub given: u8,
    /// The changes of its value that are allowed.
    pub change: Changeable,
    /// Its value where no template names it.
    pub default: Initial,
    /// True where a sensitive or unextractable key hides it.
    pub secret: bool,
}

/// `C_CreateObject`.
pub const CREATE: u8 = 1;
/// `C_GenerateKey`, `C_GenerateKeyPair`.
pub const GENERATE: u8 = 2;
/// `C_UnwrapKey`.
pub const UNWRAP: u8 = 4;
/// `C_CopyObject`, of Keystead's own attributes: of the specification's, what may change may differ in a copy.
pub(crate) const COPY: u8 = 8;
/// `C_DeriveKey`, `C_EncapsulateKey`, `C_DecapsulateKey`.
pub const DERIVE: u8 = 16;

pub(super) const MADE: u8 = CREATE | GENERATE | UNWRAP | DERIVE;
pub(super) const NEVER: u8 = 0;

pub(super) const DATA: u8 = 1;
pub(super) const SECRET: u8 = 2;
pub(super) const PUBLIC: u8 = 4;
pub(super) const PRIVATE: u8 = 8;
pub(super) const CERTIFICATE: u8 = 16;
pub(super) const TRUST: u8 = 32;
pub(super) const KEYS: u8 = SECRET | PUBLIC | PRIVATE;
pub(super) const HIDDEN: u8 = SECRET | PRIVATE;
pub(super) const ALL: u8 = DATA | CERTIFICATE | TRUST | KEYS;

/// Returns the bit of an object class in [`Rule::classes`]; 0 for a class the token does not keep.
pub fn class_bit(class: u64) -> u8 {
    match class {
        CKO_DATA => DATA,
        CKO_CERTIFICATE => CERTIFICATE,
        CKO_TRUST => TRUST,
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
    change: Changeable,
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
        change: Changeable::Never,
        default: Initial::Absent,
        secret: true,
    }
}
