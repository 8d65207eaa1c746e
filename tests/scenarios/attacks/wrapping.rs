//! Attacks by wrapping and unwrapping.

use super::{
    IV, KNOWN, ec_pair, gains_nothing, generic, hides_its_value, hkdf, log_in_again, session_aes,
    template_of,
};
use crate::rig::token::{SO_PIN, USER_PIN, aes_material, pin};
use crate::rig::wrap::{Courier, opened_by_hand};
use crate::rig::{
    DELETION_AT, DISABLED, STATUS, kind, mechanism_type, number, play, refused, without_custody,
    world,
};
use cryptoki::error::RvError;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::UserType;
use pkcs11_sys::CKM_AES_GMAC;

#[test]
fn a_sensitive_key_does_not_leave_by_a_key_that_may_also_decrypt() {
    play(|world| {
        let token = world.token();
        let leaving = |sensitive| {
            token.generate_aes(&[Attribute::Sensitive(sensitive), Attribute::Extractable(true)])
        };
        let (sensitive, plain) = (leaving(true), leaving(false));
        let wrapping = token.generate_aes(&[Attribute::Wrap(true), Attribute::Decrypt(true)]);
        let wrap = |key| token.wrap_key(&Mechanism::AesKeyWrap, wrapping, key);
        refused(wrap(sensitive), RvError::KeyNotWrappable);
        wrap(plain).unwrap();
        token.update_attributes(wrapping, &[Attribute::Decrypt(false)]).unwrap();
        wrap(sensitive).unwrap();
        token.update_attributes(wrapping, &[Attribute::Decrypt(true)]).unwrap();
        refused(wrap(sensitive), RvError::KeyNotWrappable);
    });
}

#[test]
fn a_sensitive_key_does_not_come_in_by_a_key_that_may_also_encrypt() {
    play(|world| {
        let token = world.token();
        let both = token.generate_aes(&[Attribute::Encrypt(true), Attribute::Unwrap(true)]);
        let cbc = Mechanism::AesCbcPad(IV);
        let planted = token.encrypt(&cbc, both, &KNOWN).unwrap();
        let unwrap = |template: &[Attribute]| token.unwrap_key(&cbc, both, &planted, template);
        let sensitive = [&session_aes()[..], &[Attribute::Sensitive(true)]].concat();
        refused(unwrap(&sensitive), RvError::TemplateInconsistent);
        refused(unwrap(&aes_material()), RvError::TemplateInconsistent);
        unwrap(&[&session_aes()[..], &[Attribute::Sensitive(false)]].concat()).unwrap();
    });
}

/// Each use of the block cipher makes blobs of known keys, in whichever direction; and a GMAC is an encrypted
/// block.
#[test]
fn a_sensitive_key_does_not_come_in_by_a_key_that_uses_its_cipher_on_data() {
    play(|world| {
        let token = world.token();
        let known = |usages: &[Attribute]| {
            let value = [Attribute::Value(KNOWN.to_vec())];
            token.create_object(&[&session_aes()[..], &value, usages].concat()).unwrap()
        };
        let wrapping = known(&[Attribute::Wrap(true)]);
        let blob = token.wrap_key(&Mechanism::AesKeyWrap, wrapping, wrapping).unwrap();
        let only = |mac| Attribute::AllowedMechanisms(vec![MechanismType::AES_KEY_WRAP, mac]);
        let gmac = mechanism_type(CKM_AES_GMAC);
        for (more, plants) in [
            (&[Attribute::Encrypt(true)][..], true),
            (&[Attribute::Decrypt(true)], true),
            (&[Attribute::Sign(true)], true),
            (&[Attribute::Verify(true)], true),
            (&[Attribute::Sign(true), only(gmac)], true),
            (&[Attribute::Sign(true), only(MechanismType::AES_CMAC)], false),
            (&[Attribute::Derive(true)], false),
            (&[Attribute::Wrap(true)], false),
            (&[], false),
        ] {
            let by = known(&[&[Attribute::Unwrap(true)], more].concat());
            let unwrap = |sensitive| {
                let template = [&session_aes()[..], &[Attribute::Sensitive(sensitive)]].concat();
                token.unwrap_key(&Mechanism::AesKeyWrap, by, &blob, &template)
            };
            match plants {
                true => refused(unwrap(true), RvError::TemplateInconsistent),
                false => drop(unwrap(true).unwrap()),
            }
            unwrap(false).unwrap();
        }
    });
}

