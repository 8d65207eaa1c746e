//! Keys that are relied on, because the security officer trusts them or because of their own
//! templates: each way by which an answer, or a second mechanism, could tell what they wrapped is played
//! against a key that nothing binds, where it works, and against one that is bound, where it fails at
//! its first step.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::{Courier, Owner, oaep_sha256, unwrapped_by_hand, with_rsa_aes};
use crate::rig::{for_key, mechanism_type, play, refused, seal, template_with, without_custody};
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;

const WRAP_TEMPLATE: u64 = 0x4000_0211;
const UNWRAP_TEMPLATE: u64 = 0x4000_0212;
const DERIVE_TEMPLATE: u64 = 0x4000_0213;
const SENSITIVE: u64 = 0x103;
const WRAP_WITH_TRUSTED: u64 = 0x210;
const EXTRACTABLE: u64 = 0x162;
const KWP: u64 = 0x210B;
const CBC: Mechanism = Mechanism::AesCbcPad([3; 16]);
/// The value of the key that is attacked.
const TARGET: [u8; 32] = *b"what nobody should ever see here";

#[test]
fn a_padding_oracle_has_no_key_that_answers_it() {
    play(|world| {
        let token = world.token();
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let keeps = [&both[..], &[keeping()]].concat();
        let trusted = by_officer(&token, &keeps);
        let (free, templated) = (token.generate_aes(&both), token.generate_aes(&keeps));
        let ordinary = target(&token, &[]);
        let guarded = target(&token, &[Attribute::WrapWithTrusted(true)]);

        let wrapped = token.wrap_key(&CBC, free, ordinary).unwrap();
        let (opened, calls) = padding_oracle(&token, free, &wrapped);
        assert_eq!(opened.unwrap(), TARGET, "the attack is a real one");
        assert!(calls > 1000, "{calls}");

        refused(token.wrap_key(&CBC, trusted, guarded), RvError::KeyNotWrappable);
        for by in [templated, trusted] {
            refused(token.wrap_key(&CBC, by, ordinary), RvError::KeyFunctionNotPermitted);
            // However the attacker comes by a blob, there is no answer to its padding.
            let (opened, calls) = padding_oracle(&token, by, &wrapped);
            refused(opened, RvError::KeyFunctionNotPermitted);
            assert_eq!(calls, 1);
        }
    });
}

#[test]
fn a_trusted_key_opens_by_its_own_mechanism_only_and_into_nothing_that_shows_it() {
    play(|world| {
        let token = world.token();
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true), keeping()];
        let by = by_officer(&token, &both);
        let guarded = target(&token, &[Attribute::WrapWithTrusted(true)]);
        let block = token.encrypt_block(guarded).unwrap();
        let iv = |iv: &'static [u8; 8]| key_wrap(Some(iv));
        let mechanisms = [key_wrap(None), iv(&[0xA6; 8]), Mechanism::AesKeyWrapPad, named(KWP)];
        let odd =
            [iv(b"\xA6\x59\x59\xA6\0\0\0\x20"), iv(&[0xA6, 0, 0, 0, 0, 0, 0, 0]), iv(&[7; 8])];
        for (made, mechanism) in mechanisms.iter().enumerate() {
            let wrapped = token.wrap_key(mechanism, by, guarded).unwrap();
            for (read, mechanism) in mechanisms.iter().enumerate() {
                let back = token.unwrap_key(mechanism, by, &wrapped, &session_aes());
                // The first two and the last two are one wrapping each.
                if made / 2 != read / 2 {
                    refused(back, RvError::WrappedKeyInvalid);
                    continue;
                }
                let back = back.unwrap();
                assert_eq!(token.encrypt_block(back).unwrap(), block);
                assert!(hides_its_value(&token, back));
                let away = token.wrap_key(&Mechanism::AesKeyWrap, by, back);
                refused(away, RvError::KeyUnextractable);
            }
            for mechanism in &odd {
                refused(token.wrap_key(mechanism, by, guarded), RvError::MechanismParamInvalid);
                let back = token.unwrap_key(mechanism, by, &wrapped, &session_aes());
                refused(back, RvError::MechanismParamInvalid);
            }
            let readable = [&session_aes()[..], &[Attribute::Sensitive(false)]].concat();
            let back = token.unwrap_key(mechanism, by, &wrapped, &readable);
            refused(back, RvError::TemplateInconsistent);
        }
    });
}

