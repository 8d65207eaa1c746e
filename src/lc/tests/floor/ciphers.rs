//! Ciphers, MACs and digests, as a program calls them that has the bytes of a key and one message: a context is
//! made for it.

use super::Time;
use aws_lc_sys::*;
use std::hint::black_box;
use std::ptr::{null, null_mut};

/// Encrypts `size` bytes with AES-256-GCM under the beginning of `key`.
pub(crate) fn gcm(key: &[u8; 64], size: usize, time: Time) {
    let (iv, input, mut output) = ([1_u8; 12], vec![0; size], vec![0; size + 16]);
    let mut written = 0;
    // SAFETY: each context is made and freed here; `key` and `iv` have the cipher's sizes at least, `input` has
    // `size` bytes, and `output` as many and the tag's 16.
    time(&mut || unsafe {
        let (context, to) = (EVP_CIPHER_CTX_new(), output.as_mut_ptr());
        let from = black_box(input.as_ptr());
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), null_mut(), key.as_ptr(), iv.as_ptr(), 1);
        EVP_EncryptUpdate(context, to, &mut written, from, size as i32);
        EVP_EncryptFinal_ex(context, to, &mut written);
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, to.add(size).cast());
        EVP_CIPHER_CTX_free(context);
    });
}

/// Authenticates `size` bytes with AES-256-GMAC under the beginning of `key`.
pub(crate) fn gmac(key: &[u8; 64], size: usize, time: Time) {
    let (iv, input, mut tag, mut written) = ([1_u8; 12], vec![0; size], [0_u8; 16], 0);
    // SAFETY: each context is made and freed here; `key` and `iv` have the cipher's sizes at least, `input` has
    // `size` bytes, and `tag` 16.
    time(&mut || unsafe {
        let (context, to) = (EVP_CIPHER_CTX_new(), tag.as_mut_ptr());
        let from = black_box(input.as_ptr());
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), null_mut(), key.as_ptr(), iv.as_ptr(), 1);
        EVP_EncryptUpdate(context, null_mut(), &mut written, from, size as i32);
        EVP_EncryptFinal_ex(context, to, &mut written);
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, to.cast());
        EVP_CIPHER_CTX_free(context);
    });
}

/// Encrypts `size` bytes with AES-256-OFB under the beginning of `key`.
pub(crate) fn ofb(key: &[u8; 64], size: usize, time: Time) {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_ofb() }, key, size, time);
}

/// The same with AES-256-CFB128.
pub(crate) fn cfb(key: &[u8; 64], size: usize, time: Time) {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_cfb128() }, key, size, time);
}

/// The same with AES-256-XTS, whose two keys `key` is.
pub(crate) fn xts(key: &[u8; 64], size: usize, time: Time) {
    // SAFETY: returns a pointer to a static table.
    cipher(unsafe { EVP_aes_256_xts() }, key, size, time);
}

fn cipher(cipher: *const EVP_CIPHER, key: &[u8; 64], size: usize, time: Time) {
    let (iv, input, mut output, mut written) = ([3; 16], vec![0; size], vec![0; size], 0);
    // SAFETY: each context is made and freed here; no cipher's key has more than the 64 bytes of `key`, and
    // none's IV more than the 16 of `iv`; `input` and `output` have `size` bytes, and no block is filled up.
    time(&mut || unsafe {
        let (context, from) = (EVP_CIPHER_CTX_new(), black_box(input.as_ptr()));
        EVP_CipherInit_ex(context, cipher, null_mut(), key.as_ptr(), iv.as_ptr(), 1);
        EVP_CipherUpdate(context, output.as_mut_ptr(), &mut written, from, size as i32);
        EVP_CIPHER_CTX_free(context);
    });
}

/// Encrypts `size` bytes with ChaCha20-Poly1305 under the beginning of `key`.
pub(crate) fn chacha20_poly1305(key: &[u8; 64], size: usize, time: Time) {
    let (nonce, input, mut output, mut written) = ([3; 12], vec![0; size], vec![0; size + 16], 0);
    // SAFETY: each context is made and freed here; 32 bytes of `key` are read and the 12 of `nonce`; `input` has
    // `size` bytes, and `output` as many and the tag's 16.
    time(&mut || unsafe {
        let context = EVP_AEAD_CTX_new(EVP_aead_chacha20_poly1305(), key.as_ptr(), 32, 16);
        let (from, to, room) = (black_box(input.as_ptr()), output.as_mut_ptr(), size + 16);
        let nonce = nonce.as_ptr();
        EVP_AEAD_CTX_seal(context, to, &mut written, room, nonce, 12, from, size, null(), 0);
        EVP_AEAD_CTX_free(context);
    });
}

/// Digests `size` bytes with SHA-256.
pub(crate) fn sha256(_: &[u8; 64], size: usize, time: Time) {
    let (input, mut output) = (vec![0_u8; size], [0; 32]);
    // SAFETY: each context is made and freed here; the calls read `input` by its own length, and write the 32
    // bytes that `output` has.
    time(&mut || unsafe {
        let (context, from) = (EVP_MD_CTX_new(), black_box(input.as_ptr()));
        EVP_DigestInit_ex(context, EVP_sha256(), null_mut());
        EVP_DigestUpdate(context, from.cast(), size);
        EVP_DigestFinal_ex(context, output.as_mut_ptr(), null_mut());
        EVP_MD_CTX_free(context);
    });
}

/// Authenticates `size` bytes with HMAC-SHA-256 under the first 32 bytes of `key`.
pub(crate) fn hmac_sha256(key: &[u8; 64], size: usize, time: Time) {
    let (input, mut output) = (vec![0_u8; size], [0; 32]);
    // SAFETY: the call reads 32 bytes of `key` and `input` by its own length, and writes the 32 bytes that
    // `output` has.
    time(&mut || unsafe {
        let (key, to) = (key.as_ptr().cast(), output.as_mut_ptr());
        HMAC(EVP_sha256(), key, 32, black_box(input.as_ptr()), size, to, null_mut());
    });
}
