//! Signatures beside AWS-LC's.

use super::{Table, usable};
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::tests::floor::signatures;
use crate::lc::{ec, ed25519, lattice, rsa};
use crate::mechanism::{Params, find};
use crate::v3_2::{CKH_DETERMINISTIC_REQUIRED, CKM_ML_DSA};
use pkcs11_sys::*;
use std::hint::black_box;

const DIGEST: [u8; 32] = [7; 32];

/// Returns a call that signs a digest.
fn signing<'a>(id: u64, key: &'a UsableKey, params: &'a Params) -> impl FnMut() + 'a {
    let begin = find(id).unwrap().sign().unwrap();
    let mut signature = vec![0; begin(key, params).unwrap().finish_len()];
    move || {
        let mut signing = begin(key, params).unwrap();
        signing.whole(black_box(&DIGEST), &mut signature).unwrap();
    }
}

/// Returns a call that verifies what `by` signs.
fn verifying<'a>(
    id: u64,
    key: &'a UsableKey,
    by: &UsableKey,
    params: &'a Params,
) -> impl FnMut() + 'a {
    let row = find(id).unwrap();
    let mut signing = row.sign().unwrap()(by, params).unwrap();
    let mut signature = vec![0; signing.finish_len()];
    signing.whole(&DIGEST, &mut signature).unwrap();
    let begin = row.verify().unwrap();
    move || {
        let mut checking = begin(key, params).unwrap();
        checking.update(black_box(&DIGEST)).unwrap();
        checking.finish(&signature).unwrap();
    }
}

#[test]
#[ignore = "measures"]
fn speed_of_rsa_signatures() {
    let private = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    let der = private.to_pkcs8().unwrap();
    let key = usable(Parsed::RsaPrivate(private), Usage::Sign);
    let mut table = Table::new();
    table.row(
        "RSA-2048, signed",
        |time| signatures::rsa_2048(der.expose(), &DIGEST, time),
        signing(CKM_SHA256_RSA_PKCS, &key, &Params::None),
    );
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_ecdsa() {
    let mut table = Table::new();
    for curve in [ec::Curve::P256, ec::Curve::P224, ec::Curve::Secp256k1] {
        let private = ec::PrivateKey::generate(curve).unwrap();
        let public = usable(Parsed::EcPublic(private.public().unwrap()), Usage::Verify);
        let private = usable(Parsed::EcPrivate(private), Usage::Sign);
        table.row(
            &format!("ECDSA {curve:?}, signed"),
            |time| signatures::ecdsa(curve, &DIGEST, time),
            signing(CKM_ECDSA, &private, &Params::None),
        );
        table.row(
            &format!("ECDSA {curve:?}, verified"),
            |time| signatures::ecdsa_verify(curve, &DIGEST, time),
            verifying(CKM_ECDSA, &public, &private, &Params::None),
        );
    }
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_ed25519_under_a_context() {
    let private = ed25519::PrivateKey::generate().unwrap();
    let key = usable(Parsed::EdwardsPrivate(private), Usage::Sign);
    let mut table = Table::new();
    for (name, prehash) in [("Ed25519ctx", false), ("Ed25519ph", true)] {
        let params = Params::Eddsa { prehash, context: b"context".to_vec() };
        table.row(
            &format!("{name}, signed"),
            |time| signatures::ed25519(prehash, &DIGEST, b"context", time),
            signing(CKM_EDDSA, &key, &params),
        );
    }
    table.end();
}

/// Signing draws numbers until they fit: hedged signatures take a time of chance, deterministic ones of one
/// message always the same, which is measured beside the mean of others.
#[test]
#[ignore = "measures"]
fn speed_of_ml_dsa() {
    let mut table = Table::new();
    for set in [lattice::Set::MlDsa44, lattice::Set::MlDsa65, lattice::Set::MlDsa87] {
        let private = lattice::PrivateKey::generate(set).unwrap();
        let raw = lattice::PrivateKey::from_seed(set, private.seed().unwrap().expose()).unwrap();
        let public = usable(Parsed::LatticePublic(private.public().unwrap()), Usage::Verify);
        let private = usable(Parsed::LatticePrivate(private), Usage::Sign);
        let deterministic =
            Params::SignContext { hedge: CKH_DETERMINISTIC_REQUIRED, context: Vec::new() };
        table.varying_row(
            &format!("{set:?}, signed"),
            |time| signatures::ml_dsa(&raw, &DIGEST, time),
            signing(CKM_ML_DSA, &private, &Params::None),
        );
        table.row(
            &format!("{set:?}, signed deterministically"),
            |time| signatures::ml_dsa_deterministic(&raw, &DIGEST, time),
            signing(CKM_ML_DSA, &private, &deterministic),
        );
        table.row(
            &format!("{set:?}, verified"),
            |time| signatures::ml_dsa_verify(&raw, &DIGEST, time),
            verifying(CKM_ML_DSA, &public, &private, &Params::None),
        );
    }
    table.end();
}
