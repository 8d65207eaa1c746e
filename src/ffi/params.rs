//! `CK_MECHANISM` and the structures its parameter can be, one reader each, chosen by the
//! mechanism's row.

mod ciphers;
pub(super) mod derivation;
pub(super) mod kbkdf;
mod signing;
pub(super) mod tls;
pub(crate) mod wrapping;

pub(super) use ciphers::nonce_bytes;

use super::buffer;
use crate::error::{Error, Reason, Result};
use crate::mechanism::{self, Hash, Mechanism, MechanismRow, Params, ParamsShape};
use pkcs11_sys::*;
use std::ffi::c_void;
use std::ptr::NonNull;

/// A mechanism that is known, with its parameter.
pub(crate) struct RequestedMechanism {
    /// The mechanism's row.
    pub row: &'static MechanismRow,
    /// Its number and parameter.
    pub mechanism: Mechanism,
}

/// Reads the mechanism of a call that needs one, and does with it what a `CKF_` flag says.
///
/// # Safety
/// `mechanism` is NULL or valid for reads; its parameter is NULL or valid for reads of its length, and
/// so are the pointers in it.
pub(crate) unsafe fn read(
    mechanism: *const CK_MECHANISM,
    does: CK_FLAGS,
) -> Result<RequestedMechanism> {
    // SAFETY: this function asks the same of `mechanism`.
    match unsafe { read_or_cancel(mechanism, does) }? {
        Some(asked) => Ok(asked),
        None => Err(Reason::ArgumentsBad.detail("no mechanism")),
    }
}

/// Reads the mechanism of an Init, which does with it what a `CKF_` flag says; none cancels the operation
/// (PKCS#11 3.1, 5.8.1).
///
/// # Safety
/// As [`read`].
#[inline]
pub(crate) unsafe fn read_or_cancel(
    mechanism: *const CK_MECHANISM,
    does: CK_FLAGS,
) -> Result<Option<RequestedMechanism>> {
    // SAFETY: this function asks the same of `mechanism`.
    let asked = unsafe { read_lenient(mechanism, does) }?;
    match asked {
        Some(RequestedMechanism {
            row: MechanismRow { params: ParamsShape::Oaep, .. },
            ref mechanism,
        }) if mechanism.params == Params::None => {
            Err(Reason::MechanismParam.detail("OAEP needs its parameter here"))
        }
        asked => Ok(asked),
    }
}

/// Reads the row of an Init for messages; none cancels. The parameters come with the messages: callers
/// give the Init one too, or not, and it says nothing that the messages' own do not.
///
/// # Safety
/// `mechanism` is NULL or valid for reads.
pub(crate) unsafe fn row_or_cancel(
    mechanism: *const CK_MECHANISM,
) -> Result<Option<&'static MechanismRow>> {
    let Some(mechanism) = NonNull::new(mechanism.cast_mut()) else { return Ok(None) };
    // SAFETY: not NULL, so there is a mechanism; only its number is used.
    mechanism::find(unsafe { mechanism.read_unaligned() }.mechanism).map(Some)
}

/// Reads the mechanism of `C_UnwrapKey`, where OAEP without a parameter has a default.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn read_for_unwrap(mechanism: *const CK_MECHANISM) -> Result<RequestedMechanism> {
    // SAFETY: this function asks the same of `mechanism`.
    unsafe { read_lenient(mechanism, CKF_UNWRAP) }?
        .ok_or_else(|| Reason::ArgumentsBad.detail("no mechanism"))
}

/// Reads a mechanism; one that does not do what the `CKF_` flag says is invalid whatever its parameter is.
///
/// # Safety
/// As [`read`].
#[inline]
unsafe fn read_lenient(
    mechanism: *const CK_MECHANISM,
    does: CK_FLAGS,
) -> Result<Option<RequestedMechanism>> {
    // SAFETY: this function asks the same of `mechanism`.
    let Some((row, parameter)) = unsafe { find(mechanism, does) }? else { return Ok(None) };
    // SAFETY: the mechanism's parameter is NULL or has its length, with pointers that are valid too.
    let params = unsafe { parameter.read(row.params) }?;
    Ok(Some(RequestedMechanism { row, mechanism: Mechanism { id: row.id, params } }))
}

