//! Numbers, points and names of curves as clients write them: in any of their forms they are the same.

use crate::rig::token::Token;
use crate::rig::{made_on_token, play, refused};
use cryptoki::error::{Result, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use keystead::internal::lc::ec::{Curve, PrivateKey};
use keystead::internal::lc::rsa::{self, Components};
use keystead::internal::lc::{ed25519, x25519};

const EDWARDS: [&[u8]; 2] = [&[6, 3, 0x2B, 0x65, 0x70], b"\x13\x0Cedwards25519"];
const MONTGOMERY: [&[u8]; 2] = [&[6, 3, 0x2B, 0x65, 0x6E], b"\x13\x0Acurve25519"];
const MESSAGE: &[u8] = b"what is signed";

// --- RSA ---

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

// --- the least size ---

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

// --- curves ---

#[test]
fn a_point_is_taken_bare_compressed_and_in_a_string_of_octets_or_bits() {
    play(|world| {
        let token = world.token();
        for curve in Curve::ALL {
            let key = looks_like_der(*curve);
            let point = key.public().unwrap().point().unwrap();
            let parity = 2 + (point.last().unwrap() & 1);
            let compressed = [&[parity], &point[1..=curve.size()]].concat();
            let signature = key.sign(&[7; 32]).unwrap();
            for bare in [point.clone(), compressed] {
                for given in [bare.clone(), octets(&bare), bits(&bare)] {
                    let public = public(&token, KeyType::EC, curve.oid(), &given).unwrap();
                    assert_eq!(point_of(&token, public), octets(&point));
                    token.verify(&Mechanism::Ecdsa, public, &[7; 32], &signature).unwrap();
                }
            }
            refused(
                public(&token, KeyType::EC, curve.oid(), &point[1..]),
                RvError::AttributeValueInvalid,
            );
        }
        let edwards = ed25519::PrivateKey::generate().unwrap().public().unwrap().bytes();
        let montgomery = x25519::PrivateKey::generate().unwrap().public();
        for (key_type, names, bare) in [
            (KeyType::EC_EDWARDS, EDWARDS, edwards),
            (KeyType::EC_MONTGOMERY, MONTGOMERY, montgomery),
        ] {
            for name in names {
                for given in [bare.to_vec(), octets(&bare), bits(&bare)] {
                    let public = public(&token, key_type, name, &given).unwrap();
                    assert_eq!(point_of(&token, public), octets(&bare));
                }
            }
        }
    });
}

#[test]
fn a_peer_is_taken_in_each_of_these_forms_too() {
    play(|world| {
        let token = world.token();
        for curve in Curve::ALL {
            let (_, private) = ec_pair(&token, &Mechanism::EccKeyPairGen, curve.oid());
            let point = looks_like_der(*curve).public().unwrap().point().unwrap();
            let parity = 2 + (point.last().unwrap() & 1);
            let compressed = [&[parity], &point[1..=curve.size()]].concat();
            agree_alike(&token, private, &[point, compressed]);
        }
        let (_, private) = ec_pair(&token, &Mechanism::EccMontgomeryKeyPairGen, MONTGOMERY[0]);
        let peer = x25519::PrivateKey::generate().unwrap().public();
        agree_alike(&token, private, &[peer.to_vec()]);
    });
}

fn agree_alike(token: &Token, private: ObjectHandle, points: &[Vec<u8>]) {
    let mut agreed = Vec::new();
    for point in points {
        for peer in [point.clone(), octets(point), bits(point)] {
            let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), &peer));
            let class = [Attribute::Class(ObjectClass::SECRET_KEY)];
            let secret = token.derive_key(&mechanism, private, &class).unwrap();
            agreed.push(token.bytes(secret, AttributeType::Value));
        }
    }
    agreed.dedup();
    assert_eq!(agreed.len(), 1);
}

