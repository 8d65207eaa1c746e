//! The parameters of AES-GCM where it wraps keys (PKCS#11 3.2, 6.13.4 and 6.13.7): those of `C_WrapKey`, and those
//! of a message. The token makes the IV, in the caller's room.

use super::super::buffer;
use super::super::list_3_2::CK_GCM_WRAP_PARAMS;
use super::{MechanismPtr, Parameter, no_mechanism, piece, wrong};
use crate::error::{Reason, Result};
use crate::mechanism::{Mechanism, Params, ParamsShape};
use crate::session::message_iv::MAX_IV;
use pkcs11_sys::*;

/// The shortest IV that is made for a wrapped key, in bytes, and the longest tag, in bits.
const MIN_IV: CK_ULONG = 12;
const MAX_TAG: CK_ULONG = 128;

c_structures!(CK_GCM_WRAP_PARAMS, CK_GCM_MESSAGE_PARAMS);

impl MechanismPtr {
    /// Reads the mechanism of `C_WrapKey`, and where the IV goes that is made for it.
    pub(crate) fn read_to_wrap(self) -> Result<(Mechanism, Option<IvField>)> {
        match self.gcm(CKF_WRAP)? {
            Some((id, parameter)) => {
                let raw = parameter.structure::<CK_GCM_WRAP_PARAMS>()?;
                let iv = IvField::of_key(&raw);
                Ok((Mechanism { id, params: parameter.gcm_of_key(&raw, iv.room()?)? }, Some(iv)))
            }
            None => Ok((self.read(CKF_WRAP)?.mechanism, None)),
        }
    }

    /// Reads the mechanism of `C_UnwrapKey`. AES-GCM has the parameter that it is wrapped with, or the one that it
    /// encrypts with.
    pub(crate) fn read_to_unwrap(self) -> Result<Mechanism> {
        match self.gcm(CKF_UNWRAP)? {
            Some((id, parameter))
                if parameter.len == size_of::<CK_GCM_WRAP_PARAMS>() as CK_ULONG =>
            {
                let raw = parameter.structure::<CK_GCM_WRAP_PARAMS>()?;
                let iv = IvField::of_key(&raw).given()?;
                Ok(Mechanism { id, params: parameter.gcm_of_key(&raw, iv)? })
            }
            _ => Ok(self.read_for_unwrap()?.mechanism),
        }
    }

    /// Reads the mechanism of an authenticated wrapping.
    pub(crate) fn read_wrap_message(self) -> Result<WrapMessage> {
        if self.0.is_null() {
            return Err(no_mechanism());
        }
        let (id, parameter) = self.gcm(CKF_WRAP)?.ok_or(Reason::MechanismInvalid)?;
        let raw = parameter.structure::<CK_GCM_MESSAGE_PARAMS>()?;
        let bits = raw.ulTagBits;
        if bits > MAX_TAG || !bits.is_multiple_of(8) || raw.pTag.is_null() {
            return Err(wrong("the tag, or its length"));
        }
        let tag_len = usize::try_from(bits / 8).map_err(|_| wrong("the tag's length"))?;
        Ok(WrapMessage { id, iv: IvField::of_message(&raw), tag: raw.pTag, tag_len })
    }

    /// Finds the parameter of a mechanism like AES-GCM; none of another.
    fn gcm(self, does: CK_FLAGS) -> Result<Option<(u64, Parameter)>> {
        let like_gcm = self.find(does)?.filter(|(row, _)| row.params == ParamsShape::Gcm);
        Ok(like_gcm.map(|(row, parameter)| (row.id, parameter)))
    }
}

impl Parameter {
    /// Returns AES-GCM's parameter for a key, with this IV.
    fn gcm_of_key(&self, raw: &CK_GCM_WRAP_PARAMS, iv: Vec<u8>) -> Result<Params> {
        // SAFETY: `raw` is the structure at `start`, and `pAAD` has the length beside it.
        let aad = unsafe { piece(raw.pAAD.cast_const(), raw.ulAADLen) }?;
        Ok(Params::Gcm { iv, aad, tag_bits: raw.ulTagBits })
    }
}

/// The IV in a parameter of AES-GCM: room for the one that is made, or the one that was. It is as the caller of
/// [`Parameter::new`] promised: NULL, or valid for its length, and for writes where the token makes it.
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
    pub(crate) fn given(&self) -> Result<Vec<u8>> {
        match self.len {
            0 => Err(wrong("an empty IV")),
            // SAFETY: `start` is NULL or has `len` bytes, see `IvField`.
            len => unsafe { piece(self.start.cast_const(), len) },
        }
    }

    /// Leaves the IV that was made in its [`room`](Self::room) with the caller.
    pub(crate) fn put(&self, made: &[u8]) -> Result<()> {
        // SAFETY: `start` is NULL or has room for `len` bytes, see `IvField`.
        unsafe { put(self.start, self.len, made) }
    }
}

/// Leaves bytes with the caller, in room of just their length.
///
/// # Safety
/// `start` is NULL or valid for writes of `len` bytes.
unsafe fn put(start: *mut CK_BYTE, len: CK_ULONG, made: &[u8]) -> Result<()> {
    if start.is_null() || len != made.len() as CK_ULONG {
        return Err(Reason::General.detail("other room than was read"));
    }
    // SAFETY: not NULL, so this function's caller promises room for `len` bytes, as many as there are.
    unsafe { start.copy_from(made.as_ptr(), made.len()) };
    Ok(())
}

/// The parameter of a key that is wrapped as a message: AES-GCM's. The tag is as the caller of [`Parameter::new`]
/// promised: valid for its length, and for writes where the token makes it.
pub(crate) struct WrapMessage {
    id: u64,
    pub(crate) iv: IvField,
    tag: CK_BYTE_PTR,
    tag_len: usize,
}

impl WrapMessage {
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
    pub(crate) fn with_tag(&self, wrapped: &[u8]) -> Result<Vec<u8>> {
        // SAFETY: `tag` is the caller's, with `tag_len` bytes, see `WrapMessage`.
        let tag = unsafe { buffer::input(self.tag.cast_const(), self.tag_len as CK_ULONG) }?;
        Ok([wrapped, tag].concat())
    }

    /// Leaves the tag with the caller.
    pub(crate) fn put_tag(&self, tag: &[u8]) -> Result<()> {
        // SAFETY: `tag` is the caller's room for `tag_len` bytes, see `WrapMessage`.
        unsafe { put(self.tag, self.tag_len as CK_ULONG, tag) }
    }
}
