//! What a custom key adds to the attributes of its two objects: the metadata object is made of it
//! altogether, the material object shows it beside its own.

use super::attributes::{self, Attributes};
use super::json;
use super::kinds::USAGE_FLAGS;
use super::vendor::*;
use crate::error::Result;
use crate::id::Id;
use crate::key::{Expiry, ExpiryAction, Material, Metadata, Origin, State, Status};
use pkcs11_sys::*;

/// A custom key as it is at one moment.
pub struct CustomKeyView<'a> {
    /// Its key ID.
    pub id: Id,
    /// What it is called and made for.
    pub metadata: &'a Metadata,
    /// Its state, narrowed to the moment.
    pub state: State,
    /// Whether its metadata is hidden without a login.
    pub private: bool,
}

impl CustomKeyView<'_> {
    /// Every attribute of the metadata object.
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
        shown.set(CKA_LABEL, &self.metadata.name(self.id));
        shown.set(CKA_APPLICATION, APPLICATION);
        shown.set(CKA_OBJECT_ID, &[]);
        shown.set(CKA_UNIQUE_ID, self.id.to_string().as_bytes());
        shown.set(CKA_VALUE, &json::show(self.id, self.metadata, &self.state, self.private)?);
        self.show_on(&mut shown);
        Ok(shown)
    }

    /// Every attribute of the material object, given its own.
    pub fn material_attributes(&self, own: &Attributes, version: u32) -> Result<Attributes> {
        let mut shown = own.duplicate();
        shown.set(CKA_LABEL, self.metadata.given_name(self.id));
        shown.set(CKA_ID, &self.metadata.identifier);
        shown.set_flag(CKA_COPYABLE, false);
        shown.set_flag(CKA_DESTROYABLE, self.state.origin == Origin::External);
        if let Some(expiry) = self.state.expiry {
            shown.set(CKA_END_DATE, &attributes::date_of(expiry.at)?);
        }
        self.show_on(&mut shown);
        shown.set_number(CKA_KEYSTEAD_MATERIAL_VERSION, u64::from(version));
        if version < self.state.version {
            let gone = USAGE_FLAGS
                .iter()
                .filter(|(usage, flag)| !usage.only_reads() && own.bytes(*flag).is_some());
            gone.for_each(|&(_, flag)| shown.set_flag(flag, false));
        }
        Ok(shown)
    }

    fn show_on(&self, shown: &mut Attributes) {
        shown.set(CKA_KEYSTEAD_KEY_ID, self.id.to_string().as_bytes());
        shown.set(CKA_KEYSTEAD_DESCRIPTION, self.metadata.description.as_bytes());
        for (kind, value) in [
            (CKA_KEYSTEAD_ORIGIN, origin(self.state.origin)),
            (CKA_KEYSTEAD_STATUS, status(self.state.status())),
            (CKA_KEYSTEAD_CREATED_AT, self.metadata.created_at),
            (CKA_KEYSTEAD_MATERIAL_STATE, material(self.state.material)),
            (CKA_KEYSTEAD_MATERIAL_VERSION, u64::from(self.state.version)),
            (CKA_KEYSTEAD_ROTATION_DAYS, u64::from(self.metadata.rotation_days)),
            (CKA_KEYSTEAD_DELETION_AT, self.state.deletion_at.unwrap_or(0)),
        ] {
            shown.set_number(kind, value);
        }
        show_expiry(shown, self.state.expiry);
    }
}

/// Whether an object is found by this label: a key that nobody gave one is by its custom key's ID too.
pub fn is_called(shown: &Attributes, label: &[u8]) -> bool {
    match shown.bytes(CKA_LABEL) {
        None | Some([]) => shown.bytes(CKA_KEYSTEAD_KEY_ID) == Some(label),
        Some(given) => given == label,
    }
}

/// The expiry of a custom key, or of an ordinary key that has one.
pub fn show_expiry(shown: &mut Attributes, expiry: Option<Expiry>) {
    shown.set_number(CKA_KEYSTEAD_EXPIRES_AT, expiry.map_or(0, |expiry| expiry.at));
    let action = expiry.map_or(ExpiryAction::Erase, |expiry| expiry.action);
    shown.set_number(
        CKA_KEYSTEAD_EXPIRY_ACTION,
        match action {
            ExpiryAction::Erase => ACTION_ERASE,
            ExpiryAction::ReadOnly => ACTION_READ_ONLY,
        },
    );
}

const fn origin(origin: Origin) -> u64 {
    match origin {
        Origin::Generated => ORIGIN_GENERATED,
        Origin::External => ORIGIN_EXTERNAL,
    }
}

const fn status(status: Status) -> u64 {
    match status {
        Status::Enabled => STATUS_ENABLED,
        Status::Disabled => STATUS_DISABLED,
        Status::PendingDeletion => STATUS_PENDING_DELETION,
        Status::PendingImport => STATUS_PENDING_IMPORT,
    }
}

const fn material(material: Material) -> u64 {
    match material {
        Material::Never => MATERIAL_NEVER,
        Material::Present => MATERIAL_PRESENT,
        Material::Deleted => MATERIAL_DELETED,
        Material::Expired => MATERIAL_EXPIRED,
        Material::Readable => MATERIAL_READABLE,
    }
}