#[test]
fn ecdsa_takes_as_many_bits_as_the_curve_has_of_input_of_any_length() {
    play(|world| {
        let token = world.token();
        let long: Vec<u8> = (0..1500).map(|at| at as u8).collect();
        for curve in Curve::ALL {
            let (public, private) = ec_pair(&token, &Mechanism::EccKeyPairGen, curve.oid());
            let size = curve.size();
            for length in [size, size + 1, 512, 513, 1500] {
                let input = &long[..length];
                let signature = token.sign(&Mechanism::Ecdsa, private, input).unwrap();
                for same in [&long[..size], &long[..], input] {
                    token.verify(&Mechanism::Ecdsa, public, same, &signature).unwrap();
                }
                token.sign_init(&Mechanism::Ecdsa, private).unwrap();
                for part in input.chunks(100) {
                    token.sign_update(part).unwrap();
                }
                let signature = token.sign_final().unwrap();
                token.verify(&Mechanism::Ecdsa, public, input, &signature).unwrap();
                let other = [&[1], &long[1..length]].concat();
                let verified = token.verify(&Mechanism::Ecdsa, public, &other, &signature);
                refused(verified, RvError::SignatureInvalid);
            }
        }
    });
}

// --- found ---

#[test]
fn a_point_on_each_curve_is_found_in_each_of_its_forms() {
    play(|world| {
        let token = world.token();
        for curve in Curve::ALL {
            let bare = PrivateKey::generate(*curve).unwrap().public().unwrap().point().unwrap();
            let key = public(&token, KeyType::EC, curve.oid(), &bare).unwrap();
            for form in [bare.clone(), bits(&bare), point_of(&token, key)] {
                let found = token.find_objects(&[Attribute::EcPoint(form)]).unwrap();
                assert_eq!(found, [key], "{curve:?}");
            }
        }
    });
}

#[test]
fn a_curve_is_found_by_each_of_its_names_and_a_point_in_each_of_its_forms() {
    play(|world| {
        let token = world.token();
        for (by, names) in [
            (Mechanism::EccEdwardsKeyPairGen, EDWARDS),
            (Mechanism::EccMontgomeryKeyPairGen, MONTGOMERY),
        ] {
            let pairs = names.map(|name| ec_pair(&token, &by, name));
            for name in names {
                let asked = Attribute::EcParams(name.to_vec());
                let mut found = token.find_objects(&[asked]).unwrap();
                let mut made: Vec<_> =
                    pairs.iter().flat_map(|(public, private)| [*public, *private]).collect();
                found.sort_unstable_by_key(|handle| handle.handle());
                made.sort_unstable_by_key(|handle| handle.handle());
                assert_eq!(found, made, "{name:?}");
            }
            for (public, private) in pairs {
                let enclosed = point_of(&token, public);
                for form in [enclosed[2..].to_vec(), bits(&enclosed[2..]), enclosed] {
                    let found = token.find_objects(&[Attribute::EcPoint(form)]).unwrap();
                    assert!(found.len() == 2 && found.contains(&public), "{found:?}");
                    assert!(found.contains(&private));
                }
            }
        }
    });
}

#[test]
fn a_value_that_can_be_read_finds_its_key_and_no_other_does() {
    play(|world| {
        let token = world.token();
        let value: Vec<u8> = (1..=32).collect();
        let scalar = PrivateKey::generate(Curve::P256).unwrap().scalar().unwrap();
        for hidden in [false, true] {
            let template = |class, key_type, value: &[u8]| {
                [
                    Attribute::Class(class),
                    Attribute::KeyType(key_type),
                    Attribute::Sensitive(hidden),
                    Attribute::Extractable(!hidden),
                    Attribute::Value(value.to_vec()),
                ]
            };
            let aes = template(ObjectClass::SECRET_KEY, KeyType::AES, &value);
            let ec = template(ObjectClass::PRIVATE_KEY, KeyType::EC, scalar.expose());
            let curve = Attribute::EcParams(Curve::P256.oid().to_vec());
            for (template, value) in
                [(aes.to_vec(), &value[..]), ([&ec[..], &[curve]].concat(), scalar.expose())]
            {
                let key = token.create_object(&template).unwrap();
                let find = |value| token.find_objects(&[Attribute::Value(value)]).unwrap();
                let shown = if hidden { vec![] } else { vec![key] };
                assert_eq!(find(value.to_vec()), shown);
                // The private value of a key on a curve is a number, and an AES key is none.
                let is_number = value == scalar.expose();
                let shown = if is_number { shown } else { vec![] };
                assert_eq!(find([&[0, 0], value].concat()), shown);
                token.destroy_object(key).unwrap();
            }
        }
    });
}

