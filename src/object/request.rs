//! The requests that a template makes of Keystead beside the attributes that it gives.

use super::properties;
use super::property::SetBy;
use super::template::Template;
use super::vendor::*;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Expiry, ExpiryAction};
use pkcs11_sys::CKA_VENDOR_DEFINED;

/// The requests that Keystead's own attributes in a template make. They are not stored as attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VendorRequest {
    /// True for a custom key, false for an ordinary one; else the token's default decides.
    pub custody: Option<bool>,
    /// The custom key it is meant for.
    pub key: Option<Id>,
    /// Its origin, where an empty key is made.
    pub origin: Option<u64>,
    /// The size in bits that it must have.
    pub bits: Option<u64>,
    /// The second in which it expires; `Some(0)` says never.
    pub expires_at: Option<Seconds>,
    /// The fate of the material then.
    pub action: Option<ExpiryAction>,
    /// The end that it does not outlive, whatever it asks for: of the keys that its bytes come from.
    pub no_later_than: Option<Expiry>,
    /// Days between its scheduled rotations; 0 none.
    pub rotation_days: u16,
    /// The properties that the metadata of a new custom key takes as they are, by their attributes.
    pub properties: Vec<(u64, Vec<u8>)>,
}

impl VendorRequest {
    /// Reads the request in a template that has passed [`super::template_check::check`].
    pub(crate) fn read(template: &Template) -> Result<Self> {
        if template.iter().all(|attribute| attribute.kind < CKA_VENDOR_DEFINED) {
            return Ok(Self::default());
        }
        let key = match template.bytes(CKA_KEYSTEAD_KEY_ID) {
            None | Some([]) => None,
            Some(text) => Some(Id::parse(text).ok_or_else(|| {
                Reason::AttributeValue.detail("CKA_KEYSTEAD_KEY_ID is not a UUID")
            })?),
        };
        let action = match template.number(CKA_KEYSTEAD_EXPIRY_ACTION)? {
            None => None,
            Some(ACTION_ERASE) => Some(ExpiryAction::Erase),
            Some(ACTION_READ_ONLY) => Some(ExpiryAction::ReadOnly),
            Some(_) => {
                return Err(Reason::AttributeValue.detail("CKA_KEYSTEAD_EXPIRY_ACTION is 1 or 2"));
            }
        };
        let days = template.number(CKA_KEYSTEAD_ROTATION_DAYS)?.unwrap_or(0);
        Ok(Self {
            custody: template.flag(CKA_KEYSTEAD_CUSTODY)?,
            key,
            origin: template.number(CKA_KEYSTEAD_ORIGIN)?,
            bits: template.number(CKA_KEYSTEAD_KEY_BITS)?,
            expires_at: template.number(CKA_KEYSTEAD_EXPIRES_AT)?,
            action,
            no_later_than: None,
            rotation_days: properties::rotation_days(days)?,
            properties: properties_in(template),
        })
    }

    /// Returns the expiry asked for in the template itself.
    pub(crate) fn expiry(&self) -> Option<Expiry> {
        let at = self.expires_at.filter(|&at| at != 0)?;
        Some(Expiry { at, action: self.action.unwrap_or(ExpiryAction::Erase) })
    }

    /// Returns the request of a key that outlives none of these ends.
    pub(crate) fn within(self, ends: impl IntoIterator<Item = Expiry>) -> Self {
        let no_later_than = Expiry::strictest(self.no_later_than.into_iter().chain(ends));
        Self { no_later_than, ..self }
    }

    /// Returns the end of a key that would have this one.
    pub(crate) fn capped(&self, expiry: Option<Expiry>) -> Option<Expiry> {
        Expiry::strictest(expiry.into_iter().chain(self.no_later_than))
    }

    /// Returns the properties that a new custom key is given.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.properties.iter().map(|(kind, value)| (*kind, &value[..]))
    }
}

fn properties_in(template: &Template) -> Vec<(u64, Vec<u8>)> {
    let own = template.iter().filter(|attribute| attribute.kind >= CKA_VENDOR_DEFINED);
    let given = own.filter(|it| matches!(properties::setter(it.kind), SetBy::Sealed(_)));
    given.map(|attribute| (attribute.kind, attribute.value.expose().to_vec())).collect()
}
