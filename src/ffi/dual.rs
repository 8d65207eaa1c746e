//! Two operations in one call: PKCS#11 3.1, 5.17.

use super::{buffer, entry};
use pkcs11_sys::*;

/// Digests and encrypts one part.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DigestEncryptUpdate(
    session: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DigestEncryptUpdate", session, |session| {
        // SAFETY: `part` is NULL or has `part_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.digest_encrypt(|cipher, beside| unsafe {
            buffer::through(part, part_len, out, out_len, |part, out| {
                cipher.update_beside_input(part, out, |text| beside.update(text))
            })
        })
    })
}

/// Decrypts one part and digests what comes out.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptDigestUpdate(
    session: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DecryptDigestUpdate", session, |session| {
        // SAFETY: `part` is NULL or has `part_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.decrypt_digest(|cipher, beside| unsafe {
            buffer::through(part, part_len, out, out_len, |part, out| {
                cipher.update_beside_output(part, out, |text| beside.update(text))
            })
        })
    })
}

/// Signs and encrypts one part.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_SignEncryptUpdate(
    session: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_SignEncryptUpdate", session, |session| {
        // SAFETY: `part` is NULL or has `part_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.sign_encrypt(|cipher, beside| unsafe {
            buffer::through(part, part_len, out, out_len, |part, out| {
                cipher.update_beside_input(part, out, |text| beside.update(text))
            })
        })
    })
}

/// Decrypts one part and verifies what comes out.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptVerifyUpdate(
    session: CK_SESSION_HANDLE,
    part: CK_BYTE_PTR,
    part_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DecryptVerifyUpdate", session, |session| {
        // SAFETY: `part` is NULL or has `part_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.decrypt_verify(|cipher, beside| unsafe {
            buffer::through(part, part_len, out, out_len, |part, out| {
                cipher.update_beside_output(part, out, |text| beside.update(text))
            })
        })
    })
}
