//! `C_CreateObject`.

use super::plan::NewObject;
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::lc::rsa::PrivateKey;
use crate::lc::rsa_parts::RsaParts;
use crate::object::build::{self, build, provenance};
use crate::object::kinds::{self, Kind};
use crate::object::trust::{self, CKO_TRUST};
use crate::object::vendor::*;
use crate::object::{Attributes, Creation, Template, VendorRequest, template_check};
use crate::object::{curves, lattices};
use crate::secret::Secret;
use crate::v3_2::CKA_SEED;
use pkcs11_sys::*;

impl Token {
    /// Makes an object of a template: ordinary, an empty custom key, or an import in the clear.
    pub fn create(&self, caller: &Caller, template: &Template) -> Result<Handle> {
        let class = build::class(template)?;
        template_check::check(
            template,
            Creation::Create,
            class,
            template.number(CKA_KEY_TYPE).ok().flatten(),
        )?;
        let request = VendorRequest::read(template)?;
        match class {
            CKO_DATA if template.bytes(CKA_APPLICATION) == Some(APPLICATION) => {
                self.create_from_json(caller, template)
            }
            CKO_DATA => {
                let attributes = build(template, Creation::Create, class, None)?;
                self.keep(caller, NewObject::without_key(attributes))
            }
            CKO_CERTIFICATE => {
                let attributes = certificate(build(template, Creation::Create, class, None)?)?;
                self.keep(caller, NewObject::without_key(attributes))
            }
            CKO_TRUST => {
                let attributes = build(template, Creation::Create, class, None)?;
                trust::check(&attributes, Reason::TemplateIncomplete)?;
                self.keep(caller, NewObject::without_key(attributes))
            }
            CKO_PUBLIC_KEY => {
                let kind = kind_of(template, class)?;
                let mut attributes = build(template, Creation::Create, class, Some(kind))?;
                provenance(&mut attributes, None);
                let key = kind.read_public(&mut attributes).map_err(no_such_key)?;
                let expiry = self.ordinary_expiry(&request)?;
                self.keep(caller, NewObject::public_key(attributes, key, expiry))
            }
            _ => self.create_key(caller, template, class, request),
        }
    }

    fn create_key(
        &self,
        caller: &Caller,
        template: &Template,
        class: u64,
        request: VendorRequest,
    ) -> Result<Handle> {
        let kind = kind_of(template, class)?;
        let attributes = self.build(template, Creation::Create, class, kind)?;
        match request.origin {
            None | Some(ORIGIN_EXTERNAL) => {}
            Some(_) => {
                return Err(Reason::AttributeValue.detail("a created key's origin is external"));
            }
        }
        let empty = request.origin.is_some() && value_is_missing(template, kind);
        match empty {
            true if attributes.flag(CKA_TOKEN) => {
                self.create_empty(caller, kind, template, request)
            }
            true => {
                Err(Reason::TemplateInconsistent.detail("an empty custom key is a token object"))
            }
            // A value has a length of its own (PKCS#11 3.1, 4.10); an empty key is told it.
            false if template.bytes(CKA_VALUE_LEN).is_some() => {
                Err(Reason::AttributeReadOnly.detail("CKA_VALUE_LEN follows from the value"))
            }
            false => {
                let (attributes, material) = take_material(attributes, kind)?;
                let import = match self.is_custom(&attributes, &request) {
                    true => self.plan_custom_import(caller, kind, template, &request),
                    false => self.plan_ordinary_import(kind, template, &request),
                }?;
                self.audited_import(import, |import| {
                    self.accept_material(caller, import, attributes, material).map_err(no_such_key)
                })
            }
        }
    }
}

/// Checks a certificate's attributes and fills in its check value (PKCS#11 3.1, 4.6.3).
fn certificate(mut attributes: Attributes) -> Result<Attributes> {
    match attributes.number(CKA_CERTIFICATE_TYPE) {
        Some(CKC_X_509) => {}
        Some(_) => {
            return Err(Reason::AttributeValue.detail("only X.509 certificates are kept"));
        }
        None => return Err(Reason::TemplateIncomplete.detail("CKA_CERTIFICATE_TYPE is missing")),
    }
    let filled = |kind| attributes.bytes(kind).is_some_and(|value| !value.is_empty());
    if !filled(CKA_SUBJECT) || !(filled(CKA_VALUE) || filled(CKA_URL)) {
        return Err(Reason::TemplateIncomplete
            .detail("a certificate needs CKA_SUBJECT, and CKA_VALUE or CKA_URL"));
    }
    let hashes = [CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY];
    if filled(CKA_URL) && !hashes.into_iter().all(filled) {
        return Err(Reason::TemplateIncomplete
            .detail("a certificate with CKA_URL needs the hashes of both public keys"));
    }
    check_sum(&mut attributes)?;
    Ok(attributes)
}

