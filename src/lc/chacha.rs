//! ChaCha20-Poly1305 (RFC 8439): in one step with one context that threads share, in parts with contexts that
//! are kept as those of AES are.

use super::aes::{Direction, STRIDE, expanded, int};
use super::context_pool::{ContextPool, Shard};
use super::done;
use super::heap::kept;
use super::owned::Owned;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// The key's length in bytes.
pub(crate) const KEY: usize = 32;

/// The nonce's length in bytes.
pub(crate) const NONCE: usize = 12;

/// The tag's length in bytes.
pub(crate) const TAG: usize = 16;

/// The longest text, in bytes: what 32 bits count in blocks of 64, but the first (RFC 8439, 2.8).
pub(crate) const MAX_PLAINTEXT: u64 = (1 << 38) - 64;

/// A key, with what AWS-LC has made of it.
pub struct ChaChaKey {
    bytes: Secret,
    aead: Aead,
    pool: ContextPool<EVP_CIPHER_CTX, 1>,
}

struct Aead(Owned<EVP_AEAD_CTX>);

// SAFETY: AWS-LC says that threads may seal and open at once with one context of this cipher (`aead.h`, at
// `EVP_AEAD_CTX_seal`), and nothing else is done with it.
unsafe impl Sync for Aead {}

impl ChaChaKey {
    /// Takes a key of 32 bytes; another length is `KeySizeRange`.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != KEY {
            return Err(Reason::KeySizeRange.into());
        }
        let bytes = Secret::from(bytes).kept();
        let aead = kept(|| {
            let key = bytes.expose();
            // SAFETY: the table is static; `key` is borrowed for the call, which copies it and gives its
            // object to its caller.
            unsafe {
                let made =
                    EVP_AEAD_CTX_new(EVP_aead_chacha20_poly1305(), key.as_ptr(), key.len(), TAG);
                Owned::take(made, Reason::HostMemory)
            }
        })?;
        Ok(Self { aead: Aead(aead), bytes, pool: ContextPool::default() })
    }

    /// Its bytes, for what is no cipher.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Encrypts `text` into the first bytes of `output`, and leaves the tag in `tag`. A text that is too
    /// long is `DataLength`.
    pub(crate) fn seal(
        &self,
        params: &ChaChaParams,
        text: &[u8],
        output: &mut [u8],
        tag: &mut [u8],
    ) -> Result<()> {
        let output = output.get_mut(..text.len()).ok_or(Reason::BufferTooSmall)?;
        let tag = tag.get_mut(..TAG).ok_or(Reason::BufferTooSmall)?;
        let (nonce, aad, mut made) = (params.nonce, params.aad, 0);
        // SAFETY: `self.aead` owns the context; nonce, text and associated data are borrowed for the call;
        // `output` is as long as the text, and `tag` as long as the call is told. There is no further input.
        let code = unsafe {
            EVP_AEAD_CTX_seal_scatter(
                self.aead.0.as_ptr(),
                output.as_mut_ptr(),
                tag.as_mut_ptr(),
                &mut made,
                tag.len(),
                nonce.as_ptr(),
                nonce.len(),
                text.as_ptr(),
                text.len(),
                null(),
                0,
                aad.as_ptr(),
                aad.len(),
            )
        };
        done(code, Reason::DataLength)
    }

    /// Decrypts `sealed` into the first bytes of `output`, which holds nothing of it unless the tag is
    /// right: `EncryptedInvalid`.
    pub(crate) fn open(
        &self,
        params: &ChaChaParams,
        sealed: &[u8],
        tag: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        let output = output.get_mut(..sealed.len()).ok_or(Reason::BufferTooSmall)?;
        let (nonce, aad) = (params.nonce, params.aad);
        // SAFETY: `self.aead` owns the context; nonce, text, tag and associated data are borrowed for the
        // call; `output` is as long as the text.
        let code = unsafe {
            EVP_AEAD_CTX_open_gather(
                self.aead.0.as_ptr(),
                output.as_mut_ptr(),
                nonce.as_ptr(),
                nonce.len(),
                sealed.as_ptr(),
                sealed.len(),
                tag.as_ptr(),
                tag.len(),
                aad.as_ptr(),
                aad.len(),
            )
        };
        done(code, Reason::EncryptedInvalid)
    }

    /// Begins to encrypt a text in parts.
    pub(crate) fn begin(&self, params: &ChaChaParams) -> Result<ChaChaEncryption> {
        let home = self.pool.shard();
        let context = match home.take(0) {
            Some(context) => context,
            None => kept(|| self.expand())?,
        };
        let sealing = ChaChaEncryption { context: Some(context), home, left: MAX_PLAINTEXT };
        sealing.start(params)?;
        Ok(sealing)
    }

    fn expand(&self) -> Result<Owned<EVP_CIPHER_CTX>> {
        // SAFETY: the table is static, and its keys have 32 bytes, as `new` has checked.
        unsafe { expanded(EVP_chacha20_poly1305(), self.bytes.expose(), Direction::Encrypt) }
    }
}

