//! The numbers of RSA keys, and the sizes that are served.

use super::{MESSAGE, components, signs};
use crate::rig::token::Token;
use crate::rig::{play, refused};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use keystead::internal::lc::rsa::Components;

#[test]
fn zeros_before_a_number_are_no_part_of_it() {
    play(|world| {
        let token = world.token();
        let parts = components(2048);
        for zeros in [0, 1, 8] {
            let long = |number: &[u8]| [&vec![0; zeros], number].concat();
            for on_token in [true, false] {
                let key = token
                    .create_object(&[
                        Attribute::Class(ObjectClass::PUBLIC_KEY),
                        Attribute::KeyType(KeyType::RSA),
                        Attribute::Token(on_token),
                        Attribute::Modulus(long(&parts.modulus)),
                        Attribute::PublicExponent(long(&parts.public_exponent)),
                    ])
                    .unwrap();
                let read = [AttributeType::Modulus, AttributeType::PublicExponent];
                let expected = [
                    Attribute::Modulus(parts.modulus.clone()),
                    Attribute::PublicExponent(parts.public_exponent.clone()),
                ];
                assert_eq!(token.get_attributes(key, &read).unwrap(), expected);
                for zeros in [0, 1] {
                    let modulus = [&vec![0; zeros], &parts.modulus[..]].concat();
                    let asked = [Attribute::Modulus(modulus), Attribute::Token(on_token)];
                    assert_eq!(token.find_objects(&asked).unwrap(), [key]);
                }
                token.destroy_object(key).unwrap();
            }
        }
    });
}

#[test]
fn a_private_key_needs_its_modulus_and_exponent_and_no_more() {
    play(|world| {
        let token = world.token();
        let parts = components(2048);
        let secret = |number: &keystead::internal::secret::Secret| number.expose().to_vec();
        let exponent = Attribute::PublicExponent(parts.public_exponent.clone());
        let primes =
            [Attribute::Prime1(secret(&parts.prime_1)), Attribute::Prime2(secret(&parts.prime_2))];
        let crt = [
            Attribute::Exponent1(secret(&parts.exponent_1)),
            Attribute::Exponent2(secret(&parts.exponent_2)),
            Attribute::Coefficient(secret(&parts.coefficient)),
        ];
        let e = std::slice::from_ref(&exponent);
        let zeros = [0, 0].into_iter().chain(secret(&parts.private_exponent)).collect();
        for given in [
            vec![exponent.clone()],
            vec![],
            primes.to_vec(),
            [e, &primes].concat(),
            [e, &primes[..1]].concat(),
            [e, &primes[..], &crt[..2]].concat(),
            [e, &primes[..], &crt[..]].concat(),
            vec![exponent.clone(), Attribute::Prime1(Vec::new()), Attribute::Prime2(Vec::new())],
            vec![exponent.clone(), Attribute::PrivateExponent(zeros)],
        ] {
            let named = given.iter().any(|given| matches!(given, Attribute::PrivateExponent(_)));
            let own = Attribute::PrivateExponent(secret(&parts.private_exponent));
            let template = [
                &[
                    Attribute::Class(ObjectClass::PRIVATE_KEY),
                    Attribute::KeyType(KeyType::RSA),
                    Attribute::Sensitive(false),
                    Attribute::Extractable(true),
                    Attribute::Modulus([&[0], &parts.modulus[..]].concat()),
                ][..],
                if named { &[] } else { std::slice::from_ref(&own) },
                &given,
            ]
            .concat();
            let key = token.create_object(&template).unwrap();
            let all = [&primes[..], &crt[..], &[own]].concat();
            for part in &all {
                let read = token.get_attributes(key, &[part.attribute_type()]).unwrap();
                assert_eq!(&read[0], part);
            }
            signs(&token, &Mechanism::Sha256RsaPkcs, key, &parts.modulus);
        }
    });
}

#[test]
fn numbers_that_are_no_key_are_refused() {
    play(|world| {
        let token = world.token();
        let [one, other] = [components(2048), components(2048)];
        let create = |modulus: &[u8], exponent: &[u8], more: &[Attribute]| {
            let base = [
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Modulus(modulus.to_vec()),
                Attribute::PrivateExponent(exponent.to_vec()),
            ];
            token.create_object(&[&base[..], more].concat())
        };
        let (n, d) = (&one.modulus, one.private_exponent.expose());
        let e = || Attribute::PublicExponent(vec![1, 0, 1]);
        for wrong in [
            create(&other.modulus, d, &[e()]),
            create(n, other.private_exponent.expose(), &[e()]),
            create(n, &[0], &[e()]),
            create(&[0; 256], d, &[e()]),
            create(n, d, &[Attribute::PublicExponent(vec![3])]),
            create(n, d, &[e(), Attribute::Prime1(other.prime_1.expose().to_vec())]),
            create(n, d, &[e(), Attribute::Coefficient(vec![2])]),
        ] {
            refused(wrong, RvError::AttributeValueInvalid);
        }
        refused(create(n, &[], &[e()]), RvError::AttributeValueInvalid);
        refused(create(n, other.private_exponent.expose(), &[]), RvError::TemplateIncomplete);
    });
}

