//! Attributes that every key has, and that say nothing where they were given no value. Records do not hold
//! them then: older versions of this program made keys without them.

use super::attributes::Attributes;
use super::rules::{Initial, TEMPLATES, rule};
use super::vendor::CKA_KEYSTEAD_KEY_ID;
use crate::v3_2::{CKA_DECAPSULATE, CKA_ENCAPSULATE};
use pkcs11_sys::*;

fn kinds() -> impl Iterator<Item = u64> {
    let others = [CKA_ALLOWED_MECHANISMS, CKA_END_DATE, CKA_ENCAPSULATE, CKA_DECAPSULATE];
    others.into_iter().chain(TEMPLATES)
}

/// Returns the value that an attribute of this class has where a record holds none.
fn implied(kind: u64, class: u64) -> Option<&'static [u8]> {
    match (rule(kind, class)?.default, kind) {
        (Initial::Empty, _) => Some(&[]),
        (Initial::Flag(false), _) | (_, CKA_ENCAPSULATE | CKA_DECAPSULATE) => Some(&[CK_FALSE]),
        _ => None,
    }
}

/// Returns whether an attribute says nothing, so that a record does without it.
pub(crate) fn is_implied(kind: u64, value: &[u8], class: u64) -> bool {
    kinds().any(|it| it == kind) && implied(kind, class) == Some(value)
}

/// Adds what a record has done without, and takes away what older versions gave the public half of a pair
/// that was given no name: the key ID for a label, which the private half has no more.
pub(crate) fn complete(attributes: &mut Attributes) {
    let class = attributes.number(CKA_CLASS).unwrap_or(CK_UNAVAILABLE_INFORMATION);
    for kind in kinds().filter(|kind| !attributes.contains(*kind)).collect::<Vec<_>>() {
        if let Some(value) = implied(kind, class) {
            attributes.set(kind, value);
        }
    }
    let key = attributes.bytes(CKA_KEYSTEAD_KEY_ID);
    if class == CKO_PUBLIC_KEY && key.is_some() && key == attributes.bytes(CKA_LABEL) {
        attributes.set(CKA_LABEL, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v3_2::CKA_ENCAPSULATE_TEMPLATE;

    fn complete_of(class: u64, given: &[(u64, &[u8])]) -> Attributes {
        let mut made = Attributes::default();
        made.set_number(CKA_CLASS, class);
        given.iter().for_each(|(kind, value)| made.set(*kind, value));
        complete(&mut made);
        made
    }

    #[test]
    fn what_says_nothing_is_not_kept_and_is_there_again() {
        let key = complete_of(CKO_SECRET_KEY, &[(CKA_UNWRAP_TEMPLATE, b"bound")]);
        assert_eq!(key.bytes(CKA_ALLOWED_MECHANISMS), Some(&[][..]));
        assert_eq!(key.bytes(CKA_WRAP_TEMPLATE), Some(&[][..]));
        assert_eq!(key.bytes(CKA_DECAPSULATE), Some(&[CK_FALSE][..]));
        assert_eq!(key.bytes(CKA_UNWRAP_TEMPLATE), Some(&b"bound"[..]));
        assert_eq!(key.bytes(CKA_ENCAPSULATE_TEMPLATE), None);
        let kept = |(kind, value): &(u64, &[u8])| !is_implied(*kind, value, CKO_SECRET_KEY);
        let kept: Vec<_> = key.iter().filter(kept).map(|(kind, _)| kind).collect();
        assert_eq!(kept, [CKA_CLASS, CKA_UNWRAP_TEMPLATE]);
        assert_eq!(complete_of(CKO_DATA, &[]).iter().count(), 1);
    }

    #[test]
    fn a_public_half_that_nobody_named_has_no_label() {
        let named = |label| {
            let given: [(u64, &[u8]); 2] = [(CKA_LABEL, label), (CKA_KEYSTEAD_KEY_ID, b"id")];
            complete_of(CKO_PUBLIC_KEY, &given).bytes(CKA_LABEL).map(<[u8]>::to_vec)
        };
        assert_eq!(named(b"id"), Some(Vec::new()));
        assert_eq!(named(b"signer"), Some(b"signer".to_vec()));
    }
}
