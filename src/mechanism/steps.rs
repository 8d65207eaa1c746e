//! The functions that a row can have: what each takes and gives, in one step or in parts.

use super::params::Params;
use crate::error::{Error, Result};
use crate::key::{Parsed, UsableKey};
use crate::lc::lattice::Set;
use crate::secret::Secret;
use std::ops::RangeInclusive;

/// An encryption or decryption under way. Lengths are upper bounds, exact unless padding is removed.
///
/// Input and output never overlap here: the border copies where the caller's buffers do.
pub(crate) trait Transform: Send {
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
    /// Encrypts everything in one step, as [`Self::whole`] does, and writes what [`Self::finish`] writes to
    /// `end`, which is as long.
    fn whole_apart(&mut self, input: &[u8], output: &mut [u8], end: &mut [u8]) -> Result<usize> {
        let written = self.update(input, output)?;
        self.finish(end)?;
        Ok(written)
    }
}

/// A digest, signature or MAC under way.
pub(crate) trait Absorb: Send {
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
    /// The state, if it can be saved.
    fn state(&self) -> Option<Secret> {
        None
    }
}

/// A verification under way.
pub(crate) trait Check: Send {
    /// Takes more input.
    fn update(&mut self, input: &[u8]) -> Result<()>;
    /// Checks `signature` against all that was taken.
    fn finish(&mut self, signature: &[u8]) -> Result<()>;
}

/// Starts an encryption or decryption.
pub(crate) type BeginTransform = fn(&UsableKey, &Params) -> Result<Box<dyn Transform>>;
/// The parameter of one message: its IV, its associated data and its tag's length in bits.
pub(crate) type MakeMessageParams = fn(Vec<u8>, Vec<u8>, u64) -> Params;

/// The messages that a mechanism encrypts and decrypts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageRow {
    /// The C structure of a message's parameter.
    pub shape: MessageShape,
    /// The parameter that this is here.
    pub params: MakeMessageParams,
}

/// The C structures that a message's parameter can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageShape {
    /// The structure `CK_GCM_MESSAGE_PARAMS`.
    Gcm,
    /// The structure `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS`.
    ChaCha,
}

/// Starts a signature or MAC.
pub(crate) type BeginSign = fn(&UsableKey, &Params) -> Result<Box<dyn Absorb>>;
/// Starts a verification.
pub(crate) type BeginVerify = fn(&UsableKey, &Params) -> Result<Box<dyn Check>>;
/// Starts a digest.
pub(crate) type BeginDigest = fn(&Params) -> Result<Box<dyn Absorb>>;
/// Goes on with a digest whose state was saved; anything else is `Reason::SavedStateInvalid`.
pub(crate) type ResumeDigest = fn(&[u8]) -> Result<Box<dyn Absorb>>;
/// Wraps key bytes.
pub(crate) type Wrap = fn(&UsableKey, &Params, &Secret) -> Result<Vec<u8>>;
/// Derives key bytes, that many (0 for the mechanism's natural length), from a key and from the value
/// of another that [`Params::other_key`] names.
pub(crate) type Derive = fn(&UsableKey, Option<&Secret>, &Params, usize) -> Result<Secret>;
/// Derives the bytes of several keys, each that long, of which none tells anything of another. A failure comes
/// with the index of the length that it is about, none where it is about all.
pub(crate) type DeriveSeveral =
    fn(&UsableKey, &Params, &[usize]) -> Result<Vec<Secret>, (Option<usize>, Error)>;
/// Unwraps key bytes. Every malformed blob is `Reason::WrappedInvalid`.
pub(crate) type Unwrap = fn(&UsableKey, &Params, &[u8]) -> Result<Secret>;
/// The least and the most bytes that a wrapped key of so many bytes may hold, under this key.
pub(crate) type Lengths = fn(&UsableKey, usize) -> Option<RangeInclusive<usize>>;
/// Encapsulates: gives the ciphertext, and the key that its owner decapsulates from it.
pub(crate) type Encapsulate = fn(&UsableKey, &Params) -> Result<(Vec<u8>, Secret)>;
/// Decapsulates a key. A ciphertext of a length that no key has encapsulated is `Reason::WrappedLength`.
pub(crate) type Decapsulate = fn(&UsableKey, &Params, &[u8]) -> Result<Secret>;
/// The length of the ciphertext that a key encapsulates to, in bytes.
pub(crate) type CiphertextLength = fn(&UsableKey) -> Result<usize>;
/// Generates a secret key of that many bytes; 0 where the caller said none.
pub(crate) type Generate = fn(&Params, usize) -> Result<Secret>;
/// Generates a key pair; the private key holds the public one.
pub(crate) type GeneratePair = fn(&Params, &Domain) -> Result<Parsed>;

/// The parameters of a key pair to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain<'a> {
    /// An RSA pair.
    Rsa {
        /// The modulus' size in bits.
        bits: u64,
        /// The public exponent, big-endian.
        exponent: &'a [u8],
    },
    /// A pair on a curve: `CKA_EC_PARAMS` as the template has it, DER.
    Curve(&'a [u8]),
    /// A pair of a parameter set, with the number that the template has for it.
    Lattice(u64, Set),
}

/// The knowledge that a derived value gives of the keys that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tells {
    /// It tells nothing, so that it may be read and be short although they are hidden.
    Nothing,
    /// It is what the base key makes of known blocks: nothing of the key, but what only those are to have who
    /// may encrypt.
    Ciphertext,
    /// They are in it as a whole, so that it is as good as a copy.
    Whole,
    /// A piece of the base key.
    Piece,
}

/// The protections that a derived key has from its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protections {
    /// Its template and the token's defaults decide alone.
    Own,
    /// Those of the base key, where its template says nothing of them.
    Default,
    /// All that the keys have that it comes from; a template that asks for fewer is refused.
    Kept,
}
