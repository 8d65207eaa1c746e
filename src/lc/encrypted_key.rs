//! Private keys as other programs encrypt them in files: PKCS#12, PKCS#8 by the schemes before PBES2, and OpenSSL's
//! own PEM.

use super::owned::Owned;
use super::pkey::Pkey;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use crate::sys::heap::wipe_stack;
use aws_lc_sys::*;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr::{null_mut, slice_from_raw_parts};

/// The reason for which an encrypted key was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The passphrase does not fit.
    Passphrase,
    /// It is encrypted in a way, or of a type, that is not known here.
    Algorithm,
    /// To open it takes more work or memory than is spent on any file.
    Costly,
    /// There are several private keys in it.
    Several,
    /// It is damaged, or something else.
    Damaged,
}

/// The contents of a PKCS#12 file.
pub struct Pkcs12 {
    /// The private key as PKCS#8, if it has one.
    pub key: Option<Secret>,
    /// The certificates in DER, in the order that they have in the file.
    pub certificates: Vec<Vec<u8>>,
}

/// Opens a PKCS#12 file (RFC 7292), in DER or BER, whose MAC the passphrase has to fit.
pub fn pkcs12(der: &[u8], passphrase: &str) -> Result<Pkcs12, Unread> {
    let passphrase = terminated(passphrase)?;
    let opened = open_pkcs12(der, &passphrase);
    wipe_stack();
    opened
}

/// Decrypts an `EncryptedPrivateKeyInfo` (RFC 5958) that was encrypted by a scheme of PKCS#12 (RFC 7292, appendix C).
pub fn encrypted_pkcs8(der: &[u8], passphrase: &str) -> Result<Secret, Unread> {
    let mut reader = reader(der);
    // SAFETY: the reader was pointed to `der`, which outlives it; the passphrase is borrowed with its length; the key
    // that the call makes is its caller's.
    let made = unsafe {
        let key = PKCS8_parse_encrypted_private_key(
            &mut reader,
            passphrase.as_ptr().cast(),
            passphrase.len(),
        );
        whole(key)
    };
    wipe_stack();
    made
}

/// Decrypts one block of PEM with the headers `Proc-Type` and `DEK-Info` (RFC 1421), and returns the DER in it.
/// Nothing tells a wrong passphrase but the padding, so that now and then it gives other bytes.
pub fn encrypted_pem(pem: &[u8], passphrase: &str) -> Result<Secret, Unread> {
    let passphrase = terminated(passphrase)?;
    let decrypted = open_pem(pem, &passphrase);
    wipe_stack();
    decrypted
}

fn open_pkcs12(der: &[u8], passphrase: &CStr) -> Result<Pkcs12, Unread> {
    // SAFETY: makes an empty stack, which nothing else has.
    let stack = unsafe { Owned::take(OPENSSL_sk_new_null(), Reason::HostMemory) };
    let stack = stack.map_err(|_| Unread::Damaged)?;
    let (mut reader, mut key) = (reader(der), null_mut());
    // SAFETY: the reader was pointed to `der`, which outlives it; the stack, which is one of certificates under its
    // general name, and `key` take what the call makes; the passphrase ends with a zero.
    let code = unsafe {
        PKCS12_get_key_and_certs(&mut key, stack.as_ptr().cast(), &mut reader, passphrase.as_ptr())
    };
    if code != 1 {
        return Err(why());
    }
    // SAFETY: the call has given the key to us; it is null where the file has none.
    let key = (!key.is_null()).then(|| unsafe { whole(key) }).transpose()?;
    // SAFETY: the call has filled the stack with certificates.
    let count = unsafe { OPENSSL_sk_num(stack.as_ptr()) };
    let certificates = (0..count).map(|at| certificate(&stack, at)).collect::<Option<_>>();
    Ok(Pkcs12 { key, certificates: certificates.ok_or(Unread::Damaged)? })
}

/// Returns the DER of a certificate on a stack of such.
fn certificate(stack: &Owned<OPENSSL_STACK>, at: usize) -> Option<Vec<u8>> {
    let mut der = null_mut();
    // SAFETY: the stack holds certificates, at that place too; the call makes a block with the DER and says how long
    // it is.
    let length = unsafe { i2d_X509(OPENSSL_sk_value(stack.as_ptr(), at).cast(), &mut der) };
    // SAFETY: the block is null, or was given to us.
    let der = unsafe { Owned::take(der, Reason::HostMemory) }.ok()?;
    let length = usize::try_from(length).ok()?;
    // SAFETY: `der` owns the block, which the call filled with `length` bytes.
    Some(unsafe { &*slice_from_raw_parts(der.as_ptr(), length) }.to_vec())
}

