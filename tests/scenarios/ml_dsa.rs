//! ML-DSA pairs as custom keys, and what they sign.

use crate::rig::token::{Token, USER_PIN, pin};
use crate::rig::wrap::{Courier, import_padded, is_of_one_key};
use crate::rig::{
    DELETED, DISABLED, ENABLED, EXPIRED, EXPIRY_ACTION, GENERATED, MATERIAL_STATE, ORIGIN, STATUS,
    expires_at, for_key, kind, mechanism_type, number, play, refused, world,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::UserType;
use cryptoki_sys::{CK_SIGN_ADDITIONAL_CONTEXT, CK_ULONG};
use keystead::internal::lc::lattice::{PrivateKey, Set};

const PARAMETER_SET: u64 = 0x61D;
const SEED: u64 = 0x637;
const KEY_PAIR_GEN: u64 = 0x1C;
const ML_DSA: u64 = 0x1D;
const HASH_ML_DSA_SHA512: u64 = 0x26;
const READ_ONLY: u64 = 2;
const MESSAGE: &[u8] = b"what is signed";

/// The name of each parameter set, its number, the set, and the sizes of a public key and a signature.
const SETS: [(&str, u64, Set, usize, usize); 3] = [
    ("ML-DSA-44", 1, Set::MlDsa44, 1312, 2420),
    ("ML-DSA-65", 2, Set::MlDsa65, 1952, 3309),
    ("ML-DSA-87", 3, Set::MlDsa87, 2592, 4627),
];

fn mechanism(number: u64) -> Mechanism<'static> {
    let mechanism = VendorDefinedMechanism::new::<()>(mechanism_type(number), None);
    Mechanism::VendorDefined(mechanism)
}

fn set(number: u64) -> Attribute {
    Attribute::VendorDefined((kind(PARAMETER_SET), number.to_ne_bytes().to_vec()))
}

fn context(hedge: CK_ULONG, context: &[u8]) -> CK_SIGN_ADDITIONAL_CONTEXT {
    CK_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: hedge,
        pContext: context.as_ptr().cast_mut(),
        ulContextLen: context.len() as CK_ULONG,
    }
}

fn with(params: &CK_SIGN_ADDITIONAL_CONTEXT) -> Mechanism<'_> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new(mechanism_type(ML_DSA), Some(params)))
}

fn generate(
    token: &Token,
    number: u64,
    private: &[Attribute],
) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = [Attribute::Token(true), set(number)];
    let private = [&[Attribute::Token(true)], private].concat();
    token.generate_key_pair(&mechanism(KEY_PAIR_GEN), &public, &private)
}

/// Imports a private key from its PKCS#8.
fn import(token: &Token, pkcs8: &[u8], template: &[Attribute]) -> Result<ObjectHandle> {
    let of = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::ML_DSA),
        Attribute::Token(true),
    ];
    import_padded(token, pkcs8, &[&of[..], template].concat())
}

/// The public half of a key that was made outside.
fn public(token: &Token, number: u64, value: Vec<u8>) -> Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::ML_DSA),
        set(number),
        Attribute::Value(value),
    ])
}

