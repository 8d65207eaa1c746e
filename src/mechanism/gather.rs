//! Mechanisms that compute at the end: over the message, whose parts are gathered, or its digest.

use super::{Absorb, Check, Transform};
use crate::error::{Reason, Result};
use crate::lc::digest::{Digest, Hash};
use crate::secret::Secret;

/// What has been taken so far.
pub(super) enum Gathered {
    /// The message, up to a bound.
    Message {
        /// Its parts, joined.
        bytes: Secret,
        /// The most bytes that fit.
        most: usize,
        /// The failure where more come.
        misfit: Reason,
    },
    /// Its digest, under way.
    Digest(Digest),
}

impl Gathered {
    /// Gathers a message of at most `most` bytes; more are `misfit`.
    pub(super) fn message(most: usize, misfit: Reason) -> Self {
        Self::Message { bytes: Secret::new(Vec::new()), most, misfit }
    }

    /// Digests a message.
    pub(super) fn digest(hash: Hash) -> Result<Self> {
        Digest::new(hash).map(Self::Digest)
    }

    fn add(&mut self, input: &[u8]) -> Result<()> {
        match self {
            Self::Message { bytes, most, misfit } => {
                if input.len() > most.saturating_sub(bytes.len()) {
                    return Err((*misfit).into());
                }
                // A new vector each time: growing in place would leave copies behind.
                *bytes = Secret::new([bytes.expose(), input].concat());
                Ok(())
            }
            Self::Digest(digest) => digest.update(input),
        }
    }

    fn take(&mut self) -> Result<Secret> {
        match self {
            Self::Message { bytes, .. } => Ok(std::mem::replace(bytes, Secret::new(Vec::new()))),
            Self::Digest(digest) => {
                let mut bytes = Secret::new(vec![0; digest.size()]);
                digest.finish(bytes.expose_mut())?;
                Ok(bytes)
            }
        }
    }
}

/// Encrypts, decrypts or signs at the end.
pub(super) struct Compute<F> {
    gathered: Gathered,
    size: usize,
    run: F,
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Compute<F> {
    /// `run` turns what was gathered into at most `size` bytes.
    pub(super) fn new(gathered: Gathered, size: usize, run: F) -> Self {
        Self { gathered, size, run }
    }

    fn end(&mut self, output: &mut [u8]) -> Result<usize> {
        let made = (self.run)(self.gathered.take()?.expose())?;
        let room = output.get_mut(..made.len()).ok_or(Reason::BufferTooSmall)?;
        room.copy_from_slice(made.expose());
        Ok(made.len())
    }
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Transform for Compute<F> {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.gathered.add(input)?;
        Ok(0)
    }

    fn finish_len(&self) -> usize {
        self.size
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.end(output)
    }

    fn whole_len(&self, _input: usize) -> usize {
        self.size
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.gathered.add(input)?;
        self.end(output)
    }
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Absorb for Compute<F> {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.gathered.add(input)
    }

    fn finish_len(&self) -> usize {
        self.size
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.end(output)
    }
}

/// Verifies at the end.
pub(super) struct Compare<F> {
    gathered: Gathered,
    run: F,
}

impl<F: Fn(&[u8], &[u8]) -> Result<()> + Send + 'static> Compare<F> {
    /// `run` compares what was gathered with a signature.
    pub(super) fn new(gathered: Gathered, run: F) -> Self {
        Self { gathered, run }
    }
}

impl<F: Fn(&[u8], &[u8]) -> Result<()> + Send + 'static> Check for Compare<F> {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.gathered.add(input)
    }

    fn finish(&mut self, signature: &[u8]) -> Result<()> {
        (self.run)(self.gathered.take()?.expose(), signature)
    }
}
