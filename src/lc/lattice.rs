//! Keys on module lattices: of ML-KEM (FIPS 203) and ML-DSA (FIPS 204).
//!
//! A private key is known by the seed that it was made of, or only as what follows from the seed, expanded.
//! The two are one key; the seed is kept where it is known.

use super::heap::kept_private;
use super::lattice_pkcs8 as pkcs8;
use super::ml_dsa_message::KeyDigest;
use super::pkey::Pkey;
use super::{done, random};
use crate::error::{Error, Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use once_cell::sync::OnceCell;

pub use super::lattice_sets::{Algorithm, Set};

/// The bytes of an expanded ML-KEM key that follow its public key: the hash of that, and the secret of
/// implicit rejection (FIPS 203, algorithm 16).
const BEHIND_PUBLIC: usize = 64;

/// A parsed private key.
pub struct PrivateKey {
    set: Set,
    key: Pkey,
    seed: Option<Secret>,
    digest: OnceCell<KeyDigest>,
}

impl PrivateKey {
    /// Generates a key.
    pub fn generate(set: Set) -> Result<Self> {
        Self::from_seed(set, random::secret(set.seed_size())?.expose())
    }

    /// Makes a key of its seed; another length is `AttributeValue`.
    pub fn from_seed(set: Set, seed: &[u8]) -> Result<Self> {
        if seed.len() != set.seed_size() {
            return Err(Reason::AttributeValue.detail("no seed of the parameter set"));
        }
        let key = Pkey::from_pkcs8(pkcs8::of_seed(set, seed).expose(), set.key_id())?;
        let seed = Some(Secret::from(seed).kept());
        Ok(Self { set, key, seed, digest: OnceCell::new() })
    }

    /// Makes a key of its expanded form and checks it: `AttributeValue` unless all its parts fit each other.
    pub fn from_expanded(set: Set, expanded: &[u8]) -> Result<Self> {
        let wrong = |_: Error| Reason::AttributeValue.detail("no key of the parameter set");
        if expanded.len() != set.expanded_size() {
            return Err(wrong(Reason::AttributeValue.into()));
        }
        let key = match set.algorithm() {
            Algorithm::MlKem => kept_private(|| kem_of_expanded(set, expanded)),
            Algorithm::MlDsa => {
                Pkey::from_pkcs8(pkcs8::of_expanded(set, expanded).expose(), set.key_id())
            }
        };
        Ok(Self { set, key: key.map_err(wrong)?, seed: None, digest: OnceCell::new() })
    }

    /// Makes a key of its seed, its expanded form, or both, which are `TemplateInconsistent` where they are of
    /// two keys. Neither is `TemplateIncomplete`.
    pub fn from_parts(set: Set, seed: Option<&[u8]>, expanded: Option<&[u8]>) -> Result<Self> {
        match (seed, expanded) {
            (Some(seed), None) => Self::from_seed(set, seed),
            (None, Some(expanded)) => Self::from_expanded(set, expanded),
            (Some(seed), Some(expanded)) => {
                let (key, other) =
                    (Self::from_seed(set, seed)?, Self::from_expanded(set, expanded)?);
                match key.expanded()? == other.expanded()? {
                    true => Ok(key),
                    false => Err(Reason::TemplateInconsistent.detail("a seed of another key")),
                }
            }
            (None, None) => Err(Reason::TemplateIncomplete.detail("no seed and no key")),
        }
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` with the seed, the expanded key or both, and checks the key; anything
    /// else is `DataInvalid`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let (set, parts) = pkcs8::read(der)?;
        let key = Self::from_parts(set, parts.seed, parts.expanded);
        let key = key.map_err(|failure| match failure.reason() {
            Reason::HostMemory => failure,
            _ => Reason::DataInvalid.into(),
        })?;
        match parts.public {
            Some(public) if public != key.public()?.bytes()? => Err(Reason::DataInvalid.into()),
            _ => Ok(key),
        }
    }

    /// The key as PKCS#8 `PrivateKeyInfo`: the seed where it is known, else the expanded key.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        match &self.seed {
            Some(seed) => Ok(pkcs8::of_seed(self.set, seed.expose())),
            None => Ok(pkcs8::of_expanded(self.set, self.expanded()?.expose())),
        }
    }

    /// The seed, where it is known.
    pub fn seed(&self) -> Option<Secret> {
        self.seed.as_ref().map(Secret::duplicate)
    }

    /// Returns whether it has the seed of a key that is only known expanded.
    pub fn is_seed_of(&self, other: &Self) -> Result<bool> {
        let more = self.seed.is_some() && other.seed.is_none() && self.set == other.set;
        Ok(more && self.expanded()? == other.expanded()?)
    }

    /// The expanded key.
    pub fn expanded(&self) -> Result<Secret> {
        let mut expanded = Secret::new(vec![0; self.set.expanded_size()]);
        let (to, mut len) = (expanded.expose_mut().as_mut_ptr(), self.set.expanded_size());
        // SAFETY: `self.key` owns the key; the call writes at most `len` bytes, as many as `expanded` has.
        let code = unsafe { EVP_PKEY_get_raw_private_key(self.key.as_ptr(), to, &mut len) };
        done(code, Reason::General)?;
        Ok(expanded)
    }

    /// The parameter set.
    pub const fn set(&self) -> Set {
        self.set
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey> {
        PublicKey::from_bytes(self.set, &raw_public(&self.key, self.set)?)
    }

    /// The public half as `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.key.to_spki()
    }

    /// The digest of the public half, computed once.
    pub(crate) fn digest(&self) -> Result<&KeyDigest> {
        self.digest.get_or_try_init(|| KeyDigest::of(&raw_public(&self.key, self.set)?))
    }

    pub(super) const fn pkey(&self) -> &Pkey {
        &self.key
    }
}

/// Makes an ML-KEM key of its expanded form, in which the public key stands too, and checks all of it.
fn kem_of_expanded(set: Set, expanded: &[u8]) -> Result<Pkey> {
    let end = expanded.len().saturating_sub(BEHIND_PUBLIC);
    let start = end.saturating_sub(set.public_size());
    let public = expanded.get(start..end).ok_or(Reason::General)?;
    // SAFETY: both slices are borrowed for the call, which compares their lengths with the set's, copies them
    // and gives the new key to its caller.
    let key = unsafe {
        let (public, secret) = (public.as_ptr(), expanded.as_ptr());
        let made = EVP_PKEY_kem_new_raw_key(set.nid(), public, end - start, secret, expanded.len());
        Pkey::take(made, Reason::AttributeValue)?
    };
    // SAFETY: `key` owns the key, which has both halves.
    done(unsafe { EVP_PKEY_kem_check_key(key.as_ptr()) }, Reason::AttributeValue)?;
    Ok(key)
}

/// A parsed public key.
pub struct PublicKey {
    set: Set,
    key: Pkey,
    digest: OnceCell<KeyDigest>,
}

impl PublicKey {
    /// Takes a public key's bytes: `AttributeValue` unless they are one of the parameter set.
    pub fn from_bytes(set: Set, bytes: &[u8]) -> Result<Self> {
        let make = match set.algorithm() {
            Algorithm::MlKem => EVP_PKEY_kem_new_raw_public_key,
            Algorithm::MlDsa => EVP_PKEY_pqdsa_new_raw_public_key,
        };
        // SAFETY: `bytes` is borrowed for the call, which compares its length with the set's, copies it and
        // gives the new key to its caller.
        let key = unsafe {
            let made = make(set.nid(), bytes.as_ptr(), bytes.len());
            Pkey::take(made, Reason::AttributeValue)?
        };
        let key = Self { set, key, digest: OnceCell::new() };
        key.check().map(|()| key)
    }

    /// Reads a `SubjectPublicKeyInfo` of such a key; anything else is `DataInvalid`.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let key = Pkey::from_any_spki(der)?;
        // SAFETY: `key` owns the key; a key of another type is 0 to both calls.
        let nid = unsafe {
            match EVP_PKEY_id(key.as_ptr()) {
                EVP_PKEY_KEM => EVP_PKEY_kem_get_type(key.as_ptr()),
                EVP_PKEY_PQDSA => EVP_PKEY_pqdsa_get_type(key.as_ptr()),
                _ => NID_undef,
            }
        };
        let set = Set::numbered(nid).ok_or(Reason::DataInvalid)?;
        let key = Self { set, key, digest: OnceCell::new() };
        key.check().map_err(|_| Reason::DataInvalid)?;
        Ok(key)
    }

    /// The key as `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.key.to_spki()
    }

    /// The key's bytes.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        raw_public(&self.key, self.set)
    }

    /// The parameter set.
    pub const fn set(&self) -> Set {
        self.set
    }

    /// The digest of the key, computed once.
    pub(crate) fn digest(&self) -> Result<&KeyDigest> {
        self.digest.get_or_try_init(|| KeyDigest::of(&self.bytes()?))
    }

    pub(super) const fn pkey(&self) -> &Pkey {
        &self.key
    }

    /// Checks that every number in an ML-KEM key is below the modulus (FIPS 203, 7.2); of ML-DSA's each fits.
    fn check(&self) -> Result<()> {
        match self.set.algorithm() {
            Algorithm::MlKem => {
                let context = self.key.context()?;
                // SAFETY: `context` owns the context, which has a reference of its own to the key.
                done(unsafe { EVP_PKEY_public_check(context.as_ptr()) }, Reason::AttributeValue)
            }
            Algorithm::MlDsa => Ok(()),
        }
    }
}

