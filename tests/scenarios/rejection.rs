//! A ciphertext that was not made for a key is rejected implicitly (FIPS 203): not by its time either.

use crate::rig::token::Token;
use crate::rig::{World, play};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlKemParameterSetType, ObjectClass, ObjectHandle,
};
use keystead::internal::lc::lattice::PublicKey;
use keystead::internal::lc::ml_kem;
use std::time::Instant;

/// The number of times that each ciphertext is decapsulated in a try.
const CALLS: usize = 1500;

/// The tries: a machine that others use needs some.
const TRIES: usize = 8;

/// The most by which two good ciphertexts may differ where a try counts.
const SAME: f64 = 0.01;

/// The most by which bad ones may differ from good ones. The hash that makes the secret of a rejection takes
/// more than this: to compute it only where it is needed would be seen.
const ALIKE: f64 = 0.03;

/// Two ciphertexts that were made for a key, one of them damaged, and one that is no one's.
type Ciphertexts = [Vec<u8>; 4];

fn ciphertexts(public: &[u8]) -> Ciphertexts {
    let public = PublicKey::from_spki(public).unwrap();
    let [good, other] = [(); 2].map(|()| ml_kem::encapsulate(&public).unwrap().0);
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let nobodys = good.iter().map(|byte| byte ^ 0x5A).collect();
    [good, other, damaged, nobodys]
}

/// The median of the seconds that each takes, in calls that take turns in every order of neighbours.
fn medians(token: &Token, private: ObjectHandle, ciphertexts: &Ciphertexts) -> [f64; 4] {
    let template =
        [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::GENERIC_SECRET)];
    let mut times = [(); 4].map(|()| Vec::with_capacity(CALLS));
    for round in 0..CALLS {
        for turn in 0..4 {
            let at = (round + turn * [1, 3][round / 4 % 2]) % 4;
            let began = Instant::now();
            let key =
                token.decapsulate_key(&Mechanism::MlKem, private, &template, &ciphertexts[at]);
            times[at].push(began.elapsed().as_secs_f64());
            token.destroy_object(key.unwrap()).unwrap();
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[CALLS / 2]
    })
}

/// Tries until a quiet moment has shown bad ciphertexts to take as long as good ones.
fn rejects_in_the_same_time(token: &Token, set: MlKemParameterSetType) {
    let public = [Attribute::ParameterSet(set.into())];
    let made = token.generate_key_pair(&Mechanism::MlKemKeyPairGen, &public, &[]);
    let (public, private) = made.unwrap();
    let ciphertexts = ciphertexts(&token.bytes(public, AttributeType::PublicKeyInfo));
    let mut quiet = Vec::new();
    for _ in 0..TRIES {
        let [good, other, damaged, nobodys] = medians(token, private, &ciphertexts);
        let apart = |one: f64, other: f64| (one / other - 1.0).abs();
        if apart(good, other) > SAME {
            continue;
        }
        let found = [damaged, nobodys].map(|bad| apart(bad, (good + other) / 2.0));
        if found.iter().all(|apart| *apart <= ALIKE) {
            return;
        }
        quiet.push(found);
    }
    if quiet.is_empty() {
        World::skip("the machine is too busy to compare times");
    }
    panic!("{set:?}: bad ciphertexts differ from good ones by {quiet:?}");
}

#[test]
fn a_bad_ciphertext_takes_as_long_as_a_good_one() {
    play(|world| {
        let token = world.token();
        for set in [
            MlKemParameterSetType::ML_KEM_512,
            MlKemParameterSetType::ML_KEM_768,
            MlKemParameterSetType::ML_KEM_1024,
        ] {
            rejects_in_the_same_time(&token, set);
        }
    });
}
