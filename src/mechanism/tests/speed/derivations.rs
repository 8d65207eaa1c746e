//! Derivations beside AWS-LC's, with SHA-256.

use super::{Table, usable};
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::ec;
use crate::lc::mac::HmacKey;
use crate::lc::tests::floor::derivations;
use crate::mechanism::{EcKdf, Field, Hash, HkdfSalt, Kbkdf, NumberForm, Params, Prf, find};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::hint::black_box;
use std::sync::Arc;

const SECRET: [u8; 32] = [7; 32];
const INFO: [u8; 24] = [9; 24];

/// Returns a call that derives so many bytes.
fn deriving<'a>(id: u64, key: &'a UsableKey, params: &'a Params, size: usize) -> impl FnMut() + 'a {
    let derive = find(id).unwrap().derive().unwrap();
    move || drop(derive(key, None, black_box(params), size).unwrap())
}

#[test]
#[ignore = "measures"]
fn speed_of_derivations() {
    let mut table = Table::new();
    let private = ec::PrivateKey::generate(ec::Curve::P256).unwrap();
    let point = private.public().unwrap().point().to_vec();
    let raw_point = point.clone().try_into().unwrap();
    let key = usable(Parsed::EcPrivate(private), Usage::Derive);
    let (kdf, shared) = (EcKdf::X963(Hash::Sha256), INFO.to_vec());
    table.row(
        "ECDH on P-256 with X9.63, 32 B",
        |time| derivations::x963(&raw_point, &INFO, time),
        deriving(CKM_ECDH1_DERIVE, &key, &Params::Ecdh { kdf, shared, public: point }, 32),
    );
    let key = usable(Parsed::Generic(HmacKey::new(SECRET.as_slice().into())), Usage::Derive);
    let hkdf = Params::Hkdf {
        extract: true,
        expand: true,
        hash: Hash::Sha256,
        salt: HkdfSalt::Bytes(Vec::new()),
        info: INFO.to_vec(),
    };
    let counter = Field::Iteration(Some(NumberForm { little_endian: false, width: 4 }));
    let fields = vec![counter, Field::Bytes(INFO.to_vec())];
    let kbkdf = Kbkdf { prf: Prf::Hmac(Hash::Sha256), fields, iv: Vec::new() };
    for size in [32, 1024] {
        table.row(
            &format!("HKDF, {size} B"),
            |time| derivations::hkdf(&SECRET, &INFO, size, time),
            deriving(CKM_HKDF_DERIVE, &key, &hkdf, size),
        );
        table.row(
            &format!("SP 800-108 by counter, {size} B"),
            |time| derivations::kbkdf(&SECRET, &INFO, size, time),
            deriving(CKM_SP800_108_COUNTER_KDF, &key, &Params::Kbkdf(kbkdf.clone()), size),
        );
    }
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_passwords() {
    let mut table = Table::new();
    let generate = find(CKM_PKCS5_PBKD2).unwrap().generate().unwrap();
    for iterations in [1, 1000] {
        let params = Params::Pbkdf2 {
            hash: Hash::Sha256,
            salt: INFO.to_vec(),
            iterations: u64::from(iterations),
            password: Arc::new(Secret::from(&SECRET[..])),
        };
        table.row(
            &format!("PBKDF2, {iterations} iterations, 32 B"),
            |time| derivations::pbkdf2(&SECRET, &INFO, iterations, 32, time),
            || drop(generate(black_box(&params), 32).unwrap()),
        );
    }
    table.end();
}
