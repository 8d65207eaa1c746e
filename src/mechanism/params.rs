//! A mechanism as the caller names it, its parameter parsed and owned.

use super::derive_params::{EcKdf, Kbkdf, KeySizes};
pub(crate) use crate::lc::digest::Hash;
use crate::secret::Secret;
use std::sync::Arc;

/// A mechanism with its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mechanism {
    /// Its `CKM_` number.
    pub id: u64,
    /// Its parameter.
    pub params: Params,
}

/// A mechanism's parameter, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Params {
    /// No parameter (a NULL pointer or no bytes).
    None,
    /// Plain bytes: an IV, associated data.
    Bytes(Vec<u8>),
    /// Counter mode: `CK_AES_CTR_PARAMS`.
    Ctr {
        /// The number of low bits of the block that count.
        bits: u64,
        /// The first counter block.
        block: [u8; 16],
    },
    /// GCM: `CK_GCM_PARAMS`.
    Gcm {
        /// The IV, any length from one byte.
        iv: Vec<u8>,
        /// The associated data.
        aad: Vec<u8>,
        /// The tag's length in bits.
        tag_bits: u64,
    },
    /// CCM: `CK_CCM_PARAMS`.
    Ccm {
        /// The length of the text, in bytes.
        data_len: u64,
        /// The nonce.
        nonce: Vec<u8>,
        /// The associated data.
        aad: Vec<u8>,
        /// The MAC's length in bytes.
        tag_len: u64,
    },
    /// ChaCha20-Poly1305: `CK_SALSA20_CHACHA20_POLY1305_PARAMS`.
    ChaCha {
        /// The nonce.
        nonce: Vec<u8>,
        /// The associated data.
        aad: Vec<u8>,
    },
    /// OAEP: `CK_RSA_PKCS_OAEP_PARAMS`.
    Oaep {
        /// The hash of the label.
        hash: Hash,
        /// The hash in the mask generation function.
        mgf: Hash,
        /// The label.
        label: Vec<u8>,
    },
    /// PSS: `CK_RSA_PKCS_PSS_PARAMS`.
    Pss {
        /// The hash that makes, or made, the digest.
        hash: Hash,
        /// The hash in the mask generation function.
        mgf: Hash,
        /// The salt's length in bytes.
        salt_len: u64,
    },
    /// RSA with AES: `CK_RSA_AES_KEY_WRAP_PARAMS`, the transport key's size in bits and its OAEP, as in
    /// [`Self::Oaep`].
    RsaAes {
        /// The size of the AES key that is made for one wrap.
        aes_bits: u64,
        /// The hash of the label.
        hash: Hash,
        /// The hash in the mask generation function.
        mgf: Hash,
        /// The label.
        label: Vec<u8>,
    },
    /// Key agreement: `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh {
        /// The derivation function.
        kdf: EcKdf,
        /// The data shared beside the secret.
        shared: Vec<u8>,
        /// The peer's public key.
        public: Vec<u8>,
    },
    /// HKDF: `CK_HKDF_PARAMS`.
    Hkdf {
        /// Asks for the first step, which condenses the key.
        extract: bool,
        /// Asks for the second step, which stretches it.
        expand: bool,
        /// The hash.
        hash: Hash,
        /// The salt of the first step.
        salt: HkdfSalt,
        /// The purpose of the derived key.
        info: Vec<u8>,
    },
    /// Ed25519ctx and Ed25519ph: `CK_EDDSA_PARAMS`.
    Eddsa {
        /// Signs a digest of the message: Ed25519ph.
        prehash: bool,
        /// The context.
        context: Vec<u8>,
    },
    /// ML-DSA: `CK_SIGN_ADDITIONAL_CONTEXT`.
    SignContext {
        /// Its `CKH_` number, which counts where something is signed.
        hedge: u64,
        /// The context.
        context: Vec<u8>,
    },
    /// ML-DSA of a digest: `CK_HASH_SIGN_ADDITIONAL_CONTEXT`.
    HashSignContext {
        /// Its `CKH_` number, which counts where something is signed.
        hedge: u64,
        /// The context.
        context: Vec<u8>,
        /// The hash that made the digest.
        hash: Hash,
    },
    /// The wanted length of a MAC in bytes: `CK_MAC_GENERAL_PARAMS`.
    Length(u64),
    /// Data that goes into a key beside its base: `CK_KEY_DERIVATION_STRING_DATA`.
    Data(Vec<u8>),
    /// Data that CBC encrypts to a key: `CK_AES_CBC_ENCRYPT_DATA_PARAMS`.
    CbcData {
        /// The IV.
        iv: [u8; 16],
        /// The data.
        data: Vec<u8>,
    },
    /// The bit of the base that a key begins with: `CK_EXTRACT_PARAMS`.
    FirstBit(u64),
    /// The handle of another key.
    Key(u64),
    /// NIST SP 800-108: `CK_SP800_108_KDF_PARAMS` or `CK_SP800_108_FEEDBACK_KDF_PARAMS`.
    Kbkdf(Kbkdf),
    /// PBKDF2: `CK_PKCS5_PBKD2_PARAMS2`.
    Pbkdf2 {
        /// The hash in its HMAC.
        hash: Hash,
        /// The salt.
        salt: Vec<u8>,
        /// The number of iterations.
        iterations: u64,
        /// The password.
        password: Arc<Secret>,
    },
    /// The protocol's version at the beginning of a premaster secret: `CK_VERSION`.
    Version([u8; 2]),
    /// A master secret of TLS 1.2: `CK_TLS12_MASTER_KEY_DERIVE_PARAMS`, or
    /// `CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS`.
    TlsMaster {
        /// The hash.
        hash: Hash,
        /// The client's random data and the server's, or the hash of the session (RFC 7627).
        seed: Vec<u8>,
        /// True where it is the latter.
        extended: bool,
        /// True where the caller wants to know the version in the premaster secret.
        tells_version: bool,
    },
    /// The keys of a TLS 1.2 connection: `CK_TLS12_KEY_MAT_PARAMS`.
    TlsKeys {
        /// The hash.
        hash: Hash,
        /// The server's random data and the client's.
        seed: Vec<u8>,
        /// The sizes for each side.
        sizes: KeySizes,
    },
    /// Other keys from a master secret of TLS 1.2 (RFC 5705): `CK_TLS_KDF_PARAMS`.
    TlsExport {
        /// The hash.
        hash: Hash,
        /// The label.
        label: Vec<u8>,
        /// The client's random data, the server's, and the context, if there is one.
        seed: Vec<u8>,
    },
    /// The MAC in a Finished message of TLS 1.2: `CK_TLS_MAC_PARAMS`.
    TlsMac {
        /// The hash.
        hash: Hash,
        /// The MAC's length in bytes.
        len: u64,
        /// True for the server's message.
        of_server: bool,
    },
}

