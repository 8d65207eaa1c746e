//! Marks: what the token notes of a key among its attributes, for itself. No template names one, and
//! none is shown.

use super::attributes::{self, Attributes};
use super::kinds::USAGE_FLAGS;
use super::rules::{Changeable, TEMPLATES, rule};
use super::template::Template;
use super::vendor::CKA_KEYSTEAD_IMPORT_ONLY;
use crate::error::{Error, Reason, Result};
use crate::key::Restrictions;
use pkcs11_sys::*;

/// On a key that the security officer trusts, or has trusted: it stays bound for good.
const TRUSTED_ONCE: u64 = u64::MAX - 1;

/// On a key that unwraps nothing, ever.
const UNWRAPS_NOTHING: u64 = u64::MAX - 2;

/// On a key that decrypts nothing, ever.
const DECRYPTS_NOTHING: u64 = u64::MAX - 3;

/// On a key whose value goes into no digest, ever.
const UNDIGESTED: u64 = u64::MAX - 4;

/// All of them.
const MARKS: [u64; 4] = [TRUSTED_ONCE, UNWRAPS_NOTHING, DECRYPTS_NOTHING, UNDIGESTED];

/// Marks a key that is trusted. To be called whenever its trust may have begun, or is about to end.
pub(crate) fn note_trust(key: &mut Attributes) {
    if key.contains(CKA_KEY_TYPE) && key.flag(CKA_TRUSTED) {
        key.set_flag(TRUSTED_ONCE, true);
    }
}

/// Changes an attribute, as [`super::build`] has allowed.
pub(crate) fn change(key: &mut Attributes, kind: u64, value: &[u8]) {
    note_trust(key);
    let class = key.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
    match rule(kind, class).map(|rule| rule.change) {
        Some(Changeable::Ends) if value.is_empty() => drop(key.remove(kind)),
        // It is the same, in whatever encoding.
        Some(Changeable::Own) => {}
        _ => key.set(kind, value),
    }
    note_trust(key);
}

/// Returns whether the key is trusted, or was before.
pub(crate) fn was_trusted(key: &Attributes) -> bool {
    key.flag(CKA_TRUSTED) || key.flag(TRUSTED_ONCE)
}

/// Returns whether the key has templates of its own that say anything.
pub(crate) fn has_templates(key: &Attributes) -> bool {
    TEMPLATES.into_iter().any(|kind| has_template(key, kind))
}

/// Returns whether the key has that template, and it says anything.
pub(crate) fn has_template(key: &Attributes, kind: u64) -> bool {
    key.bytes(kind).is_some_and(|template| !template.is_empty())
}

/// Returns the restrictions of a key. The mark of an import key binds its private half, and what that decapsulates:
/// the public one only wraps.
pub(crate) fn restrictions(key: &Attributes) -> Restrictions {
    let is_public = key.number(CKA_CLASS) == Some(CKO_PUBLIC_KEY);
    Restrictions {
        trusted: was_trusted(key),
        templates: has_templates(key),
        unwrap_template: has_template(key, CKA_UNWRAP_TEMPLATE),
        import_only: !is_public && key.flag(CKA_KEYSTEAD_IMPORT_ONLY),
    }
}

/// Marks a key that unwraps and decrypts nothing, and never will.
pub(crate) fn forbid_opening(key: &mut Attributes) {
    key.set_flag(UNWRAPS_NOTHING, true);
    key.set_flag(DECRYPTS_NOTHING, true);
}

/// Returns whether a usage is never this key's, whatever user gives it.
pub(crate) fn forbids(key: &Attributes, usage: u64) -> bool {
    match usage {
        CKA_UNWRAP => key.flag(UNWRAPS_NOTHING),
        CKA_DECRYPT => key.flag(DECRYPTS_NOTHING),
        _ => false,
    }
}

/// Marks a key whose value never goes into a digest.
pub(crate) fn forbid_digests(key: &mut Attributes) {
    key.set_flag(UNDIGESTED, true);
}

