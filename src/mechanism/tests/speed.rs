//! Measures what the mechanisms cost above AWS-LC itself: run it with
//! `cargo test --release --lib speed -- --ignored --nocapture --test-threads 1`.
#![allow(unsafe_code, unused_must_use)]

use super::usable;
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::aes::AesKey;
use crate::lc::mac::HmacKey;
use crate::lc::{ec, rsa};
use crate::mechanism::{Params, find};
use aws_lc_sys::*;
use pkcs11_sys::*;
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::time::Instant;

/// Nanoseconds for one `run` over `size` bytes, the median of eleven rounds.
fn measure(size: usize, mut run: impl FnMut()) -> f64 {
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

fn raw_gcm(size: usize) -> f64 {
    let (key, iv, input, mut output) = ([1_u8; 32], [1_u8; 12], vec![0; size], vec![0; size + 16]);
    let mut written = 0;
    // SAFETY: a fresh context, a key and an IV of the cipher's sizes, and room for the tag.
    unsafe {
        let context = EVP_CIPHER_CTX_new();
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), null_mut(), key.as_ptr(), null(), 1);
        let time = measure(size, || {
            let out = output.as_mut_ptr();
            EVP_CipherInit_ex(context, null(), null_mut(), null(), iv.as_ptr(), 1);
            EVP_EncryptUpdate(context, out, &mut written, black_box(input.as_ptr()), size as i32);
            EVP_EncryptFinal_ex(context, out, &mut written);
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.add(size).cast());
        });
        EVP_CIPHER_CTX_free(context);
        time
    }
}

#[test]
#[ignore = "measures"]
fn speed_of_gcm() {
    let key = usable(Parsed::Aes(AesKey::new(&[1; 32]).unwrap()), Usage::Encrypt);
    for size in [16, 1024, 16 << 10, 1 << 20] {
        let (input, mut output) = (vec![0; size], vec![0; size + 16]);
        let params = gcm_params();
        let floor = raw_gcm(size);
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
        // SAFETY: reads `input`, writes 32 bytes.
        let floor = measure(size, || unsafe {
            SHA256(black_box(input.as_ptr()), size, output.as_mut_ptr());
        });
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
    // SAFETY: reads key and input, writes 32 bytes.
    let floor = measure(32, || unsafe {
        let (key, to) = (bytes.as_ptr().cast(), output.as_mut_ptr());
        HMAC(EVP_sha256(), key, 32, black_box(input.as_ptr()), 32, to, null_mut());
    });
    let ours = measure(32, || {
        begin(&key, &Params::None).unwrap().whole(black_box(&input), &mut output).unwrap();
    });
    println!("HMAC-SHA-256 32 B: {floor:.1} ns raw, {ours:.1} ns, {:.2} x", ours / floor);
}

#[test]
#[ignore = "measures"]
fn speed_of_rsa_signatures() {
    let private = rsa::PrivateKey::generate(2048, &[1, 0, 1]).unwrap();
    let (digest, mut output, mut len) = ([7_u8; 32], [0; 256], 0);
    let der = private.to_pkcs8().unwrap();
    // SAFETY: a valid key, freed at the end; reads 32 bytes, writes 256.
    let floor = unsafe {
        let mut input = CBS { data: der.expose().as_ptr(), len: der.len() };
        let raw = EVP_parse_private_key(&mut input);
        let rsa = EVP_PKEY_get0_RSA(raw);
        let time = measure(1 << 20, || {
            let (from, to) = (black_box(digest.as_ptr()), output.as_mut_ptr());
            RSA_sign(NID_sha256, from, 32, to, &mut len, rsa);
        });
        EVP_PKEY_free(raw);
        time
    };
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
    let raw = ec::PrivateKey::from_pkcs8(key.to_pkcs8().unwrap().expose()).unwrap();
    let digest = [7_u8; 32];
    // SAFETY: a new key for the same number; each signature is freed.
    let floor = unsafe {
        let (scalar, ec) = (raw.scalar().unwrap(), EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
        let number = BN_bin2bn(scalar.expose().as_ptr(), 32, null_mut());
        EC_KEY_set_private_key(ec, number);
        let time = measure(1 << 16, || {
            ECDSA_SIG_free(ECDSA_do_sign(black_box(digest.as_ptr()), 32, ec));
        });
        BN_free(number);
        EC_KEY_free(ec);
        time
    };
    let ours = measure(1 << 16, || drop(key.sign(black_box(&digest)).unwrap()));
    println!("P-256 sign: {floor:.0} ns raw, {ours:.0} ns, {:.3} x", ours / floor);
}
