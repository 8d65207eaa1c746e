//! ML-KEM pairs as custom keys, and the keys that they encapsulate and decapsulate.

use crate::rig::token::{Token, USER_PIN, aes_material, pin};
use crate::rig::wrap::{Owner, import_padded, is_of_one_key, with_rsa_aes};
use crate::rig::{
    DISABLED, EXPIRED, EXPIRES_AT, EXPIRY_ACTION, EXTERNAL, GENERATED, IMPORT_ONLY, MATERIAL_STATE,
    ORIGIN, STATUS, expires_at, for_key, import_only, kind, mechanism_type, number, play, refused,
    template_with, without_custody, world,
};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlKemParameterSetType, ObjectClass, ObjectHandle,
};
use cryptoki::session::UserType;
use keystead::internal::lc::lattice::{PrivateKey, Set};
use pkcs11_sys::*;

const SEED: u64 = 0x637;
const ENCAPSULATE: u64 = 0x633;
const DECAPSULATE: u64 = 0x634;
const ENCAPSULATE_TEMPLATE: u64 = 0x62A;
const DECAPSULATE_TEMPLATE: u64 = 0x62B;

const SETS: [(&str, MlKemParameterSetType, Set, usize); 3] = [
    ("ML-KEM-512", MlKemParameterSetType::ML_KEM_512, Set::MlKem512, 768),
    ("ML-KEM-768", MlKemParameterSetType::ML_KEM_768, Set::MlKem768, 1088),
    ("ML-KEM-1024", MlKemParameterSetType::ML_KEM_1024, Set::MlKem1024, 1568),
];

/// A session key that can be read.
fn open() -> [Attribute; 2] {
    [Attribute::Sensitive(false), Attribute::Extractable(true)]
}

fn raw(number: u64, value: &[u8]) -> Attribute {
    Attribute::VendorDefined((kind(number), value.to_vec()))
}

fn generate(
    token: &Token,
    set: MlKemParameterSetType,
    public: &[Attribute],
    private: &[Attribute],
) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = [&[Attribute::ParameterSet(set.into())], public].concat();
    token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &public, private)
}

fn encapsulate(token: &Token, public: ObjectHandle) -> (Vec<u8>, Vec<u8>) {
    let made = token.encapsulate_key(&Mechanism::MlKem, public, &open());
    let (ciphertext, key) = made.unwrap();
    (ciphertext, token.bytes(key, AttributeType::Value))
}

fn decapsulate(token: &Token, private: ObjectHandle, ciphertext: &[u8]) -> Result<Vec<u8>> {
    let key = token.decapsulate_key(&Mechanism::MlKem, private, &open(), ciphertext)?;
    Ok(token.bytes(key, AttributeType::Value))
}

/// Imports a private key of ML-KEM that can be read, from its PKCS#8.
fn import(token: &Token, pkcs8: &[u8], template: &[Attribute]) -> Result<ObjectHandle> {
    let of = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::ML_KEM),
        Attribute::Token(true),
    ];
    import_padded(token, pkcs8, &[&of[..], template].concat())
}

/// The key's PKCS#8 with the expanded key alone: OpenSSL's `priv-only`.
fn expanded(key: &PrivateKey) -> Vec<u8> {
    let expanded = key.expanded().unwrap();
    PrivateKey::from_expanded(key.set(), expanded.expose())
        .unwrap()
        .to_pkcs8()
        .unwrap()
        .expose()
        .to_vec()
}

// --- pairs ---