/// The salt of HKDF's first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HkdfSalt {
    /// These bytes; none are as many zeros as the hash has bytes.
    Bytes(Vec<u8>),
    /// The value of the secret key with this handle.
    Key(u64),
}

impl Params {
    /// The handle of the second key that it names, if it does.
    pub fn other_key(&self) -> Option<u64> {
        match self {
            Self::Hkdf { salt: HkdfSalt::Key(handle), .. } | Self::Key(handle) => Some(*handle),
            _ => None,
        }
    }
}

/// The C structures that a mechanism's parameter can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParamsShape {
    /// No parameter.
    None,
    /// Bytes, none included.
    Bytes,
    /// The structure `CK_AES_CTR_PARAMS`.
    Ctr,
    /// The structure `CK_GCM_PARAMS`, with `ulIvBits` or without.
    Gcm,
    /// The structure `CK_GCM_PARAMS`, or an IV of 12 bytes.
    Gmac,
    /// The structure `CK_CCM_PARAMS`.
    Ccm,
    /// The structure `CK_SALSA20_CHACHA20_POLY1305_PARAMS`.
    ChaCha,
    /// The structure `CK_RSA_PKCS_OAEP_PARAMS`; none where the caller of `C_UnwrapKey` gives none.
    Oaep,
    /// The structure `CK_RSA_PKCS_PSS_PARAMS`.
    Pss,
    /// The structure `CK_RSA_AES_KEY_WRAP_PARAMS`.
    RsaAes,
    /// The number `CK_MAC_GENERAL_PARAMS`.
    Length,
    /// The structure `CK_ECDH1_DERIVE_PARAMS`.
    Ecdh,
    /// The structure `CK_HKDF_PARAMS`.
    Hkdf,
    /// The structure `CK_EDDSA_PARAMS`, or none.
    Eddsa,
    /// The structure `CK_KEY_DERIVATION_STRING_DATA`.
    Data,
    /// The structure `CK_AES_CBC_ENCRYPT_DATA_PARAMS`.
    CbcData,
    /// The number `CK_EXTRACT_PARAMS`.
    FirstBit,
    /// A `CK_OBJECT_HANDLE`.
    Key,
    /// The structure `CK_SP800_108_KDF_PARAMS`.
    Kbkdf,
    /// The structure `CK_SP800_108_FEEDBACK_KDF_PARAMS`.
    KbkdfFeedback,
    /// The structure `CK_PKCS5_PBKD2_PARAMS2`.
    Pbkdf2,
    /// The structure `CK_VERSION`.
    Version,
    /// The structure `CK_TLS12_MASTER_KEY_DERIVE_PARAMS`.
    TlsMaster,
    /// The structure `CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS`.
    TlsExtendedMaster,
    /// The structure `CK_TLS12_KEY_MAT_PARAMS`.
    TlsKeys,
    /// The same, whose IVs are ignored.
    TlsKeysWithoutIvs,
    /// The structure `CK_TLS_KDF_PARAMS`.
    TlsExport,
    /// The structure `CK_TLS_MAC_PARAMS`.
    TlsMac,
    /// The structure `CK_SIGN_ADDITIONAL_CONTEXT`, or none.
    SignContext,
    /// The structure `CK_HASH_SIGN_ADDITIONAL_CONTEXT`.
    HashSignContext,
}
