//! Verification of signatures and MACs that come before their data: PKCS#11 3.2, 5.15.7 to 5.15.10.

use super::params::MechanismPtr;
use super::{buffer, entry};
use crate::session::OperationKind;
use pkcs11_sys::*;

/// Starts the verification of a signature; without a mechanism it cancels the one that is active.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifySignatureInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
    signature: CK_BYTE_PTR,
    signature_len: CK_ULONG,
) -> CK_RV {
    // SAFETY: NULL cancels a verification; a mechanism to verify by is the caller's until the call returns.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    let kind = OperationKind::VerifySignature;
    entry::init(
        "C_VerifySignatureInit",
        session,
        mechanism,
        (CKF_VERIFY, kind),
        |session, asked| {
            // SAFETY: `signature` is NULL or has `signature_len` bytes, which are copied here.
            let signature = unsafe { buffer::piece(signature, signature_len) }?;
            session.begin_verify_signature(asked.row, &asked.mechanism, key, signature)
        },
    )
}

/// Verifies everything in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifySignature(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifySignature", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes.
        session.verify_signature(|verify| verify.whole(unsafe { buffer::input(data, data_len) }?))
    })
}

/// Takes one part of what was signed.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifySignatureUpdate(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_VerifySignatureUpdate", session, |session| {
        // SAFETY: `data` is NULL or has `data_len` bytes.
        session.verify_signature(|verify| verify.update(unsafe { buffer::input(data, data_len) }?))
    })
}

/// Ends a verification in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_VerifySignatureFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_VerifySignatureFinal", session, |session| {
        session.verify_signature(|verify| verify.finish())
    })
}
