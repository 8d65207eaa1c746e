//! RSA keys, parsed once and kept.
//!
//! Checking and preparing a private key costs about as much as using it, so a parsed key is kept
//! and shared between threads.

use super::failed;
use super::heap::kept;
use super::owned::Owned;
use super::pkey::{Pkey, bytes};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

/// The sizes of a modulus that are computed with, in bits.
pub(crate) const BITS: RangeInclusive<u64> = 1024..=8192;

/// The numbers of a private key, big-endian: RFC 8017, 3.2, in the form with the primes.
#[derive(Debug)]
pub struct Components {
    /// The modulus.
    pub modulus: Vec<u8>,
    /// The public exponent.
    pub public_exponent: Vec<u8>,
    /// The private exponent.
    pub private_exponent: Secret,
    /// The first prime.
    pub prime_1: Secret,
    /// The second prime.
    pub prime_2: Secret,
    /// The private exponent modulo the first prime less one.
    pub exponent_1: Secret,
    /// The private exponent modulo the second prime less one.
    pub exponent_2: Secret,
    /// The second prime's inverse modulo the first.
    pub coefficient: Secret,
}

/// A parsed RSA private key.
pub struct PrivateKey {
    key: Pkey,
    /// Set by the first use, in which AWS-LC prepares numbers for the later ones.
    used: AtomicBool,
}

impl PrivateKey {
    /// Takes a key whose size is served, or `KeySizeRange`.
    pub(super) fn sized(key: Pkey) -> Result<Self> {
        sized(key).map(|key| Self { key, used: AtomicBool::new(false) })
    }