#[test]
fn what_is_bound_wraps_by_key_wrap_and_gcm_alone_whatever_is_configured() {
    play(|world| {
        world.configure("mixed_wrapping = true");
        let token = world.token();
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true), keeping()];
        let (trusted, templated) = (by_officer(&token, &both), token.generate_aes(&both));
        let guard = [Attribute::WrapWithTrusted(true)];
        for (by, guard, refusal) in [
            (trusted, &guard[..], RvError::KeyNotWrappable),
            (trusted, &[], RvError::KeyFunctionNotPermitted),
            (templated, &[], RvError::KeyFunctionNotPermitted),
        ] {
            let key = target(&token, guard);
            let block = token.encrypt_block(key).unwrap();
            refused(token.wrap_key(&CBC, by, key), refusal);
            let mut iv = [0; 12];
            let gcm = GcmWrap::new(&mut iv, b"header", GENERATE);
            for mechanism in [key_wrap(None), Mechanism::AesKeyWrapPad, named(KWP), gcm.mechanism()]
            {
                let wrapped = token.wrap_key(&mechanism, by, key).unwrap();
                let back = token.unwrap_key(&mechanism, by, &wrapped, &session_aes()).unwrap();
                assert_eq!(token.encrypt_block(back).unwrap(), block);
                assert!(hides_its_value(&token, back));
            }
            assert_ne!(iv, [0; 12], "the token made it");
        }

        let key = target(&token, &[]);
        let sealing = |more: &[Attribute]| {
            token.generate_aes(&[&both[..2], &[Attribute::Token(true)], more].concat())
        };
        token.wrap_key(&seal(), sealing(&[]), key).unwrap();
        for bound in [keeping(), template_with(WRAP_TEMPLATE, &[(EXTRACTABLE, &[1])])] {
            let wrapped = token.wrap_key(&seal(), sealing(&[bound]), key);
            refused(wrapped, RvError::KeyFunctionNotPermitted);
        }
    });
}

#[test]
fn a_public_key_that_is_bound_wraps_by_oaep_and_with_a_transport_key_under_it() {
    play(|world| {
        let token = world.token();
        let public = [
            Attribute::ModulusBits(2048.into()),
            Attribute::Wrap(true),
            template_with(WRAP_TEMPLATE, &[(EXTRACTABLE, &[1])]),
        ];
        let private = [Attribute::Unwrap(true), without_custody()];
        let pair = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private);
        let (by, unwraps) = pair.unwrap();
        let key = target(&token, &[]);
        let block = token.encrypt_block(key).unwrap();
        let comes_back = |mechanism: &Mechanism| {
            let wrapped = token.wrap_key(mechanism, by, key).unwrap();
            let back = token.unwrap_key(mechanism, unwraps, &wrapped, &session_aes()).unwrap();
            assert_eq!(token.encrypt_block(back).unwrap(), block);
        };
        comes_back(&oaep_sha256());
        with_rsa_aes(comes_back);
        let padded = token.wrap_key(&Mechanism::RsaPkcs, by, key);
        refused(padded, RvError::KeyFunctionNotPermitted);
    });
}