/// The PKCS#8 of a key: its seed, its expanded key, and both (RFC 9881).
fn forms(key: &PrivateKey) -> [Vec<u8>; 3] {
    let (seed, expanded) = (key.seed().unwrap(), key.expanded().unwrap());
    let without_seed = PrivateKey::from_expanded(key.set(), expanded.expose()).unwrap();
    let octets = |bytes: &[u8]| der(0x04, bytes);
    let both = der(0x30, &[octets(seed.expose()), octets(expanded.expose())].concat());
    let seed_form = key.to_pkcs8().unwrap().expose().to_vec();
    // The version and the algorithm, between the outer length and the key.
    let head = &seed_form[2..seed_form.len() - 36];
    let both = der(0x30, &[head, &der(0x04, &both)].concat());
    [seed_form, without_seed.to_pkcs8().unwrap().expose().to_vec(), both]
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head: &[u8] = match content.len() {
        0..=0x7F => &[tag, low],
        0x80..=0xFF => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

// --- pairs ---

#[test]
fn a_generated_pair_of_each_parameter_set_is_a_custom_key_and_signs() {
    play(|world| {
        let token = world.token();
        for (name, number, _, public_size, size) in SETS {
            let label = [Attribute::Label(name.as_bytes().to_vec())];
            let (public, private) = generate(&token, number, &label).unwrap();
            let id = token.key_of(private);
            let json = token.json(&id);
            assert_eq!(json["key_type"], name);
            assert_eq!(json["origin"], "generated");
            assert_eq!(token.number(private, ORIGIN), GENERATED);
            assert_eq!(token.key_of(public), id);
            for half in [public, private] {
                assert!(token.has(half, PARAMETER_SET, &number.to_ne_bytes()));
                assert!(token.flag(half, AttributeType::Local));
            }
            assert_eq!(token.bytes(public, AttributeType::Value).len(), public_size);
            assert!(token.flag(private, AttributeType::Sign));
            for usage in [AttributeType::Decrypt, AttributeType::Derive, AttributeType::Unwrap] {
                assert!(!token.flag(private, usage), "{usage:?}");
            }
            for id in [ML_DSA, HASH_ML_DSA_SHA512] {
                let signature = token.sign(&mechanism(id), private, MESSAGE).unwrap();
                assert_eq!(signature.len(), size);
                token.verify(&mechanism(id), public, MESSAGE, &signature).unwrap();
                let other = token.verify(&mechanism(id), public, b"another", &signature);
                refused(other, RvError::SignatureInvalid);
                let short = token.verify(&mechanism(id), public, MESSAGE, &signature[1..]);
                refused(short, RvError::SignatureLenRange);
            }
            refused(token.destroy_object(private), RvError::ActionProhibited);
            let expiring = generate(&token, number, &[expires_at(world::now() + 1000)]);
            refused(expiring, RvError::TemplateInconsistent);
        }
    });
}

#[test]
fn a_pair_needs_a_parameter_set_that_there_is() {
    play(|world| {
        let token = world.token();
        let pair = |public: &[Attribute], private: &[Attribute]| {
            token.generate_key_pair(&mechanism(KEY_PAIR_GEN), public, private)
        };
        refused(pair(&[], &[]), RvError::TemplateIncomplete);
        for unknown in [0, 4, u64::MAX] {
            refused(pair(&[set(unknown)], &[]), RvError::UnknownErrorCode(0x209));
        }
        refused(pair(&[set(1)], &[set(2)]), RvError::TemplateInconsistent);
        pair(&[set(3)], &[set(3)]).unwrap();
    });
}

// --- contexts, hedging and parts ---

#[test]
fn a_signature_verifies_under_its_own_context_alone() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, 2, &[]).unwrap();
        let (none, one, other) = (context(0, b""), context(0, b"one"), context(1, &[7; 255]));
        let contexts = [&none, &one, &other];
        for (at, signing) in contexts.iter().enumerate() {
            let signature = token.sign(&with(signing), private, MESSAGE).unwrap();
            for (by, verifying) in contexts.iter().enumerate() {
                let verified = token.verify(&with(verifying), public, MESSAGE, &signature);
                match at == by {
                    true => verified.unwrap(),
                    false => refused(verified, RvError::SignatureInvalid),
                }
            }
        }
        let plain = token.sign(&mechanism(ML_DSA), private, MESSAGE).unwrap();
        token.verify(&with(&none), public, MESSAGE, &plain).unwrap();
        for wrong in [context(0, &[7; 256]), context(3, b"")] {
            refused(token.sign(&with(&wrong), private, MESSAGE), RvError::MechanismParamInvalid);
        }
    });
}