fn open_pem(pem: &[u8], passphrase: &CStr) -> Result<Secret, Unread> {
    let length = pem.len().try_into().map_err(|_| Unread::Damaged)?;
    // SAFETY: the source reads `pem`, which outlives it, and is ours alone.
    let source =
        unsafe { Owned::take(BIO_new_mem_buf(pem.as_ptr().cast(), length), Reason::HostMemory) };
    let source = source.map_err(|_| Unread::Damaged)?;
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the source is ours; without a callback the last argument is the passphrase, which ends with a zero and
    // is only read; `data` takes the block that the call makes, `length` its size.
    let code = unsafe {
        PEM_bytes_read_bio(
            &mut data,
            &mut length,
            null_mut(),
            c"ANY PRIVATE KEY".as_ptr(),
            source.as_ptr(),
            None,
            passphrase.as_ptr().cast_mut().cast(),
        )
    };
    if code != 1 {
        return Err(why());
    }
    // SAFETY: the call has given the block to us.
    let data = unsafe { Owned::take(data, Reason::HostMemory) }.map_err(|_| Unread::Damaged)?;
    let length = usize::try_from(length).map_err(|_| Unread::Damaged)?;
    // SAFETY: `data` owns the block, which the call filled with `length` bytes.
    Ok(Secret::from(unsafe { &*slice_from_raw_parts(data.as_ptr(), length) }))
}

/// Returns a key that was read, as PKCS#8, or why it was not.
///
/// # Safety
/// `key` is null, or nothing else frees it.
unsafe fn whole(key: *mut EVP_PKEY) -> Result<Secret, Unread> {
    if key.is_null() {
        return Err(why());
    }
    // SAFETY: the caller's promise.
    let key = unsafe { Pkey::take(key, Reason::DataInvalid) };
    key.and_then(|key| key.to_pkcs8()).map_err(|_| Unread::Algorithm)
}

fn reader(der: &[u8]) -> CBS {
    let mut reader = MaybeUninit::<CBS>::zeroed();
    // SAFETY: sets both fields of the reader; the callers keep `der` as long.
    unsafe {
        CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
        reader.assume_init()
    }
}

/// A passphrase with a zero in it fits nothing: no file of these can have been made with it.
fn terminated(passphrase: &str) -> Result<CString, Unread> {
    CString::new(passphrase).map_err(|_| Unread::Passphrase)
}

/// Returns the reason for which the last call failed, by the first error in AWS-LC's queue, which it empties.
fn why() -> Unread {
    // SAFETY: reads and clears the calling thread's queue; no preconditions.
    let first = unsafe {
        let first = ERR_peek_error();
        ERR_clear_error();
        first.cast_signed()
    };
    // `ERR_GET_LIB` and `ERR_GET_REASON` are macros.
    match ((first >> 24) & 0xFF, first & 0xFFF) {
        (ERR_LIB_PKCS8, PKCS8_R_INCORRECT_PASSWORD | PKCS8_R_INVALID_CHARACTERS)
        | (ERR_LIB_PKCS12, PKCS12_R_MAC_VERIFY_FAILURE)
        | (ERR_LIB_CIPHER, CIPHER_R_BAD_DECRYPT)
        | (ERR_LIB_PEM, PEM_R_BAD_DECRYPT | PEM_R_BAD_PASSWORD_READ) => Unread::Passphrase,
        (ERR_LIB_PKCS8, PKCS8_R_MULTIPLE_PRIVATE_KEYS_IN_PKCS12) => Unread::Several,
        (
            ERR_LIB_PKCS8,
            PKCS8_R_UNKNOWN_ALGORITHM
            | PKCS8_R_UNKNOWN_CIPHER
            | PKCS8_R_UNKNOWN_DIGEST
            | PKCS8_R_UNKNOWN_HASH
            | PKCS8_R_UNSUPPORTED_CIPHER
            | PKCS8_R_UNSUPPORTED_PRF
            | PKCS8_R_UNSUPPORTED_KEYLENGTH
            | PKCS8_R_UNSUPPORTED_KEY_DERIVATION_FUNCTION
            | PKCS8_R_MISSING_MAC
            | PKCS8_R_BAD_ITERATION_COUNT
            | PKCS8_R_PKCS12_PUBLIC_KEY_INTEGRITY_NOT_SUPPORTED,
        )
        | (ERR_LIB_EVP | ERR_LIB_DIGEST | ERR_LIB_EC, _)
        | (ERR_LIB_PEM, PEM_R_UNSUPPORTED_CIPHER | PEM_R_UNSUPPORTED_ENCRYPTION) => {
            Unread::Algorithm
        }
        _ => Unread::Damaged,
    }
}
