//! The numbers that keys and mechanisms tell.

use super::{EDWARDS, MESSAGE, MONTGOMERY, bits, components, octets, point_of};
use crate::rig::{made_on_token, play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use keystead::internal::lc::ec::{Curve, PrivateKey};
use keystead::internal::lc::rsa;
use keystead::internal::lc::{ed25519, x25519};

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
        let ec_point = ec.public().unwrap().point().to_vec();
        let keys = [
            (
                KeyType::RSA,
                rsa.public().unwrap().to_spki().unwrap(),
                [numbers(true), numbers(false)],
            ),
            (
                KeyType::EC,
                ec.public().unwrap().to_spki(),
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
        let point = ec.public().unwrap().point().to_vec();
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
            (MechanismType::ECC_KEY_PAIR_GEN, (224, 521)),
            (MechanismType::ECDSA, (224, 521)),
            (MechanismType::ECDSA_SHA256, (224, 521)),
            (MechanismType::ECDH1_DERIVE, (224, 521)),
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