/// Encryption under the IV that a key was wrapped with decrypts it, and a MAC with a chosen IV gives
/// the same stream. The IV is the token's, too: two keys under one IV are as good as told.
#[test]
fn a_key_that_wraps_by_gcm_does_nothing_else() {
    play(|world| {
        world.configure("mixed_wrapping = true");
        let token = world.token();
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let key = target(&token, &[]);
        let (mut iv, mut other) = ([0; 12], [0; 12]);
        let gcm = GcmWrap::new(&mut iv, b"header", GENERATE);
        for more in [
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Sign(true),
            Attribute::Verify(true),
            Attribute::Derive(true),
        ] {
            let by = token.generate_aes(&[&both[..], &[more]].concat());
            let wrapped = token.wrap_key(&gcm.mechanism(), by, key);
            refused(wrapped, RvError::KeyFunctionNotPermitted);
        }
        refused(
            token.wrap_key(&gcm.mechanism(), token.generate_aes(&[]), key),
            RvError::KeyFunctionNotPermitted,
        );

        let by = token.generate_aes(&both);
        let first = token.wrap_key(&gcm.mechanism(), by, key).unwrap();
        let next = GcmWrap::new(&mut other, b"header", GENERATE);
        token.wrap_key(&next.mechanism(), by, key).unwrap();
        assert_ne!(iv, other, "each key has an IV of its own");
        for (generator, fixed) in [(NO_GENERATE, 0), (GENERATE, 32), (9, 0)] {
            let chosen = GcmWrap { fixed, ..GcmWrap::new(&mut other, b"header", generator) };
            let wrapped = token.wrap_key(&chosen.mechanism(), by, key);
            refused(wrapped, RvError::MechanismParamInvalid);
        }

        let block = token.encrypt_block(key).unwrap();
        let back = token.unwrap_key(&gcm.mechanism(), by, &first, &session_aes()).unwrap();
        assert_eq!(token.encrypt_block(back).unwrap(), block);
        let elsewhere = GcmWrap::new(&mut iv, b"another", GENERATE);
        let back = token.unwrap_key(&elsewhere.mechanism(), by, &first, &session_aes());
        refused(back, RvError::WrappedKeyInvalid);
    });
}

/// A blob of one kind that opened as the other would tell whether the key ends in zeros, or come back
/// longer than it was.
#[test]
fn no_initial_value_makes_one_key_wrap_read_as_the_other() {
    const PADDED: [u8; 8] = [0xA6, 0x59, 0x59, 0xA6, 0, 0, 0, 0x1F];
    play(|world| {
        let token = world.token();
        let by = token.generate_aes(&[Attribute::Wrap(true), Attribute::Unwrap(true)]);
        let key = target(&token, &[]);
        refused(token.wrap_key(&key_wrap(Some(&PADDED)), by, key), RvError::MechanismParamInvalid);
        let padded = token.wrap_key(&Mechanism::AesKeyWrapPad, by, key).unwrap();
        let longer = token.unwrap_key(&key_wrap(Some(&PADDED)), by, &padded, &session_aes());
        refused(longer, RvError::MechanismParamInvalid);
        for number in [0x210A, KWP] {
            let number = mechanism_type(number);
            let other = VendorDefinedMechanism::new(number, Some(&[0xA6_u8; 4]));
            let other = Mechanism::VendorDefined(other);
            refused(token.wrap_key(&other, by, key), RvError::MechanismParamInvalid);
        }
        let own = key_wrap(Some(&[7; 8]));
        let wrapped = token.wrap_key(&own, by, key).unwrap();
        token.unwrap_key(&own, by, &wrapped, &session_aes()).unwrap();
    });
}

#[test]
fn no_secret_key_is_trusted_that_does_not_hide_its_value() {
    play(|world| {
        let token = world.token();
        let public = [Attribute::Private(false), Attribute::Wrap(true)];
        let open = [
            [Attribute::Sensitive(false), Attribute::Extractable(false)],
            [Attribute::Sensitive(true), Attribute::Extractable(true)],
        ];
        let places = [
            vec![Attribute::Token(false)],
            vec![Attribute::Token(true)],
            vec![Attribute::Token(true), without_custody()],
        ];
        let trusted = [Attribute::Trusted(true)];
        for (open, place) in open.iter().flat_map(|open| places.iter().map(move |at| (open, at))) {
            log_in(&token, UserType::User, USER_PIN);
            let key = token.generate_aes(&[&public[..], place, open].concat());
            log_in(&token, UserType::So, SO_PIN);
            refused(token.update_attributes(key, &trusted), RvError::TemplateInconsistent);
            assert!(place[0] == Attribute::Token(false) || !self::trusted(&token, key));
            // The officer makes no custom keys.
            if *place == [Attribute::Token(true)] {
                continue;
            }
            let size = [Attribute::ValueLen(32.into())];
            let made = [&size, &public[..], &trusted, place, open].concat();
            let made = token.generate_key(&Mechanism::AesKeyGen, &made);
            refused(made, RvError::TemplateInconsistent);
            let hidden = [Attribute::Sensitive(true), Attribute::Extractable(false)];
            let made = [&size, &public[..], &trusted, place, &hidden].concat();
            token.generate_key(&Mechanism::AesKeyGen, &made).unwrap();
        }
        log_in(&token, UserType::User, USER_PIN);
    });
}