/// Under the initial value that decrypting finds in it, any blob is a wrapped key.
#[test]
fn what_a_key_finds_in_random_bytes_is_not_planted_with_it() {
    play(|world| {
        let token = world.token();
        let by = token.generate_aes(&[Attribute::Unwrap(true), Attribute::Decrypt(true)]);
        let (initial, found) = opened_by_hand(&token, by, &[5; 40]);
        let key_wrap = VendorDefinedMechanism::new(MechanismType::AES_KEY_WRAP, Some(&initial));
        let unwrap = |sensitive| {
            let template = [&session_aes()[..], &[Attribute::Sensitive(sensitive)]].concat();
            token.unwrap_key(&Mechanism::VendorDefined(key_wrap), by, &[5; 40], &template)
        };
        let read = unwrap(false).unwrap();
        assert_eq!(token.bytes(read, AttributeType::Value), found, "the attack is a real one");
        refused(unwrap(true), RvError::TemplateInconsistent);
    });
}

#[test]
fn a_configuration_lets_one_key_do_both() {
    play(|world| {
        world.configure("mixed_wrapping = true");
        let token = world.token();
        let all = token.generate_aes(&[]);
        let sensitive = [Attribute::Sensitive(true), Attribute::Extractable(true)];
        let key = token.generate_aes(&sensitive);
        let block = token.encrypt_block(key).unwrap();
        let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, all, key).unwrap();
        let template = [&session_aes()[..], &sensitive].concat();
        let back = token.unwrap_key(&Mechanism::AesKeyWrap, all, &wrapped, &template).unwrap();
        assert_eq!(token.encrypt_block(back).unwrap(), block);
    });
}

#[test]
fn only_the_officer_says_which_key_is_trusted() {
    play(|world| {
        let token = world.token();
        let trusted = Attribute::Trusted(true);
        let wrapping = token.generate_aes(&[
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Wrap(true),
            without_custody(),
        ]);
        let guarded = || {
            token.generate_aes(&[Attribute::Extractable(true), Attribute::WrapWithTrusted(true)])
        };
        let wrap = |key| token.wrap_key(&Mechanism::AesKeyWrap, wrapping, key);
        refused(wrap(guarded()), RvError::KeyNotWrappable);

        let claim = std::slice::from_ref(&trusted);
        refused(token.update_attributes(wrapping, claim), RvError::AttributeReadOnly);
        refused(token.copy_object(wrapping, claim), RvError::AttributeReadOnly);
        let template = [Attribute::ValueLen(32.into()), trusted.clone()];
        let generated = token.generate_key(&Mechanism::AesKeyGen, &template);
        refused(generated, RvError::AttributeReadOnly);
        let value = Attribute::Value(KNOWN.to_vec());
        for class in [session_aes(), aes_material()] {
            let template = [&class[..], claim].concat();
            let created = [&template[..], std::slice::from_ref(&value)].concat();
            refused(token.create_object(&created), RvError::AttributeReadOnly);
            let imported = Courier::new(&token).import(&token, &KNOWN, &template);
            refused(imported, RvError::AttributeReadOnly);
        }

        log_in_again(&token, UserType::So, SO_PIN);
        token.update_attributes(wrapping, claim).unwrap();
        log_in_again(&token, UserType::User, USER_PIN);
        wrap(guarded()).unwrap();
        refused(token.copy_object(wrapping, &[]), RvError::AttributeReadOnly);
    });
}

#[test]
fn a_trusted_key_gains_no_usage_but_by_the_officer() {
    play(|world| {
        let token = world.token();
        log_in_again(&token, UserType::So, SO_PIN);
        let wrapping = token.generate_aes(&[
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Wrap(true),
            Attribute::Trusted(true),
            without_custody(),
        ]);
        log_in_again(&token, UserType::User, USER_PIN);
        let guarded = token.generate_aes(&[
            Attribute::Sensitive(true),
            Attribute::Extractable(true),
            Attribute::WrapWithTrusted(true),
        ]);
        let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, wrapping, guarded).unwrap();
        gains_nothing(&token, wrapping);
        let reveal = || token.decrypt(&Mechanism::AesEcb, wrapping, &wrapped[..32]);
        refused(reveal(), RvError::KeyFunctionNotPermitted);

        log_in_again(&token, UserType::So, SO_PIN);
        token.update_attributes(wrapping, &[Attribute::Decrypt(true)]).unwrap();
        let more = [Attribute::Unwrap(true), without_custody()];
        let copy = token.copy_object(wrapping, &more).unwrap();
        assert!(token.flag(copy, AttributeType::Unwrap));
        log_in_again(&token, UserType::User, USER_PIN);
        reveal().unwrap();
        token.update_attributes(wrapping, &[Attribute::Decrypt(false)]).unwrap();
        gains_nothing(&token, wrapping);
    });
}

