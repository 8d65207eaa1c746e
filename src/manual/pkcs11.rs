//! PKCS#11 itself: which interface is served, and what of 3.2 is not.
//!
//! # Interfaces
//!
//! `C_GetInterface` hands out the lists of 2.40, 3.0, 3.1 and 3.2, and that of 3.2 where a caller names no
//! version: it begins as that of 3.0, for callers that know no more. The list of 3.2 is complete. Three of its
//! functions answer `CKR_FUNCTION_NOT_SUPPORTED`: `C_AsyncComplete`, `C_AsyncGetID` and `C_AsyncJoin`. No call
//! ends later than it returns, so `CKF_ASYNC_SESSION` is refused with `CKR_SESSION_ASYNC_NOT_SUPPORTED`.
//!
//! # Verification
//!
//! Every mechanism that verifies does so through `C_VerifyInit` and through `C_VerifySignatureInit`, which is
//! told the signature first. These are two operations: a session can have one of each. What is wrong with the
//! signature, its length too, is told with the last of the data. `C_SessionCancel` with `CKF_VERIFY` ends both.
//!
//! # Encapsulation
//!
//! `C_EncapsulateKey` and `C_DecapsulateKey` make a secret key by ML-KEM, of any type that has keys of 32 bytes
//! or fewer. `CKA_VALUE_LEN` may be left out; 16 of an AES key, say, takes the leading 16 bytes. A key that its
//! pair's template hides has 14 bytes at least. A length that keys of the type do not have is
//! `CKR_TEMPLATE_INCONSISTENT`. The key obeys its template and what the template of the
//! pair's half adds; it is external whatever it is for, so that one on the token is an imported custom key. A
//! question for the length of the ciphertext makes no key. A ciphertext that was made for another key gives
//! one too, which only the token has; one of another length is `CKR_WRAPPED_KEY_LEN_RANGE`. Expired material
//! that is kept for reading goes on to decapsulate. What an import key decapsulates ends with its session, and
//! at the import key's expiry; that the pair is destroyed does not end it.
//!
//! A private key is kept by its seed where that is known, and leaves so when it is wrapped (RFC 9935); else
//! `CKA_SEED` is empty. Seed and expanded key are one material: the one is imported where the other was, and
//! what is kept never loses its seed. A seed and a value that are of two keys are
//! `CKR_TEMPLATE_INCONSISTENT`. An expanded key that differs in what its public half does not tell, *z* of ML-KEM or
//! *K* of ML-DSA, is other material, and no other custom key takes it either.
//!
//! # ML-DSA and EdDSA
//!
//! `CKM_ML_DSA`, and `CKM_HASH_ML_DSA_SHA224` to `CKM_HASH_ML_DSA_SHAKE256`, sign and verify messages of any
//! length, whole or in parts; none is gathered. `CKM_HASH_ML_DSA` takes a digest by SHA-2 or SHA-3 of exactly
//! its length; SHA-1 is `CKR_MECHANISM_PARAM_INVALID`, as is a context of more than 255 bytes.
//!
//! | `hedgeVariant` | signing |
//! |---|---|
//! | `CKH_HEDGE_PREFERRED`, or no parameter | with 32 fresh random bytes |
//! | `CKH_HEDGE_REQUIRED` | the same |
//! | `CKH_DETERMINISTIC_REQUIRED` | without: one message has one signature under one context |
//! | any other number | `CKR_MECHANISM_PARAM_INVALID` |
//!
//! Verifying does not look at it. A private key comes by its seed, its expanded form or both (`CKA_SEED`,
//! `CKA_VALUE`, the three forms of PKCS#8 in RFC 9881), and these are one material. The seed is kept where it is
//! known. Signing with ML-DSA-87 takes 117 KiB of the calling thread's stack, ML-DSA-65 80 KiB, ML-DSA-44 56 KiB.
//!
//! `CKM_EDDSA` without a parameter is Ed25519. With `CK_EDDSA_PARAMS` it is Ed25519ph where `phFlag` is set, else
//! Ed25519ctx, which RFC 8032 does not mean to have an empty context: that is `CKR_MECHANISM_PARAM_INVALID`. Ed25519ph
//! digests a message as it comes; for the others it is gathered, up to 256 MiB.
//!
//! # Profiles
//!
//! Each token has an object of class `CKO_PROFILE` for each profile that it conforms to (PKCS#11 Profiles 3.2,
//! section 5): baseline provider, extended provider, authentication token. They are found without a login,
//! stand before all other objects, and belong to the program: no store holds them, and no call makes, changes,
//! copies or destroys them. A token is no *public certificates token*: that all certificates are public, bear
//! the `CKA_ID` of their keys and have a public key beside them is for those to say who put them there, and a
//! private certificate is hidden from all who would ask.
//!
//! # Validation
//!
//! The module is not validated. So there is no object of class `CKO_VALIDATION`, no object has
//! `CKA_OBJECT_VALIDATION_FLAGS`, and `C_GetSessionValidationFlags` says 0.
//!
//! # Trust
//!
//! An object of class `CKO_TRUST` says what a certificate is trusted for: by whom it was issued, with which
//! serial number, and, where it trusts it, a hash of it. It is an ordinary object, public unless its template
//! says otherwise. What is trusted for what can be changed, and the certificate cannot. Either user, logged in,
//! writes trust; clients believe it as they believe the token. It has nothing to do with `CKA_TRUSTED`, which is
//! the security officer's.
//!
//! # Operation states
//!
//! `C_GetOperationState` saves the state of a digest by SHA-1 or SHA-2, with no other operation under way, and
//! `C_SetOperationState` goes on from it in any session of the same process, on the same token and in the
//! same state, as often as is asked for. A state is the digest's own, readable, under an HMAC of the process's:
//! one that was changed, or comes from elsewhere, is `CKR_SAVED_STATE_INVALID`. The state of SHA-3, of a digest
//! that a key has gone into, and of everything that works with a key is `CKR_STATE_UNSAVEABLE`.
//!
//! # What is not served
//!
//! | | answer |
//! |---|---|
//! | Ed448, X448 | `CKR_CURVE_NOT_SUPPORTED`: only preliminary releases of libraries compute them in constant time |
//! | Ed25519ctx with an empty context | `CKR_MECHANISM_PARAM_INVALID`, as RFC 8032 means it |
//! | `CKM_CHACHA20` without Poly1305 | `CKR_MECHANISM_INVALID` |
//! | wrapping by `CKM_AES_CCM` | `CKR_MECHANISM_INVALID`; `CKM_AES_GCM` wraps, under IVs of the token's |
//! | `CK_SP800_108_KEY_HANDLE`, a key for a field of SP 800-108 | `CKR_MECHANISM_PARAM_INVALID` |
//! | `CKO_NSS_TRUST`, NSS's own form of trust before 3.2 | `CKR_ATTRIBUTE_VALUE_INVALID` |
//! | the profile *public certificates token* | no object says it |
//! | operation states of SHA-3 and of keys | `CKR_STATE_UNSAVEABLE` |
//! | asynchronous calls | `CKR_FUNCTION_NOT_SUPPORTED`, `CKR_SESSION_ASYNC_NOT_SUPPORTED` |
