//! The parameters of AES-GCM where it wraps keys (PKCS#11 3.2, 6.13.4 and 6.13.7): those of `C_WrapKey`, and those
//! of a message. The token makes the IV, in the caller's room.

use super::super::buffer;
use super::super::list_3_2::CK_GCM_WRAP_PARAMS;
use super::{Parameter, RequestedMechanism, find, piece, wrong};
use crate::error::{Reason, Result};
use crate::mechanism::{Mechanism, Params, ParamsShape};
use crate::session::message_iv::MAX_IV;
use pkcs11_sys::*;

/// The shortest IV that is made for a wrapped key, in bytes, and the longest tag, in bits.
const MIN_IV: CK_ULONG = 12;
const MAX_TAG: CK_ULONG = 128;

/// Reads the mechanism of `C_WrapKey`, and where the IV goes that is made for it.
///
/// # Safety
/// As [`super::read`].
pub(crate) unsafe fn read_for_wrap(
    mechanism: *const CK_MECHANISM,
) -> Result<(Mechanism, Option<IvField>)> {
    // SAFETY: this function asks the same of `mechanism`, whose parameter has what it points to.
    match unsafe { gcm(mechanism, CKF_WRAP) }? {
        // SAFETY: the parameter is NULL or has its length, with pointers that are valid too.
        Some((id, parameter)) => unsafe {
            let raw = parameter.structure::<CK_GCM_WRAP_PARAMS>()?;
            let iv = IvField::of_key(&raw);
            Ok((Mechanism { id, params: params_of(&raw, iv.room()?)? }, Some(iv)))
        },
        None => {
            // SAFETY: this function asks the same of `mechanism`.
            let asked: RequestedMechanism = unsafe { super::read(mechanism, CKF_WRAP) }?;
            Ok((asked.mechanism, None))
        }
    }
}

/// Reads the mechanism of `C_UnwrapKey`. AES-GCM has the parameter that it is wrapped with, or the one that it
/// encrypts with.
///
/// # Safety
/// As [`super::read`].
pub(crate) unsafe fn read_for_unwrap(mechanism: *const CK_MECHANISM) -> Result<Mechanism> {
    // SAFETY: this function asks the same of `mechanism`, whose parameter has what it points to.
    match unsafe { gcm(mechanism, CKF_UNWRAP) }? {
        Some((id, parameter)) if parameter.len == size_of::<CK_GCM_WRAP_PARAMS>() as CK_ULONG => {
            // SAFETY: the parameter is NULL or has its length, with pointers that are valid too.
            unsafe {
                let raw = parameter.structure::<CK_GCM_WRAP_PARAMS>()?;
                Ok(Mechanism { id, params: params_of(&raw, IvField::of_key(&raw).given()?)? })
            }
        }
        // SAFETY: this function asks the same of `mechanism`.
        _ => unsafe { super::read_for_unwrap(mechanism) }.map(|asked| asked.mechanism),
    }
}

/// Finds the parameter of a mechanism like AES-GCM; none of another.
///
/// # Safety
/// As [`find`].
unsafe fn gcm(mechanism: *const CK_MECHANISM, does: CK_FLAGS) -> Result<Option<(u64, Parameter)>> {
    // SAFETY: this function asks the same of `mechanism`.
    let found = unsafe { find(mechanism, does) }?;
    let like_gcm = found.filter(|(row, _)| row.params == ParamsShape::Gcm);
    Ok(like_gcm.map(|(row, parameter)| (row.id, parameter)))
}

/// Returns the parameter with this IV.
///
/// # Safety
/// `pAAD` is NULL or valid for reads of `ulAADLen` bytes.
unsafe fn params_of(raw: &CK_GCM_WRAP_PARAMS, iv: Vec<u8>) -> Result<Params> {
    // SAFETY: this function asks the same of `pAAD`.
    let aad = unsafe { piece(raw.pAAD.cast_const(), raw.ulAADLen) }?;
    Ok(Params::Gcm { iv, aad, tag_bits: raw.ulTagBits })
}

/// The IV in a parameter of AES-GCM: room for the one that is made, or the one that was.
pub(crate) struct IvField {
    start: CK_BYTE_PTR,
    len: CK_ULONG,
    fixed_bits: CK_ULONG,
    generator: CK_GENERATOR_FUNCTION,
}

impl IvField {
    fn of_key(raw: &CK_GCM_WRAP_PARAMS) -> Self {
        let CK_GCM_WRAP_PARAMS { pIv, ulIvLen, ulIvFixedBits, ivGenerator, .. } = *raw;
        Self { start: pIv, len: ulIvLen, fixed_bits: ulIvFixedBits, generator: ivGenerator }
    }

