//! The IVs of messages: the caller's, or made here so that none repeats while the operation lasts.

use crate::error::{Error, Reason, Result};
use crate::lc::random;

/// How a message's IV comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// The caller gives it.
    Given,
    /// A counter from zero, below fixed bits with which the caller tells its users apart
    /// (NIST SP 800-38D, 8.2.1).
    Counter,
    /// A counter from a random start: two operations with one key do not begin alike.
    Free,
    /// Random.
    Random,
}

/// The fewest bits that a counter may have.
const COUNTER_BITS: usize = 32;

/// The fewest bits that may be random.
const RANDOM_BITS: usize = 64;

/// The most messages with random IVs under one operation (NIST SP 800-38D, 8.3).
const MOST_RANDOM: u64 = 1 << 32;

/// Makes the IVs of one operation.
#[derive(Default)]
pub struct Ivs {
    made: u64,
    start: Option<Start>,
}

/// Where a counter starts, and the bits above it that are nobody's.
#[derive(Clone, Copy)]
struct Start {
    counter: u64,
    above: [u8; MAX_IV],
}

/// The longest IV, in bytes (PKCS#11 3.1, 6.13.2).
pub const MAX_IV: usize = 256;

impl Ivs {
    /// Makes the next IV over `iv`, whose first `fixed` bits stay (counted from the most significant).
    pub fn next(&mut self, iv: &mut [u8], fixed: u64, generator: Generator) -> Result<()> {
        let bits = iv.len() * 8;
        let fixed = usize::try_from(fixed).ok().filter(|fixed| *fixed <= bits);
        let fixed = fixed.ok_or_else(|| wrong("more fixed bits than the IV has"))?;
        match generator {
            Generator::Given => Ok(()),
            // With nothing fixed the next operation with the key would use the same IVs again.
            Generator::Counter if fixed == 0 => Err(wrong("a counter from zero needs fixed bits")),
            Generator::Counter => self.count(iv, fixed, bits - fixed, false),
            Generator::Free => self.count(iv, fixed, bits - fixed, true),
            Generator::Random => self.draw(iv, fixed, bits - fixed),
        }
    }

    fn count(&mut self, iv: &mut [u8], fixed: usize, free: usize, anywhere: bool) -> Result<()> {
        if free < COUNTER_BITS {
            return Err(wrong("too few bits for a counter"));
        }
        if free < 64 && self.made >> free != 0 {
            return Err(wrong("the counter is exhausted"));
        }
        let made = self.made()?;
        let start = if anywhere { self.start()? } else { Start { counter: 0, above: [0; MAX_IV] } };
        let mut next = start.above.get(..iv.len()).ok_or(Reason::MechanismParam)?.to_vec();
        let counter = start.counter.wrapping_add(made).to_be_bytes();
        let low = next.iter_mut().rev().zip(counter.iter().rev());
        low.for_each(|(place, byte)| *place = *byte);
        replace(iv, fixed, &next);
        Ok(())
    }

    /// Where the operation's free counter starts: the same place each time.
    fn start(&mut self) -> Result<Start> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        let start =
            Start { counter: u64::from_ne_bytes(random::bytes()?), above: random::bytes()? };
        Ok(*self.start.insert(start))
    }

    fn draw(&mut self, iv: &mut [u8], fixed: usize, free: usize) -> Result<()> {
        if free < RANDOM_BITS {
            return Err(wrong("too few bits for a random IV"));
        }
        if self.made()? >= MOST_RANDOM {
            return Err(wrong("too many random IVs"));
        }
        let next: [u8; MAX_IV] = random::bytes()?;
        replace(iv, fixed, &next);
        Ok(())
    }

    /// How many were made before.
    fn made(&mut self) -> Result<u64> {
        let before = self.made;
        self.made = before.checked_add(1).ok_or_else(|| wrong("the counter is exhausted"))?;
        Ok(before)
    }
}

/// Replaces all but the first `fixed` bits.
fn replace(iv: &mut [u8], fixed: usize, next: &[u8]) {
    for (at, (place, byte)) in iv.iter_mut().zip(next).enumerate() {
        let stays = fixed.saturating_sub(at * 8).min(8);
        let free = u8::try_from(0xFF_u16 >> stays).unwrap_or(0);
        *place = *place & !free | *byte & free;
    }
}

#[cold]
fn wrong(what: &str) -> Error {
    Reason::MechanismParam.detail(what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::{Generator, Ivs, MAX_IV};
    use std::collections::HashSet;

    #[test]
    fn generated_ivs_keep_the_fixed_bits_and_never_repeat() {
        for (generator, len, fixed) in [
            (Generator::Free, 12, 0_u64),
            (Generator::Free, 12, 64),
            (Generator::Counter, 12, 64),
            (Generator::Counter, MAX_IV, 13),
            (Generator::Random, 12, 32),
            (Generator::Random, 9, 5),
        ] {
            let (mut ivs, mut seen) = (Ivs::default(), HashSet::new());
            let mut iv = vec![0xA5; len];
            for _ in 0..1000 {
                ivs.next(&mut iv, fixed, generator).unwrap();
                for bit in 0..fixed as usize {
                    assert_eq!(at(&iv, bit), at(&[0xA5; MAX_IV], bit), "bit {bit}");
                }
                assert!(seen.insert(iv.clone()));
            }
        }
    }

    /// A bit, counted from the most significant.
    fn at(bytes: &[u8], bit: usize) -> bool {
        bytes[bit / 8] << (bit % 8) & 0x80 != 0
    }

    #[test]
    fn a_counter_starts_at_zero_or_anywhere_and_has_an_end() {
        let first = |fixed, generator| {
            let mut iv = [9; 12];
            Ivs::default().next(&mut iv, fixed, generator).unwrap();
            iv
        };
        assert_eq!(first(32, Generator::Counter), [9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_ne!(first(0, Generator::Free), first(0, Generator::Free));
        let mut ivs = Ivs { made: u64::from(u32::MAX), start: None };
        let mut iv = [0; 12];
        ivs.next(&mut iv, 64, Generator::Counter).unwrap();
        assert_eq!(iv, [0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(ivs.next(&mut iv, 64, Generator::Counter).is_err());
        assert!(ivs.next(&mut iv, 32, Generator::Random).is_err());
    }

    #[test]
    fn what_leaves_too_little_free_is_refused_unless_the_caller_gives_it() {
        let (mut ivs, mut iv) = (Ivs::default(), [7; 12]);
        assert!(ivs.next(&mut iv, 65, Generator::Counter).is_err());
        assert!(ivs.next(&mut iv, 0, Generator::Counter).is_err());
        assert!(ivs.next(&mut iv, 33, Generator::Random).is_err());
        assert!(ivs.next(&mut iv, 97, Generator::Given).is_err());
        ivs.next(&mut iv, 96, Generator::Given).unwrap();
        assert_eq!(iv, [7; 12]);
    }
}
