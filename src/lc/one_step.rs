//! The one-step key derivation of NIST SP 800-56C, 4.1, with a hash.

use super::digest::Hash;
use super::done;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::SSKDF_digest;

/// Derives `len` bytes, at least one, from a shared secret and fixed data.
pub(crate) fn derive(hash: Hash, secret: &Secret, info: &[u8], len: usize) -> Result<Secret> {
    let (secret, mut made) = (secret.expose(), Secret::new(vec![0; len]));
    // SAFETY: `md` returns a pointer to a static table; `secret` and `info` are slices with their lengths;
    // `made` has `len` bytes.
    let code = unsafe {
        let (to, from) = (made.expose_mut().as_mut_ptr(), secret.as_ptr());
        SSKDF_digest(to, len, hash.md(), from, secret.len(), info.as_ptr(), info.len())
    };
    done(code, Reason::FunctionFailed)?;
    Ok(made)
}
