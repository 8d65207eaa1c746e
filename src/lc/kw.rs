//! AES key wrap: RFC 3394 (KW) and RFC 5649 (KWP).
//!
//! An unwrapping that fails is `WrappedInvalid`, whatever was wrong.

use super::aes::{Direction, schedule};
use super::failed;
use crate::error::{Reason, Result};
use crate::lc::aes::AesKey;
use crate::secret::Secret;
use aws_lc_sys::{AES_unwrap_key, AES_unwrap_key_padded, AES_wrap_key, AES_wrap_key_padded};
use std::ops::RangeInclusive;
use std::ptr::null;

/// The longest key that is wrapped or unwrapped, in bytes.
pub const MAX_KEY: usize = 1 << 20;

/// How many bytes may be in what has `wrapped` bytes and at least `least` blocks of 8: as many as its blocks
/// but the first, of which the last may be padded.
pub fn unwrapped(least: usize, wrapped: usize) -> Option<RangeInclusive<usize>> {
    let blocks = wrapped / 8;
    let most = wrapped.checked_sub(8)?;
    let fits = wrapped.is_multiple_of(8) && blocks >= least && most <= MAX_KEY + 8;
    fits.then(|| most.saturating_sub(7)..=most)
}

/// Wraps `key` (at least 16 bytes, a multiple of 8) by RFC 3394, with an initial value of the
/// caller's or the standard one. Another length is `KeySizeRange`.
pub fn wrap(by: &AesKey, initial: Option<&[u8; 8]>, key: &[u8]) -> Result<Vec<u8>> {
    if key.len() < 16 || !key.len().is_multiple_of(8) || key.len() > MAX_KEY {
        return Err(Reason::KeySizeRange.into());
    }
    let schedule = schedule(by, Direction::Encrypt)?;
    let mut out = vec![0; key.len() + 8];
    let initial = initial.map_or(null(), |bytes| bytes.as_ptr());
    // SAFETY: `out` is 8 bytes longer than `key`; `initial` is null or 8 bytes.
    let len =
        unsafe { AES_wrap_key(schedule.key(), initial, out.as_mut_ptr(), key.as_ptr(), key.len()) };
    if usize::try_from(len) == Ok(out.len()) { Ok(out) } else { Err(failed(Reason::KeySizeRange)) }
}

/// Unwraps what [`wrap`] made with the same initial value.
pub fn unwrap(by: &AesKey, initial: Option<&[u8; 8]>, wrapped: &[u8]) -> Result<Secret> {
    if wrapped.len() < 24 || !wrapped.len().is_multiple_of(8) || wrapped.len() > MAX_KEY + 8 {
        return Err(Reason::WrappedInvalid.into());
    }
    let schedule = schedule(by, Direction::Decrypt)?;
    let mut key = Secret::new(vec![0; wrapped.len() - 8]);
    let out = key.expose_mut().as_mut_ptr();
    let initial = initial.map_or(null(), |bytes| bytes.as_ptr());
    // SAFETY: `out` is 8 bytes shorter than `wrapped`; `initial` is null or 8 bytes.
    let len =
        unsafe { AES_unwrap_key(schedule.key(), initial, out, wrapped.as_ptr(), wrapped.len()) };
    if usize::try_from(len) == Ok(key.len()) {
        Ok(key)
    } else {
        Err(failed(Reason::WrappedInvalid))
    }
}

/// Wraps `key` (1 byte or more) by RFC 5649. An empty one is `KeySizeRange`.
pub fn wrap_padded(by: &AesKey, key: &[u8]) -> Result<Vec<u8>> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Reason::KeySizeRange.into());
    }
    let schedule = schedule(by, Direction::Encrypt)?;
    let mut out = vec![0; key.len().next_multiple_of(8) + 8];
    let (mut len, room) = (0, out.len());
    // SAFETY: AWS-LC writes at most `room` bytes to `out`.
    let code = unsafe {
        let (out, input) = (out.as_mut_ptr(), key.as_ptr());
        AES_wrap_key_padded(schedule.key(), out, &mut len, room, input, key.len())
    };
    if code == 1 && len == room { Ok(out) } else { Err(failed(Reason::KeySizeRange)) }
}

/// Unwraps what [`wrap_padded`] made.
pub fn unwrap_padded(by: &AesKey, wrapped: &[u8]) -> Result<Secret> {
    if wrapped.len() < 16 || !wrapped.len().is_multiple_of(8) || wrapped.len() > MAX_KEY + 16 {
        return Err(Reason::WrappedInvalid.into());
    }
    let schedule = schedule(by, Direction::Decrypt)?;
    let mut key = Secret::new(vec![0; wrapped.len() - 8]);
    let (mut len, room) = (0, key.len());
    // SAFETY: AWS-LC writes at most `room` bytes, which `key` has.
    let code = unsafe {
        let (out, input) = (key.expose_mut().as_mut_ptr(), wrapped.as_ptr());
        AES_unwrap_key_padded(schedule.key(), out, &mut len, room, input, wrapped.len())
    };
    if code != 1 {
        return Err(failed(Reason::WrappedInvalid));
    }
    key.truncate(len);
    Ok(key)
}
