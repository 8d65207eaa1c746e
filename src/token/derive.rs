//! Deriving keys. What a one-way mechanism makes is a key of its own; a key that tells something about
//! the one it comes from never has fewer protections than that.

use super::loaded::{Loaded, hides_its_value};
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::key::{Parsed, Usage};
use crate::mechanism::{self, Mechanism, MechanismRow};
use crate::object::build::{self, provenance};
use crate::object::vendor::APPLICATION;
use crate::object::{Attributes, Creation, Template, VendorRequest};
use crate::object::{kinds, marks};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::sync::Arc;

/// The shortest key that a hidden value is turned into by a mechanism that tells about it, and that is
/// derived hidden because a key says so, in bytes: 112 bits (NIST SP 800-131A). A byte can be guessed and
/// the guess checked with `C_DigestKey`, and then the same for one byte more.
const LEAST: usize = 14;

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
        let row = mechanism::find(mechanism.id)?;
        let derive = row.derive()?;
        let usable = self.usable(base, Usage::Derive, mechanism.id)?;
        let other = mechanism.params.other_key();
        let other = other.map(|key| self.second(key, mechanism.id)).transpose()?;
        let other = other.as_ref().map(|key| key.body().ok_or(Reason::KeyUnknown)).transpose()?;
        let base = self.object(base)?;
        let base = &base.body().ok_or(Reason::KeyUnknown)?.attributes;
        let keys = || [Some(base), other.map(|key| &key.attributes)].into_iter().flatten();
        let template = &bound(template, keys())?;
        let make = |length: u64| {
            let length = usize::try_from(length).map_err(|_| Reason::KeySizeRange)?;
            derive(&usable, other.map(|key| &key.material), &mechanism.params, length)
        };
        match row.derives_data {
            true => {
                let private = keys().any(|key| key.flag(CKA_PRIVATE));
                self.derive_data(caller, template, private, make)
            }
            false => {
                let has_template = keys().any(|key| marks::has_template(key, CKA_DERIVE_TEMPLATE));
                self.derive_key(caller, (row, has_template), template, base, make)
            }
        }
    }

    /// Derives a key. `has_template` is set where a key that it comes from has a template for it.
    fn derive_key(
        &self,
        caller: &Caller,
        (row, has_template): (&MechanismRow, bool),
        template: &Template,
        base: &Attributes,
        make: impl FnOnce(u64) -> Result<Secret>,
    ) -> Result<Handle> {
        of_class(template, CKO_SECRET_KEY)?;
        let key_type = template.number(CKA_KEY_TYPE)?.unwrap_or(CKK_GENERIC_SECRET);
        let kind = kinds::kind(CKO_SECRET_KEY, key_type)?;
        let mut attributes = self.build(template, Creation::Derive, CKO_SECRET_KEY, kind)?;
        if !row.one_way {
            protect(&mut attributes, template, base)?;
        }
        let request = VendorRequest::read(template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let material = make(attributes.number(CKA_VALUE_LEN).unwrap_or(0))?;
        let bound = has_template && hides_its_value(&attributes);
        if (bound || !row.one_way && hides_its_value(base)) && material.len() < LEAST {
            return Err(Reason::KeySizeRange.detail("so short a key could be guessed"));
        }
        inherit_history(&mut attributes, base);
        if bound {
            // What a digest makes of a shared secret is another key that is derived from the same base.
            marks::forbid_digests(&mut attributes);
        }
        if self.is_custom(&attributes, &request) {
            let import = self.plan_custom_import(caller, kind, template, &request)?;
            return self.audited_import(import, |import| {
                self.accept_material(caller, import, attributes, material)
            });
        }
        (kind.describe)(&material, &mut attributes)?;
        provenance(&mut attributes, None);
        let expiry = self.ordinary_expiry(&request)?;
        self.keep(caller, attributes, material, expiry)
    }

    /// Makes a data object whose value is what was derived; `private` where nothing is said.
    fn derive_data(
        &self,
        caller: &Caller,
        template: &Template,
        private: bool,
        make: impl FnOnce(u64) -> Result<Secret>,
    ) -> Result<Handle> {
        of_class(template, CKO_DATA)?;
        let mut attributes = build::build(template, Creation::Derive, CKO_DATA, None)?;
        let ours = template.iter().any(|attribute| attribute.kind >= CKA_VENDOR_DEFINED);
        if ours || template.bytes(CKA_APPLICATION) == Some(APPLICATION) {
            return Err(Reason::TemplateInconsistent.detail("derived data is no custom key"));
        }
        if template.bytes(CKA_PRIVATE).is_none() {
            attributes.set_flag(CKA_PRIVATE, private);
        }
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let value = make(attributes.number(CKA_VALUE_LEN).unwrap_or(0))?;
        attributes.remove(CKA_VALUE_LEN);
        attributes.set(CKA_VALUE, value.expose());
        self.keep(caller, attributes, Secret::new(Vec::new()), None)
    }

    /// Returns a second key that goes into a derivation: a secret of any length that may derive.
    fn second(&self, key: Handle, mechanism: u64) -> Result<Arc<Loaded>> {
        match self.usable(key, Usage::Derive, mechanism)?.parsed {
            Parsed::Generic(_) => self.object(key),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }
}

/// Returns a template with what each key's `CKA_DERIVE_TEMPLATE` adds. That of the second key binds as well:
/// who chooses the base can have of HKDF's extraction what an expansion of the salt key gives.
fn bound<'a>(template: &Template, keys: impl Iterator<Item = &'a Attributes>) -> Result<Template> {
    keys.filter_map(|key| key.bytes(CKA_DERIVE_TEMPLATE))
        .try_fold(template.without(&[]), |joined, more| joined.joined(more))
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

/// A derived key was always sensitive, or never extractable, if its base was and it is (PKCS#11 3.1,
/// the rules of each deriving mechanism).
fn inherit_history(derived: &mut Attributes, base: &Attributes) {
    for (always, flag, kept) in [
        (CKA_ALWAYS_SENSITIVE, CKA_SENSITIVE, true),
        (CKA_NEVER_EXTRACTABLE, CKA_EXTRACTABLE, false),
    ] {
        derived.set_flag(always, base.flag(always) && derived.flag(flag) == kept);
    }
}

/// Gives the derived key the protections of its base key. Fails where the template says otherwise.
fn protect(derived: &mut Attributes, template: &Template, base: &Attributes) -> Result<()> {
    for (kind, protected) in [
        (CKA_SENSITIVE, true),
        (CKA_EXTRACTABLE, false),
        (CKA_PRIVATE, true),
        (CKA_WRAP_WITH_TRUSTED, true),
    ] {
        if base.flag(kind) != protected || derived.flag(kind) == protected {
            continue;
        }
        if template.bytes(kind).is_some() {
            return Err(Reason::TemplateInconsistent
                .detail("a derived key with fewer protections than the one it comes from"));
        }
        derived.set_flag(kind, protected);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::object::Attribute;
    use crate::object::attributes::flag;

    const PROTECTIONS: [(u64, bool); 4] = [
        (CKA_SENSITIVE, true),
        (CKA_EXTRACTABLE, false),
        (CKA_PRIVATE, true),
        (CKA_WRAP_WITH_TRUSTED, true),
    ];

    fn attributes(protected: bool) -> Attributes {
        let mut made = Attributes::default();
        for (kind, protects) in PROTECTIONS {
            made.set_flag(kind, protects == protected);
        }
        made
    }

    #[test]
    fn what_tells_about_its_base_has_all_of_its_protections() {
        let (hidden, open) = (attributes(true), attributes(false));
        for (kind, protects) in PROTECTIONS {
            let value = Secret::from(&flag(!protects)[..]);
            let lower = Template::new(vec![Attribute { kind, value }]).unwrap();
            let refusal = protect(&mut attributes(false), &lower, &hidden).unwrap_err();
            assert_eq!(refusal.reason(), Reason::TemplateInconsistent, "{kind:#x}");
            protect(&mut attributes(false), &lower, &open).unwrap();
            let mut silent = attributes(false);
            protect(&mut silent, &Template::default(), &hidden).unwrap();
            assert_eq!(silent.flag(kind), protects, "{kind:#x}");
        }
    }
}
