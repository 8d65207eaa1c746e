//! Wrapping and unwrapping keys. Unwrapping onto the token is how material is imported.

use super::create::kind_of;
use super::{Caller, Handle, Token, zero_padding};
use crate::error::{Error, Reason, Result};
use crate::key::{Parsed, UsableKey, Usage};
use crate::mechanism::{self, Mechanism, MechanismRow, Setting};
use crate::object::kinds::Kind;
use crate::object::values::same;
use crate::object::vendor::{CKA_KEYSTEAD_IMPORT_ONLY, CKM_KEYSTEAD_SEAL};
use crate::object::{Attributes, Creation, Template, VendorRequest};
use crate::object::{build, import_only, kinds, marks};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::ops::RangeInclusive;

impl Token {
    /// `C_WrapKey` and `C_WrapKeyAuthenticated`, whose tag stands behind the wrapped key here.
    pub fn wrap(
        &self,
        _caller: &Caller,
        mechanism: &Mechanism,
        wrapping: Handle,
        key: Handle,
    ) -> Result<Vec<u8>> {
        let row = mechanism::find(mechanism.id)?;
        let wrap = row.wrap()?;
        self.is_set(row.wraps_by)?;
        let usable = self.usable(wrapping, Usage::Wrap, mechanism.id)?;
        let material = self
            .wrappable(row, key, wrapping, &usable)
            .map_err(|failure| self.with_name_of(key, failure))?;
        wrap(&usable, &mechanism.params, &material)
    }

    /// `C_UnwrapKey` and `C_UnwrapKeyAuthenticated`. Every malformed blob has one code. A refusal that depends on what was unwrapped
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
        row.unwrap()?;
        self.is_set(row.unwraps_by)?;
        let usable = self.usable(unwrapping, Usage::Unwrap, mechanism.id)?;
        let bound = self.unwrap_template(unwrapping, template)?;
        let template = bound.as_ref().unwrap_or(template);
        let class = build::class(template)?;
        if !matches!(class, CKO_SECRET_KEY | CKO_PRIVATE_KEY) {
            return Err(
                Reason::TemplateInconsistent.detail("only secret and private keys are unwrapped")
            );
        }
        let kind = kind_of(template, class)?;
        let mut attributes = self.build(template, Creation::Unwrap, class, kind)?;
        self.may_unwrap(&usable, &attributes)?;
        let request = VendorRequest::read(template)?;
        let custom = self.is_custom(&attributes, &request);
        let (transport, import_only) =
            (may_be_transport(row, &usable), usable.restrictions.import_only);
        if import_only && !custom {
            self.audited(request.key, only_compares(&request, &mut attributes))?;
        } else if !import_only && transport {
            import_only::opens_nothing(&mut attributes)?;
        }
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let import = match custom {
            true => self.plan_custom_import(caller, kind, template, &request),
            false => self.plan_ordinary_import(kind, template, &request),
        }?;
        if import_only && transport {
            self.audited(import.key(), import_only::opens_nothing(&mut attributes))?;
        }
        self.audited_import(import, |import| {
            check_length((row.unwrapped)(&usable, wrapped.len()), kind, template)?;
            let material = opened(row, &usable, mechanism, wrapped, &attributes)?;
            self.accept_material(caller, import, attributes, material)
                .map_err(|failure| masked_error(failure, row))
        })
    }

    /// Fails where a mechanism needs a setting that is not set.
    fn is_set(&self, setting: Option<Setting>) -> Result<()> {
        match setting {
            Some(setting) if !self.settings.has(setting) => Err(Reason::MechanismInvalid
                .detail(format_args!("`{}` is not configured", setting.name()))),
            _ => Ok(()),
        }
    }

    /// Returns the material of a key that may leave under this wrapping key.
    fn wrappable(
        &self,
        row: &MechanismRow,
        key: Handle,
        wrapping: Handle,
        by: &UsableKey,
    ) -> Result<Secret> {
        let unknown = |failure: Error| match failure.reason() {
            Reason::ObjectUnknown => Reason::KeyUnknown.into(),
            _ => failure,
        };
        let loaded = self.object(key).map_err(unknown)?;
        let body = loaded.body().ok_or(Reason::KeyUnknown)?;
        match body.attributes.number(CKA_CLASS) {
            _ if !body.material.is_empty() => {}
            Some(CKO_SECRET_KEY) => {
                return Err(Reason::KeyNotWrappable.detail("the key has no value"));
            }
            _ => return Err(Reason::KeyUnknown.into()),
        }
        if !body.attributes.flag(CKA_EXTRACTABLE) {
            return Err(Reason::KeyUnextractable.into());
        }
        if marks::would_be_lost(&body.attributes) {
            return Err(Reason::KeyNotWrappable
                .detail("unwrapped again, it would do what it does not, whatever its user asks"));
        }
        if !loaded.is_whole(self.now()) {
            return Err(Reason::KeyNotWrappable.detail("the key is not enabled, or has expired"));
        }
        // A key that may decrypt would undo its own wrapping and reveal what is sensitive.
        let reveals = by.may(Usage::Decrypt) && !self.settings.mixed_wrapping;
        if body.attributes.flag(CKA_SENSITIVE) && reveals {
            return Err(Reason::KeyNotWrappable.detail("the wrapping key may also decrypt"));
        }
        let wrapping = self.object(wrapping)?;
        let wrapping = &wrapping.body().ok_or(Reason::KeyUnknown)?.attributes;
        if body.attributes.flag(CKA_WRAP_WITH_TRUSTED) && !wrapping.flag(CKA_TRUSTED) {
            return Err(Reason::KeyNotWrappable.detail("the wrapping key is not trusted"));
        }
        if body.attributes.flag(CKA_WRAP_WITH_TRUSTED) && !row.keeps_what_it_wraps() {
            return Err(Reason::KeyNotWrappable
                .detail("what this mechanism wraps can be had back without a trusted key"));
        }
        if by.restrictions.any() && (!row.authenticated || row.id == CKM_KEYSTEAD_SEAL) {
            return Err(Reason::KeyNotPermitted.detail(
                "a key that is or was trusted, or has templates of its own, wraps by AES key wrap and AES-GCM \
                 alone, or by OAEP",
            ));
        }
        if row.is_keystream && !by.only_wraps() {
            return Err(Reason::KeyNotPermitted.detail(
                "a key that wraps by this mechanism may only wrap and unwrap: what it encrypts, signs \
                 or derives could open what it wraps",
            ));
        }
        match fits(&loaded.shown(self.now())?, wrapping.bytes(CKA_WRAP_TEMPLATE))? {
            true => Ok(match row.pads_with_zeros {
                Some(block) => {
                    zero_padding::pad(&body.material, &body.attributes, by.restrictions, block)
                }
                None => body.material.duplicate(),
            }),
            false => Err(Reason::KeyUnknown.detail("the key does not fit CKA_WRAP_TEMPLATE")),
        }
    }

    /// Returns the caller's template as the unwrapping key has it, where that asks for anything:
    /// `CKA_UNWRAP_TEMPLATE` adds to it, and contradicts it nowhere (PKCS#11 3.1, 4.10). What an import key
    /// takes in is hidden, whatever the template says.
    fn unwrap_template(&self, unwrapping: Handle, template: &Template) -> Result<Option<Template>> {
        let own = self.object(unwrapping)?;
        let own = &own.body().ok_or(Reason::KeyUnknown)?.attributes;
        let hidden = own.flag(CKA_KEYSTEAD_IMPORT_ONLY).then(|| import_only::material(template));
        let hidden = hidden.transpose()?;
        let own = own.bytes(CKA_UNWRAP_TEMPLATE);
        match own.map(|more| hidden.as_ref().unwrap_or(template).joined(more)) {
            Some(joined) => joined.map(Some),
            None => Ok(hidden),
        }
    }

    /// Fails where a key of known value could be planted in the place of a sensitive one.
    fn may_unwrap(&self, by: &UsableKey, attributes: &Attributes) -> Result<()> {
        let plants = plants(by) && !self.settings.mixed_wrapping;
        match attributes.flag(CKA_SENSITIVE) && plants {
            true => Err(Reason::TemplateInconsistent.detail(
                "a sensitive key, and the unwrapping key may also encrypt or decrypt, or sign or verify by \
                 CKM_AES_GMAC",
            )),
            false => Ok(()),
        }
    }
}

