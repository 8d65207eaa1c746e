//! The attributes that a custom key adds to its two objects: the metadata object is made of it
//! altogether, the material object shows it beside its own.

use super::attributes::{self, Attributes};
use super::json;
use super::kinds::USAGE_FLAGS;
use super::properties::{self, PROPERTIES};
use super::property::{CustomKeyView, MATERIAL, METADATA, Property, Value};
use super::vendor::*;
use crate::error::Result;
use crate::key::{Expiry, Origin};
use pkcs11_sys::*;

impl CustomKeyView<'_> {
    /// Returns every attribute of the metadata object.
    pub fn metadata_attributes(&self) -> Result<Attributes> {
        let mut shown = Attributes::default();
        let properties = shown_on(METADATA).filter_map(|property| property.kind);
        for kind in OF_METADATA.into_iter().chain(properties) {
            if let Some(value) = self.metadata_attribute(kind)? {
                shown.set(kind, &value);
            }
        }
        Ok(shown)
    }

    /// Returns one attribute of the metadata object.
    pub fn metadata_attribute(&self, kind: u64) -> Result<Option<Vec<u8>>> {
        Ok(Some(match kind {
            CKA_CLASS => attributes::number(CKO_DATA).to_vec(),
            CKA_TOKEN | CKA_MODIFIABLE => attributes::flag(true).to_vec(),
            CKA_PRIVATE => attributes::flag(self.private).to_vec(),
            CKA_COPYABLE | CKA_DESTROYABLE => attributes::flag(false).to_vec(),
            CKA_APPLICATION => APPLICATION.to_vec(),
            CKA_OBJECT_ID => Vec::new(),
            CKA_UNIQUE_ID => self.id.to_string().into_bytes(),
            CKA_VALUE => json::show(self)?,
            _ => return self.property(METADATA, kind),
        }))
    }

    /// Returns the value that the material object shows in the place of its own attribute; none where that stands.
    pub fn instead(&self, own: &Attributes, kind: u64) -> Result<Option<Vec<u8>>> {
        let flag = |value| Ok(Some(attributes::flag(value).to_vec()));
        match (kind, self.state.expiry) {
            (CKA_COPYABLE, _) => flag(false),
            (CKA_DESTROYABLE, _) => flag(self.state.origin == Origin::External),
            (CKA_END_DATE, Some(expiry)) => attributes::date_of(expiry.at).map(Some),
            _ if self.is_over(own, kind) => flag(false),
            _ => self.property(MATERIAL, kind),
        }
    }

    /// Returns a property that an object shows as this attribute.
    fn property(&self, on: u8, kind: u64) -> Result<Option<Vec<u8>>> {
        match shown_on(on).find(|property| property.kind == Some(kind)) {
            Some(property) => Ok(property.value(self)?.attribute()),
            None => Ok(None),
        }
    }

    /// Returns whether it is a usage that an older version of the material is not there for any more.
    fn is_over(&self, own: &Attributes, kind: u64) -> bool {
        let mut making = USAGE_FLAGS.iter().filter(|(usage, _)| !usage.only_reads());
        self.version < self.state.version
            && making.any(|(_, flag)| *flag == kind)
            && own.contains(kind)
    }
}

/// The attributes of a metadata object that are no properties.
const OF_METADATA: [u64; 10] = [
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_MODIFIABLE,
    CKA_COPYABLE,
    CKA_DESTROYABLE,
    CKA_APPLICATION,
    CKA_OBJECT_ID,
    CKA_UNIQUE_ID,
    CKA_VALUE,
];

fn shown_on(on: u8) -> impl Iterator<Item = &'static Property> {
    PROPERTIES.iter().filter(move |property| property.shown & on != 0)
}

/// Returns the attributes in whose place material may show something else.
pub(crate) fn shown_instead() -> impl Iterator<Item = u64> {
    let flags = USAGE_FLAGS.iter().map(|(_, flag)| *flag);
    let others = [CKA_COPYABLE, CKA_DESTROYABLE, CKA_END_DATE].into_iter();
    others.chain(flags).chain(shown_on(MATERIAL).filter_map(|property| property.kind))
}

/// Returns whether an object is found by this label: a key that was given none is by its custom key's ID
/// too.
pub(crate) fn is_called(own: Option<&[u8]>, key: Option<&[u8]>, label: &[u8]) -> bool {
    match own {
        None | Some([]) => key == Some(label),
        Some(given) => given == label,
    }
}

/// Returns an attribute of the expiry that an ordinary key has; none for every other attribute.
pub(crate) fn expiry_attribute(expiry: Expiry, kind: u64) -> Option<Vec<u8>> {
    match kind {
        CKA_KEYSTEAD_EXPIRES_AT => Value::Moment(Some(expiry.at)).attribute(),
        CKA_KEYSTEAD_EXPIRY_ACTION => properties::action(Some(expiry.action)).attribute(),
        _ => None,
    }
}
