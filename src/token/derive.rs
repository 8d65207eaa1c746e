//! Deriving one key, or data. What a derived key has of those it comes from is decided in
//! [`super::derive_rules`].

use super::derive_rules::Sources;
use super::plan::NewObject;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::mechanism::{self, Mechanism};
use crate::object::build::{self, provenance};
use crate::object::kinds::{self, Kind};
use crate::object::vendor::APPLICATION;
use crate::object::{Attributes, Creation, Template, VendorRequest};
use crate::secret::Secret;
use pkcs11_sys::*;

/// A key that is about to be derived: all of it but its value.
pub(super) struct DerivedKey {
    pub(super) template: Template,
    pub(super) kind: &'static Kind,
    pub(super) request: VendorRequest,
    pub(super) attributes: Attributes,
}

impl DerivedKey {
    /// Returns the length that the template asks for, in bytes; 0 where it names none.
    pub(super) fn length(&self) -> Result<usize> {
        let length = self.attributes.number(CKA_VALUE_LEN).unwrap_or(0);
        usize::try_from(length).map_err(|_| Reason::KeySizeRange.into())
    }
}

impl Token {
    /// `C_DeriveKey`. Without `CKA_KEY_TYPE` the key is a generic secret; without `CKA_VALUE_LEN` it
    /// has the mechanism's natural length.
    pub fn derive(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        base: Handle,
        template: &Template,
    ) -> Result<Handle> {
        let derive = mechanism::find(mechanism.id)?.derive()?;
        let sources = self.sources(mechanism, base)?;
        let make = |length| derive(&sources.usable, sources.other(), &mechanism.params, length);
        if sources.row.derives_data {
            return self.derive_data(caller, &sources, template, make);
        }
        let mut key = self.outline(caller, &sources, template)?;
        let material = make(key.length()?)?;
        sources.check(&material, || make(0))?;
        sources.complete(&mut key.attributes, material.len())?;
        self.keep_derived(caller, key, material)
    }

    /// Returns all that is known of a key before it is derived.
    pub(super) fn outline(
        &self,
        caller: &Caller,
        sources: &Sources,
        template: &Template,
    ) -> Result<DerivedKey> {
        let template = match sources.row.id == CKM_ECDH1_DERIVE && is_of_nss(template)? {
            true => sources.bound(&template.without(&[CKA_KEY_TYPE]))?,
            false => sources.bound(template)?,
        };
        let (kind, mut attributes) = self.secret_key(&template)?;
        sources.protect(&mut attributes, &template)?;
        let request = sources.request(&template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        Ok(DerivedKey { template, kind, request, attributes })
    }

    /// Returns kind and attributes of the secret key that a template asks for: a generic secret where it names no type.
    pub(super) fn secret_key(&self, template: &Template) -> Result<(&'static Kind, Attributes)> {
        of_class(template, CKO_SECRET_KEY)?;
        let key_type = template.number(CKA_KEY_TYPE)?.unwrap_or(CKK_GENERIC_SECRET);
        let kind = kinds::kind(CKO_SECRET_KEY, key_type)?;
        let attributes = self.build(template, Creation::Derive, CKO_SECRET_KEY, kind)?;
        Ok((kind, attributes))
    }

    /// Keeps a derived key as material of a custom key.
    pub(super) fn keep_as_custom(
        &self,
        caller: &Caller,
        key: DerivedKey,
        material: Secret,
    ) -> Result<Handle> {
        let DerivedKey { template, kind, request, attributes } = key;
        let import = self.plan_custom_import(caller, kind, &template, &request)?;
        self.audited_import(import, |import| {
            self.accept_material(caller, import, attributes, material)
        })
    }

    fn keep_derived(&self, caller: &Caller, key: DerivedKey, material: Secret) -> Result<Handle> {
        if self.is_custom(&key.attributes, &key.request) {
            return self.keep_as_custom(caller, key, material);
        }
        let DerivedKey { kind, request, mut attributes, .. } = key;
        let parsed = Some(kind.read(&material, &mut attributes)?);
        provenance(&mut attributes, None);
        let expiry = self.ordinary_expiry(&request)?;
        self.keep(caller, NewObject { attributes, material, parsed, expiry })
    }

    /// Makes a data object whose value is what was derived; private where nothing is said and a key is.
    fn derive_data(
        &self,
        caller: &Caller,
        sources: &Sources,
        template: &Template,
        make: impl FnOnce(usize) -> Result<Secret>,
    ) -> Result<Handle> {
        let template = &sources.bound(template)?;
        of_class(template, CKO_DATA)?;
        let mut attributes = build::build(template, Creation::Derive, CKO_DATA, None)?;
        let ours = template.iter().any(|attribute| attribute.kind >= CKA_VENDOR_DEFINED);
        if ours || template.bytes(CKA_APPLICATION) == Some(APPLICATION) {
            return Err(Reason::TemplateInconsistent.detail("derived data is no custom key"));
        }
        if template.bytes(CKA_PRIVATE).is_none() {
            let private = sources.attributes().any(|key| key.flag(CKA_PRIVATE));
            attributes.set_flag(CKA_PRIVATE, private);
        }
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let length = attributes.number(CKA_VALUE_LEN).unwrap_or(0);
        let value = make(usize::try_from(length).map_err(|_| Reason::KeySizeRange)?)?;
        attributes.remove(CKA_VALUE_LEN);
        attributes.set(CKA_VALUE, value.expose());
        self.keep(caller, NewObject::without_key(attributes))
    }
}

/// Returns whether a template is what NSS asks ECDH for as a TLS 1.2 server: a `CKK_DES3` key of no length that
/// derives. It means the premaster secret of whatever length, which the token has as a generic secret; no key of
/// the token is of the type that is named.
fn is_of_nss(template: &Template) -> Result<bool> {
    let named = |kind: u64| matches!(kind, CKA_CLASS | CKA_KEY_TYPE | CKA_DERIVE);
    Ok(template.iter().all(|attribute| named(attribute.kind))
        && template.number(CKA_KEY_TYPE)? == Some(CKK_DES3)
        && template.flag(CKA_DERIVE)? == Some(true))
}

/// Checks that a template that names a class names the one that is derived.
fn of_class(template: &Template, class: u64) -> Result<()> {
    match template.number(CKA_CLASS)? {
        Some(given) if given != class => {
            Err(Reason::TemplateInconsistent.detail("CKA_CLASS is not what the mechanism derives"))
        }
        _ => Ok(()),
    }
}
