//! Signatures and MACs: PKCS#11 3.1, 5.13.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts a signature; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels a signature; a mechanism to sign by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_SignInit",
        session,
        mechanism,
        (CKF_SIGN, OperationKind::Sign),
        |session, asked| session.begin_sign(asked.row, &asked.mechanism, key),
    )
}

/// Signs everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_Sign", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `signature` is NULL or has room for
        // `*signature_len`.
        session.sign(|sign| unsafe {
            buffer::through(data, data_len, signature, signature_len, |data, out| {
                sign.whole(data, out)
            })
        })
    })
}

/// Takes one part of what is signed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_SignUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes.
        session.sign(|sign| sign.update(unsafe { buffer::input(data, data_len) }?))
    })
}

/// Ends a signature in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignFinal(
    session: CK_SESSION_HANDLE,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_SignFinal", session, |session| {
        // SAFETY: `signature` is NULL or has room for `*signature_len` bytes.
        session.sign(|sign| unsafe {
            buffer::output(signature, signature_len, |out| sign.finish(out))
        })
    })
}

/// Starts a signature that gives its data back; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignRecoverInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels a signature; a mechanism that gives its data back is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_SignRecoverInit",
        session,
        mechanism,
        (CKF_SIGN_RECOVER, OperationKind::SignRecover),
        |session, asked| session.begin_sign_recover(asked.row, &asked.mechanism, key),
    )
}

/// Signs so that the signature gives the data back.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignRecover(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_SignRecover", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `signature` is NULL or has room for
        // `*signature_len`.
        session.sign_recover(|sign| unsafe {
            buffer::through(data, data_len, signature, signature_len, |data, out| {
                sign.whole(data, out)
            })
        })
    })
}