/// Returns whether the usages of a key let its user make blobs of keys that are known. With AES each use of the
/// block cipher does, in either direction: key wrap takes almost any initial value, so that any bytes are the
/// blob of what decrypting finds in them. A GMAC is an encrypted block, and short ones tell it piece by piece where
/// they are verified; what a CMAC encrypts cannot be chosen. For an RSA key its public half makes blobs.
fn plants(by: &UsableKey) -> bool {
    let may = |usages: [Usage; 2]| usages.into_iter().any(|usage| by.may(usage));
    matches!(by.parsed, Parsed::Aes(_))
        && (may([Usage::Encrypt, Usage::Decrypt])
            || by.serves(CKM_AES_GMAC) && may([Usage::Sign, Usage::Verify]))
}

/// Makes of an object that an import key is to unwrap one that only compares. What it takes in else is
/// material of custom keys: no session key that could do anything, and no ordinary key at all.
fn only_compares(request: &VendorRequest, attributes: &mut Attributes) -> Result<()> {
    let passing = !attributes.flag(CKA_TOKEN) && request.key.is_some();
    if !passing || !import_only::compares(attributes) {
        return Err(Reason::ImportOnly.into());
    }
    import_only::fix(attributes);
    Ok(())
}

/// Returns whether an RSA key that hides what it unwraps opens by itself what may be the transport key of a
/// blob that it opens as a whole too: then an owner of that blob could open it in two steps, and read what is
/// in it.
fn may_be_transport(row: &MechanismRow, by: &UsableKey) -> bool {
    let whole = CKM_RSA_AES_KEY_WRAP;
    by.restrictions.hides_what_it_unwraps()
        && row.id == CKM_RSA_PKCS_OAEP
        && by.mechanisms.as_ref().is_none_or(|allowed| allowed.contains(&whole))
}