// --- told ---

#[test]
fn every_key_pair_tells_its_public_key_and_takes_no_others() {
    play(|world| {
        let token = world.token();
        let edwards = ed25519::PrivateKey::generate().unwrap();
        let montgomery = x25519::PrivateKey::generate().unwrap();
        let ec = PrivateKey::generate(Curve::P256).unwrap();
        let rsa = rsa::PrivateKey::from_components(&components(2048)).unwrap();
        let parts = rsa.components().unwrap();
        let numbers = |secret: bool| {
            let n = Attribute::Modulus(parts.modulus.clone());
            let e = Attribute::PublicExponent(parts.public_exponent.clone());
            let d = Attribute::PrivateExponent(parts.private_exponent.expose().to_vec());
            if secret { vec![n, e, d] } else { vec![n, e] }
        };
        let curve = |name: &[u8], other| vec![Attribute::EcParams(name.to_vec()), other];
        let value = |secret: &[u8]| Attribute::Value(secret.to_vec());
        let point = |bytes: &[u8]| Attribute::EcPoint(bytes.to_vec());
        let ec_point = ec.public().unwrap().point().unwrap();
        let keys = [
            (
                KeyType::RSA,
                rsa.public().unwrap().to_spki().unwrap(),
                [numbers(true), numbers(false)],
            ),
            (
                KeyType::EC,
                ec.public().unwrap().to_spki().unwrap(),
                [
                    curve(Curve::P256.oid(), value(ec.scalar().unwrap().expose())),
                    curve(Curve::P256.oid(), point(&ec_point)),
                ],
            ),
            (
                KeyType::EC_EDWARDS,
                edwards.public().unwrap().to_spki().unwrap(),
                [
                    curve(EDWARDS[0], value(edwards.seed().expose())),
                    curve(EDWARDS[0], point(&edwards.public().unwrap().bytes())),
                ],
            ),
            (
                KeyType::EC_MONTGOMERY,
                montgomery.to_spki().unwrap(),
                [
                    curve(MONTGOMERY[0], value(montgomery.scalar().expose())),
                    curve(MONTGOMERY[0], point(&montgomery.public())),
                ],
            ),
        ];
        for (at, (key_type, own, halves)) in keys.iter().enumerate() {
            let (_, other, _) = &keys[(at + 1) % keys.len()];
            let mut damaged = own.clone();
            *damaged.last_mut().unwrap() ^= 1;
            for (class, parts) in
                [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY].iter().zip(halves)
            {
                let create = |info: Option<&[u8]>| {
                    let base = [Attribute::Class(*class), Attribute::KeyType(*key_type)];
                    let info = info.map(|info| Attribute::PublicKeyInfo(info.to_vec()));
                    let all = base.into_iter().chain(parts.iter().cloned()).chain(info);
                    token.create_object(&all.collect::<Vec<_>>())
                };
                for given in [None, Some(&own[..]), Some(&[])] {
                    let key = create(given).unwrap();
                    let told = token.get_attributes(key, &[AttributeType::PublicKeyInfo]);
                    assert_eq!(told.unwrap(), [Attribute::PublicKeyInfo(own.clone())]);
                }
                for wrong in [&other[..], &damaged, &own[1..], b"none"] {
                    refused(create(Some(wrong)), RvError::AttributeValueInvalid);
                }
            }
        }
    });
}

