//! Random bytes from AWS-LC's generator, fit for keys.

use crate::error::{Reason, Result};
use crate::secret::Secret;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Fills `out` with random bytes.
pub(crate) fn fill(out: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(out).map_err(|_| Reason::FunctionFailed.into())
}

/// Mixes a caller's seed into the system's generator, from which this one takes its seeds. It is counted
/// as no entropy, so that a bad seed does no harm. Fails where the system has no `/dev/urandom` to write.
pub(crate) fn mix_in(seed: &[u8]) -> Result<()> {
    let device = OpenOptions::new().write(true).open("/dev/urandom");
    let mixed = device.and_then(|mut device| device.write_all(seed));
    mixed.map_err(|error| Reason::RandomSeed.detail(format_args!("/dev/urandom: {error}")))
}

/// Returns `N` random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Random numbers that are no secrets, drawn many at a time: each draw prepares the generator anew.
#[derive(Default)]
pub(crate) struct RandomNumbers(Mutex<Vec<[u8; 8]>>);

impl RandomNumbers {
    /// Returns the next one.
    pub(crate) fn next(&self) -> Result<[u8; 8]> {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            drawn.extend_from_slice(bytes::<{ 8 * DRAWN }>()?.as_chunks().0);
        }
        drawn.pop().ok_or_else(|| Reason::General.into())
    }
}

/// The random numbers of one draw.
const DRAWN: usize = 64;

/// Returns `len` random bytes that are a key.
pub fn secret(len: usize) -> Result<Secret> {
    let mut secret = Secret::new(vec![0; len]);
    fill(secret.expose_mut())?;
    Ok(secret)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{DRAWN, RandomNumbers, bytes, secret};
    use std::collections::HashSet;

    #[test]
    fn numbers_that_were_drawn_together_differ_too() {
        let numbers = RandomNumbers::default();
        let some: HashSet<_> = (0..3 * DRAWN).map(|_| numbers.next().unwrap()).collect();
        assert_eq!(some.len(), 3 * DRAWN);
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
        assert_ne!(secret(16).unwrap(), secret(16).unwrap());
        assert_eq!(secret(7).unwrap().len(), 7);
    }
}