/// Fills in a certificate's check value. Of a certificate that only `CKA_URL` names there is none but the
/// template's.
fn check_sum(attributes: &mut Attributes) -> Result<()> {
    let value = attributes.bytes(CKA_VALUE).unwrap_or_default();
    if !value.is_empty() {
        return kinds::check_value(&kinds::sha1_check_value(value)?, attributes);
    }
    match attributes.bytes(CKA_CHECK_VALUE).map_or(0, <[u8]>::len) {
        0 => drop(attributes.remove(CKA_CHECK_VALUE)),
        3 => {}
        _ => {
            return Err(Reason::AttributeValue.detail("CKA_CHECK_VALUE has three bytes"));
        }
    }
    Ok(())
}

/// Returns the kind of key that a template names.
pub(super) fn kind_of(template: &Template, class: u64) -> Result<&'static Kind> {
    let key_type = template
        .number(CKA_KEY_TYPE)?
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_KEY_TYPE is missing"))?;
    kinds::kind(class, key_type)
}

/// Returns the failure of a value that is no key of its type: a wrong value here (PKCS#11 3.1, 5.7.1).
fn no_such_key(failure: Error) -> Error {
    match failure.reason() {
        Reason::KeySizeRange | Reason::DataInvalid => {
            Reason::AttributeValue.detail("the value is no key of this type")
        }
        _ => failure,
    }
}

fn value_is_missing(template: &Template, kind: &Kind) -> bool {
    let values: &[u64] = match kind.class {
        CKO_PRIVATE_KEY if kind.key_type == CKK_RSA => &[CKA_PRIVATE_EXPONENT],
        CKO_PRIVATE_KEY if lattices::are(kind.key_type) => &[CKA_VALUE, CKA_SEED],
        _ => &[CKA_VALUE],
    };
    values.iter().all(|value| template.bytes(*value).is_none_or(<[u8]>::is_empty))
}

/// Takes the key material out of a template's attributes.
pub(crate) fn take_material(
    mut attributes: Attributes,
    kind: &Kind,
) -> Result<(Attributes, Secret)> {
    let material = match kind.class {
        CKO_SECRET_KEY => attributes
            .remove(CKA_VALUE)
            .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_VALUE is missing"))?,
        _ if kind.key_type == CKK_RSA => rsa_material(&mut attributes)?,
        _ if lattices::are(kind.key_type) => lattices::material(&mut attributes)?,
        _ => curves::material(&mut attributes, kind.key_type)?,
    };
    Ok((attributes, material))
}

/// Returns an RSA private key of its modulus and private exponent, and of what else was given. An attribute
/// without a value says nothing.
fn rsa_material(attributes: &mut Attributes) -> Result<Secret> {
    let parts = RsaParts {
        modulus: attributes.bytes(CKA_MODULUS).ok_or(Reason::TemplateIncomplete)?.to_vec(),
        public_exponent: attributes.bytes(CKA_PUBLIC_EXPONENT).unwrap_or_default().to_vec(),
        private_exponent: attributes
            .remove(CKA_PRIVATE_EXPONENT)
            .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_PRIVATE_EXPONENT is missing"))?,
        primes: [CKA_PRIME_1, CKA_PRIME_2].map(|kind| part(attributes, kind)),
        exponents: [CKA_EXPONENT_1, CKA_EXPONENT_2].map(|kind| part(attributes, kind)),
        coefficient: part(attributes, CKA_COEFFICIENT),
    };
    PrivateKey::from_components(&parts.complete()?)?.to_pkcs8()
}

fn part(attributes: &mut Attributes, kind: u64) -> Secret {
    attributes.remove(kind).unwrap_or_else(|| Secret::new(Vec::new()))
}