/// Finds the row of a mechanism, and its parameter unread; none where there is no mechanism.
///
/// # Safety
/// `mechanism` is NULL or valid for reads. What [`Parameter`] asks for is promised by the caller of this
/// function.
#[inline]
unsafe fn find(
    mechanism: *const CK_MECHANISM,
    does: CK_FLAGS,
) -> Result<Option<(&'static MechanismRow, Parameter)>> {
    let Some(mechanism) = NonNull::new(mechanism.cast_mut()) else { return Ok(None) };
    // SAFETY: not NULL, so there is a mechanism; it need not be aligned.
    let CK_MECHANISM { mechanism: id, pParameter, ulParameterLen } =
        unsafe { mechanism.read_unaligned() };
    let row = mechanism::find(id)?;
    match row.flags() & does {
        0 => Err(Reason::MechanismInvalid.into()),
        _ => Ok(Some((row, Parameter { start: pParameter, len: ulParameterLen }))),
    }
}

/// A mechanism's parameter as the caller has it: NULL, or `len` bytes at `start`.
///
/// # Safety
/// That holds for every reader here: `start` is NULL or valid for reads of `len` bytes, and so is each
/// pointer in the structure there for the length beside it.
struct Parameter {
    start: *const c_void,
    len: CK_ULONG,
}

impl Parameter {
    #[inline]
    unsafe fn read(&self, shape: ParamsShape) -> Result<Params> {
        match (self.len, shape) {
            (0, ParamsShape::None | ParamsShape::Bytes) => Ok(Params::None),
            // SAFETY: see `Parameter`.
            _ => unsafe { self.read_structure(shape) },
        }
    }

    unsafe fn read_structure(&self, shape: ParamsShape) -> Result<Params> {
        if self.len == 0 {
            return match shape {
                ParamsShape::None
                | ParamsShape::Bytes
                | ParamsShape::Oaep
                | ParamsShape::Eddsa
                | ParamsShape::SignContext => Ok(Params::None),
                _ => Err(wrong("a parameter is needed")),
            };
        }
        if self.start.is_null() {
            return Err(wrong("a length without a parameter"));
        }
        // SAFETY: not NULL, so there are `len` bytes; each reader compares `len` with its structure.
        unsafe {
            match shape {
                ParamsShape::None => Err(wrong("no parameter is taken")),
                ParamsShape::Bytes => Ok(Params::Bytes(piece(self.start.cast(), self.len)?)),
                ParamsShape::Ctr => self.ctr(),
                ParamsShape::Gcm => self.gcm(),
                ParamsShape::Gmac => self.gmac(),
                ParamsShape::Ccm => self.ccm(),
                ParamsShape::ChaCha => self.chacha(),
                ParamsShape::Oaep => self.oaep(),
                ParamsShape::Pss => self.pss(),
                ParamsShape::RsaAes => self.rsa_aes(),
                ParamsShape::Ecdh => self.ecdh(),
                ParamsShape::Hkdf => self.hkdf(),
                ParamsShape::Eddsa => self.eddsa(),
                ParamsShape::SignContext => self.sign_context(),
                ParamsShape::HashSignContext => self.hash_sign_context(),
                ParamsShape::Length => Ok(Params::Length(self.structure()?)),
                ParamsShape::Data => self.data(),
                ParamsShape::CbcData => self.cbc_data(),
                ParamsShape::FirstBit => Ok(Params::FirstBit(self.structure()?)),
                ParamsShape::Key => Ok(Params::Key(self.structure()?)),
                ParamsShape::Kbkdf => self.kbkdf(),
                ParamsShape::KbkdfFeedback => self.kbkdf_feedback(),
                ParamsShape::Pbkdf2 => self.pbkdf2(),
                ParamsShape::Version => self.version(),
                ParamsShape::TlsMaster => self.tls_master(),
                ParamsShape::TlsExtendedMaster => self.tls_extended_master(),
                ParamsShape::TlsKeys => self.tls_keys(true),
                ParamsShape::TlsKeysWithoutIvs => self.tls_keys(false),
                ParamsShape::TlsExport => self.tls_export(),
                ParamsShape::TlsMac => self.tls_mac(),
            }
        }
    }

    /// Copies the structure out, which callers do not always align.
    unsafe fn structure<T: Copy>(&self) -> Result<T> {
        match self.len == size_of::<T>() as CK_ULONG && !self.start.is_null() {
            // SAFETY: not NULL, so `len` bytes are there, as many as a `T` has; structures of C's numbers and
            // pointers have no invalid bytes.
            true => Ok(unsafe { self.start.cast::<T>().read_unaligned() }),
            false => Err(wrong("the parameter's length")),
        }
    }

