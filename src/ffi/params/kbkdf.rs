//! The parameters of NIST SP 800-108, and the keys that they ask for beside the one of the call.

use super::{Parameter, RequestedMechanism, piece, wrong};
use crate::error::Result;
use crate::ffi::buffer::{self, OutPtr};
use crate::ffi::template;
use crate::mechanism::{Field, Hash, Kbkdf, NumberForm, Params, ParamsShape, Prf};
use crate::object::Template;
use pkcs11_sys::*;

/// The most fields of a pseudorandom function's input.
const MAX_FIELDS: CK_ULONG = 256;

/// The most keys that one call derives beside its own.
const MAX_KEYS: CK_ULONG = 32;

/// A key that is derived beside the one of the call: its template, and the place for its handle.
pub(in crate::ffi) struct AdditionalKey {
    pub(in crate::ffi) template: Template,
    pub(in crate::ffi) handle: OutPtr<CK_OBJECT_HANDLE>,
}

impl Parameter {
    pub(super) fn kbkdf(&self) -> Result<Params> {
        let given = self.structure::<CK_SP800_108_KDF_PARAMS>()?;
        // SAFETY: `pDataParams` has `ulNumberOfDataParams` fields, and each its value.
        let fields = unsafe { fields(given.pDataParams, given.ulNumberOfDataParams) }?;
        Ok(Params::Kbkdf(Kbkdf { prf: prf(given.prfType)?, fields, iv: Vec::new() }))
    }

    pub(super) fn kbkdf_feedback(&self) -> Result<Params> {
        let given = self.structure::<CK_SP800_108_FEEDBACK_KDF_PARAMS>()?;
        // SAFETY: `pDataParams` has `ulNumberOfDataParams` fields, and each its value.
        let fields = unsafe { fields(given.pDataParams, given.ulNumberOfDataParams) }?;
        // SAFETY: `pIV` has `ulIVLen` bytes.
        let iv = unsafe { piece(given.pIV, given.ulIVLen) }?;
        Ok(Params::Kbkdf(Kbkdf { prf: prf(given.prfType)?, fields, iv }))
    }
}

impl RequestedMechanism {
    /// Reads the keys that the parameter asks for beside the one of the call.
    pub(in crate::ffi) fn additional_keys(&self) -> Result<Vec<AdditionalKey>> {
        let (count, keys) = match self.row.params {
            ParamsShape::KbkdfFeedback => {
                let given = self.parameter.structure::<CK_SP800_108_FEEDBACK_KDF_PARAMS>()?;
                (given.ulAdditionalDerivedKeys, given.pAdditionalDerivedKeys)
            }
            _ => {
                let given = self.parameter.structure::<CK_SP800_108_KDF_PARAMS>()?;
                (given.ulAdditionalDerivedKeys, given.pAdditionalDerivedKeys)
            }
        };
        if count > MAX_KEYS {
            return Err(wrong("more keys than one call derives"));
        }
        // SAFETY: `pAdditionalDerivedKeys` has as many elements as the number beside it says.
        let keys =
            unsafe { buffer::input(keys, count) }.map_err(|_| wrong("keys that are not there"))?;
        // SAFETY: each has a template of so many attributes with their values, and a place for a handle.
        keys.iter().map(|key| unsafe { additional_key(key) }).collect()
    }
}

c_structures!(
    CK_SP800_108_KDF_PARAMS,
    CK_SP800_108_FEEDBACK_KDF_PARAMS,
    CK_SP800_108_COUNTER_FORMAT,
    CK_SP800_108_DKM_LENGTH_FORMAT,
);

/// Reads one of the keys beside; a template that cannot be read has its handle say so.
///
/// # Safety
/// `pTemplate` is NULL or has `ulAttributeCount` attributes with their values; `phKey` is NULL or valid for
/// writing until the key is dropped.
unsafe fn additional_key(key: &CK_DERIVED_KEY) -> Result<AdditionalKey> {
    // SAFETY: `phKey` is NULL or the caller's own.
    let handle = unsafe { OutPtr::new(key.phKey) }.map_err(|_| wrong("no place for a handle"))?;
    // SAFETY: `pTemplate` is NULL or has `ulAttributeCount` attributes with their values.
    match unsafe { template::read(key.pTemplate, key.ulAttributeCount) } {
        Ok(template) => Ok(AdditionalKey { template, handle }),
        Err(error) => {
            handle.write(CK_INVALID_HANDLE);
            Err(error)
        }
    }
}

