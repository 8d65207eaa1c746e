//! Messages signed and verified: PKCS#11 3.1, 5.14 and 5.16.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::error::{Reason, Result};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Refuses a parameter for a message: no mechanism that signs takes one.
fn no_parameter(len: CK_ULONG) -> Result<()> {
    match len {
        0 => Ok(()),
        _ => Err(Reason::MechanismParam.detail("a message takes none")),
    }
}

/// Starts signing messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageSignInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL ends the signing of messages; a mechanism to sign them by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_MessageSignInit",
        session,
        mechanism,
        (CKF_MESSAGE_SIGN, OperationKind::MessageSign),
        |session, asked| session.begin_message_sign(asked.row, asked.mechanism, key),
    )
}

/// Signs a message in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignMessage(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_SignMessage", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `signature` is NULL or has room for
        // `*signature_len`.
        session.sign_message(|messages| unsafe {
            no_parameter(parameter_len)?;
            buffer::through(data, data_len, signature, signature_len, |data, out| {
                messages.whole(data, out)
            })
        })
    })
}

/// Starts signing a message in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignMessageBegin(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_SignMessageBegin", session, |session| {
        session.sign_message(|messages| {
            no_parameter(parameter_len)?;
            messages.begin()
        })
    })
}

/// Takes one part of a message; the last one comes with room for the signature.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignMessageNext(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_SignMessageNext", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes, and `signature` is NULL or has room for
        // `*signature_len`.
        session.sign_message_next(|messages| unsafe {
            no_parameter(parameter_len)?;
            if signature.is_null() && signature_len.is_null() {
                return messages.next(buffer::input(data, data_len)?);
            }
            buffer::through(data, data_len, signature, signature_len, |data, out| {
                messages.last(data, out)
            })
        })
    })
}

/// Ends signing messages.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageSignFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageSignFinal", session, |session| {
        session.end(OperationKind::MessageSign)
    })
}

/// Starts verifying messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageVerifyInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL ends the verifying of messages; a mechanism to verify them by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::init(
        "C_MessageVerifyInit",
        session,
        mechanism,
        (CKF_MESSAGE_VERIFY, OperationKind::MessageVerify),
        |session, asked| session.begin_message_verify(asked.row, asked.mechanism, key),
    )
}

/// Verifies a message in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyMessage(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifyMessage", session, |session| {
        // SAFETY: `signature` is NULL or has `signature_len` bytes; `data` is NULL or has
        // `data_len` bytes.
        session.verify_message(|messages| unsafe {
            no_parameter(parameter_len)?;
            let signature = buffer::input(signature, signature_len)?;
            messages.whole(buffer::input(data, data_len)?, signature)
        })
    })
}

/// Starts verifying a message in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyMessageBegin(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifyMessageBegin", session, |session| {
        session.verify_message(|messages| {
            no_parameter(parameter_len)?;
            messages.begin()
        })
    })
}

/// Takes one part of a message; the last one comes with the signature.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifyMessageNext(
    session: CK_SESSION_HANDLE,
    _parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifyMessageNext", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes; `signature` is NULL or has
        // `signature_len` bytes.
        session.verify_message_next(|messages| unsafe {
            no_parameter(parameter_len)?;
            let data = buffer::input(data, data_len)?;
            match (signature.is_null(), signature_len) {
                (true, 0) => messages.next(data),
                _ => messages.last(data, buffer::input(signature, signature_len)?),
            }
        })
    })
}

/// Ends verifying messages.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageVerifyFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageVerifyFinal", session, |session| {
        session.end(OperationKind::MessageVerify)
    })
}
