//! `C_CopyObject`. A custom key cannot be copied: a session copy would outlive its material's expiry.

use super::loaded::Content;
use super::{Caller, Handle, Login, Token};
use crate::error::{Reason, Result};
use crate::key::Expiry;
use crate::object::kinds;
use crate::object::{Attribute, Attributes, Template, Wishes, build};
use crate::secret::Secret;
use pkcs11_sys::*;

impl Token {
    /// Copies an ordinary object. A session key that the token generated becomes a generated custom
    /// key when it is copied to the token, any other key an external one.
    pub fn copy(&self, caller: &Caller, object: Handle, template: &Template) -> Result<Handle> {
        let loaded = self.object(object)?;
        let Content::Object(held) = &loaded.content else {
            return Err(self.of(object, Reason::Uncopyable.into()));
        };
        if !held.attributes.flag(CKA_COPYABLE) {
            return Err(Reason::ActionProhibited.detail("CKA_COPYABLE is false"));
        }
        let officer = self.who() == Login::Officer;
        let attributes = build::copy(&held.attributes, template, officer)?;
        let wishes = with_expiry(Wishes::read(template)?, loaded.header.expiry);
        let material = held.material.duplicate();
        if held.material.is_empty() || !self.is_custom(&attributes, &wishes) {
            return self.keep(caller, attributes, material, loaded.header.expiry);
        }
        let number = |kind| attributes.number(kind).ok_or(Reason::General);
        let kind = kinds::kind(number(CKA_CLASS)?, number(CKA_KEY_TYPE)?)?;
        match attributes.flag(CKA_LOCAL) {
            true => {
                let (plan, _) = self.plan_generated(caller, kind, attributes, material, &wishes)?;
                let [handle] = self.carry_out(caller, [plan])?;
                Ok(handle)
            }
            false => {
                let template = as_import(template, &held.attributes)?;
                let custom = self.is_custom(&attributes, &wishes);
                let taken = self.take_in(caller, kind, &template, attributes, material, &wishes);
                match custom {
                    true => self.reported(kind, &template, &wishes, taken),
                    false => taken,
                }
            }
        }
    }
}

/// A copy lives no longer than the original.
fn with_expiry(wishes: Wishes, original: Option<Expiry>) -> Wishes {
    match original {
        None => wishes,
        Some(Expiry { at, action }) => {
            Wishes { expires_at: Some(at), action: Some(action), ..wishes }
        }
    }
}

/// The template of the import that a copy is: where it does not name the custom key that the material
/// is for, or the day it ends, the original's attributes do. SunPKCS11 imports so: it creates a session
/// object, with the attributes of its configuration, and copies that to the token under an alias.
fn as_import(template: &Template, original: &Attributes) -> Result<Template> {
    let own = [CKA_LABEL, CKA_ID, CKA_END_DATE].into_iter().filter_map(|kind| {
        let value = original.bytes(kind).filter(|value| !value.is_empty())?;
        template.bytes(kind).is_none().then(|| Attribute { kind, value: Secret::from(value) })
    });
    template.joined(Template::new(own.collect())?.flatten().expose())
}
