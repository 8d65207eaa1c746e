//! What the token can compute: one row for each mechanism, one file for each family.

mod aes;
mod aes_block;
mod aes_ccm;
mod aes_ctr;
mod aes_gcm;
mod aes_wrap;
mod digest;
mod ec;
mod hkdf;
mod mac;
mod one_shot;
pub mod params;
mod rotate;
mod row;
mod rsa;
mod rsa_aes;
mod rsa_sign;
mod seal;
mod versions;

pub use params::{Hash, Mechanism, Params, ParamsShape, Salt};
pub use row::Row;
pub use seal::SEAL_AROUND;
pub use versions::begin_verify;

use crate::error::{Reason, Result};
use crate::key::{Parsed, UsableKey};
use crate::secret::Secret;
use std::ops::RangeInclusive;

/// Every mechanism, sorted by its number.
pub static MECHANISMS: &[Row] = &[
    rsa::KEY_PAIR_GEN,
    rsa_sign::PKCS,
    rsa_sign::X_509,
    rsa_sign::SHA1_RSA_PKCS,
    rsa::OAEP,
    rsa_sign::PSS,
    rsa_sign::SHA1_RSA_PKCS_PSS,
    rsa_sign::SHA256_RSA_PKCS,
    rsa_sign::SHA384_RSA_PKCS,
    rsa_sign::SHA512_RSA_PKCS,
    rsa_sign::SHA256_RSA_PKCS_PSS,
    rsa_sign::SHA384_RSA_PKCS_PSS,
    rsa_sign::SHA512_RSA_PKCS_PSS,
    rsa_sign::SHA224_RSA_PKCS,
    rsa_sign::SHA224_RSA_PKCS_PSS,
    digest::SHA512_224,
    mac::SHA512_224_HMAC,
    mac::SHA512_224_HMAC_GENERAL,
    digest::SHA512_256,
    mac::SHA512_256_HMAC,
    mac::SHA512_256_HMAC_GENERAL,
    rsa_sign::SHA3_256_RSA_PKCS,
    rsa_sign::SHA3_384_RSA_PKCS,
    rsa_sign::SHA3_512_RSA_PKCS,
    rsa_sign::SHA3_256_RSA_PKCS_PSS,
    rsa_sign::SHA3_384_RSA_PKCS_PSS,
    rsa_sign::SHA3_512_RSA_PKCS_PSS,
    rsa_sign::SHA3_224_RSA_PKCS,
    rsa_sign::SHA3_224_RSA_PKCS_PSS,
    digest::SHA_1,
    mac::SHA_1_HMAC,
    mac::SHA_1_HMAC_GENERAL,
    digest::SHA256,
    mac::SHA256_HMAC,
    mac::SHA256_HMAC_GENERAL,
    digest::SHA224,
    mac::SHA224_HMAC,
    mac::SHA224_HMAC_GENERAL,
    digest::SHA384,
    mac::SHA384_HMAC,
    mac::SHA384_HMAC_GENERAL,
    digest::SHA512,
    mac::SHA512_HMAC,
    mac::SHA512_HMAC_GENERAL,
    digest::SHA3_256,
    mac::SHA3_256_HMAC,
    mac::SHA3_256_HMAC_GENERAL,
    digest::SHA3_224,
    mac::SHA3_224_HMAC,
    mac::SHA3_224_HMAC_GENERAL,
    digest::SHA3_384,
    mac::SHA3_384_HMAC,
    mac::SHA3_384_HMAC_GENERAL,
    digest::SHA3_512,
    mac::SHA3_512_HMAC,
    mac::SHA3_512_HMAC_GENERAL,
    mac::GENERIC_SECRET_KEY_GEN,
    ec::KEY_PAIR_GEN,
    ec::ECDSA,
    ec::ECDSA_SHA1,
    ec::ECDSA_SHA224,
    ec::ECDSA_SHA256,
    ec::ECDSA_SHA384,
    ec::ECDSA_SHA512,
    ec::ECDSA_SHA3_224,
    ec::ECDSA_SHA3_256,
    ec::ECDSA_SHA3_384,
    ec::ECDSA_SHA3_512,
    ec::ECDH1_DERIVE,
    ec::ECDH1_COFACTOR_DERIVE,
    rsa_aes::RSA_AES_KEY_WRAP,
    ec::EDWARDS_KEY_PAIR_GEN,
    ec::MONTGOMERY_KEY_PAIR_GEN,
    ec::EDDSA,
    aes::KEY_GEN,
    aes_block::ECB,
    aes_block::CBC,
    aes_block::CBC_PAD,
    aes_ctr::CTR,
    aes_gcm::GCM,
    aes_ccm::CCM,
    mac::AES_CMAC,
    mac::AES_CMAC_GENERAL,
    aes_wrap::KEY_WRAP,
    aes_wrap::KEY_WRAP_PAD,
    aes_wrap::KEY_WRAP_KWP,
    hkdf::DERIVE,
    hkdf::DATA,
    hkdf::KEY_GEN,
    seal::SEAL,
    rotate::ROTATE,
];