#[test]
fn a_key_with_templates_of_its_own_gains_no_usage_and_keeps_them_in_every_copy() {
    const TEMPLATES: [u64; 3] = [0x4000_0211, 0x4000_0212, 0x4000_0213];
    const SENSITIVE: u64 = 0x103;
    play(|world| {
        let token = world.token();
        for own in TEMPLATES {
            let binding = template_of(own, SENSITIVE, &[1]);
            for place in [Attribute::Token(false), Attribute::Token(true)] {
                let key = token.generate_aes(&[
                    Attribute::Verify(true),
                    Attribute::Wrap(true),
                    binding.clone(),
                    place,
                ]);
                gains_nothing(&token, key);
                let none = Attribute::VendorDefined((kind(own), Vec::new()));
                for changed in [template_of(own, SENSITIVE, &[0]), none] {
                    let changed = [changed];
                    refused(token.update_attributes(key, &changed), RvError::AttributeReadOnly);
                }
                token.update_attributes(key, &[Attribute::Verify(false)]).unwrap();
                refused(
                    token.update_attributes(key, &[Attribute::Verify(true)]),
                    RvError::AttributeReadOnly,
                );
            }
            let key = token.generate_aes(&[Attribute::Wrap(true), binding.clone()]);
            for template in [&[][..], &[Attribute::Token(true)]] {
                let copy = token.copy_object(key, template).unwrap();
                gains_nothing(&token, copy);
            }
        }
        let free = token.generate_aes(&[Attribute::Wrap(true)]);
        token.update_attributes(free, &[Attribute::Decrypt(true)]).unwrap();
    });
}

#[test]
fn the_officer_says_what_is_trusted_of_a_public_custom_key_and_changes_nothing_else() {
    play(|world| {
        let token = world.token();
        let public = [Attribute::Token(true), Attribute::Private(false)];
        let key = token.generate_aes(&public);
        let id = token.key_of(key);
        let trusted = Attribute::Trusted(true);
        let changes = [
            vec![number(STATUS, DISABLED)],
            vec![number(DELETION_AT, world::now() + 8 * 86_400)],
            vec![number(DELETION_AT, 0)],
            vec![Attribute::Label(b"mine".to_vec())],
            vec![trusted.clone(), number(STATUS, DISABLED)],
        ];
        let before = token.json(&id);
        let denied = |object, code: RvError| {
            for change in &changes {
                refused(token.update_attributes(object, change), code);
            }
        };
        token.logout().unwrap();
        denied(key, RvError::ObjectHandleInvalid);
        denied(token.metadata(&id), RvError::UserNotLoggedIn);
        token.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        denied(key, RvError::UserNotLoggedIn);
        denied(token.metadata(&id), RvError::UserNotLoggedIn);
        token.update_attributes(key, std::slice::from_ref(&trusted)).unwrap();
        let trust = token.get_attributes(key, &[AttributeType::Trusted]).unwrap();
        assert_eq!(trust, [trusted]);
        assert_eq!(token.json(&id), before);
        log_in_again(&token, UserType::User, USER_PIN);
        token.update_attributes(key, &changes[0]).unwrap();
    });
}

