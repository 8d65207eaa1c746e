//! The common part of all asymmetric keys: AWS-LC's parsed key and its DER forms.

use super::heap::kept_private;
use super::owned::Owned;
use super::{done, failed};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{null_mut, slice_from_raw_parts};

/// A parsed key, private or public.
pub(super) struct Pkey(Owned<EVP_PKEY>);

// SAFETY: AWS-LC locks inside a key where an operation changes it (an RSA key's blinding, the
// numbers it prepares at the first use), so threads may use one key at once; we never change one.
unsafe impl Sync for Pkey {}

impl Pkey {
    /// An RSA key.
    pub(super) fn rsa(rsa: &Owned<RSA>) -> Result<Self> {
        let key = Self::empty()?;
        // SAFETY: `key` and `rsa` own the two objects; the call takes a reference of its own to the second.
        done(unsafe { EVP_PKEY_set1_RSA(key.as_ptr(), rsa.as_ptr()) }, Reason::HostMemory)?;
        Ok(key)
    }

    /// A key on one of NIST's curves.
    pub(super) fn ec(ec: &Owned<EC_KEY>) -> Result<Self> {
        let key = Self::empty()?;
        // SAFETY: `key` and `ec` own the two objects; the call takes a reference of its own to the second.
        done(unsafe { EVP_PKEY_set1_EC_KEY(key.as_ptr(), ec.as_ptr()) }, Reason::HostMemory)?;
        Ok(key)
    }

    /// Takes over a key that AWS-LC has made; null is `reason`.
    ///
    /// # Safety
    /// `made` is null, or nothing else frees it.
    pub(super) unsafe fn take(made: *mut EVP_PKEY, reason: Reason) -> Result<Self> {
        // SAFETY: this function's caller promises what `Owned::take` asks for: null, or a key that nothing
        // else frees.
        unsafe { Owned::take(made, reason).map(Self) }
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 5208) of a key of that type, and checks the key.
    /// Anything else, trailing bytes included, is `DataInvalid`. It is a key to be kept.
    pub(super) fn from_pkcs8(der: &[u8], id: c_int) -> Result<Self> {
        kept_private(|| Self::parse(der, id, EVP_parse_private_key))
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, 4.1) of a key of that type, and checks the key.
    /// Anything else, trailing bytes included, is `DataInvalid`.
    pub(super) fn from_spki(der: &[u8], id: c_int) -> Result<Self> {
        Self::parse(der, id, EVP_parse_public_key)
    }

    /// Reads a `SubjectPublicKeyInfo` of any type of key; anything else is `DataInvalid`.
    pub(super) fn from_any_spki(der: &[u8]) -> Result<Self> {
        Self::read(der, EVP_parse_public_key)
    }

    /// The key as PKCS#8 `PrivateKeyInfo`.
    pub(super) fn to_pkcs8(&self) -> Result<Secret> {
        self.marshal(EVP_marshal_private_key).map(Secret::new)
    }

    /// The key's public half as `SubjectPublicKeyInfo`.
    pub(super) fn to_spki(&self) -> Result<Vec<u8>> {
        self.marshal(EVP_marshal_public_key)
    }

    /// The pointer, still owned.
    pub(super) fn as_ptr(&self) -> *mut EVP_PKEY {
        self.0.as_ptr()
    }

    /// A context for one operation.
    pub(super) fn context(&self) -> Result<Owned<EVP_PKEY_CTX>> {
        // SAFETY: `self.0` owns the key, and the context takes a reference of its own to it; nothing else has
        // the new context.
        unsafe { Owned::take(EVP_PKEY_CTX_new(self.as_ptr(), null_mut()), Reason::HostMemory) }
    }

    fn empty() -> Result<Self> {
        // SAFETY: `EVP_PKEY_new` gives its object to its caller; nothing else has the pointer.
        unsafe { Self::take(EVP_PKEY_new(), Reason::HostMemory) }
    }