/// The parameters of one message beside the key.
#[derive(Clone, Copy)]
pub(crate) struct ChaChaParams<'a> {
    /// The nonce, never twice with one key.
    pub nonce: &'a [u8; NONCE],
    /// The data that is authenticated with the text.
    pub aad: &'a [u8],
}

/// An encryption under way. Its context returns to the key's pool when it is dropped.
pub(crate) struct ChaChaEncryption {
    context: Option<Owned<EVP_CIPHER_CTX>>,
    home: Arc<Shard<EVP_CIPHER_CTX, 1>>,
    /// The number of bytes that may still come: AWS-LC would begin the counter again.
    left: u64,
}

impl ChaChaEncryption {
    fn start(&self, params: &ChaChaParams) -> Result<()> {
        let (context, nonce) = (self.at()?, params.nonce.as_ptr());
        // SAFETY: cipher and key stay what they are; `nonce` has the 12 bytes that are read.
        let code = unsafe { EVP_CipherInit_ex(context, null(), null_mut(), null(), nonce, 1) };
        done(code, Reason::FunctionFailed)?;
        for part in params.aad.chunks(STRIDE) {
            let (mut written, len) = (0, int(part.len())?);
            // SAFETY: without output the input is associated data.
            let code =
                unsafe { EVP_CipherUpdate(context, null_mut(), &mut written, part.as_ptr(), len) };
            done(code, Reason::MechanismParam)?;
        }
        Ok(())
    }

    /// Encrypts a part into the first bytes of `output`. A text that grows too long is `DataLength`.
    pub(crate) fn update(&mut self, text: &[u8], output: &mut [u8]) -> Result<()> {
        self.left = self.left.checked_sub(text.len() as u64).ok_or(Reason::DataLength)?;
        let output = output.get_mut(..text.len()).ok_or(Reason::BufferTooSmall)?;
        let context = self.at()?;
        for (from, to) in text.chunks(STRIDE).zip(output.chunks_mut(STRIDE)) {
            let (mut written, len) = (0, int(from.len())?);
            // SAFETY: `to` is as long as `from`, and the cipher writes as much as it reads.
            let code = unsafe {
                EVP_CipherUpdate(context, to.as_mut_ptr(), &mut written, from.as_ptr(), len)
            };
            done(code, Reason::FunctionFailed)?;
        }
        Ok(())
    }

    /// Ends the encryption and writes the tag.
    pub(crate) fn tag(&mut self, tag: &mut [u8]) -> Result<()> {
        let tag = tag.get_mut(..TAG).ok_or(Reason::BufferTooSmall)?;
        let (context, mut nothing, mut written) = (self.at()?, [0; TAG], 0);
        // SAFETY: ending a message of this cipher writes no output.
        let code = unsafe { EVP_CipherFinal_ex(context, nothing.as_mut_ptr(), &mut written) };
        done(code, Reason::FunctionFailed)?;
        let len = int(tag.len())?;
        // SAFETY: writes `len` bytes to `tag`.
        let code = unsafe {
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, len, tag.as_mut_ptr().cast())
        };
        done(code, Reason::FunctionFailed)
    }

    fn at(&self) -> Result<*mut EVP_CIPHER_CTX> {
        self.context.as_ref().map(Owned::as_ptr).ok_or_else(|| Reason::General.into())
    }
}

impl Drop for ChaChaEncryption {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            self.home.give(0, context);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_parts_has_an_end() {
        let key = ChaChaKey::new(&[1; KEY]).unwrap();
        let params = ChaChaParams { nonce: &[2; NONCE], aad: b"header" };
        let mut sealing = key.begin(&params).unwrap();
        sealing.left = 10;
        sealing.update(&[3; 10], &mut [0; 10]).unwrap();
        assert_eq!(sealing.update(&[3], &mut [0]).unwrap_err().reason(), Reason::DataLength);
    }
}
