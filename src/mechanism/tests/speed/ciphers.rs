//! Ciphers, MACs and digests beside AWS-LC's, of short and long messages.

use super::{Table, usable};
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::aes::AesKey;
use crate::lc::chacha::ChaChaKey;
use crate::lc::mac::HmacKey;
use crate::lc::tests::floor::{Time, ciphers};
use crate::lc::xts::XtsKey;
use crate::mechanism::{Params, find};
use pkcs11_sys::*;
use std::hint::black_box;
use std::time::Instant;

const KEY: [u8; 64] = {
    let mut key = [1; 64];
    key[0] = 2;
    key
};
const IV: [u8; 16] = [3; 16];
const SIZES: [usize; 4] = [16, 512, 4096, 64 << 10];

/// A mechanism, its key and parameter, and AWS-LC's own for a size.
type Row = (u64, Parsed, Params, fn(&[u8; 64], usize, Time));

fn aes() -> Parsed {
    Parsed::Aes(AesKey::new(&KEY[..32]).unwrap())
}

fn gcm() -> Params {
    Params::Gcm { iv: IV[..12].to_vec(), aad: Vec::new(), tag_bits: 128 }
}

#[test]
#[ignore = "measures"]
fn speed_of_ciphers() {
    let xts = Parsed::Xts(XtsKey::new(&KEY).unwrap());
    let chacha = Parsed::ChaCha(ChaChaKey::new(&KEY[..32]).unwrap());
    let iv = || Params::Bytes(IV.to_vec());
    let nonce = Params::ChaCha { nonce: IV[..12].to_vec(), aad: Vec::new() };
    let rows: [Row; 5] = [
        (CKM_AES_GCM, aes(), gcm(), ciphers::gcm),
        (CKM_AES_OFB, aes(), iv(), ciphers::ofb),
        (CKM_AES_CFB128, aes(), iv(), ciphers::cfb),
        (CKM_AES_XTS, xts, iv(), ciphers::xts),
        (CKM_CHACHA20_POLY1305, chacha, nonce, ciphers::chacha20_poly1305),
    ];
    let mut table = Table::new();
    for (id, key, params, floor) in rows {
        let (key, row) = (usable(key, Usage::Encrypt), find(id).unwrap());
        for size in SIZES {
            let (input, mut output) = (vec![0; size], vec![0; size + 16]);
            let begin = row.encrypt().unwrap();
            let ours = || {
                let mut encrypting = begin(&key, &params).unwrap();
                encrypting.whole(black_box(&input), &mut output).unwrap();
            };
            table.row(&format!("{}, {size} B", row.name), |time| floor(&KEY, size, time), ours);
        }
    }
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_macs_and_digests() {
    let hmac = Parsed::Generic(HmacKey::new(KEY[..32].into()));
    let hmac = usable(hmac, Usage::Sign);
    let gmac = Params::Gcm { iv: IV[..12].to_vec(), aad: Vec::new(), tag_bits: 128 };
    let keyed = [
        (CKM_AES_GMAC, usable(aes(), Usage::Sign), gmac, ciphers::gmac as fn(&_, _, Time)),
        (CKM_SHA256_HMAC, hmac, Params::None, ciphers::hmac_sha256),
    ];
    let mut table = Table::new();
    for size in SIZES {
        let (input, mut output) = (vec![0_u8; size], [0; 32]);
        for (id, key, params, floor) in &keyed {
            let row = find(*id).unwrap();
            let begin = row.sign().unwrap();
            let name = format!("{}, {size} B", row.name);
            table.row(
                &name,
                |time| floor(&KEY, size, time),
                || {
                    begin(key, params).unwrap().whole(black_box(&input), &mut output).unwrap();
                },
            );
        }
        let begin = find(CKM_SHA256).unwrap().digest().unwrap();
        table.row(
            &format!("CKM_SHA256, {size} B"),
            |time| ciphers::sha256(&KEY, size, time),
            || {
                begin(&Params::None).unwrap().whole(black_box(&input), &mut output).unwrap();
            },
        );
    }
    table.end();
}

#[test]
#[ignore = "measures"]
fn speed_of_two_threads_with_one_key() {
    let key = usable(aes(), Usage::Encrypt);
    for size in [16, 1024] {
        let [one, two] = [1, 2].map(|threads| throughput(&key, size, threads));
        println!("two threads, one key, {size} B: {:.2} x one", two / one);
    }
}

fn throughput(key: &UsableKey, size: usize, threads: usize) -> f64 {
    let (start, rounds) = (Instant::now(), 2_000_000);
    let begin = find(CKM_AES_GCM).unwrap().encrypt().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (input, mut output, params) = (vec![0; size], vec![0; size + 16], gcm());
                for _ in 0..rounds {
                    let mut encrypting = begin(key, &params).unwrap();
                    encrypting.whole(black_box(&input), &mut output).unwrap();
                }
            });
        }
    });
    (threads * rounds) as f64 / start.elapsed().as_secs_f64()
}
