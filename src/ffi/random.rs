//! Random numbers: PKCS#11 3.1, 5.19.

use super::{buffer, entry};
use crate::error::Reason;
use crate::lc;
use pkcs11_sys::*;

/// The generator takes its seed from the operating system only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SeedRandom(
    session: CK_SESSION_HANDLE,
    _seed: CK_BYTE_PTR,
    _seed_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_SeedRandom", session, |_| Err(Reason::RandomSeed.into()))
}

/// Random bytes, with or without a login.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GenerateRandom(
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_GenerateRandom", session, |_| {
        // SAFETY: PKCS#11's contract.
        match unsafe { buffer::room(out, out_len) }? {
            Some(room) => lc::random::fill(room),
            None if out_len == 0 => Ok(()),
            None => Err(Reason::ArgumentsBad.detail("no room for random bytes")),
        }
    })
}
