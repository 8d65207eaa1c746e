//! Attributes of objects, made of a template or changed by one: the one interpreter of
//! the attribute table.

use super::attributes::{self, Attributes};
use super::kinds::{Kind, USAGE_FLAGS, public_key_info};
use super::marks;
use super::rules::{
    COPY, CREATE, Change, DERIVE, GENERATE, Initial, RULES, Rule, UNWRAP, ValueForm, class_bit,
    is_foreign, rule,
};
use super::template::{Attribute, Template};
use super::vendor::*;
use crate::error::{Error, Reason, Result};
use crate::key::Usage;
use crate::secret::Secret;
use crate::text::MAX_TEXT;
use pkcs11_sys::*;

/// The call by which an object comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// `C_CreateObject`.
    Create,
    /// `C_GenerateKey`, `C_GenerateKeyPair`.
    Generate,
    /// `C_UnwrapKey`.
    Unwrap,
    /// `C_DeriveKey`.
    Derive,
}

impl Creation {
    const fn bit(self) -> u8 {
        match self {
            Self::Create => CREATE,
            Self::Generate => GENERATE,
            Self::Unwrap => UNWRAP,
            Self::Derive => DERIVE,
        }
    }
}

/// Returns the class a template names.
pub fn class(template: &Template) -> Result<u64> {
    let class = template
        .number(CKA_CLASS)?
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_CLASS is missing"))?;
    match class_bit(class) {
        0 => Err(Reason::AttributeValue.detail("an object class the token does not keep")),
        _ => Ok(class),
    }
}

/// Checks that every attribute of a template may stand in it and is well formed; as far as that is known
/// where the type of key is not.
pub fn check(template: &Template, by: Creation, class: u64, key_type: Option<u64>) -> Result<()> {
    template.iter().try_for_each(|attribute| {
        let rule = known(attribute, class, key_type)?;
        if rule.given & by.bit() == 0 {
            return Err(refuse(Reason::AttributeReadOnly, attribute.kind));
        }
        well_formed(rule, attribute.value.expose())
    })
}

/// Returns an object's attributes: the template's, and the table's defaults for the rest. What depends on the
/// key's material is added by [`Kind::describe`].
pub fn build(
    template: &Template,
    by: Creation,
    class: u64,
    kind: Option<&Kind>,
) -> Result<Attributes> {
    check(template, by, class, kind.map(|kind| kind.key_type))?;
    let mut made = Attributes::with_room();
    for rule in RULES.iter().filter(|rule| rule.classes & class_bit(class) != 0) {
        match rule.default {
            Initial::Absent => {}
            Initial::Empty => made.set(rule.kind, &[]),
            Initial::Flag(flag) => made.set_flag(rule.kind, flag),
            Initial::Number(number) => made.set_number(rule.kind, number),
        }
    }
    for attribute in template.iter().filter(|attribute| attribute.kind < CKA_VENDOR_DEFINED) {
        made.set(attribute.kind, attribute.value.expose());
    }
    if template.flag(CKA_KEYSTEAD_IMPORT_ONLY)? == Some(true) {
        made.set_flag(CKA_KEYSTEAD_IMPORT_ONLY, true);
    }
    made.set_number(CKA_CLASS, class);
    match kind {
        Some(kind) => key_defaults(&mut made, kind)?,
        None => default_flag(&mut made, CKA_PRIVATE, false),
    }
    marks::note_trust(&mut made);
    Ok(made)
}

