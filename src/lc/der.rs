//! As much of DER (X.690) as the private keys need that AWS-LC does not read or write.

use crate::secret::Secret;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Returns the tag of an element that its context tells apart, with bytes in it.
pub(super) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// Returns the tag of an element that its context tells apart, with elements in it.
pub(super) const fn constructed(number: u8) -> u8 {
    0xA0 | number
}

/// Elements, one behind the other.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// Takes the next element if it has that tag: what is in it.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (_, rest) = self.0.split_first().filter(|(found, _)| **found == tag)?;
        let (length, rest) = length(rest)?;
        let (inner, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(inner)
    }

    /// Returns whether no element is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a length of at most three bytes, which no shorter form has, and returns what follows it.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    let (number, rest) = match first {
        0..=0x7F => return Some((usize::from(*first), rest)),
        0x81 | 0x82 => rest.split_at_checked(usize::from(first - 0x80))?,
        _ => return None,
    };
    let length = number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let least = if number.len() == 1 { 0x80 } else { 0x100 };
    (length >= least).then_some((length, rest))
}

/// Returns an element with these parts in it, 65 535 bytes at most.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Secret {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [.., high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..=0x7F => &[tag, low],
        0x80..=0xFF => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    let mut element = Vec::with_capacity(head.len() + length);
    element.extend_from_slice(head);
    parts.iter().for_each(|part| element.extend_from_slice(part));
    Secret::new(element)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_element_of_any_length_reads_back() {
        for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF] {
            let inner = vec![7; length];
            let (first, second) = inner.split_at(length / 3);
            let written = element(SEQUENCE, &[first, second]);
            let mut elements = Elements(written.expose());
            assert!(elements.take(INTEGER).is_none());
            assert_eq!(elements.take(SEQUENCE).unwrap(), inner);
            assert!(elements.is_empty());
        }
    }

    #[test]
    fn lengths_that_der_does_not_have_are_refused() {
        for wrong in [&[4][..], &[4, 1], &[4, 0x80, 0, 0], &[4, 0x81, 1, 9], &[4, 0x82, 0, 1, 9]] {
            assert!(Elements(wrong).take(OCTET_STRING).is_none(), "{wrong:?}");
        }
    }
}