#[test]
fn a_generated_pair_of_each_parameter_set_is_a_custom_key_and_shares_a_secret() {
    play(|world| {
        let token = world.token();
        let on_token = [Attribute::Token(true), Attribute::Label(b"pair".to_vec())];
        for (name, set, _, size) in SETS {
            let (public, private) = generate(&token, set, &on_token, &on_token).unwrap();
            let id = token.key_of(private);
            let json = token.json(&id);
            assert_eq!(json["key_type"], name);
            assert_eq!(json["origin"], "generated");
            assert_eq!(token.number(private, ORIGIN), GENERATED);
            assert_eq!(token.key_of(public), id);
            for half in [public, private] {
                assert!(token.has(half, 0x61D, &(*set.as_ref()).to_ne_bytes()));
                assert!(token.flag(half, AttributeType::Local));
            }
            assert!(token.has(public, ENCAPSULATE, &[1]) && token.has(private, DECAPSULATE, &[1]));
            let (ciphertext, secret) = encapsulate(&token, public);
            assert_eq!((ciphertext.len(), secret.len()), (size, 32));
            assert_eq!(decapsulate(&token, private, &ciphertext).unwrap(), secret);
            refused(token.destroy_object(private), RvError::ActionProhibited);
        }
    });
}

#[test]
fn a_pair_needs_a_parameter_set_that_there_is_and_both_halves_name_one() {
    play(|world| {
        let token = world.token();
        let pair = |public: &[Attribute], private: &[Attribute]| {
            token.generate_key_pair(&Mechanism::MlKemKeyPairGen, public, private)
        };
        let set = |number: u64| number_of_set(number);
        refused(pair(&[], &[]), RvError::TemplateIncomplete);
        refused(pair(&[], &[set(2)]), RvError::TemplateIncomplete);
        for unknown in [0, 4, u64::MAX] {
            refused(pair(&[set(unknown)], &[]), RvError::UnknownErrorCode(0x209));
        }
        refused(pair(&[set(1)], &[set(2)]), RvError::TemplateInconsistent);
        pair(&[set(2)], &[set(2)]).unwrap();
        let of_curves = Attribute::EcParams(vec![6, 3, 0x2B, 0x65, 0x70]);
        refused(pair(&[set(1), of_curves], &[]), RvError::AttributeTypeInvalid);
    });
}

fn number_of_set(number: u64) -> Attribute {
    raw(0x61D, &number.to_ne_bytes())
}

// --- what is encapsulated and decapsulated ---

#[test]
fn a_shared_key_obeys_its_template_and_was_never_the_tokens_alone() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, SETS[1].1, &[], &[]).unwrap();
        let aes = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Encrypt(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
        ];
        let (ciphertext, one) = token.encapsulate_key(&Mechanism::MlKem, public, &aes).unwrap();
        let on_token = [&aes[..], &[Attribute::Token(true)]].concat();
        let other =
            token.decapsulate_key(&Mechanism::MlKem, private, &on_token, &ciphertext).unwrap();
        assert_eq!(token.encrypt_block(one).unwrap(), token.encrypt_block(other).unwrap());
        for key in [one, other] {
            for (flag, expected) in [
                (AttributeType::Local, false),
                (AttributeType::AlwaysSensitive, false),
                (AttributeType::NeverExtractable, false),
                (AttributeType::Sensitive, true),
                (AttributeType::Extractable, false),
                (AttributeType::Decrypt, false),
            ] {
                assert_eq!(token.flag(key, flag), expected, "{flag:?}");
            }
        }
        assert_eq!(token.number(other, ORIGIN), EXTERNAL);
        let id = token.key_of(other);
        assert_eq!(token.json(&id)["key_type"], "AES");
        token.destroy_object(other).unwrap();
        let again = [&on_token[..], &[for_key(&id)]].concat();
        let again = token.decapsulate_key(&Mechanism::MlKem, private, &again, &ciphertext).unwrap();
        assert_eq!(token.key_of(again), id);
    });
}

#[test]
fn a_shorter_key_is_the_beginning_of_what_is_shared() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, SETS[1].1, &[], &[]).unwrap();
        for (kind, length) in [
            (KeyType::AES, 16_u64),
            (KeyType::AES, 24),
            (KeyType::AES, 32),
            (KeyType::GENERIC_SECRET, 20),
        ] {
            let of = [Attribute::KeyType(kind), Attribute::ValueLen(length.into())];
            let short = [&of[..], &open()].concat();
            let made = token.encapsulate_key(&Mechanism::MlKem, public, &short);
            let (ciphertext, one) = made.unwrap();
            let whole = decapsulate(&token, private, &ciphertext).unwrap();
            let made = token.decapsulate_key(&Mechanism::MlKem, private, &short, &ciphertext);
            for key in [one, made.unwrap()] {
                assert_eq!(token.bytes(key, AttributeType::Value), whole[..length as usize]);
            }
        }
    });
}

