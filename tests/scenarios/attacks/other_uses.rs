//! Attacks by other mechanisms, by digests, and after the end of a login.

use super::{IV, KNOWN, READ_ONLY, ec_pair, hides_its_value, log_in_again, rsa_pair, session_aes};
use crate::rig::token::{USER_PIN, aes_material, pin};
use crate::rig::{
    DELETION_AT, DISABLED, ENABLED, EXPIRY_ACTION, MATERIAL_VERSION, STATUS, expires_at, for_key,
    number, play, refused, rotate, without_custody, world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass};
use cryptoki::session::UserType;

#[test]
fn a_key_confined_to_some_mechanisms_serves_no_other() {
    play(|world| {
        let token = world.token();
        let confined = |allowed: &[MechanismType]| {
            token.generate_aes(&[Attribute::AllowedMechanisms(allowed.to_vec())])
        };
        let key = confined(&[MechanismType::AES_GCM, MechanismType::AES_KEY_WRAP_PAD]);
        refused(token.encrypt_block(key), RvError::MechanismInvalid);
        refused(token.decrypt(&Mechanism::AesCbc(IV), key, &[0; 16]), RvError::MechanismInvalid);
        refused(token.sign(&Mechanism::AesCMac, key, b"x"), RvError::MechanismInvalid);
        let other = token.generate_aes(&[]);
        refused(token.wrap_key(&Mechanism::AesKeyWrap, key, other), RvError::MechanismInvalid);
        let wrapped = token.wrap_key(&Mechanism::AesKeyWrapPad, key, other).unwrap();
        let unwrap = |mechanism| token.unwrap_key(mechanism, key, &wrapped, &session_aes());
        refused(unwrap(&Mechanism::AesKeyWrap), RvError::MechanismInvalid);
        unwrap(&Mechanism::AesKeyWrapPad).unwrap();
        let mut iv = [9; 12];
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut iv, b"", 128.into()).unwrap());
        token.encrypt(&gcm, key, b"x").unwrap();

        let more = [Attribute::AllowedMechanisms(vec![MechanismType::AES_ECB])];
        refused(token.update_attributes(key, &more), RvError::AttributeReadOnly);
        refused(token.copy_object(key, &more), RvError::AttributeReadOnly);
        let copy = token.copy_object(key, &[]).unwrap();
        refused(token.encrypt_block(copy), RvError::MechanismInvalid);
        token.encrypt_block(confined(&[])).unwrap();
    });
}

#[test]
fn a_key_that_cannot_be_used_cannot_be_digested() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let (_, private) = ec_pair(&token, &[]);
        let digest = |key| {
            token.digest_init(&Mechanism::Sha256)?;
            token.digest_key(key)?;
            token.digest_final()
        };
        let expected = digest(key).unwrap();
        token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        refused(digest(key), RvError::KeyIndigestible);
        refused(token.digest_final(), RvError::OperationNotInitialized);
        token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
        assert_eq!(digest(key).unwrap(), expected);
        refused(digest(private), RvError::KeyIndigestible);
    });
}

#[test]
fn a_key_confined_to_some_mechanisms_goes_into_a_digest_of_them_only() {
    play(|world| {
        let token = world.token();
        let digest = |allowed: &[MechanismType]| {
            let confined = Attribute::AllowedMechanisms(allowed.to_vec());
            token.digest_init(&Mechanism::Sha256)?;
            token.digest_key(token.generate_aes(&[confined]))?;
            token.digest_final()
        };
        let others = [MechanismType::AES_GCM, MechanismType::SHA384];
        refused(digest(&others), RvError::KeyIndigestible);
        digest(&[MechanismType::AES_GCM, MechanismType::SHA256]).unwrap();
        digest(&[]).unwrap();
    });
}