#[test]
fn a_deterministic_signature_is_asked_for_and_a_hedged_one_is_the_rule() {
    play(|world| {
        let token = world.token();
        let (_, private) = generate(&token, 1, &[]).unwrap();
        let sign = |hedge| token.sign(&with(&context(hedge, b"")), private, MESSAGE).unwrap();
        assert_eq!(sign(2), sign(2));
        assert_ne!(sign(1), sign(1));
        assert_ne!(sign(0), sign(0));
    });
}

#[test]
fn a_message_in_parts_is_signed_and_verified_as_one() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, 3, &[]).unwrap();
        for id in [ML_DSA, HASH_ML_DSA_SHA512] {
            let (head, tail) = MESSAGE.split_at(5);
            token.sign_init(&mechanism(id), private).unwrap();
            token.sign_update(head).unwrap();
            token.sign_update(tail).unwrap();
            let signature = token.sign_final().unwrap();
            token.verify(&mechanism(id), public, MESSAGE, &signature).unwrap();
            token.verify_init(&mechanism(id), public).unwrap();
            token.verify_update(tail).unwrap();
            token.verify_update(head).unwrap();
            refused(token.verify_final(&signature), RvError::SignatureInvalid);
        }
    });
}

// --- material that was brought ---

#[test]
fn seed_expanded_key_and_both_are_one_material() {
    play(|world| {
        let token = world.token();
        for (name, number, parameters, ..) in SETS {
            let outside = PrivateKey::generate(parameters).unwrap();
            let [seed, expanded, both] = forms(&outside);
            let key = import(&token, &expanded, &[]).unwrap();
            let id = token.key_of(key);
            assert_eq!(token.json(&id)["key_type"], name);
            for again in [&seed, &both, &expanded] {
                assert_eq!(import(&token, again, &[for_key(&id)]).unwrap(), key, "{name}");
            }
            let value = outside.public().unwrap().bytes().unwrap();
            let public = public(&token, number, value).unwrap();
            let signature = token.sign(&mechanism(ML_DSA), key, MESSAGE).unwrap();
            token.verify(&mechanism(ML_DSA), public, MESSAGE, &signature).unwrap();
            let other = forms(&PrivateKey::generate(parameters).unwrap());
            for wrong in other {
                let stolen = import(&token, &wrong, &[for_key(&id)]);
                refused(stolen, RvError::TemplateInconsistent);
            }
            token.destroy_object(key).unwrap();
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), DELETED);
            let key = import(&token, &seed, &[for_key(&id)]).unwrap();
            assert_eq!(token.key_of(key), id);
        }
    });
}

#[test]
fn a_key_that_draws_otherwise_is_other_material() {
    play(|world| {
        let token = world.token();
        for (_, _, parameters, ..) in SETS {
            for seed_first in [true, false] {
                let outside = PrivateKey::generate(parameters).unwrap();
                let [seed, same, both] = forms(&outside);
                let mut other = same.clone();
                let drawing = same.len() - outside.expanded().unwrap().len() + 32;
                other[drawing] ^= 1;
                let (one, others) = match seed_first {
                    true => (&seed, vec![&other]),
                    false => (&other, vec![&seed, &same, &both]),
                };
                is_of_one_key(&token, KeyType::ML_DSA, one, &others);
            }
        }
    });
}

