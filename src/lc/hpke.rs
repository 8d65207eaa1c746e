//! HPKE (RFC 9180) in its base mode, one message for each encapsulation, as a hybrid: a message is sealed by ML-KEM-768
//! (FIPS 203) first, and what comes of that by DHKEM(X25519, HKDF-SHA256). Who would open it has to break both. Key
//! derivation is HKDF-SHA256, and the cipher AES-256-GCM, in both.
//!
//! AWS-LC has both key encapsulations, and none that combines them; the one inside the other needs none.
//!
//! | | bytes |
//! |---|---|
//! | private key | 32, from which HKDF-SHA-256 (no salt) makes those of the parts: info `keystead v1 hpke x25519` 32, `keystead v1 hpke ml-kem-768` 64 |
//! | public key | X25519's 32, ML-KEM's 1184 |
//! | message | X25519's encapsulation (32), ciphertext of: ML-KEM's encapsulation (1088), ciphertext of the plaintext |

use super::digest::Hash;
use super::owned::{Owned, Release};
use super::{done, hkdf};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;

/// The size of a private key, in bytes.
pub(crate) const PRIVATE: usize = 32;

/// The size by which a ciphertext is longer, in bytes.
const TAG: usize = 16;

/// A function that returns the table of a key encapsulation.
type Kem = unsafe extern "C" fn() -> *const EVP_HPKE_KEM;

/// A function that returns the table of a cipher.
type Aead = unsafe extern "C" fn() -> *const EVP_HPKE_AEAD;

/// One of the two key encapsulations.
struct Part {
    kem: Kem,
    /// The label of its private key, and the size of that.
    private: (&'static [u8], usize),
    /// The size of a public key, in bytes.
    public: usize,
    /// The size of an encapsulation, in bytes.
    encapsulated: usize,
}

const X25519: Part = Part {
    kem: EVP_hpke_x25519_hkdf_sha256,
    private: (b"keystead v1 hpke x25519", 32),
    public: 32,
    encapsulated: 32,
};

const ML_KEM: Part = Part {
    kem: EVP_hpke_mlkem768,
    private: (b"keystead v1 hpke ml-kem-768", 64),
    public: 1184,
    encapsulated: 1088,
};

/// The cipher of the messages.
const CIPHER: Aead = EVP_hpke_aes_256_gcm;

impl Release for EVP_HPKE_KEY {
    unsafe fn release(this: *mut Self) {
        // SAFETY: the caller's promise is this function's condition. It wipes what it frees.
        unsafe { EVP_HPKE_KEY_free(this) }
    }
}

impl Release for EVP_HPKE_CTX {
    unsafe fn release(this: *mut Self) {
        // SAFETY: the caller's promise is this function's condition. It wipes what it frees.
        unsafe { EVP_HPKE_CTX_free(this) }
    }
}

/// Returns the public half of a private key of 32 bytes; another length is `AttributeValue`.
pub(crate) fn public_key(private: &[u8]) -> Result<Vec<u8>> {
    let (outer, inner) = (X25519.derived(private)?, ML_KEM.derived(private)?);
    Ok([X25519.public_key(outer.expose())?, ML_KEM.public_key(inner.expose())?].concat())
}

/// Seals `plain` for the owner of `public`, bound to `info`. A public key that is none is `AttributeValue`.
pub(crate) fn seal(public: &[u8], info: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let (outer, inner) = public.split_at_checked(X25519.public).ok_or(Reason::AttributeValue)?;
    X25519.seal(outer, info, &ML_KEM.seal(inner, info, plain)?)
}

/// Opens what [`seal`] made. Anything else, and another `info`, is `DataInvalid`.
pub(crate) fn open(private: &[u8], info: &[u8], sealed: &[u8]) -> Result<Secret> {
    let (outer, inner) = (X25519.derived(private)?, ML_KEM.derived(private)?);
    let half_open = X25519.open(CIPHER, outer.expose(), (info, &[]), sealed)?;
    ML_KEM.open(CIPHER, inner.expose(), (info, &[]), half_open.expose())
}

impl Part {
    fn derived(&self, private: &[u8]) -> Result<Secret> {
        if private.len() != PRIVATE {
            return Err(Reason::AttributeValue.into());
        }
        let (label, size) = self.private;
        let key = hkdf::extract(Hash::Sha256, private, &[])?;
        hkdf::expand(Hash::Sha256, key.expose(), label, size)
    }

