//! Points and names of curves, as they are given and searched.

use super::{EDWARDS, MONTGOMERY, bits, ec_pair, looks_like_der, octets, point_of, public};
use crate::rig::token::Token;
use crate::rig::{play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use keystead::internal::lc::ec::{Curve, PrivateKey};
use keystead::internal::lc::{ed25519, x25519};

#[test]
fn a_point_is_taken_bare_compressed_and_in_a_string_of_octets_or_bits() {
    play(|world| {
        let token = world.token();
        for curve in Curve::ALL {
            let key = looks_like_der(*curve);
            let point = key.public().unwrap().point().to_vec();
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
            let point = looks_like_der(*curve).public().unwrap().point().to_vec();
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

#[test]
fn a_point_on_each_curve_is_found_in_each_of_its_forms() {
    play(|world| {
        let token = world.token();
        for curve in Curve::ALL {
            let bare = PrivateKey::generate(*curve).unwrap().public().unwrap().point().to_vec();
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