    fn of_message(raw: &CK_GCM_MESSAGE_PARAMS) -> Self {
        let CK_GCM_MESSAGE_PARAMS { pIv, ulIvLen, ulIvFixedBits, ivGenerator, .. } = *raw;
        Self { start: pIv, len: ulIvLen, fixed_bits: ulIvFixedBits, generator: ivGenerator }
    }

    /// Returns room for an IV as long as the caller's. The token makes all of it, whichever way the caller
    /// names: one that comes from outside could be one that was used before.
    pub(crate) fn room(&self) -> Result<Vec<u8>> {
        if !matches!(self.generator, CKG_GENERATE | CKG_GENERATE_COUNTER | CKG_GENERATE_RANDOM) {
            return Err(wrong("the token makes the IV of what it wraps"));
        }
        if self.fixed_bits != 0 {
            return Err(wrong("the token makes all of the IV of what it wraps"));
        }
        match usize::try_from(self.len).ok().filter(|len| *len <= MAX_IV) {
            Some(len) if self.len >= MIN_IV && !self.start.is_null() => Ok(vec![0; len]),
            _ => Err(wrong("the room for the IV")),
        }
    }

    /// Returns the IV that the caller gives.
    ///
    /// # Safety
    /// The field is NULL or valid for reads of its length.
    pub(crate) unsafe fn given(&self) -> Result<Vec<u8>> {
        match self.len {
            0 => Err(wrong("an empty IV")),
            // SAFETY: this function asks the same of the field.
            len => unsafe { piece(self.start.cast_const(), len) },
        }
    }

    /// Leaves the IV that was made with the caller.
    ///
    /// # Safety
    /// The field is valid for writes of its length, which `made` has.
    pub(crate) unsafe fn put(&self, made: &[u8]) {
        // SAFETY: this function asks the same of the field.
        unsafe { self.start.copy_from(made.as_ptr(), made.len()) }
    }
}

/// The parameter of a key that is wrapped as a message: AES-GCM's.
pub(crate) struct WrapMessage {
    id: u64,
    pub(crate) iv: IvField,
    tag: CK_BYTE_PTR,
    tag_len: usize,
}

impl WrapMessage {
    /// Reads the mechanism of an authenticated wrapping.
    ///
    /// # Safety
    /// `mechanism` is NULL or valid for reads; its parameter is NULL or valid for reads of its length.
    pub(crate) unsafe fn read(mechanism: *const CK_MECHANISM) -> Result<Self> {
        if mechanism.is_null() {
            return Err(Reason::ArgumentsBad.detail("no mechanism"));
        }
        // SAFETY: this function asks the same of `mechanism`.
        let gcm = unsafe { gcm(mechanism, CKF_WRAP) }?;
        let (id, parameter) = gcm.ok_or(Reason::MechanismInvalid)?;
        // SAFETY: the parameter is NULL or has its length.
        let raw = unsafe { parameter.structure::<CK_GCM_MESSAGE_PARAMS>() }?;
        let bits = raw.ulTagBits;
        if bits > MAX_TAG || !bits.is_multiple_of(8) || raw.pTag.is_null() {
            return Err(wrong("the tag, or its length"));
        }
        let tag_len = usize::try_from(bits / 8).map_err(|_| wrong("the tag's length"))?;
        Ok(Self { id, iv: IvField::of_message(&raw), tag: raw.pTag, tag_len })
    }

    /// Returns the mechanism with this IV and associated data.
    pub(crate) fn mechanism(&self, iv: Vec<u8>, aad: &[u8]) -> Mechanism {
        let tag_bits = self.tag_len as u64 * 8;
        Mechanism { id: self.id, params: Params::Gcm { iv, aad: aad.to_vec(), tag_bits } }
    }

    /// Returns the wrapped key and its tag, which stands behind it.
    pub(crate) fn apart<'w>(&self, wrapped: &'w [u8]) -> Result<(&'w [u8], &'w [u8])> {
        let text = wrapped.len().checked_sub(self.tag_len).ok_or(Reason::General)?;
        wrapped.split_at_checked(text).ok_or_else(|| Reason::General.into())
    }

    /// Returns the wrapped key with the caller's tag behind it.
    ///
    /// # Safety
    /// The tag is valid for reads of its length.
    pub(crate) unsafe fn with_tag(&self, wrapped: &[u8]) -> Result<Vec<u8>> {
        // SAFETY: this function asks the same of the tag.
        let tag = unsafe { buffer::input(self.tag.cast_const(), self.tag_len as CK_ULONG) }?;
        Ok([wrapped, tag].concat())
    }

    /// Leaves the tag with the caller.
    ///
    /// # Safety
    /// The caller's tag is valid for writes of its length, which `tag` has.
    pub(crate) unsafe fn put_tag(&self, tag: &[u8]) {
        // SAFETY: this function asks the same of the caller's tag.
        unsafe { self.tag.copy_from(tag.as_ptr(), tag.len()) }
    }
}