#[test]
fn a_keys_own_templates_bind_whatever_it_wraps_unwraps_and_derives() {
    const WRAP_TEMPLATE: u64 = 0x4000_0211;
    const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
    const DERIVE_TEMPLATE: u64 = 0x4000_0213;
    const KEY_TYPE: u64 = 0x100;
    const SENSITIVE: u64 = 0x103;
    const EXTRACTABLE: u64 = 0x162;
    const AES: [u8; 8] = 0x1F_u64.to_ne_bytes();
    play(|world| {
        let token = world.token();
        let only_aes = template_of(WRAP_TEMPLATE, KEY_TYPE, &AES);
        let sensitive = template_of(UNWRAP_TEMPLATE, SENSITIVE, &[1]);
        let wrapping = token.generate_aes(&[
            Attribute::Wrap(true),
            Attribute::Unwrap(true),
            only_aes,
            sensitive,
        ]);
        let wrap = |key| token.wrap_key(&Mechanism::AesKeyWrap, wrapping, key);
        refused(wrap(generic(&token, &[])), RvError::KeyHandleInvalid);
        let wrapped = wrap(token.generate_aes(&[])).unwrap();

        let unwrap = |more: &[Attribute]| {
            let template = [&session_aes()[..], more].concat();
            token.unwrap_key(&Mechanism::AesKeyWrap, wrapping, &wrapped, &template)
        };
        refused(unwrap(&[Attribute::Sensitive(false)]), RvError::TemplateInconsistent);
        assert!(hides_its_value(&token, unwrap(&[]).unwrap()));

        let kept = template_of(DERIVE_TEMPLATE, EXTRACTABLE, &[0]);
        let base = generic(&token, &[Attribute::Derive(true), kept]);
        let open = [Attribute::Extractable(true)];
        refused(hkdf(&token, base, &open), RvError::TemplateInconsistent);
        assert!(hides_its_value(&token, hkdf(&token, base, &[]).unwrap()));

        let none = Attribute::VendorDefined((kind(WRAP_TEMPLATE), Vec::new()));
        for changed in [template_of(WRAP_TEMPLATE, EXTRACTABLE, &[1]), none] {
            let changed = [changed];
            refused(token.update_attributes(wrapping, &changed), RvError::AttributeReadOnly);
            refused(token.copy_object(wrapping, &changed), RvError::AttributeReadOnly);
        }
    });
}

/// The manual, "What keeps a key in".
#[test]
fn a_key_that_wraps_and_unwraps_lowers_a_protection_unless_its_template_keeps_it() {
    const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
    const SENSITIVE: u64 = 0x103;
    play(|world| {
        let token = world.token();
        let leaving = [Attribute::Sensitive(true), Attribute::Extractable(true)];
        let key = token.generate_aes(&leaving);
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let keeping = template_of(UNWRAP_TEMPLATE, SENSITIVE, &[1]);
        let lower = [&session_aes()[..], &[Attribute::Sensitive(false)]].concat();
        let through = |by| {
            let wrapped = token.wrap_key(&Mechanism::AesKeyWrap, by, key).unwrap();
            token.unwrap_key(&Mechanism::AesKeyWrap, by, &wrapped, &lower)
        };
        let lowered = through(token.generate_aes(&both)).unwrap();
        assert!(!hides_its_value(&token, lowered));
        let keeping = token.generate_aes(&[&both[..], &[keeping]].concat());
        refused(through(keeping), RvError::TemplateInconsistent);
    });
}

#[test]
fn a_wrapped_key_does_not_come_back_as_another_type() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let leaving = [Attribute::Sensitive(true), Attribute::Extractable(true)];
        let (_, private) = ec_pair(&token, &leaving);
        let wrapped = token.wrap_key(&Mechanism::AesKeyWrapPad, courier.key, private).unwrap();
        let unwrap = |blob: &[u8], class, key_type| {
            let template = [Attribute::Class(class), Attribute::KeyType(key_type)];
            token.unwrap_key(&Mechanism::AesKeyWrapPad, courier.key, blob, &template)
        };
        for (class, key_type) in [
            (ObjectClass::SECRET_KEY, KeyType::AES),
            (ObjectClass::SECRET_KEY, KeyType::GENERIC_SECRET),
            (ObjectClass::SECRET_KEY, KeyType::SHA256_HMAC),
            (ObjectClass::PRIVATE_KEY, KeyType::RSA),
            (ObjectClass::PRIVATE_KEY, KeyType::EC_EDWARDS),
        ] {
            // No AES key is as long, which shows before it is opened.
            let code = match key_type {
                KeyType::AES => RvError::WrappedKeyLenRange,
                _ => RvError::WrappedKeyInvalid,
            };
            refused(unwrap(&wrapped, class, key_type), code);
        }
        for class in [ObjectClass::PUBLIC_KEY, ObjectClass::DATA, ObjectClass::CERTIFICATE] {
            refused(unwrap(&wrapped, class, KeyType::EC), RvError::TemplateInconsistent);
        }
        unwrap(&wrapped, ObjectClass::PRIVATE_KEY, KeyType::EC).unwrap();
        let secret = courier.wrap_padded(&KNOWN);
        let as_private = unwrap(&secret, ObjectClass::PRIVATE_KEY, KeyType::EC);
        refused(as_private, RvError::WrappedKeyInvalid);
    });
}
