//! ML-KEM: a secret that one owner of a public key makes and the owner of the private one finds again
//! (FIPS 203).

use super::done;
use super::lattice::{PrivateKey, PublicKey, Set};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;

/// The size of a shared secret, in bytes.
pub(crate) const SHARED: usize = 32;

/// Returns the size of a ciphertext in bytes; none of a set of another algorithm.
pub const fn ciphertext_size(set: Set) -> Option<usize> {
    match set {
        Set::MlKem512 => Some(768),
        Set::MlKem768 => Some(1088),
        Set::MlKem1024 => Some(1568),
        Set::MlDsa44 | Set::MlDsa65 | Set::MlDsa87 => None,
    }
}

/// Encapsulates a new secret; returns the ciphertext and the secret.
pub fn encapsulate(public: &PublicKey) -> Result<(Vec<u8>, Secret)> {
    let size = ciphertext_size(public.set()).ok_or(Reason::KeyTypeInconsistent)?;
    let (mut ciphertext, mut shared) = (vec![0; size], Secret::new(vec![0; SHARED]));
    let context = public.pkey().context()?;
    let (mut size, mut room) = (size, SHARED);
    // SAFETY: `context` owns a context for the key. The call writes at most `size` and `room` bytes, as many
    // as the two buffers have, and refuses where it would be more.
    let code = unsafe {
        let (to, secret) = (ciphertext.as_mut_ptr(), shared.expose_mut().as_mut_ptr());
        EVP_PKEY_encapsulate(context.as_ptr(), to, &mut size, secret, &mut room)
    };
    done(code, Reason::FunctionFailed)?;
    Ok((ciphertext, shared))
}

/// Decapsulates a secret. Of a ciphertext that was not made for the key this is another secret, which no one
/// knows (implicit rejection, FIPS 203, algorithm 18); one of another length is `WrappedLength`. AWS-LC computes
/// both secrets of every ciphertext, compares and chooses in constant time (`mlk_kem_dec`).
pub fn decapsulate(private: &PrivateKey, ciphertext: &[u8]) -> Result<Secret> {
    let size = ciphertext_size(private.set()).ok_or(Reason::UnwrappingKeyType)?;
    if ciphertext.len() != size {
        return Err(Reason::WrappedLength.into());
    }
    let (mut shared, mut room) = (Secret::new(vec![0; SHARED]), SHARED);
    let context = private.pkey().context()?;
    // SAFETY: `context` owns a context for the key; `ciphertext` is borrowed for the call, which writes at most
    // `room` bytes, as many as `shared` has.
    let code = unsafe {
        let secret = shared.expose_mut().as_mut_ptr();
        EVP_PKEY_decapsulate(context.as_ptr(), secret, &mut room, ciphertext.as_ptr(), size)
    };
    done(code, Reason::FunctionFailed)?;
    Ok(shared)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_back_and_of_another_ciphertext_always_the_same_other_one() {
        for set in [Set::MlKem512, Set::MlKem768, Set::MlKem1024] {
            let key = PrivateKey::generate(set).unwrap();
            let (mut ciphertext, shared) = encapsulate(&key.public().unwrap()).unwrap();
            assert_eq!(decapsulate(&key, &ciphertext).unwrap(), shared);
            let again = PrivateKey::from_expanded(set, key.expanded().unwrap().expose()).unwrap();
            assert_eq!(decapsulate(&again, &ciphertext).unwrap(), shared);
            ciphertext[7] ^= 1;
            let rejected = decapsulate(&key, &ciphertext).unwrap();
            assert_ne!(rejected, shared);
            assert_eq!(decapsulate(&again, &ciphertext).unwrap(), rejected);
            for wrong in [&ciphertext[1..], &[], &[&ciphertext[..], &[0]].concat()] {
                let refusal = decapsulate(&key, wrong).unwrap_err().reason();
                assert_eq!(refusal, Reason::WrappedLength);
            }
        }
    }
}
