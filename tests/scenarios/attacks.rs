//! The rules that keep keys in, each played as the attack it stops: what is protected stays so, and
//! no key tells another's value.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::Courier;
use crate::rig::{
    DELETION_AT, DISABLED, ENABLED, EXPIRY_ACTION, MATERIAL_VERSION, STATUS, expires_at, for_key,
    kind, number, play, refused, rotate, without_custody, world,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;

/// A secret that an attacker knows.
const KNOWN: [u8; 32] = [7; 32];
/// A value of `CKA_KEYSTEAD_EXPIRY_ACTION`.
const READ_ONLY: u64 = 2;
const IV: [u8; 16] = [3; 16];
const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];

// --- protections only rise ---

#[test]
fn no_change_and_no_copy_lowers_a_protection() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::WrapWithTrusted(true),
        ]);
        for lower in [
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::WrapWithTrusted(false),
        ] {
            let harmless = Attribute::Label(b"harmless".to_vec());
            let both = [harmless, lower.clone()];
            refused(token.update_attributes(key, &both), RvError::AttributeReadOnly);
            refused(token.copy_object(key, &both), RvError::AttributeReadOnly);
            refused(
                token.copy_object(key, &[Attribute::Token(true), lower]),
                RvError::AttributeReadOnly,
            );
        }
        let public = [Attribute::Private(false)];
        refused(token.copy_object(key, &public), RvError::TemplateInconsistent);
        assert!(hides_its_value(&token, key));
        assert!(token.bytes(key, AttributeType::Label).is_empty(), "a refused change changes none");
        let copy = token.copy_object(key, &[]).unwrap();
        assert!(hides_its_value(&token, copy));
    });
}

#[test]
fn a_key_that_cannot_be_modified_is_not_by_way_of_a_copy() {
    play(|world| {
        let token = world.token();
        let fixed = [Attribute::Modifiable(false), Attribute::Encrypt(true)];
        let secret = token.generate_aes(&fixed);
        let (public, private) = ec_pair(&token, &[Attribute::Modifiable(false)]);
        let more = Attribute::Decrypt(true);
        refused(
            token.update_attributes(secret, std::slice::from_ref(&more)),
            RvError::ActionProhibited,
        );
        let modifiable = Attribute::Modifiable(true);
        for lifted in [
            vec![modifiable.clone()],
            vec![more.clone()],
            vec![modifiable.clone(), more],
            vec![Attribute::Token(true), modifiable.clone()],
            vec![Attribute::Encrypt(false)],
            vec![Attribute::Destroyable(false)],
        ] {
            refused(token.copy_object(secret, &lifted), RvError::AttributeReadOnly);
        }
        refused(token.copy_object(private, &[modifiable]), RvError::AttributeReadOnly);
        token.copy_object(public, &[Attribute::Modifiable(false)]).unwrap();

        let names = [Attribute::Label(b"copy".to_vec()), Attribute::Id(vec![7])];
        for (key, place) in [
            (secret, Attribute::Token(false)),
            (private, Attribute::Token(false)),
            (secret, Attribute::Token(true)),
            (private, Attribute::Token(true)),
        ] {
            let copy = token.copy_object(key, &[&names[..], &[place]].concat()).unwrap();
            assert_eq!(token.bytes(copy, AttributeType::Label), b"copy");
            assert!(!token.flag(copy, AttributeType::Modifiable));
            let changed = token.update_attributes(copy, &[Attribute::Derive(true)]);
            refused(changed, RvError::ActionProhibited);
        }
    });
}

#[test]
fn a_key_that_could_once_leave_never_claims_otherwise() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Sensitive(false), Attribute::Extractable(true)]);
        let raised = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        let copy = token.copy_object(key, &raised).unwrap();
        token.update_attributes(key, &raised).unwrap();
        for object in [key, copy] {
            assert!(!token.flag(object, AttributeType::AlwaysSensitive));
            assert!(!token.flag(object, AttributeType::NeverExtractable));
        }
        let courier = Courier::new(&token);
        for claim in [Attribute::AlwaysSensitive(true), Attribute::NeverExtractable(true)] {
            let claim = [claim];
            refused(token.update_attributes(key, &claim), RvError::AttributeReadOnly);
            refused(token.copy_object(key, &claim), RvError::AttributeReadOnly);
            let template = [&session_aes()[..], &claim].concat();
            refused(courier.import(&token, &KNOWN, &template), RvError::AttributeReadOnly);
            let created = [&template[..], &[Attribute::Value(KNOWN.to_vec())]].concat();
            refused(token.create_object(&created), RvError::AttributeReadOnly);
            let generated = [&[Attribute::ValueLen(32.into())], &claim[..]].concat();
            let generated = token.generate_key(&Mechanism::AesKeyGen, &generated);
            refused(generated, RvError::AttributeReadOnly);
        }
        let claim = [&session_aes()[..], &[Attribute::Local(true)]].concat();
        refused(courier.import(&token, &KNOWN, &claim), RvError::AttributeReadOnly);
    });
}

