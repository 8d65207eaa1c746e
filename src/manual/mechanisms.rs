//! The mechanisms that are served.
//!
//! *Takes messages*: by the message functions of PKCS#11 3.0 as well. A setting in brackets is one of the
//! configuration's, without which the mechanism does not do all of it: it does not unwrap without
//! `pkcs1_unwrap`, and does not wrap or unwrap without `mixed_wrapping`. Programs that are
//! older than a mechanism show its number (`mechtype-0x3AC`).
//!
//! | mechanism | keys | does |
//! |---|---|---|
//! | `CKM_RSA_PKCS_KEY_PAIR_GEN` | RSA | generates pairs |
//! | `CKM_RSA_PKCS` | RSA | encrypts, decrypts, signs, verifies, signs and verifies with recovery, wraps, unwraps, takes messages (`pkcs1_unwrap`) |
//! | `CKM_RSA_X_509` | RSA | encrypts, decrypts, signs, verifies, signs and verifies with recovery, takes messages |
//! | `CKM_SHA1_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_RSA_PKCS_OAEP` | RSA | encrypts, decrypts, wraps, unwraps |
//! | `CKM_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA1_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_ML_KEM_KEY_PAIR_GEN` | ML-KEM | generates pairs |
//! | `CKM_ML_KEM` | ML-KEM | encapsulates, decapsulates |
//! | `CKM_ML_DSA_KEY_PAIR_GEN` | ML-DSA | generates pairs |
//! | `CKM_ML_DSA` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA224` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA256` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA384` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA512` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA3_224` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA3_256` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA3_384` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHA3_512` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHAKE128` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_HASH_ML_DSA_SHAKE256` | ML-DSA | signs, verifies, takes messages |
//! | `CKM_SHA256_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA384_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA512_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA256_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA384_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA512_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA224_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA224_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA512_224` |  | digests |
//! | `CKM_SHA512_224_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA512_224_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA512_256` |  | digests |
//! | `CKM_SHA512_256_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA512_256_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE` | GENERIC | derives |
//! | `CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH` | GENERIC | derives |
//! | `CKM_SHA3_256_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_384_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_512_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_256_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_384_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_512_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_224_RSA_PKCS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA3_224_RSA_PKCS_PSS` | RSA | signs, verifies, takes messages |
//! | `CKM_SHA_1` |  | digests |
//! | `CKM_SHA_1_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA_1_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA256` |  | digests |
//! | `CKM_SHA256_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA256_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA224` |  | digests |
//! | `CKM_SHA224_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA224_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA384` |  | digests |
//! | `CKM_SHA384_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA384_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA512` |  | digests |
//! | `CKM_SHA512_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA512_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_256` |  | digests |
//! | `CKM_SHA3_256_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_256_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_256_KEY_GEN` | SHA3-256-HMAC | generates |
//! | `CKM_SHA3_224` |  | digests |
//! | `CKM_SHA3_224_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_224_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_224_KEY_GEN` | SHA3-224-HMAC | generates |
//! | `CKM_SHA3_384` |  | digests |
//! | `CKM_SHA3_384_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_384_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_384_KEY_GEN` | SHA3-384-HMAC | generates |
//! | `CKM_SHA3_512` |  | digests |
//! | `CKM_SHA3_512_HMAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_512_HMAC_GENERAL` | GENERIC | signs, verifies, takes messages |
//! | `CKM_SHA3_512_KEY_GEN` | SHA3-512-HMAC | generates |
//! | `CKM_GENERIC_SECRET_KEY_GEN` | GENERIC | generates |
//! | `CKM_CONCATENATE_BASE_AND_KEY` | any secret | derives |
//! | `CKM_CONCATENATE_BASE_AND_DATA` | any secret | derives |
//! | `CKM_CONCATENATE_DATA_AND_BASE` | any secret | derives |
//! | `CKM_XOR_BASE_AND_DATA` | any secret | derives |
//! | `CKM_EXTRACT_KEY_FROM_KEY` | any secret | derives |
//! | `CKM_SSL3_PRE_MASTER_KEY_GEN` | GENERIC | generates |
//! | `CKM_TLS_PRE_MASTER_KEY_GEN` | GENERIC | generates |
//! | `CKM_SP800_108_COUNTER_KDF` | any secret | derives |
//! | `CKM_SP800_108_FEEDBACK_KDF` | any secret | derives |
//! | `CKM_SP800_108_DOUBLE_PIPELINE_KDF` | any secret | derives |
//! | `CKM_PKCS5_PBKD2` |  | generates |
//! | `CKM_TLS12_MAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_TLS12_KDF` | GENERIC | derives |
//! | `CKM_TLS12_MASTER_KEY_DERIVE` | GENERIC | derives |
//! | `CKM_TLS12_KEY_AND_MAC_DERIVE` | GENERIC | derives |
//! | `CKM_TLS12_MASTER_KEY_DERIVE_DH` | GENERIC | derives |
//! | `CKM_TLS12_KEY_SAFE_DERIVE` | GENERIC | derives |
//! | `CKM_TLS_MAC` | GENERIC | signs, verifies, takes messages |
//! | `CKM_TLS_KDF` | GENERIC | derives |
//! | `CKM_EC_KEY_PAIR_GEN` | EC | generates pairs |
//! | `CKM_ECDSA` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA1` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA224` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA256` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA384` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA512` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA3_224` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA3_256` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA3_384` | EC | signs, verifies, takes messages |
//! | `CKM_ECDSA_SHA3_512` | EC | signs, verifies, takes messages |
//! | `CKM_ECDH1_DERIVE` | EC | derives |
//! | `CKM_ECDH1_COFACTOR_DERIVE` | EC | derives |
//! | `CKM_RSA_AES_KEY_WRAP` | RSA | wraps, unwraps |
//! | `CKM_EC_EDWARDS_KEY_PAIR_GEN` | ED25519 | generates pairs |
//! | `CKM_EC_MONTGOMERY_KEY_PAIR_GEN` | X25519 | generates pairs |
//! | `CKM_EDDSA` | ED25519 | signs, verifies, generates pairs, takes messages |
//! | `CKM_AES_XTS` | AES-XTS | encrypts, decrypts |
//! | `CKM_AES_XTS_KEY_GEN` | AES-XTS | generates |
//! | `CKM_AES_KEY_GEN` | AES | generates |
//! | `CKM_AES_ECB` | AES | encrypts, decrypts |
//! | `CKM_AES_CBC` | AES | encrypts, decrypts, wraps, unwraps (`mixed_wrapping`) |
//! | `CKM_AES_CBC_PAD` | AES | encrypts, decrypts, wraps, unwraps |
//! | `CKM_AES_CTR` | AES | encrypts, decrypts |
//! | `CKM_AES_GCM` | AES | encrypts, decrypts, wraps, unwraps, takes messages |
//! | `CKM_AES_CCM` | AES | encrypts, decrypts |
//! | `CKM_AES_CMAC` | AES | signs, verifies, takes messages |
//! | `CKM_AES_CMAC_GENERAL` | AES | signs, verifies, takes messages |
//! | `CKM_AES_GMAC` | AES | signs, verifies |
//! | `CKM_AES_ECB_ENCRYPT_DATA` | AES | derives |
//! | `CKM_AES_CBC_ENCRYPT_DATA` | AES | derives |
//! | `CKM_CHACHA20_KEY_GEN` | CHACHA20 | generates |
//! | `CKM_AES_OFB` | AES | encrypts, decrypts |
//! | `CKM_AES_CFB128` | AES | encrypts, decrypts |
//! | `CKM_AES_KEY_WRAP` | AES | encrypts, decrypts, wraps, unwraps |
//! | `CKM_AES_KEY_WRAP_PAD` | AES | encrypts, decrypts, wraps, unwraps |
//! | `CKM_AES_KEY_WRAP_KWP` | AES | encrypts, decrypts, wraps, unwraps |
//! | `CKM_SHA_1_KEY_GEN` | SHA1-HMAC | generates |
//! | `CKM_SHA224_KEY_GEN` | SHA224-HMAC | generates |
//! | `CKM_SHA256_KEY_GEN` | SHA256-HMAC | generates |
//! | `CKM_SHA384_KEY_GEN` | SHA384-HMAC | generates |
//! | `CKM_SHA512_KEY_GEN` | SHA512-HMAC | generates |
//! | `CKM_SHA512_224_KEY_GEN` | SHA512-224-HMAC | generates |
//! | `CKM_SHA512_256_KEY_GEN` | SHA512-256-HMAC | generates |
//! | `CKM_CHACHA20_POLY1305` | CHACHA20 | encrypts, decrypts, takes messages |
//! | `CKM_HKDF_DERIVE` | HKDF | derives |
//! | `CKM_HKDF_DATA` | HKDF | derives |
//! | `CKM_HKDF_KEY_GEN` | HKDF | generates |
//! | `CKM_KEYSTEAD_SEAL` | AES | encrypts, decrypts, wraps, unwraps |
//! | `CKM_KEYSTEAD_ROTATE` |  | generates |
