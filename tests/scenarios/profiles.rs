//! The profiles that a token says it conforms to (PKCS#11 Profiles 3.2, section 5), each with what the
//! profile asks of it.

use crate::rig::token::{SO_PIN, USER_PIN, pin};
use crate::rig::{Token, World, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle, ProfileIdType,
};
use cryptoki::session::{Session, UserType};

const BASELINE: ProfileIdType = ProfileIdType::BASELINE_PROFIDER;
const EXTENDED: ProfileIdType = ProfileIdType::EXTENDED_PROFIDER;
const AUTHENTICATION: ProfileIdType = ProfileIdType::AUTHENTICATION_TOKEN;

/// The mandatory test case of a baseline provider (BL-M-1-32).
#[test]
fn a_baseline_provider_tells_of_itself_without_a_login() {
    play(|world| {
        let (token, session) = public(world);
        assert!(claims(&session, BASELINE));
        token.module.get_library_info().unwrap();
        assert!(token.module.get_slots_with_token().unwrap().contains(&token.slot));
        token.module.get_slot_info(token.slot).unwrap();
        token.module.get_token_info(token.slot).unwrap();
        session.get_session_info().unwrap();
        let found = session.find_objects(&[Attribute::Token(true)]).unwrap();
        let kinds = [
            AttributeType::Class,
            AttributeType::Token,
            AttributeType::Private,
            AttributeType::Modifiable,
            AttributeType::Label,
            AttributeType::UniqueId,
        ];
        for object in found {
            assert_eq!(session.get_attributes(object, &kinds).unwrap().len(), kinds.len());
        }
    });
}

/// The mandatory test case of an extended provider (EXT-M-1-32).
#[test]
fn an_extended_provider_tells_its_mechanisms_and_lets_users_log_in() {
    play(|world| {
        let (token, session) = public(world);
        assert!(claims(&session, EXTENDED));
        let mechanisms = token.module.get_mechanism_list(token.slot).unwrap();
        for mechanism in
            [MechanismType::SHA512, MechanismType::RSA_PKCS_KEY_PAIR_GEN, MechanismType::RSA_PKCS]
        {
            assert!(mechanisms.contains(&mechanism));
            token.module.get_mechanism_info(token.slot, mechanism).unwrap();
        }
        session.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        assert!(claims(&session, EXTENDED), "the user sees it too");
        session.logout().unwrap();
        session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        assert!(claims(&session, EXTENDED), "and so does the officer");
    });
}

/// The mandatory test case of an authentication token (AUTH-M-1-32).
#[test]
fn an_authentication_token_signs_with_a_key_that_is_found_by_its_label() {
    play(|world| {
        let (token, session) = public(world);
        assert!(claims(&session, AUTHENTICATION));
        session.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        let named = |label: &str| [Attribute::Token(true), Attribute::Label(label.into())];
        let public = [&named("testrsa-pub")[..], &[Attribute::ModulusBits(2048.into())]].concat();
        token
            .generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &named("testrsa-pri"))
            .unwrap();
        let half = |label: &str, class| {
            let template = [&named(label)[..], &[Attribute::Class(class)]].concat();
            let found = session.find_objects(&template).unwrap();
            assert_eq!(found.len(), 1);
            found[0]
        };
        let public = half("testrsa-pub", ObjectClass::PUBLIC_KEY);
        let private = half("testrsa-pri", ObjectClass::PRIVATE_KEY);
        let read = [AttributeType::Modulus, AttributeType::PublicExponent];
        assert_eq!(session.get_attributes(public, &read).unwrap().len(), 2);
        let signature = session.sign(&Mechanism::Sha256RsaPkcs, private, b"a request").unwrap();
        session.verify(&Mechanism::Sha256RsaPkcs, public, b"a request", &signature).unwrap();
        session.logout().unwrap();
    });
}

#[test]
fn no_profile_is_claimed_but_these_and_none_is_made_changed_copied_or_destroyed() {
    play(|world| {
        let token = world.token();
        let profile = [Attribute::Class(ObjectClass::PROFILE)];
        let profiles = token.find_objects(&profile).unwrap();
        let claimed: Vec<ProfileIdType> =
            profiles.iter().map(|object| id(&token, *object)).collect();
        assert_eq!(claimed, [BASELINE, EXTENDED, AUTHENTICATION]);
        assert_eq!(token.another_session().find_objects(&profile).unwrap(), profiles);
        assert_eq!(token.find_objects(&[]).unwrap(), profiles, "they come first");
        assert!(token.find_objects(&[Attribute::Token(false)]).unwrap().is_empty());
        assert!(token.find_objects(&[Attribute::KeyType(KeyType::AES)]).unwrap().is_empty());
        for object in profiles {
            refused(token.destroy_object(object), RvError::ActionProhibited);
            refused(token.copy_object(object, &[]), RvError::ActionProhibited);
            let renamed = [Attribute::Label(b"mine".to_vec())];
            refused(token.update_attributes(object, &renamed), RvError::ActionProhibited);
            let unique = token.bytes(object, AttributeType::UniqueId);
            let named = [Attribute::UniqueId(unique)];
            assert_eq!(token.find_objects(&named).unwrap(), [object]);
        }
        refused(token.create_object(&profile), RvError::AttributeValueInvalid);
        let key = token.generate_aes(&[Attribute::Token(true)]);
        assert_eq!(token.find_objects(&[]).unwrap().len(), claimed.len() + 2);
        assert!(token.find_objects(&[Attribute::KeyType(KeyType::AES)]).unwrap().contains(&key));
    });
}

/// A token, and a session without a login.
fn public(world: &World) -> (Token, Session) {
    let token = world.token();
    token.logout().unwrap();
    let session = token.another_session();
    (token, session)
}

/// Returns true if a session finds a profile.
fn claims(session: &Session, profile: ProfileIdType) -> bool {
    let found = session.find_objects(&[Attribute::Class(ObjectClass::PROFILE)]).unwrap();
    found.into_iter().any(|object| id(session, object) == profile)
}

fn id(session: &Session, object: ObjectHandle) -> ProfileIdType {
    match session.get_attributes(object, &[AttributeType::ProfileId]).unwrap()[..] {
        [Attribute::ProfileId(id)] => id,
        ref other => panic!("a profile reads {other:?}"),
    }
}
