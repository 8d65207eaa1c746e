//! `CK_MECHANISM` and the structures its parameter can be, one reader each, chosen by the
//! mechanism's row.

/// A structure of C's numbers and pointers.
///
/// # Safety
/// Any bytes are one: no field is a reference, a `bool` or an `enum` of Rust's.
unsafe trait CStructure: Copy {}

macro_rules! c_structures {
    ($($name:ty),* $(,)?) => {
        $(
            // SAFETY: numbers and raw pointers only, for which any bytes are a value.
            unsafe impl $crate::ffi::params::CStructure for $name {}
        )*
    };
}

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
    /// The parameter as the caller has it, by which some mechanisms give something back.
    parameter: Parameter,
}

/// A call's pointer to its mechanism, which is read once the call has got so far.
#[derive(Clone, Copy)]
pub(crate) struct MechanismPtr(*const CK_MECHANISM);

impl MechanismPtr {
    /// Takes the caller's pointer.
    ///
    /// # Safety
    /// Until the call returns `mechanism` is NULL or valid for reads, and its parameter is as
    /// [`Parameter::new`] asks.
    pub(crate) const unsafe fn new(mechanism: *const CK_MECHANISM) -> Self {
        Self(mechanism)
    }

    /// Reads the mechanism of a call that needs one, and does with it what a `CKF_` flag says.
    pub(crate) fn read(self, does: CK_FLAGS) -> Result<RequestedMechanism> {
        self.read_or_cancel(does)?.ok_or_else(no_mechanism)
    }

    /// Reads the mechanism of an Init, which does with it what a `CKF_` flag says; none cancels the operation
    /// (PKCS#11 3.1, 5.8.1).
    #[inline]
    pub(crate) fn read_or_cancel(self, does: CK_FLAGS) -> Result<Option<RequestedMechanism>> {
        let asked = self.read_lenient(does)?;
        match asked {
            Some(RequestedMechanism {
                row: MechanismRow { params: ParamsShape::Oaep, .. },
                ref mechanism,
                ..
            }) if mechanism.params == Params::None => {
                Err(Reason::MechanismParam.detail("OAEP needs its parameter here"))
            }
            asked => Ok(asked),
        }
    }

    /// Reads the row of an Init for messages; none cancels. The parameters come with the messages: callers
    /// give the Init one too, or not, and it says nothing that the messages' own do not.
    pub(crate) fn row_or_cancel(self) -> Result<Option<&'static MechanismRow>> {
        self.given().map(|(id, _)| mechanism::find(id)).transpose()
    }

    /// Reads the mechanism of `C_UnwrapKey`, where OAEP without a parameter has a default.
    fn read_for_unwrap(self) -> Result<RequestedMechanism> {
        self.read_lenient(CKF_UNWRAP)?.ok_or_else(no_mechanism)
    }

    /// Reads a mechanism; one that does not do what the `CKF_` flag says is invalid whatever its parameter is.
    #[inline]
    fn read_lenient(self, does: CK_FLAGS) -> Result<Option<RequestedMechanism>> {
        let Some((row, parameter)) = self.find(does)? else { return Ok(None) };
        let params = parameter.read(row.params)?;
        Ok(Some(RequestedMechanism { row, mechanism: Mechanism { id: row.id, params }, parameter }))
    }

    /// Finds the row of a mechanism, and its parameter unread; none where there is no mechanism.
    #[inline]
    fn find(self, does: CK_FLAGS) -> Result<Option<(&'static MechanismRow, Parameter)>> {
        let Some((id, parameter)) = self.given() else { return Ok(None) };
        let row = mechanism::find(id)?;
        match row.flags() & does {
            0 => Err(Reason::MechanismInvalid.into()),
            _ => Ok(Some((row, parameter))),
        }
    }

    /// Copies the caller's structure out, which need not be aligned: its number and its parameter.
    #[inline]
    fn given(self) -> Option<(CK_MECHANISM_TYPE, Parameter)> {
        let mechanism = NonNull::new(self.0.cast_mut())?;
        // SAFETY: not NULL, so `new`'s caller promised a mechanism that can be read.
        let given = unsafe { mechanism.read_unaligned() };
        // SAFETY: `new`'s caller promised that of its parameter.
        let parameter = unsafe { Parameter::new(given.pParameter, given.ulParameterLen) };
        Some((given.mechanism, parameter))
    }
}

c_structures!(
    CK_ULONG,
    CK_RSA_PKCS_OAEP_PARAMS,
    CK_RSA_PKCS_PSS_PARAMS,
    CK_RSA_AES_KEY_WRAP_PARAMS,
);

#[cold]
fn no_mechanism() -> Error {
    Reason::ArgumentsBad.detail("no mechanism")
}

/// A mechanism's parameter as the caller has it, or a structure that one points to: NULL, or `len` bytes at
/// `start`. It lives no longer than the call.
struct Parameter {
    start: *const c_void,
    len: CK_ULONG,
}

impl Parameter {
    /// Takes a parameter of the caller's.
    ///
    /// # Safety
    /// Until the call returns `start` is NULL or valid for reads of `len` bytes. Each pointer in the structure
    /// there is NULL or valid for the length beside it: for writes where the mechanism gives something back by
    /// it, else for reads.
    const unsafe fn new(start: *const c_void, len: CK_ULONG) -> Self {
        Self { start, len }
    }

    #[inline]
    fn read(&self, shape: ParamsShape) -> Result<Params> {
        match (self.len, shape) {
            (0, ParamsShape::None | ParamsShape::Bytes) => Ok(Params::None),
            _ => self.read_structure(shape),
        }
    }

    fn read_structure(&self, shape: ParamsShape) -> Result<Params> {
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
        match shape {
            ParamsShape::None => Err(wrong("no parameter is taken")),
            ParamsShape::Bytes => Ok(Params::Bytes(self.bytes()?)),
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

    /// Copies a parameter that is bytes.
    fn bytes(&self) -> Result<Vec<u8>> {
        // SAFETY: `start` is NULL or has `len` bytes, as `new`'s caller promised.
        unsafe { piece(self.start.cast(), self.len) }
    }

    /// Copies the structure out, which callers do not always align.
    fn structure<T: CStructure>(&self) -> Result<T> {
        match self.len == size_of::<T>() as CK_ULONG && !self.start.is_null() {
            // SAFETY: not NULL, so `new`'s caller promised `len` bytes, as many as a `T` has; any are one.
            true => Ok(unsafe { self.start.cast::<T>().read_unaligned() }),
            false => Err(wrong("the parameter's length")),
        }
    }

    fn oaep(&self) -> Result<Params> {
        let oaep = self.structure()?;
        // SAFETY: the structure is the parameter itself, so its label is the caller's.
        let (hash, mgf, label) = unsafe { padding(oaep) }?;
        Ok(Params::Oaep { hash, mgf, label })
    }

    fn pss(&self) -> Result<Params> {
        let pss = self.structure::<CK_RSA_PKCS_PSS_PARAMS>()?;
        Ok(Params::Pss { hash: hash(pss.hashAlg)?, mgf: mask(pss.mgf)?, salt_len: pss.sLen })
    }

    fn rsa_aes(&self) -> Result<Params> {
        let wrap = self.structure::<CK_RSA_AES_KEY_WRAP_PARAMS>()?;
        let oaep = NonNull::new(wrap.pOAEPParams).ok_or_else(|| wrong("the OAEP parameter"))?;
        // SAFETY: `pOAEPParams` is not NULL, so it leads to OAEP's structure, which need not be aligned.
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
mod tests;
