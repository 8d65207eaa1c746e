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

/// A variant of Ed25519 (RFC 8032, 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Ed25519, of a message.
    Pure,
    /// Ed25519ctx, of a message, under a context.
    Context(Context),
    /// Ed25519ph, of a message's SHA-512 digest, under a context.
    Prehashed(Context),
}

/// A context of Ed25519ctx or Ed25519ph: at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context(Vec<u8>);

impl Variant {
    /// Returns Ed25519ctx under a context of 1 to 255 bytes; another length is `MechanismParam`. None at all
    /// would be neither Ed25519 nor what others compute.
    pub(crate) fn context(context: &[u8]) -> Result<Self> {
        match context {
            [] => Err(Reason::MechanismParam.detail("Ed25519ctx without a context")),
            _ => Context::new(context).map(Self::Context),
        }
    }

    /// Returns Ed25519ph under a context of at most 255 bytes; more are `MechanismParam`.
    pub(crate) fn prehashed(context: &[u8]) -> Result<Self> {
        Context::new(context).map(Self::Prehashed)
    }

    /// Returns the input, of a length that the variant takes.
    fn takes<'a>(&self, input: &'a [u8]) -> Result<&'a [u8]> {
        match self {
            Self::Prehashed(_) if input.len() != DIGEST => Err(Reason::DataLength.into()),
            _ => Ok(input),
        }
    }
}

impl Context {
    fn new(context: &[u8]) -> Result<Self> {
        match u8::try_from(context.len()) {
            Ok(_) => Ok(Self(context.to_vec())),
            Err(_) => Err(Reason::MechanismParam.detail("a context of more than 255 bytes")),
        }
    }
}

/// The size of the digest that Ed25519ph signs: SHA-512's, in bytes.
const DIGEST: usize = 64;

/// A parsed private key.
pub struct PrivateKey {
    key: Pkey,
    /// The seed, then the public key: AWS-LC's form for signing.
    pair: Secret,
}

impl PrivateKey {
    /// Generates a key, to be kept.
    pub fn generate() -> Result<Self> {
        let seed = random::secret(SIZE)?;
        kept_private(|| Self::from_seed(seed.expose()))
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
        Self::of(key)
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 8410); anything else is `DataInvalid`.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        Self::of(Pkey::from_pkcs8(der, EVP_PKEY_ED25519)?)
    }

    fn of(key: Pkey) -> Result<Self> {
        let mut pair = Secret::new(vec![0; 2 * SIZE]);
        let (seed, public) = pair.expose_mut().split_at_mut(SIZE);
        let (mut seed_len, mut public_len) = (seed.len(), public.len());
        // SAFETY: `key` owns the key; each call writes at most as many bytes as its half of the pair has.
        let code = unsafe {
            EVP_PKEY_get_raw_private_key(key.as_ptr(), seed.as_mut_ptr(), &mut seed_len)
                & EVP_PKEY_get_raw_public_key(key.as_ptr(), public.as_mut_ptr(), &mut public_len)
        };
        done(code, Reason::General)?;
        Ok(Self { key, pair: pair.kept() })
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

    /// Signs a whole message, or its digest as the variant has it; one of another length than 64 bytes is
    /// `DataLength`.
    pub(crate) fn sign(&self, variant: &Variant, input: &[u8]) -> Result<[u8; SIGNATURE]> {
        let mut signature = [0; SIGNATURE];
        let (to, pair) = (signature.as_mut_ptr(), self.pair.expose().as_ptr());
        let (from, len) = (variant.takes(input)?.as_ptr(), input.len());
        // SAFETY: each reads `len` bytes of the input, which are a digest's where it is told no length, the context
        // for its length and the 64 bytes of the pair, and writes 64 bytes.
        let code = unsafe {
            match variant {
                Variant::Pure => ED25519_sign(to, from, len, pair),
                Variant::Context(Context(context)) => {
                    ED25519ctx_sign(to, from, len, pair, context.as_ptr(), context.len())
                }
                Variant::Prehashed(Context(context)) => {
                    ED25519ph_sign_digest(to, from, pair, context.as_ptr(), context.len())
                }
            }
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

    /// Verifies a signature of what [`PrivateKey::sign`] signs: `SignatureLength`, `SignatureInvalid`.
    pub(crate) fn verify(&self, variant: &Variant, input: &[u8], signature: &[u8]) -> Result<()> {
        if signature.len() != SIGNATURE {
            return Err(Reason::SignatureLength.into());
        }
        let (signature, key) = (signature.as_ptr(), self.bytes.as_ptr());
        let (from, len) = (variant.takes(input)?.as_ptr(), input.len());
        // SAFETY: each reads `len` bytes of the input, which are a digest's where it is told no length, the context
        // for its length, the 64 bytes of the signature and the 32 of the key.
        let code = unsafe {
            match variant {
                Variant::Pure => ED25519_verify(from, len, signature, key),
                Variant::Context(Context(context)) => {
                    ED25519ctx_verify(from, len, signature, key, context.as_ptr(), context.len())
                }
                Variant::Prehashed(Context(context)) => {
                    ED25519ph_verify_digest(from, signature, key, context.as_ptr(), context.len())
                }
            }
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
            let signature = again.sign(&Variant::Pure, b"message").unwrap();
            public.verify(&Variant::Pure, b"message", &signature).unwrap();
        }
        let again = PublicKey::from_spki(&public.to_spki().unwrap()).unwrap();
        assert_eq!(again.bytes(), public.bytes());
    }

    #[test]
    fn other_lengths_are_refused() {
        assert!(PrivateKey::from_seed(&[1; 31]).is_err());
        assert!(PublicKey::from_bytes(&[1; 33]).is_err());
        let public = PrivateKey::from_seed(&[1; 32]).unwrap().public().unwrap();
        let refusal = public.verify(&Variant::Pure, b"", &[0; 63]).unwrap_err().reason();
        assert_eq!(refusal, Reason::SignatureLength);
        let x25519 = crate::lc::x25519::PrivateKey::generate().unwrap().to_pkcs8().unwrap();
        assert!(PrivateKey::from_pkcs8(x25519.expose()).is_err());
    }

    #[test]
    fn no_variant_and_no_context_verifies_what_another_signed() {
        let key = PrivateKey::generate().unwrap();
        let (public, input) = (key.public().unwrap(), [7; DIGEST]);
        let variants = [
            Variant::Pure,
            Variant::context(b"a").unwrap(),
            Variant::context(&[b'a'; 255]).unwrap(),
            Variant::prehashed(b"").unwrap(),
            Variant::prehashed(b"a").unwrap(),
        ];
        for signed in &variants {
            let signature = key.sign(signed, &input).unwrap();
            for verified in &variants {
                let same = public.verify(verified, &input, &signature).is_ok();
                assert_eq!(same, signed == verified, "{signed:?} {verified:?}");
            }
        }
    }

    #[test]
    fn a_context_or_a_digest_that_does_not_fit_is_refused() {
        let refusal = |made: Result<Variant>| made.unwrap_err().reason();
        assert_eq!(refusal(Variant::context(b"")), Reason::MechanismParam);
        assert_eq!(refusal(Variant::context(&[0; 256])), Reason::MechanismParam);
        assert_eq!(refusal(Variant::prehashed(&[0; 256])), Reason::MechanismParam);
        let prehashed = Variant::prehashed(b"").unwrap();
        let key = PrivateKey::generate().unwrap();
        assert_eq!(key.sign(&prehashed, &[0; 63]).unwrap_err().reason(), Reason::DataLength);
    }
}