/// Fills in what a key's template leaves open. A key without a named usage does everything that its type
/// can; session keys may leave and token keys stay, as SunPKCS11 needs it. A template that asks for a
/// protection gets those without which that one would be worth nothing.
fn key_defaults(made: &mut Attributes, kind: &Kind) -> Result<()> {
    if made.number(CKA_KEY_TYPE).is_some_and(|given| given != kind.key_type) {
        return Err(Reason::TemplateInconsistent.detail("CKA_KEY_TYPE does not fit"));
    }
    made.set_number(CKA_KEY_TYPE, kind.key_type);
    // pkcs11-tool names encryption for every secret key, HMAC keys included: what the type cannot do
    // says nothing about what it is for.
    let fits = |usage| kind.usages.contains(&usage);
    let named = USAGE_FLAGS.iter().any(|&(usage, flag)| fits(usage) && made.flag(flag));
    let bound = marks::restrictions(made).any();
    for &(usage, flag) in USAGE_FLAGS {
        if rule(flag, kind.class).is_some() {
            let meant = !bound || is_bound_for(usage, made);
            let left_out = named && !is_open(usage, kind);
            default_flag(made, flag, !left_out && fits(usage) && meant);
        }
    }
    let hidden = kind.class != CKO_PUBLIC_KEY;
    default_flag(made, CKA_PRIVATE, hidden);
    if made.flag(CKA_ALWAYS_AUTHENTICATE) && !made.flag(CKA_PRIVATE) {
        // PKCS#11 3.1, 4.9: without a login there is no PIN to ask for.
        return Err(
            Reason::TemplateInconsistent.detail("CKA_ALWAYS_AUTHENTICATE without CKA_PRIVATE")
        );
    }
    if hidden {
        let token = made.flag(CKA_TOKEN);
        default_flag(made, CKA_SENSITIVE, token || bound || asks_to_be_hidden(made));
        default_flag(made, CKA_EXTRACTABLE, !token && !made.flag(CKA_SENSITIVE));
    }
    Ok(())
}

/// Returns whether anybody who reads a public key can use it so without the token: a template that names
/// another usage protects nothing by leaving this one out, and clients (miekg/pkcs11) count on it as SoftHSM
/// has it. What wraps takes keys out of the token.
fn is_open(usage: Usage, kind: &Kind) -> bool {
    kind.class == CKO_PUBLIC_KEY && usage != Usage::Wrap
}

/// Returns whether a key's attributes ask for what would be worth nothing if its value could be read: that it
/// does not leave, or not by all ways, or that each use asks for the PIN.
fn asks_to_be_hidden(made: &Attributes) -> bool {
    let stays = made.contains(CKA_EXTRACTABLE) && !made.flag(CKA_EXTRACTABLE);
    stays || made.flag(CKA_WRAP_WITH_TRUSTED) || made.flag(CKA_ALWAYS_AUTHENTICATE)
}

fn default_flag(made: &mut Attributes, kind: u64, value: bool) {
    if !made.contains(kind) {
        made.set_flag(kind, value);
    }
}

/// Notes how a secret or private key came into being, as its attributes tell it. Whether it was always
/// hidden is known of a local key, and of another only where its attributes say so already: of a derived key,
/// and of its copy.
pub fn provenance(made: &mut Attributes, mechanism: Option<u64>) {
    let local = mechanism.is_some();
    made.set_flag(CKA_LOCAL, local);
    made.set_number(CKA_KEY_GEN_MECHANISM, mechanism.unwrap_or(CK_UNAVAILABLE_INFORMATION));
    if local && made.contains(CKA_SENSITIVE) {
        made.set_flag(CKA_ALWAYS_SENSITIVE, made.flag(CKA_SENSITIVE));
        made.set_flag(CKA_NEVER_EXTRACTABLE, !made.flag(CKA_EXTRACTABLE));
    } else if made.contains(CKA_SENSITIVE) {
        default_flag(made, CKA_ALWAYS_SENSITIVE, false);
        default_flag(made, CKA_NEVER_EXTRACTABLE, false);
    }
}

/// Applies a copy's template: what may be changed may differ in a copy, and a few attributes in a copy
/// only (PKCS#11 3.1, 4.1.3).
pub fn copy(from: &Attributes, template: &Template, officer: bool) -> Result<Attributes> {
    let mut made = from.duplicate();
    for attribute in template.iter() {
        may_differ(from, attribute)?;
        check_difference(&made, attribute, officer)?;
        if attribute.kind < CKA_VENDOR_DEFINED {
            marks::change(&mut made, attribute.kind, attribute.value.expose());
        }
    }
    if from.flag(CKA_PRIVATE) && !made.flag(CKA_PRIVATE) {
        return Err(Reason::TemplateInconsistent.detail("a private object's copy stays private"));
    }
    rise_together(from, &mut made, template);
    Ok(made)
}

