//! AES-CCM (NIST SP 800-38C), in one step: the length of the text goes into the first block.

use super::aes::{AesKey, int};
use super::done;
use super::owned::Owned;
use crate::error::{Error, Reason, Result};
use aws_lc_sys::*;
use std::ptr::{null, null_mut};

/// The longest text, in bytes; AWS-LC's lengths are `int`.
pub(crate) const MAX_PLAINTEXT: usize = 1 << 30;

/// The parameters of one message beside the key.
pub(crate) struct CcmParams<'a> {
    /// The nonce: 7 to 13 bytes, never twice with one key.
    pub nonce: &'a [u8],
    /// The data that is authenticated with the text.
    pub aad: &'a [u8],
    /// The tag's length: 4, 6, … 16 bytes.
    pub tag_len: usize,
}

/// Encrypts `text` into the first bytes of `output`, and puts the tag behind it.
pub(crate) fn seal(key: &AesKey, params: &CcmParams, text: &[u8], output: &mut [u8]) -> Result<()> {
    let (to, tag) =
        output.split_at_mut_checked(text.len()).ok_or(Error::from(Reason::BufferTooSmall))?;
    let tag = tag.get_mut(..params.tag_len).ok_or(Reason::BufferTooSmall)?;
    let context = begin(key, params, Direction::Seal)?;
    update(&context, params.aad, text, to, Reason::DataLength)?;
    let len = int(tag.len())?;
    // SAFETY: writes `len` bytes to `tag`.
    let code = unsafe {
        EVP_CIPHER_CTX_ctrl(context.as_ptr(), EVP_CTRL_AEAD_GET_TAG, len, tag.as_mut_ptr().cast())
    };
    done(code, Reason::FunctionFailed)
}

/// Decrypts the text in front of the tag into the first bytes of `output`, which holds nothing of it
/// unless the tag is right: `EncryptedInvalid`.
pub(crate) fn open(
    key: &AesKey,
    params: &CcmParams,
    sealed: &[u8],
    output: &mut [u8],
) -> Result<()> {
    let len = sealed.len().checked_sub(params.tag_len).ok_or(Reason::EncryptedLength)?;
    let (text, tag) = sealed.split_at_checked(len).ok_or(Reason::EncryptedLength)?;
    let to = output.get_mut(..len).ok_or(Reason::BufferTooSmall)?;
    let context = begin(key, params, Direction::Open(tag))?;
    update(&context, params.aad, text, to, Reason::EncryptedInvalid)
}

enum Direction<'a> {
    Seal,
    /// Decryption, with the tag that must come out.
    Open(&'a [u8]),
}

fn begin(key: &AesKey, params: &CcmParams, way: Direction) -> Result<Owned<EVP_CIPHER_CTX>> {
    let (encrypts, tag) = match way {
        Direction::Seal => (1, null_mut()),
        Direction::Open(tag) => (0, tag.as_ptr().cast_mut().cast()),
    };
    let (nonce_len, tag_len) = (int(params.nonce.len())?, int(params.tag_len)?);
    // SAFETY: `EVP_CIPHER_CTX_new` gives its object to its caller; nothing else has the pointer.
    let context = unsafe { Owned::take(EVP_CIPHER_CTX_new(), Reason::HostMemory)? };
    let at = context.as_ptr();
    // SAFETY: a fresh context; the table is for exactly this key's length; the lengths are set, and
    // refused where CCM has no such, before key and nonce of those lengths are read. `tag` is null or
    // holds `tag_len` bytes.
    unsafe {
        let code = EVP_CipherInit_ex(at, table(key), null_mut(), null(), null(), encrypts);
        done(code, Reason::HostMemory)?;
        let code = EVP_CIPHER_CTX_ctrl(at, EVP_CTRL_AEAD_SET_IVLEN, nonce_len, null_mut());
        done(code, Reason::MechanismParam)?;
        let code = EVP_CIPHER_CTX_ctrl(at, EVP_CTRL_AEAD_SET_TAG, tag_len, tag);
        done(code, Reason::MechanismParam)?;
        let (bytes, nonce) = (key.bytes().as_ptr(), params.nonce.as_ptr());
        let code = EVP_CipherInit_ex(at, null(), null_mut(), bytes, nonce, encrypts);
        done(code, Reason::MechanismParam)?;
    }
    Ok(context)
}

/// Announces the length, authenticates `aad` and transforms `text`.
fn update(
    context: &Owned<EVP_CIPHER_CTX>,
    aad: &[u8],
    text: &[u8],
    to: &mut [u8],
    wrong: Reason,
) -> Result<()> {
    let (at, len) = (context.as_ptr(), int(text.len())?);
    let mut written = 0;
    // SAFETY: without input and output the length alone counts.
    let code = unsafe { EVP_CipherUpdate(at, null_mut(), &mut written, null(), len) };
    done(code, Reason::DataLength)?;
    if !aad.is_empty() {
        // SAFETY: without output the input is associated data.
        let code = unsafe {
            EVP_CipherUpdate(at, null_mut(), &mut written, aad.as_ptr(), int(aad.len())?)
        };
        done(code, Reason::MechanismParam)?;
    }
    // SAFETY: `to` is as long as `text`; neither pointer is null, whatever their length.
    let code = unsafe { EVP_CipherUpdate(at, to.as_mut_ptr(), &mut written, text.as_ptr(), len) };
    done(code, wrong)
}

fn table(key: &AesKey) -> *const EVP_CIPHER {
    // SAFETY: each returns a pointer to a static table.
    unsafe {
        match key.len() {
            16 => EVP_aes_128_ccm(),
            24 => EVP_aes_192_ccm(),
            _ => EVP_aes_256_ccm(),
        }
    }
}
