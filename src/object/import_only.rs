//! Import keys: pairs that only take in material of custom keys.
//!
//! The mark `CKA_KEYSTEAD_IMPORT_ONLY` is given where the pair is generated, and never again. What it
//! says of the private half, and of what that unwraps, is written here as templates.

use super::kinds::{Kind, USAGE_FLAGS};
use super::marks;
use super::rules::{ValueForm, rule};
use super::template::{Attribute, Template};
use super::vendor::{CKA_KEYSTEAD_CUSTODY, CKA_KEYSTEAD_IMPORT_ONLY};
use super::{Attributes, attributes};
use crate::error::{Reason, Result};
use crate::key::Usage;
use crate::secret::Secret;
use crate::v3_2::CKA_DECAPSULATE;
use pkcs11_sys::*;

/// The length of what an import key decapsulates, in bytes: all that is shared.
const TRANSPORT_KEY: u64 = 32;

/// Returns the templates of the two halves with all that an import key is; none where no import key is asked
/// for. The word of one half counts for both. What contradicts it is `TemplateInconsistent`.
pub(crate) fn halves(
    public: &Template,
    private: &Template,
    kind: &Kind,
) -> Result<Option<(Template, Template)>> {
    let says = |half: &Template| half.flag(CKA_KEYSTEAD_IMPORT_ONLY);
    if ![says(public)?, says(private)?].contains(&Some(true)) {
        return Ok(None);
    }
    let mut opening = kind.usages.iter().filter_map(|usage| match usage {
        Usage::Unwrap => Some(CKA_UNWRAP),
        Usage::Decapsulate => Some(CKA_DECAPSULATE),
        _ => None,
    });
    let opening = opening.next().ok_or_else(|| {
        Reason::TemplateInconsistent
            .detail("an import key of a type that neither unwraps nor decapsulates")
    })?;
    let marked = flags([(CKA_KEYSTEAD_IMPORT_ONLY, true)])?;
    Ok(Some((public.joined_with(marked)?, private.joined_with(private_half(opening)?)?)))
}

/// Returns the template of the private half: it unwraps or decapsulates and does nothing else, leaves in no way, and
/// never changes.
fn private_half(opening: u64) -> Result<Template> {
    let usages = usages_of(CKO_PRIVATE_KEY).map(|flag| (flag, flag == opening));
    let rest = [
        (CKA_KEYSTEAD_IMPORT_ONLY, true),
        (CKA_KEYSTEAD_CUSTODY, false),
        (CKA_PRIVATE, true),
        (CKA_SENSITIVE, true),
        (CKA_EXTRACTABLE, false),
        (CKA_MODIFIABLE, false),
        (CKA_COPYABLE, false),
        (CKA_ALWAYS_AUTHENTICATE, false),
    ];
    flags(usages.chain(rest))
}

/// Returns the template of what an import key unwraps: it is hidden and stays, whatever the caller's says.
pub(crate) fn material(template: &Template) -> Result<Template> {
    let rest = template.without(&[CKA_SENSITIVE, CKA_EXTRACTABLE]);
    rest.joined_with(flags([(CKA_SENSITIVE, true), (CKA_EXTRACTABLE, false)])?)
}

/// Returns the template of what an import key decapsulates: an AES-256 key of the session that unwraps by
/// `CKM_AES_KEY_WRAP_KWP` and does nothing else, leaves in no way, and never changes. It is hidden whatever
/// the caller's template says; what contradicts it else is `ImportOnly`.
pub(crate) fn transport(template: &Template) -> Result<Template> {
    let usages = usages_of(CKO_SECRET_KEY).map(|flag| (flag, flag == CKA_UNWRAP));
    let rest =
        [(CKA_TOKEN, false), (CKA_PRIVATE, true), (CKA_MODIFIABLE, false), (CKA_COPYABLE, false)];
    let numbers = [
        (CKA_KEY_TYPE, CKK_AES),
        (CKA_VALUE_LEN, TRANSPORT_KEY),
        (CKA_ALLOWED_MECHANISMS, CKM_AES_KEY_WRAP_KWP),
    ];
    let numbers = numbers.map(|(kind, number)| {
        let value = Secret::from(&attributes::number(number)[..]);
        Attribute { kind, value }
    });
    let bound = material(template)?.joined_with(flags(usages.chain(rest))?);
    let bound = bound.and_then(|bound| bound.joined_with(Template::new(numbers.into())?));
    bound.map_err(|failure| failure.under(Reason::ImportOnly))
}