#[test]
fn a_key_that_was_trusted_stays_bound_for_good_and_so_do_its_copies() {
    play(|world| {
        let token = world.token();
        let both = [Attribute::Wrap(true), Attribute::Unwrap(true)];
        let once = by_officer(&token, &both);
        let free = token.generate_aes(&both);
        let wrapped = token.wrap_key(&CBC, free, target(&token, &[])).unwrap();
        let lower = [Attribute::Trusted(false)];
        token.update_attributes(once, &lower).unwrap();
        refused(
            token.update_attributes(once, &[Attribute::Trusted(true)]),
            RvError::AttributeReadOnly,
        );
        let ordinary = [without_custody(), Attribute::Token(true)];
        let copies = [
            token.copy_object(once, &[Attribute::Token(false)]).unwrap(),
            token.copy_object(once, &ordinary).unwrap(),
        ];
        let later = || {
            log_in(&token, UserType::User, USER_PIN);
            token.copy_object(once, &[Attribute::Token(false)]).unwrap()
        };
        for key in [once, copies[0], copies[1], later(), once] {
            assert!(!trusted(&token, key));
            for usage in [
                Attribute::Decrypt(true),
                Attribute::Encrypt(true),
                Attribute::Sign(true),
                Attribute::Derive(true),
            ] {
                let more = [usage];
                refused(token.update_attributes(key, &more), RvError::AttributeReadOnly);
                refused(token.copy_object(key, &more), RvError::AttributeReadOnly);
            }
            let (opened, calls) = padding_oracle(&token, key, &wrapped);
            refused(opened, RvError::KeyFunctionNotPermitted);
            assert_eq!(calls, 1);
            let own = key_wrap(Some(&[7; 8]));
            let other = target(&token, &[]);
            refused(token.wrap_key(&CBC, key, other), RvError::KeyFunctionNotPermitted);
            refused(token.wrap_key(&own, key, other), RvError::MechanismParamInvalid);
            token.wrap_key(&Mechanism::AesKeyWrap, key, other).unwrap();
        }
        let guarded = target(&token, &[Attribute::WrapWithTrusted(true)]);
        let away = token.wrap_key(&Mechanism::AesKeyWrap, once, guarded);
        refused(away, RvError::KeyNotWrappable);
    });
}

#[test]
fn material_that_was_trusted_comes_again_as_it_was() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let wraps = [Attribute::Wrap(true), Attribute::Unwrap(true), keeping()];
        let public = [Attribute::Private(false), Attribute::Extractable(false)];
        let first = [&aes_material()[..], &wraps, &public].concat();
        let key = courier.import(&token, &TARGET, &first).unwrap();
        let id = token.key_of(key);
        log_in(&token, UserType::So, SO_PIN);
        token.update_attributes(key, &[Attribute::Trusted(true)]).unwrap();
        log_in(&token, UserType::User, USER_PIN);
        let courier = Courier::new(&token);
        let again = |more: &[Attribute]| {
            let named = [for_key(&id), Attribute::Private(false)];
            courier.import(&token, &TARGET, &[&aes_material()[..], &named, more].concat())
        };
        for _lost_again in 0..2 {
            let present = token.find_objects(&[for_key(&id), secret()]).unwrap()[0];
            token.destroy_object(present).unwrap();
            for more in [
                &[Attribute::Wrap(true), Attribute::Decrypt(true)][..],
                &[Attribute::Encrypt(true)],
                &[template_with(UNWRAP_TEMPLATE, &[(SENSITIVE, &[0])])],
                &[template_with(UNWRAP_TEMPLATE, &[])],
            ] {
                refused(again(more), RvError::TemplateInconsistent);
            }
            let back = again(&[]).unwrap();
            assert!(!trusted(&token, back), "whom to trust is for the officer to say");
            for (usage, kept) in [
                (AttributeType::Wrap, true),
                (AttributeType::Unwrap, true),
                (AttributeType::Encrypt, false),
                (AttributeType::Decrypt, false),
                (AttributeType::Derive, false),
            ] {
                assert_eq!(token.flag(back, usage), kept, "{usage:?}");
            }
            refused(
                token.update_attributes(back, &[Attribute::Decrypt(true)]),
                RvError::AttributeReadOnly,
            );
            let wrapped =
                token.wrap_key(&Mechanism::AesKeyWrap, back, target(&token, &[])).unwrap();
            let readable = [&session_aes()[..], &[Attribute::Sensitive(false)]].concat();
            let opened = token.unwrap_key(&Mechanism::AesKeyWrap, back, &wrapped, &readable);
            refused(opened, RvError::TemplateInconsistent);
        }
    });
}