#[test]
fn a_private_keys_point_is_its_own() {
    play(|world| {
        let token = world.token();
        let montgomery = x25519::PrivateKey::generate().unwrap();
        let edwards = ed25519::PrivateKey::generate().unwrap();
        let ec = PrivateKey::generate(Curve::P384).unwrap();
        let point = ec.public().unwrap().point().unwrap();
        let compressed = [&[2 + (point[96] & 1)], &point[1..49]].concat();
        let bytes = edwards.public().unwrap().bytes();
        for (key_type, name, value, own) in [
            (KeyType::EC, Curve::P384.oid(), ec.scalar().unwrap(), vec![point, compressed]),
            (KeyType::EC_EDWARDS, EDWARDS[1], edwards.seed(), vec![bytes.to_vec()]),
            (
                KeyType::EC_MONTGOMERY,
                MONTGOMERY[1],
                montgomery.scalar(),
                vec![montgomery.public().to_vec()],
            ),
        ] {
            let create = |point: &[u8]| {
                token.create_object(&[
                    Attribute::Class(ObjectClass::PRIVATE_KEY),
                    Attribute::KeyType(key_type),
                    Attribute::EcParams(name.to_vec()),
                    Attribute::Value(value.expose().to_vec()),
                    Attribute::EcPoint(point.to_vec()),
                ])
            };
            for bare in &own {
                for given in [bare.clone(), octets(bare), bits(bare), Vec::new()] {
                    let key = create(&given).unwrap();
                    assert_eq!(point_of(&token, key), octets(&own[0]));
                }
            }
            let mut damaged = own[0].clone();
            damaged[7] ^= 1;
            for wrong in [&damaged[..], &octets(&damaged), &own[0][1..]] {
                refused(create(wrong), RvError::AttributeValueInvalid);
            }
        }
    });
}

#[test]
fn the_private_half_of_a_pair_says_nothing_else_than_the_public_one() {
    play(|world| {
        let token = world.token();
        let (p256, p384) = (Curve::P256.oid(), Curve::P384.oid());
        let curve = |name: &[u8]| vec![Attribute::EcParams(name.to_vec())];
        let exponent = |bytes: &[u8]| vec![Attribute::PublicExponent(bytes.to_vec())];
        let rsa =
            |bytes: &[u8]| [vec![Attribute::ModulusBits(2048.into())], exponent(bytes)].concat();
        let default = vec![Attribute::ModulusBits(2048.into())];
        let inconsistent = Some(RvError::TemplateInconsistent);
        let invalid = Some(RvError::AttributeValueInvalid);
        for (by, public, private, refusal) in [
            (Mechanism::EccKeyPairGen, curve(p256), curve(p256), None),
            (Mechanism::EccKeyPairGen, curve(p256), curve(p384), inconsistent),
            (Mechanism::EccKeyPairGen, curve(p256), curve(&[]), invalid),
            (Mechanism::EccEdwardsKeyPairGen, curve(EDWARDS[0]), curve(EDWARDS[1]), None),
            (Mechanism::EccEdwardsKeyPairGen, curve(EDWARDS[0]), curve(p256), inconsistent),
            (
                Mechanism::EccMontgomeryKeyPairGen,
                curve(MONTGOMERY[0]),
                curve(EDWARDS[0]),
                inconsistent,
            ),
            (Mechanism::RsaPkcsKeyPairGen, rsa(&[1, 0, 1]), exponent(&[0, 1, 0, 1]), None),
            (Mechanism::RsaPkcsKeyPairGen, default.clone(), exponent(&[1, 0, 1]), None),
            (Mechanism::RsaPkcsKeyPairGen, rsa(&[1, 0, 1]), exponent(&[3]), inconsistent),
            (Mechanism::RsaPkcsKeyPairGen, default, exponent(&[3]), inconsistent),
            (Mechanism::RsaPkcsKeyPairGen, rsa(&[3]), exponent(&[]), invalid),
            (Mechanism::RsaPkcsKeyPairGen, rsa(&[]), vec![], invalid),
            (Mechanism::RsaPkcsKeyPairGen, rsa(&[0]), vec![], invalid),
        ] {
            match (token.generate_key_pair(&by, &public, &private), refusal) {
                (Ok((public, private)), None) => {
                    for shown in [AttributeType::EcParams, AttributeType::PublicExponent] {
                        let [public, private] =
                            [public, private].map(|half| token.get_attributes(half, &[shown]));
                        assert_eq!(public.ok(), private.ok());
                    }
                }
                (made, refusal) => refused(made, refusal.unwrap()),
            }
        }
        assert!(made_on_token(&token).is_empty());
    });
}

