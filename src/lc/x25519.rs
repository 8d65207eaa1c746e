//! X25519 key agreement (RFC 7748).

use super::heap::kept_private;
use super::pkey::Pkey;
use super::{done, random};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ptr::null_mut;

/// The size of a private key, of a public key and of a shared secret, in bytes.
pub(crate) const SIZE: usize = 32;

/// A public key's 32 bytes as `SubjectPublicKeyInfo` (RFC 8410).
pub(crate) fn public_spki(public: &[u8; SIZE]) -> Result<Vec<u8>> {
    // SAFETY: reads the bytes; a new key is ours.
    let key = unsafe {
        let made = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, null_mut(), public.as_ptr(), SIZE);
        Pkey::take(made, Reason::AttributeValue)?
    };
    key.to_spki()
}

/// A parsed private key.
pub struct PrivateKey {
    key: Pkey,
    scalar: Secret,
    public: [u8; SIZE],
}

impl PrivateKey {
    /// Generates a key, to be kept.
    pub fn generate() -> Result<Self> {
        let scalar = random::secret(SIZE)?;
        kept_private(|| Self::from_scalar(scalar.expose()))
    }

    /// Takes the key's 32 bytes; another length is `AttributeValue`.
    pub fn from_scalar(scalar: &[u8]) -> Result<Self> {
        if scalar.len() != SIZE {
            return Err(Reason::AttributeValue.into());
        }
        // SAFETY: reads the bytes; a new key is ours.
        let key = unsafe {
            let made =
                EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, null_mut(), scalar.as_ptr(), SIZE);
            Pkey::take(made, Reason::AttributeValue)?
        };
        Self::of(key)
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 8410); anything else is `DataInvalid`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        Self::of(Pkey::from_pkcs8(der, EVP_PKEY_X25519)?)
    }

    fn of(key: Pkey) -> Result<Self> {
        let (mut scalar, mut public) = (Secret::new(vec![0; SIZE]), [0; SIZE]);
        let (to, mut len, mut public_len) = (scalar.expose_mut().as_mut_ptr(), SIZE, SIZE);
        // SAFETY: `key` owns the key; the calls write at most `SIZE` bytes each, as many as both have room for.
        let code = unsafe {
            EVP_PKEY_get_raw_private_key(key.as_ptr(), to, &mut len)
                & EVP_PKEY_get_raw_public_key(key.as_ptr(), public.as_mut_ptr(), &mut public_len)
        };
        done(code, Reason::General)?;
        Ok(Self { key, scalar: scalar.kept(), public })
    }

    /// The key as PKCS#8 `PrivateKeyInfo`.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        self.key.to_pkcs8()
    }

    /// The key's 32 bytes.
    pub fn scalar(&self) -> Secret {
        self.scalar.duplicate()
    }

    /// The public key's 32 bytes.
    pub fn public(&self) -> [u8; SIZE] {
        self.public
    }

    /// The public half as `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.key.to_spki()
    }

    /// The secret shared with the owner of a public key. Another length than 32, and a point whose
    /// secret would be zero (RFC 7748, 6.1), are `MechanismParam`.
    pub fn agree(&self, peer: &[u8]) -> Result<Secret> {
        if peer.len() != SIZE {
            return Err(Reason::MechanismParam.into());
        }
        let mut shared = Secret::new(vec![0; SIZE]);
        // SAFETY: reads 32 bytes twice, writes 32.
        let code = unsafe {
            let to = shared.expose_mut().as_mut_ptr();
            X25519(to, self.scalar.expose().as_ptr(), peer.as_ptr())
        };
        done(code, Reason::MechanismParam)?;
        Ok(shared)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_owners_share_one_secret() {
        let (one, two) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let shared = one.agree(&two.public()).unwrap();
        assert_eq!(shared, two.agree(&one.public()).unwrap());
        let again = PrivateKey::from_pkcs8(one.to_pkcs8().unwrap().expose()).unwrap();
        assert_eq!(shared, again.agree(&two.public()).unwrap());
        let again = PrivateKey::from_scalar(one.scalar().expose()).unwrap();
        assert_eq!(again.to_spki().unwrap(), one.to_spki().unwrap());
        assert_eq!(public_spki(&one.public()).unwrap(), one.to_spki().unwrap());
    }

    #[test]
    fn points_of_small_order_and_other_lengths_are_refused() {
        let key = PrivateKey::generate().unwrap();
        for peer in [&[0; 32][..], &[1; 31], &[]] {
            assert_eq!(key.agree(peer).unwrap_err().reason(), Reason::MechanismParam);
        }
    }
}
