//! AES-XTS with two keys of 256 bits (IEEE 1619, NIST SP 800-38E): one data unit at a time, in contexts that
//! are kept as those of AES are.

use super::aes::{BLOCK, Direction, expanded, int};
use super::context_pool::ContextPool;
use super::done;
use super::heap::kept;
use super::owned::Owned;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::{EVP_CIPHER_CTX, EVP_CipherInit_ex, EVP_CipherUpdate, EVP_aes_256_xts};
use std::ffi::c_int;
use std::ptr::{null, null_mut};
use subtle::ConstantTimeEq;

/// The length of both keys together, in bytes.
pub(crate) const KEY: usize = 64;

/// The longest data unit, in bytes: 2^20 blocks (SP 800-38E).
pub(crate) const MAX_UNIT: usize = BLOCK << 20;

/// The two keys, with spare contexts that hold them expanded.
pub struct XtsKey {
    bytes: Secret,
    pool: ContextPool<EVP_CIPHER_CTX, 2>,
}

impl XtsKey {
    /// Takes the two keys, 64 bytes in all; another length is `KeySizeRange`. Two that are equal are
    /// `AttributeValue`: with them a ciphertext says which blocks are equal.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let (one, other) = match bytes.len() {
            KEY => bytes.split_at(KEY / 2),
            _ => return Err(Reason::KeySizeRange.into()),
        };
        match one.ct_eq(other).into() {
            true => {
                Err(Reason::AttributeValue.detail("the two halves of an AES-XTS key are equal"))
            }
            false => Ok(Self { bytes: Secret::from(bytes).kept(), pool: ContextPool::default() }),
        }
    }

    /// The bytes of both keys, for what is no cipher.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Encrypts or decrypts one data unit, 16 bytes or more and [`MAX_UNIT`] at the most, into the first
    /// bytes of `output`. Another length is `DataLength`.
    pub(crate) fn unit(
        &self,
        direction: Direction,
        tweak: &[u8; BLOCK],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        if !(BLOCK..=MAX_UNIT).contains(&input.len()) {
            return Err(Reason::DataLength.into());
        }
        let output = output.get_mut(..input.len()).ok_or(Reason::BufferTooSmall)?;
        let (home, kind) = (self.pool.shard(), direction as usize);
        let context = match home.take(kind) {
            Some(context) => context,
            None => kept(|| self.expand(direction))?,
        };
        let at = context.as_ptr();
        // SAFETY: `context` is ours since the pool gave it up or `expand` made it; cipher and keys stay what
        // they are, and `tweak` has the 16 bytes that are read.
        let code = unsafe {
            let tweak = tweak.as_ptr();
            EVP_CipherInit_ex(at, null(), null_mut(), null(), tweak, direction as c_int)
        };
        done(code, Reason::FunctionFailed)?;
        let (mut written, len) = (0, int(input.len())?);
        // SAFETY: `output` is as long as `input`, and XTS writes as much as it reads.
        let code =
            unsafe { EVP_CipherUpdate(at, output.as_mut_ptr(), &mut written, input.as_ptr(), len) };
        done(code, Reason::FunctionFailed)?;
        home.give(kind, context);
        Ok(())
    }

    fn expand(&self, direction: Direction) -> Result<Owned<EVP_CIPHER_CTX>> {
        // SAFETY: the table is static, and its keys have 64 bytes, as `new` has checked.
        unsafe { expanded(EVP_aes_256_xts(), self.bytes.expose(), direction) }
    }
}
