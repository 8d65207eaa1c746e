//! Generating keys and key pairs.

use super::create::kind_of;
use super::plan::{NewObject, Plan};
use super::{Caller, Handle, Token};
use crate::error::{Error, Reason, Result};
use crate::key::policy::WRAPPING_RSA;
use crate::key::{Expiry, Parsed};
use crate::mechanism::{self, Domain, Generate, Mechanism, MechanismRow};
use crate::object::build::{build, provenance};
use crate::object::kinds::{self, Kind};
use crate::object::values::{plain, same};
use crate::object::vendor::CKA_KEYSTEAD_KEY_ID;
use crate::object::{Attributes, Creation, Template, VendorRequest};
use crate::object::{attributes, import_only, lattices, template_check};
use crate::secret::Secret;
use crate::v3_2::CKA_PARAMETER_SET;
use pkcs11_sys::*;

/// The public exponent where a template names none: F4.
const EXPONENT: [u8; 3] = [1, 0, 1];

impl Token {
    /// `C_GenerateKey`.
    pub fn generate(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        template: &Template,
    ) -> Result<Handle> {
        let row = mechanism::find(mechanism.id)?;
        if row.rotates {
            return self.rotate(caller, template);
        }
        let generate = row.generate()?;
        if row.generates_known {
            return self.generate_known(caller, mechanism, template, generate);
        }
        let kind = kinds::kind(CKO_SECRET_KEY, row.key_type.ok_or(Reason::MechanismInvalid)?)?;
        of_class(template, kind)?;
        let mut attributes = self.build(template, Creation::Generate, CKO_SECRET_KEY, kind)?;
        let request = VendorRequest::read(template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let length = attributes.number(CKA_VALUE_LEN).or(only_size(row));
        let length = length.or_else(|| kind.sizes.only().map(|bits| bits / 8));
        let material = generate(&mechanism.params, size(length)?).map_err(no_such_size)?;
        provenance(&mut attributes, Some(mechanism.id));
        let key = kind.read(&material, &mut attributes)?;
        let made = GeneratedKey { kind, attributes, material, key };
        let (plan, _) = self.plan_made(caller, made, &request)?;
        let [handle] = self.carry_out(caller, [plan])?;
        Ok(handle)
    }

    /// Makes a key that follows from a mechanism's parameter: the caller's key, as if it had been created.
    fn generate_known(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        template: &Template,
        generate: Generate,
    ) -> Result<Handle> {
        let kind = kind_of(template, CKO_SECRET_KEY)?;
        of_class(template, kind)?;
        let attributes = self.build(template, Creation::Generate, CKO_SECRET_KEY, kind)?;
        let request = VendorRequest::read(template)?;
        self.may_change(caller, attributes.flag(CKA_TOKEN), attributes.flag(CKA_PRIVATE))?;
        let length = attributes.number(CKA_VALUE_LEN);
        let length = size(length.or_else(|| kind.sizes.only().map(|bits| bits / 8)))?;
        let import = match self.is_custom(&attributes, &request) {
            true => self.plan_custom_import(caller, kind, template, &request),
            false => self.plan_ordinary_import(kind, template, &request),
        }?;
        self.audited_import(import, |import| {
            let material = generate(&mechanism.params, length)?;
            self.accept_material(caller, import, attributes, material)
        })
        .map_err(no_such_size)
    }

    /// `C_GenerateKeyPair`: the private key first, then the public half under the same names.
    pub fn generate_pair(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        public: &Template,
        private: &Template,
    ) -> Result<(Handle, Handle)> {
        let row = mechanism::find(mechanism.id)?;
        let generate = row.generate_pair()?;
        let key_type = row.key_type.ok_or(Reason::MechanismInvalid)?;
        let private_kind = kinds::kind(CKO_PRIVATE_KEY, key_type)?;
        let public_kind = kinds::kind(CKO_PUBLIC_KEY, key_type)?;
        for (half, kind) in [(public, public_kind), (private, private_kind)] {
            of_class(half, kind)?;
            template_check::check(half, Creation::Generate, kind.class, Some(key_type))?;
        }
        let import = import_only::halves(public, private, private_kind)?;
        let (public, private) =
            import.as_ref().map_or((public, private), |(public, private)| (public, private));
        let mut shown = build(public, Creation::Generate, CKO_PUBLIC_KEY, Some(public_kind))?;
        let mut hidden = self.build(private, Creation::Generate, CKO_PRIVATE_KEY, private_kind)?;
        let request = VendorRequest::read(private)?;
        let public_expiry = self.ordinary_expiry(&VendorRequest::read(public)?)?;
        for half in [&shown, &hidden] {
            self.may_change(caller, half.flag(CKA_TOKEN), half.flag(CKA_PRIVATE))?;
        }
        let domain = domain(&shown, key_type)?;
        agrees(&domain, &hidden)?;
        if let Domain::Rsa { bits, .. } = domain {
            self.may_be_so_short(key_type, || bits).map_err(no_such_size)?;
            if import.is_some() && bits < WRAPPING_RSA {
                return Err(Reason::AttributeValue.detail("an import key has 2048 bits or more"));
            }
        }
        let key = generate(&mechanism.params, &domain).map_err(no_such_size)?;
        for half in [&mut shown, &mut hidden] {
            provenance(half, Some(mechanism.id));
        }
        if let Some(curve) = shown.bytes(CKA_EC_PARAMS) {
            hidden.set(CKA_EC_PARAMS, curve);
        }
        let (material, public_key) = (key.to_pkcs8()?, key.public()?);
        (private_kind.describe)(&key, &mut hidden)?;
        describe_public(&hidden, public_kind, &public_key, &mut shown)?;
        let made = GeneratedKey { kind: private_kind, attributes: hidden, material, key };
        let (hidden, names) = self.plan_made(caller, made, &request)?;
        same_names(&mut shown, public, names);
        let shown = NewObject::public_key(shown, public_key, public_expiry);
        let shown = self.plan_ordinary(caller, shown)?;
        let [shown, hidden] = self.carry_out(caller, [shown, hidden])?;
        Ok((shown, hidden))
    }

    /// Plans a key that the token has just made: custom, ordinary or in its session. Returns its plan and the
    /// names its public half takes over.
    fn plan_made(
        &self,
        caller: &Caller,
        made: GeneratedKey,
        request: &VendorRequest,
    ) -> Result<(Plan, Names)> {
        let GeneratedKey { kind, attributes, material, key } = made;
        if request.key.is_some() {
            return Err(Reason::TemplateInconsistent.detail("only a rotation names the custom key"));
        }
        let mut names = Names::of(&attributes);
        if self.is_custom(&attributes, request) {
            let (plan, id) = self.plan_generated(caller, kind, attributes, material, request)?;
            names.key = Some(id.to_string());
            names.identifier.get_or_insert_with(|| id.bytes().to_vec());
            return Ok((plan, names));
        }
        let expiry: Option<Expiry> = self.ordinary_expiry(request)?;
        let object = NewObject { attributes, material, parsed: Some(key), expiry };
        Ok((self.plan_ordinary(caller, object)?, names))
    }
}

/// A secret or private key that the token has just made.
struct GeneratedKey {
    kind: &'static Kind,
    attributes: Attributes,
    material: Secret,
    key: Parsed,
}

/// Returns the failure of a size that no key of its type has: a wrong value of `CKA_VALUE_LEN` or
/// `CKA_MODULUS_BITS` here (PKCS#11 3.1, 5.18.1 and 5.18.2).
fn no_such_size(failure: Error) -> Error {
    match failure.reason() {
        Reason::KeySizeRange => Reason::AttributeValue.detail(failure),
        _ => failure,
    }
}

/// Returns the only size of a mechanism's keys, where there is but one.
fn only_size(row: &MechanismRow) -> Option<u64> {
    let (least, most) = row.key_sizes;
    (least == most && least != 0).then_some(least)
}

/// Returns the size that is asked for, in bytes.
fn size(length: Option<u64>) -> Result<usize> {
    let length =
        length.ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_VALUE_LEN is missing"))?;
    usize::try_from(length).map_err(|_| Reason::AttributeValue.into())
}

/// The names of a private key that its public half takes where its own template says nothing.
struct Names {
    label: Option<Vec<u8>>,
    identifier: Option<Vec<u8>>,
    key: Option<String>,
}

impl Names {
    fn of(attributes: &Attributes) -> Self {
        let given =
            |kind| attributes.bytes(kind).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
        Self { label: given(CKA_LABEL), identifier: given(CKA_ID), key: None }
    }
}

fn same_names(shown: &mut Attributes, template: &Template, names: Names) {
    for (kind, name) in [(CKA_LABEL, names.label), (CKA_ID, names.identifier)] {
        if let (None, Some(name)) = (template.bytes(kind), name) {
            shown.set(kind, &name);
        }
    }
    if let Some(key) = names.key {
        shown.set(CKA_KEYSTEAD_KEY_ID, key.as_bytes());
    }
}

/// Returns the domain of a pair that is to be made: `CKA_MODULUS_BITS` and `CKA_PUBLIC_EXPONENT`, `CKA_EC_PARAMS` or
/// `CKA_PARAMETER_SET`.
fn domain(public: &Attributes, key_type: u64) -> Result<Domain<'_>> {
    let missing = |what: &str| Reason::TemplateIncomplete.detail(format_args!("{what} is missing"));
    if lattices::are(key_type) {
        let number = public.number(CKA_PARAMETER_SET);
        let number = number.ok_or_else(|| missing("CKA_PARAMETER_SET"))?;
        return lattices::numbered(key_type, number)
            .map(|set| Domain::Lattice(set.number, set.set));
    }
    if key_type != CKK_RSA {
        let params = public.bytes(CKA_EC_PARAMS);
        return params.map(Domain::Curve).ok_or_else(|| missing("CKA_EC_PARAMS"));
    }
    let exponent = public.bytes(CKA_PUBLIC_EXPONENT);
    if exponent.is_some_and(<[u8]>::is_empty) {
        return Err(Reason::AttributeValue.detail("CKA_PUBLIC_EXPONENT is empty"));
    }
    let bits = public.number(CKA_MODULUS_BITS).ok_or_else(|| missing("CKA_MODULUS_BITS"))?;
    Ok(Domain::Rsa { bits, exponent: exponent.unwrap_or(&EXPONENT) })
}

