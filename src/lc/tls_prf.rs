//! The pseudorandom function of TLS 1.2 (RFC 5246, 5).

use super::digest::Hash;
use super::done;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::CRYPTO_tls1_prf;
use std::ptr::null;

/// Makes `len` bytes of a secret, a label and a seed.
pub(crate) fn derive(
    hash: Hash,
    secret: &[u8],
    label: &[u8],
    seed: &[u8],
    len: usize,
) -> Result<Secret> {
    let mut made = Secret::new(vec![0; len]);
    // SAFETY: `md` returns a pointer to a static table; `secret`, `label` and `seed` are slices with their
    // lengths, and the second seed is empty; `made` has `len` bytes.
    let code = unsafe {
        let to = made.expose_mut().as_mut_ptr();
        let (from, label_at) = (secret.as_ptr(), label.as_ptr().cast());
        CRYPTO_tls1_prf(
            hash.md(),
            to,
            len,
            from,
            secret.len(),
            label_at,
            label.len(),
            seed.as_ptr(),
            seed.len(),
            null(),
            0,
        )
    };
    done(code, Reason::FunctionFailed)?;
    Ok(made)
}