    unsafe fn oaep(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL; the label has the length beside it.
        let (hash, mgf, label) = unsafe { padding(self.structure()?) }?;
        Ok(Params::Oaep { hash, mgf, label })
    }

    unsafe fn pss(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let pss = unsafe { self.structure::<CK_RSA_PKCS_PSS_PARAMS>() }?;
        Ok(Params::Pss { hash: hash(pss.hashAlg)?, mgf: mask(pss.mgf)?, salt_len: pss.sLen })
    }

    unsafe fn rsa_aes(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let wrap = unsafe { self.structure::<CK_RSA_AES_KEY_WRAP_PARAMS>() }?;
        let oaep = NonNull::new(wrap.pOAEPParams).ok_or_else(|| wrong("the OAEP parameter"))?;
        // SAFETY: `pOAEPParams` is not NULL, so there is a structure; the label has the length beside it.
        let (hash, mgf, label) = unsafe { padding(oaep.read_unaligned()) }?;
        Ok(Params::RsaAes { aes_bits: wrap.ulAESKeyBits, hash, mgf, label })
    }
}

/// Reads the hash, the mask's hash and the label of OAEP.
///
/// # Safety
/// `pSourceData` is NULL or valid for reads of `ulSourceDataLen` bytes.
unsafe fn padding(oaep: CK_RSA_PKCS_OAEP_PARAMS) -> Result<(Hash, Hash, Vec<u8>)> {
    if oaep.source != CKZ_DATA_SPECIFIED && (oaep.source, oaep.ulSourceDataLen) != (0, 0) {
        return Err(wrong("the source of the OAEP label"));
    }
    // SAFETY: `pSourceData` is NULL or has `ulSourceDataLen` bytes.
    let label = unsafe { piece(oaep.pSourceData.cast(), oaep.ulSourceDataLen) }?;
    Ok((hash(oaep.hashAlg)?, mask(oaep.mgf)?, label))
}

/// Copies bytes that a structure points to, [`buffer::MAX_PIECE`] at most.
///
/// # Safety
/// `start` is NULL or valid for reads of `len` bytes.
unsafe fn piece(start: *const CK_BYTE, len: CK_ULONG) -> Result<Vec<u8>> {
    // SAFETY: this function asks the same of `start` and `len`.
    let piece = unsafe { buffer::piece(start, len) };
    Ok(piece.map_err(|_| wrong("a piece that is too long, or not there"))?.to_vec())
}

fn hash(mechanism: CK_MECHANISM_TYPE) -> Result<Hash> {
    match mechanism {
        CKM_SHA_1 => Ok(Hash::Sha1),
        CKM_SHA224 => Ok(Hash::Sha224),
        CKM_SHA256 => Ok(Hash::Sha256),
        CKM_SHA384 => Ok(Hash::Sha384),
        CKM_SHA512 => Ok(Hash::Sha512),
        CKM_SHA512_224 => Ok(Hash::Sha512_224),
        CKM_SHA512_256 => Ok(Hash::Sha512_256),
        CKM_SHA3_224 => Ok(Hash::Sha3_224),
        CKM_SHA3_256 => Ok(Hash::Sha3_256),
        CKM_SHA3_384 => Ok(Hash::Sha3_384),
        CKM_SHA3_512 => Ok(Hash::Sha3_512),
        _ => Err(wrong("the hash")),
    }
}

fn mask(generator: CK_RSA_PKCS_MGF_TYPE) -> Result<Hash> {
    match generator {
        CKG_MGF1_SHA1 => Ok(Hash::Sha1),
        CKG_MGF1_SHA224 => Ok(Hash::Sha224),
        CKG_MGF1_SHA256 => Ok(Hash::Sha256),
        CKG_MGF1_SHA384 => Ok(Hash::Sha384),
        CKG_MGF1_SHA512 => Ok(Hash::Sha512),
        CKG_MGF1_SHA3_224 => Ok(Hash::Sha3_224),
        CKG_MGF1_SHA3_256 => Ok(Hash::Sha3_256),
        CKG_MGF1_SHA3_384 => Ok(Hash::Sha3_384),
        CKG_MGF1_SHA3_512 => Ok(Hash::Sha3_512),
        _ => Err(wrong("the mask generation function")),
    }
}

#[cold]
fn wrong(what: &str) -> Error {
    Reason::MechanismParam.detail(what)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks
)]
mod tests;
