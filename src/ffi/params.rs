//! `CK_MECHANISM` and the structures its parameter can be, one reader each, chosen by the
//! mechanism's row.

use super::buffer;
use crate::error::{Error, Reason, Result};
use crate::mechanism::{self, Hash, Mechanism, Params, ParamsShape, Row, Salt};
use pkcs11_sys::*;
use std::ffi::c_void;
use std::ptr::NonNull;

/// The longest piece of a parameter, in bytes.
const MAX_PIECE: CK_ULONG = 1 << 20;

/// A mechanism that is known, with its parameter.
pub(crate) struct Asked {
    /// The mechanism's row.
    pub row: &'static Row,
    /// Its number and parameter.
    pub mechanism: Mechanism,
}

/// Reads the mechanism of a call that needs one, and does with it what a `CKF_` flag says.
///
/// # Safety
/// `mechanism` is NULL or valid for reads; its parameter is NULL or valid for reads of its length, and
/// so are the pointers in it.
pub(crate) unsafe fn read(mechanism: *const CK_MECHANISM, does: CK_FLAGS) -> Result<Asked> {
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
) -> Result<Option<Asked>> {
    // SAFETY: this function asks the same of `mechanism`.
    let asked = unsafe { read_lenient(mechanism, does) }?;
    match asked {
        Some(Asked { row: Row { params: ParamsShape::Oaep, .. }, ref mechanism })
            if mechanism.params == Params::None =>
        {
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
pub(crate) unsafe fn row_or_cancel(mechanism: *const CK_MECHANISM) -> Result<Option<&'static Row>> {
    let Some(mechanism) = NonNull::new(mechanism.cast_mut()) else { return Ok(None) };
    // SAFETY: not NULL, so there is a mechanism; only its number is used.
    mechanism::find(unsafe { mechanism.read_unaligned() }.mechanism).map(Some)
}

/// Reads the mechanism of `C_UnwrapKey`, where OAEP without a parameter has a default.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn read_for_unwrap(mechanism: *const CK_MECHANISM) -> Result<Asked> {
    // SAFETY: this function asks the same of `mechanism`.
    unsafe { read_lenient(mechanism, CKF_UNWRAP) }?
        .ok_or_else(|| Reason::ArgumentsBad.detail("no mechanism"))
}

/// Reads a mechanism; one that does not do what the `CKF_` flag says is invalid whatever its parameter is.
///
/// # Safety
/// As [`read`].
#[inline]
unsafe fn read_lenient(mechanism: *const CK_MECHANISM, does: CK_FLAGS) -> Result<Option<Asked>> {
    let Some(mechanism) = NonNull::new(mechanism.cast_mut()) else { return Ok(None) };
    // SAFETY: not NULL, so there is a mechanism; it need not be aligned.
    let CK_MECHANISM { mechanism: id, pParameter, ulParameterLen } =
        unsafe { mechanism.read_unaligned() };
    let row = mechanism::find(id)?;
    if row.flags() & does == 0 {
        return Err(Reason::MechanismInvalid.into());
    }
    let parameter = Parameter { start: pParameter, len: ulParameterLen };
    // SAFETY: the mechanism's parameter is NULL or has its length, with pointers that are valid too.
    let params = unsafe { parameter.read(row.params) }?;
    Ok(Some(Asked { row, mechanism: Mechanism { id, params } }))
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
                ParamsShape::None | ParamsShape::Bytes | ParamsShape::Oaep => Ok(Params::None),
                ParamsShape::Ctr
                | ParamsShape::Gcm
                | ParamsShape::Ccm
                | ParamsShape::Pss
                | ParamsShape::RsaAes
                | ParamsShape::Ecdh
                | ParamsShape::Hkdf
                | ParamsShape::Length => Err(wrong("a parameter is needed")),
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
                ParamsShape::Ccm => self.ccm(),
                ParamsShape::Oaep => self.oaep(),
                ParamsShape::Pss => self.pss(),
                ParamsShape::RsaAes => self.rsa_aes(),
                ParamsShape::Ecdh => self.ecdh(),
                ParamsShape::Hkdf => self.hkdf(),
                ParamsShape::Length => Ok(Params::Length(self.structure()?)),
            }
        }
    }

    /// Copies the structure out, which callers do not always align.
    unsafe fn structure<T: Copy>(&self) -> Result<T> {
        match self.len == size_of::<T>() as CK_ULONG {
            // SAFETY: `len` bytes are there, as many as a `T` has; structures of C's numbers and
            // pointers have no invalid bytes.
            true => Ok(unsafe { self.start.cast::<T>().read_unaligned() }),
            false => Err(wrong("the parameter's length")),
        }
    }

    unsafe fn ctr(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let ctr = unsafe { self.structure::<CK_AES_CTR_PARAMS>() }?;
        Ok(Params::Ctr { bits: ctr.ulCounterBits, block: ctr.cb })
    }

    /// Reads GCM's parameter. `ulIvBits` is ignored: callers leave it 0, or put something else there than eight times
    /// `ulIvLen`. Callers built with headers from before version 2.40 leave it out.
    unsafe fn gcm(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let gcm = unsafe {
            match self.len == size_of::<OldGcm>() as CK_ULONG {
                true => self.structure::<OldGcm>()?,
                false => OldGcm::from(self.structure::<CK_GCM_PARAMS>()?),
            }
        };
        // SAFETY: `iv` has `iv_len` bytes and `aad` has `aad_len`: both lengths stand beside the pointers.
        let (iv, aad) = unsafe { (piece(gcm.iv, gcm.iv_len)?, piece(gcm.aad, gcm.aad_len)?) };
        match iv.is_empty() {
            true => Err(wrong("an empty IV")),
            false => Ok(Params::Gcm { iv, aad, tag_bits: gcm.tag_bits }),
        }
    }

    unsafe fn ccm(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let ccm = unsafe { self.structure::<CK_CCM_PARAMS>() }?;
        Ok(Params::Ccm {
            data_len: ccm.ulDataLen,
            // SAFETY: `pNonce` has `ulNonceLen` bytes.
            nonce: unsafe { piece(ccm.pNonce, ccm.ulNonceLen) }?,
            // SAFETY: `pAAD` has `ulAADLen` bytes.
            aad: unsafe { piece(ccm.pAAD, ccm.ulAADLen) }?,
            tag_len: ccm.ulMACLen,
        })
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

    unsafe fn ecdh(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let ecdh = unsafe { self.structure::<CK_ECDH1_DERIVE_PARAMS>() }?;
        Ok(Params::Ecdh {
            hash: kdf(ecdh.kdf)?,
            // SAFETY: `pSharedData` has `ulSharedDataLen` bytes.
            shared: unsafe { piece(ecdh.pSharedData, ecdh.ulSharedDataLen) }?,
            // SAFETY: `pPublicData` has `ulPublicDataLen` bytes.
            public: unsafe { piece(ecdh.pPublicData, ecdh.ulPublicDataLen) }?,
        })
    }

    /// Reads HKDF's parameter. The salt belongs to the first step, `pInfo` to the second, and each is
    /// ignored without its step: pkcs11-provider names no kind of salt where it only expands.
    unsafe fn hkdf(&self) -> Result<Params> {
        // SAFETY: `read_structure` found `start` not NULL.
        let hkdf = unsafe { self.structure::<CK_HKDF_PARAMS>() }?;
        let (extract, expand) = (hkdf.bExtract != CK_FALSE, hkdf.bExpand != CK_FALSE);
        let salt = match hkdf.ulSaltType {
            _ if !extract => Salt::Bytes(Vec::new()),
            CKF_HKDF_SALT_NULL => Salt::Bytes(Vec::new()),
            // SAFETY: `pSalt` has `ulSaltLen` bytes where the salt is data.
            CKF_HKDF_SALT_DATA => Salt::Bytes(unsafe { piece(hkdf.pSalt, hkdf.ulSaltLen) }?),
            CKF_HKDF_SALT_KEY => Salt::Key(hkdf.hSaltKey),
            _ => return Err(wrong("the kind of salt")),
        };
        let info = match expand {
            // SAFETY: `pInfo` has `ulInfoLen` bytes where the second step is asked for.
            true => unsafe { piece(hkdf.pInfo, hkdf.ulInfoLen) }?,
            false => Vec::new(),
        };
        Ok(Params::Hkdf { extract, expand, hash: hash(hkdf.prfHashMechanism)?, salt, info })
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

/// ANSI X9.63's derivation function by the hash in it.
fn kdf(number: CK_EC_KDF_TYPE) -> Result<Option<Hash>> {
    Ok(match number {
        CKD_NULL => None,
        CKD_SHA1_KDF => Some(Hash::Sha1),
        CKD_SHA224_KDF => Some(Hash::Sha224),
        CKD_SHA256_KDF => Some(Hash::Sha256),
        CKD_SHA384_KDF => Some(Hash::Sha384),
        CKD_SHA512_KDF => Some(Hash::Sha512),
        CKD_SHA3_224_KDF => Some(Hash::Sha3_224),
        CKD_SHA3_256_KDF => Some(Hash::Sha3_256),
        CKD_SHA3_384_KDF => Some(Hash::Sha3_384),
        CKD_SHA3_512_KDF => Some(Hash::Sha3_512),
        _ => return Err(wrong("the derivation function")),
    })
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

/// `CK_GCM_PARAMS` before `ulIvBits` was put in.
#[repr(C)]
#[derive(Clone, Copy)]
struct OldGcm {
    iv: *const CK_BYTE,
    iv_len: CK_ULONG,
    aad: *const CK_BYTE,
    aad_len: CK_ULONG,
    tag_bits: CK_ULONG,
}

impl From<CK_GCM_PARAMS> for OldGcm {
    fn from(gcm: CK_GCM_PARAMS) -> Self {
        Self {
            iv: gcm.pIv,
            iv_len: gcm.ulIvLen,
            aad: gcm.pAAD,
            aad_len: gcm.ulAADLen,
            tag_bits: gcm.ulTagBits,
        }
    }
}

/// Copies bytes that a structure points to, `MAX_PIECE` at most.
///
/// # Safety
/// `start` is NULL or valid for reads of `len` bytes.
unsafe fn piece(start: *const CK_BYTE, len: CK_ULONG) -> Result<Vec<u8>> {
    if len > MAX_PIECE {
        return Err(wrong("a piece of it is too long"));
    }
    // SAFETY: this function asks the same of `start` and `len`.
    let piece = unsafe { buffer::input(start, len) };
    Ok(piece.map_err(|_| wrong("a length without data"))?.to_vec())
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
#[allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]
mod tests {
    use super::{Asked, OldGcm, read, read_for_unwrap, read_or_cancel};
    use crate::error::{Reason, Result};
    use crate::mechanism::{Hash, Params, Salt};
    use pkcs11_sys::*;
    use std::ptr::{null, null_mut};

    fn raw<T>(mechanism: CK_MECHANISM_TYPE, parameter: &T) -> CK_MECHANISM {
        CK_MECHANISM {
            mechanism,
            pParameter: (&raw const *parameter).cast_mut().cast(),
            ulParameterLen: size_of::<T>() as CK_ULONG,
        }
    }

    fn bare(mechanism: CK_MECHANISM_TYPE) -> CK_MECHANISM {
        CK_MECHANISM { mechanism, pParameter: null_mut(), ulParameterLen: 0 }
    }

    fn params(asked: Result<Asked>) -> Result<Params, Reason> {
        asked.map(|asked| asked.mechanism.params).map_err(|error| error.reason())
    }

    fn parse(mechanism: CK_MECHANISM) -> Result<Params, Reason> {
        params(unsafe { read(&mechanism, CK_FLAGS::MAX) })
    }

    fn gcm(iv: &mut [u8], aad: &mut [u8]) -> CK_GCM_PARAMS {
        CK_GCM_PARAMS {
            pIv: iv.as_mut_ptr(),
            ulIvLen: iv.len() as CK_ULONG,
            ulIvBits: 0,
            pAAD: aad.as_mut_ptr(),
            ulAADLen: aad.len() as CK_ULONG,
            ulTagBits: 128,
        }
    }

    #[test]
    fn gcm_is_read_with_and_without_iv_bits() {
        let (mut iv, mut aad) = ([1; 12], [2; 3]);
        let new = gcm(&mut iv, &mut aad);
        let expected = Params::Gcm { iv: vec![1; 12], aad: vec![2; 3], tag_bits: 128 };
        assert_eq!(parse(raw(CKM_AES_GCM, &new)), Ok(expected.clone()));
        assert_eq!(parse(raw(CKM_AES_GCM, &OldGcm::from(new))), Ok(expected));
    }

    #[test]
    fn ccm_is_read_and_a_nonce_that_is_not_there_is_refused() {
        let (mut nonce, mut aad) = ([1; 12], [2; 3]);
        let good = CK_CCM_PARAMS {
            ulDataLen: 40,
            pNonce: nonce.as_mut_ptr(),
            ulNonceLen: 12,
            pAAD: aad.as_mut_ptr(),
            ulAADLen: 3,
            ulMACLen: 16,
        };
        let expected =
            Params::Ccm { data_len: 40, nonce: vec![1; 12], aad: vec![2; 3], tag_len: 16 };
        assert_eq!(parse(raw(CKM_AES_CCM, &good)), Ok(expected));
        for bad in [
            CK_CCM_PARAMS { pNonce: null_mut(), ..good },
            CK_CCM_PARAMS { ulAADLen: CK_ULONG::MAX, ..good },
        ] {
            assert_eq!(parse(raw(CKM_AES_CCM, &bad)), Err(Reason::MechanismParam));
        }
        assert_eq!(parse(bare(CKM_AES_CCM)), Err(Reason::MechanismParam));
    }

    #[test]
    fn gcm_that_makes_no_sense_is_refused() {
        let (mut iv, mut aad) = ([1; 12], [2; 3]);
        let good = gcm(&mut iv, &mut aad);
        for bad in [
            CK_GCM_PARAMS { ulIvLen: 0, ..good },
            CK_GCM_PARAMS { ulIvLen: CK_ULONG::MAX, ..good },
            CK_GCM_PARAMS { pIv: null_mut(), ..good },
            CK_GCM_PARAMS { pAAD: null_mut(), ..good },
        ] {
            assert_eq!(parse(raw(CKM_AES_GCM, &bad)), Err(Reason::MechanismParam));
        }
        assert_eq!(parse(bare(CKM_AES_GCM)), Err(Reason::MechanismParam));
        assert_eq!(parse(raw(CKM_AES_GCM, &7_u8)), Err(Reason::MechanismParam));
    }

    #[test]
    fn ctr_is_its_bits_and_its_block() {
        let ctr = CK_AES_CTR_PARAMS { ulCounterBits: 32, cb: [9; 16] };
        let expected = Params::Ctr { bits: 32, block: [9; 16] };
        assert_eq!(parse(raw(CKM_AES_CTR, &ctr)), Ok(expected));
        assert_eq!(parse(raw(CKM_AES_CTR, &[0_u8; 16])), Err(Reason::MechanismParam));
    }

    #[test]
    fn oaep_takes_a_label_or_none_from_one_source() {
        let mut label = *b"label";
        let good = CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: CKM_SHA256,
            mgf: CKG_MGF1_SHA1,
            source: CKZ_DATA_SPECIFIED,
            pSourceData: label.as_mut_ptr().cast(),
            ulSourceDataLen: label.len() as CK_ULONG,
        };
        let expected = |label: &[u8]| {
            Ok(Params::Oaep { hash: Hash::Sha256, mgf: Hash::Sha1, label: label.to_vec() })
        };
        assert_eq!(parse(raw(CKM_RSA_PKCS_OAEP, &good)), expected(&label));
        let none = CK_RSA_PKCS_OAEP_PARAMS { source: 0, ulSourceDataLen: 0, ..good };
        assert_eq!(parse(raw(CKM_RSA_PKCS_OAEP, &none)), expected(b""));
        for bad in [
            CK_RSA_PKCS_OAEP_PARAMS { source: 0, ..good },
            CK_RSA_PKCS_OAEP_PARAMS { source: 2, ..good },
            CK_RSA_PKCS_OAEP_PARAMS { hashAlg: CKM_AES_GCM, ..good },
            CK_RSA_PKCS_OAEP_PARAMS { mgf: 0, ..good },
            CK_RSA_PKCS_OAEP_PARAMS { pSourceData: null_mut(), ..good },
        ] {
            assert_eq!(parse(raw(CKM_RSA_PKCS_OAEP, &bad)), Err(Reason::MechanismParam));
        }
    }

    #[test]
    fn pss_is_two_hashes_and_a_length() {
        let good = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA384, mgf: CKG_MGF1_SHA256, sLen: 48 };
        let expected = Params::Pss { hash: Hash::Sha384, mgf: Hash::Sha256, salt_len: 48 };
        assert_eq!(parse(raw(CKM_RSA_PKCS_PSS, &good)), Ok(expected));
        let bad = CK_RSA_PKCS_PSS_PARAMS { mgf: 99, ..good };
        assert_eq!(parse(raw(CKM_RSA_PKCS_PSS, &bad)), Err(Reason::MechanismParam));
        assert_eq!(parse(bare(CKM_RSA_PKCS_PSS)), Err(Reason::MechanismParam));
    }

    #[test]
    fn rsa_aes_reads_the_oaep_it_points_to() {
        let mut oaep = CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: CKM_SHA256,
            mgf: CKG_MGF1_SHA256,
            source: CKZ_DATA_SPECIFIED,
            pSourceData: null_mut(),
            ulSourceDataLen: 0,
        };
        let good = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &mut oaep };
        let (hash, mgf) = (Hash::Sha256, Hash::Sha256);
        let expected = Params::RsaAes { aes_bits: 256, hash, mgf, label: Vec::new() };
        assert_eq!(parse(raw(CKM_RSA_AES_KEY_WRAP, &good)), Ok(expected));
        let bad = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: null_mut() };
        assert_eq!(parse(raw(CKM_RSA_AES_KEY_WRAP, &bad)), Err(Reason::MechanismParam));
    }

    #[test]
    fn ecdh_is_a_function_and_two_pieces() {
        let (mut shared, mut public) = ([1; 3], [4; 65]);
        let good = CK_ECDH1_DERIVE_PARAMS {
            kdf: CKD_SHA256_KDF,
            ulSharedDataLen: 3,
            pSharedData: shared.as_mut_ptr(),
            ulPublicDataLen: 65,
            pPublicData: public.as_mut_ptr(),
        };
        let hash = Some(Hash::Sha256);
        let expected = Params::Ecdh { hash, shared: vec![1; 3], public: vec![4; 65] };
        assert_eq!(parse(raw(CKM_ECDH1_DERIVE, &good)), Ok(expected));
        for bad in [
            CK_ECDH1_DERIVE_PARAMS { kdf: 99, ..good },
            CK_ECDH1_DERIVE_PARAMS { pPublicData: null_mut(), ..good },
        ] {
            assert_eq!(parse(raw(CKM_ECDH1_DERIVE, &bad)), Err(Reason::MechanismParam));
        }
    }

    #[test]
    fn hkdf_takes_a_salt_of_bytes_of_a_key_or_none() {
        let (mut salt, mut info) = ([1; 8], [2; 4]);
        let good = CK_HKDF_PARAMS {
            bExtract: CK_TRUE,
            bExpand: CK_TRUE,
            prfHashMechanism: CKM_SHA256,
            ulSaltType: CKF_HKDF_SALT_DATA,
            pSalt: salt.as_mut_ptr(),
            ulSaltLen: 8,
            hSaltKey: 7,
            pInfo: info.as_mut_ptr(),
            ulInfoLen: 4,
        };
        let expected = |extract, expand, salt| {
            let info = if expand { vec![2; 4] } else { Vec::new() };
            Ok(Params::Hkdf { extract, expand, hash: Hash::Sha256, salt, info })
        };
        let none = || Salt::Bytes(Vec::new());
        let bytes = || Salt::Bytes(vec![1; 8]);
        for (kind, salt) in [
            (CKF_HKDF_SALT_DATA, bytes()),
            (CKF_HKDF_SALT_NULL, none()),
            (CKF_HKDF_SALT_KEY, Salt::Key(7)),
        ] {
            let given = CK_HKDF_PARAMS { ulSaltType: kind, ..good };
            assert_eq!(parse(raw(CKM_HKDF_DERIVE, &given)), expected(true, true, salt));
        }
        let unknown = CK_HKDF_PARAMS { ulSaltType: 0, ..good };
        assert_eq!(parse(raw(CKM_HKDF_DERIVE, &unknown)), Err(Reason::MechanismParam));
        let expanding = CK_HKDF_PARAMS { bExtract: CK_FALSE, pSalt: null_mut(), ..unknown };
        assert_eq!(parse(raw(CKM_HKDF_DERIVE, &expanding)), expected(false, true, none()));
        let extracting = CK_HKDF_PARAMS { bExpand: CK_FALSE, pInfo: null_mut(), ..good };
        assert_eq!(parse(raw(CKM_HKDF_DERIVE, &extracting)), expected(true, false, bytes()));
    }

    #[test]
    fn a_mac_length_is_one_number() {
        assert_eq!(parse(raw(CKM_SHA256_HMAC_GENERAL, &12_u64)), Ok(Params::Length(12)));
        assert_eq!(parse(raw(CKM_SHA256_HMAC_GENERAL, &12_u8)), Err(Reason::MechanismParam));
        assert_eq!(parse(bare(CKM_SHA256_HMAC_GENERAL)), Err(Reason::MechanismParam));
    }

    #[test]
    fn only_an_unwrap_may_leave_the_oaep_parameter_out() {
        let oaep = bare(CKM_RSA_PKCS_OAEP);
        assert_eq!(params(unsafe { read_for_unwrap(&oaep) }), Ok(Params::None));
        assert_eq!(parse(oaep), Err(Reason::MechanismParam));
    }

    #[test]
    fn bytes_are_taken_where_the_mechanism_takes_them() {
        assert_eq!(parse(raw(CKM_AES_CBC, &[3_u8; 16])), Ok(Params::Bytes(vec![3; 16])));
        assert_eq!(parse(raw(CKM_AES_ECB, &[3_u8; 16])), Err(Reason::MechanismParam));
        assert_eq!(parse(bare(CKM_AES_ECB)), Ok(Params::None));
        let nowhere = CK_MECHANISM { ulParameterLen: 16, ..bare(CKM_AES_CBC) };
        assert_eq!(parse(nowhere), Err(Reason::MechanismParam));
    }

    #[test]
    fn an_unknown_mechanism_and_none_at_all() {
        assert_eq!(parse(bare(CKM_VENDOR_DEFINED)), Err(Reason::MechanismInvalid));
        assert_eq!(params(unsafe { read(null(), CK_FLAGS::MAX) }), Err(Reason::ArgumentsBad));
        assert!(unsafe { read_or_cancel(null(), CK_FLAGS::MAX) }.unwrap().is_none());
    }

    #[test]
    fn structures_need_not_be_aligned() {
        #[repr(C, packed)]
        struct Shifted(u8, CK_AES_CTR_PARAMS);
        let shifted = Shifted(0, CK_AES_CTR_PARAMS { ulCounterBits: 128, cb: [1; 16] });
        let mechanism = CK_MECHANISM {
            mechanism: CKM_AES_CTR,
            pParameter: (&raw const shifted.1).cast_mut().cast(),
            ulParameterLen: size_of::<CK_AES_CTR_PARAMS>() as CK_ULONG,
        };
        assert_eq!(parse(mechanism), Ok(Params::Ctr { bits: 128, block: [1; 16] }));
    }
}
