//! Messages encrypted and decrypted: PKCS#11 3.1, 5.9 and 5.11; and `CK_GCM_MESSAGE_PARAMS`.

use super::{buffer, entry, params};
use crate::error::{Error, Reason, Result};
use crate::session::message_cipher::Parameter;
use crate::session::message_iv::{Generator, MAX_IV};
use crate::session::operation::StepOutcome;
use crate::session::{Filled, OperationKind};
use pkcs11_sys::*;
use std::ffi::c_void;
use std::ptr::NonNull;

/// The longest tag, in bits.
const MAX_TAG: CK_ULONG = 128;

/// A message's parameter, and where the caller has it.
struct Given {
    places: CK_GCM_MESSAGE_PARAMS,
    parameter: Parameter,
}

impl Given {
    /// Reads a parameter, whose tag is not looked at yet.
    ///
    /// # Safety
    /// `start` is NULL or valid for reads of `len` bytes, and the IV in it for reads of its length.
    unsafe fn read(start: *const c_void, len: CK_ULONG) -> Result<Self> {
        let start = NonNull::new(start.cast_mut()).ok_or_else(|| wrong("a message needs one"))?;
        if len != size_of::<CK_GCM_MESSAGE_PARAMS>() as CK_ULONG {
            return Err(wrong("the parameter's length"));
        }
        // SAFETY: not NULL, and as long as the structure.
        let places = unsafe { start.cast::<CK_GCM_MESSAGE_PARAMS>().read_unaligned() };
        if places.ulIvLen == 0 || places.ulIvLen > MAX_IV as CK_ULONG {
            return Err(wrong("the IV's length"));
        }
        // SAFETY: as the caller promises.
        let iv =
            unsafe { buffer::input(places.pIv, places.ulIvLen) }.map_err(|_| wrong("the IV"))?;
        let parameter = Parameter {
            iv: iv.to_vec(),
            fixed_bits: places.ulIvFixedBits,
            generator: generator(places.ivGenerator)?,
            tag: Vec::new(),
            tag_bits: places.ulTagBits,
        };
        Ok(Self { places, parameter })
    }

    /// Reads the tag too: of a message to be decrypted the tag itself, of one to be encrypted the room
    /// for it.
    ///
    /// # Safety
    /// As [`Self::read`], and the tag in it is valid for reads of its length.
    unsafe fn with_tag(start: *const c_void, len: CK_ULONG) -> Result<Self> {
        // SAFETY: as the caller promises.
        let mut given = unsafe { Self::read(start, len) }?;
        let bits = given.places.ulTagBits;
        if bits > MAX_TAG || !bits.is_multiple_of(8) {
            return Err(wrong("the tag's length"));
        }
        // SAFETY: as the caller promises.
        let tag =
            unsafe { buffer::input(given.places.pTag, bits / 8) }.map_err(|_| wrong("the tag"))?;
        given.parameter.tag = tag.to_vec();
        Ok(given)
    }

    /// Leaves the IV that was made where the caller has it.
    ///
    /// # Safety
    /// The IV's place is valid for writes of its length.
    unsafe fn leave_iv(&self) {
        if self.parameter.generator != Generator::Given {
            let iv = &self.parameter.iv;
            // SAFETY: as the caller promises; it is as long as what was read there.
            unsafe { self.places.pIv.copy_from(iv.as_ptr(), iv.len()) };
        }
    }

    /// Leaves the tag where the caller has it.
    ///
    /// # Safety
    /// The tag's place is valid for writes of its length.
    unsafe fn leave_tag(&self) {
        let tag = &self.parameter.tag;
        // SAFETY: as the caller promises; it is as long as what was read there.
        unsafe { self.places.pTag.copy_from(tag.as_ptr(), tag.len()) };
    }
}

/// The token is free in how it makes an IV where it is only asked to (`CKG_GENERATE`).
fn generator(asked: CK_GENERATOR_FUNCTION) -> Result<Generator> {
    match asked {
        CKG_NO_GENERATE => Ok(Generator::Given),
        CKG_GENERATE | CKG_GENERATE_COUNTER => Ok(Generator::Counter),
        CKG_GENERATE_RANDOM => Ok(Generator::Random),
        _ => Err(wrong("the IV's generator")),
    }
}

#[cold]
fn wrong(what: &str) -> Error {
    Reason::MechanismParam.detail(what)
}

