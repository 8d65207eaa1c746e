//! Measures what ML-KEM costs above AWS-LC itself, and that a rejection costs as much; run as `speed` is.

use super::speed::measure;
use super::usable;
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::lattice::{PrivateKey, Set};
use crate::lc::ml_kem;
use crate::lc::tests::floor;
use crate::mechanism::{Params, find};
use crate::v3_2::CKM_ML_KEM;
use std::hint::black_box;

const SETS: [Set; 3] = [Set::MlKem512, Set::MlKem768, Set::MlKem1024];

/// The size that has a call of some 20 µs measured often enough.
const SIZE: usize = 1 << 16;

fn decapsulate(key: &UsableKey, ciphertext: &[u8]) {
    let decapsulate = find(CKM_ML_KEM).unwrap().decapsulate().unwrap();
    drop(decapsulate(key, &Params::None, black_box(ciphertext)).unwrap());
}

#[test]
#[ignore = "measures"]
fn speed_of_encapsulation() {
    let time = |run: &mut dyn FnMut()| measure(SIZE, run);
    let say = |what: &str, set: Set, floor: f64, ours: f64| {
        println!("{set:?} {what}: {floor:.0} ns raw, {ours:.0} ns, {:.3} x", ours / floor);
    };
    for set in SETS {
        let floor = floor::ml_kem_generate(set, time);
        let ours = measure(SIZE, || drop(PrivateKey::generate(black_box(set)).unwrap()));
        say("generate", set, floor, ours);

        let private = PrivateKey::generate(set).unwrap();
        let public = private.public().unwrap();
        let (ciphertext, _) = ml_kem::encapsulate(&public).unwrap();
        let floor = floor::ml_kem_encapsulate(&public, time);
        let public = usable(Parsed::LatticePublic(public), Usage::Encapsulate);
        let encapsulate = find(CKM_ML_KEM).unwrap().encapsulate().unwrap();
        let ours = measure(SIZE, || drop(encapsulate(black_box(&public), &Params::None).unwrap()));
        say("encapsulate", set, floor, ours);

        let floor = floor::ml_kem_decapsulate(&private, &ciphertext, time);
        let private = usable(Parsed::LatticePrivate(private), Usage::Decapsulate);
        let ours = measure(SIZE, || decapsulate(&private, &ciphertext));
        say("decapsulate", set, floor, ours);
    }
}

/// The best of several medians, each beside the other's: a busy machine slows both alike.
#[test]
#[ignore = "measures"]
fn speed_of_rejection() {
    for set in SETS {
        let private = PrivateKey::generate(set).unwrap();
        let (honest, _) = ml_kem::encapsulate(&private.public().unwrap()).unwrap();
        let mut damaged = honest.clone();
        *damaged.first_mut().unwrap() ^= 1;
        let private = usable(Parsed::LatticePrivate(private), Usage::Decapsulate);
        let (mut taken, mut rejected) = (f64::MAX, f64::MAX);
        for _ in 0..10 {
            taken = taken.min(measure(SIZE, || decapsulate(&private, &honest)));
            rejected = rejected.min(measure(SIZE, || decapsulate(&private, &damaged)));
        }
        println!("{set:?}: {taken:.0} ns taken, {rejected:.0} ns rejected");
        assert!((rejected / taken - 1.0).abs() < 0.02, "{set:?}");
    }
}