#[test]
fn rsa_keys_of_any_size_in_the_advertised_range_are_made_and_used() {
    play(|world| {
        let token = world.token();
        let generates = MechanismType::RSA_PKCS_KEY_PAIR_GEN;
        let info = token.module.get_mechanism_info(token.slot, generates).unwrap();
        assert_eq!((info.min_key_size(), info.max_key_size()), (2048, 8192));
        for bits in [0, 1024, 2047, 8193, u64::MAX] {
            let public = [Attribute::ModulusBits(bits.into())];
            let made = token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &[]);
            refused(made, RvError::AttributeValueInvalid);
        }
        for bits in [2049, 2056, 2111, 3092] {
            let public = [Attribute::ModulusBits((bits as u64).into()), Attribute::Token(true)];
            let private = [Attribute::Token(true), Attribute::Label(b"odd".to_vec())];
            let (public, private) =
                token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap();
            let read = token.get_attributes(public, &[AttributeType::ModulusBits]).unwrap();
            assert_eq!(read, [Attribute::ModulusBits((bits as u64).into())]);
            assert_eq!(token.json(&token.key_of(private))["key_bits"], bits);
            let read = token.get_attributes(private, &[AttributeType::Modulus]).unwrap();
            let [Attribute::Modulus(modulus)] = &read[..] else { panic!("{read:?}") };
            assert_eq!(modulus.len() * 8 - modulus[0].leading_zeros() as usize, bits as usize);
            signs(&token, &Mechanism::Sha256RsaPkcs, private, modulus);
            let text = token.encrypt(&Mechanism::RsaPkcs, public, MESSAGE).unwrap();
            assert_eq!(token.decrypt(&Mechanism::RsaPkcs, private, &text).unwrap(), MESSAGE);
        }
    });
}

#[test]
fn rsa_of_1024_bits_only_verifies_unless_it_is_configured() {
    play(|world| match world.role() {
        "default" => {
            let token = world.same_token();
            let [private, public] = halves(&token);
            let signature = world.hear();
            let signature = crate::rig::unhex(&signature);
            token.verify(&Mechanism::Sha256RsaPkcs, public, MESSAGE, &signature).unwrap();
            refused(token.sign(&Mechanism::Sha256RsaPkcs, private, MESSAGE), RvError::KeySizeRange);
            refused(token.encrypt(&Mechanism::RsaPkcs, public, MESSAGE), RvError::KeySizeRange);
            refused(token.decrypt(&Mechanism::RsaPkcs, private, &signature), RvError::KeySizeRange);
            refused(pair(&token), RvError::AttributeValueInvalid);
            refused(create(&token, &components(1024)), RvError::AttributeValueInvalid);
            assert_eq!(sizes(&token, MechanismType::SHA256_RSA_PKCS), 2048);
            let tiny = token.create_object(&[
                Attribute::Class(ObjectClass::PUBLIC_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Modulus(vec![0xFF; 127]),
                Attribute::PublicExponent(vec![3]),
            ]);
            refused(tiny, RvError::AttributeValueInvalid);
        }
        _ => {
            world.configure("rsa_minimum = 1024");
            let token = world.token();
            let (public, private) = pair(&token).unwrap();
            let signature = token.sign(&Mechanism::Sha256RsaPkcs, private, MESSAGE).unwrap();
            let text = token.encrypt(&Mechanism::RsaPkcs, public, MESSAGE).unwrap();
            assert_eq!(token.decrypt(&Mechanism::RsaPkcs, private, &text).unwrap(), MESSAGE);
            create(&token, &components(1024)).unwrap();
            assert_eq!(sizes(&token, MechanismType::SHA256_RSA_PKCS), 1024);
            // What is wrapped outlives its wrapping: that stays as it is.
            let aes = token.generate_aes(&[Attribute::Extractable(true)]);
            let wrap = token.wrap_key(&Mechanism::RsaPkcs, public, aes);
            refused(wrap, RvError::WrappingKeySizeRange);
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Sensitive(false),
            ];
            let oaep = crate::rig::wrap::oaep_sha1();
            let unwrap = token.unwrap_key(&oaep, private, &[0; 128], &template);
            refused(unwrap, RvError::UnwrappingKeySizeRange);
            let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            world.configure("");
            let mut other = world.start("default");
            other.tell(&signature);
            other.ends_well();
        }
    });
}

fn sizes(token: &Token, mechanism: MechanismType) -> usize {
    token.module.get_mechanism_info(token.slot, mechanism).unwrap().min_key_size()
}

fn pair(token: &Token) -> Result<(ObjectHandle, ObjectHandle)> {
    let name = [Attribute::Token(true), Attribute::Label(b"short".to_vec())];
    let public = [&[Attribute::ModulusBits(1024.into())], &name[..]].concat();
    token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &name)
}

/// The private and the public half of [`pair`].
fn halves(token: &Token) -> [ObjectHandle; 2] {
    [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY].map(|class| {
        let asked = [Attribute::Class(class), Attribute::Label(b"short".to_vec())];
        token.find_objects(&asked).unwrap()[0]
    })
}

fn create(token: &Token, parts: &Components) -> Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Modulus(parts.modulus.clone()),
        Attribute::PublicExponent(parts.public_exponent.clone()),
        Attribute::PrivateExponent(parts.private_exponent.expose().to_vec()),
    ])
}
