//! Deriving keys. A derived key never has fewer protections than the one it comes from.

use super::loaded::hides_its_value;
use super::{Caller, Handle, Token};
use crate::error::{Reason, Result};
use crate::key::Usage;
use crate::mechanism::{self, Mechanism};
use crate::object::build::provenance;
use crate::object::kinds;
use crate::object::{Attributes, How, Template, Wishes};
use pkcs11_sys::*;

/// The shortest key that a hidden value is turned into, in bytes: 112 bits (NIST SP 800-131A). A byte
/// can be guessed and the guess checked with `C_DigestKey`, and then the same for one byte more.
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
        let derive = mechanism::find(mechanism.id)?.derive()?;
        let usable = self.usable(base, Usage::Derive, mechanism.id)?;
        let base = self.object(base)?;
        let base = &base.held().ok_or(Reason::KeyUnknown)?.attributes;
        let template = &template.joined(base.bytes(CKA_DERIVE_TEMPLATE).unwrap_or_default())?;
        if template.number(CKA_CLASS)?.is_some_and(|class| class != CKO_SECRET_KEY) {
            return Err(Reason::TemplateInconsistent.detail("only secret keys are derived"));
        }
        let key_type = template.number(CKA_KEY_TYPE)?.unwrap_or(CKK_GENERIC_SECRET);
        let kind = kinds::kind(CKO_SECRET_KEY, key_type)?;
        let mut attributes = self.build(template, How::Derive, CKO_SECRET_KEY, kind)?;
        protect(&mut attributes, template, base)?;
        let wishes = Wishes::read(template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let length = attributes.number(CKA_VALUE_LEN).unwrap_or(0);
        let length = usize::try_from(length).map_err(|_| Reason::KeySizeRange)?;
        let material = derive(&usable, &mechanism.params, length)?;
        if hides_its_value(base) && material.len() < LEAST {
            return Err(Reason::KeySizeRange.detail("so short a key could be guessed"));
        }
        if self.is_custom(&attributes, &wishes) {
            let taken = self.take_in(caller, kind, template, attributes, material, &wishes);
            return self.reported(kind, template, &wishes, taken);
        }
        (kind.describe)(&material, &mut attributes)?;
        provenance(&mut attributes, None);
        for (always, flag, kept) in [
            (CKA_ALWAYS_SENSITIVE, CKA_SENSITIVE, true),
            (CKA_NEVER_EXTRACTABLE, CKA_EXTRACTABLE, false),
        ] {
            attributes.set_flag(always, base.flag(always) && attributes.flag(flag) == kept);
        }
        let expiry = self.ordinary_expiry(&wishes)?;
        self.keep(caller, attributes, material, expiry)
    }
}

/// What the base key is protected by, the derived one is too: silently where the template says
/// nothing, by refusing where it says otherwise.
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