/// Returns whether the key's value never goes into a digest.
pub(crate) fn forbids_digests(key: &Attributes) -> bool {
    key.flag(UNDIGESTED)
}

/// Returns whether it is a mark's number.
pub(crate) fn is_mark(kind: u64) -> bool {
    MARKS.contains(&kind)
}

/// Leaves out what is not shown.
pub(crate) fn hide(shown: &mut Attributes) {
    for mark in MARKS {
        shown.remove(mark);
    }
}

/// Returns whether the key has any mark. What has its bytes and is no copy would not have it.
pub(crate) fn are_on(key: &Attributes) -> bool {
    MARKS.into_iter().any(|mark| key.flag(mark))
}

/// Returns whether a key has a mark that tells something its user does not know already. What is wrapped and
/// unwrapped again has no marks. A digest tells nothing that the user of a key without `CKA_WRAP_WITH_TRUSTED`
/// could not have by wrapping it under a key that is known.
pub(crate) fn would_be_lost(key: &Attributes) -> bool {
    let undigested = forbids_digests(key) && key.flag(CKA_WRAP_WITH_TRUSTED);
    let opens_nothing = forbids(key, CKA_UNWRAP) || forbids(key, CKA_DECRYPT);
    undigested || opens_nothing || key.flag(TRUSTED_ONCE)
}

/// Returns the bindings of a key that was trusted, or has templates of its own, to be kept where its
/// material goes and comes again; nothing of another key.
pub(crate) fn bindings(key: &Attributes) -> Vec<(u64, Vec<u8>)> {
    if !was_trusted(key) && !has_templates(key) {
        return Vec::new();
    }
    let binds =
        |kind, value: &[u8]| TEMPLATES.contains(&kind) && !value.is_empty() || is_usage(kind);
    let own = key.iter().filter(|(kind, value)| binds(*kind, value));
    // An RSA key that is confined to one form opens what another one does not: no list is a binding, too.
    let confined = (CKA_ALLOWED_MECHANISMS, key.bytes(CKA_ALLOWED_MECHANISMS).unwrap_or_default());
    let trusted = attributes::flag(was_trusted(key));
    let bindings = own.chain([confined, (TRUSTED_ONCE, &trusted)]);
    bindings.map(|(kind, value)| (kind, value.to_vec())).collect()
}

/// Binds material that comes again to what it was bound to before. A template that asks for more is
/// `TemplateInconsistent`; where it says nothing, the key is as it was.
pub(crate) fn bind(
    key: &mut Attributes,
    bindings: &[(u64, Vec<u8>)],
    template: &Template,
) -> Result<()> {
    if bindings.is_empty() {
        return Ok(());
    }
    let of_trust = |(kind, _): &&(u64, Vec<u8>)| *kind == TRUSTED_ONCE;
    for (kind, binding) in bindings.iter().filter(|binding| !of_trust(binding)) {
        let asked = template.bytes(*kind);
        let fits = asked.is_none_or(|asked| asked == binding || is_usage(*kind) && !is_true(asked));
        if !fits {
            return Err(asks_for_more(*kind));
        }
        match is_usage(*kind) {
            true if !is_true(binding) => key.set_flag(*kind, false),
            true => {}
            false => key.set(*kind, binding),
        }
    }
    // Bonds from before there were any but those of trust do not say so.
    if bindings.iter().find(of_trust).is_none_or(|(_, trusted)| is_true(trusted)) {
        key.set_flag(TRUSTED_ONCE, true);
    }
    Ok(())
}

fn asks_for_more(kind: u64) -> Error {
    Reason::TemplateInconsistent
        .detail(format_args!("attribute {kind:#x} is not what the key had that it was bound to"))
}

fn is_usage(kind: u64) -> bool {
    USAGE_FLAGS.iter().any(|(_, flag)| *flag == kind)
}

fn is_true(value: &[u8]) -> bool {
    value == attributes::flag(true)
}
