//! AWS-LC's heap objects, freed when they are dropped.

use super::failed;
use crate::error::{Reason, Result};
use aws_lc_sys::*;
use std::ptr::NonNull;

/// A type of AWS-LC's with the function that frees it.
pub(super) trait Release {
    /// Frees `this`.
    ///
    /// # Safety
    /// `this` is owned by the caller, was made by AWS-LC and is not used again.
    unsafe fn release(this: *mut Self);
}

/// Owns one AWS-LC object.
pub(super) struct Owned<T: Release>(NonNull<T>);

impl<T: Release> Owned<T> {
    /// Takes over what AWS-LC has just made; null is `reason`.
    ///
    /// # Safety
    /// `made` is null, or nothing else frees it.
    pub(super) unsafe fn take(made: *mut T, reason: Reason) -> Result<Self> {
        NonNull::new(made).map(Self).ok_or_else(|| failed(reason))
    }

    /// Takes a pointer back that [`Self::give`] gave, or null.
    ///
    /// # Safety
    /// Nothing else has the pointer.
    pub(super) unsafe fn own(given: *mut T) -> Option<Self> {
        NonNull::new(given).map(Self)
    }

    /// The pointer, still owned.
    pub(super) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// The pointer, no longer owned.
    pub(super) fn give(self) -> *mut T {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer
    }
}

impl<T: Release> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: owned since `take`, and dropped once.
        unsafe { T::release(self.0.as_ptr()) }
    }
}

// SAFETY: AWS-LC's objects are tied to no thread; sharing is decided by each user of `Owned`.
unsafe impl<T: Release> Send for Owned<T> {}

macro_rules! release {
    ($($kind:ty => $free:path),* $(,)?) => {$(
        impl Release for $kind {
            unsafe fn release(this: *mut Self) {
                // SAFETY: the caller's promise is this function's condition.
                unsafe { $free(this.cast()) }
            }
        }
    )*};
}

release! {
    BIO => BIO_vfree,
    BIGNUM => BN_clear_free,
    BN_CTX => BN_CTX_free,
    EVP_AEAD_CTX => EVP_AEAD_CTX_free,
    EVP_CIPHER_CTX => EVP_CIPHER_CTX_free,
    EVP_MD_CTX => EVP_MD_CTX_free,
    EVP_PKEY => EVP_PKEY_free,
    EVP_PKEY_CTX => EVP_PKEY_CTX_free,
    CMAC_CTX => CMAC_CTX_free,
    HMAC_CTX => HMAC_CTX_free,
    EC_KEY => EC_KEY_free,
    EC_POINT => EC_POINT_free,
    ECDSA_SIG => ECDSA_SIG_free,
    RSA => RSA_free,
    X509 => X509_free,
    u8 => OPENSSL_free,
    OPENSSL_STACK => free_certificates,
}

/// Frees a stack of certificates, and them.
///
/// # Safety
/// The stack is the caller's, was made by AWS-LC, holds certificates that nothing else frees, and is not used again.
unsafe fn free_certificates(stack: *mut OPENSSL_STACK) {
    // SAFETY: the caller's promise; an empty stack has no last element, which is null.
    unsafe {
        while let Some(last) = NonNull::new(OPENSSL_sk_pop(stack)) {
            X509_free(last.as_ptr().cast());
        }
        OPENSSL_sk_free(stack);
    }
}

impl Owned<BIGNUM> {
    /// A number from its big-endian bytes.
    pub(super) fn number(bytes: &[u8]) -> Result<Self> {
        // SAFETY: reads `bytes`, makes a new number that we own.
        unsafe {
            let made = BN_bin2bn(bytes.as_ptr(), bytes.len(), std::ptr::null_mut());
            Self::take(made, Reason::HostMemory)
        }
    }
}
