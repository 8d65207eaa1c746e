//! A template as the caller gave it: owned, bounded, wiped when dropped.

use crate::error::{Reason, Result};
use crate::secret::Secret;
use pkcs11_sys::CK_ULONG;

/// The most attributes in one template.
pub const MAX_ATTRIBUTES: usize = 256;

/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1 << 20;

/// One attribute: its type and its value.
#[derive(Debug)]
pub struct Attribute {
    /// The `CKA_` number.
    pub kind: u64,
    /// The value.
    pub value: Secret,
}

/// What a caller wants of an object.
#[derive(Debug, Default)]
pub struct Template(Vec<Attribute>);

impl Template {
    /// Takes attributes over. One type twice is `TemplateInconsistent` (PKCS#11 3.1, 4.1.1).
    pub fn new(attributes: Vec<Attribute>) -> Result<Self> {
        if attributes.len() > MAX_ATTRIBUTES {
            return Err(Reason::ArgumentsBad.detail("a template with too many attributes"));
        }
        for (at, attribute) in attributes.iter().enumerate() {
            if attribute.value.len() > MAX_VALUE {
                return Err(Reason::AttributeValue.detail("a value longer than 1 MiB"));
            }
            if attributes.iter().take(at).any(|earlier| earlier.kind == attribute.kind) {
                return Err(Reason::TemplateInconsistent
                    .detail(format_args!("attribute {:#x} twice", attribute.kind)));
            }
        }
        Ok(Self(attributes))
    }

    /// The attributes, in the caller's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of an attribute, if it is there.
    pub fn bytes(&self, kind: u64) -> Option<&[u8]> {
        self.0.iter().find(|attribute| attribute.kind == kind).map(|found| found.value.expose())
    }

    /// A `CK_BBOOL` value: one byte, 0 or 1.
    pub fn flag(&self, kind: u64) -> Result<Option<bool>> {
        match self.bytes(kind) {
            None => Ok(None),
            Some([0]) => Ok(Some(false)),
            Some([1]) => Ok(Some(true)),
            Some(_) => {
                Err(Reason::AttributeValue.detail(format_args!("{kind:#x} is not a CK_BBOOL")))
            }
        }
    }

    /// A `CK_ULONG` value.
    pub fn number(&self, kind: u64) -> Result<Option<u64>> {
        match self.bytes(kind).map(<[u8; size_of::<CK_ULONG>()]>::try_from) {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(CK_ULONG::from_ne_bytes(bytes))),
            Some(Err(_)) => {
                Err(Reason::AttributeValue.detail(format_args!("{kind:#x} is not a CK_ULONG")))
            }
        }
    }
}
