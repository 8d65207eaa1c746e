//! The work that a file under a passphrase asks for, read from it before any of it is done: its numbers are
//! whatever its writer chose, and cost nothing to write.

use super::encrypted_key::Unread;

/// The most iterations of PBKDF2 and of PKCS#12's own derivation that one file may ask for, all in all.
const MAX_ITERATIONS: u64 = 10_000_000;

/// The most memory that scrypt may take, in bytes: 128 N r (RFC 7914).
const MAX_MEMORY: u64 = 1 << 30;

/// The most memory that scrypt may go through, in bytes: 128 N r p.
const MAX_PASSED: u64 = 1 << 32;

/// The most levels of elements in each other; a file of PKCS#12 has fifteen.
const MAX_DEPTH: usize = 40;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const PIECED_OCTET_STRING: u8 = 0x24;
const SEQUENCE: u8 = 0x30;
const CONSTRUCTED: u8 = 0x20;

/// Refuses a file in DER or BER, encrypted by PBES2 (RFC 8018) or as PKCS#12 has it (RFC 7292), that asks for more
/// than the bounds, or for memory that there is not. What lies encrypted in it cannot be looked at.
pub fn check_cost(file: &[u8]) -> Result<(), Unread> {
    let mut cost = Cost::default();
    cost.add(file, MAX_DEPTH).ok_or(Unread::Damaged)?;
    cost.check()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    iterations: u64,
    memory: u64,
    passed: u64,
    /// Set where elements lie deeper in each other than is looked at.
    too_deep: bool,
    /// Set where scrypt has no such parameters (RFC 7914, section 2).
    no_such: bool,
}

/// An element: its tag, and what is in it.
struct Element<'a> {
    tag: u8,
    inner: &'a [u8],
}

impl Cost {
    fn check(&self) -> Result<(), Unread> {
        let is_within = self.iterations <= MAX_ITERATIONS
            && self.memory <= MAX_MEMORY
            && self.passed <= MAX_PASSED;
        match is_within {
            _ if self.too_deep || self.no_such => Err(Unread::Damaged),
            true if is_free(self.memory) => Ok(()),
            _ => Err(Unread::Costly),
        }
    }

    /// Adds the cost of the elements in these bytes; none where they are no elements.
    fn add(&mut self, bytes: &[u8], depth: usize) -> Option<()> {
        let Some(depth) = depth.checked_sub(1) else {
            self.too_deep = true;
            return None;
        };
        let elements = elements(bytes, depth)?;
        for Element { tag, inner } in &elements {
            match *tag {
                OCTET_STRING => self.add_string(inner, depth),
                PIECED_OCTET_STRING => match joined(inner, depth) {
                    Some(whole) => self.add_string(&whole, depth),
                    None => self.too_deep = true,
                },
                tag if tag & CONSTRUCTED != 0 => self.add(inner, depth)?,
                _ => {}
            }
        }
        self.add_parameters(&elements);
        Some(())
    }

    /// Adds what is in a string: elements, or anything else.
    fn add_string(&mut self, inner: &[u8], depth: usize) {
        if inner.first() == Some(&SEQUENCE) {
            let _other_bytes = self.add(inner, depth);
        }
    }

    /// Adds what a sequence of these elements costs: `PBKDF2-params` or `PBEParameter` (salt, iterations),
    /// `scrypt-params` (salt, N, r, p), or `MacData` (digest, salt, iterations).
    fn add_parameters(&mut self, elements: &[Element]) {
        let is_string = |tag: u8| matches!(tag, OCTET_STRING | PIECED_OCTET_STRING);
        let numbers = match elements {
            [salt, rest @ ..] if is_string(salt.tag) => rest,
            [mac, salt, rest @ ..] if mac.tag == SEQUENCE && is_string(salt.tag) => rest,
            _ => return,
        };
        let numbers = numbers.iter().take_while(|element| element.tag == INTEGER);
        match numbers.map(|element| number(element.inner)).collect::<Vec<u64>>().as_slice() {
            [n, r, p, ..] => {
                self.no_such |= *n < 2 || !n.is_power_of_two() || *r == 0 || *p == 0;
                let memory = n.saturating_mul(*r).saturating_mul(128);
                self.memory = self.memory.max(memory);
                self.passed = self.passed.saturating_add(memory.saturating_mul(*p));
            }
            [iterations, ..] => self.iterations = self.iterations.saturating_add(*iterations),
            [] => {}
        }
    }
}

/// Returns whether so much memory can be had: what asks for it later ends the process where it cannot.
fn is_free(memory: u64) -> bool {
    usize::try_from(memory).is_ok_and(|size| Vec::<u8>::new().try_reserve_exact(size).is_ok())
}

fn number(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| match sum >> 56 {
        0 => sum << 8 | u64::from(*byte),
        _ => u64::MAX,
    };
    bytes.iter().fold(0, add)
}

/// Returns an octet string that BER has in pieces.
fn joined(pieces: &[u8], depth: usize) -> Option<Vec<u8>> {
    let depth = depth.checked_sub(1)?;
    let mut whole = Vec::new();
    for Element { tag, inner } in elements(pieces, depth)? {
        match tag {
            OCTET_STRING => whole.extend_from_slice(inner),
            PIECED_OCTET_STRING => whole.extend(joined(inner, depth)?),
            _ => return None,
        }
    }
    Some(whole)
}

