//! Keys wrapped and unwrapped: PKCS#11 3.2, 5.18.3, 5.18.4, 5.18.6 and 5.18.7.

use super::buffer::{self, OutPtr};
use super::params::wrapping::{WrapMessage, read_for_unwrap, read_for_wrap};
use super::{entry, template};
use crate::error::{Reason, Result};
use crate::mechanism::Params;
use crate::session::Filled;
use pkcs11_sys::*;

/// Wraps a key.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_WrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    wrapping_key: CK_OBJECT_HANDLE,
    key: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    wrapped_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_WrapKey", session, |session| {
        // SAFETY: `mechanism` is NULL or a mechanism with its parameter.
        let (mut asked, iv) = unsafe { read_for_wrap(mechanism) }?;
        // SAFETY: `wrapped` is NULL or has room for `*wrapped_len` bytes; the parameter's IV has the room
        // that its length says.
        unsafe {
            buffer::output(wrapped, wrapped_len, |out| {
                let filled = out.copy(&session.wrap(&mut asked, wrapping_key, key)?);
                if let (Filled::Written, Some(iv), Params::Gcm { iv: made, .. }) =
                    (filled, &iv, &asked.params)
                {
                    iv.put(made);
                }
                filled.or_short()
            })
        }
    })
}

/// Unwraps a key: into a session key, an ordinary key, or the material of a custom key.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_UnwrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    unwrapping_key: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    wrapped_len: CK_ULONG,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_UnwrapKey", session, |session| {
        // SAFETY: `key` is NULL or has room for its value; `mechanism` is NULL or a mechanism with
        // its parameter.
        let (out, asked) = unsafe { (OutPtr::new(key)?, read_for_unwrap(mechanism)?) };
        // SAFETY: `wrapped` is NULL or has `wrapped_len` bytes; `attributes` is NULL or has `count`
        // attributes with their values.
        let (wrapped, template) =
            unsafe { (wrapped_key(wrapped, wrapped_len)?, template::read(attributes, count)?) };
        let (token, caller) = (session.token(), session.caller());
        out.write(token.unwrap(caller, &asked, unwrapping_key, wrapped, &template)?);
        Ok(())
    })
}

/// Wraps a key beside associated data; the IV that was made and the tag are left in the parameter.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_WrapKeyAuthenticated(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    wrapping_key: CK_OBJECT_HANDLE,
    key: CK_OBJECT_HANDLE,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
    wrapped: CK_BYTE_PTR,
    wrapped_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_WrapKeyAuthenticated", session, |session| {
        // SAFETY: `mechanism` is NULL or a mechanism with its parameter; `aad` is NULL or has `aad_len`
        // bytes.
        let (message, aad) =
            unsafe { (WrapMessage::read(mechanism)?, buffer::piece(aad, aad_len)?) };
        let mut asked = message.mechanism(message.iv.room()?, aad);
        // SAFETY: `wrapped` is NULL or has room for `*wrapped_len` bytes; the parameter's IV and tag have
        // the room that their lengths say.
        unsafe {
            buffer::output(wrapped, wrapped_len, |out| {
                let made = session.wrap(&mut asked, wrapping_key, key)?;
                let (text, tag) = message.apart(&made)?;
                let filled = out.copy(text);
                if let (Filled::Written, Params::Gcm { iv, .. }) = (filled, &asked.params) {
                    message.iv.put(iv);
                    message.put_tag(tag);
                }
                filled.or_short()
            })
        }
    })
}

/// Unwraps a key that was wrapped beside associated data; its tag is in the parameter.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_UnwrapKeyAuthenticated(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    unwrapping_key: CK_OBJECT_HANDLE,
    wrapped: CK_BYTE_PTR,
    wrapped_len: CK_ULONG,
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    entry::on_session("C_UnwrapKeyAuthenticated", session, |session| {
        // SAFETY: `key` is NULL or has room for its value; `mechanism` is NULL or a mechanism with its
        // parameter, whose IV has its length; `aad` is NULL or has `aad_len` bytes.
        let (out, message, asked) = unsafe {
            let (out, message) = (OutPtr::new(key)?, WrapMessage::read(mechanism)?);
            let asked = message.mechanism(message.iv.given()?, buffer::piece(aad, aad_len)?);
            (out, message, asked)
        };
        // SAFETY: `wrapped` is NULL or has `wrapped_len` bytes, and the parameter's tag has its length;
        // `attributes` is NULL or has `count` attributes with their values.
        let (wrapped, template) = unsafe {
            let wrapped = message.with_tag(wrapped_key(wrapped, wrapped_len)?)?;
            (wrapped, template::read(attributes, count)?)
        };
        let (token, caller) = (session.token(), session.caller());
        out.write(token.unwrap(caller, &asked, unwrapping_key, &wrapped, &template)?);
        Ok(())
    })
}

/// Borrows a wrapped key; one longer than any is `WrappedLength`.
///
/// # Safety
/// As [`buffer::input`].
unsafe fn wrapped_key<'a>(wrapped: *const CK_BYTE, len: CK_ULONG) -> Result<&'a [u8]> {
    // SAFETY: this function asks the same of `wrapped` and `len`.
    match unsafe { buffer::input(wrapped, len) }? {
        _ if len > buffer::MAX_PIECE => Err(Reason::WrappedLength.into()),
        wrapped => Ok(wrapped),
    }
}
