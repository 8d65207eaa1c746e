//! RSA keys of sizes that are no multiple of 128 bits, which AWS-LC does not generate: RustCrypto does, with
//! AWS-LC's random bytes, and AWS-LC checks what comes of it.

use super::random;
use super::rsa::Components;
use super::rsa_parts::RsaParts;
use crate::error::{Error, Reason, Result};
use crate::secret::Secret;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, PrivateKey};

/// Generates a key of `bits` bits with a big-endian public exponent; one that no key has is
/// `AttributeValue`.
pub(super) fn generate(bits: u64, public_exponent: &[u8]) -> Result<Components> {
    let bits = usize::try_from(bits).map_err(|_| Reason::KeySizeRange)?;
    let exponent = exponent(public_exponent)?;
    let key = PrivateKey::new_with_exp(&mut Generator, bits, BoxedUint::from(exponent))
        .map_err(|_| Reason::FunctionFailed)?;
    let [p, q] = key.primes() else { return Err(Reason::General.into()) };
    let secret = |number: &BoxedUint| Secret::from(&*number.to_be_bytes());
    RsaParts {
        modulus: key.n_bytes().to_vec(),
        public_exponent: public_exponent.to_vec(),
        private_exponent: secret(key.d()),
        primes: [secret(p), secret(q)],
        exponents: [(); 2].map(|()| Secret::new(Vec::new())),
        coefficient: Secret::new(Vec::new()),
    }
    .complete()
}

/// A public exponent as AWS-LC takes it where it generates.
fn exponent(bytes: &[u8]) -> Result<u64> {
    let value = bytes.iter().try_fold(0_u64, |value, byte| {
        let value = value << 8 | u64::from(*byte);
        (value <= u64::from(u32::MAX)).then_some(value)
    });
    match value {
        Some(value) if value >= 3 && value % 2 == 1 => Ok(value),
        _ => {
            Err(Reason::AttributeValue
                .detail("the public exponent is even, too small or too large"))
        }
    }
}

/// AWS-LC's random generator, as RustCrypto takes one.
struct Generator;

impl TryRng for Generator {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32> {
        random::bytes().map(u32::from_ne_bytes)
    }

    fn try_next_u64(&mut self) -> Result<u64> {
        random::bytes().map(u64::from_ne_bytes)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<()> {
        random::fill(out)
    }
}

impl TryCryptoRng for Generator {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::error::Reason;
    use crate::lc::rsa::PrivateKey;

    #[test]
    fn a_key_has_exactly_the_size_that_was_asked_for() {
        for (bits, exponent) in [(2049, &[3][..]), (2056, &[1, 0, 1]), (3092, &[0, 1, 0, 1])] {
            let key = PrivateKey::generate(bits, exponent).unwrap();
            assert_eq!(key.bits(), bits);
            let told = key.public().unwrap().public_exponent().unwrap();
            assert!(exponent.ends_with(&told), "{exponent:?}");
        }
    }

    #[test]
    fn exponents_that_no_key_has_are_refused() {
        for exponent in [&[][..], &[0], &[1], &[4], &[1, 0, 0, 0, 1], &[3; 9]] {
            let refusal = PrivateKey::generate(2050, exponent).err().unwrap();
            assert_eq!(refusal.reason(), Reason::AttributeValue, "{exponent:?}");
        }
    }
}