#[test]
fn a_key_that_its_pair_hides_is_not_so_short_that_it_could_be_guessed() {
    play(|world| {
        let token = world.token();
        let hides = template_with(DECAPSULATE_TEMPLATE, &[(CKA_SENSITIVE, &[1])]);
        let (public, private) = generate(&token, SETS[0].1, &[], &[hides]).unwrap();
        let (ciphertext, _) = encapsulate(&token, public);
        let short = |length: u64| {
            let template = [Attribute::ValueLen(length.into())];
            token.decapsulate_key(&Mechanism::MlKem, private, &template, &ciphertext)
        };
        for length in [1, 13] {
            refused(short(length), RvError::TemplateInconsistent);
        }
        short(14).unwrap();
    });
}

#[test]
fn a_template_that_no_shared_key_has_is_refused_and_makes_none() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, SETS[0].1, &[], &[]).unwrap();
        let (ciphertext, _) = encapsulate(&token, public);
        let count = || token.find_objects(&[]).unwrap().len();
        let before = count();
        let both = |template: &[Attribute], code: RvError| {
            let made = token.encapsulate_key(&Mechanism::MlKem, public, template);
            refused(made, code);
            let made = token.decapsulate_key(&Mechanism::MlKem, private, template, &ciphertext);
            refused(made, code);
        };
        for length in [0, 33, 64] {
            both(&[Attribute::ValueLen(length.into())], RvError::TemplateInconsistent);
        }
        for (length, place) in [(14, false), (31, false), (14, true), (31, true)] {
            let aes = [Attribute::KeyType(KeyType::AES), Attribute::ValueLen(length.into())];
            let aes = [&aes[..], &[Attribute::Token(place)]].concat();
            both(&aes, RvError::TemplateInconsistent);
        }
        both(&[Attribute::Class(ObjectClass::PRIVATE_KEY)], RvError::TemplateInconsistent);
        both(&[Attribute::KeyType(KeyType::EC)], RvError::AttributeValueInvalid);
        both(&[Attribute::Value(vec![1; 32])], RvError::AttributeReadOnly);
        both(&[raw(ENCAPSULATE, &[1])], RvError::TemplateInconsistent);
        assert_eq!(count(), before);
    });
}

#[test]
fn a_wrong_ciphertext_gives_another_key_always_the_same_and_a_wrong_length_none() {
    play(|world| {
        let token = world.token();
        for (_, set, _, size) in SETS {
            let (public, private) = generate(&token, set, &[], &[]).unwrap();
            let (mut ciphertext, secret) = encapsulate(&token, public);
            ciphertext[size / 2] ^= 1;
            let rejected = decapsulate(&token, private, &ciphertext).unwrap();
            assert_ne!(rejected, secret);
            assert_eq!(decapsulate(&token, private, &ciphertext).unwrap(), rejected);
            for length in [0, 1, size - 1, size + 1] {
                let wrong = decapsulate(&token, private, &vec![1; length]);
                refused(wrong, RvError::WrappedKeyLenRange);
            }
        }
    });
}

