//! What the token can compute: one row for each mechanism, one file for each family.

pub mod params;

pub use params::{Hash, Mechanism, Params, ParamsShape};

use crate::error::Result;
use crate::key::UsableKey;
use crate::secret::Secret;

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
    /// How long the result is.
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
    /// Whether `signature` fits all that was taken.
    fn finish(&mut self, signature: &[u8]) -> Result<()>;
}

/// Starts an encryption or decryption.
pub type BeginTransform = fn(&UsableKey, &Params) -> Result<Box<dyn Transform>>;
/// Starts a signature or MAC.
pub type BeginSign = fn(&UsableKey, &Params) -> Result<Box<dyn Absorb>>;
/// Starts a verification.
pub type BeginVerify = fn(&UsableKey, &Params) -> Result<Box<dyn Check>>;
/// Starts a digest.
pub type BeginDigest = fn(&Params) -> Result<Box<dyn Absorb>>;
/// Wraps key bytes.
pub type Wrap = fn(&UsableKey, &Params, &Secret) -> Result<Vec<u8>>;
/// Unwraps key bytes. Every malformed blob is `Reason::WrappedInvalid`.
pub type Unwrap = fn(&UsableKey, &Params, &[u8]) -> Result<Secret>;
