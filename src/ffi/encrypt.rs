//! Encryption: PKCS#11 3.1, 5.8.

use super::{buffer, entry, params};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts an encryption; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_EncryptInit", session, |session| {
        // SAFETY: `mechanism` is NULL or a mechanism with its parameter.
        match unsafe { params::read_or_cancel(mechanism, CKF_ENCRYPT) }? {
            Some(asked) => session.begin_encrypt(asked.row, &asked.mechanism, key),
            None => session.cancel_by_init(OperationKind::Encrypt),
        }
    })
}

/// Encrypts everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Encrypt(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_Encrypt", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.encrypt(|cipher| unsafe {
            buffer::through(data, data_len, out, out_len, |data, out| cipher.whole(data, out))
        })
    })
}

/// Encrypts one part.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_EncryptUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.encrypt(|cipher| unsafe {
            buffer::through(data, data_len, out, out_len, |data, out| cipher.update(data, out))
        })
    })
}

/// Ends an encryption in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptFinal(
    session: CK_SESSION_HANDLE,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_EncryptFinal", session, |session| {
        // SAFETY: `out` is NULL or has room for `*out_len` bytes.
        session.encrypt(|cipher| unsafe { buffer::output(out, out_len, |out| cipher.finish(out)) })
    })
}
