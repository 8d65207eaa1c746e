//! The checks of templates: may an attribute stand in one, be changed, or differ in a copy, as the attribute
//! table has it.

use super::Creation;
use super::attributes::{self, Attributes};
use super::kinds::public_key_info;
use super::marks;
use super::rules::{COPY, Changeable, Rule, ValueForm, is_foreign, rule};
use super::template::{Attribute, Template};
use super::vendor::*;
use crate::error::{Error, Reason, Result};
use crate::text::MAX_TEXT;
use pkcs11_sys::*;

/// Checks that every attribute of a template may stand in it and is well formed; as far as that is known
/// where the type of key is not.
pub(crate) fn check(
    template: &Template,
    by: Creation,
    class: u64,
    key_type: Option<u64>,
) -> Result<()> {
    template.iter().try_for_each(|attribute| {
        let rule = known(attribute, class, key_type)?;
        if rule.given & by.bit() == 0 {
            return Err(refuse(Reason::AttributeReadOnly, attribute.kind));
        }
        well_formed(rule, attribute.value.expose())
    })
}

/// Fails unless an attribute of a key's copy may be another than the key's. Where the key cannot be
/// modified, only its place and its names may: else a copy would be the way to change the rest.
pub(super) fn may_differ(from: &Attributes, attribute: &Attribute) -> Result<()> {
    let fixed = from.contains(CKA_KEY_TYPE) && !from.flag(CKA_MODIFIABLE);
    let placed = matches!(attribute.kind, CKA_TOKEN | CKA_PRIVATE | CKA_LABEL | CKA_ID);
    match fixed && !placed && from.bytes(attribute.kind) != Some(attribute.value.expose()) {
        true => Err(refuse(Reason::AttributeReadOnly, attribute.kind)),
        false => Ok(()),
    }
}

/// Checks one attribute of `C_SetAttributeValue` against the table.
pub(crate) fn check_change(of: &Attributes, attribute: &Attribute, officer: bool) -> Result<()> {
    let rule = changeable(of, attribute)?;
    if attribute.kind >= CKA_VENDOR_DEFINED && !of.contains(attribute.kind) {
        return Err(refuse(Reason::AttributeUnknown, attribute.kind));
    }
    change(rule, of, attribute, officer)
}

/// Checks one attribute of `C_CopyObject` against the table.
pub(super) fn check_difference(
    of: &Attributes,
    attribute: &Attribute,
    officer: bool,
) -> Result<()> {
    let rule = changeable(of, attribute)?;
    match rule.change {
        _ if attribute.kind >= CKA_VENDOR_DEFINED => match rule.given & COPY {
            0 => Err(refuse(Reason::AttributeReadOnly, attribute.kind)),
            _ => Ok(()),
        },
        Changeable::Copying => Ok(()),
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
        Changeable::Free => true,
        Changeable::Never | Changeable::Copying => same,
        Changeable::Ends => same || value.is_empty(),
        Changeable::Own => return own(of, attribute),
        Changeable::Rises => new || !old,
        Changeable::Falls => !new || old,
        Changeable::Officer => officer || !new || old,
        Changeable::Usage if new && marks::forbids(of, rule.kind) => false,
        // A user who decrypts with a wrapping key needs no unwrapping.
        Changeable::Usage => officer || !new || old || !marks::restrictions(of).any(),
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
pub(crate) fn check_trust(key: &Attributes) -> Result<()> {
    let hides = key.flag(CKA_SENSITIVE) && !key.flag(CKA_EXTRACTABLE);
    match key.flag(CKA_TRUSTED) && key.number(CKA_CLASS) == Some(CKO_SECRET_KEY) && !hides {
        true => Err(Reason::TemplateInconsistent
            .detail("a trusted secret key is CKA_SENSITIVE and not CKA_EXTRACTABLE")),
        false => Ok(()),
    }
}

/// Checks the same where a change says that the key is trusted.
pub(crate) fn check_trust_in(change: &Template, key: &Attributes) -> Result<()> {
    match change.flag(CKA_TRUSTED)? {
        Some(true) => check_trust(key),
        _ => Ok(()),
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