/// Reads the fields of a pseudorandom function's input.
///
/// # Safety
/// `start` is NULL or valid for reads of `count` fields, and each value in them for its length.
unsafe fn fields(start: *const CK_PRF_DATA_PARAM, count: CK_ULONG) -> Result<Vec<Field>> {
    if count > MAX_FIELDS {
        return Err(wrong("too many fields"));
    }
    // SAFETY: `start` is NULL or has `count` elements.
    let given = unsafe { buffer::input(start, count) }.map_err(|_| wrong("fields not there"))?;
    // SAFETY: each field's value has the length beside it.
    let fields: Vec<_> = given.iter().map(|it| unsafe { field(it) }).collect::<Result<_>>()?;
    let bytes = fields.iter().map(|field| match field {
        Field::Bytes(bytes) => bytes.len() as CK_ULONG,
        _ => 0,
    });
    match bytes.sum::<CK_ULONG>() > buffer::MAX_PIECE {
        true => Err(wrong("its fields are too long")),
        false => Ok(fields),
    }
}

/// Reads one field.
///
/// # Safety
/// `pValue` is NULL or valid for reads of `ulValueLen` bytes.
unsafe fn field(given: &CK_PRF_DATA_PARAM) -> Result<Field> {
    // SAFETY: this function's caller promises `ulValueLen` bytes; no format of a field has pointers.
    let value = unsafe { Parameter::new(given.pValue, given.ulValueLen) };
    let there = !value.start.is_null();
    match given.type_ {
        CK_SP800_108_ITERATION_VARIABLE if value.len == 0 => Ok(Field::Iteration(None)),
        CK_SP800_108_ITERATION_VARIABLE if there => {
            Ok(Field::Iteration(Some(value.counter_form()?)))
        }
        CK_SP800_108_COUNTER if there => Ok(Field::Counter(value.counter_form()?)),
        CK_SP800_108_DKM_LENGTH if there => {
            let given = value.structure::<CK_SP800_108_DKM_LENGTH_FORMAT>()?;
            let of_segments = match given.dkmLengthMethod {
                CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS => false,
                CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS => true,
                _ => return Err(wrong("the method of the length")),
            };
            let form = form(given.bLittleEndian, given.ulWidthInBits)?;
            Ok(Field::Length { of_segments, form })
        }
        CK_SP800_108_BYTE_ARRAY => value.bytes().map(Field::Bytes),
        _ => Err(wrong("a field of the pseudorandom function's input")),
    }
}

impl Parameter {
    fn counter_form(&self) -> Result<NumberForm> {
        let given = self.structure::<CK_SP800_108_COUNTER_FORMAT>()?;
        form(given.bLittleEndian, given.ulWidthInBits)
    }
}

/// Returns the form of a number of whole bytes, eight at the most.
fn form(little_endian: CK_BBOOL, bits: CK_ULONG) -> Result<NumberForm> {
    match bits {
        8 | 16 | 24 | 32 | 40 | 48 | 56 | 64 => {
            Ok(NumberForm { little_endian: little_endian != CK_FALSE, width: (bits / 8) as usize })
        }
        _ => Err(wrong("the width of a number")),
    }
}

fn prf(mechanism: CK_SP800_108_PRF_TYPE) -> Result<Prf> {
    Ok(Prf::Hmac(match mechanism {
        CKM_AES_CMAC => return Ok(Prf::Cmac),
        CKM_SHA_1_HMAC => Hash::Sha1,
        CKM_SHA224_HMAC => Hash::Sha224,
        CKM_SHA256_HMAC => Hash::Sha256,
        CKM_SHA384_HMAC => Hash::Sha384,
        CKM_SHA512_HMAC => Hash::Sha512,
        CKM_SHA3_224_HMAC => Hash::Sha3_224,
        CKM_SHA3_256_HMAC => Hash::Sha3_256,
        CKM_SHA3_384_HMAC => Hash::Sha3_384,
        CKM_SHA3_512_HMAC => Hash::Sha3_512,
        _ => return Err(wrong("the pseudorandom function")),
    }))
}
