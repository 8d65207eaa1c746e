//! Measures what the mechanisms cost above AWS-LC itself: run it with
//! `cargo test --release --lib speed -- --ignored --nocapture --test-threads 1`.

use super::usable;
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::aes::AesKey;
use crate::lc::mac::HmacKey;
use crate::lc::tests::floor;
use crate::lc::{ec, lattice, rsa};
use crate::mechanism::{Params, find};
use crate::v3_2::CKM_ML_DSA;
use pkcs11_sys::*;
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds for one `run` over `size` bytes, the median of eleven rounds.
pub(super) fn measure(size: usize, mut run: impl FnMut()) -> f64 {
    let rounds = (20_000_000 / (size as u32 + 1000)).max(10);
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| run());
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[5]
}

fn gcm_params() -> Params {
    Params::Gcm { iv: vec![1; 12], aad: Vec::new(), tag_bits: 128 }
}

fn seal(key: &UsableKey, params: &Params, input: &[u8], output: &mut [u8]) {
    let begin = find(CKM_AES_GCM).unwrap().encrypt().unwrap();
    begin(key, params).unwrap().whole(black_box(input), output).unwrap();
}

#[test]
#[ignore = "measures"]
fn speed_of_gcm() {
    let key = usable(Parsed::Aes(AesKey::new(&[1; 32]).unwrap()), Usage::Encrypt);
    for size in [16, 1024, 16 << 10, 1 << 20] {
        let (input, mut output) = (vec![0; size], vec![0; size + 16]);
        let params = gcm_params();
        let floor = floor::gcm(size, |run| measure(size, run));
        let ours = measure(size, || seal(&key, &params, &input, &mut output));
        println!(
            "AES-256-GCM {size:>7} B: {floor:9.1} ns raw, {ours:9.1} ns, {:.2} x",
            ours / floor
        );
        if size > 1024 {
            continue;
        }
        let one = throughput(&key, size, 1);
        let two = throughput(&key, size, 2);
        println!("  two threads, one key: {:.2} x one", two / one);
    }
}

fn throughput(key: &UsableKey, size: usize, threads: usize) -> f64 {
    let start = Instant::now();
    let rounds = 2_000_000;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (input, mut output) = (vec![0; size], vec![0; size + 16]);
                let params = gcm_params();
                (0..rounds).for_each(|_| seal(key, &params, &input, &mut output));
            });
        }
    });
    (threads * rounds) as f64 / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "measures"]
fn speed_of_digests() {
    let begin = find(CKM_SHA256).unwrap().digest().unwrap();
    let mut output = [0; 32];
    for size in [32, 1024] {
        let input = vec![0_u8; size];
        let floor = floor::sha256(&input, |run| measure(size, run));
        let ours = measure(size, || {
            begin(&Params::None).unwrap().whole(black_box(&input), &mut output).unwrap();
        });
        println!("SHA-256 {size:>5} B: {floor:7.1} ns raw, {ours:7.1} ns, {:.2} x", ours / floor);
    }
}

#[test]
#[ignore = "measures"]
fn speed_of_key_unwrapping() {
    let key = usable(Parsed::Aes(AesKey::new(&[1; 32]).unwrap()), Usage::Unwrap);
    let row = find(CKM_AES_KEY_WRAP).unwrap();
    let (wrap, unwrap) = (row.wrap().unwrap(), row.unwrap().unwrap());
    let wrapped = wrap(&key, &Params::None, &[3; 32].as_slice().into()).unwrap();
    let ours = measure(32, || drop(unwrap(&key, &Params::None, black_box(&wrapped)).unwrap()));
    println!("AES-KW unwrap of 32 B: {ours:.1} ns");
}

#[test]
#[ignore = "measures"]
fn speed_of_hmac() {
    let bytes = [3_u8; 32];
    let key = usable(Parsed::Generic(HmacKey::new(bytes.as_slice().into())), Usage::Sign);
    let begin = find(CKM_SHA256_HMAC).unwrap().sign().unwrap();
    let (input, mut output) = ([0_u8; 32], [0; 32]);
    let floor = floor::hmac_sha256(&bytes, &input, |run| measure(32, run));
    let ours = measure(32, || {
        begin(&key, &Params::None).unwrap().whole(black_box(&input), &mut output).unwrap();
    });
    println!("HMAC-SHA-256 32 B: {floor:.1} ns raw, {ours:.1} ns, {:.2} x", ours / floor);
}

#[test]
#[ignore = "measures"]
fn speed_of_rsa_signatures() {
    let private = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    let (digest, mut output) = ([7_u8; 32], [0; 256]);
    let der = private.to_pkcs8().unwrap();
    let floor = floor::rsa_2048_sign(der.expose(), &digest, |run| measure(1 << 20, run));
    let key = usable(Parsed::RsaPrivate(private), Usage::Sign);
    let begin = find(CKM_SHA256_RSA_PKCS).unwrap().sign().unwrap();
    let ours = measure(1 << 20, || {
        begin(&key, &Params::None).unwrap().whole(black_box(&digest), &mut output).unwrap();
    });
    println!("RSA-2048 sign: {floor:.0} ns raw, {ours:.0} ns, {:.3} x", ours / floor);
}

#[test]
#[ignore = "measures"]
fn speed_of_p256_signatures() {
    let key = ec::PrivateKey::generate(ec::Curve::P256).unwrap();
    let (digest, scalar) = ([7_u8; 32], key.scalar().unwrap());
    let scalar = scalar.expose().first_chunk().unwrap();
    let floor = floor::p256_sign(scalar, &digest, |run| measure(1 << 16, run));
    let ours = measure(1 << 16, || drop(key.sign(black_box(&digest)).unwrap()));
    println!("P-256 sign: {floor:.0} ns raw, {ours:.0} ns, {:.3} x", ours / floor);
}

#[test]
#[ignore = "measures"]
fn speed_of_ml_dsa() {
    for set in [lattice::Set::MlDsa44, lattice::Set::MlDsa65, lattice::Set::MlDsa87] {
        let private = lattice::PrivateKey::generate(set).unwrap();
        let (public, message) = (private.public().unwrap(), [7; 32]);
        let size = 1 << 14;
        let sign = floor::ml_dsa_sign(&private, &message, |run| measure(size, run));
        let verify = floor::ml_dsa_verify(&private, &message, |run| measure(size, run));
        let row = find(CKM_ML_DSA).unwrap();
        let (begin, check) = (row.sign().unwrap(), row.verify().unwrap());
        let key = usable(Parsed::LatticePrivate(private), Usage::Sign);
        let mut signature = vec![0; begin(&key, &Params::None).unwrap().finish_len()];
        let ours = measure(size, || {
            let mut signing = begin(&key, &Params::None).unwrap();
            signing.whole(black_box(&message), &mut signature).unwrap();
        });
        println!("{set:?} sign: {sign:.0} ns raw, {ours:.0} ns, {:.3} x", ours / sign);
        let key = usable(Parsed::LatticePublic(public), Usage::Verify);
        let ours = measure(size, || {
            let mut checking = check(&key, &Params::None).unwrap();
            checking.update(black_box(&message)).unwrap();
            checking.finish(&signature).unwrap();
        });
        println!("{set:?} verify: {verify:.0} ns raw, {ours:.0} ns, {:.3} x", ours / verify);
    }
}