fn raw_public(key: &Pkey, set: Set) -> Result<Vec<u8>> {
    let (mut bytes, mut len) = (vec![0; set.public_size()], set.public_size());
    // SAFETY: `key` owns the key; the call writes at most `len` bytes, as many as `bytes` has.
    let code = unsafe { EVP_PKEY_get_raw_public_key(key.as_ptr(), bytes.as_mut_ptr(), &mut len) };
    done(code, Reason::General)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_each_of_its_forms_and_keeps_its_seed() {
        for &set in Set::ALL {
            let key = PrivateKey::generate(set).unwrap();
            let (seed, expanded) = (key.seed().unwrap(), key.expanded().unwrap());
            let both = super::super::lattice_pkcs8::tests::of_both(set, &seed, &expanded);
            for (der, knows) in [
                (key.to_pkcs8().unwrap(), true),
                (pkcs8::of_expanded(set, expanded.expose()), false),
                (both, true),
            ] {
                let again = PrivateKey::from_pkcs8(der.expose()).unwrap();
                assert_eq!((again.set(), again.seed().is_some()), (set, knows));
                assert_eq!(again.expanded().unwrap(), expanded);
                assert_eq!(again.to_spki().unwrap(), key.to_spki().unwrap());
                let kept = if knows { &key.to_pkcs8().unwrap() } else { &der };
                assert_eq!(again.to_pkcs8().unwrap(), *kept);
            }
            let public = key.public().unwrap();
            let again = PublicKey::from_spki(&public.to_spki().unwrap()).unwrap();
            assert_eq!((again.set(), again.bytes().unwrap()), (set, public.bytes().unwrap()));
        }
    }

    #[test]
    fn parts_of_two_keys_are_no_key() {
        for &set in Set::ALL {
            let [one, other] = [(); 2].map(|()| PrivateKey::generate(set).unwrap());
            let (seed, expanded) = (one.seed().unwrap(), other.expanded().unwrap());
            let parts = (Some(seed.expose()), Some(expanded.expose()));
            let refusal = PrivateKey::from_parts(set, parts.0, parts.1).err().unwrap().reason();
            assert_eq!(refusal, Reason::TemplateInconsistent);
            let both = super::super::lattice_pkcs8::tests::of_both(set, &seed, &expanded);
            let refusal = PrivateKey::from_pkcs8(both.expose()).err().unwrap().reason();
            assert_eq!(refusal, Reason::DataInvalid);
        }
    }

    /// The secret of implicit rejection ends an ML-KEM key, the one of drawing is ML-DSA's second; nothing else
    /// in a key says what they are.
    #[test]
    fn each_byte_that_another_follows_from_is_checked() {
        for &set in Set::ALL {
            let expanded = PrivateKey::generate(set).unwrap().expanded().unwrap();
            let free = match set.algorithm() {
                Algorithm::MlKem => expanded.len() - 32..expanded.len(),
                Algorithm::MlDsa => 32..64,
            };
            for at in (0..expanded.len()).step_by(16) {
                let mut changed = expanded.duplicate();
                changed.expose_mut()[at] ^= 1;
                let taken = PrivateKey::from_expanded(set, changed.expose()).is_ok();
                assert_eq!(taken, free.contains(&at), "{set:?}, byte {at}");
            }
        }
    }

    #[test]
    fn what_is_no_key_of_the_set_is_refused() {
        for &set in Set::ALL {
            let key = PrivateKey::generate(set).unwrap();
            let mut expanded = key.expanded().unwrap();
            let middle = expanded.len() - 80;
            expanded.expose_mut()[middle] ^= 1;
            assert!(PrivateKey::from_expanded(set, expanded.expose()).is_err(), "{set:?}");
            assert!(PrivateKey::from_expanded(set, &expanded.expose()[1..]).is_err(), "{set:?}");
            assert!(PrivateKey::from_seed(set, &[1; 31]).is_err(), "{set:?}");
            assert!(PublicKey::from_bytes(set, &vec![0; set.public_size() - 1]).is_err());
            let too_large = PublicKey::from_bytes(set, &vec![0xFF; set.public_size()]);
            assert_eq!(too_large.is_err(), set.algorithm() == Algorithm::MlKem, "{set:?}");
        }
    }
}