/// A protection that a template raises on a key that is there takes those along without which it would
/// be worth nothing, as where a key is made; what the template says itself stands.
pub fn rise_together(from: &Attributes, made: &mut Attributes, template: &Template) {
    let rises = |kind| !from.flag(kind) && template.bytes(kind) == Some(&attributes::flag(true));
    let falls = |kind| from.flag(kind) && template.bytes(kind) == Some(&attributes::flag(false));
    let silent = |kind| template.bytes(kind).is_none() && from.contains(kind);
    if (rises(CKA_WRAP_WITH_TRUSTED) || falls(CKA_EXTRACTABLE)) && silent(CKA_SENSITIVE) {
        made.set_flag(CKA_SENSITIVE, true);
    }
    if !from.flag(CKA_SENSITIVE) && made.flag(CKA_SENSITIVE) && silent(CKA_EXTRACTABLE) {
        made.set_flag(CKA_EXTRACTABLE, false);
    }
}

/// Fails unless an attribute of a key's copy may be another than the key's. Where the key cannot be
/// modified, only its place and its names may: else a copy would be the way to change the rest.
fn may_differ(from: &Attributes, attribute: &Attribute) -> Result<()> {
    let fixed = from.contains(CKA_KEY_TYPE) && !from.flag(CKA_MODIFIABLE);
    let placed = matches!(attribute.kind, CKA_TOKEN | CKA_PRIVATE | CKA_LABEL | CKA_ID);
    match fixed && !placed && from.bytes(attribute.kind) != Some(attribute.value.expose()) {
        true => Err(refuse(Reason::AttributeReadOnly, attribute.kind)),
        false => Ok(()),
    }
}

/// Checks one attribute of `C_SetAttributeValue` against the table.
pub fn check_change(of: &Attributes, attribute: &Attribute, officer: bool) -> Result<()> {
    let rule = changeable(of, attribute)?;
    if attribute.kind >= CKA_VENDOR_DEFINED && !of.contains(attribute.kind) {
        return Err(refuse(Reason::AttributeUnknown, attribute.kind));
    }
    change(rule, of, attribute, officer)
}

/// Checks one attribute of `C_CopyObject` against the table.
fn check_difference(of: &Attributes, attribute: &Attribute, officer: bool) -> Result<()> {
    let rule = changeable(of, attribute)?;
    match rule.change {
        _ if attribute.kind >= CKA_VENDOR_DEFINED => match rule.given & COPY {
            0 => Err(refuse(Reason::AttributeReadOnly, attribute.kind)),
            _ => Ok(()),
        },
        Change::Copying => Ok(()),
        _ => change(rule, of, attribute, officer),
    }
}

/// Returns the row of an attribute whose value could be another, for all the table says of the value alone.
fn changeable(of: &Attributes, attribute: &Attribute) -> Result<&'static Rule> {
    if attribute.kind == CKA_UNIQUE_ID {
        return Err(refuse(Reason::AttributeReadOnly, attribute.kind));
    }
    let class = of.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
    let rule = known(attribute, class, of.number(CKA_KEY_TYPE))?;
    well_formed(rule, attribute.value.expose())?;
    // Nothing but a custom key's metadata looks like it.
    let metadata = attribute.kind == CKA_APPLICATION && attribute.value.expose() == APPLICATION;
    match metadata && of.bytes(CKA_APPLICATION) != Some(APPLICATION) {
        true => Err(refuse(Reason::AttributeValue, attribute.kind)),
        false => Ok(rule),
    }
}

fn change(rule: &Rule, of: &Attributes, attribute: &Attribute, officer: bool) -> Result<()> {
    let value = attribute.value.expose();
    let (old, new) = (of.flag(rule.kind), value == attributes::flag(true));
    let same = of.bytes(rule.kind) == Some(value);
    let fine = match rule.change {
        Change::Free => true,
        Change::Never | Change::Copying => same,
        Change::Ends => same || value.is_empty(),
        Change::Own => return own(of, attribute),
        Change::Rises => new || !old,
        Change::Falls => !new || old,
        Change::Officer => officer || !new || old,
        Change::Usage if new && marks::forbids(of, rule.kind) => false,
        // A user who decrypts with a wrapping key needs no unwrapping.
        Change::Usage => officer || !new || old || !marks::restrictions(of).any(),
    };
    if fine { Ok(()) } else { Err(refuse(Reason::AttributeReadOnly, rule.kind)) }
}

