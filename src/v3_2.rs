//! The numbers of PKCS#11 3.2 that are used here, and that `pkcs11-sys`, which stops at 3.1, does not have.

/// The parameter set of a key.
pub const CKA_PARAMETER_SET: u64 = 0x61D;
/// The template of what a key encapsulates.
pub const CKA_ENCAPSULATE_TEMPLATE: u64 = 0x62A;
/// The template of what a key decapsulates.
pub const CKA_DECAPSULATE_TEMPLATE: u64 = 0x62B;
/// The usage of encapsulating.
pub const CKA_ENCAPSULATE: u64 = 0x633;
/// The usage of decapsulating.
pub const CKA_DECAPSULATE: u64 = 0x634;
/// The seed that a private key is made of.
pub const CKA_SEED: u64 = 0x637;

/// The flag of a mechanism that encapsulates.
pub const CKF_ENCAPSULATE: u64 = 0x1000_0000;
/// The flag of a mechanism that decapsulates.
pub const CKF_DECAPSULATE: u64 = 0x2000_0000;

/// The type of ML-KEM keys.
pub const CKK_ML_KEM: u64 = 0x49;

/// Generates an ML-KEM pair.
pub const CKM_ML_KEM_KEY_PAIR_GEN: u64 = 0x0F;
/// Encapsulates and decapsulates.
pub const CKM_ML_KEM: u64 = 0x17;

/// The type of ML-DSA keys.
pub const CKK_ML_DSA: u64 = 0x4A;

/// Generates an ML-DSA pair.
pub const CKM_ML_DSA_KEY_PAIR_GEN: u64 = 0x1C;
/// Signs messages.
pub const CKM_ML_DSA: u64 = 0x1D;
/// Signs digests.
pub const CKM_HASH_ML_DSA: u64 = 0x1F;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA224: u64 = 0x23;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA256: u64 = 0x24;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA384: u64 = 0x25;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA512: u64 = 0x26;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA3_224: u64 = 0x27;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA3_256: u64 = 0x28;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA3_384: u64 = 0x29;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHA3_512: u64 = 0x2A;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHAKE128: u64 = 0x2B;
/// Signs messages by their digests.
pub const CKM_HASH_ML_DSA_SHAKE256: u64 = 0x2C;

/// Lets the token choose whether a signature is hedged.
pub const CKH_HEDGE_PREFERRED: u64 = 0;
/// Asks for a hedged signature.
pub const CKH_HEDGE_REQUIRED: u64 = 1;
/// Asks for a deterministic signature.
pub const CKH_DETERMINISTIC_REQUIRED: u64 = 2;

/// The parameter set ML-DSA-44.
pub const CKP_ML_DSA_44: u64 = 1;
/// The parameter set ML-DSA-65.
pub const CKP_ML_DSA_65: u64 = 2;
/// The parameter set ML-DSA-87.
pub const CKP_ML_DSA_87: u64 = 3;

/// The parameter set ML-KEM-512.
pub const CKP_ML_KEM_512: u64 = 1;
/// The parameter set ML-KEM-768.
pub const CKP_ML_KEM_768: u64 = 2;
/// The parameter set ML-KEM-1024.
pub const CKP_ML_KEM_1024: u64 = 3;

/// A parameter set that is not served.
pub const CKR_PARAMETER_SET_NOT_SUPPORTED: u64 = 0x209;

#[cfg(test)]
mod tests {
    /// Compares numbers with those of an independent header, and returns how many there are.
    macro_rules! same {
        ($($name:ident)*) => {{
            $(assert_eq!(super::$name, cryptoki_sys::$name as u64, stringify!($name));)*
            [$(super::$name),*].len()
        }};
    }

    #[test]
    fn every_number_is_the_one_in_an_independent_header() {
        let compared = same!(
            CKA_PARAMETER_SET CKA_ENCAPSULATE_TEMPLATE CKA_DECAPSULATE_TEMPLATE CKA_ENCAPSULATE CKA_DECAPSULATE CKA_SEED CKF_ENCAPSULATE CKF_DECAPSULATE CKK_ML_KEM CKM_ML_KEM_KEY_PAIR_GEN CKM_ML_KEM CKP_ML_KEM_512 CKP_ML_KEM_768 CKP_ML_KEM_1024 CKR_PARAMETER_SET_NOT_SUPPORTED
            CKK_ML_DSA CKM_ML_DSA_KEY_PAIR_GEN CKM_ML_DSA CKM_HASH_ML_DSA CKM_HASH_ML_DSA_SHA224 CKM_HASH_ML_DSA_SHA256 CKM_HASH_ML_DSA_SHA384 CKM_HASH_ML_DSA_SHA512 CKM_HASH_ML_DSA_SHA3_224 CKM_HASH_ML_DSA_SHA3_256 CKM_HASH_ML_DSA_SHA3_384 CKM_HASH_ML_DSA_SHA3_512 CKM_HASH_ML_DSA_SHAKE128 CKM_HASH_ML_DSA_SHAKE256 CKH_HEDGE_PREFERRED CKH_HEDGE_REQUIRED CKH_DETERMINISTIC_REQUIRED CKP_ML_DSA_44 CKP_ML_DSA_65 CKP_ML_DSA_87
        );
        assert_eq!(include_str!("v3_2.rs").matches("\npub const ").count(), compared);
    }
}
