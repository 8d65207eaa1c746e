//! Trust objects (PKCS#11 3.2, 4.7): ordinary objects that say what a certificate is trusted for, found
//! without a login by the certificate's issuer and serial number.

use crate::rig::{Token, kind, play, refused};
use cryptoki::error::{Result, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};

const CLASS: u64 = 0;
const TRUST: u64 = 0x0B;
const SERVER_AUTH: u64 = 0x62C;
const CODE_SIGNING: u64 = 0x62E;
const OCSP_SIGNING: u64 = 0x632;
const HASH: u64 = 0x635;
const HASH_ALGORITHM: u64 = 0x8C;
const SHA_1: u64 = 0x220;
const SHA256: u64 = 0x250;

const ANCHOR: u64 = 2;
const NOT_TRUSTED: u64 = 3;

#[test]
fn trust_is_found_by_its_certificate_without_a_login() {
    play(|world| {
        let token = world.token();
        let trust = create(&token, &anchor(&[7; 32])).unwrap();
        create(&token, &[&about(b"another issuer")[..], &[raw(SERVER_AUTH, NOT_TRUSTED)]].concat())
            .unwrap();
        token.logout().unwrap();
        let session = token.another_session();
        let named = [&[number_of_class()], &about(b"an issuer")[2..]].concat();
        assert_eq!(session.find_objects(&named).unwrap(), [trust]);
        for (attribute, value) in
            [(SERVER_AUTH, ANCHOR), (OCSP_SIGNING, 0), (HASH_ALGORITHM, SHA256)]
        {
            assert!(says(&token, trust, attribute, value), "{attribute:#x}");
        }
        assert!(token.has(trust, HASH, &[7; 32]));
        refused(session.destroy_object(trust), RvError::UserNotLoggedIn);
    });
}

#[test]
fn trust_changes_as_its_user_likes_and_stays_about_its_certificate() {
    play(|world| {
        let token = world.token();
        let trust = create(&token, &anchor(&[7; 32])).unwrap();
        let change = |attribute| token.update_attributes(trust, &[attribute]);
        change(raw(SERVER_AUTH, NOT_TRUSTED)).unwrap();
        change(raw(CODE_SIGNING, ANCHOR)).unwrap();
        assert!(says(&token, trust, SERVER_AUTH, NOT_TRUSTED));
        refused(change(raw(CODE_SIGNING, 5)), RvError::AttributeValueInvalid);
        refused(change(Attribute::Issuer(b"other".to_vec())), RvError::AttributeReadOnly);
        refused(change(Attribute::SerialNumber(vec![2, 1, 9])), RvError::AttributeReadOnly);
        refused(change(bytes(HASH, &[])), RvError::TemplateInconsistent);
        refused(change(bytes(HASH, &[7; 20])), RvError::AttributeValueInvalid);
        assert!(says(&token, trust, CODE_SIGNING, ANCHOR));
        let copy = token.copy_object(trust, &[Attribute::Token(false)]).unwrap();
        assert!(says(&token, copy, CODE_SIGNING, ANCHOR));
        token.destroy_object(trust).unwrap();
        assert_eq!(token.find_objects(&[number_of_class()]).unwrap(), [copy]);
    });
}

#[test]
fn trust_that_does_not_say_which_certificate_it_is_about_is_incomplete() {
    play(|world| {
        let token = world.token();
        let about = about(b"an issuer");
        let trusts = raw(SERVER_AUTH, ANCHOR);
        for missing in [2, 3] {
            let mut some = about.to_vec();
            some.remove(missing);
            refused(create(&token, &some), RvError::TemplateIncomplete);
        }
        let with = |more: &[Attribute]| create(&token, &[&about[..], more].concat());
        refused(with(std::slice::from_ref(&trusts)), RvError::TemplateIncomplete);
        refused(with(&[trusts.clone(), bytes(HASH, &[7; 32])]), RvError::AttributeValueInvalid);
        let odd = [trusts.clone(), bytes(HASH, &[7; 32]), raw(HASH_ALGORITHM, 1)];
        refused(with(&odd), RvError::AttributeValueInvalid);
        refused(with(&[raw(SERVER_AUTH, 5)]), RvError::AttributeValueInvalid);
        refused(with(&[bytes(SERVER_AUTH, &[1])]), RvError::AttributeValueInvalid);
        refused(with(&[Attribute::Subject(vec![1])]), RvError::AttributeTypeInvalid);
        assert!(token.find_objects(&[number_of_class()]).unwrap().is_empty());
        let plain = with(&[trusts, bytes(HASH, &[7; 20])]).unwrap();
        assert!(says(&token, plain, HASH_ALGORITHM, SHA_1), "where nothing is said");
        assert!(!token.flag(plain, AttributeType::Private));
        assert!(token.flag(plain, AttributeType::Modifiable));
        with(&[]).unwrap();
    });
}

// --- what the scenarios are made of ---

/// Class, place and certificate of a trust object.
fn about(issuer: &[u8]) -> [Attribute; 4] {
    [
        number_of_class(),
        Attribute::Token(true),
        Attribute::Issuer(issuer.to_vec()),
        Attribute::SerialNumber(vec![2, 1, 7]),
    ]
}

fn anchor(hash: &[u8]) -> Vec<Attribute> {
    let more = [raw(SERVER_AUTH, ANCHOR), bytes(HASH, hash), raw(HASH_ALGORITHM, SHA256)];
    [&about(b"an issuer")[..], &more].concat()
}

fn create(token: &Token, template: &[Attribute]) -> Result<ObjectHandle> {
    token.create_object(template)
}

/// Returns true if an object has this number.
fn says(token: &Token, object: ObjectHandle, attribute: u64, value: u64) -> bool {
    token.has(object, attribute, &value.to_ne_bytes())
}

fn number_of_class() -> Attribute {
    raw(CLASS, TRUST)
}

fn raw(attribute: u64, value: u64) -> Attribute {
    bytes(attribute, &value.to_ne_bytes())
}

fn bytes(attribute: u64, value: &[u8]) -> Attribute {
    Attribute::VendorDefined((kind(attribute), value.to_vec()))
}
