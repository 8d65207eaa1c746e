//! Measures what ciphers cost above AWS-LC itself; run as `speed` is.

use super::speed::measure;
use super::usable;
use crate::key::{Parsed, UsableKey, Usage};
use crate::lc::aes::AesKey;
use crate::lc::chacha::ChaChaKey;
use crate::lc::tests::floor;
use crate::lc::xts::XtsKey;
use crate::mechanism::{Params, find};
use pkcs11_sys::*;
use std::hint::black_box;

const KEY: [u8; 64] = {
    let mut key = [1; 64];
    key[0] = 2;
    key
};
const IV: [u8; 16] = [3; 16];

/// A mechanism, its key and parameter, and what AWS-LC takes for a size.
type Row = (u64, Parsed, Params, Floor);

/// A raw call of AWS-LC's that is timed.
type Floor = fn(&[u8; 64], usize, &mut dyn FnMut(&mut dyn FnMut()) -> f64) -> f64;

fn ours(id: u64, key: &UsableKey, params: &Params, size: usize) -> f64 {
    let (input, mut output) = (vec![0; size], vec![0; size + 16]);
    let begin = find(id).unwrap().encrypt().unwrap();
    measure(size, || {
        begin(key, params).unwrap().whole(black_box(&input), &mut output).unwrap();
    })
}

#[test]
#[ignore = "measures"]
fn speed_of_ciphers() {
    let aes = || Parsed::Aes(AesKey::new(&KEY[..32]).unwrap());
    let xts = Parsed::Xts(XtsKey::new(&KEY).unwrap());
    let chacha = Parsed::ChaCha(ChaChaKey::new(&KEY[..32]).unwrap());
    let iv = || Params::Bytes(IV.to_vec());
    let nonce = Params::ChaCha { nonce: IV[..12].to_vec(), aad: Vec::new() };
    let rows: [Row; 4] = [
        (CKM_AES_OFB, aes(), iv(), floor::ofb),
        (CKM_AES_CFB128, aes(), iv(), floor::cfb),
        (CKM_AES_XTS, xts, iv(), floor::xts),
        (CKM_CHACHA20_POLY1305, chacha, nonce, floor::chacha20_poly1305),
    ];
    for (id, key, params, floor) in rows {
        let (key, name) = (usable(key, Usage::Encrypt), find(id).unwrap().name);
        for size in [16, 512, 4096, 64 << 10] {
            let floor = floor(&KEY, size, &mut |run| measure(size, run));
            let ours = ours(id, &key, &params, size);
            let times = ours / floor;
            println!("{name} {size:>6} B: {floor:8.1} ns raw, {ours:8.1} ns, {times:.2} x");
        }
    }
}
