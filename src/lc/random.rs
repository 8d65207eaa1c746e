//! Random bytes from AWS-LC's generator, fit for keys.

use crate::error::{Reason, Result};
use crate::secret::Secret;
use std::fs::OpenOptions;
use std::io::Write;

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

/// Returns `len` random bytes that are a key.
pub fn secret(len: usize) -> Result<Secret> {
    let mut secret = Secret::new(vec![0; len]);
    fill(secret.expose_mut())?;
    Ok(secret)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{bytes, secret};

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
        assert_ne!(secret(16).unwrap(), secret(16).unwrap());
        assert_eq!(secret(7).unwrap().len(), 7);
    }
}