#[test]
fn a_key_of_another_type_or_half_or_without_the_usage_does_neither() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, SETS[0].1, &[], &[]).unwrap();
        let (ciphertext, _) = encapsulate(&token, public);
        let aes = token.generate_aes(&[]);
        let encapsulate =
            |key| token.encapsulate_key(&Mechanism::MlKem, key, &[]).map(|(_, key)| key);
        let decapsulate = |key| token.decapsulate_key(&Mechanism::MlKem, key, &[], &ciphertext);
        for wrong in [aes, private] {
            refused(encapsulate(wrong), RvError::KeyTypeInconsistent);
        }
        for wrong in [aes, public] {
            refused(decapsulate(wrong), RvError::UnwrappingKeyTypeInconsistent);
        }
        let (no_public, no_private) =
            generate(&token, SETS[0].1, &[raw(ENCAPSULATE, &[0])], &[raw(DECAPSULATE, &[0])])
                .unwrap();
        refused(encapsulate(no_public), RvError::KeyFunctionNotPermitted);
        refused(decapsulate(no_private), RvError::KeyFunctionNotPermitted);
        let wrong = token.encapsulate_key(&Mechanism::AesKeyWrap, public, &[]);
        refused(wrong, RvError::MechanismInvalid);
        token.destroy_object(public).unwrap();
        refused(encapsulate(public), RvError::KeyHandleInvalid);
        token.destroy_object(private).unwrap();
        refused(decapsulate(private), RvError::UnwrappingKeyHandleInvalid);
    });
}

#[test]
fn what_a_pair_is_bound_to_binds_what_it_shares() {
    play(|world| {
        let token = world.token();
        let inner: [(u64, &[u8]); 2] = [(0x103, &[1]), (0x10C, &[0])];
        let (public, private) = generate(
            &token,
            SETS[0].1,
            &[template_with(ENCAPSULATE_TEMPLATE, &inner)],
            &[template_with(DECAPSULATE_TEMPLATE, &inner)],
        )
        .unwrap();
        let made = token.encapsulate_key(&Mechanism::MlKem, public, &open());
        refused(made, RvError::KeyHandleInvalid);
        let (ciphertext, one) = token.encapsulate_key(&Mechanism::MlKem, public, &[]).unwrap();
        let made = token.decapsulate_key(&Mechanism::MlKem, private, &open(), &ciphertext);
        refused(made, RvError::TemplateInconsistent);
        let other = token.decapsulate_key(&Mechanism::MlKem, private, &[], &ciphertext).unwrap();
        for key in [one, other] {
            assert!(token.flag(key, AttributeType::Sensitive));
            assert!(!token.flag(key, AttributeType::Derive));
            token.digest_init(&Mechanism::Sha256).unwrap();
            refused(token.digest_key(key), RvError::KeyIndigestible);
        }
    });
}

// --- material ---

#[test]
fn a_seed_and_its_expanded_form_are_one_material_and_the_seed_is_kept() {
    play(|world| {
        let token = world.token();
        for (name, _, set, _) in SETS {
            let key = PrivateKey::generate(set).unwrap();
            let (seed, expanded) = (key.to_pkcs8().unwrap(), expanded(&key));
            let seed = seed.expose();
            let made = import(&token, seed, &open()).unwrap();
            let id = token.key_of(made);
            assert_eq!(token.json(&id)["key_type"], name);
            let target = [for_key(&id)];
            assert_eq!(import(&token, &expanded, &target).unwrap(), made);
            assert!(token.has(made, SEED, key.seed().unwrap().expose()), "the seed is kept");
            token.destroy_object(made).unwrap();
            let other = PrivateKey::generate(set).unwrap().to_pkcs8().unwrap();
            refused(import(&token, other.expose(), &target), RvError::TemplateInconsistent);
            let again = import(&token, &expanded, &[&target[..], &open()].concat()).unwrap();
            assert_eq!(token.key_of(again), id);
            assert!(token.has(again, CKA_VALUE, key.expanded().unwrap().expose()));
            assert_eq!(import(&token, seed, &target).unwrap(), again);
            assert!(token.has(again, SEED, key.seed().unwrap().expose()), "the seed comes back");
        }
    });
}

#[test]
fn a_key_that_rejects_otherwise_is_other_material() {
    play(|world| {
        let token = world.token();
        for (_, _, set, _) in SETS {
            for seed_first in [true, false] {
                let key = PrivateKey::generate(set).unwrap();
                let [seed, same] = [key.to_pkcs8().unwrap().expose().to_vec(), expanded(&key)];
                let mut other = same.clone();
                *other.last_mut().unwrap() ^= 1;
                let (one, others) = match seed_first {
                    true => (&seed, vec![&other]),
                    false => (&other, vec![&seed, &same]),
                };
                is_of_one_key(&token, KeyType::ML_KEM, one, &others);
            }
        }
    });
}

