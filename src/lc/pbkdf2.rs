//! PBKDF2 (RFC 8018, 5.2).

use super::digest::Hash;
use super::done;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::PKCS5_PBKDF2_HMAC;

/// Derives `len` bytes from a password with HMAC, by one iteration or more.
pub(crate) fn derive(
    hash: Hash,
    password: &Secret,
    salt: &[u8],
    iterations: u32,
    len: usize,
) -> Result<Secret> {
    let (password, mut made) = (password.expose(), Secret::new(vec![0; len]));
    // SAFETY: `md` returns a pointer to a static table; `password` and `salt` are slices with their lengths;
    // `made` has `len` bytes.
    let code = unsafe {
        let (to, from) = (made.expose_mut().as_mut_ptr(), password.as_ptr().cast());
        let (salt, salt_len) = (salt.as_ptr(), salt.len());
        PKCS5_PBKDF2_HMAC(from, password.len(), salt, salt_len, iterations, hash.md(), len, to)
    };
    done(code, Reason::FunctionFailed)?;
    Ok(made)
}