/// With the PIN and the wrapped file the material could be brought again as another key.
#[test]
fn material_with_a_template_of_its_own_comes_again_as_it_was() {
    play(|world| {
        let token = world.token();
        let courier = Courier::new(&token);
        let confined = Attribute::AllowedMechanisms(vec![MechanismType::AES_KEY_WRAP]);
        for (material, free) in [(TARGET, true), ([8; 32], false)] {
            let confines = if free { vec![] } else { vec![confined.clone()] };
            let wraps = [Attribute::Wrap(true), Attribute::Unwrap(true), keeping()];
            let first = [&aes_material()[..], &wraps, &confines].concat();
            let mut key = courier.import(&token, &material, &first).unwrap();
            let named = [&aes_material()[..], &[for_key(&token.key_of(key))]].concat();
            let again =
                |more: &[Attribute]| courier.import(&token, &material, &[&named, more].concat());
            for _lost_again in 0..2 {
                token.destroy_object(key).unwrap();
                for more in [
                    Attribute::Decrypt(true),
                    template_with(UNWRAP_TEMPLATE, &[(SENSITIVE, &[0])]),
                    template_with(UNWRAP_TEMPLATE, &[]),
                    Attribute::AllowedMechanisms(vec![MechanismType::AES_KEY_WRAP_PAD]),
                ] {
                    refused(again(&[more]), RvError::TemplateInconsistent);
                }
                key = again(&confines).unwrap();
                let wrapped = token.wrap_key(&key_wrap(None), key, target(&token, &[])).unwrap();
                let readable = [&session_aes()[..], &[Attribute::Sensitive(false)]].concat();
                let opened = token.unwrap_key(&key_wrap(None), key, &wrapped, &readable);
                refused(opened, RvError::TemplateInconsistent);
                let decrypts = [Attribute::Decrypt(true)];
                refused(token.update_attributes(key, &decrypts), RvError::AttributeReadOnly);
            }
            let padded = token.wrap_key(&Mechanism::AesCbcPad([0; 16]), key, target(&token, &[]));
            match free {
                true => refused(padded, RvError::KeyFunctionNotPermitted),
                false => refused(padded, RvError::MechanismInvalid),
            }
            token.update_attributes(key, &[Attribute::Wrap(false)]).unwrap();
            token.destroy_object(key).unwrap();
            refused(again(&[Attribute::Wrap(true)]), RvError::TemplateInconsistent);
            key = again(&[]).unwrap();
            assert!(
                token.flag(key, AttributeType::Unwrap) && !token.flag(key, AttributeType::Wrap)
            );
        }
    });
}