#[test]
fn a_created_key_is_the_material_of_its_parts_and_parts_of_two_keys_make_none() {
    play(|world| {
        let token = world.token();
        let (_, set, of, _) = SETS[1];
        let [key, other] = [(); 2].map(|()| PrivateKey::generate(of).unwrap());
        let part = |key: &PrivateKey| {
            let seed = raw(SEED, key.seed().unwrap().expose());
            [seed, Attribute::Value(key.expanded().unwrap().expose().to_vec())]
        };
        let create = |parts: &[Attribute]| {
            let of = [
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::ML_KEM),
                Attribute::Token(true),
                Attribute::ParameterSet(set.into()),
            ];
            token.create_object(&[&of[..], parts].concat())
        };
        let [seed, value] = part(&key);
        let made = create(std::slice::from_ref(&seed)).unwrap();
        let target = for_key(&token.key_of(made));
        assert_eq!(create(&[value.clone(), target.clone()]).unwrap(), made);
        assert_eq!(create(&[seed.clone(), value.clone(), target.clone()]).unwrap(), made);
        let [_, wrong] = part(&other);
        refused(create(&[seed.clone(), wrong.clone()]), RvError::TemplateInconsistent);
        refused(create(&[wrong, target]), RvError::TemplateInconsistent);
        refused(create(&[]), RvError::TemplateIncomplete);
        for short in [raw(SEED, &[1; 63]), Attribute::Value(vec![1; 2399])] {
            refused(create(&[short]), RvError::AttributeValueInvalid);
        }
        let private = Attribute::Class(ObjectClass::PRIVATE_KEY);
        assert_eq!(token.find_objects(&[private]).unwrap(), [made]);
    });
}

#[test]
fn a_hidden_key_tells_neither_its_seed_nor_its_value() {
    play(|world| {
        let token = world.token();
        for hidden in [[Attribute::Sensitive(true)], [Attribute::Extractable(false)]] {
            let (_, private) = generate(&token, SETS[0].1, &[], &hidden).unwrap();
            for part in [kind(SEED), AttributeType::Value] {
                assert_eq!(token.get_attributes(private, &[part]).unwrap(), []);
            }
        }
    });
}

#[test]
fn a_key_that_may_leave_comes_back_by_every_way() {
    play(|world| {
        let token = world.token();
        let by = token.generate_aes(&[Attribute::Wrap(true), Attribute::Unwrap(true)]);
        let (public, private) = generate(&token, SETS[2].1, &[], &open()).unwrap();
        let (ciphertext, secret) = encapsulate(&token, public);
        let iv = [7; 16];
        for mechanism in [Mechanism::AesKeyWrapPad, Mechanism::AesCbcPad(iv), Mechanism::AesKeyWrap]
        {
            let blob = match token.wrap_key(&mechanism, by, private) {
                // The material is no multiple of 8 bytes long.
                Err(_) if matches!(mechanism, Mechanism::AesKeyWrap) => continue,
                blob => blob.unwrap(),
            };
            let template =
                [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::ML_KEM)];
            let back = token.unwrap_key(&mechanism, by, &blob, &template).unwrap();
            assert_eq!(decapsulate(&token, back, &ciphertext).unwrap(), secret);
            let other = [template[0].clone(), Attribute::KeyType(KeyType::EC)];
            let wrong = token.unwrap_key(&mechanism, by, &blob, &other);
            refused(wrong, RvError::WrappedKeyInvalid);
        }
    });
}

