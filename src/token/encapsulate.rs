//! Encapsulating and decapsulating keys (PKCS#11 3.2, 5.18). What comes of it obeys the template, and what
//! the key adds to that; it was never the token's alone, and so is external.

use super::derive::DerivedKey;
use super::derive_rules::LEAST;
use super::loaded::hides_its_value;
use super::plan::NewObject;
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::key::{Expiry, UsableKey, Usage};
use crate::mechanism::{self, Mechanism};
use crate::object::build::provenance;
use crate::object::{Attributes, Template, VendorRequest, import_only, marks};
use crate::secret::Secret;
use crate::v3_2::{CKA_DECAPSULATE_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE};
use pkcs11_sys::*;

/// Returns the part of a shared secret that becomes the value of a key with these attributes: its leading
/// `CKA_VALUE_LEN` bytes, all of them where that is not named. A length that it has not is
/// `TemplateInconsistent`.
fn part_of(mut secret: Secret, attributes: &Attributes) -> Result<Secret> {
    let whole = secret.len() as u64;
    match attributes.number(CKA_VALUE_LEN).unwrap_or(whole) {
        length if (1..=whole).contains(&length) => secret.truncate(length as usize),
        _ => return Err(Reason::TemplateInconsistent.detail("no length of a shared secret")),
    }
    Ok(secret)
}

impl Token {
    /// Returns the key that `C_EncapsulateKey` uses, and the length of the ciphertext that it gives.
    pub fn encapsulating(
        &self,
        mechanism: &Mechanism,
        public: Handle,
    ) -> Result<(UsableKey, usize)> {
        let length = mechanism::find(mechanism.id)?.ciphertext()?;
        let usable = self.usable(public, Usage::Encapsulate, mechanism.id)?;
        let length = length(&usable)?;
        Ok((usable, length))
    }

    /// `C_EncapsulateKey`: makes a secret key, and the ciphertext that the owner of the private key
    /// decapsulates it from. `usable` is the public key with that handle.
    pub fn encapsulate(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        (public, usable): (Handle, &UsableKey),
        template: &Template,
    ) -> Result<(Vec<u8>, Handle)> {
        let encapsulate = mechanism::find(mechanism.id)?.encapsulate()?;
        let key = self.object(public)?;
        let own = &key.body().ok_or(Reason::KeyUnknown)?.attributes;
        let bound = joined(template, own, CKA_ENCAPSULATE_TEMPLATE);
        let key = self.shared_key(caller, own, bound.map_err(|_| Reason::KeyUnknown)?)?;
        let (ciphertext, secret) = encapsulate(usable, &mechanism.params)?;
        let secret = part_of(secret, &key.attributes)?;
        Ok((ciphertext, self.keep_shared(caller, key, secret)?))
    }

    /// `C_DecapsulateKey`. A ciphertext that was made for another key, or damaged, gives a key as well, which
    /// the token alone has. What an import key decapsulates only unwraps material of custom keys, and ends with
    /// it.
    pub fn decapsulate(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        private: Handle,
        ciphertext: &[u8],
        template: &Template,
    ) -> Result<Handle> {
        let decapsulate = mechanism::find(mechanism.id)?.decapsulate()?;
        let usable = self.usable(private, Usage::Decapsulate, mechanism.id)?;
        let key = self.object(private)?;
        let own = &key.body().ok_or(Reason::UnwrappingKeyUnknown)?.attributes;
        if usable.restrictions.import_only {
            let template = self.audited(None, import_only::transport(template))?;
            let mut made = self.shared_key(caller, own, template)?;
            import_only::mark(&mut made.attributes);
            made.request = made.request.within(key.header.expiry);
            let expiry = self.ordinary_expiry(&made.request)?;
            let secret = decapsulate(&usable, &mechanism.params, ciphertext)?;
            let secret = part_of(secret, &made.attributes)?;
            return self.keep_ordinary(caller, made, secret, expiry);
        }
        let bound = joined(template, own, CKA_DECAPSULATE_TEMPLATE)?;
        let made = self.shared_key(caller, own, bound)?;
        let secret = decapsulate(&usable, &mechanism.params, ciphertext)?;
        let secret = part_of(secret, &made.attributes)?;
        self.keep_shared(caller, made, secret)
    }

    /// Returns a secret key of this template, which comes of a key with these attributes. One that is hidden because that key says so is not so short that
    /// it could be guessed.
    fn shared_key(
        &self,
        caller: &Caller,
        own: &Attributes,
        template: Template,
    ) -> Result<DerivedKey> {
        let (kind, mut attributes) = self.secret_key(&template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let bound = [CKA_ENCAPSULATE_TEMPLATE, CKA_DECAPSULATE_TEMPLATE];
        let bound = bound.into_iter().any(|it| marks::has_template(own, it));
        if bound && hides_its_value(&attributes) {
            if attributes.number(CKA_VALUE_LEN).is_some_and(|length| length < LEAST as u64) {
                return Err(Reason::TemplateInconsistent.detail("so short a key could be guessed"));
            }
            marks::forbid_digests(&mut attributes);
        }
        let request = VendorRequest::read(&template)?;
        Ok(DerivedKey { template, kind, request, attributes })
    }

    /// Keeps a key that was shared, as material of a custom key or an ordinary key.
    fn keep_shared(&self, caller: &Caller, key: DerivedKey, secret: Secret) -> Result<Handle> {
        let kept = match self.is_custom(&key.attributes, &key.request) {
            true => self.keep_as_custom(caller, key, secret),
            false => self
                .ordinary_expiry(&key.request)
                .and_then(|expiry| self.keep_ordinary(caller, key, secret, expiry)),
        };
        kept.map_err(no_such_length)
    }

    fn keep_ordinary(
        &self,
        caller: &Caller,
        key: DerivedKey,
        secret: Secret,
        expiry: Option<Expiry>,
    ) -> Result<Handle> {
        let DerivedKey { kind, mut attributes, .. } = key;
        let parsed = Some(kind.read(&secret, &mut attributes)?);
        provenance(&mut attributes, None);
        self.keep(caller, NewObject { attributes, material: secret, parsed, expiry })
    }
}

/// Returns a template with what the key's own adds; what contradicts that is `TemplateInconsistent`.
fn joined(template: &Template, own: &Attributes, kind: u64) -> Result<Template> {
    own.bytes(kind).map_or_else(|| Ok(template.without(&[])), |more| template.joined(more))
}

/// Returns the failure of a type whose keys are never as long as what was shared.
fn no_such_length(failure: Error) -> Error {
    match failure.reason() {
        Reason::KeySizeRange => Reason::TemplateInconsistent.detail(failure),
        _ => failure,
    }
}