#[test]
fn a_key_that_may_leave_shows_its_seed_and_its_value_and_wraps_as_its_seed() {
    play(|world| {
        let token = world.token();
        let outside = PrivateKey::generate(Set::MlDsa65).unwrap();
        let [seed_form, ..] = forms(&outside);
        let seed = outside.seed().unwrap().expose().to_vec();
        let expanded = outside.expanded().unwrap().expose().to_vec();
        let open = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::ML_DSA),
            set(2),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
        ];
        let part =
            |kind_of: u64, value: &[u8]| Attribute::VendorDefined((kind(kind_of), value.to_vec()));
        let create = |parts: &[Attribute]| token.create_object(&[&open[..], parts].concat());
        let from_seed = create(&[part(SEED, &seed)]).unwrap();
        assert_eq!(token.bytes(from_seed, AttributeType::Value), expanded);
        assert!(token.has(from_seed, SEED, &seed));
        let from_both = create(&[part(SEED, &seed), Attribute::Value(expanded.clone())]).unwrap();
        let courier = Courier::new(&token);
        for key in [from_seed, from_both] {
            let wrapped = token.wrap_key(&Mechanism::AesKeyWrapPad, courier.key, key).unwrap();
            assert_eq!(wrapped, courier.wrap_padded(&seed_form));
        }
        let from_value = create(&[Attribute::Value(expanded.clone())]).unwrap();
        assert!(!token.has(from_value, SEED, &seed));
        refused(create(&[]), RvError::TemplateIncomplete);
        refused(create(&[part(SEED, &seed[1..])]), RvError::AttributeValueInvalid);
        let mut other = expanded;
        other[40] ^= 1;
        let both = create(&[part(SEED, &seed), Attribute::Value(other)]);
        refused(both, RvError::TemplateInconsistent);
        let short = public(&token, 2, vec![1; 1951]);
        refused(short, RvError::AttributeValueInvalid);
    });
}

#[test]
fn what_is_no_ml_dsa_key_is_refused_and_nothing_is_made() {
    play(|world| {
        let token = world.token();
        let [seed, expanded, both] = forms(&PrivateKey::generate(Set::MlDsa44).unwrap());
        let kem = PrivateKey::generate(Set::MlKem512).unwrap().to_pkcs8().unwrap();
        let mut damaged = expanded.clone();
        damaged[200] ^= 1;
        let mut mixed = both.clone();
        mixed[60] ^= 1;
        let wrong: [&[u8]; 5] =
            [kem.expose(), &damaged, &mixed, &seed[1..], &[&seed[..], &[0]].concat()];
        for wrong in wrong {
            refused(import(&token, wrong, &[]), RvError::WrappedKeyInvalid);
        }
        let private = Attribute::Class(ObjectClass::PRIVATE_KEY);
        assert!(token.find_objects(&[private]).unwrap().is_empty());
    });
}

// --- what a key may do, and when ---

#[test]
fn a_disabled_or_expired_key_does_not_sign() {
    play(|world| {
        let token = world.token();
        let [seed, ..] = forms(&PrivateKey::generate(Set::MlDsa65).unwrap());
        let [kept, ..] = forms(&PrivateKey::generate(Set::MlDsa65).unwrap());
        let end = world::now() + 6;
        let key = import(&token, &seed, &[expires_at(end)]).unwrap();
        let read = [expires_at(end), number(EXPIRY_ACTION, READ_ONLY)];
        let read = import(&token, &kept, &read).unwrap();
        let id = token.key_of(key);
        let sign = |key| token.sign(&mechanism(ML_DSA), key, MESSAGE);
        sign(read).unwrap();
        token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
        refused(sign(key), RvError::KeyFunctionNotPermitted);
        token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
        sign(key).unwrap();
        world::until(end);
        refused(sign(key), RvError::KeyHandleInvalid);
        refused(sign(read), RvError::KeyFunctionNotPermitted);
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
        import(&token, &seed, &[for_key(&id)]).unwrap();
    });
}

#[test]
fn a_key_that_asks_for_the_pin_signs_once_for_each() {
    play(|world| {
        let token = world.token();
        let (_, private) = generate(&token, 1, &[Attribute::AlwaysAuthenticate(true)]).unwrap();
        token.sign_init(&mechanism(ML_DSA), private).unwrap();
        refused(token.sign_update(MESSAGE), RvError::UserNotLoggedIn);
        for _ in 0..2 {
            token.sign_init(&mechanism(ML_DSA), private).unwrap();
            token.login(UserType::ContextSpecific, Some(&pin(USER_PIN))).unwrap();
            token.sign_update(MESSAGE).unwrap();
            token.sign_final().unwrap();
        }
    });
}