    /// Uses the private key. What is prepared for later uses lies where the key does.
    pub(super) fn using<R>(&self, with: impl FnOnce() -> R) -> R {
        match self.used.load(Ordering::Relaxed) {
            true => with(),
            false => {
                let done = kept(with);
                self.used.store(true, Ordering::Relaxed);
                done
            }
        }
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 5208) and checks the key. Anything else, trailing bytes
    /// included, is `DataInvalid`; a size outside [`BITS`] is `KeySizeRange`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        Self::sized(Pkey::from_pkcs8(der, EVP_PKEY_RSA)?)
    }

    /// Puts a key together and checks it: numbers that make no key are `AttributeValue`, a size
    /// outside [`BITS`] is `KeySizeRange`.
    pub fn from_components(parts: &Components) -> Result<Self> {
        exponent(&parts.public_exponent)?;
        let public = [&parts.modulus, &parts.public_exponent].map(|bytes| Owned::number(bytes));
        let [n, e] = public;
        let secret = [
            &parts.private_exponent,
            &parts.prime_1,
            &parts.prime_2,
            &parts.exponent_1,
            &parts.exponent_2,
            &parts.coefficient,
        ];
        let [d, p, q, dmp1, dmq1, iqmp] = secret.map(|number| Owned::number(number.expose()));
        let (n, e, d, p, q) = (n?, e?, d?, p?, q?);
        let (dmp1, dmq1, iqmp) = (dmp1?, dmq1?, iqmp?);
        // SAFETY: the eight owners above keep their numbers until the end of this function, and the call
        // copies them; it gives the key that it makes to its caller.
        let rsa = unsafe {
            let made = RSA_new_private_key(
                n.as_ptr(),
                e.as_ptr(),
                d.as_ptr(),
                p.as_ptr(),
                q.as_ptr(),
                dmp1.as_ptr(),
                dmq1.as_ptr(),
                iqmp.as_ptr(),
            );
            Owned::take(made, Reason::AttributeValue)?
        };
        Self::sized(Pkey::rsa(&rsa)?)
    }

    pub(super) fn rsa(&self) -> Result<*const RSA> {
        rsa(&self.key)
    }

    /// The key as PKCS#8 `PrivateKeyInfo`.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        self.key.to_pkcs8()
    }

    /// The numbers of the key.
    pub fn components(&self) -> Result<Components> {
        let rsa = rsa(&self.key)?;
        // SAFETY: `rsa` is borrowed from `self.key`. Each call returns a number inside it, or null, which
        // `bytes` refuses.
        unsafe {
            Ok(Components {
                modulus: bytes(RSA_get0_n(rsa))?,
                public_exponent: bytes(RSA_get0_e(rsa))?,
                private_exponent: Secret::new(bytes(RSA_get0_d(rsa))?),
                prime_1: Secret::new(bytes(RSA_get0_p(rsa))?),
                prime_2: Secret::new(bytes(RSA_get0_q(rsa))?),
                exponent_1: Secret::new(bytes(RSA_get0_dmp1(rsa))?),
                exponent_2: Secret::new(bytes(RSA_get0_dmq1(rsa))?),
                coefficient: Secret::new(bytes(RSA_get0_iqmp(rsa))?),
            })
        }
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey> {
        let rsa = rsa(&self.key)?;
        // SAFETY: `rsa` is borrowed from `self.key`, and both numbers lie inside it; `bytes` refuses null.
        let (n, e) = unsafe { (bytes(RSA_get0_n(rsa))?, bytes(RSA_get0_e(rsa))?) };
        PublicKey::from_components(&n, &e)
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> u64 {
        bits(&self.key)
    }

    /// The size of a ciphertext in bytes.
    pub fn size(&self) -> usize {
        size(&self.key)
    }

    /// Makes a context for one use of the key.
    pub(super) fn context(&self) -> Result<Owned<EVP_PKEY_CTX>> {
        self.key.context()
    }
}

/// A parsed RSA public key.
pub struct PublicKey(Pkey);

impl PublicKey {
    /// Puts a key together from big-endian numbers. Numbers that make no key are `AttributeValue`,
    /// a size outside [`BITS`] is `KeySizeRange`.
    pub fn from_components(modulus: &[u8], public_exponent: &[u8]) -> Result<Self> {
        let (n, e) = (Owned::number(modulus)?, exponent(public_exponent)?);
        // SAFETY: `n` and `e` own the numbers until the end of this function, and the call copies them; it
        // gives the key that it makes to its caller.
        let rsa = unsafe {
            Owned::take(RSA_new_public_key(n.as_ptr(), e.as_ptr()), Reason::AttributeValue)?
        };
        sized(Pkey::rsa(&rsa)?).map(Self)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, 4.1). Anything else is `DataInvalid`.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        sized(Pkey::from_spki(der, EVP_PKEY_RSA)?).map(Self)
    }

    pub(super) fn rsa(&self) -> Result<*const RSA> {
        rsa(&self.0)
    }

    /// The key as `SubjectPublicKeyInfo`, which PEM files hold.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.0.to_spki()
    }

    /// The modulus, big-endian.
    pub fn modulus(&self) -> Result<Vec<u8>> {
        // SAFETY: the RSA key is borrowed from `self.0`, and the number lies inside it; `bytes` refuses null.
        unsafe { bytes(RSA_get0_n(rsa(&self.0)?)) }
    }

    /// The public exponent, big-endian.
    pub fn public_exponent(&self) -> Result<Vec<u8>> {
        // SAFETY: the RSA key is borrowed from `self.0`, and the number lies inside it; `bytes` refuses null.
        unsafe { bytes(RSA_get0_e(rsa(&self.0)?)) }
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> u64 {
        bits(&self.0)
    }

    /// The size of a ciphertext in bytes.
    pub fn size(&self) -> usize {
        size(&self.0)
    }

    /// Makes a context for one use of the key.
    pub(super) fn context(&self) -> Result<Owned<EVP_PKEY_CTX>> {
        self.0.context()
    }
}

/// A key whose size is served, or `KeySizeRange`.
fn sized(key: Pkey) -> Result<Pkey> {
    if BITS.contains(&bits(&key)) { Ok(key) } else { Err(Reason::KeySizeRange.into()) }
}

fn rsa(key: &Pkey) -> Result<*const RSA> {
    // SAFETY: `key` owns the EVP_PKEY while it is borrowed. The answer is a pointer into it, or null where it
    // is of another type; every caller uses it within its own borrow of the key.
    let rsa = unsafe { EVP_PKEY_get0_RSA(key.as_ptr()) };
    if rsa.is_null() { Err(failed(Reason::General)) } else { Ok(rsa) }
}

fn bits(key: &Pkey) -> u64 {
    // SAFETY: `key` owns the EVP_PKEY while it is borrowed; the call only reads it.
    u64::try_from(unsafe { EVP_PKEY_bits(key.as_ptr()) }).unwrap_or(0)
}

