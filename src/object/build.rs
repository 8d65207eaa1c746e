//! Attributes of objects, made of a template: what it gives, and the attribute table's defaults for the rest.

use super::Creation;
use super::attributes::{self, Attributes};
use super::kinds::{Kind, USAGE_FLAGS};
use super::marks;
use super::rules::{self, Initial, class_bit, rule};
use super::template::Template;
use super::template_check::{check, check_difference, may_differ};
use super::trust;
use super::vendor::*;
use crate::error::{Reason, Result};
use crate::key::Usage;
use crate::secret::Secret;
use crate::v3_2::{CKA_DECAPSULATE_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE};
use pkcs11_sys::*;

/// Returns the class a template names.
pub(crate) fn class(template: &Template) -> Result<u64> {
    let class = template
        .number(CKA_CLASS)?
        .ok_or_else(|| Reason::TemplateIncomplete.detail("CKA_CLASS is missing"))?;
    match class_bit(class) {
        0 => Err(Reason::AttributeValue.detail("an object class the token does not keep")),
        _ => Ok(class),
    }
}

/// Returns an object's attributes: the template's, and the table's defaults for the rest. What depends on the
/// key's material is added by [`Kind::describe`].
pub(crate) fn build(
    template: &Template,
    by: Creation,
    class: u64,
    kind: Option<&Kind>,
) -> Result<Attributes> {
    check(template, by, class, kind.map(|kind| kind.key_type))?;
    let mut made = Attributes::with_room();
    for rule in rules::of_class(class) {
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

/// Returns whether a public key, once it is read, can be used so without the token: a template that names
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
pub(crate) fn provenance(made: &mut Attributes, mechanism: Option<u64>) {
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

/// Makes a session key of a template one without a value: it does nothing, goes into nothing, and neither changes
/// nor is copied.
pub(crate) fn leave_empty(made: &mut Attributes) {
    let none = USAGE_FLAGS.iter().map(|(_, flag)| *flag);
    for flag in none.chain([CKA_TOKEN, CKA_MODIFIABLE, CKA_COPYABLE]) {
        if made.contains(flag) {
            made.set_flag(flag, false);
        }
    }
    made.set_number(CKA_VALUE_LEN, 0);
    marks::forbid_digests(made);
}

/// Applies a copy's template: what may be changed may differ in a copy, and a few attributes in a copy
/// only (PKCS#11 3.1, 4.1.3).
pub(crate) fn copy(from: &Attributes, template: &Template, officer: bool) -> Result<Attributes> {
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
    trust::check(&made, Reason::TemplateInconsistent)?;
    Ok(made)
}

/// A protection that a template raises on a key that is there takes those along without which it would
/// be worth nothing, as where a key is made; what the template says itself stands.
pub(crate) fn rise_together(from: &Attributes, made: &mut Attributes, template: &Template) {
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

/// Returns true for a usage that a bound key is meant for where its template names none: one that it is trusted
/// with, or that its own templates are about.
fn is_bound_for(usage: Usage, key: &Attributes) -> bool {
    match usage {
        Usage::Wrap => key.flag(CKA_TRUSTED) || marks::has_template(key, CKA_WRAP_TEMPLATE),
        Usage::Unwrap => marks::has_template(key, CKA_UNWRAP_TEMPLATE),
        Usage::Derive => marks::has_template(key, CKA_DERIVE_TEMPLATE),
        Usage::Encapsulate => marks::has_template(key, CKA_ENCAPSULATE_TEMPLATE),
        Usage::Decapsulate => marks::has_template(key, CKA_DECAPSULATE_TEMPLATE),
        _ => false,
    }
}

/// Returns the value of a flag after an import over material that is present: the stronger one stays.
pub(crate) fn stronger(kind: u64, old: &Attributes, new: &Attributes) -> Secret {
    let value = match kind {
        CKA_SENSITIVE | CKA_WRAP_WITH_TRUSTED => old.flag(kind) || new.flag(kind),
        _ => old.flag(kind) && new.flag(kind),
    };
    Secret::from(&attributes::flag(value)[..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
