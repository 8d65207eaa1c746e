//! Mechanisms that compute at the end: over the message, whose parts are gathered, or its digest.

use super::{Absorb, Check, Transform};
use crate::error::{Reason, Result};
use crate::lc::digest::{Digest, Hash};
use crate::lc::shake::Shake;
use crate::secret::Secret;

/// The message so far, or its digest.
pub(super) enum Accumulator {
    /// The message, up to a bound.
    Message {
        /// Its parts, joined, with room behind them.
        bytes: Secret,
        /// The number of bytes so far.
        len: usize,
        /// The most bytes that fit.
        most: usize,
        /// The failure where more come; none where they count for nothing.
        misfit: Option<Reason>,
    },
    /// Its digest, under way.
    Digest(Digest),
    /// Its digest of extendable output, under way.
    Shake(Shake),
}

impl Accumulator {
    /// Gathers a message of at most `most` bytes; more are `misfit`.
    pub(super) fn message(most: usize, misfit: Reason) -> Self {
        Self::Message { bytes: Secret::new(Vec::new()), len: 0, most, misfit: Some(misfit) }
    }

    /// Gathers the first `most` bytes of a message, however long it is.
    pub(super) fn beginning(most: usize) -> Self {
        Self::Message { bytes: Secret::new(Vec::new()), len: 0, most, misfit: None }
    }

    /// Digests a message.
    pub(super) fn digest(hash: Hash) -> Result<Self> {
        Digest::new(hash).map(Self::Digest)
    }

    /// The number of bytes gathered so far; none of a digest.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Message { len, .. } => *len,
            Self::Digest(_) | Self::Shake(_) => 0,
        }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, input: &[u8]) -> Result<()> {
        match self {
            Self::Message { bytes, len, most, misfit } => {
                let input = match (len.saturating_add(input.len()) > *most, misfit) {
                    (false, _) => input,
                    (true, Some(misfit)) => return Err((*misfit).into()),
                    (true, None) => input.get(..*most - *len).ok_or(Reason::General)?,
                };
                let end = *len + input.len();
                if end > bytes.len() {
                    enlarge(bytes, *len, end)?;
                }
                bytes
                    .expose_mut()
                    .get_mut(*len..end)
                    .ok_or(Reason::General)?
                    .copy_from_slice(input);
                *len = end;
                Ok(())
            }
            Self::Digest(digest) => digest.update(input),
            Self::Shake(digest) => digest.update(input),
        }
    }

    /// Hands what was gathered to `run`.
    pub(super) fn end<T>(&mut self, run: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        match self {
            Self::Message { bytes, len, .. } => {
                run(bytes.expose().get(..*len).ok_or(Reason::General)?)
            }
            Self::Digest(digest) => {
                run(ended(digest.size(), |bytes| digest.finish(bytes))?.expose())
            }
            Self::Shake(digest) => {
                run(ended(digest.size(), |bytes| digest.finish(bytes))?.expose())
            }
        }
    }

    /// Hands a message that came in one piece to `run`, without gathering it.
    fn whole<T>(&mut self, input: &[u8], run: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        match self {
            Self::Message { len: 0, most, .. } if input.len() <= *most => run(input),
            _ => {
                self.add(input)?;
                self.end(run)
            }
        }
    }
}

/// Returns a digest of that many bytes.
fn ended(size: usize, finish: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<Secret> {
    let mut bytes = Secret::new(vec![0; size]);
    finish(bytes.expose_mut())?;
    Ok(bytes)
}

/// Doubles the room: a new vector, because one that grows in place leaves a copy behind.
fn enlarge(bytes: &mut Secret, len: usize, end: usize) -> Result<()> {
    let mut larger = Secret::zeros(end.next_power_of_two())?;
    let room = larger.expose_mut().get_mut(..len).ok_or(Reason::General)?;
    room.copy_from_slice(bytes.expose().get(..len).ok_or(Reason::General)?);
    *bytes = larger;
    Ok(())
}

/// Encrypts, decrypts or signs at the end.
pub(super) struct Compute<F> {
    input: Accumulator,
    size: Size,
    run: F,
}

/// The most bytes that come out.
enum Size {
    /// So many, whatever comes in.
    Fixed(usize),
    /// As many as this gives for the length of what comes in.
    Follows(fn(usize) -> usize),
}

impl Size {
    fn of(&self, input: usize) -> usize {
        match self {
            Self::Fixed(size) => *size,
            Self::Follows(size) => size(input),
        }
    }
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Compute<F> {
    /// Computes at the end: `run` turns the input into at most `size` bytes.
    pub(super) fn new(input: Accumulator, size: usize, run: F) -> Self {
        Self { input, size: Size::Fixed(size), run }
    }

    /// Computes at the end: `run` turns `len` bytes of input into at most `size(len)` bytes.
    pub(super) fn sized(input: Accumulator, size: fn(usize) -> usize, run: F) -> Self {
        Self { input, size: Size::Follows(size), run }
    }

    fn end(&mut self, output: &mut [u8]) -> Result<usize> {
        put(&self.input.end(&self.run)?, output)
    }

    fn all(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        put(&self.input.whole(input, &self.run)?, output)
    }
}

fn put(made: &Secret, output: &mut [u8]) -> Result<usize> {
    let room = output.get_mut(..made.len()).ok_or(Reason::BufferTooSmall)?;
    room.copy_from_slice(made.expose());
    Ok(made.len())
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Transform for Compute<F> {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        self.input.add(input)?;
        Ok(0)
    }

    fn finish_len(&self) -> usize {
        self.size.of(self.input.len())
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.end(output)
    }

    fn whole_len(&self, input: usize) -> usize {
        self.size.of(input)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.all(input, output)
    }
}

impl<F: Fn(&[u8]) -> Result<Secret> + Send + 'static> Absorb for Compute<F> {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.input.add(input)
    }

    fn finish_len(&self) -> usize {
        self.size.of(self.input.len())
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.end(output)
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.all(input, output)
    }
}

/// Verifies at the end.
pub(super) struct Compare<F> {
    input: Accumulator,
    run: F,
}

impl<F: Fn(&[u8], &[u8]) -> Result<()> + Send + 'static> Compare<F> {
    /// Verifies at the end: `run` compares the input with a signature.
    pub(super) fn new(input: Accumulator, run: F) -> Self {
        Self { input, run }
    }
}

impl<F: Fn(&[u8], &[u8]) -> Result<()> + Send + 'static> Check for Compare<F> {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.input.add(input)
    }

    fn finish(&mut self, signature: &[u8]) -> Result<()> {
        self.input.end(|input| (self.run)(input, signature))
    }
}
