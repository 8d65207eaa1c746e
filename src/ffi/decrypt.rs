//! Decryption: PKCS#11 3.1, 5.10.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts a decryption; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels a decryption; a mechanism to decrypt by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_DecryptInit",
        session,
        mechanism,
        (CKF_DECRYPT, OperationKind::Decrypt),
        |session, asked| session.begin_decrypt(asked.row, &asked.mechanism, key),
    )
}

/// Decrypts everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Decrypt(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_Decrypt", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.decrypt(|cipher| unsafe {
            buffer::through(data, data_len, out, out_len, |data, out| cipher.whole(data, out))
        })
    })
}

/// Decrypts one part.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DecryptUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.decrypt(|cipher| unsafe {
            buffer::through(data, data_len, out, out_len, |data, out| cipher.update(data, out))
        })
    })
}

/// Ends a decryption in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptFinal(
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DecryptFinal", session, |session| {
        // SAFETY: `out` is NULL or has room for `*out_len` bytes.
        session.decrypt(|cipher| unsafe { buffer::output(out, out_len, |out| cipher.finish(out)) })
    })
}
