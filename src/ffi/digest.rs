//! Digests: PKCS#11 3.1, 5.12.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts a digest; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DigestInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
) -> CK_RV {
    // SAFETY: NULL cancels a digest; a hash is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_DigestInit",
        session,
        mechanism,
        (CKF_DIGEST, OperationKind::Digest),
        |session, asked| session.begin_digest(asked.row, &asked.mechanism),
    )
}

/// Digests everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Digest(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_Digest", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.digest(|digest| unsafe {
            buffer::through(data, data_len, out, out_len, |data, out| digest.whole(data, out))
        })
    })
}

/// Digests one part.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DigestUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_DigestUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes.
        session.digest(|digest| digest.update(unsafe { buffer::input(data, data_len) }?))
    })
}

/// Digests the value of a secret key.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DigestKey(
    session: CK_SESSION_HANDLE,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_DigestKey", session, |session| session.digest_key(key))
}

/// Ends a digest in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DigestFinal(
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DigestFinal", session, |session| {
        // SAFETY: `out` is NULL or has room for `*out_len` bytes.
        session.digest(|digest| unsafe { buffer::output(out, out_len, |out| digest.finish(out)) })
    })
}
