//! The attributes of an object as PKCS#11 shows them: its own, and in the place of some what its custom key or its
//! expiry says at that moment.

use super::loaded::{Loaded, ObjectBody, RecordContent, hides_its_value};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::key::Role;
use crate::object::property::CustomKeyView;
use crate::object::vendor::{CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_EXPIRY_ACTION};
use crate::object::{Attributes, custom, marks, rules};
use crate::secret::Secret;
use pkcs11_sys::{CKA_CLASS, CKA_UNIQUE_ID};

impl Loaded {
    /// Returns every attribute as PKCS#11 shows it at `now`.
    pub(crate) fn shown(&self, now: Seconds) -> Result<Attributes> {
        let (view, body) = match (self.view(now), self.body()) {
            (view, Some(body)) => (view, body),
            (Some(view), None) => return view.metadata_attributes(),
            (None, None) => return Err(Reason::General.into()),
        };
        let mut shown = body.attributes.duplicate();
        marks::hide(&mut shown);
        let others = [CKA_UNIQUE_ID, CKA_KEYSTEAD_EXPIRES_AT, CKA_KEYSTEAD_EXPIRY_ACTION];
        for kind in custom::shown_instead().chain(others) {
            if let Some(value) = self.instead(view.as_ref(), body, kind)? {
                shown.set(kind, &value);
            }
        }
        Ok(shown)
    }

    /// Returns one attribute as [`Self::shown`] has it.
    pub(crate) fn attribute(&self, kind: u64, now: Seconds) -> Result<Option<Secret>> {
        match (self.view(now), self.body()) {
            (Some(view), None) => Ok(view.metadata_attribute(kind)?.map(Secret::new)),
            (view, Some(body)) if !marks::is_mark(kind) => {
                let instead = self.instead(view.as_ref(), body, kind)?.map(Secret::new);
                Ok(instead.or_else(|| body.attributes.bytes(kind).map(Secret::from)))
            }
            _ => Ok(None),
        }
    }

    /// Returns the value that is shown in the place of an object's own attribute; none where that stands.
    fn instead(
        &self,
        view: Option<&CustomKeyView<'_>>,
        body: &ObjectBody,
        kind: u64,
    ) -> Result<Option<Vec<u8>>> {
        match (kind, view) {
            (CKA_UNIQUE_ID, _) => Ok(Some(self.id.to_string().into_bytes())),
            (_, Some(view)) => view.instead(&body.attributes, kind),
            (_, None) => Ok(self.header.expiry.and_then(|it| custom::expiry_attribute(it, kind))),
        }
    }

    /// Returns the custom key at `now` as this object shows it, if it is one's metadata or material.
    fn view(&self, now: Seconds) -> Option<CustomKeyView<'_>> {
        let (id, key) = self.custom_key()?;
        let (version, private) = match (&self.content, &self.header.role) {
            (RecordContent::Material(_, owner), Role::Material { version, .. }) => {
                (*version, owner.header.private)
            }
            _ => (key.state.version, self.header.private),
        };
        Some(CustomKeyView { id, metadata: &key.metadata, state: key.state(now), version, private })
    }

    /// Returns whether an attribute is the key's material, or a part of it.
    pub(crate) fn is_secret(&self, kind: u64) -> bool {
        let class = self.body().and_then(|body| body.attributes.number(CKA_CLASS));
        let rule = class.and_then(|class| rules::rule(kind, class));
        rule.is_some_and(|rule| rule.secret)
    }

    /// Returns whether the value of an attribute must stay inside. A secret is told only of a key that is whole:
    /// read out, it would serve for all that is refused.
    pub(crate) fn hides(&self, kind: u64, whole: bool) -> bool {
        let hidden = || self.body().is_some_and(|body| hides_its_value(&body.attributes));
        self.is_secret(kind) && (!whole || hidden())
    }
}