fn size(key: &Pkey) -> usize {
    // SAFETY: `key` owns the EVP_PKEY while it is borrowed; the call only reads it.
    usize::try_from(unsafe { EVP_PKEY_size(key.as_ptr()) }).unwrap_or(0)
}

/// Reads a public exponent that a key may have: odd, at least 3, at most 33 bits (AWS-LC's limit).
pub(super) fn exponent(bytes: &[u8]) -> Result<Owned<BIGNUM>> {
    let number = Owned::number(bytes)?;
    // SAFETY: `number` owns the object; the call only reads it.
    let bits = unsafe { BN_num_bits(number.as_ptr()) };
    let odd = bytes.last().is_some_and(|last| last & 1 == 1);
    if odd && (2..=33).contains(&bits) {
        Ok(number)
    } else {
        Err(Reason::AttributeValue.detail("the public exponent is even, too small or too large"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::digest::Hash;
    use super::super::rsa_oaep::Oaep;
    use super::*;
    use std::sync::LazyLock;

    static KEY: LazyLock<PrivateKey> =
        LazyLock::new(|| PrivateKey::generate(2048, &[1, 0, 1]).unwrap());

    const PADDING: Oaep = Oaep { hash: Hash::Sha256, mgf: Hash::Sha256, label: b"" };

    #[test]
    fn a_key_survives_each_of_its_forms() {
        let sealed = KEY.public().unwrap().encrypt_oaep(&PADDING, b"secret").unwrap();
        let again = [
            PrivateKey::from_pkcs8(KEY.to_pkcs8().unwrap().expose()).unwrap(),
            PrivateKey::from_components(&KEY.components().unwrap()).unwrap(),
        ];
        for key in again {
            assert_eq!(key.decrypt_oaep(&PADDING, &sealed).unwrap().expose(), b"secret");
            assert_eq!(key.to_pkcs8().unwrap(), KEY.to_pkcs8().unwrap());
        }
    }

    #[test]
    fn a_public_key_survives_its_der_form() {
        let public = KEY.public().unwrap();
        let again = PublicKey::from_spki(&public.to_spki().unwrap()).unwrap();
        assert_eq!(again.modulus().unwrap(), public.modulus().unwrap());
        assert_eq!(again.public_exponent().unwrap(), [1, 0, 1]);
        assert_eq!((again.bits(), again.size()), (2048, 256));
    }

    #[test]
    fn damaged_and_trailing_der_is_refused() {
        let mut der = KEY.to_pkcs8().unwrap().expose().to_vec();
        der.push(0);
        assert_eq!(PrivateKey::from_pkcs8(&der).err().unwrap().reason(), Reason::DataInvalid);
        der.pop();
        der[200] ^= 1;
        assert_eq!(PrivateKey::from_pkcs8(&der).err().unwrap().reason(), Reason::DataInvalid);
        assert!(PrivateKey::from_pkcs8(&[]).is_err());
        let mut der = KEY.public().unwrap().to_spki().unwrap();
        der.push(0);
        assert_eq!(PublicKey::from_spki(&der).err().unwrap().reason(), Reason::DataInvalid);
    }

    #[test]
    fn numbers_that_make_no_key_are_refused() {
        let mut parts = KEY.components().unwrap();
        parts.prime_1 = parts.prime_2.duplicate();
        let refusal = PrivateKey::from_components(&parts).err().unwrap();
        assert_eq!(refusal.reason(), Reason::AttributeValue);
        let modulus = KEY.public().unwrap().modulus().unwrap();
        for exponent in [&[][..], &[1], &[4], &[3; 5]] {
            assert!(PublicKey::from_components(&modulus, exponent).is_err(), "{exponent:?}");
            assert!(PrivateKey::generate(2048, exponent).is_err(), "{exponent:?}");
        }
        let refusal = PublicKey::from_components(&[0xFF; 127], &[3]).err().unwrap();
        assert_eq!(refusal.reason(), Reason::KeySizeRange);
    }

    #[test]
    fn sizes_outside_the_bounds_are_not_generated() {
        for bits in [0, 512, 1023, 8193, u64::MAX] {
            let refusal = PrivateKey::generate(bits, &[3]).err().unwrap();
            assert_eq!(refusal.reason(), Reason::KeySizeRange, "{bits}");
        }
    }
}
