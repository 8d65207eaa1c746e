//! Ed25519 signatures (RFC 8032).

use super::heap::kept_private;
use super::pkey::Pkey;
use super::{done, random};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ptr::null_mut;

/// The size of a seed and of a public key, in bytes.
pub(crate) const SIZE: usize = 32;

/// The size of a signature, in bytes.
pub(crate) const SIGNATURE: usize = 64;

/// A parsed private key.
pub struct PrivateKey {
    key: Pkey,
    /// The seed, then the public key: AWS-LC's form for signing.
    pair: Secret,
}

impl PrivateKey {
    /// Generates a key.
    pub fn generate() -> Result<Self> {
        Self::from_seed(random::secret(SIZE)?.expose())
    }

    /// Makes a key of its 32-byte seed; another length is `AttributeValue`.
    pub fn from_seed(seed: &[u8]) -> Result<Self> {
        if seed.len() != SIZE {
            return Err(Reason::AttributeValue.into());
        }
        // SAFETY: reads the seed; a new key is ours.
        let key = unsafe {
            let (at, len) = (seed.as_ptr(), seed.len());
            let made = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, null_mut(), at, len);
            Pkey::take(made, Reason::AttributeValue)?
        };
        let (mut public, mut pair) = ([0; SIZE], Secret::new(vec![0; 2 * SIZE]));
        // SAFETY: reads 32 bytes, writes 32 and 64.
        unsafe {
            let pair = pair.expose_mut().as_mut_ptr();
            ED25519_keypair_from_seed(public.as_mut_ptr(), pair, seed.as_ptr());
        }
        Ok(Self { key, pair: pair.kept() })
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 8410); anything else is `DataInvalid`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let key = Pkey::from_pkcs8(der, EVP_PKEY_ED25519)?;
        let (mut seed, mut len) = (Secret::new(vec![0; SIZE]), SIZE);
        let to = seed.expose_mut().as_mut_ptr();
        // SAFETY: `key` owns the parsed key; the call writes at most `len` bytes, and `seed` was made `SIZE`
        // long.
        let code = unsafe { EVP_PKEY_get_raw_private_key(key.as_ptr(), to, &mut len) };
        done(code, Reason::DataInvalid)?;
        kept_private(|| Self::from_seed(seed.expose()))
    }

    /// The key as PKCS#8 `PrivateKeyInfo`.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        self.key.to_pkcs8()
    }

    /// The seed.
    pub fn seed(&self) -> Secret {
        self.pair.expose().split_at(SIZE).0.into()
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey> {
        PublicKey::from_bytes(self.pair.expose().split_at(SIZE).1)
    }

    /// Signs a whole message.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE]> {
        let mut signature = [0; SIGNATURE];
        // SAFETY: reads the message and the 64 bytes of the pair, writes 64 bytes.
        let code = unsafe {
            let (to, pair) = (signature.as_mut_ptr(), self.pair.expose().as_ptr());
            ED25519_sign(to, message.as_ptr(), message.len(), pair)
        };
        done(code, Reason::FunctionFailed)?;
        Ok(signature)
    }
}

/// A parsed public key.
pub struct PublicKey {
    key: Pkey,
    bytes: [u8; SIZE],
}

impl PublicKey {
    /// Takes the key's 32 bytes; another length is `AttributeValue`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes: [u8; SIZE] = bytes.try_into().map_err(|_| Reason::AttributeValue)?;
        // SAFETY: reads the bytes; a new key is ours.
        let key = unsafe {
            let made =
                EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, null_mut(), bytes.as_ptr(), SIZE);
            Pkey::take(made, Reason::AttributeValue)?
        };
        Ok(Self { key, bytes })
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 8410); anything else is `DataInvalid`.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let key = Pkey::from_spki(der, EVP_PKEY_ED25519)?;
        let (mut bytes, mut len) = ([0; SIZE], SIZE);
        // SAFETY: `key` owns the parsed key; the call writes at most `len` bytes, and `bytes` has `SIZE`.
        let code =
            unsafe { EVP_PKEY_get_raw_public_key(key.as_ptr(), bytes.as_mut_ptr(), &mut len) };
        done(code, Reason::DataInvalid)?;
        Ok(Self { key, bytes })
    }

    /// The key as `SubjectPublicKeyInfo`.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.key.to_spki()
    }

    /// The key's 32 bytes.
    pub fn bytes(&self) -> [u8; SIZE] {
        self.bytes
    }

    /// Verifies a signature of a message: `SignatureLength`, `SignatureInvalid`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        if signature.len() != SIGNATURE {
            return Err(Reason::SignatureLength.into());
        }
        // SAFETY: reads the message, 64 bytes and 32 bytes.
        let code = unsafe {
            let (signature, key) = (signature.as_ptr(), self.bytes.as_ptr());
            ED25519_verify(message.as_ptr(), message.len(), signature, key)
        };
        done(code, Reason::SignatureInvalid)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_each_of_its_forms() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let der = key.to_pkcs8().unwrap();
        for again in [
            PrivateKey::from_pkcs8(der.expose()).unwrap(),
            PrivateKey::from_seed(key.seed().expose()).unwrap(),
        ] {
            public.verify(b"message", &again.sign(b"message").unwrap()).unwrap();
        }
        let again = PublicKey::from_spki(&public.to_spki().unwrap()).unwrap();
        assert_eq!(again.bytes(), public.bytes());
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(PrivateKey::from_seed(&[1; 31]).is_err());
        assert!(PublicKey::from_bytes(&[1; 33]).is_err());
        let public = PrivateKey::from_seed(&[1; 32]).unwrap().public().unwrap();
        let refusal = public.verify(b"", &[0; 63]).unwrap_err().reason();
        assert_eq!(refusal, Reason::SignatureLength);
        let x25519 = crate::lc::x25519::PrivateKey::generate().unwrap().to_pkcs8().unwrap();
        assert!(PrivateKey::from_pkcs8(x25519.expose()).is_err());
    }
}