#[test]
fn what_follows_from_a_key_is_not_given_to_one_that_is_made() {
    play(|world| {
        let token = world.token();
        let private = |given: Attribute| {
            let public = [Attribute::EcParams(Curve::P256.oid().to_vec())];
            token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &[given]).map(drop)
        };
        let public = |given: Attribute| {
            let public = [Attribute::EcParams(Curve::P256.oid().to_vec()), given];
            token.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &[]).map(drop)
        };
        for given in [
            Attribute::EcPoint(vec![4; 65]),
            Attribute::PublicKeyInfo(vec![1]),
            Attribute::Local(true),
            Attribute::KeyGenMechanism(MechanismType::ECC_KEY_PAIR_GEN),
        ] {
            refused(private(given.clone()), RvError::AttributeReadOnly);
            refused(public(given), RvError::AttributeReadOnly);
        }
        refused(private(Attribute::Value(vec![1; 32])), RvError::AttributeReadOnly);
        let rsa = |given: &[Attribute]| {
            let public = [&[Attribute::ModulusBits(2048.into())], given].concat();
            token.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &[]).map(drop)
        };
        refused(rsa(&[Attribute::Modulus(vec![0x80; 256])]), RvError::AttributeReadOnly);
        let aes = |given: Attribute| {
            let template = [Attribute::ValueLen(32.into()), given];
            token.generate_key(&Mechanism::AesKeyGen, &template).map(drop)
        };
        refused(aes(Attribute::Value(vec![1; 32])), RvError::AttributeReadOnly);
        refused(aes(Attribute::Local(true)), RvError::AttributeReadOnly);
        refused(aes(Attribute::CheckValue(vec![1; 3])), RvError::AttributeValueInvalid);
    });
}

#[test]
fn mechanisms_tell_which_curves_and_points_they_take() {
    play(|world| {
        let token = world.token();
        let info = |mechanism| token.module.get_mechanism_info(token.slot, mechanism).unwrap();
        for (mechanism, sizes) in [
            (MechanismType::ECC_KEY_PAIR_GEN, (256, 521)),
            (MechanismType::ECDSA, (256, 521)),
            (MechanismType::ECDSA_SHA256, (256, 521)),
            (MechanismType::ECDH1_DERIVE, (255, 521)),
            (MechanismType::ECC_EDWARDS_KEY_PAIR_GEN, (255, 255)),
            (MechanismType::ECC_MONTGOMERY_KEY_PAIR_GEN, (255, 255)),
            (MechanismType::EDDSA, (255, 255)),
        ] {
            let info = info(mechanism);
            assert_eq!((info.min_key_size(), info.max_key_size()), sizes, "{mechanism:?}");
            assert!(info.ec_f_p() && info.ec_from_oid() && info.ec_compressed());
            assert!(!info.ec_f_2m() && !info.ec_from_parameters());
            assert_eq!(info.ec_uncompressed(), sizes.1 == 521, "{mechanism:?}");
        }
        assert!(!info(MechanismType::RSA_PKCS).unwrap());
        assert!(info(MechanismType::RSA_PKCS_OAEP).unwrap());
        assert!(token.module.get_token_info(token.slot).unwrap().dual_crypto_operations());
    });
}

