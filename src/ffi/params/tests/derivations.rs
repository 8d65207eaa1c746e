//! The parameters of SP 800-108 and PBKDF2.

use super::{asked, parse, raw};
use crate::error::Reason;
use crate::ffi::params::kbkdf::AdditionalKey;
use crate::mechanism::{Field, Hash, Kbkdf, NumberForm, Params, Prf};
use crate::secret::Secret;
use pkcs11_sys::*;
use std::ptr::null_mut;
use std::sync::Arc;

/// A number's form, where it counts up.
fn counting(little_endian: CK_BBOOL, bits: CK_ULONG) -> CK_SP800_108_COUNTER_FORMAT {
    CK_SP800_108_COUNTER_FORMAT { bLittleEndian: little_endian, ulWidthInBits: bits }
}

fn length(method: CK_ULONG, bits: CK_ULONG) -> CK_SP800_108_DKM_LENGTH_FORMAT {
    CK_SP800_108_DKM_LENGTH_FORMAT {
        dkmLengthMethod: method,
        bLittleEndian: CK_FALSE,
        ulWidthInBits: bits,
    }
}

fn field<T>(kind: CK_PRF_DATA_TYPE, value: &T) -> CK_PRF_DATA_PARAM {
    CK_PRF_DATA_PARAM {
        type_: kind,
        pValue: (&raw const *value).cast_mut().cast(),
        ulValueLen: size_of::<T>() as CK_ULONG,
    }
}

/// A field whose value is not there.
fn without(kind: CK_PRF_DATA_TYPE, len: CK_ULONG) -> CK_PRF_DATA_PARAM {
    CK_PRF_DATA_PARAM { type_: kind, pValue: null_mut(), ulValueLen: len }
}

fn of(fields: &mut [CK_PRF_DATA_PARAM]) -> CK_SP800_108_KDF_PARAMS {
    CK_SP800_108_KDF_PARAMS {
        prfType: CKM_SHA256_HMAC,
        ulNumberOfDataParams: fields.len() as CK_ULONG,
        pDataParams: fields.as_mut_ptr(),
        ulAdditionalDerivedKeys: 0,
        pAdditionalDerivedKeys: null_mut(),
    }
}

