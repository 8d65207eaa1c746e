//! Verification of signatures and MACs: PKCS#11 3.1, 5.15.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts a verification; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels a verification; a mechanism to verify by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_VerifyInit",
        session,
        mechanism,
        (CKF_VERIFY, OperationKind::Verify),
        |session, asked| session.begin_verify(asked.row, &asked.mechanism, key),
    )
}

/// Verifies everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_Verify(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_Verify", session, |session| {
        // SAFETY: `signature` is NULL or has `signature_len` bytes; `data` is NULL or has
        // `data_len` bytes.
        session.verify(|verify| unsafe {
            let signature = buffer::input(signature, signature_len)?;
            verify.whole(buffer::input(data, data_len)?, signature)
        })
    })
}

/// Takes one part of what was signed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifyUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes.
        session.verify(|verify| verify.update(unsafe { buffer::input(data, data_len) }?))
    })
}

/// Ends a verification in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyFinal(
    session: CK_SESSION_HANDLE,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifyFinal", session, |session| {
        // SAFETY: `signature` is NULL or has `signature_len` bytes.
        session.verify(|verify| verify.finish(unsafe { buffer::input(signature, signature_len) }?))
    })
}

/// Starts getting data back from a signature; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyRecoverInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL cancels a verification; a mechanism that gives its data back is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_VerifyRecoverInit",
        session,
        mechanism,
        (CKF_VERIFY_RECOVER, OperationKind::VerifyRecover),
        |session, asked| session.begin_verify_recover(asked.row, &asked.mechanism, key),
    )
}

/// Verifies a signature and gives its data back.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyRecover(
    session: CK_SESSION_HANDLE,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_VerifyRecover", session, |session| {
        // SAFETY: `signature` is NULL or has `signature_len` bytes, and `data` is NULL or has room
        // for `*data_len`.
        session.verify_recover(|verify| unsafe {
            buffer::through(signature, signature_len, data, data_len, |signature, out| {
                verify.whole(signature, out)
            })
        })
    })
}
