//! Random numbers: PKCS#11 3.1, 5.19.

use super::{buffer, entry};
use crate::error::Reason;
use crate::lc;
use pkcs11_sys::*;

/// Mixes a caller's seed into the system's random numbers, which no seed makes less random.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SeedRandom(
    session: CK_SESSION_HANDLE,
    seed: CK_BYTE_PTR,
    seed_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_SeedRandom", session, |_| {
        // SAFETY: `seed` is NULL, which with a length is refused, or has `seed_len` bytes.
        lc::random::mix_in(unsafe { buffer::input(seed, seed_len) }?)
    })
}

/// Gives random bytes, with or without a login.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GenerateRandom(
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_GenerateRandom", session, |_| {
        // SAFETY: `out` is NULL or has room for `out_len` bytes.
        match unsafe { buffer::room(out, out_len) }? {
            Some(room) => lc::random::fill(room),
            None if out_len == 0 => Ok(()),
            None => Err(Reason::ArgumentsBad.detail("no room for random bytes")),
        }
    })
}
