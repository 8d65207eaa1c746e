//! Keystead's vendor numbers, written down a second time on purpose: they are a promise, not the
//! code's to change. `tests/header.rs` compares them with the header and the code.

use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType};

pub const KEY_ID: u64 = 0x804B_5301;
pub const ORIGIN: u64 = 0x804B_5302;
pub const STATUS: u64 = 0x804B_5303;
pub const DESCRIPTION: u64 = 0x804B_5304;
pub const CREATED_AT: u64 = 0x804B_5305;
pub const EXPIRES_AT: u64 = 0x804B_5306;
pub const MATERIAL_STATE: u64 = 0x804B_5307;
pub const MATERIAL_VERSION: u64 = 0x804B_5308;
pub const ROTATION_DAYS: u64 = 0x804B_5309;
pub const DELETION_AT: u64 = 0x804B_530A;
pub const CUSTODY: u64 = 0x804B_530B;
pub const EXPIRY_ACTION: u64 = 0x804B_530C;
pub const IMPORT_ONLY: u64 = 0x804B_530D;

/// Values of [`ORIGIN`].
pub const GENERATED: u64 = 1;
pub const EXTERNAL: u64 = 2;

/// Values of [`STATUS`].
pub const ENABLED: u64 = 2;
pub const DISABLED: u64 = 3;
pub const PENDING_DELETION: u64 = 4;
pub const PENDING_IMPORT: u64 = 5;

/// Values of [`MATERIAL_STATE`].
pub const PRESENT: u64 = 1;
pub const NEVER_IMPORTED: u64 = 2;
pub const DELETED: u64 = 3;
pub const EXPIRED: u64 = 4;

/// A vendor attribute's type.
pub fn kind(number: u64) -> AttributeType {
    AttributeType::VendorDefined(number)
}

/// A vendor attribute that is a `CK_ULONG`.
pub fn number(kind: u64, value: u64) -> Attribute {
    Attribute::VendorDefined((self::kind(kind), value.to_ne_bytes().to_vec()))
}

/// A vendor attribute that is text.
pub fn text(kind: u64, value: &str) -> Attribute {
    Attribute::VendorDefined((self::kind(kind), value.as_bytes().to_vec()))
}

/// Asks for an ordinary PKCS#11 key.
pub fn without_custody() -> Attribute {
    Attribute::VendorDefined((kind(CUSTODY), vec![0]))
}

/// Asks for a pair that only takes in material of custom keys.
pub fn import_only() -> Attribute {
    Attribute::VendorDefined((kind(IMPORT_ONLY), vec![1]))
}

/// Names the custom key that material is for.
pub fn for_key(id: &str) -> Attribute {
    text(KEY_ID, id)
}

/// `CKM_KEYSTEAD_ROTATE`.
pub fn rotate() -> Mechanism<'static> {
    let number = MechanismType::new_vendor_defined(0x804B_5302).unwrap();
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(number, None))
}

/// `CKM_KEYSTEAD_SEAL` without associated data.
pub fn seal() -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(seal_number(), None))
}

/// `CKM_KEYSTEAD_SEAL` with associated data.
pub fn seal_with<const N: usize>(associated: &[u8; N]) -> Mechanism<'_> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(seal_number(), Some(associated)))
}

/// The number of `CKM_KEYSTEAD_SEAL`.
pub fn seal_number() -> MechanismType {
    MechanismType::new_vendor_defined(0x804B_5301).unwrap()
}

/// When the material is to expire.
pub fn expires_at(second: u64) -> Attribute {
    number(EXPIRES_AT, second)
}

/// An attribute whose value is a template with one attribute: a `CK_ATTRIBUTE` as it lies in memory.
pub fn template_of(of: u64, inner: u64, value: &'static [u8]) -> Attribute {
    template_with(of, &[(inner, value)])
}

/// An attribute whose value is a template.
pub fn template_with(of: u64, inner: &[(u64, &'static [u8])]) -> Attribute {
    let in_memory = |(inner, value): &(u64, &'static [u8])| {
        let address = value.as_ptr().expose_provenance();
        [inner.to_ne_bytes(), address.to_ne_bytes(), value.len().to_ne_bytes()].concat()
    };
    Attribute::VendorDefined((kind(of), inner.iter().flat_map(in_memory).collect()))
}

/// A mechanism that the client crate has no name for.
#[allow(unsafe_code)]
pub fn mechanism_type(number: u64) -> MechanismType {
    // SAFETY: a `MechanismType` is a `repr(transparent)` number, and any number is one.
    unsafe { std::mem::transmute::<u64, MechanismType>(number) }
}