#[test]
fn a_key_is_carried_by_rsa_and_aes_at_once() {
    play(|world| {
        let token = world.token();
        let key = PrivateKey::generate(Set::MlKem768).unwrap();
        let owner = Owner::of(&token, &[Attribute::Unwrap(true)]);
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::ML_KEM),
            Attribute::Token(true),
        ];
        let template = [&template[..], &open()].concat();
        let pkcs8 = key.to_pkcs8().unwrap();
        let made = owner.import(&token, pkcs8.expose(), &template).unwrap();
        assert!(token.has(made, SEED, key.seed().unwrap().expose()));
        let blob = with_rsa_aes(|by| token.wrap_key(by, owner.public, made)).unwrap();
        let of = [&template[..], &[for_key(&token.key_of(made))]].concat();
        token.destroy_object(made).unwrap();
        let back = with_rsa_aes(|by| token.unwrap_key(by, owner.private, &blob, &of)).unwrap();
        assert!(token.has(back, SEED, key.seed().unwrap().expose()));
    });
}

// --- custody ---

#[test]
fn a_disabled_key_and_one_that_asks_for_a_pin_decapsulate_nothing() {
    play(|world| {
        let token = world.token();
        let on_token = [Attribute::Token(true)];
        let (public, private) = generate(&token, SETS[0].1, &on_token, &on_token).unwrap();
        let (ciphertext, secret) = encapsulate(&token, public);
        let metadata = token.metadata(&token.key_of(private));
        token.update_attributes(metadata, &[number(STATUS, DISABLED)]).unwrap();
        let refusal = decapsulate(&token, private, &ciphertext);
        refused(refusal, RvError::KeyFunctionNotPermitted);
        token.update_attributes(metadata, &[number(STATUS, 2)]).unwrap();
        assert_eq!(decapsulate(&token, private, &ciphertext).unwrap(), secret);
        let asks = [Attribute::AlwaysAuthenticate(true)];
        let (public, private) = generate(&token, SETS[0].1, &[], &asks).unwrap();
        let (ciphertext, _) = encapsulate(&token, public);
        refused(decapsulate(&token, private, &ciphertext), RvError::UserNotLoggedIn);
        let again = token.login(UserType::ContextSpecific, Some(&pin(USER_PIN)));
        refused(again, RvError::OperationNotInitialized);
    });
}

#[test]
fn an_expired_key_is_gone_or_only_decapsulates() {
    play(|world| {
        let token = world.token();
        let keys = [(); 2].map(|()| PrivateKey::generate(Set::MlKem512).unwrap());
        let ends = world::now() + 5;
        let [erased, kept] = [1, 2].map(|action| {
            let key = keys[action as usize - 1].to_pkcs8().unwrap();
            let template = [expires_at(ends), number(EXPIRY_ACTION, action)];
            import(&token, key.expose(), &template).unwrap()
        });
        assert_eq!(token.number(erased, EXPIRES_AT), ends);
        let id = token.key_of(erased);
        world::until(ends);
        refused(decapsulate(&token, erased, &[1; 768]), RvError::UnwrappingKeyHandleInvalid);
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
        decapsulate(&token, kept, &[1; 768]).unwrap();
    });
}

// --- import keys ---

