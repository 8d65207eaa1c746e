//! Wrapping and unwrapping keys. Unwrapping onto the token is how material is imported.

use super::create::kind_of;
use super::loaded::Content;
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::key::{Status, Usage};
use crate::mechanism::{self, Mechanism, Row};
use crate::object::build::{self, build};
use crate::object::{How, Template, Wishes};
use crate::secret::Secret;
use pkcs11_sys::*;

impl Token {
    /// `C_WrapKey`.
    pub fn wrap(
        &self,
        _caller: &Caller,
        mechanism: &Mechanism,
        wrapping: Handle,
        key: Handle,
    ) -> Result<Vec<u8>> {
        let row = mechanism::find(mechanism.id)?;
        let wrap = row.wrap()?;
        let usable = self.usable(wrapping, Usage::Wrap, mechanism.id)?;
        let material = self.wrappable(key)?;
        wrap(&usable, &mechanism.params, &material)
    }

    /// `C_UnwrapKey`. Every malformed blob has one code. A refusal that depends on what was unwrapped
    /// has its own code only where the wrapping is authenticated: elsewhere it would be an oracle.
    pub fn unwrap(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        unwrapping: Handle,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<Handle> {
        let row = mechanism::find(mechanism.id)?;
        let unwrap = row.unwrap()?;
        let usable = self.usable(unwrapping, Usage::Unwrap, mechanism.id)?;
        let class = build::class(template)?;
        if !matches!(class, CKO_SECRET_KEY | CKO_PRIVATE_KEY) {
            return Err(
                Reason::TemplateInconsistent.detail("only secret and private keys are unwrapped")
            );
        }
        let kind = kind_of(template, class)?;
        let attributes = build(template, How::Unwrap, class, Some(kind))?;
        let wishes = Wishes::read(template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        if self.is_custom(&attributes, &wishes) {
            self.may_keep_custody(caller)?;
            self.check_target(kind, template, &wishes)?;
        } else {
            self.ordinary_expiry(&wishes)?;
        }
        let material = unwrap(&usable, &mechanism.params, wrapped)?;
        self.take_in(caller, kind, template, attributes, material, wishes)
            .map_err(|failure| told(failure, row))
    }

    fn wrappable(&self, key: Handle) -> Result<Secret> {
        let loaded = self.object(key).map_err(|failure| match failure.reason() {
            Reason::ObjectUnknown => Reason::KeyUnknown.into(),
            _ => failure,
        })?;
        let held =
            loaded.held().filter(|held| !held.material.is_empty()).ok_or(Reason::KeyUnknown)?;
        if !held.attributes.flag(CKA_EXTRACTABLE) {
            return Err(Reason::KeyUnextractable.into());
        }
        match (&loaded.content, loaded.custom_key().map(|(_, key)| key.state(self.now()).status()))
        {
            (Content::Object(_), _) | (_, Some(Status::Enabled)) => Ok(held.material.duplicate()),
            _ => Err(Reason::KeyNotWrappable.into()),
        }
    }
}

/// What the caller is told of a failure after the unwrapping.
fn told(failure: Error, row: &Row) -> Error {
    match failure.reason() {
        // The bytes are no key of the template's type.
        Reason::KeySizeRange | Reason::DataInvalid => Reason::WrappedInvalid.into(),
        Reason::OtherMaterial
        | Reason::OtherSize
        | Reason::MaterialHeld
        | Reason::SeveralTargets
        | Reason::AttributeValue
        | Reason::TemplateInconsistent
            if !row.authenticated =>
        {
            Reason::WrappedInvalid.into()
        }
        _ => failure,
    }
}
