//! Bytes that are wiped when they are dropped and never printed.

use crate::sys::vault::VaultBytes;
use std::collections::TryReserveError;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Secret bytes: moved rather than copied, wiped on drop, compared in constant time.
pub struct Secret(Storage);

/// The memory that the bytes lie in.
enum Storage {
    Heap(HeapBytes),
    Vault(VaultBytes),
}

/// Bytes on the heap, wiped on drop.
struct HeapBytes(Vec<u8>);

impl Drop for HeapBytes {
    /// Wipes the bytes and the room behind them, each as a whole: a vector that wipes itself takes byte after
    /// byte. Nothing is no reason to call: processors are slow to write no bytes where there is no memory.
    fn drop(&mut self) {
        if !self.0.is_empty() {
            self.0.as_mut_slice().zeroize();
        }
        if self.0.len() < self.0.capacity() {
            self.0.spare_capacity_mut().zeroize();
        }
    }
}

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Storage::Heap(HeapBytes(bytes)))
    }

    /// Makes that many zeros; there may be no memory for as many as a caller names.
    pub fn zeros(len: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len)?;
        bytes.resize(len, 0);
        Ok(Self::new(bytes))
    }

    /// Copies a caller's bytes, however many they are.
    pub fn copy_of(caller: &[u8]) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(caller.len())?;
        bytes.extend_from_slice(caller);
        Ok(Self::new(bytes))
    }

    /// The same bytes for a long life: in the [vault](crate::sys::vault), which a forked child does not
    /// inherit and no memory dump has.
    pub fn kept(self) -> Self {
        match &self.0 {
            Storage::Heap(HeapBytes(bytes)) if !bytes.is_empty() => {
                Self(Storage::Vault(VaultBytes::copy_of(bytes)))
            }
            _ => self,
        }
    }

    /// A second copy, where two owners are meant; it lies where the first one does.
    pub fn duplicate(&self) -> Self {
        Self(match &self.0 {
            Storage::Heap(HeapBytes(bytes)) => Storage::Heap(HeapBytes(bytes.clone())),
            Storage::Vault(bytes) => Storage::Vault(VaultBytes::copy_of(bytes)),
        })
    }

    /// The bytes, for the length of a borrow.
    #[inline]
    pub fn expose(&self) -> &[u8] {
        match &self.0 {
            Storage::Heap(HeapBytes(bytes)) => bytes,
            Storage::Vault(bytes) => bytes,
        }
    }

    /// The bytes, to be filled in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Storage::Heap(HeapBytes(bytes)) => bytes,
            Storage::Vault(bytes) => bytes,
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Returns whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// The same bytes and zeros behind them, up to a multiple of `block` bytes.
    pub fn with_zeros(&self, block: usize) -> Self {
        let length = self.len().next_multiple_of(block);
        // As long as it will be from the start: growing would leave a copy behind.
        let mut padded = Vec::with_capacity(length);
        padded.extend_from_slice(self.expose());
        padded.resize(length, 0);
        Self::new(padded)
    }

    /// Returns whether there are only zeros from `start` on, in a time that depends on the lengths alone.
    pub fn is_zero_from(&self, start: usize) -> bool {
        let tail = self.expose().get(start..).unwrap_or_default();
        tail.iter().fold(0, |all, byte| all | byte).ct_eq(&0).into()
    }

    /// Shortens to `len` bytes, wiping the rest.
    pub fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.expose_mut().get_mut(len..) {
            rest.zeroize();
        }
        match &mut self.0 {
            Storage::Heap(HeapBytes(bytes)) => bytes.truncate(len),
            Storage::Vault(bytes) => bytes.truncate(len),
        }
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_a_length_and_no_byte() {
        assert_eq!(format!("{:?}", Secret::new(vec![0xAB; 3])), "Secret(3 bytes)");
    }

    #[test]
    fn a_kept_secret_is_the_same_secret() {
        let mut kept = Secret::new(vec![1, 2, 3]).kept();
        assert_eq!(kept, Secret::new(vec![1, 2, 3]));
        assert_eq!(kept.duplicate(), kept);
        kept.truncate(2);
        kept.truncate(7);
        assert_eq!(kept.kept(), Secret::new(vec![1, 2]));
        assert_eq!(Secret::new(Vec::new()).kept(), Secret::new(Vec::new()));
    }

    #[test]
    fn zeros_fill_up_a_block_and_are_told_from_what_is_none() {
        let padded = Secret::new(vec![1, 0, 2]).with_zeros(8);
        assert_eq!(padded, Secret::new(vec![1, 0, 2, 0, 0, 0, 0, 0]));
        assert_eq!(padded.with_zeros(8), padded);
        let zero_from: Vec<usize> = (0..=9).filter(|start| padded.is_zero_from(*start)).collect();
        assert_eq!(zero_from, [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn equality_looks_at_all_bytes() {
        assert_eq!(Secret::new(vec![1, 2]), Secret::new(vec![1, 2]));
        assert_ne!(Secret::new(vec![1, 2]), Secret::new(vec![1, 3]));
        assert_ne!(Secret::new(vec![1, 2]), Secret::new(vec![1]));
    }
}