/// PKCS#1 v1.5 tells paddings apart by what comes out, and the transport key of `CKM_RSA_AES_KEY_WRAP`
/// opens by OAEP into a key that decrypts the rest.
#[test]
fn what_a_trusted_rsa_key_wraps_is_not_had_in_parts() {
    play(|world| {
        world.configure("pkcs1_unwrap = true");
        let token = world.token();
        rsa_pair(&token, "bound", &[keeping()]);
        log_in(&token, UserType::So, SO_PIN);
        let public = half(&token, ObjectClass::PUBLIC_KEY, "bound");
        token.update_attributes(public, &[Attribute::Trusted(true)]).unwrap();
        log_in(&token, UserType::User, USER_PIN);
        let private = half(&token, ObjectClass::PRIVATE_KEY, "bound");
        let (free, opening) = rsa_pair(&token, "free", &[]);

        let ordinary = target(&token, &[]);
        let parts = with_rsa_aes(|by| token.wrap_key(by, free, ordinary)).unwrap();
        let (transport, carried) = parts.split_at(256);
        let decrypts = [&session_aes()[..], &[Attribute::Decrypt(true)]].concat();
        let opened = token.unwrap_key(&oaep_sha256(), opening, transport, &decrypts).unwrap();
        assert_eq!(unwrapped_by_hand(&token, opened, carried), TARGET, "the attack is a real one");

        let guarded = target(&token, &[Attribute::WrapWithTrusted(true)]);
        let away = with_rsa_aes(|by| token.wrap_key(by, public, guarded));
        refused(away, RvError::KeyNotWrappable);
        let away = token.wrap_key(&Mechanism::RsaPkcs, public, guarded);
        refused(away, RvError::KeyNotWrappable);
        let wrapped = token.wrap_key(&oaep_sha256(), public, guarded).unwrap();
        let encrypts = [&session_aes()[..], &[Attribute::Encrypt(true)]].concat();
        let back = token.unwrap_key(&oaep_sha256(), private, &wrapped, &encrypts).unwrap();
        assert!(hides_its_value(&token, back));
        let padded = token.wrap_key(&Mechanism::RsaPkcs, free, ordinary).unwrap();
        for blob in [&padded, &wrapped] {
            let answer = token.unwrap_key(&Mechanism::RsaPkcs, private, blob, &session_aes());
            refused(answer, RvError::KeyFunctionNotPermitted);
        }
    });
}

/// The transport key of a blob that travelled to a pair which hides what it unwraps would open the rest
/// of it into what can be read.
#[test]
fn what_travels_to_a_pair_that_hides_it_is_not_had_in_parts() {
    play(|world| {
        let token = world.token();
        let owner = Owner::of(&token, &[Attribute::Unwrap(true), keeping(), without_custody()]);
        let (transport, carried) = owner.parts(&TARGET);
        let first = |more: &[Attribute]| {
            let template = [&session_aes()[..], more].concat();
            token.unwrap_key(&oaep_sha256(), owner.private, &transport, &template)
        };
        for more in [&[][..], &[Attribute::Unwrap(true)], &[Attribute::Decrypt(true)]] {
            refused(first(more), RvError::TemplateInconsistent);
        }
        let other = first(&[Attribute::Encrypt(true)]).unwrap();
        for usage in [Attribute::Unwrap(true), Attribute::Decrypt(true)] {
            let more = [usage];
            refused(token.update_attributes(other, &more), RvError::AttributeReadOnly);
            refused(token.copy_object(other, &more), RvError::AttributeReadOnly);
            let copied = token.copy_object(other, &[]).unwrap();
            refused(token.update_attributes(copied, &more), RvError::AttributeReadOnly);
        }
        let whole = owner.import(&token, &TARGET, &session_aes()).unwrap();
        assert!(hides_its_value(&token, whole));
        assert!(token.flag(whole, AttributeType::Decrypt), "what came as a whole may");

        // Confined to OAEP there is nothing to open behind it, and confined to the whole no part opens.
        let alone = Attribute::AllowedMechanisms(vec![MechanismType::RSA_PKCS_OAEP]);
        let private = [Attribute::Unwrap(true), keeping(), without_custody(), alone];
        let alone = Owner::of(&token, &private);
        let key = token
            .unwrap_key(&oaep_sha256(), alone.private, &alone.oaep(&TARGET), &session_aes())
            .unwrap();
        assert!(token.flag(key, AttributeType::Decrypt));

        // The attacks, where nothing is hidden.
        let free = Owner::of(&token, &[Attribute::Unwrap(true), without_custody()]);
        let (transport, _) = free.parts(&TARGET);
        let opens = [Attribute::Unwrap(true), Attribute::Decrypt(true)];
        let opens = [&session_aes()[..], &opens].concat();
        let by = token.unwrap_key(&oaep_sha256(), free.private, &transport, &opens).unwrap();
        assert_eq!(unwrapped_by_hand(&token, by, &carried), TARGET);
        let readable = [&session_aes()[..], &[Attribute::Sensitive(false)]].concat();
        let read = token.unwrap_key(&Mechanism::AesKeyWrapPad, by, &carried, &readable).unwrap();
        assert_eq!(token.bytes(read, AttributeType::Value), TARGET);
    });
}

