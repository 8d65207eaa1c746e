//! Parameters as callers have them in memory, and those that are refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks
)]

mod arbitrary;
mod derivations;
mod tls;

use super::ciphers::OldGcm;
use super::{MechanismPtr, RequestedMechanism};
use crate::error::{Reason, Result};
use crate::mechanism::{EcKdf, Hash, HkdfSalt, Params};
use crate::v3_2::*;
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

fn params(asked: Result<RequestedMechanism>) -> Result<Params, Reason> {
    asked.map(|asked| asked.mechanism.params).map_err(|error| error.reason())
}

fn parse(mechanism: CK_MECHANISM) -> Result<Params, Reason> {
    params(asked(&mechanism))
}

fn asked(mechanism: &CK_MECHANISM) -> Result<RequestedMechanism> {
    unsafe { MechanismPtr::new(mechanism) }.read(CK_FLAGS::MAX)
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
    let expected = Params::Ccm { data_len: 40, nonce: vec![1; 12], aad: vec![2; 3], tag_len: 16 };
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
    let takes = |number, kdf| {
        let expected = Params::Ecdh { kdf, shared: vec![1; 3], public: vec![4; 65] };
        for mechanism in [CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE] {
            let given = CK_ECDH1_DERIVE_PARAMS { kdf: number, ..good };
            assert_eq!(parse(raw(mechanism, &given)), Ok(expected.clone()), "{number}");
        }
    };
    takes(CKD_NULL, EcKdf::Null);
    for (x9_63, one_step, hash) in [
        (CKD_SHA1_KDF, CKD_SHA1_KDF_SP800, Hash::Sha1),
        (CKD_SHA224_KDF, CKD_SHA224_KDF_SP800, Hash::Sha224),
        (CKD_SHA256_KDF, CKD_SHA256_KDF_SP800, Hash::Sha256),
        (CKD_SHA384_KDF, CKD_SHA384_KDF_SP800, Hash::Sha384),
        (CKD_SHA512_KDF, CKD_SHA512_KDF_SP800, Hash::Sha512),
        (CKD_SHA3_224_KDF, CKD_SHA3_224_KDF_SP800, Hash::Sha3_224),
        (CKD_SHA3_256_KDF, CKD_SHA3_256_KDF_SP800, Hash::Sha3_256),
        (CKD_SHA3_384_KDF, CKD_SHA3_384_KDF_SP800, Hash::Sha3_384),
        (CKD_SHA3_512_KDF, CKD_SHA3_512_KDF_SP800, Hash::Sha3_512),
    ] {
        takes(x9_63, EcKdf::X963(hash));
        takes(one_step, EcKdf::OneStep(hash));
    }
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
    let none = || HkdfSalt::Bytes(Vec::new());
    let bytes = || HkdfSalt::Bytes(vec![1; 8]);
    for (kind, salt) in [
        (CKF_HKDF_SALT_DATA, bytes()),
        (CKF_HKDF_SALT_NULL, none()),
        (CKF_HKDF_SALT_KEY, HkdfSalt::Key(7)),
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
fn eddsa_takes_a_context_a_prehash_flag_or_no_parameter() {
    let mut context = [7; 300];
    let given = CK_EDDSA_PARAMS {
        phFlag: CK_FALSE,
        ulContextDataLen: 255,
        pContextData: context.as_mut_ptr(),
    };
    let expected = |prehash, len| Ok(Params::Eddsa { prehash, context: vec![7; len] });
    assert_eq!(parse(bare(CKM_EDDSA)), Ok(Params::None));
    assert_eq!(parse(raw(CKM_EDDSA, &given)), expected(false, 255));
    let prehash = CK_EDDSA_PARAMS { phFlag: CK_TRUE, ulContextDataLen: 3, ..given };
    assert_eq!(parse(raw(CKM_EDDSA, &prehash)), expected(true, 3));
    let none = CK_EDDSA_PARAMS { ulContextDataLen: 0, pContextData: null_mut(), ..prehash };
    assert_eq!(parse(raw(CKM_EDDSA, &none)), expected(true, 0));
    let nowhere = CK_EDDSA_PARAMS { pContextData: null_mut(), ..given };
    for bad in [parse(raw(CKM_EDDSA, &nowhere)), parse(raw(CKM_EDDSA, &CK_TRUE))] {
        assert_eq!(bad, Err(Reason::MechanismParam));
    }
}

#[test]
fn ml_dsa_takes_a_context_or_no_parameter_and_of_a_digest_its_hash() {
    let mut context = [7; 3];
    let given = cryptoki_sys::CK_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: CKH_DETERMINISTIC_REQUIRED,
        pContext: context.as_mut_ptr(),
        ulContextLen: 3,
    };
    let hedge = CKH_DETERMINISTIC_REQUIRED;
    let expected = Params::SignContext { hedge, context: vec![7; 3] };
    assert_eq!(parse(bare(CKM_ML_DSA)), Ok(Params::None));
    assert_eq!(parse(raw(CKM_ML_DSA, &given)), Ok(expected.clone()));
    assert_eq!(parse(raw(CKM_HASH_ML_DSA_SHA256, &given)), Ok(expected));
    let digest = cryptoki_sys::CK_HASH_SIGN_ADDITIONAL_CONTEXT {
        hedgeVariant: CKH_DETERMINISTIC_REQUIRED,
        pContext: context.as_mut_ptr(),
        ulContextLen: 3,
        hash: CKM_SHA3_512,
    };
    let hash = Hash::Sha3_512;
    let expected = Params::HashSignContext { hedge, context: vec![7; 3], hash };
    assert_eq!(parse(raw(CKM_HASH_ML_DSA, &digest)), Ok(expected));
    let nowhere = cryptoki_sys::CK_SIGN_ADDITIONAL_CONTEXT { pContext: null_mut(), ..given };
    let unknown = cryptoki_sys::CK_HASH_SIGN_ADDITIONAL_CONTEXT { hash: CKM_AES_CBC, ..digest };
    for bad in [
        parse(raw(CKM_ML_DSA, &nowhere)),
        parse(raw(CKM_ML_DSA, &digest)),
        parse(raw(CKM_HASH_ML_DSA, &given)),
        parse(raw(CKM_HASH_ML_DSA, &unknown)),
        parse(bare(CKM_HASH_ML_DSA)),
    ] {
        assert_eq!(bad, Err(Reason::MechanismParam));
    }
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
    assert_eq!(params(unsafe { MechanismPtr::new(&oaep) }.read_for_unwrap()), Ok(Params::None));
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
    assert_eq!(
        params(unsafe { MechanismPtr::new(null()) }.read(CK_FLAGS::MAX)),
        Err(Reason::ArgumentsBad)
    );
    assert!(unsafe { MechanismPtr::new(null()) }.read_or_cancel(CK_FLAGS::MAX).unwrap().is_none());
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
