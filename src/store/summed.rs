//! Files that end with a sum of all that stands before it.

use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// Reads or writes, and sums what passes: SHA-256.
pub(crate) struct Summed<T> {
    /// The source or sink; bytes that pass here alone are not summed.
    pub(crate) inner: T,
    sum: Sha256,
}

impl<T> Summed<T> {
    /// Begins a sum.
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, sum: Sha256::new() }
    }

    /// Sums bytes that are not read or written.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// Returns the sum of what has passed until now.
    pub(crate) fn sum(&self) -> [u8; 32] {
        self.sum.clone().finalize().into()
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}
