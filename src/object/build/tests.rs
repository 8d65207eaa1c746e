//! Templates become attributes, and changes are checked, as the table has it.

use super::super::kinds::kind;
use super::super::template::Attribute;
use super::super::template_check::check_change;
use super::*;
use crate::object::import_only::usages_of;

fn template(pairs: &[(u64, &[u8])]) -> Template {
    let attributes =
        pairs.iter().map(|&(kind, value)| Attribute { kind, value: Secret::from(value) }).collect();
    Template::new(attributes).unwrap()
}

fn aes(pairs: &[(u64, &[u8])]) -> Result<Attributes> {
    let kind = kind(CKO_SECRET_KEY, CKK_AES)?;
    build(&template(pairs), Creation::Generate, CKO_SECRET_KEY, Some(kind))
}

#[test]
fn a_key_whose_template_names_no_usage_does_everything_its_type_can() {
    let made = aes(&[]).unwrap();
    for flag in [CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE] {
        assert!(made.flag(flag), "{flag:#x}");
    }
    let made = aes(&[(CKA_ENCRYPT, &[1])]).unwrap();
    assert!(made.flag(CKA_ENCRYPT) && !made.flag(CKA_DECRYPT) && !made.flag(CKA_WRAP));
}

#[test]
fn session_keys_may_leave_and_token_keys_stay() {
    let session = aes(&[]).unwrap();
    assert!(!session.flag(CKA_SENSITIVE) && session.flag(CKA_EXTRACTABLE));
    let token = aes(&[(CKA_TOKEN, &[1])]).unwrap();
    assert!(token.flag(CKA_SENSITIVE) && !token.flag(CKA_EXTRACTABLE));
}

#[test]
fn what_a_template_may_not_say_is_refused_with_the_standard_code() {
    let refused = |pairs: &[(u64, &[u8])]| aes(pairs).unwrap_err().reason();
    assert_eq!(refused(&[(CKA_UNIQUE_ID, b"x")]), Reason::AttributeUnknown);
    assert_eq!(refused(&[(0x7777_7777, b"x")]), Reason::AttributeUnknown);
    assert_eq!(refused(&[(CKA_MODULUS, b"x")]), Reason::AttributeUnknown);
    assert_eq!(refused(&[(CKA_LOCAL, &[1])]), Reason::AttributeReadOnly);
    assert_eq!(refused(&[(CKA_TOKEN, &[2])]), Reason::AttributeValue);
    assert_eq!(refused(&[(CKA_LABEL, &[b'x'; 256])]), Reason::AttributeValue);
    assert_eq!(refused(&[(CKA_KEYSTEAD_DESCRIPTION, &[0xFF])]), Reason::AttributeValue);
    assert_eq!(refused(&[(CKA_END_DATE, b"20271301")]), Reason::AttributeValue);
}

#[test]
fn protections_only_rise() {
    let made = aes(&[(CKA_SENSITIVE, &[1]), (CKA_EXTRACTABLE, &[0])]).unwrap();
    let set = |kind, value: &[u8]| {
        check_change(&made, &Attribute { kind, value: Secret::from(value) }, false)
    };
    assert!(set(CKA_SENSITIVE, &[0]).is_err());
    assert!(set(CKA_EXTRACTABLE, &[1]).is_err());
    assert!(set(CKA_TRUSTED, &[1]).is_err());
    assert!(set(CKA_SENSITIVE, &[1]).is_ok());
    assert!(set(CKA_LABEL, b"new").is_ok());
}

#[test]
fn a_copy_keeps_what_it_is_not_told_to_change() {
    let made = aes(&[(CKA_LABEL, b"a")]).unwrap();
    let copied = copy(&made, &template(&[(CKA_SENSITIVE, &[1])]), false).unwrap();
    assert_eq!(copied.bytes(CKA_LABEL), Some(&b"a"[..]));
    assert!(copied.flag(CKA_SENSITIVE));
    assert!(copy(&made, &template(&[(CKA_PRIVATE, &[0])]), false).is_err());
}

#[test]
fn a_copy_of_what_cannot_be_modified_differs_in_place_and_names_only() {
    let fixed = [(CKA_MODIFIABLE, &[0][..]), (CKA_PRIVATE, &[0]), (CKA_WRAP, &[1])];
    let key = aes(&fixed).unwrap();
    let copied = |kind, value: &[u8]| copy(&key, &template(&[(kind, value)]), false);
    for (kind, value) in [
        (CKA_MODIFIABLE, &[1][..]),
        (CKA_COPYABLE, &[0]),
        (CKA_DESTROYABLE, &[0]),
        (CKA_SENSITIVE, &[1]),
        (CKA_DECRYPT, &[1]),
        (CKA_WRAP, &[0]),
        (CKA_START_DATE, b"20270101"),
    ] {
        let refusal = copied(kind, value).unwrap_err();
        assert_eq!(refusal.reason(), Reason::AttributeReadOnly, "{kind:#x}");
    }
    for (kind, value) in [
        (CKA_TOKEN, &[1][..]),
        (CKA_PRIVATE, &[1]),
        (CKA_LABEL, b"copy"),
        (CKA_ID, b"id"),
        (CKA_MODIFIABLE, &[0]),
        (CKA_WRAP, &[1]),
    ] {
        let made = copied(kind, value).unwrap();
        assert!(!made.flag(CKA_MODIFIABLE) && made.bytes(kind) == Some(value), "{kind:#x}");
    }
    let data = template(&[(CKA_MODIFIABLE, &[0])]);
    let data = build(&data, Creation::Create, CKO_DATA, None).unwrap();
    assert!(copy(&data, &template(&[(CKA_MODIFIABLE, &[1])]), false).is_ok());
}

#[test]
fn a_bound_key_loses_usages_and_gains_none_but_by_the_officer() {
    let inner = template(&[(CKA_SENSITIVE, &[1])]).flatten();
    for (kind, value) in [
        (CKA_TRUSTED, &[1][..]),
        (CKA_WRAP_TEMPLATE, inner.expose()),
        (CKA_UNWRAP_TEMPLATE, inner.expose()),
        (CKA_DERIVE_TEMPLATE, inner.expose()),
    ] {
        let bound = aes(&[(CKA_WRAP, &[1]), (kind, value)]).unwrap();
        let set = |flag, value, officer| {
            let attribute = Attribute { kind: flag, value: Secret::from(&[value][..]) };
            let changed = check_change(&bound, &attribute, officer);
            let copied = copy(&bound, &template(&[(flag, &[value])]), officer);
            assert_eq!(changed.is_ok(), copied.is_ok(), "{kind:#x} {flag:#x}");
            changed.map_err(|refusal| refusal.reason())
        };
        assert_eq!(set(CKA_WRAP, 1, false), Ok(()));
        assert_eq!(set(CKA_WRAP, 0, false), Ok(()));
        for flag in usages_of(CKO_SECRET_KEY) {
            if flag != CKA_WRAP {
                assert_eq!(set(flag, 1, false), Err(Reason::AttributeReadOnly), "{flag:#x}");
                assert_eq!(set(flag, 1, true), Ok(()), "{flag:#x}");
            }
        }
    }
    let empty = aes(&[(CKA_WRAP, &[1]), (CKA_WRAP_TEMPLATE, &[])]).unwrap();
    let decrypt = Attribute { kind: CKA_DECRYPT, value: Secret::from(&[1][..]) };
    assert!(check_change(&empty, &decrypt, false).is_ok(), "an empty template binds nothing");
}