/// Starts encrypting messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_MessageEncryptInit", session, |session| {
        // SAFETY: PKCS#11's contract.
        match unsafe { params::row_or_cancel(mechanism) }? {
            Some(row) => session.begin_message_encrypt(row, key),
            None => session.cancel_by_init(OperationKind::MessageEncrypt),
        }
    })
}

/// Encrypts a message in one step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessage(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_EncryptMessage", session, |session| {
        // SAFETY: PKCS#11's contract.
        session.encrypt_message(|messages| unsafe {
            let mut given = Given::with_tag(parameter, parameter_len)?;
            let aad = buffer::input(aad, aad_len)?.to_vec();
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                messages.whole(&mut given.parameter, &aad, data, out)
            })?;
            if filled == Filled::Written {
                given.leave_iv();
                given.leave_tag();
            }
            Ok(StepOutcome::after_last(filled))
        })
    })
}

/// Starts encrypting a message in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_EncryptMessageBegin", session, |session| {
        // SAFETY: PKCS#11's contract.
        session.encrypt_message(|messages| unsafe {
            let mut given = Given::read(parameter, parameter_len)?;
            messages.begin(&mut given.parameter, buffer::input(aad, aad_len)?)?;
            given.leave_iv();
            Ok(StepOutcome::GoesOn)
        })
    })
}

/// Encrypts one part of a message; the last one gives the tag.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageNext(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    entry::on_session("C_EncryptMessageNext", session, |session| {
        let last = flags & CKF_END_OF_MESSAGE != 0;
        // SAFETY: PKCS#11's contract.
        session.encrypt_message_next(|messages| unsafe {
            let mut given = last.then(|| Given::with_tag(parameter, parameter_len)).transpose()?;
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                let tag = given.as_mut().map(|given| &mut given.parameter.tag);
                messages.next(data, tag, out)
            })?;
            if let (Filled::Written, Some(given)) = (filled, &given) {
                given.leave_tag();
            }
            Ok(if last { StepOutcome::after_last(filled) } else { StepOutcome::after_part(filled) })
        })
    })
}

/// Ends encrypting messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageEncryptFinal", session, |session| {
        session.end(OperationKind::MessageEncrypt)
    })
}

/// Starts decrypting messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    entry::on_session("C_MessageDecryptInit", session, |session| {
        // SAFETY: PKCS#11's contract.
        match unsafe { params::row_or_cancel(mechanism) }? {
            Some(row) => session.begin_message_decrypt(row, key),
            None => session.cancel_by_init(OperationKind::MessageDecrypt),
        }
    })
}

/// Decrypts a message in one step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessage(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
) -> CK_RV {
    entry::on_session("C_DecryptMessage", session, |session| {
        // SAFETY: PKCS#11's contract.
        session.decrypt_message(|messages| unsafe {
            let given = Given::with_tag(parameter, parameter_len)?;
            let aad = buffer::input(aad, aad_len)?.to_vec();
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                messages.whole(&given.parameter, &aad, data, out)
            })?;
            Ok(StepOutcome::after_last(filled))
        })
    })
}

/// Starts decrypting a message in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_DecryptMessageBegin", session, |session| {
        // SAFETY: PKCS#11's contract.
        session.decrypt_message(|messages| unsafe {
            let given = Given::read(parameter, parameter_len)?;
            messages.begin(&given.parameter, buffer::input(aad, aad_len)?)?;
            Ok(StepOutcome::GoesOn)
        })
    })
}

/// Takes one part of a message; the last one, with the tag, gives the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageNext(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    out: CK_BYTE_PTR,
    out_len: CK_ULONG_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    entry::on_session("C_DecryptMessageNext", session, |session| {
        let last = flags & CKF_END_OF_MESSAGE != 0;
        // SAFETY: PKCS#11's contract.
        session.decrypt_message_next(|messages| unsafe {
            let given = last.then(|| Given::with_tag(parameter, parameter_len)).transpose()?;
            let tag = given.as_ref().map(|given| &given.parameter.tag[..]);
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                messages.next(data, tag, out)
            })?;
            Ok(if last { StepOutcome::after_last(filled) } else { StepOutcome::after_part(filled) })
        })
    })
}

/// Ends decrypting messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageDecryptFinal", session, |session| {
        session.end(OperationKind::MessageDecrypt)
    })
}
