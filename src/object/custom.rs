//! The attributes that a custom key adds to its two objects: the metadata object is made of it
//! altogether, the material object shows it beside its own.

use super::attributes::{self, Attributes};
use super::json;
use super::kinds::USAGE_FLAGS;
use super::properties::{self, PROPERTIES};
use super::property::{CustomKeyView, MATERIAL, METADATA, Value};
use super::vendor::*;
use crate::error::Result;
use crate::key::{Expiry, Origin};
use pkcs11_sys::*;

impl CustomKeyView<'_> {
    /// Returns every attribute of the metadata object.
    pub fn metadata_attributes(&self) -> Result<Attributes> {
        let mut shown = Attributes::default();
        shown.set_number(CKA_CLASS, CKO_DATA);
        for (kind, value) in [
            (CKA_TOKEN, true),
            (CKA_PRIVATE, self.private),
            (CKA_MODIFIABLE, true),
            (CKA_COPYABLE, false),
            (CKA_DESTROYABLE, false),
        ] {
            shown.set_flag(kind, value);
        }
        shown.set(CKA_APPLICATION, APPLICATION);
        shown.set(CKA_OBJECT_ID, &[]);
        shown.set(CKA_UNIQUE_ID, self.id.to_string().as_bytes());
        shown.set(CKA_VALUE, &json::show(self)?);
        self.show(METADATA, &mut shown)?;
        Ok(shown)
    }

    /// Returns every attribute of the material object, given its own.
    pub fn material_attributes(&self, own: &Attributes) -> Result<Attributes> {
        let mut shown = own.duplicate();
        shown.set_flag(CKA_COPYABLE, false);
        shown.set_flag(CKA_DESTROYABLE, self.state.origin == Origin::External);
        if let Some(expiry) = self.state.expiry {
            shown.set(CKA_END_DATE, &attributes::date_of(expiry.at)?);
        }
        self.show(MATERIAL, &mut shown)?;
        if self.version < self.state.version {
            let gone = USAGE_FLAGS
                .iter()
                .filter(|(usage, flag)| !usage.only_reads() && own.bytes(*flag).is_some());
            gone.for_each(|&(_, flag)| shown.set_flag(flag, false));
        }
        Ok(shown)
    }

    /// Adds the properties that an object shows.
    fn show(&self, on: u8, shown: &mut Attributes) -> Result<()> {
        for property in PROPERTIES.iter().filter(|property| property.shown & on != 0) {
            if let (Some(kind), Some(value)) = (property.kind, property.value(self)?.attribute()) {
                shown.set(kind, &value);
            }
        }
        Ok(())
    }
}

/// Returns whether an object is found by this label: a key that was given none is by its custom key's ID
/// too.
pub(crate) fn is_called(shown: &Attributes, label: &[u8]) -> bool {
    match shown.bytes(CKA_LABEL) {
        None | Some([]) => shown.bytes(CKA_KEYSTEAD_KEY_ID) == Some(label),
        Some(given) => given == label,
    }
}

/// Adds the expiry that an ordinary key has.
pub(crate) fn show_expiry(shown: &mut Attributes, expiry: Option<Expiry>) {
    for (kind, value) in [
        (CKA_KEYSTEAD_EXPIRES_AT, Value::Moment(expiry.map(|expiry| expiry.at))),
        (CKA_KEYSTEAD_EXPIRY_ACTION, properties::action(expiry.map(|expiry| expiry.action))),
    ] {
        value.attribute().into_iter().for_each(|value| shown.set(kind, &value));
    }
}
