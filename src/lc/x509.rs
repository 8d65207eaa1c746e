//! The signatures of certificates, by whatever algorithm AWS-LC verifies.

use super::failed;
use super::owned::Owned;
use crate::error::{Reason, Result};
use aws_lc_sys::*;
use std::ffi::c_long;
use std::ptr::null_mut;

/// Returns whether a certificate is signed by the key in another, both in DER (RFC 5280). What is no certificate, or
/// has a key of no known type, is `DataInvalid`.
pub fn is_signed_by(certificate: &[u8], issuer: &[u8]) -> Result<bool> {
    let (certificate, issuer) = (parsed(certificate)?, parsed(issuer)?);
    // SAFETY: both owners keep their certificates until the end of this function; the first call gives the key that it
    // makes to its caller, who owns it until then too.
    let code = unsafe {
        let key = Owned::take(X509_get_pubkey(issuer.as_ptr()), Reason::DataInvalid)?;
        X509_verify(certificate.as_ptr(), key.as_ptr())
    };
    if code != 1 {
        // Empties the queue of errors, of which the code says enough.
        let _reason = failed(Reason::SignatureInvalid);
    }
    Ok(code == 1)
}

fn parsed(der: &[u8]) -> Result<Owned<X509>> {
    let mut at = der.as_ptr();
    let length = c_long::try_from(der.len()).map_err(|_| Reason::DataInvalid)?;
    // SAFETY: `at` points to `length` bytes that are borrowed for the call, which gives the certificate that it makes to
    // its caller.
    unsafe { Owned::take(d2i_X509(null_mut(), &mut at, length), Reason::DataInvalid) }
}