    fn parse(
        der: &[u8],
        id: c_int,
        read: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY,
    ) -> Result<Self> {
        let key = Self::read(der, read)?;
        // SAFETY: `key` owns the object until the end of this function.
        let right = unsafe { EVP_PKEY_id(key.as_ptr()) == id };
        if right { Ok(key) } else { Err(Reason::DataInvalid.into()) }
    }

    /// Reads a key with nothing behind it.
    fn read(der: &[u8], read: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY) -> Result<Self> {
        let mut reader = MaybeUninit::<CBS>::zeroed();
        // SAFETY: sets both fields of the reader, which borrows `der` within this function only.
        let mut reader = unsafe {
            CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
            reader.assume_init()
        };
        // SAFETY: `CBS_init` has pointed the reader to `der`, which outlives it; the function gives the key
        // that it makes to its caller.
        let key = unsafe { Self::take(read(&mut reader), Reason::DataInvalid)? };
        // SAFETY: `CBS_init` has set both fields of the reader, and `read` has only moved it within `der`.
        let whole = unsafe { CBS_len(&reader) == 0 };
        if whole { Ok(key) } else { Err(Reason::DataInvalid.into()) }
    }

    fn marshal(
        &self,
        write: unsafe extern "C" fn(*mut CBB, *const EVP_PKEY) -> c_int,
    ) -> Result<Vec<u8>> {
        let mut writer = MaybeUninit::<CBB>::zeroed();
        // SAFETY: `writer` has room for a CBB, which the call initialises without a look at what was there.
        done(unsafe { CBB_init(writer.as_mut_ptr(), 2048) }, Reason::HostMemory)?;
        let (mut data, mut len) = (null_mut(), 0);
        // SAFETY: `CBB_init` succeeded, so the writer is initialised, and `CBB_cleanup` ends it in every
        // case; `self.0` owns the key.
        let code = unsafe {
            let writer = writer.as_mut_ptr();
            let written = write(writer, self.as_ptr());
            let code = if written == 1 { CBB_finish(writer, &mut data, &mut len) } else { 0 };
            CBB_cleanup(writer);
            code
        };
        done(code, Reason::FunctionFailed)?;
        // SAFETY: `CBB_finish` succeeded: it gave `data` to us, and the writer has forgotten it. AWS-LC wipes
        // it as it is freed.
        let data = unsafe { Owned::take(data, Reason::HostMemory)? };
        // SAFETY: `data` owns the block, which `CBB_finish` filled with `len` bytes.
        Ok(unsafe { &*slice_from_raw_parts(data.as_ptr(), len) }.to_vec())
    }
}

/// A number's big-endian bytes, without leading zeros.
///
/// # Safety
/// `number` is null, which is `General`, or valid.
pub(super) unsafe fn bytes(number: *const BIGNUM) -> Result<Vec<u8>> {
    if number.is_null() {
        return Err(failed(Reason::General));
    }
    // SAFETY: the caller promises a valid number or null, and null was sent back above.
    let mut bytes = vec![0; unsafe { BN_num_bytes(number) } as usize];
    // SAFETY: the number is valid as above, and `bytes` was just made exactly as long as it.
    unsafe { BN_bn2bin(number, bytes.as_mut_ptr()) };
    Ok(bytes)
}

/// Writes a number, big-endian and filled up with zeros.
///
/// # Safety
/// `number` is null, which is `General`, or valid.
pub(super) unsafe fn fill(number: *const BIGNUM, output: &mut [u8]) -> Result<()> {
    if number.is_null() {
        return Err(failed(Reason::General));
    }
    // SAFETY: the caller promises a valid number or null, and null was sent back above; the call writes
    // exactly `output`, or refuses where that is too short.
    let code = unsafe { BN_bn2bin_padded(output.as_mut_ptr(), output.len(), number) };
    done(code, Reason::General)
}