fn elements(mut bytes: &[u8], depth: usize) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = element(bytes, depth)?;
        elements.push(element);
        bytes = rest;
    }
    Some(elements)
}

/// Takes the first element, also one of indefinite length (X.690, 8.1.3.6).
fn element(bytes: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    if tag & 0x1F == 0x1F {
        let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
        rest = rest.get(end + 1..)?;
    }
    let (&length, rest) = rest.split_first()?;
    if length == 0x80 {
        let (inner, rest) = endless(rest, depth.checked_sub(1)?)?;
        return Some((Element { tag, inner }, rest));
    }
    let (length, rest) = match length {
        0..=0x7F => (length.into(), rest),
        _ => {
            let (written, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            (number(written), rest)
        }
    };
    let (inner, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Element { tag, inner }, rest))
}

/// Splits off the elements before two zeros, and these.
fn endless(bytes: &[u8], depth: usize) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    loop {
        if let Some(behind) = rest.strip_prefix(&[0, 0]) {
            return bytes.get(..bytes.len() - rest.len()).map(|inner| (inner, behind));
        }
        rest = element(rest, depth)?.1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lc::der::element;

    fn made(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        element(tag, parts).expose().to_vec()
    }

    fn cost(file: &[u8]) -> Cost {
        let mut cost = Cost::default();
        cost.add(file, MAX_DEPTH).unwrap();
        cost
    }

    /// Parameters of a derivation: a salt, and these numbers.
    fn parameters(numbers: &[u64]) -> Vec<u8> {
        let number = |number: &u64| made(INTEGER, &[&[0], &number.to_be_bytes()]);
        let numbers: Vec<u8> = numbers.iter().flat_map(number).collect();
        made(SEQUENCE, &[&made(OCTET_STRING, &[b"salt"]), &numbers])
    }

    #[test]
    fn iterations_are_counted_wherever_they_are_written() {
        let one = parameters(&[6_000_000]);
        assert_eq!(check_cost(&one), Ok(()));
        let hidden = made(0xA0, &[&made(OCTET_STRING, &[&made(SEQUENCE, &[&one])])]);
        assert_eq!(cost(&hidden).iterations, 6_000_000);
        assert_eq!(check_cost(&[one.clone(), hidden].concat()), Err(Unread::Costly), "both");
        let mac = made(
            SEQUENCE,
            &[&made(SEQUENCE, &[]), &made(OCTET_STRING, &[b"salt"]), &[INTEGER, 2, 8, 0]],
        );
        assert_eq!(cost(&mac).iterations, 2048);
        assert_eq!(check_cost(&parameters(&[u64::MAX])), Err(Unread::Costly));
    }

    #[test]
    fn a_string_in_pieces_and_an_endless_element_hide_nothing() {
        let one = parameters(&[1 << 30]);
        let (front, end) = one.split_at(9);
        let pieces = [made(OCTET_STRING, &[front]), made(OCTET_STRING, &[end])].concat();
        let endless = [&[PIECED_OCTET_STRING, 0x80], &pieces[..], &[0, 0]].concat();
        for pieces in [endless, made(PIECED_OCTET_STRING, &[&pieces])] {
            assert_eq!(check_cost(&made(SEQUENCE, &[&pieces])), Err(Unread::Costly));
        }
        let long = [b"\x30\x84\0\0\0\x11", one.get(2..).unwrap()].concat();
        assert_eq!(check_cost(&long), Err(Unread::Costly), "a length longer than it needs to be");
        let deep = (0..MAX_DEPTH + 1).fold(one, |inner, _| made(SEQUENCE, &[&inner]));
        assert_eq!(check_cost(&deep), Err(Unread::Damaged));
    }

    #[test]
    fn scrypt_is_bounded_in_memory_and_in_what_it_goes_through() {
        for fine in [[1 << 14, 8, 1], [1 << 20, 8, 4]] {
            assert_eq!(check_cost(&parameters(&fine)), Ok(()), "{fine:?}");
        }
        for costly in [[1 << 21, 8, 1], [1 << 20, 8, 5], [1 << 40, 8, 1], [2, u64::MAX, u64::MAX]] {
            assert_eq!(check_cost(&parameters(&costly)), Err(Unread::Costly), "{costly:?}");
        }
        for no_such in [[0, 8, 1], [1, 8, 1], [3, 8, 1], [1 << 14, 0, 1], [1 << 14, 8, 0]] {
            assert_eq!(check_cost(&parameters(&no_such)), Err(Unread::Damaged), "{no_such:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_damaged_and_other_numbers_cost_nothing() {
        assert_eq!(check_cost(&[0x30, 0x80, 2, 1]), Err(Unread::Damaged));
        assert_eq!(
            check_cost(&[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255]),
            Err(Unread::Damaged)
        );
        // An EC key's explicit curve: a base point, and the order behind it.
        let curve = [&[INTEGER, 1, 1, SEQUENCE, 0, OCTET_STRING, 1, 4, INTEGER, 4][..], &[127; 4]];
        assert_eq!(cost(&made(SEQUENCE, &curve)), Cost::default());
    }
}
