//! AES key wrap: RFC 3394 (KW) and RFC 5649 (KWP), KWP also with another first half of its initial value.
//!
//! An unwrapping that fails is `WrappedInvalid`, whatever was wrong.

use super::aes::{Direction, Mode, schedule};
use super::failed;
use crate::error::{Reason, Result};
use crate::lc::aes::AesKey;
use crate::secret::Secret;
use aws_lc_sys::{AES_unwrap_key, AES_unwrap_key_padded, AES_wrap_key, AES_wrap_key_padded};
use std::ops::RangeInclusive;
use std::ptr::null;
use subtle::ConstantTimeEq;

/// The longest key that is wrapped or unwrapped, in bytes.
pub(crate) const MAX_KEY: usize = 1 << 20;

/// Returns the possible lengths of what was wrapped to `wrapped` bytes of at least `least` blocks of 8:
/// as many as its blocks but the first, of which the last may be padded.
pub(crate) fn unwrapped(least: usize, wrapped: usize) -> Option<RangeInclusive<usize>> {
    let blocks = wrapped / 8;
    let most = wrapped.checked_sub(8)?;
    let fits = wrapped.is_multiple_of(8) && blocks >= least && most <= MAX_KEY + 8;
    fits.then(|| most.saturating_sub(7)..=most)
}

/// Wraps `key` (at least 16 bytes, a multiple of 8) by RFC 3394, with an initial value of the
/// caller's or the standard one. Another length is `KeySizeRange`.
pub(crate) fn wrap(by: &AesKey, initial: Option<&[u8; 8]>, key: &[u8]) -> Result<Vec<u8>> {
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
pub(crate) fn unwrap(by: &AesKey, initial: Option<&[u8; 8]>, wrapped: &[u8]) -> Result<Secret> {
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

/// Wraps `key` as [`wrap_padded`] does, with `first` for the first half of the initial value.
pub(crate) fn wrap_padded_with(by: &AesKey, first: [u8; 4], key: &Secret) -> Result<Vec<u8>> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Reason::KeySizeRange.into());
    }
    let initial = initial(first, key.len());
    let padded = key.with_zeros(8);
    match padded.len() {
        8 => {
            let block = Secret::new([&initial, padded.expose()].concat());
            let mut wrapped = vec![0; 16];
            by.cipher(Mode::Ecb, Direction::Encrypt, &[])?.update(block.expose(), &mut wrapped)?;
            Ok(wrapped)
        }
        _ => wrap(by, Some(&initial), padded.expose()),
    }
}

/// Unwraps what [`wrap_padded_with`] made with the same half. The length, which the other half tells,
/// is one of eight.
pub(crate) fn unwrap_padded_with(by: &AesKey, first: [u8; 4], wrapped: &[u8]) -> Result<Secret> {
    let room = wrapped.len().saturating_sub(8);
    for length in room.saturating_sub(7)..=room {
        let Ok(mut key) = opened(by, &initial(first, length), wrapped) else { continue };
        if length == 0 || !key.is_zero_from(length) {
            break;
        }
        key.truncate(length);
        return Ok(key);
    }
    Err(Reason::WrappedInvalid.into())
}

/// Unwraps what was wrapped with this initial value, with its zeros behind it.
fn opened(by: &AesKey, initial: &[u8; 8], wrapped: &[u8]) -> Result<Secret> {
    if wrapped.len() != 16 {
        return unwrap(by, Some(initial), wrapped);
    }
    let mut block = Secret::new(vec![0; 16]);
    by.cipher(Mode::Ecb, Direction::Decrypt, &[])?.update(wrapped, block.expose_mut())?;
    let (begin, key) = block.expose().split_at(8);
    match begin.ct_eq(initial).into() {
        true => Ok(key.into()),
        false => Err(Reason::WrappedInvalid.into()),
    }
}

/// The initial value: its first half, and the length in bytes (RFC 5649, 3).
fn initial(first: [u8; 4], length: usize) -> [u8; 8] {
    let [a, b, c, d] = first;
    // No key is as long as 2^32 bytes.
    let [e, f, g, h] = (length as u32).to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn with_the_standard_half_it_is_rfc_5649_and_with_another_it_opens_with_that_only() {
        let by = AesKey::new(&[7; 32]).unwrap();
        for length in 1..=40 {
            let key = Secret::new((1..=length).collect());
            let standard = [0xA6, 0x59, 0x59, 0xA6];
            let wrapped = wrap_padded(&by, key.expose()).unwrap();
            assert_eq!(wrap_padded_with(&by, standard, &key).unwrap(), wrapped, "{length} bytes");
            assert_eq!(unwrap_padded_with(&by, standard, &wrapped).unwrap(), key);
            let own = wrap_padded_with(&by, [1, 2, 3, 4], &key).unwrap();
            assert_eq!(unwrap_padded_with(&by, [1, 2, 3, 4], &own).unwrap(), key);
            for (first, wrapped) in [(standard, &own), ([1, 2, 3, 4], &wrapped)] {
                assert!(unwrap_padded_with(&by, first, wrapped).is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn what_is_padded_with_anything_but_zeros_or_is_no_wrapping_does_not_open() {
        let by = AesKey::new(&[7; 16]).unwrap();
        let first = [1, 2, 3, 4];
        let wrapped = wrap(&by, Some(&initial(first, 20)), &[9; 24]).unwrap();
        assert!(unwrap_padded_with(&by, first, &wrapped).is_err());
        for length in [0, 8, 15, 16, 17, 24, 31] {
            assert!(unwrap_padded_with(&by, first, &vec![0; length]).is_err(), "{length} bytes");
        }
    }
}