/// Checks that a private key's `CKA_PUBLIC_KEY_INFO` is its own, or says nothing.
fn own(of: &Attributes, attribute: &Attribute) -> Result<()> {
    let mut known = of.duplicate();
    known.set(attribute.kind, attribute.value.expose());
    match of.bytes(attribute.kind) {
        Some(computed) => public_key_info(computed, &mut known),
        None => Err(refuse(Reason::AttributeValue, attribute.kind)),
    }
}

/// Refuses a secret key that is trusted and does not hide its value for good: what it wraps would be as
/// open as itself.
pub fn check_trust(key: &Attributes) -> Result<()> {
    let hides = key.flag(CKA_SENSITIVE) && !key.flag(CKA_EXTRACTABLE);
    match key.flag(CKA_TRUSTED) && key.number(CKA_CLASS) == Some(CKO_SECRET_KEY) && !hides {
        true => Err(Reason::TemplateInconsistent
            .detail("a trusted secret key is CKA_SENSITIVE and not CKA_EXTRACTABLE")),
        false => Ok(()),
    }
}

/// Checks the same where a change says that the key is trusted.
pub fn check_trust_in(change: &Template, key: &Attributes) -> Result<()> {
    match change.flag(CKA_TRUSTED)? {
        Some(true) => check_trust(key),
        _ => Ok(()),
    }
}

/// Returns what a bound key is meant for where its template names no usage: what it is trusted with, and what
/// its own templates are about.
fn is_bound_for(usage: Usage, key: &Attributes) -> bool {
    match usage {
        Usage::Wrap => key.flag(CKA_TRUSTED) || marks::has_template(key, CKA_WRAP_TEMPLATE),
        Usage::Unwrap => marks::has_template(key, CKA_UNWRAP_TEMPLATE),
        Usage::Derive => marks::has_template(key, CKA_DERIVE_TEMPLATE),
        _ => false,
    }
}

fn known(attribute: &Attribute, class: u64, key_type: Option<u64>) -> Result<&'static Rule> {
    let foreign = key_type.is_some_and(|it| is_foreign(attribute.kind, class, it));
    match rule(attribute.kind, class).filter(|_| !foreign) {
        Some(rule) if attribute.kind != CKA_UNIQUE_ID => Ok(rule),
        _ => Err(refuse(Reason::AttributeUnknown, attribute.kind)),
    }
}

fn well_formed(rule: &Rule, value: &[u8]) -> Result<()> {
    let fits = match rule.form {
        ValueForm::Flag => matches!(value, [0 | 1]),
        ValueForm::No if value == attributes::flag(true) => {
            return Err(refuse(Reason::TemplateInconsistent, rule.kind));
        }
        ValueForm::No => value == attributes::flag(false),
        ValueForm::Number => value.len() == size_of::<CK_ULONG>(),
        ValueForm::UpTo(most) => as_number(value).is_some_and(|number| number <= most),
        ValueForm::Bytes => true,
        ValueForm::Label => value.len() <= MAX_TEXT,
        ValueForm::Text(most) => value.len() <= most && std::str::from_utf8(value).is_ok(),
        ValueForm::Date => value.is_empty() || attributes::date(value).is_some(),
        ValueForm::Template => Template::unflatten(value).is_ok(),
        ValueForm::Mechanisms => value.len().is_multiple_of(size_of::<CK_ULONG>()),
    };
    if fits { Ok(()) } else { Err(refuse(Reason::AttributeValue, rule.kind)) }
}

fn as_number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(CK_ULONG::from_ne_bytes)
}

fn refuse(reason: Reason, kind: u64) -> Error {
    reason.detail(format_args!("attribute {kind:#x}"))
}

/// Returns the value of a flag after an import over material that is present: the stronger one stays.
pub fn stronger(kind: u64, old: &Attributes, new: &Attributes) -> Secret {
    let value = match kind {
        CKA_SENSITIVE | CKA_WRAP_WITH_TRUSTED => old.flag(kind) || new.flag(kind),
        _ => old.flag(kind) && new.flag(kind),
    };
    Secret::from(&attributes::flag(value)[..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
