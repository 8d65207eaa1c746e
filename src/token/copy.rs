//! `C_CopyObject`. A custom key cannot be copied: a session copy would outlive its material's expiry.

use super::loaded::RecordContent;
use super::plan::NewObject;
use super::{Caller, Handle, Login, Token};
use crate::error::{Reason, Result};
use crate::object::kinds;
use crate::object::{Attribute, Attributes, Template, VendorRequest, build};
use crate::secret::Secret;
use pkcs11_sys::*;

impl Token {
    /// Copies an ordinary object. A session key that the token generated becomes a generated custom
    /// key when it is copied to the token, any other key an external one.
    pub fn copy(&self, caller: &Caller, object: Handle, template: &Template) -> Result<Handle> {
        let loaded = self.object(object)?;
        let RecordContent::Object(body) = &loaded.content else {
            return Err(self.with_name_of(object, Reason::Uncopyable.into()));
        };
        if !body.attributes.flag(CKA_COPYABLE) {
            return Err(Reason::ActionProhibited.detail("CKA_COPYABLE is false"));
        }
        let officer = self.logged_in_as() == Login::Officer;
        let attributes = build::copy(&body.attributes, template, officer)?;
        let request = VendorRequest::read(template)?.within(loaded.header.expiry);
        let material = body.material.duplicate();
        if body.material.is_empty() || !self.is_custom(&attributes, &request) {
            let expiry = self.ordinary_expiry(&request)?;
            return self.keep(caller, NewObject { attributes, material, parsed: None, expiry });
        }
        let number = |kind| attributes.number(kind).ok_or(Reason::General);
        let kind = kinds::kind(number(CKA_CLASS)?, number(CKA_KEY_TYPE)?)?;
        match attributes.flag(CKA_LOCAL) {
            true => {
                let (plan, _) =
                    self.plan_generated(caller, kind, attributes, material, &request)?;
                let [handle] = self.carry_out(caller, [plan])?;
                Ok(handle)
            }
            false => {
                let template = as_import(template, &body.attributes)?;
                let import = self.plan_custom_import(caller, kind, &template, &request)?;
                self.audited_import(import, |import| {
                    self.accept_material(caller, import, attributes, material)
                })
            }
        }
    }
}

/// Returns the template of the import that a copy is: where it does not name the custom key that the material
/// is for, or the day it ends, the original's attributes do. SunPKCS11 imports so: it creates a session
/// object, with the attributes of its configuration, and copies that to the token under an alias.
fn as_import(template: &Template, original: &Attributes) -> Result<Template> {
    let own = [CKA_LABEL, CKA_ID, CKA_END_DATE].into_iter().filter_map(|kind| {
        let value = original.bytes(kind).filter(|value| !value.is_empty())?;
        template.bytes(kind).is_none().then(|| Attribute { kind, value: Secret::from(value) })
    });
    template.joined(Template::new(own.collect())?.flatten().expose())
}
