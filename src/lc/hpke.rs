//! HPKE (RFC 9180) in its base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message for each
//! encapsulation.
//!
//! AWS-LC has ML-KEM alone as another key encapsulation, and no hybrid of both: ML-KEM alone would hang everything on the
//! younger of the two.
#![cfg_attr(not(test), allow(dead_code))] // no program opens a fleet yet

use super::done;
use super::owned::{Owned, Release};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;

/// The size of a private key, of a public key and of an encapsulation, in bytes.
pub(crate) const SIZE: usize = 32;

/// The size by which a sealed message is longer, in bytes.
const TAG: usize = 16;

/// A message for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The encapsulated key.
    pub(crate) encapsulated: Vec<u8>,
    /// The ciphertext with its tag.
    pub(crate) ciphertext: Vec<u8>,
}

/// A function that returns the table of a cipher.
type Aead = unsafe extern "C" fn() -> *const EVP_HPKE_AEAD;

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
    let key = parsed(private)?;
    let (mut public, mut len) = (vec![0; SIZE], 0);
    // SAFETY: `key` owns an initialised key; writes at most `SIZE` bytes, as many as there is room for.
    let code =
        unsafe { EVP_HPKE_KEY_public_key(key.as_ptr(), public.as_mut_ptr(), &mut len, SIZE) };
    done(code, Reason::General)?;
    Ok(public)
}

/// Seals `plain` for the owner of `public`, bound to `info`.
pub(crate) fn seal(public: &[u8], info: &[u8], plain: &[u8]) -> Result<Sealed> {
    // SAFETY: a new context is ours.
    let context = unsafe { Owned::take(EVP_HPKE_CTX_new(), Reason::HostMemory)? };
    let (mut encapsulated, mut len) = (vec![0; SIZE], 0);
    // SAFETY: `context` owns a zeroed context; the tables are static, and the functions that return them have no preconditions; writes at most `SIZE` bytes, as many as there is
    // room for; reads two slices.
    let code = unsafe {
        EVP_HPKE_CTX_setup_sender(
            context.as_ptr(),
            encapsulated.as_mut_ptr(),
            &mut len,
            SIZE,
            EVP_hpke_x25519_hkdf_sha256(),
            EVP_hpke_hkdf_sha256(),
            CIPHER(),
            public.as_ptr(),
            public.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    done(code, Reason::AttributeValue)?;
    let (mut ciphertext, mut len) = (vec![0; plain.len() + TAG], 0);
    // SAFETY: the context is set up for sealing; writes at most as many bytes as `ciphertext` has; reads `plain` and no
    // additional data.
    let code = unsafe {
        EVP_HPKE_CTX_seal(
            context.as_ptr(),
            ciphertext.as_mut_ptr(),
            &mut len,
            ciphertext.len(),
            plain.as_ptr(),
            plain.len(),
            [].as_ptr(),
            0,
        )
    };
    done(code, Reason::FunctionFailed)?;
    ciphertext.truncate(len);
    Ok(Sealed { encapsulated, ciphertext })
}

/// Opens what [`seal`] made. Anything else, and another `info`, is `DataInvalid`.
pub(crate) fn open(private: &[u8], info: &[u8], sealed: &Sealed) -> Result<Secret> {
    open_as(CIPHER, private, info, &[], sealed)
}

fn open_as(
    cipher: Aead,
    private: &[u8],
    info: &[u8],
    aad: &[u8],
    sealed: &Sealed,
) -> Result<Secret> {
    let Sealed { encapsulated, ciphertext } = sealed;
    let key = parsed(private)?;
    // SAFETY: a new context is ours.
    let context = unsafe { Owned::take(EVP_HPKE_CTX_new(), Reason::HostMemory)? };
    // SAFETY: both own initialised objects; the tables are static, and the functions that return them have no preconditions; reads two slices.
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
        EVP_HPKE_CTX_open(
            context.as_ptr(),
            to,
            &mut len,
            most,
            ciphertext.as_ptr(),
            ciphertext.len(),
            aad.as_ptr(),
            aad.len(),
        )
    };
    done(code, Reason::DataInvalid)?;
    plain.truncate(len);
    Ok(plain)
}

fn parsed(private: &[u8]) -> Result<Owned<EVP_HPKE_KEY>> {
    // SAFETY: a new key is ours.
    let key = unsafe { Owned::take(EVP_HPKE_KEY_new(), Reason::HostMemory)? };
    // SAFETY: `key` owns a zeroed key; a static table; reads one slice.
    let code = unsafe {
        EVP_HPKE_KEY_init(
            key.as_ptr(),
            EVP_hpke_x25519_hkdf_sha256(),
            private.as_ptr(),
            private.len(),
        )
    };
    done(code, Reason::AttributeValue)?;
    Ok(key)
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
        assert_eq!(public_key(&private).unwrap(), hex(public));
        let encapsulated = hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        let ciphertext = hex(
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
        );
        let sealed = Sealed { encapsulated, ciphertext };
        let info = b"Ode on a Grecian Urn";
        let open = |cipher| open_as(cipher, &private, info, b"Count-0", &sealed);
        assert_eq!(open(EVP_hpke_aes_128_gcm).unwrap().expose(), b"Beauty is truth, truth beauty");
        assert_eq!(open(CIPHER).unwrap_err().reason(), Reason::DataInvalid);
    }

    #[test]
    fn a_message_is_opened_by_its_receiver_for_its_purpose_only() {
        let (private, other) = (random::secret(SIZE).unwrap(), random::secret(SIZE).unwrap());
        let public = public_key(private.expose()).unwrap();
        let sealed = seal(&public, b"purpose", b"plain").unwrap();
        assert_eq!(open(private.expose(), b"purpose", &sealed).unwrap().expose(), b"plain");
        assert_ne!(seal(&public, b"purpose", b"plain").unwrap(), sealed);
        assert!(open(other.expose(), b"purpose", &sealed).is_err());
        assert!(open(private.expose(), b"another", &sealed).is_err());
        for at in 0..sealed.ciphertext.len() {
            let mut flipped = sealed.clone();
            flipped.ciphertext[at] ^= 1;
            assert!(open(private.expose(), b"purpose", &flipped).is_err());
            flipped.ciphertext.truncate(at);
            assert!(open(private.expose(), b"purpose", &flipped).is_err());
        }
        for at in 0..SIZE {
            let mut flipped = sealed.clone();
            flipped.encapsulated[at] ^= 1;
            assert!(open(private.expose(), b"purpose", &flipped).is_err());
        }
    }

    #[test]
    fn keys_of_another_length_and_points_of_small_order_are_refused() {
        for public in [&[0; 32][..], &[1; 31], &[]] {
            assert_eq!(seal(public, b"", b"x").unwrap_err().reason(), Reason::AttributeValue);
        }
        assert_eq!(public_key(&[1; 31]).unwrap_err().reason(), Reason::AttributeValue);
    }
}