fn read_fields(fields: &mut [CK_PRF_DATA_PARAM]) -> Result<Vec<Field>, Reason> {
    match parse(raw(CKM_SP800_108_COUNTER_KDF, &of(fields)))? {
        Params::Kbkdf(Kbkdf { fields, .. }) => Ok(fields),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_field_of_a_derivation_is_read_with_its_form() {
    let form = |little_endian, width| NumberForm { little_endian, width };
    let (big, little) = (counting(CK_FALSE, 32), counting(CK_TRUE, 64));
    let (sum, segments) = (length(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, 8), length(2, 24));
    let mut given = [
        field(CK_SP800_108_ITERATION_VARIABLE, &big),
        without(CK_SP800_108_ITERATION_VARIABLE, 0),
        field(CK_SP800_108_COUNTER, &little),
        field(CK_SP800_108_DKM_LENGTH, &sum),
        field(CK_SP800_108_DKM_LENGTH, &segments),
        field(CK_SP800_108_BYTE_ARRAY, b"label"),
        without(CK_SP800_108_BYTE_ARRAY, 0),
    ];
    let expected = vec![
        Field::Iteration(Some(form(false, 4))),
        Field::Iteration(None),
        Field::Counter(form(true, 8)),
        Field::Length { of_segments: false, form: form(false, 1) },
        Field::Length { of_segments: true, form: form(false, 3) },
        Field::Bytes(b"label".to_vec()),
        Field::Bytes(Vec::new()),
    ];
    assert_eq!(read_fields(&mut given), Ok(expected));
    assert_eq!(read_fields(&mut []), Ok(Vec::new()));
}

#[test]
fn a_field_that_makes_no_sense_is_refused() {
    let form = counting(CK_FALSE, 32);
    let widths = [0, 1, 7, 9, 33, 72, CK_ULONG::MAX].map(|bits| counting(CK_FALSE, bits));
    let lengths = [(0, 32), (3, 32), (1, 0), (2, 65)].map(|(method, bits)| length(method, bits));
    let long = vec![0_u8; (1 << 20) + 1];
    let beyond = CK_PRF_DATA_PARAM {
        type_: CK_SP800_108_BYTE_ARRAY,
        pValue: long.as_ptr().cast_mut().cast(),
        ulValueLen: long.len() as CK_ULONG,
    };
    let wrong_length = |bad: CK_PRF_DATA_PARAM| {
        [1, 8, 24, CK_ULONG::MAX].map(|len| CK_PRF_DATA_PARAM { ulValueLen: len, ..bad })
    };
    let given = [
        without(CK_SP800_108_ITERATION_VARIABLE, 16),
        without(CK_SP800_108_COUNTER, 0),
        without(CK_SP800_108_COUNTER, 16),
        without(CK_SP800_108_DKM_LENGTH, 24),
        without(CK_SP800_108_BYTE_ARRAY, 1),
        without(0, 0),
        field(6, b"a kind that there is not"),
        field(CK_ULONG::MAX, &form),
        // A counter's form is no length's.
        field(CK_SP800_108_DKM_LENGTH, &form),
        field(CK_SP800_108_COUNTER, &lengths[0]),
        beyond,
        CK_PRF_DATA_PARAM { ulValueLen: CK_ULONG::MAX, ..beyond },
    ];
    let widths = widths.iter().flat_map(|form| {
        [CK_SP800_108_ITERATION_VARIABLE, CK_SP800_108_COUNTER].map(|kind| field(kind, form))
    });
    let lengths = lengths.iter().map(|form| field(CK_SP800_108_DKM_LENGTH, form));
    let wrong = wrong_length(field(CK_SP800_108_COUNTER, &form));
    for bad in given.into_iter().chain(widths).chain(lengths).chain(wrong) {
        assert_eq!(read_fields(&mut [bad]), Err(Reason::MechanismParam), "{bad:?}");
        // It is found behind good ones, too.
        let mut behind = [field(CK_SP800_108_ITERATION_VARIABLE, &form), bad];
        assert_eq!(read_fields(&mut behind), Err(Reason::MechanismParam), "{bad:?}");
    }
}

#[test]
fn fields_have_bounds_together() {
    let half = vec![0_u8; 1 << 19];
    let half = CK_PRF_DATA_PARAM {
        type_: CK_SP800_108_BYTE_ARRAY,
        pValue: half.as_ptr().cast_mut().cast(),
        ulValueLen: half.len() as CK_ULONG,
    };
    let one = field(CK_SP800_108_BYTE_ARRAY, &0_u8);
    assert!(read_fields(&mut [half, half]).is_ok());
    assert_eq!(read_fields(&mut [half, half, one]), Err(Reason::MechanismParam));
    assert_eq!(read_fields(&mut vec![one; 256]).unwrap().len(), 256);
    assert_eq!(read_fields(&mut vec![one; 257]), Err(Reason::MechanismParam));
}

#[test]
fn a_derivation_names_its_function_and_has_the_fields_that_it_counts() {
    let form = counting(CK_FALSE, 8);
    let mut fields = [field(CK_SP800_108_ITERATION_VARIABLE, &form)];
    let good = of(&mut fields);
    for (number, prf) in [
        (CKM_AES_CMAC, Prf::Cmac),
        (CKM_SHA_1_HMAC, Prf::Hmac(Hash::Sha1)),
        (CKM_SHA384_HMAC, Prf::Hmac(Hash::Sha384)),
        (CKM_SHA3_512_HMAC, Prf::Hmac(Hash::Sha3_512)),
    ] {
        let given = CK_SP800_108_KDF_PARAMS { prfType: number, ..good };
        match parse(raw(CKM_SP800_108_DOUBLE_PIPELINE_KDF, &given)) {
            Ok(Params::Kbkdf(read)) => assert_eq!((read.prf, read.iv), (prf, Vec::new())),
            other => panic!("{other:?}"),
        }
    }
    for bad in [
        CK_SP800_108_KDF_PARAMS { prfType: CKM_SHA256, ..good },
        CK_SP800_108_KDF_PARAMS { prfType: CK_ULONG::MAX, ..good },
        CK_SP800_108_KDF_PARAMS { pDataParams: null_mut(), ..good },
        CK_SP800_108_KDF_PARAMS { ulNumberOfDataParams: CK_ULONG::MAX, ..good },
    ] {
        let read = parse(raw(CKM_SP800_108_COUNTER_KDF, &bad));
        assert_eq!(read, Err(Reason::MechanismParam), "{bad:?}");
    }
    // The structure of feedback is longer, and only feedback's.
    let wrong = raw(CKM_SP800_108_FEEDBACK_KDF, &good);
    assert_eq!(parse(wrong), Err(Reason::MechanismParam));
}

#[test]
fn feedback_begins_with_an_iv_or_none() {
    let mut iv = [5; 32];
    let good = CK_SP800_108_FEEDBACK_KDF_PARAMS {
        prfType: CKM_SHA256_HMAC,
        ulNumberOfDataParams: 0,
        pDataParams: null_mut(),
        ulIVLen: 32,
        pIV: iv.as_mut_ptr(),
        ulAdditionalDerivedKeys: 0,
        pAdditionalDerivedKeys: null_mut(),
    };
    let expected = |iv: &[u8]| {
        let prf = Prf::Hmac(Hash::Sha256);
        Ok(Params::Kbkdf(Kbkdf { prf, fields: Vec::new(), iv: iv.to_vec() }))
    };
    assert_eq!(parse(raw(CKM_SP800_108_FEEDBACK_KDF, &good)), expected(&iv));
    let none = CK_SP800_108_FEEDBACK_KDF_PARAMS { ulIVLen: 0, pIV: null_mut(), ..good };
    assert_eq!(parse(raw(CKM_SP800_108_FEEDBACK_KDF, &none)), expected(&[]));
    for bad in [
        CK_SP800_108_FEEDBACK_KDF_PARAMS { pIV: null_mut(), ..good },
        CK_SP800_108_FEEDBACK_KDF_PARAMS { ulIVLen: (1 << 20) + 1, ..good },
        CK_SP800_108_FEEDBACK_KDF_PARAMS { prfType: 0, ..good },
    ] {
        let read = parse(raw(CKM_SP800_108_FEEDBACK_KDF, &bad));
        assert_eq!(read, Err(Reason::MechanismParam), "{bad:?}");
    }
    let wrong = raw(CKM_SP800_108_COUNTER_KDF, &good);
    assert_eq!(parse(wrong), Err(Reason::MechanismParam));
}

/// Reads the further keys of both structures, which have to be read alike.
fn further(count: CK_ULONG, keys: *mut CK_DERIVED_KEY) -> Result<Vec<AdditionalKey>, Reason> {
    let counter = CK_SP800_108_KDF_PARAMS {
        ulAdditionalDerivedKeys: count,
        pAdditionalDerivedKeys: keys,
        ..of(&mut [])
    };
    let feedback = CK_SP800_108_FEEDBACK_KDF_PARAMS {
        prfType: counter.prfType,
        ulNumberOfDataParams: 0,
        pDataParams: null_mut(),
        ulIVLen: 0,
        pIV: null_mut(),
        ulAdditionalDerivedKeys: count,
        pAdditionalDerivedKeys: keys,
    };
    let one = raw(CKM_SP800_108_COUNTER_KDF, &counter);
    let other = raw(CKM_SP800_108_FEEDBACK_KDF, &feedback);
    let read = |mechanism| asked(mechanism).and_then(|asked| asked.additional_keys());
    let [one, other] = [&one, &other].map(|it| read(it).map_err(|error| error.reason()));
    assert_eq!(one.as_ref().map(Vec::len), other.as_ref().map(Vec::len));
    one
}

#[test]
fn further_keys_have_templates_and_places_for_their_handles() {
    let mut label = *b"a key";
    let mut template = [CK_ATTRIBUTE {
        type_: CKA_LABEL,
        pValue: label.as_mut_ptr().cast(),
        ulValueLen: label.len() as CK_ULONG,
    }];
    let mut handle = 7;
    let good = CK_DERIVED_KEY {
        pTemplate: template.as_mut_ptr(),
        ulAttributeCount: 1,
        phKey: &mut handle,
    };
    assert!(further(0, null_mut()).unwrap().is_empty());
    let mut bare = CK_DERIVED_KEY { pTemplate: null_mut(), ulAttributeCount: 0, ..good };
    assert_eq!(further(1, &mut bare).unwrap().len(), 1);
    let mut keys = [good; 33];
    let read = further(32, keys.as_mut_ptr()).unwrap();
    assert!(read.iter().all(|key| key.template.bytes(CKA_LABEL) == Some(&label[..])));
    assert_eq!(handle, 7, "nothing is written before there is a key");
    for (count, keys) in [
        (33, keys.as_mut_ptr()),
        (CK_ULONG::MAX, keys.as_mut_ptr()),
        (1, null_mut()),
        (1, &mut CK_DERIVED_KEY { phKey: null_mut(), ..good }),
    ] {
        assert_eq!(further(count, keys).err(), Some(Reason::MechanismParam), "{count}");
    }
}

#[test]
fn a_further_key_whose_template_cannot_be_read_has_no_handle() {
    for (template, count) in [(null_mut(), 1), (null_mut(), CK_ULONG::MAX)] {
        let mut handle = 7;
        let mut key =
            CK_DERIVED_KEY { pTemplate: template, ulAttributeCount: count, phKey: &mut handle };
        assert!(further(1, &mut key).is_err());
        assert_eq!(handle, CK_INVALID_HANDLE);
    }
}

#[test]
fn a_password_is_read_with_its_salt_and_nothing_else() {
    let (mut salt, mut password) = (*b"salt", *b"password");
    let good = CK_PKCS5_PBKD2_PARAMS2 {
        saltSource: CKZ_SALT_SPECIFIED,
        pSaltSourceData: salt.as_mut_ptr().cast(),
        ulSaltSourceDataLen: 4,
        iterations: 1000,
        prf: CKP_PKCS5_PBKD2_HMAC_SHA256,
        pPrfData: null_mut(),
        ulPrfDataLen: 0,
        pPassword: password.as_mut_ptr(),
        ulPasswordLen: 8,
    };
    let expected = |hash, salt: &[u8], password: &[u8]| {
        let password = Arc::new(Secret::from(password));
        Ok(Params::Pbkdf2 { hash, salt: salt.to_vec(), iterations: 1000, password })
    };
    for (prf, hash) in [
        (CKP_PKCS5_PBKD2_HMAC_SHA1, Hash::Sha1),
        (CKP_PKCS5_PBKD2_HMAC_SHA256, Hash::Sha256),
        (CKP_PKCS5_PBKD2_HMAC_SHA512_256, Hash::Sha512_256),
    ] {
        let given = CK_PKCS5_PBKD2_PARAMS2 { prf, ..good };
        assert_eq!(parse(raw(CKM_PKCS5_PBKD2, &given)), expected(hash, &salt, &password));
    }
    let empty = CK_PKCS5_PBKD2_PARAMS2 {
        pSaltSourceData: null_mut(),
        ulSaltSourceDataLen: 0,
        pPassword: null_mut(),
        ulPasswordLen: 0,
        ..good
    };
    assert_eq!(parse(raw(CKM_PKCS5_PBKD2, &empty)), expected(Hash::Sha256, b"", b""));
    for bad in [
        CK_PKCS5_PBKD2_PARAMS2 { saltSource: 0, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { saltSource: 2, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { pSaltSourceData: null_mut(), ..good },
        CK_PKCS5_PBKD2_PARAMS2 { ulSaltSourceDataLen: (1 << 20) + 1, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { pPassword: null_mut(), ..good },
        CK_PKCS5_PBKD2_PARAMS2 { ulPasswordLen: CK_ULONG::MAX, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { ulPrfDataLen: 1, ..good },
        // GOST R 34.11-94, which the number 2 means, and one that there is not.
        CK_PKCS5_PBKD2_PARAMS2 { prf: 2, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { prf: 0, ..good },
        CK_PKCS5_PBKD2_PARAMS2 { prf: CK_ULONG::MAX, ..good },
    ] {
        assert_eq!(parse(raw(CKM_PKCS5_PBKD2, &bad)), Err(Reason::MechanismParam), "{bad:?}");
    }
}