/// Refuses a blob that can hold no key of this type, or not one of the length that the template names, by
/// the lengths of what it may hold alone (PKCS#11 3.1, 5.18.4): `WrappedLength`.
fn check_length(
    lengths: Option<RangeInclusive<usize>>,
    kind: &Kind,
    template: &Template,
) -> Result<()> {
    let named = template.number(CKA_VALUE_LEN)?;
    let lengths = lengths.ok_or(Reason::WrappedLength)?;
    // How long a private key is depends on more than its size.
    let fits = kind.class == CKO_PRIVATE_KEY
        || kind
            .sizes
            .in_bytes()
            .any(|size| lengths.contains(&size) && named.is_none_or(|named| named == size as u64));
    fits.then_some(()).ok_or_else(|| Reason::WrappedLength.into())
}

/// Returns the material that was wrapped, if it can be of the class that the template names.
fn opened(
    row: &MechanismRow,
    usable: &UsableKey,
    mechanism: &Mechanism,
    wrapped: &[u8],
    template: &Attributes,
) -> Result<Secret> {
    let mut material = row.unwrap_with(usable, &mechanism.params, wrapped)?;
    if let Some(block) = row.pads_with_zeros {
        material = zero_padding::unpad(material, template, usable.restrictions, block)
            .map_err(|failure| masked_error(failure, row))?;
    }
    let secret = template.number(CKA_CLASS) == Some(CKO_SECRET_KEY);
    match secret && kinds::is_private_key(&material) {
        true => Err(Reason::WrappedInvalid.detail("a private key, and not a secret one")),
        false => Ok(material),
    }
}

/// Returns whether an object has all that a template in an attribute names.
fn fits(shown: &Attributes, template: Option<&[u8]>) -> Result<bool> {
    let template = Template::unflatten(template.unwrap_or_default())?;
    Ok(template.iter().all(|wanted| {
        let value = shown.bytes(wanted.kind).map(Secret::from);
        value.is_some_and(|value| same(wanted.kind, &value, &wanted.value))
    }))
}

/// Returns the error that the caller sees of a failure after the unwrapping. Where nothing authenticates the
/// wrapping, no refusal may depend on what was in it: only what failed beside it has its own code.
fn masked_error(failure: Error, row: &MechanismRow) -> Error {
    match failure.reason() {
        // The bytes are no key of the template's type.
        Reason::KeySizeRange | Reason::DataInvalid => Reason::WrappedInvalid.into(),
        reason if row.authenticated || is_of_surroundings(reason) => failure,
        _ => Reason::WrappedInvalid.into(),
    }
}

/// Returns whether the agent, the store, the login or the session failed, whatever was unwrapped.
const fn is_of_surroundings(reason: Reason) -> bool {
    matches!(
        reason.rv(),
        CKR_HOST_MEMORY
            | CKR_GENERAL_ERROR
            | CKR_FUNCTION_FAILED
            | CKR_CRYPTOKI_NOT_INITIALIZED
            | CKR_TOKEN_NOT_PRESENT
            | CKR_TOKEN_WRITE_PROTECTED
            | CKR_DEVICE_ERROR
            | CKR_DEVICE_MEMORY
            | CKR_USER_NOT_LOGGED_IN
            | CKR_SESSION_HANDLE_INVALID
            | CKR_SESSION_COUNT
            | CKR_SESSION_READ_ONLY
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A blob that nothing authenticates has one answer, and a reason that is added later does not change that.
    #[test]
    fn what_is_in_an_unauthenticated_wrapping_has_one_answer() {
        let (padded, whole) =
            (mechanism::find(CKM_AES_CBC_PAD).unwrap(), mechanism::find(CKM_AES_KEY_WRAP).unwrap());
        for &reason in Reason::ALL {
            let wanted = if is_of_surroundings(reason) { reason } else { Reason::WrappedInvalid };
            assert_eq!(masked_error(reason.into(), padded).reason(), wanted);
        }
        for of_the_key in [
            Reason::OtherMaterial,
            Reason::MaterialHeld,
            Reason::ExpiryPast,
            Reason::ClockBehind,
            Reason::AttributeValue,
            Reason::PendingDeletion,
            Reason::ImportIntoGenerated,
            Reason::KeyTypeInconsistent,
        ] {
            assert_eq!(masked_error(of_the_key.into(), padded).reason(), Reason::WrappedInvalid);
            assert_eq!(masked_error(of_the_key.into(), whole).reason(), of_the_key);
        }
        for beside_it in [Reason::AgentLost, Reason::StoreFull, Reason::NotLoggedIn] {
            assert_eq!(masked_error(beside_it.into(), padded).reason(), beside_it);
        }
    }
}
