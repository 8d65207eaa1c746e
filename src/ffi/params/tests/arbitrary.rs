//! Parameters of arbitrary numbers: each is read or refused, and nothing else happens.

use super::{parse, raw};
use crate::error::Reason;
use crate::ffi::params::tls::CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS;
use crate::mechanism::{MECHANISMS, ParamsShape};
use crate::tests::cases;
use pkcs11_sys::*;
use proptest::prelude::*;

/// The words of the largest structure.
const WORDS: usize = 12;

/// A word in a structure: a number, or a pointer to nothing.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        2 => 1..64_u64,
        1 => prop_oneof![Just(u64::MAX), Just(1 << 32), Just(1 << 62)],
    ]
}

/// A field of SP 800-108 with a value that is there.
fn field() -> impl Strategy<Value = (u64, Vec<u64>, u64)> {
    (0..8_u64, proptest::collection::vec(word(), 0..4), 0..9_u64)
}

proptest! {
    #![proptest_config(cases(512))]

    /// Words that are read as pointers are all NULL, as a structure's are that was zeroed and then filled by halves.
    #[test]
    fn structures_without_anything_behind_them_are_read_or_refused(
        words in proptest::collection::vec(word(), WORDS),
        other_length in proptest::option::weighted(0.1, 0..=WORDS * 8),
    ) {
        for row in MECHANISMS {
            let Some((size, pointers)) = structure(row.params) else { continue };
            let mut words = words.clone();
            pointers.iter().for_each(|at| words[*at] = 0);
            let mechanism = CK_MECHANISM {
                mechanism: row.id,
                pParameter: words.as_mut_ptr().cast(),
                ulParameterLen: other_length.unwrap_or(size) as CK_ULONG,
            };
            if let Err(reason) = parse(mechanism) {
                prop_assert_eq!(reason, Reason::MechanismParam, "{}", row.name);
            }
        }
    }

    #[test]
    fn fields_with_any_values_are_read_or_refused(
        fields in proptest::collection::vec(field(), 0..6),
        prf in prop_oneof![Just(CKM_SHA256_HMAC), Just(CKM_AES_CMAC), word()],
    ) {
        let mut given: Vec<_> = fields
            .iter()
            .map(|(kind, value, less)| CK_PRF_DATA_PARAM {
                type_: *kind,
                pValue: value.as_ptr().cast_mut().cast(),
                ulValueLen: (value.len() as u64 * 8).saturating_sub(*less),
            })
            .collect();
        let params = CK_SP800_108_KDF_PARAMS {
            prfType: prf,
            ulNumberOfDataParams: given.len() as CK_ULONG,
            pDataParams: given.as_mut_ptr(),
            ulAdditionalDerivedKeys: 0,
            pAdditionalDerivedKeys: std::ptr::null_mut(),
        };
        if let Err(reason) = parse(raw(CKM_SP800_108_COUNTER_KDF, &params)) {
            prop_assert_eq!(reason, Reason::MechanismParam);
        }
    }
}

/// The size of a structure and those of its words that are pointers; none for the structures of other tests.
fn structure(shape: ParamsShape) -> Option<(usize, &'static [usize])> {
    Some(match shape {
        ParamsShape::Kbkdf => (size_of::<CK_SP800_108_KDF_PARAMS>(), &[2, 4]),
        ParamsShape::KbkdfFeedback => (size_of::<CK_SP800_108_FEEDBACK_KDF_PARAMS>(), &[2, 4, 6]),
        ParamsShape::Pbkdf2 => (size_of::<CK_PKCS5_PBKD2_PARAMS2>(), &[1, 5, 7]),
        ParamsShape::Version => (size_of::<CK_VERSION>(), &[]),
        ParamsShape::TlsMaster => (size_of::<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>(), &[0, 2, 4]),
        ParamsShape::TlsExtendedMaster => {
            (size_of::<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>(), &[1, 3])
        }
        ParamsShape::TlsKeys | ParamsShape::TlsKeysWithoutIvs => {
            (size_of::<CK_TLS12_KEY_MAT_PARAMS>(), &[4, 6, 8])
        }
        ParamsShape::TlsExport => (size_of::<CK_TLS_KDF_PARAMS>(), &[1, 3, 5, 7]),
        ParamsShape::TlsMac => (size_of::<CK_TLS_MAC_PARAMS>(), &[]),
        ParamsShape::Data => (size_of::<CK_KEY_DERIVATION_STRING_DATA>(), &[0]),
        ParamsShape::CbcData => (size_of::<CK_AES_CBC_ENCRYPT_DATA_PARAMS>(), &[2]),
        ParamsShape::Ecdh => (size_of::<CK_ECDH1_DERIVE_PARAMS>(), &[2, 4]),
        ParamsShape::Hkdf => (size_of::<CK_HKDF_PARAMS>(), &[3, 6]),
        _ => return None,
    })
}
