//! RSA OAEP with any hash functions and label: RFC 8017, 7.1.

use super::digest::Hash;
use super::done;
use super::owned::Owned;
use super::rsa::{PrivateKey, PublicKey};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;

/// The parameters of OAEP: RFC 8017, 7.1.
#[derive(Debug, Clone, Copy)]
pub struct Oaep<'a> {
    /// The hash of the label.
    pub hash: Hash,
    /// The hash in the mask generation function.
    pub mgf: Hash,
    /// The label.
    pub label: &'a [u8],
}

impl PrivateKey {
    /// Decrypts OAEP in constant time. Every failure is `EncryptedInvalid`.
    pub fn decrypt_oaep(&self, padding: &Oaep, input: &[u8]) -> Result<Secret> {
        let context = self.context()?;
        // SAFETY: `context` owns the context, made for this key, to which it holds a reference.
        done(unsafe { EVP_PKEY_decrypt_init(context.as_ptr()) }, Reason::FunctionFailed)?;
        pad_oaep(&context, padding)?;
        let mut output = Secret::new(vec![0; self.size()]);
        let mut len = output.len();
        // SAFETY: `context` was initialised to decrypt above; AWS-LC writes at most `len` bytes, which
        // `output` has; `input` is borrowed for the call.
        let code = self.using(|| unsafe {
            let (to, from) = (output.expose_mut().as_mut_ptr(), input.as_ptr());
            EVP_PKEY_decrypt(context.as_ptr(), to, &mut len, from, input.len())
        });
        done(code, Reason::EncryptedInvalid)?;
        output.truncate(len);
        Ok(output)
    }
}

impl PublicKey {
    /// Encrypts with OAEP. More than [`max_oaep`] bytes are `DataLength`.
    pub fn encrypt_oaep(&self, padding: &Oaep, input: &[u8]) -> Result<Vec<u8>> {
        if input.len() > max_oaep(self.size(), padding.hash) {
            return Err(Reason::DataLength.into());
        }
        let context = self.context()?;
        // SAFETY: `context` owns the context, made for this key, to which it holds a reference.
        done(unsafe { EVP_PKEY_encrypt_init(context.as_ptr()) }, Reason::FunctionFailed)?;
        pad_oaep(&context, padding)?;
        let mut output = vec![0; self.size()];
        let mut len = output.len();
        // SAFETY: `context` was initialised to encrypt above; AWS-LC writes at most `len` bytes, which
        // `output` has; `input` is borrowed for the call.
        let code = unsafe {
            let (to, from) = (output.as_mut_ptr(), input.as_ptr());
            EVP_PKEY_encrypt(context.as_ptr(), to, &mut len, from, input.len())
        };
        done(code, Reason::FunctionFailed)?;
        output.truncate(len);
        Ok(output)
    }
}

/// The most bytes that OAEP with `hash` takes, for a ciphertext of `size` bytes: RFC 8017, 7.1.1.
pub const fn max_oaep(size: usize, hash: Hash) -> usize {
    size.saturating_sub(2 * hash.size() + 2)
}

fn pad_oaep(context: &Owned<EVP_PKEY_CTX>, padding: &Oaep) -> Result<()> {
    let (at, len) = (context.as_ptr(), padding.label.len());
    // SAFETY: `context` owns the context while it is borrowed, and both callers have set it up to encrypt or
    // decrypt; the two tables are static.
    let code = unsafe {
        EVP_PKEY_CTX_set_rsa_padding(at, RSA_PKCS1_OAEP_PADDING)
            & EVP_PKEY_CTX_set_rsa_oaep_md(at, padding.hash.md())
            & EVP_PKEY_CTX_set_rsa_mgf1_md(at, padding.mgf.md())
    };
    done(code, Reason::MechanismParam)?;
    if len == 0 {
        return Ok(());
    }
    // SAFETY: `padding.label` has `len` bytes, more than none, which the call copies to AWS-LC's heap.
    let copy = unsafe { OPENSSL_memdup(padding.label.as_ptr().cast(), len).cast::<u8>() };
    // SAFETY: `OPENSSL_memdup` gives the copy to its caller; nothing else has the pointer.
    let copy = unsafe { Owned::take(copy, Reason::HostMemory)? };
    // SAFETY: the context reads the copy, and owns it from now on if it answers 1.
    let code = unsafe { EVP_PKEY_CTX_set0_rsa_oaep_label(at, copy.as_ptr(), len) };
    if code == 1 {
        copy.give();
    }
    done(code, Reason::MechanismParam)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static KEY: LazyLock<PrivateKey> =
        LazyLock::new(|| PrivateKey::generate(2048, &[1, 0, 1]).unwrap());

    const PADDING: Oaep = Oaep { hash: Hash::Sha256, mgf: Hash::Sha256, label: b"" };

    #[test]
    fn oaep_takes_as_much_as_fits_and_no_more() {
        let public = KEY.public().unwrap();
        for hash in Hash::ALL {
            let padding = Oaep { hash: *hash, mgf: Hash::Sha1, label: b"for" };
            let text = vec![5; max_oaep(256, *hash)];
            let sealed = public.encrypt_oaep(&padding, &text).unwrap();
            assert_eq!(KEY.decrypt_oaep(&padding, &sealed).unwrap().expose(), text);
            let longer = vec![5; text.len() + 1];
            let refusal = public.encrypt_oaep(&padding, &longer).unwrap_err();
            assert_eq!(refusal.reason(), Reason::DataLength);
            let other = Oaep { label: b"from", ..padding };
            let refusal = KEY.decrypt_oaep(&other, &sealed).unwrap_err();
            assert_eq!(refusal.reason(), Reason::EncryptedInvalid);
        }
    }

    #[test]
    fn a_failure_leaves_no_error_in_the_hosts_queue() {
        assert!(KEY.decrypt_oaep(&PADDING, &[0; 256]).is_err());
        // SAFETY: reads the calling thread's queue.
        assert_eq!(unsafe { ERR_peek_error() }, 0);
    }
}
