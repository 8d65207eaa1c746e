//! Messages encrypted and decrypted: PKCS#11 3.1, 5.9 and 5.11; and the structures of their parameters.

use super::params::{MechanismPtr, nonce_bytes};
use super::{buffer, entry};
use crate::error::{Error, Reason, Result};
use crate::mechanism::MessageShape;
use crate::session::message_cipher::MessageParameter;
use crate::session::message_iv::{IvGenerator, MAX_IV};
use crate::session::operation::StepOutcome;
use crate::session::{Filled, OperationKind};
use pkcs11_sys::*;
use std::ffi::c_void;
use std::ptr::NonNull;

/// The longest tag, in bits.
const MAX_TAG: CK_ULONG = 128;

/// A message's parameter, as the caller has it and as it was read.
struct MessageParams {
    raw: CK_GCM_MESSAGE_PARAMS,
    parameter: MessageParameter,
}

/// Copies a parameter's structure out; that of ChaCha20-Poly1305 is told as GCM's, with an IV of the
/// caller's and a tag of full length.
///
/// # Safety
/// `start` is NULL or valid for reads of `len` bytes.
unsafe fn structure(
    shape: MessageShape,
    start: *const c_void,
    len: CK_ULONG,
) -> Result<CK_GCM_MESSAGE_PARAMS> {
    let start = NonNull::new(start.cast_mut()).ok_or_else(|| wrong("a message needs one"))?;
    let size = match shape {
        MessageShape::Gcm => size_of::<CK_GCM_MESSAGE_PARAMS>(),
        MessageShape::ChaCha => size_of::<CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS>(),
    };
    if len != size as CK_ULONG {
        return Err(wrong("the parameter's length"));
    }
    // SAFETY: not NULL, and `len` bytes are as many as the structure has; it need not be aligned.
    Ok(unsafe {
        match shape {
            MessageShape::Gcm => start.cast::<CK_GCM_MESSAGE_PARAMS>().read_unaligned(),
            MessageShape::ChaCha => {
                let raw = start.cast::<CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS>().read_unaligned();
                CK_GCM_MESSAGE_PARAMS {
                    pIv: raw.pNonce,
                    ulIvLen: nonce_bytes(raw.ulNonceLen),
                    ulIvFixedBits: 0,
                    ivGenerator: CKG_NO_GENERATE,
                    pTag: raw.pTag,
                    ulTagBits: MAX_TAG,
                }
            }
        }
    })
}

impl MessageParams {
    /// Reads a parameter, whose tag is not looked at yet.
    ///
    /// # Safety
    /// `start` is NULL or valid for reads of `len` bytes, and the IV in it for reads of its length.
    unsafe fn read(shape: MessageShape, start: *const c_void, len: CK_ULONG) -> Result<Self> {
        // SAFETY: this function asks the same of `start`.
        let raw = unsafe { structure(shape, start, len) }?;
        if raw.ulIvLen == 0 || raw.ulIvLen > MAX_IV as CK_ULONG {
            return Err(wrong("the IV's length"));
        }
        // SAFETY: `pIv` is NULL or has `ulIvLen` bytes.
        let iv = unsafe { buffer::input(raw.pIv, raw.ulIvLen) }.map_err(|_| wrong("the IV"))?;
        let parameter = MessageParameter {
            iv: iv.to_vec(),
            fixed_bits: raw.ulIvFixedBits,
            generator: generator(raw.ivGenerator)?,
            tag: Vec::new(),
            tag_bits: raw.ulTagBits,
        };
        Ok(Self { raw, parameter })
    }

    /// Reads the tag too: of a message to be decrypted the tag itself, of one to be encrypted the room
    /// for it.
    ///
    /// # Safety
    /// As [`Self::read`], and the tag in it is valid for reads of its length.
    unsafe fn with_tag(shape: MessageShape, start: *const c_void, len: CK_ULONG) -> Result<Self> {
        // SAFETY: this function asks the same of `start`.
        let mut given = unsafe { Self::read(shape, start, len) }?;
        let bits = given.raw.ulTagBits;
        if bits > MAX_TAG || !bits.is_multiple_of(8) {
            return Err(wrong("the tag's length"));
        }
        // SAFETY: `pTag` is NULL or has `ulTagBits` bits.
        let tag =
            unsafe { buffer::input(given.raw.pTag, bits / 8) }.map_err(|_| wrong("the tag"))?;
        given.parameter.tag = tag.to_vec();
        Ok(given)
    }

    /// Writes the IV that was made into the caller's parameter.
    ///
    /// # Safety
    /// `pIv` is valid for writes of the IV's length.
    unsafe fn write_iv(&self) {
        if self.parameter.generator != IvGenerator::Given {
            let iv = &self.parameter.iv;
            // SAFETY: `pIv` has room for as many bytes as `read` found there, and this IV is as long.
            unsafe { self.raw.pIv.copy_from(iv.as_ptr(), iv.len()) };
        }
    }

    /// Writes the tag into the caller's parameter.
    ///
    /// # Safety
    /// `pTag` is valid for writes of the tag's length.
    unsafe fn write_tag(&self) {
        let tag = &self.parameter.tag;
        // SAFETY: `pTag` has room for as many bytes as `with_tag` found there, and this tag is as long.
        unsafe { self.raw.pTag.copy_from(tag.as_ptr(), tag.len()) };
    }
}