#[test]
fn a_key_that_cannot_be_used_does_not_show_its_value() {
    play(|world| {
        let token = world.token();
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let on_token = [&[Attribute::Token(true)], &open[..]].concat();
        let secret = token.generate_aes(&on_token);
        let (_, private) = rsa_pair(&token, &on_token);
        let shows = |shown: bool| {
            assert_eq!(hides_its_value(&token, secret), !shown);
            let exponent = [AttributeType::PrivateExponent, AttributeType::Prime1];
            let info = token.get_attribute_info(private, &exponent).unwrap();
            let hidden = |info: &AttributeInfo| matches!(info, AttributeInfo::Sensitive);
            assert!(info.iter().all(|info| hidden(info) != shown), "{info:?}");
        };
        shows(true);
        for (off, on) in [
            (number(STATUS, DISABLED), number(STATUS, ENABLED)),
            (number(DELETION_AT, world::now() + 8 * 86_400), number(DELETION_AT, 0)),
        ] {
            for key in [secret, private] {
                token.update_attributes(key, std::slice::from_ref(&off)).unwrap();
            }
            shows(false);
            for key in [secret, private] {
                token.update_attributes(key, std::slice::from_ref(&on)).unwrap();
                token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
            }
            shows(true);
        }
        token.generate_key(&rotate(), &[for_key(&token.key_of(secret))]).unwrap();
        shows(true);
        let first = token.find_objects(&[
            number(MATERIAL_VERSION, 1),
            Attribute::Class(ObjectClass::SECRET_KEY),
        ]);
        assert!(hides_its_value(&token, first.unwrap()[0]));
    });
}

#[test]
fn expired_material_that_is_kept_for_reading_does_not_show_its_value() {
    play(|world| {
        let token = world.token();
        let ends = world::now() + 3;
        let open = [Attribute::Sensitive(false), Attribute::Extractable(true)];
        let reading = [expires_at(ends), number(EXPIRY_ACTION, READ_ONLY)];
        let value = [Attribute::Value(KNOWN.to_vec())];
        let custom = [&aes_material()[..], &open, &reading, &value].concat();
        let ordinary = [&custom[..], &[without_custody()]].concat();
        let keys = [custom, ordinary].map(|template| token.create_object(&template).unwrap());
        for key in keys {
            assert_eq!(token.bytes(key, AttributeType::Value), KNOWN);
        }
        world::until(ends);
        for key in keys {
            assert!(hides_its_value(&token, key));
        }
    });
}

#[test]
fn what_was_begun_with_a_private_key_ends_with_the_login() {
    play(|world| {
        let token = world.token();
        for comes_back in [false, true] {
            let (_, private) = ec_pair(&token, &[]);
            let key = token.generate_aes(&[]);
            let other = token.another_session();
            token.sign_init(&Mechanism::EcdsaSha256, private).unwrap();
            token.sign_update(b"message").unwrap();
            token.encrypt_init(&Mechanism::AesCbcPad(IV), key).unwrap();
            token.decrypt_init(&Mechanism::AesCbc(IV), key).unwrap();
            token.decrypt_update(&IV).unwrap();
            token.digest_init(&Mechanism::Sha256).unwrap();
            token.digest_key(key).unwrap();
            other.sign_init(&Mechanism::AesCMac, key).unwrap();
            token.logout().unwrap();
            if comes_back {
                token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
            }
            refused(token.sign_final(), RvError::OperationNotInitialized);
            refused(token.encrypt_update(&KNOWN), RvError::OperationNotInitialized);
            refused(token.decrypt_update(&IV), RvError::OperationNotInitialized);
            refused(token.digest_final(), RvError::OperationNotInitialized);
            refused(other.sign_update(b"x"), RvError::OperationNotInitialized);
            if !comes_back {
                token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
            }
        }
    });
}

#[test]
fn handles_of_private_objects_die_with_the_login() {
    play(|world| {
        let token = world.token();
        let named = [Attribute::Token(true), Attribute::Label(b"kept".to_vec())];
        let (kept, fleeting) = (token.generate_aes(&named), token.generate_aes(&[]));
        let metadata = token.metadata(&token.key_of(kept));
        log_in_again(&token, UserType::User, USER_PIN);
        for key in [kept, fleeting] {
            refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
            refused(
                token.wrap_key(&Mechanism::AesKeyWrap, key, key),
                RvError::WrappingKeyHandleInvalid,
            );
        }
        for object in [kept, fleeting, metadata] {
            let read = token.get_attributes(object, &[AttributeType::Label]);
            refused(read, RvError::ObjectHandleInvalid);
            refused(token.destroy_object(object), RvError::ObjectHandleInvalid);
        }
        let class = Attribute::Class(ObjectClass::SECRET_KEY);
        let found = token.find_objects(&[class]).unwrap();
        assert_eq!(found.len(), 1, "the session key is gone: {found:?}");
        assert_ne!(found[0], kept);
        token.encrypt_block(found[0]).unwrap();
    });
}