#[test]
fn an_import_key_decapsulates_a_key_that_only_takes_in_material() {
    play(|world| {
        let token = world.token();
        let ends = world::now() + 1000;
        let both = [Attribute::Token(true), expires_at(ends)];
        let (public, private) =
            generate(&token, SETS[1].1, &both, &[&both[..], &[import_only()]].concat()).unwrap();
        for half in [public, private] {
            assert_eq!(token.bytes(half, kind(IMPORT_ONLY)), [1]);
        }
        assert!(token.has(private, DECAPSULATE, &[1]));
        refused(token.copy_object(private, &[]), RvError::ActionProhibited);
        let outside = [&open()[..], &[Attribute::KeyType(KeyType::AES)]].concat();
        let (ciphertext, outside) =
            token.encapsulate_key(&Mechanism::MlKem, public, &outside).unwrap();
        let lower = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
        ];
        let transport =
            token.decapsulate_key(&Mechanism::MlKem, private, &lower, &ciphertext).unwrap();
        only_takes_in(&token, transport, ends);
        // Only to read from a sooner end on would be to read for good.
        let longer = [expires_at(ends - 1), number(EXPIRY_ACTION, 2)];
        let longer = [&lower[..], &longer].concat();
        let longer =
            token.decapsulate_key(&Mechanism::MlKem, private, &longer, &ciphertext).unwrap();
        assert_eq!(token.number(longer, EXPIRES_AT), ends - 1);
        assert_eq!(token.number(longer, EXPIRY_ACTION), 1);
        let material = token.create_object(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Value(vec![9; 32]),
            Attribute::Extractable(true),
            Attribute::Sensitive(false),
        ]);
        let by = Mechanism::AesKeyWrapPad;
        let blob = token.wrap_key(&by, outside, material.unwrap()).unwrap();
        let kwp = VendorDefinedMechanism::new::<()>(mechanism_type(CKM_AES_KEY_WRAP_KWP), None);
        let kwp = Mechanism::VendorDefined(kwp);
        let readable = [&aes_material()[..], &open()].concat();
        let imported = token.unwrap_key(&kwp, transport, &blob, &readable).unwrap();
        assert!(token.flag(imported, AttributeType::Sensitive));
        assert!(!token.flag(imported, AttributeType::Extractable));
        assert_eq!(token.number(imported, ORIGIN), EXTERNAL);
        for elsewhere in [Attribute::Token(false), without_custody()] {
            let mut template = aes_material().to_vec();
            template.retain(|it| {
                !matches!((it, &elsewhere), (Attribute::Token(_), Attribute::Token(_)))
            });
            template.push(elsewhere);
            let taken = token.unwrap_key(&kwp, transport, &blob, &template);
            refused(taken, RvError::TemplateInconsistent);
        }
        refused(
            token.unwrap_key(&by, transport, &blob, &aes_material()),
            RvError::MechanismInvalid,
        );
    });
}

fn only_takes_in(token: &Token, key: ObjectHandle, ends: u64) {
    for (flag, expected) in [
        (AttributeType::Token, false),
        (AttributeType::Private, true),
        (AttributeType::Sensitive, true),
        (AttributeType::Extractable, false),
        (AttributeType::Copyable, false),
        (AttributeType::Modifiable, false),
        (AttributeType::Unwrap, true),
        (AttributeType::Encrypt, false),
        (AttributeType::Decrypt, false),
        (AttributeType::Sign, false),
        (AttributeType::Wrap, false),
        (AttributeType::Derive, false),
    ] {
        assert_eq!(token.flag(key, flag), expected, "{flag:?}");
    }
    assert_eq!(token.bytes(key, kind(IMPORT_ONLY)), [1]);
    assert_eq!(token.number(key, EXPIRES_AT), ends);
    refused(token.copy_object(key, &[]), RvError::ActionProhibited);
    let changed = token.update_attributes(key, &[Attribute::Decrypt(true)]);
    refused(changed, RvError::ActionProhibited);
    token.digest_init(&Mechanism::Sha256).unwrap();
    refused(token.digest_key(key), RvError::KeyIndigestible);
    refused(token.encrypt_block(key), RvError::KeyFunctionNotPermitted);
    assert_eq!(token.get_attributes(key, &[AttributeType::Value]).unwrap(), []);
}

#[test]
fn an_import_key_decapsulates_nothing_that_could_do_more() {
    play(|world| {
        let token = world.token();
        let (public, private) = generate(&token, SETS[0].1, &[], &[import_only()]).unwrap();
        let (ciphertext, _) = encapsulate(&token, public);
        for more in [
            Attribute::Token(true),
            Attribute::Decrypt(true),
            Attribute::Derive(true),
            Attribute::Sign(true),
            Attribute::Copyable(true),
            Attribute::Modifiable(true),
            Attribute::Private(false),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::AllowedMechanisms(vec![MechanismType::AES_ECB]),
        ] {
            let made = token.decapsulate_key(
                &Mechanism::MlKem,
                private,
                std::slice::from_ref(&more),
                &ciphertext,
            );
            refused(made, RvError::TemplateInconsistent);
        }
        let contradicts =
            generate(&token, SETS[0].1, &[], &[import_only(), raw(DECAPSULATE, &[0])]);
        refused(contradicts, RvError::TemplateInconsistent);
    });
}
