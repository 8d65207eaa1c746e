//! `C_CopyObject`. A custom key cannot be copied: a session copy would outlive its material's expiry.

use super::loaded::Content;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::object::kinds;
use crate::object::{Template, Wishes, build};
use pkcs11_sys::*;

impl Token {
    /// Copies an ordinary object. A session key that the token generated becomes a generated custom
    /// key when it is copied to the token, any other key an external one.
    pub fn copy(&self, caller: &Caller, object: Handle, template: &Template) -> Result<Handle> {
        let loaded = self.object(object)?;
        let Content::Object(held) = &loaded.content else { return Err(Reason::Uncopyable.into()) };
        if !held.attributes.flag(CKA_COPYABLE) {
            return Err(Reason::ActionProhibited.detail("CKA_COPYABLE is false"));
        }
        let attributes = build::copy(&held.attributes, template)?;
        let wishes = Wishes::read(template)?;
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
            false => self.take_in(caller, kind, template, attributes, material, wishes),
        }
    }
}