const _: () = assert!(row::sorted(MECHANISMS), "MECHANISMS is not sorted by number");

/// The rows by number, for the lower numbers, which almost every Init looks up.
static PLACES: [u8; 0x1200] = row::places(MECHANISMS);

/// The row of a mechanism; `MechanismInvalid` if there is none.
#[inline]
pub fn find(id: u64) -> Result<&'static Row> {
    let near = usize::try_from(id).ok().and_then(|id| PLACES.get(id));
    let row = match near {
        Some(place) => MECHANISMS.get(usize::from(*place)).filter(|row| row.id == id),
        None => MECHANISMS.iter().rev().find(|row| row.id == id),
    };
    row.ok_or(Reason::MechanismInvalid.into())
}

/// An encryption or decryption under way. Lengths are upper bounds, exact unless padding is removed.
///
/// Input and output never overlap here: the border copies where the caller's buffers do.
pub trait Transform: Send {
    /// The most that [`Self::update`] with `input` more bytes writes.
    fn update_len(&self, input: usize) -> usize;
    /// Takes `input`, writes what is ready; returns how much. A decryption that authenticates
    /// writes nothing before [`Self::finish`].
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
    /// The most that [`Self::finish`] writes.
    fn finish_len(&self) -> usize;
    /// Writes the rest; returns how much. Nothing follows.
    fn finish(&mut self, output: &mut [u8]) -> Result<usize>;
    /// The most that [`Self::whole`] writes for `input` bytes.
    fn whole_len(&self, input: usize) -> usize;
    /// Everything in one step, on a fresh operation. Nothing follows.
    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
}

/// A digest, signature or MAC under way.
pub trait Absorb: Send {
    /// Takes more input.
    fn update(&mut self, input: &[u8]) -> Result<()>;
    /// The length of the result in bytes.
    fn finish_len(&self) -> usize;
    /// Writes the result; returns its length. Nothing follows.
    fn finish(&mut self, output: &mut [u8]) -> Result<usize>;
    /// Everything in one step, on a fresh operation. Nothing follows.
    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.update(input)?;
        self.finish(output)
    }
}

/// A verification under way.
pub trait Check: Send {
    /// Takes more input.
    fn update(&mut self, input: &[u8]) -> Result<()>;
    /// Checks `signature` against all that was taken.
    fn finish(&mut self, signature: &[u8]) -> Result<()>;
}

/// Starts an encryption or decryption.
pub type BeginTransform = fn(&UsableKey, &Params) -> Result<Box<dyn Transform>>;
/// The parameter of one message: its IV, its associated data and its tag's length in bits.
pub type MessageParams = fn(Vec<u8>, Vec<u8>, u64) -> Params;
/// Starts a signature or MAC.
pub type BeginSign = fn(&UsableKey, &Params) -> Result<Box<dyn Absorb>>;
/// Starts a verification.
pub type BeginVerify = fn(&UsableKey, &Params) -> Result<Box<dyn Check>>;
/// Starts a digest.
pub type BeginDigest = fn(&Params) -> Result<Box<dyn Absorb>>;
/// Wraps key bytes.
pub type Wrap = fn(&UsableKey, &Params, &Secret) -> Result<Vec<u8>>;
/// Derives key bytes, that many (0 for the mechanism's natural length), from a key and from the value
/// of another that [`Params::other_key`] names.
pub type Derive = fn(&UsableKey, Option<&Secret>, &Params, usize) -> Result<Secret>;
/// Unwraps key bytes. Every malformed blob is `Reason::WrappedInvalid`.
pub type Unwrap = fn(&UsableKey, &Params, &[u8]) -> Result<Secret>;
/// The least and the most bytes that a wrapped key of so many bytes may hold, under this key.
pub type Lengths = fn(&UsableKey, usize) -> Option<RangeInclusive<usize>>;
/// Generates a secret key of that many bytes; 0 where the caller said none.
pub type Generate = fn(&Params, usize) -> Result<Secret>;
/// Generates a key pair; the private key holds the public one.
pub type GeneratePair = fn(&Params, &Domain) -> Result<Parsed>;

/// The parameters of a key pair to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain<'a> {
    /// An RSA pair.
    Rsa {
        /// The modulus' size in bits.
        bits: u64,
        /// The public exponent, big-endian.
        exponent: &'a [u8],
    },
    /// A pair on a curve: `CKA_EC_PARAMS` as the template has it, DER.
    Curve(&'a [u8]),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
pub(crate) mod tests;