/// Returns the generator of a message's IV. Where none is named (`CKG_GENERATE`), the token chooses.
fn generator(asked: CK_GENERATOR_FUNCTION) -> Result<IvGenerator> {
    match asked {
        CKG_NO_GENERATE => Ok(IvGenerator::Given),
        CKG_GENERATE | CKG_GENERATE_COUNTER => Ok(IvGenerator::Counter),
        CKG_GENERATE_RANDOM => Ok(IvGenerator::Random),
        _ => Err(wrong("the IV's generator")),
    }
}

#[cold]
fn wrong(what: &str) -> Error {
    Reason::MechanismParam.detail(what)
}

/// Starts encrypting messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageEncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL ends the encryption of messages; of a mechanism no more than the number is read.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::on_session("C_MessageEncryptInit", session, |session| {
        match mechanism.row_or_cancel()? {
            Some(row) => session.begin_message_encrypt(row, key),
            None => session.cancel_by_init(OperationKind::MessageEncrypt),
        }
    })
}

/// Encrypts a message in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptMessage(
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
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `aad` is NULL or has `aad_len` bytes; `data` is NULL or has `data_len` bytes,
        // and `out` is NULL or has room for `*out_len`.
        session.encrypt_message(|messages| unsafe {
            let mut given = MessageParams::with_tag(messages.shape(), parameter, parameter_len)?;
            let aad = buffer::piece(aad, aad_len)?.to_vec();
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                messages.whole(&mut given.parameter, &aad, data, out)
            })?;
            if filled == Filled::Written {
                given.write_iv();
                given.write_tag();
            }
            Ok(StepOutcome::after_last(filled))
        })
    })
}

/// Starts encrypting a message in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_EncryptMessageBegin", session, |session| {
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `aad` is NULL or has `aad_len` bytes.
        session.encrypt_message(|messages| unsafe {
            let mut given = MessageParams::read(messages.shape(), parameter, parameter_len)?;
            messages.begin(&mut given.parameter, buffer::piece(aad, aad_len)?)?;
            given.write_iv();
            Ok(StepOutcome::GoesOn)
        })
    })
}

/// Encrypts one part of a message; the last one gives the tag.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_EncryptMessageNext(
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
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.encrypt_message_next(|messages| unsafe {
            let mut given = last
                .then(|| MessageParams::with_tag(messages.shape(), parameter, parameter_len))
                .transpose()?;
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                let tag = given.as_mut().map(|given| &mut given.parameter.tag);
                messages.next(data, tag, out)
            })?;
            if let (Filled::Written, Some(given)) = (filled, &given) {
                given.write_tag();
            }
            Ok(if last { StepOutcome::after_last(filled) } else { StepOutcome::after_part(filled) })
        })
    })
}

/// Ends encrypting messages.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageEncryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageEncryptFinal", session, |session| {
        session.end(OperationKind::MessageEncrypt)
    })
}

/// Starts decrypting messages; without a mechanism it ends that.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_MessageDecryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: NULL ends the decryption of messages; of a mechanism no more than the number is read.
    let mechanism = unsafe { MechanismPtr::new(mechanism) };
    entry::on_session("C_MessageDecryptInit", session, |session| {
        match mechanism.row_or_cancel()? {
            Some(row) => session.begin_message_decrypt(row, key),
            None => session.cancel_by_init(OperationKind::MessageDecrypt),
        }
    })
}

/// Decrypts a message in one step.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptMessage(
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
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `aad` is NULL or has `aad_len` bytes; `data` is NULL or has `data_len` bytes,
        // and `out` is NULL or has room for `*out_len`.
        session.decrypt_message(|messages| unsafe {
            let given = MessageParams::with_tag(messages.shape(), parameter, parameter_len)?;
            let aad = buffer::piece(aad, aad_len)?.to_vec();
            let filled = buffer::through(data, data_len, out, out_len, |data, out| {
                messages.whole(&given.parameter, &aad, data, out)
            })?;
            Ok(StepOutcome::after_last(filled))
        })
    })
}

/// Starts decrypting a message in parts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: CK_VOID_PTR,
    parameter_len: CK_ULONG,
    aad: CK_BYTE_PTR,
    aad_len: CK_ULONG,
) -> CK_RV {
    entry::on_session("C_DecryptMessageBegin", session, |session| {
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `aad` is NULL or has `aad_len` bytes.
        session.decrypt_message(|messages| unsafe {
            let given = MessageParams::read(messages.shape(), parameter, parameter_len)?;
            messages.begin(&given.parameter, buffer::piece(aad, aad_len)?)?;
            Ok(StepOutcome::GoesOn)
        })
    })
}

/// Takes one part of a message; the last one, with the tag, gives the text.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_DecryptMessageNext(
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
        // SAFETY: `parameter` is NULL or has `parameter_len` bytes, and what it points to its
        // lengths; `data` is NULL or has `data_len` bytes, and `out` is NULL or has room for
        // `*out_len`.
        session.decrypt_message_next(|messages| unsafe {
            let given = last
                .then(|| MessageParams::with_tag(messages.shape(), parameter, parameter_len))
                .transpose()?;
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
pub(crate) unsafe extern "C" fn C_MessageDecryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    entry::on_session("C_MessageDecryptFinal", session, |session| {
        session.end(OperationKind::MessageDecrypt)
    })
}
