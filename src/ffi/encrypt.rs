//! Encryption: PKCS#11 3.1, 5.8.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts an encryption; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels an encryption; a mechanism to encrypt by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_EncryptInit",
        session,
        mechanism,
        (CKF_ENCRYPT, OperationKind::Encrypt),
        |session, asked| session.begin_encrypt(asked.row, &asked.mechanism, key),
    )
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
