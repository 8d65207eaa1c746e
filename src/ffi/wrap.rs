//! Keys wrapped and unwrapped: PKCS#11 3.2, 5.18.3, 5.18.4, 5.18.6 and 5.18.7.

use super::buffer::{self, OutPtr};
use super::params::MechanismPtr;
use super::{entry, template};
use crate::error::{Reason, Result};
use crate::mechanism::Params;
use crate::session::{Filled, Out};
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
        // SAFETY: `mechanism` is the one to wrap by; an IV in its parameter has the room that its length says.
        let (mut asked, iv) = unsafe { MechanismPtr::new(mechanism) }.read_to_wrap()?;
        let wrap = |out: &mut Out<'_>| {
            let filled = out.copy(&session.wrap(&mut asked, wrapping_key, key)?);
            if let (Filled::Written, Some(iv), Params::Gcm { iv: made, .. }) =
                (filled, &iv, &asked.params)
            {
                iv.put(made)?;
            }
            filled.or_short()
        };
        // SAFETY: `wrapped` is NULL or has room for `*wrapped_len` bytes.
        unsafe { buffer::output(wrapped, wrapped_len, wrap) }
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
        // SAFETY: `key` is NULL or has room for the handle that is made.
        let out = unsafe { OutPtr::new(key) }?;
        // SAFETY: `mechanism` is the one to unwrap by, and only read.
        let asked = unsafe { MechanismPtr::new(mechanism) }.read_to_unwrap()?;
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
        // SAFETY: IV and tag in the parameter of `mechanism` have the room that their lengths say.
        let message = unsafe { MechanismPtr::new(mechanism) }.read_wrap_message()?;
        // SAFETY: `aad` is NULL or has `aad_len` bytes.
        let aad = unsafe { buffer::piece(aad, aad_len) }?;
        let mut asked = message.mechanism(message.iv.room()?, aad);
        let wrap = |out: &mut Out<'_>| {
            let made = session.wrap(&mut asked, wrapping_key, key)?;
            let (text, tag) = message.apart(&made)?;
            let filled = out.copy(text);
            if let (Filled::Written, Params::Gcm { iv, .. }) = (filled, &asked.params) {
                message.iv.put(iv)?;
                message.put_tag(tag)?;
            }
            filled.or_short()
        };
        // SAFETY: `wrapped` is NULL or has room for `*wrapped_len` bytes.
        unsafe { buffer::output(wrapped, wrapped_len, wrap) }
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
        // SAFETY: `key` is NULL or has room for the handle that is made.
        let out = unsafe { OutPtr::new(key) }?;
        // SAFETY: the parameter of `mechanism` is only read, and IV and tag in it have their lengths.
        let message = unsafe { MechanismPtr::new(mechanism) }.read_wrap_message()?;
        let iv = message.iv.given()?;
        // SAFETY: `aad` is NULL or has `aad_len` bytes.
        let asked = message.mechanism(iv, unsafe { buffer::piece(aad, aad_len) }?);
        // SAFETY: `wrapped` is NULL or has `wrapped_len` bytes.
        let wrapped = message.with_tag(unsafe { wrapped_key(wrapped, wrapped_len) }?)?;
        // SAFETY: `attributes` is NULL or has `count` attributes with their values.
        let template = unsafe { template::read(attributes, count) }?;
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