/// An unwrapped key does all that its new template says, whatever it was kept from before.
#[test]
fn a_key_that_is_kept_from_a_use_for_good_is_not_had_back_without_that() {
    play(|world| {
        let token = world.token();
        let trusted = by_officer(&token, &[Attribute::Wrap(true)]);
        let free = token.generate_aes(&[Attribute::Wrap(true)]);
        let wrap = |by, key| token.wrap_key(&Mechanism::AesKeyWrap, by, key);
        let leaves = [Attribute::Extractable(true)];
        for (guard, by) in [(&[1], trusted), (&[0], free)] {
            let guard: (u64, &'static [u8]) = (WRAP_WITH_TRUSTED, guard);
            let guarded = template_with(UNWRAP_TEMPLATE, &[(SENSITIVE, &[1]), guard]);
            let owner = Owner::of(&token, &[Attribute::Unwrap(true), guarded, without_custody()]);
            let (transport, _) = owner.parts(&TARGET);
            let encrypts = [&session_aes()[..], &leaves, &[Attribute::Encrypt(true)]].concat();
            let opened = token.unwrap_key(&oaep_sha256(), owner.private, &transport, &encrypts);
            let opened = opened.unwrap();
            refused(wrap(by, opened), RvError::KeyNotWrappable);
            refused(wrap(by, token.copy_object(opened, &[]).unwrap()), RvError::KeyNotWrappable);
            let leaving = [&session_aes()[..], &leaves].concat();
            wrap(by, owner.import(&token, &TARGET, &leaving).unwrap()).unwrap();

            let hides = template_with(DERIVE_TEMPLATE, &[(SENSITIVE, &[1]), guard]);
            let base = [
                secret(),
                Attribute::KeyType(KeyType::GENERIC_SECRET),
                Attribute::Value(TARGET.to_vec()),
                Attribute::Derive(true),
                hides,
            ];
            let base = token.create_object(&base).unwrap();
            let hkdf = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Null), Some(b"info"));
            let derived = [secret(), Attribute::ValueLen(32.into()), leaves[0].clone()];
            let derived = token.derive_key(&Mechanism::HkdfDerive(hkdf), base, &derived).unwrap();
            // What leaves under any key tells its user all that a digest would.
            match by == trusted {
                true => refused(wrap(by, derived), RvError::KeyNotWrappable),
                false => drop(wrap(by, derived).unwrap()),
            }
        }
    });
}

// --- the attacks ---

/// Vaudenay's: the plaintext of a blob of AES-CBC with padding, from nothing but whether blobs like it
/// unwrap. How many calls it took, and what stopped it.
fn padding_oracle(token: &Token, by: ObjectHandle, wrapped: &[u8]) -> (Result<Vec<u8>>, usize) {
    let mut calls = 0;
    let secret = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(false),
    ];
    let mut is_padded = |forged: &[u8; 16], block: &[u8]| {
        calls += 1;
        match token.unwrap_key(&CBC, by, &[forged, block].concat(), &secret) {
            Ok(key) => token.destroy_object(key).map(|()| true),
            Err(Error::Pkcs11(RvError::WrappedKeyInvalid, _)) => Ok(false),
            Err(other) => Err(other),
        }
    };
    let Mechanism::AesCbcPad(iv) = CBC else { unreachable!() };
    let blocks = [&iv, wrapped].concat();
    let mut opened = Vec::new();
    for pair in blocks.windows(32).step_by(16) {
        match last_block(&mut is_padded, &pair[16..]) {
            Ok(block) => opened.extend(block.iter().zip(pair).map(|(byte, before)| byte ^ before)),
            Err(other) => return (Err(other), calls),
        }
    }
    opened.truncate(opened.len() - usize::from(opened[opened.len() - 1]));
    (Ok(opened), calls)
}

/// Returns one block as AES decrypts it, found out by paddings alone.
fn last_block(
    is_padded: &mut impl FnMut(&[u8; 16], &[u8]) -> Result<bool>,
    block: &[u8],
) -> Result<[u8; 16]> {
    let mut known = [0; 16];
    for padding in 1..=16_u8 {
        let at = 16 - usize::from(padding);
        let mut forged = known.map(|byte| byte ^ padding);
        for guess in 0..=255 {
            forged[at] = guess;
            let mut right = is_padded(&forged, block)?;
            if right && padding == 1 {
                // It may have been a longer padding.
                forged[at - 1] ^= 1;
                right = is_padded(&forged, block)?;
            }
            if right {
                known[at] = guess ^ padding;
                break;
            }
        }
    }
    Ok(known)
}

