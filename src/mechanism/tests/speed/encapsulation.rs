//! ML-KEM beside AWS-LC's, and the generation of keys of its kind.

use super::{BOUNDS_OF_GENERATION, Table, usable};
use crate::key::{Parsed, Usage};
use crate::lc::lattice::{PrivateKey, Set};
use crate::lc::ml_kem;
use crate::lc::tests::floor::encapsulation;
use crate::mechanism::{Params, find};
use crate::v3_2::CKM_ML_KEM;
use std::hint::black_box;

#[test]
#[ignore = "measures"]
fn speed_of_encapsulation() {
    let mut table = Table::new();
    let row = find(CKM_ML_KEM).unwrap();
    let (encapsulate, decapsulate) = (row.encapsulate().unwrap(), row.decapsulate().unwrap());
    for set in [Set::MlKem512, Set::MlKem768, Set::MlKem1024] {
        let private = PrivateKey::generate(set).unwrap();
        let raw = PrivateKey::from_seed(set, private.seed().unwrap().expose()).unwrap();
        let raw_public = raw.public().unwrap();
        let (ciphertext, _) = ml_kem::encapsulate(&raw_public).unwrap();
        let public = usable(Parsed::LatticePublic(private.public().unwrap()), Usage::Encapsulate);
        let private = usable(Parsed::LatticePrivate(private), Usage::Decapsulate);
        table.row(
            &format!("{set:?}, encapsulated"),
            |time| encapsulation::encapsulate(&raw_public, time),
            || drop(encapsulate(black_box(&public), &Params::None).unwrap()),
        );
        table.row(
            &format!("{set:?}, decapsulated"),
            |time| encapsulation::decapsulate(&raw, &ciphertext, time),
            || drop(decapsulate(&private, &Params::None, black_box(&ciphertext)).unwrap()),
        );
    }
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_generation() {
    let mut table = Table::within(BOUNDS_OF_GENERATION);
    for &set in Set::ALL {
        table.row(
            &format!("{set:?}, generated"),
            |time| encapsulation::generate(set, time),
            || drop(PrivateKey::generate(black_box(set)).unwrap()),
        );
    }
    table.end();
}