#[test]
fn a_guessed_value_finds_no_key_that_hides_it() {
    play(|world| {
        let token = world.token();
        let guess = [Attribute::Value(KNOWN.to_vec())];
        for hiding in [
            [Attribute::Sensitive(true), Attribute::Extractable(true)],
            [Attribute::Sensitive(false), Attribute::Extractable(false)],
        ] {
            for class in [session_aes(), aes_material()] {
                let key = token.create_object(&[&class[..], &guess, &hiding].concat()).unwrap();
                assert!(token.find_objects(&guess).unwrap().is_empty(), "{class:?} {hiding:?}");
                token.destroy_object(key).unwrap();
            }
        }
        let (_, key) = rsa_pair(&token, &[Attribute::Sensitive(false)]);
        let secrets = [
            AttributeType::PrivateExponent,
            AttributeType::Prime1,
            AttributeType::Prime2,
            AttributeType::Exponent1,
            AttributeType::Exponent2,
            AttributeType::Coefficient,
        ];
        let guesses = token.get_attributes(key, &secrets).unwrap();
        assert_eq!(guesses.len(), secrets.len(), "a key that may show them shows them");
        token.update_attributes(key, &[Attribute::Sensitive(true)]).unwrap();
        for guess in guesses {
            let found = token.find_objects(std::slice::from_ref(&guess)).unwrap();
            assert!(found.is_empty(), "{:?}", guess.attribute_type());
        }
        let shown = token.get_attribute_info(key, &secrets).unwrap();
        assert!(shown.iter().all(|info| matches!(info, AttributeInfo::Sensitive)), "{shown:?}");
    });
}

// --- wrapping and unwrapping ---

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

// --- mechanisms and digests ---

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

// --- the end of a login ---

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

// --- what the scenarios are made of ---

fn session_aes() -> [Attribute; 3] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false)]
}

fn generic(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let template = [&[Attribute::ValueLen(32.into())], more].concat();
    token.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap()
}

fn ec_pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let on_token = private.contains(&Attribute::Token(true));
    let public = [Attribute::EcParams(P256.to_vec()), Attribute::Token(on_token)];
    token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, private).unwrap()
}

fn rsa_pair(token: &Token, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let public = [Attribute::ModulusBits(2048.into())];
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, private).unwrap()
}

fn hkdf(token: &Token, base: ObjectHandle, more: &[Attribute]) -> Result<ObjectHandle> {
    let params = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
    token.derive_key(&Mechanism::HkdfDerive(params), base, &derived(more))
}

fn derived(more: &[Attribute]) -> Vec<Attribute> {
    let base =
        [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::GENERIC_SECRET)];
    let sized = more.iter().any(|more| matches!(more, Attribute::ValueLen(_)));
    let size = (!sized).then(|| Attribute::ValueLen(32.into()));
    base.into_iter().chain(size).chain(more.iter().cloned()).collect()
}

/// An attribute whose value is a template with one attribute: a `CK_ATTRIBUTE` as it lies in memory.
fn template_of(of: u64, inner: u64, value: &'static [u8]) -> Attribute {
    let address = value.as_ptr().expose_provenance();
    let bytes = [inner.to_ne_bytes(), address.to_ne_bytes(), value.len().to_ne_bytes()].concat();
    Attribute::VendorDefined((kind(of), bytes))
}

/// That neither a change nor a copy gives a key that only wraps another usage.
fn gains_nothing(token: &Token, wrapping: ObjectHandle) {
    for usage in [
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Unwrap(true),
        Attribute::Derive(true),
    ] {
        let among = [Attribute::Wrap(false), usage];
        refused(token.update_attributes(wrapping, &among), RvError::AttributeReadOnly);
        let kept = token.flag(wrapping, AttributeType::Wrap);
        assert!(kept, "a refused change changes none");
        let copyable = token.flag(wrapping, AttributeType::Copyable);
        let refusal = if copyable { RvError::AttributeReadOnly } else { RvError::ActionProhibited };
        refused(token.copy_object(wrapping, &among), refusal);
    }
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}

fn log_in_again(token: &Token, who: UserType, text: &str) {
    token.logout().unwrap();
    token.login(who, Some(&pin(text))).unwrap();
}
