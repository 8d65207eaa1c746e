//! Decryption that authenticates: it releases nothing before the tag has been checked, and so keeps the
//! ciphertext.

use super::Transform;
use crate::error::{Reason, Result};

/// A message of which everything has come.
pub(super) trait Opens: Send {
    /// The length of all that stands around the text, such as the tag behind it, in bytes.
    fn overhead(&self) -> usize;
    /// The failure of a message that is longer than any.
    fn too_long(&self) -> Reason {
        Reason::EncryptedLength
    }
    /// Decrypts the text; returns its length. A wrong tag leaves nothing in `output`.
    fn open(&mut self, sealed: &[u8], output: &mut [u8]) -> Result<usize>;
}

/// A decryption that keeps the ciphertext.
pub(super) struct Opening<M> {
    message: M,
    held: Vec<u8>,
    /// The longest text, in bytes.
    most: u64,
}

impl<M: Opens> Opening<M> {
    /// Decrypts a message whose text has at most `most` bytes.
    pub(super) fn new(message: M, most: u64) -> Self {
        Self { message, held: Vec::new(), most }
    }
}

impl<M: Opens> Transform for Opening<M> {
    fn update_len(&self, _input: usize) -> usize {
        0
    }

    fn update(&mut self, input: &[u8], _output: &mut [u8]) -> Result<usize> {
        let all = (self.held.len() as u64).saturating_add(input.len() as u64);
        if all > self.most.saturating_add(self.message.overhead() as u64) {
            return Err(self.message.too_long().into());
        }
        self.held.try_reserve(input.len())?;
        self.held.extend_from_slice(input);
        Ok(0)
    }

    fn finish_len(&self) -> usize {
        self.whole_len(self.held.len())
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.message.open(&self.held, output)
    }

    fn whole_len(&self, input: usize) -> usize {
        input.saturating_sub(self.message.overhead())
    }

    fn whole(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.message.open(input, output)
    }
}
