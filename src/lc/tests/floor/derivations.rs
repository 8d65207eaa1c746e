//! Derivations with SHA-256, of `size` bytes.

use super::Time;
use aws_lc_sys::*;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Agrees on P-256 with the owner of an uncompressed point, and derives 32 bytes by ANSI X9.63: AWS-LC has the
/// agreement and the hash.
pub(crate) fn x963(point: &[u8; 65], shared: &[u8], time: Time) {
    let (mut agreed, mut made) = ([0_u8; 32], [0_u8; 32]);
    // SAFETY: keys, points and the digest's state are made and freed here; the calls read the 65 bytes of `point`
    // and `shared` by its length, and write the 32 each of `agreed` and `made`.
    unsafe {
        let key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
        EC_KEY_generate_key(key);
        let group = EC_KEY_get0_group(key);
        time(&mut || {
            let peer = EC_POINT_new(group);
            EC_POINT_oct2point(group, peer, black_box(point.as_ptr()), 65, null_mut());
            ECDH_compute_key(agreed.as_mut_ptr().cast(), 32, peer, key, None);
            EC_POINT_free(peer);
            let mut digest = MaybeUninit::zeroed();
            let count = 1_u32.to_be_bytes();
            SHA256_Init(digest.as_mut_ptr());
            for part in [&agreed[..], &count, shared] {
                SHA256_Update(digest.as_mut_ptr(), part.as_ptr().cast(), part.len());
            }
            SHA256_Final(made.as_mut_ptr(), digest.as_mut_ptr());
        });
        EC_KEY_free(key);
    }
}

/// Derives by HKDF, both steps.
pub(crate) fn hkdf(secret: &[u8], info: &[u8], size: usize, time: Time) {
    let mut made = vec![0_u8; size];
    // SAFETY: the call reads two slices by their lengths, and writes `size` bytes, which `made` has.
    time(&mut || unsafe {
        let (to, from) = (made.as_mut_ptr(), black_box(secret.as_ptr()));
        let (info, len) = (info.as_ptr(), info.len());
        HKDF(to, size, EVP_sha256(), from, secret.len(), secret.as_ptr(), 0, info, len);
    });
}

/// Derives by SP 800-108 in counter mode, the counter of 32 bits before `info`.
pub(crate) fn kbkdf(secret: &[u8], info: &[u8], size: usize, time: Time) {
    let mut made = vec![0_u8; size];
    // SAFETY: as in `hkdf`.
    time(&mut || unsafe {
        let (to, from) = (made.as_mut_ptr(), black_box(secret.as_ptr()));
        KBKDF_ctr_hmac(to, size, EVP_sha256(), from, secret.len(), info.as_ptr(), info.len());
    });
}

/// Derives by PBKDF2.
pub(crate) fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32, size: usize, time: Time) {
    let mut made = vec![0_u8; size];
    // SAFETY: as in `hkdf`.
    time(&mut || unsafe {
        let (to, from) = (made.as_mut_ptr(), black_box(password.as_ptr()).cast());
        let (salt, len) = (salt.as_ptr(), salt.len());
        PKCS5_PBKDF2_HMAC(from, password.len(), salt, len, iterations, EVP_sha256(), size, to);
    });
}