/// Marks what an import key has decapsulated as one itself: what it unwraps is material of custom keys.
pub(crate) fn mark(made: &mut Attributes) {
    made.set_flag(CKA_KEYSTEAD_IMPORT_ONLY, true);
}

/// Keeps a key from unwrapping and decrypting anything, for good: what came by itself may be the
/// transport key of a blob that the same pair opens as a whole, and would open the rest of that into what
/// can be read, by AES key wrap or block by block. A key that would do so, because its template asks for it
/// or names no usage, is `TemplateInconsistent`.
pub(crate) fn opens_nothing(made: &mut Attributes) -> Result<()> {
    if made.flag(CKA_UNWRAP) || made.flag(CKA_DECRYPT) {
        return Err(Reason::TemplateInconsistent.detail(
            "what comes by OAEP alone may be a transport key, and neither unwraps nor decrypts, unless \
             CKA_ALLOWED_MECHANISMS of the pair is without CKM_RSA_AES_KEY_WRAP",
        ));
    }
    marks::forbid_opening(made);
    Ok(())
}

/// Returns whether a session key of these attributes can do nothing: made of the material of the custom key
/// that its template names or not at all, it compares, and takes nothing out.
pub(crate) fn compares(made: &Attributes) -> bool {
    USAGE_FLAGS.iter().all(|(_, flag)| !made.flag(*flag))
}

/// Makes of a session key what only compares: it stays as it is.
pub(crate) fn fix(compared: &mut Attributes) {
    compared.set_flag(CKA_MODIFIABLE, false);
    compared.set_flag(CKA_COPYABLE, false);
    marks::forbid_digests(compared);
}

/// Returns the usage flags that keys of a class have, but those that always are false.
pub fn usages_of(class: u64) -> impl Iterator<Item = u64> {
    let may_be =
        move |flag: &u64| rule(*flag, class).is_some_and(|rule| rule.form != ValueForm::No);
    USAGE_FLAGS.iter().map(|(_, flag)| *flag).filter(may_be)
}

fn flags(flags: impl IntoIterator<Item = (u64, bool)>) -> Result<Template> {
    let attribute = |(kind, value)| {
        let value = Secret::from(&attributes::flag(value)[..]);
        Attribute { kind, value }
    };
    Template::new(flags.into_iter().map(attribute).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::kinds::kind;
    use super::*;

    fn halves_of(
        public: &[(u64, bool)],
        private: &[(u64, bool)],
    ) -> Result<Option<(Template, Template)>> {
        let rsa = kind(CKO_PRIVATE_KEY, CKK_RSA).unwrap();
        let template = |given: &[(u64, bool)]| flags(given.iter().copied()).unwrap();
        halves(&template(public), &template(private), rsa)
    }

    #[test]
    fn the_word_of_one_half_counts_for_both() {
        let mark = (CKA_KEYSTEAD_IMPORT_ONLY, true);
        for (public, private) in [(&[mark][..], &[][..]), (&[], &[mark]), (&[mark], &[mark])] {
            let (public, private) = halves_of(public, private).unwrap().unwrap();
            for half in [&public, &private] {
                assert_eq!(half.flag(CKA_KEYSTEAD_IMPORT_ONLY), Ok(Some(true)));
            }
            assert_eq!(private.flag(CKA_UNWRAP), Ok(Some(true)));
            assert_eq!(private.flag(CKA_DECRYPT), Ok(Some(false)));
        }
        let not = (CKA_KEYSTEAD_IMPORT_ONLY, false);
        assert!(halves_of(&[], &[not]).unwrap().is_none());
        for (public, private) in [([mark], [not]), ([not], [mark])] {
            let refusal = halves_of(&public, &private).err().unwrap();
            assert_eq!(refusal.reason(), Reason::TemplateInconsistent);
        }
    }

    #[test]
    fn nothing_that_contradicts_an_import_key_stands_beside_its_mark() {
        for attribute in private_half(CKA_UNWRAP).unwrap().iter() {
            let other = attribute.value.expose() != attributes::flag(true);
            let private = [(CKA_KEYSTEAD_IMPORT_ONLY, true), (attribute.kind, other)];
            if attribute.kind == CKA_KEYSTEAD_IMPORT_ONLY {
                continue;
            }
            let refusal = halves_of(&[], &private).err().unwrap();
            assert_eq!(refusal.reason(), Reason::TemplateInconsistent, "{:#x}", attribute.kind);
        }
        let ec = kind(CKO_PRIVATE_KEY, CKK_EC).unwrap();
        let marked = flags([(CKA_KEYSTEAD_IMPORT_ONLY, true)]).unwrap();
        assert!(halves(&Template::default(), &marked, ec).is_err());
    }
}
