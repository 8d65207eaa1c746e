//! The IVs of messages: the caller's, or made here so that none repeats.

use crate::error::{Error, Reason, Result};
use crate::lc::random;
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The ways to make a message's IV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IvGenerator {
    /// The caller gives it.
    Given,
    /// The next of the process's [`IvCounter`], below fixed bits (NIST SP 800-38D, 8.2.1).
    Counter,
    /// Random.
    Random,
}

/// The fewest bits that a counter may have.
const COUNTER_BITS: usize = 64;

/// From how many bits on an IV may be random (NIST SP 800-38D, 8.2.2); below it is counted instead, which
/// repeats as little and tells no more.
const RANDOM_BITS: usize = 96;

/// The most messages with random IVs under one operation (NIST SP 800-38D, 8.3).
const MOST_RANDOM: u64 = 1 << 32;

/// The longest IV, in bytes (PKCS#11 3.1, 6.13.2).
pub(crate) const MAX_IV: usize = 256;

/// Counts the IVs of all operations and keys of a process: no two have the same last 64
/// &
///
/// It starts anywhere. PKCS#11 3.1 (6.13) has the counter of `CKG_GENERATE_COUNTER` start at zero, but
/// keys outlive operations and processes: under the same fixed bits the next one would use the same IVs
/// again, which undoes GCM. Sixty-four random bits or more keep processes apart that do not know of each
/// other; where there is room for fewer there is no counter.
#[derive(Default)]
pub(crate) struct IvCounter(OnceCell<Start>);

/// The counter's present number, and the random bits above it.
struct Start {
    counter: AtomicU64,
    above: [u8; MAX_IV],
}

impl IvCounter {
    /// The next IV of so many bytes.
    fn next(&self, len: usize) -> Result<Vec<u8>> {
        let start = self.0.get_or_try_init(|| -> Result<Start> {
            let counter = u64::from_ne_bytes(random::bytes()?).into();
            Ok(Start { counter, above: random::bytes()? })
        })?;
        let mut next = start.above.get(..len).ok_or(Reason::MechanismParam)?.to_vec();
        let counter = start.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let low = next.iter_mut().rev().zip(counter.iter().rev());
        low.for_each(|(place, byte)| *place = *byte);
        Ok(next)
    }
}

/// Makes the IVs of one operation.
pub(crate) struct Ivs {
    counter: Arc<IvCounter>,
    /// The number of random IVs made.
    drawn: u64,
}

impl Ivs {
    /// An operation's in the process that counts with `counter`.
    pub(crate) fn new(counter: Arc<IvCounter>) -> Self {
        Self { counter, drawn: 0 }
    }

    /// Makes the next IV over `iv`, whose first `fixed` bits stay (counted from the most significant).
    pub(crate) fn next(&mut self, iv: &mut [u8], fixed: u64, generator: IvGenerator) -> Result<()> {
        let bits = iv.len() * 8;
        let fixed = usize::try_from(fixed).ok().filter(|fixed| *fixed <= bits);
        let fixed = fixed.ok_or_else(|| wrong("more fixed bits than the IV has"))?;
        match generator {
            IvGenerator::Given => Ok(()),
            IvGenerator::Random if bits - fixed >= RANDOM_BITS => self.draw(iv, fixed),
            IvGenerator::Counter | IvGenerator::Random if bits - fixed < COUNTER_BITS => {
                Err(wrong("too few bits for an IV that never comes again"))
            }
            IvGenerator::Counter | IvGenerator::Random => {
                replace(iv, fixed, &self.counter.next(iv.len())?);
                Ok(())
            }
        }
    }

    fn draw(&mut self, iv: &mut [u8], fixed: usize) -> Result<()> {
        if self.drawn >= MOST_RANDOM {
            return Err(wrong("too many random IVs"));
        }
        self.drawn += 1;
        let next: [u8; MAX_IV] = random::bytes()?;
        replace(iv, fixed, &next);
        Ok(())
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
    use super::{IvCounter, IvGenerator, Ivs, MAX_IV, MOST_RANDOM};
    use std::collections::HashSet;
    use std::sync::Arc;

    #[test]
    fn generated_ivs_keep_the_fixed_bits_and_never_repeat() {
        for (generator, len, fixed) in [
            (IvGenerator::Counter, 12, 0_u64),
            (IvGenerator::Counter, 12, 32),
            (IvGenerator::Counter, 8, 0),
            (IvGenerator::Counter, MAX_IV, 13),
            (IvGenerator::Random, 12, 0),
            (IvGenerator::Random, 12, 32),
            (IvGenerator::Random, 9, 5),
        ] {
            let (mut ivs, mut seen) = (ivs(), HashSet::new());
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

    /// Those of an operation in a process of its own.
    fn ivs() -> Ivs {
        Ivs::new(Arc::default())
    }

    fn counted(ivs: &mut Ivs) -> [u8; 12] {
        let mut iv = [9; 12];
        ivs.next(&mut iv, 32, IvGenerator::Counter).unwrap();
        iv
    }

    #[test]
    fn the_operations_of_a_process_count_on_from_each_other() {
        let counter = Arc::<IvCounter>::default();
        let mut operations = [(); 3].map(|()| Ivs::new(Arc::clone(&counter)));
        let mut seen = HashSet::new();
        for _ in 0..100 {
            assert!(operations.iter_mut().all(|ivs| seen.insert(counted(ivs))));
        }
        let last = |iv: [u8; 12]| u64::from_be_bytes(iv[4..].try_into().unwrap());
        let first = last(counted(&mut operations[0]));
        assert_eq!(last(counted(&mut operations[1])), first.wrapping_add(1));
    }

    #[test]
    fn each_process_starts_anywhere() {
        assert_ne!(counted(&mut ivs()), counted(&mut ivs()));
        let mut iv = [0; 16];
        ivs().next(&mut iv, 0, IvGenerator::Counter).unwrap();
        assert_ne!(iv[..8], [0; 8], "above the counter too");
    }

    #[test]
    fn random_ivs_have_an_end() {
        let mut ivs = Ivs { drawn: MOST_RANDOM - 1, ..ivs() };
        let mut iv = [0; 12];
        ivs.next(&mut iv, 0, IvGenerator::Random).unwrap();
        assert!(ivs.next(&mut iv, 0, IvGenerator::Random).is_err());
        ivs.next(&mut iv, 32, IvGenerator::Random).unwrap();
    }

    #[test]
    fn what_leaves_too_little_free_is_refused_unless_the_caller_gives_it() {
        let (mut ivs, mut iv) = (ivs(), [7; 12]);
        assert!(ivs.next(&mut iv, 33, IvGenerator::Counter).is_err());
        assert!(ivs.next(&mut [7; 7], 0, IvGenerator::Counter).is_err());
        assert!(ivs.next(&mut iv, 33, IvGenerator::Random).is_err());
        assert!(ivs.next(&mut iv, 97, IvGenerator::Given).is_err());
        ivs.next(&mut iv, 96, IvGenerator::Given).unwrap();
        assert_eq!(iv, [7; 12]);
    }
}
