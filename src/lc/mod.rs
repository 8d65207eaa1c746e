//! AWS-LC: the only place where it is called, and one of the two where `unsafe` is allowed.
//!
//! Everything below takes and gives slices, owned values and [`Secret`](crate::secret::Secret)s.
//! Lengths are checked here, before a pointer leaves Rust; AWS-LC's error queue is emptied after
//! every failure, because it belongs to the host's thread.
#![allow(unsafe_code)]

pub(crate) mod aes;
pub(crate) mod ccm;
pub(crate) mod chacha;
mod context_pool;
mod curve;
mod der;
pub(crate) mod derivation_cost;
pub(crate) mod digest;
mod digest_state;
pub(crate) mod ec;
mod ec_der;
pub(crate) mod ed25519;
pub(crate) mod encrypted_key;
mod heap;
pub(crate) mod hkdf;
pub(crate) mod hpke;
pub(crate) mod key_syntax;
pub(crate) mod kw;
pub(crate) mod lattice;
mod lattice_pkcs8;
mod lattice_sets;
pub(crate) mod mac;
pub(crate) mod ml_dsa;
pub(crate) mod ml_dsa_message;
pub(crate) mod ml_kem;
mod number;
pub(crate) mod one_step;
mod owned;
pub(crate) mod pbkdf2;
pub(crate) mod pkcs8;
mod pkey;
pub(crate) mod random;
pub(crate) mod rsa;
mod rsa_generate;
pub(crate) mod rsa_oaep;
mod rsa_odd;
pub(crate) mod rsa_parts;
pub(crate) mod rsa_pkcs1;
pub(crate) mod rsa_sign;
pub(crate) mod shake;
pub(crate) mod spki;
pub(crate) mod tls_prf;
pub(crate) mod x25519;
pub(crate) mod x509;
pub(crate) mod xts;

use crate::error::{Error, Reason, Result};
use std::ffi::c_int;

/// Returns `reason` unless AWS-LC answered 1, with the error queue emptied.
fn done(code: c_int, reason: Reason) -> Result<()> {
    if code == 1 { Ok(()) } else { Err(failed(reason)) }
}

/// Returns `reason`, with the error queue emptied.
fn failed(reason: Reason) -> Error {
    // SAFETY: clears the calling thread's queue; no preconditions.
    unsafe { aws_lc_sys::ERR_clear_error() };
    reason.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
pub(crate) mod tests;