// --- what the scenarios are made of ---

/// `CKA_UNWRAP_TEMPLATE` as the manual recommends it.
fn keeping() -> Attribute {
    template_with(UNWRAP_TEMPLATE, &[(SENSITIVE, &[1]), (EXTRACTABLE, &[0])])
}

/// A sensitive key that may leave.
fn target(token: &Token, more: &[Attribute]) -> ObjectHandle {
    let leaving = [
        Attribute::Sensitive(true),
        Attribute::Extractable(true),
        Attribute::Value(TARGET.to_vec()),
    ];
    token.create_object(&[&session_aes()[..], &leaving, more].concat()).unwrap()
}

/// A public key that the security officer has made, and trusts.
fn by_officer(token: &Token, more: &[Attribute]) -> ObjectHandle {
    log_in(token, UserType::So, SO_PIN);
    let trusted = [
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Trusted(true),
        without_custody(),
    ];
    let key = token.generate_aes(&[&trusted[..], more].concat());
    log_in(token, UserType::User, USER_PIN);
    key
}

/// A pair of that label on the token.
fn rsa_pair(token: &Token, label: &str, private: &[Attribute]) -> (ObjectHandle, ObjectHandle) {
    let both = [Attribute::Token(true), Attribute::Label(label.into())];
    let public = [Attribute::ModulusBits(2048.into()), Attribute::Wrap(true)];
    let unwraps = [Attribute::Unwrap(true), without_custody()];
    let (public, private) =
        ([&both[..], &public].concat(), [&both[..], &unwraps, private].concat());
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap()
}

fn half(token: &Token, class: ObjectClass, label: &str) -> ObjectHandle {
    let named = [Attribute::Class(class), Attribute::Label(label.into())];
    token.find_objects(&named).unwrap()[0]
}

fn secret() -> Attribute {
    Attribute::Class(ObjectClass::SECRET_KEY)
}

fn session_aes() -> [Attribute; 3] {
    let [class, key_type, _] = aes_material();
    [class, key_type, Attribute::Token(false)]
}

/// `CKM_AES_KEY_WRAP` with an initial value.
fn key_wrap(iv: Option<&'static [u8; 8]>) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(MechanismType::AES_KEY_WRAP, iv))
}

/// `CK_GCM_WRAP_PARAMS`.
#[repr(C)]
#[derive(Debug)]
struct GcmWrap {
    iv: *mut u8,
    iv_len: u64,
    fixed: u64,
    generator: u64,
    aad: *const u8,
    aad_len: u64,
    tag_bits: u64,
}

const NO_GENERATE: u64 = 0;
const GENERATE: u64 = 1;

impl GcmWrap {
    /// The token leaves its IV in `iv`.
    fn new(iv: &mut [u8; 12], aad: &'static [u8], generator: u64) -> Self {
        let (iv, aad_len) = (iv.as_mut_ptr(), aad.len() as u64);
        Self { iv, iv_len: 12, fixed: 0, generator, aad: aad.as_ptr(), aad_len, tag_bits: 128 }
    }

    fn mechanism(&self) -> Mechanism<'_> {
        Mechanism::VendorDefined(VendorDefinedMechanism::new(MechanismType::AES_GCM, Some(self)))
    }
}

fn named(number: u64) -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(mechanism_type(number), None))
}

fn trusted(token: &Token, key: ObjectHandle) -> bool {
    token.get_attributes(key, &[AttributeType::Trusted]).unwrap() == [Attribute::Trusted(true)]
}

fn hides_its_value(token: &Token, key: ObjectHandle) -> bool {
    let info = token.get_attribute_info(key, &[AttributeType::Value]).unwrap();
    matches!(info[..], [AttributeInfo::Sensitive])
}

fn log_in(token: &Token, who: UserType, text: &str) {
    token.logout().unwrap();
    token.login(who, Some(&pin(text))).unwrap();
}
