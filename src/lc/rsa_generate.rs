//! Generating RSA keys: AWS-LC rounds sizes that are no multiple of 128 bits down, and makes the others.

use super::heap::kept_private;
use super::owned::Owned;
use super::pkey::Pkey;
use super::rsa::{BITS, PrivateKey, exponent};
use super::{done, failed, rsa_odd};
use crate::error::{Reason, Result};
use aws_lc_sys::*;
use std::ffi::c_int;
use std::ptr::null_mut;

impl PrivateKey {
    /// Generates a key, to be kept, of `bits` bits (in [`BITS`]: `KeySizeRange`) with a big-endian public
    /// exponent (odd, at most 32 bits: `AttributeValue`).
    pub fn generate(bits: u64, public_exponent: &[u8]) -> Result<Self> {
        match bits.is_multiple_of(128) {
            _ if !BITS.contains(&bits) => Err(Reason::KeySizeRange.into()),
            true => kept_private(|| Self::generate_whole(bits, public_exponent)),
            false => {
                let parts = rsa_odd::generate(bits, public_exponent)?;
                kept_private(|| Self::from_components(&parts))
            }
        }
    }

    fn generate_whole(bits: u64, public_exponent: &[u8]) -> Result<Self> {
        let bits = c_int::try_from(bits).map_err(|_| failed(Reason::KeySizeRange))?;
        let exponent = exponent(public_exponent)?;
        // SAFETY: `RSA_new` gives its object to its caller; nothing else has the pointer.
        let rsa = unsafe { Owned::take(RSA_new(), Reason::HostMemory)? };
        // SAFETY: `rsa` owns the empty key that is filled, `exponent` its number; there is no callback.
        let code =
            unsafe { RSA_generate_key_ex(rsa.as_ptr(), bits, exponent.as_ptr(), null_mut()) };
        done(code, Reason::FunctionFailed)?;
        Self::sized(Pkey::rsa(&rsa)?)
    }
}