    fn parsed(&self, private: &[u8]) -> Result<Owned<EVP_HPKE_KEY>> {
        // SAFETY: a new key is ours.
        let key = unsafe { Owned::take(EVP_HPKE_KEY_new(), Reason::HostMemory)? };
        // SAFETY: `key` owns a zeroed key; a static table, by a function without preconditions; reads one slice.
        let code = unsafe {
            EVP_HPKE_KEY_init(key.as_ptr(), (self.kem)(), private.as_ptr(), private.len())
        };
        done(code, Reason::AttributeValue)?;
        Ok(key)
    }

    fn public_key(&self, private: &[u8]) -> Result<Vec<u8>> {
        let key = self.parsed(private)?;
        let (mut public, mut len) = (vec![0; self.public], 0);
        let (to, most) = (public.as_mut_ptr(), public.len());
        // SAFETY: `key` owns an initialised key; writes at most as many bytes as there is room for.
        let code = unsafe { EVP_HPKE_KEY_public_key(key.as_ptr(), to, &mut len, most) };
        done(code, Reason::General)?;
        public.truncate(len);
        Ok(public)
    }

    fn seal(&self, public: &[u8], info: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        // SAFETY: a new context is ours.
        let context = unsafe { Owned::take(EVP_HPKE_CTX_new(), Reason::HostMemory)? };
        let mut sealed = vec![0; self.encapsulated + plain.len() + TAG];
        let (encapsulated, ciphertext) = sealed.split_at_mut(self.encapsulated);
        let (to, most, mut len) = (encapsulated.as_mut_ptr(), encapsulated.len(), 0);
        // SAFETY: `context` owns a zeroed context; the tables are static, by functions without preconditions; writes at
        // most as many bytes as `encapsulated` has; reads two slices.
        let code = unsafe {
            EVP_HPKE_CTX_setup_sender(
                context.as_ptr(),
                to,
                &mut len,
                most,
                (self.kem)(),
                EVP_hpke_hkdf_sha256(),
                CIPHER(),
                public.as_ptr(),
                public.len(),
                info.as_ptr(),
                info.len(),
            )
        };
        done(code, Reason::AttributeValue)?;
        let (to, most) = (ciphertext.as_mut_ptr(), ciphertext.len());
        // SAFETY: the context is set up for sealing; writes at most as many bytes as `ciphertext` has; reads `plain` and
        // no additional data.
        let code = unsafe {
            let (from, none) = (plain.as_ptr(), [].as_ptr());
            EVP_HPKE_CTX_seal(context.as_ptr(), to, &mut len, most, from, plain.len(), none, 0)
        };
        done(code, Reason::FunctionFailed)?;
        Ok(sealed)
    }