/// Checks that a private half's template says again what the pair is to be like, and nothing else.
fn agrees(domain: &Domain, private: &Attributes) -> Result<()> {
    let (kind, pairs) = match domain {
        Domain::Rsa { exponent, .. } => (CKA_PUBLIC_EXPONENT, (*exponent).into()),
        Domain::Curve(name) => (CKA_EC_PARAMS, (*name).into()),
        Domain::Lattice(number, _) => (CKA_PARAMETER_SET, attributes::number(*number)[..].into()),
    };
    match private.bytes(kind) {
        Some([]) => Err(Reason::AttributeValue.detail(format_args!("{kind:#x} is empty"))),
        Some(given) if !same(kind, &given.into(), &plain(kind, pairs)) => {
            Err(Reason::TemplateInconsistent
                .detail(format_args!("{kind:#x} of the private half is not the pair's")))
        }
        _ => Ok(()),
    }
}

/// Gives the public half its numbers from the private one.
fn describe_public(
    hidden: &Attributes,
    kind: &Kind,
    key: &Parsed,
    shown: &mut Attributes,
) -> Result<()> {
    for part in [CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_POINT, CKA_PUBLIC_KEY_INFO] {
        if let Some(value) = hidden.bytes(part) {
            shown.set(part, value);
        }
    }
    (kind.describe)(key, shown)
}

/// Checks that a generating template names the class that the mechanism makes, or none.
fn of_class(template: &Template, kind: &Kind) -> Result<()> {
    match template.number(CKA_CLASS)? {
        Some(given) if given != kind.class => {
            Err(Reason::TemplateInconsistent.detail("CKA_CLASS does not fit the mechanism"))
        }
        _ => Ok(()),
    }
}