#[test]
fn a_mac_takes_secrets_of_every_length_it_tells_and_no_other() {
    play(|world| {
        let token = world.token();
        let hmac = MechanismType::SHA256_HMAC;
        let info = token.module.get_mechanism_info(token.slot, hmac).unwrap();
        let secret = |length: usize, on_token| {
            token.create_object(&[
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::GENERIC_SECRET),
                Attribute::Token(on_token),
                Attribute::Value(vec![7; length]),
            ])
        };
        for length in [info.min_key_size(), 4097, info.max_key_size()] {
            for on_token in [false, true] {
                let key = secret(length, on_token).unwrap();
                let mac = token.sign(&Mechanism::Sha256Hmac, key, MESSAGE).unwrap();
                token.verify(&Mechanism::Sha256Hmac, key, MESSAGE, &mac).unwrap();
            }
        }
        for length in [info.min_key_size() - 1, info.max_key_size() + 1] {
            refused(secret(length, false), RvError::AttributeValueInvalid);
        }
    });
}

#[test]
fn pkcs1_tells_that_it_unwraps_where_it_is_configured() {
    play(|world| {
        world.configure("pkcs1_unwrap = true");
        let token = world.token();
        let info = token.module.get_mechanism_info(token.slot, MechanismType::RSA_PKCS).unwrap();
        assert!(info.unwrap() && info.wrap());
    });
}

// --- what the scenarios share ---

fn components(bits: u64) -> Components {
    rsa::PrivateKey::generate(bits, &[1, 0, 1]).unwrap().components().unwrap()
}

fn signs(token: &Token, mechanism: &Mechanism, private: ObjectHandle, modulus: &[u8]) {
    let signature = token.sign(mechanism, private, MESSAGE).unwrap();
    let public = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::RSA),
        Attribute::Modulus(modulus.to_vec()),
        Attribute::PublicExponent(vec![1, 0, 1]),
    ];
    let public = token.create_object(&public).unwrap();
    token.verify(mechanism, public, MESSAGE, &signature).unwrap();
    token.destroy_object(public).unwrap();
}

/// A key on a curve, whose bare point begins like an OCTET STRING as long as the rest where it can.
fn looks_like_der(curve: Curve) -> PrivateKey {
    let length = (2 * curve.size() - 1) as u8;
    loop {
        let key = PrivateKey::generate(curve).unwrap();
        let point = key.public().unwrap().point().unwrap();
        // On P-521 the second byte is 0 or 1.
        if point[1] == length || curve == Curve::P521 {
            return key;
        }
    }
}

fn ec_pair(token: &Token, by: &Mechanism, name: &[u8]) -> (ObjectHandle, ObjectHandle) {
    token.generate_key_pair(by, &[Attribute::EcParams(name.to_vec())], &[]).unwrap()
}

fn public(token: &Token, key_type: KeyType, name: &[u8], point: &[u8]) -> Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(key_type),
        Attribute::EcParams(name.to_vec()),
        Attribute::EcPoint(point.to_vec()),
    ])
}

fn point_of(token: &Token, public: ObjectHandle) -> Vec<u8> {
    match &token.get_attributes(public, &[AttributeType::EcPoint]).unwrap()[..] {
        [Attribute::EcPoint(point)] => point.clone(),
        other => panic!("a public key without its point: {other:?}"),
    }
}

fn octets(point: &[u8]) -> Vec<u8> {
    enclosed(4, point)
}

fn bits(point: &[u8]) -> Vec<u8> {
    enclosed(3, &[&[0], point].concat())
}

fn enclosed(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u8;
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [head, content].concat()
}