    fn open(
        &self,
        cipher: Aead,
        private: &[u8],
        (info, aad): (&[u8], &[u8]),
        sealed: &[u8],
    ) -> Result<Secret> {
        let (encapsulated, ciphertext) =
            sealed.split_at_checked(self.encapsulated).ok_or(Reason::DataInvalid)?;
        let key = self.parsed(private)?;
        // SAFETY: a new context is ours.
        let context = unsafe { Owned::take(EVP_HPKE_CTX_new(), Reason::HostMemory)? };
        // SAFETY: both own initialised objects; the tables are static, by functions without preconditions; reads two
        // slices.
        let code = unsafe {
            EVP_HPKE_CTX_setup_recipient(
                context.as_ptr(),
                key.as_ptr(),
                EVP_hpke_hkdf_sha256(),
                cipher(),
                encapsulated.as_ptr(),
                encapsulated.len(),
                info.as_ptr(),
                info.len(),
            )
        };
        done(code, Reason::DataInvalid)?;
        let (mut plain, mut len) = (Secret::new(vec![0; ciphertext.len()]), 0);
        let (to, most) = (plain.expose_mut().as_mut_ptr(), plain.len());
        // SAFETY: the context is set up for opening; writes at most as many bytes as `plain` has; reads two slices.
        let code = unsafe {
            let (from, size) = (ciphertext.as_ptr(), ciphertext.len());
            let (aad, aad_len) = (aad.as_ptr(), aad.len());
            EVP_HPKE_CTX_open(context.as_ptr(), to, &mut len, most, from, size, aad, aad_len)
        };
        done(code, Reason::DataInvalid)?;
        plain.truncate(len);
        Ok(plain)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::lc::random;

    fn hex(text: &str) -> Vec<u8> {
        base16ct::lower::decode_vec(text).unwrap()
    }

    /// RFC 9180, A.1.1.
    #[test]
    fn what_the_standard_has_sealed_is_opened() {
        let private = hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
        let public = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
        assert_eq!(X25519.public_key(&private).unwrap(), hex(public));
        let sealed = hex(concat!(
            "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9",
            "6d8770ac83d07bea87e13c512a"
        ));
        let bound = (&b"Ode on a Grecian Urn"[..], &b"Count-0"[..]);
        let open = |cipher| X25519.open(cipher, &private, bound, &sealed);
        assert_eq!(open(EVP_hpke_aes_128_gcm).unwrap().expose(), b"Beauty is truth, truth beauty");
        assert_eq!(open(CIPHER).unwrap_err().reason(), Reason::DataInvalid);
    }

    #[test]
    fn a_message_is_opened_by_its_receiver_for_its_purpose_only() {
        let (private, other) = (random::secret(32).unwrap(), random::secret(32).unwrap());
        let public = public_key(private.expose()).unwrap();
        assert_eq!(public.len(), X25519.public + ML_KEM.public);
        let sealed = seal(&public, b"purpose", b"plain").unwrap();
        assert_eq!(open(private.expose(), b"purpose", &sealed).unwrap().expose(), b"plain");
        assert_ne!(seal(&public, b"purpose", b"plain").unwrap(), sealed);
        assert!(open(other.expose(), b"purpose", &sealed).is_err());
        assert!(open(private.expose(), b"another", &sealed).is_err());
        for at in (0..sealed.len()).step_by(7) {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(open(private.expose(), b"purpose", &flipped).is_err(), "byte {at}");
            assert!(open(private.expose(), b"purpose", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    /// One that has broken either of the two has opened nothing.
    #[test]
    fn a_message_needs_both_keys() {
        let private = random::secret(32).unwrap();
        let sealed = seal(&public_key(private.expose()).unwrap(), b"", &[7; 40]).unwrap();
        let outer = X25519.derived(private.expose()).unwrap();
        let half_open = X25519.open(CIPHER, outer.expose(), (b"", b""), &sealed).unwrap();
        assert!(!half_open.expose().windows(8).any(|part| part == [7; 8]));
        let inner = ML_KEM.derived(private.expose()).unwrap();
        assert!(ML_KEM.open(CIPHER, inner.expose(), (b"", b""), &sealed).is_err());
        let opened = ML_KEM.open(CIPHER, inner.expose(), (b"", b""), half_open.expose());
        assert_eq!(opened.unwrap().expose(), [7; 40]);
    }

    #[test]
    fn keys_of_another_length_and_points_of_small_order_are_refused() {
        let mut small = public_key(&[1; 32]).unwrap();
        small[..32].fill(0);
        for public in [&small[..], &small[1..], &[1; 31], &[]] {
            assert_eq!(seal(public, b"", b"x").unwrap_err().reason(), Reason::AttributeValue);
        }
        assert_eq!(public_key(&[1; 31]).unwrap_err().reason(), Reason::AttributeValue);
    }
}
