//! HKDF (RFC 5869).

use super::digest::Hash;
use super::done;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::{HKDF_expand, HKDF_extract};

/// Condenses `secret` to a key of the hash's size. No salt is as many zeros.
pub(crate) fn extract(hash: Hash, secret: &[u8], salt: &[u8]) -> Result<Secret> {
    let mut key = Secret::new(vec![0; hash.size()]);
    let mut len = 0;
    // SAFETY: a static table; reads two slices; writes as many bytes as the hash has.
    let code = unsafe {
        let (to, from) = (key.expose_mut().as_mut_ptr(), secret.as_ptr());
        HKDF_extract(to, &mut len, hash.md(), from, secret.len(), salt.as_ptr(), salt.len())
    };
    done(code, Reason::FunctionFailed)?;
    Ok(key)
}

/// Stretches `key` to `len` bytes; more than 255 times the hash's size is `KeySizeRange`.
pub(crate) fn expand(hash: Hash, key: &[u8], info: &[u8], len: usize) -> Result<Secret> {
    if len > 255 * hash.size() {
        return Err(Reason::KeySizeRange.into());
    }
    let mut made = Secret::new(vec![0; len]);
    // SAFETY: a static table; reads two slices; writes `len` bytes.
    let code = unsafe {
        let (to, from) = (made.expose_mut().as_mut_ptr(), key.as_ptr());
        HKDF_expand(to, len, hash.md(), from, key.len(), info.as_ptr(), info.len())
    };
    done(code, Reason::FunctionFailed)?;
    Ok(made)
}
