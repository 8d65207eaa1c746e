//! AES: keys that stay expanded, and the modes of operation over them.
//!
//! Expanding a key costs more than encrypting a short message, so a finished [`Cipher`] gives its
//! context, key schedule included, back to its key, and the next one only sets a new IV.

use super::context_pool::{ContextPool, Shard};
use super::heap::kept;
use super::owned::Owned;
use super::{done, failed};
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// The block size, in bytes.
pub(crate) const BLOCK: usize = 16;

/// The most bytes passed to AWS-LC in one call; its lengths are `int`.
pub(super) const STRIDE: usize = 1 << 30;

/// A mode of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Electronic codebook: no IV, whole blocks.
    Ecb,
    /// Cipher block chaining: an IV of one block, whole blocks.
    Cbc,
    /// Counter mode, all 128 bits counting: an IV of one block.
    Ctr,
    /// Galois/counter mode: an IV of any length from 1.
    Gcm,
    /// Output feedback: an IV of one block.
    Ofb,
    /// Cipher feedback of whole blocks: an IV of one block.
    Cfb,
}

/// Encryption or decryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ciphertext to plaintext.
    Decrypt = 0,
    /// Plaintext to ciphertext.
    Encrypt = 1,
}

/// An AES key of 16, 24 or 32 bytes, with spare contexts that hold it expanded.
pub struct AesKey {
    bytes: Secret,
    pool: ContextPool<EVP_CIPHER_CTX, KINDS>,
}

impl AesKey {
    /// Takes a key of 16, 24 or 32 bytes; another length is `KeySizeRange`.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        match bytes.len() {
            16 | 24 | 32 => {
                Ok(Self { bytes: Secret::from(bytes).kept(), pool: ContextPool::default() })
            }
            _ => Err(Reason::KeySizeRange.into()),
        }
    }

    /// The key's length in bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its bytes, for what is no AES.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Encrypts one block by itself.
    pub(crate) fn encrypted(&self, block: &[u8; BLOCK]) -> Result<[u8; BLOCK]> {
        let (schedule, mut output) = (schedule(self, Direction::Encrypt)?, [0; BLOCK]);
        // SAFETY: reads the schedule and one block, writes one block.
        unsafe { AES_encrypt(block.as_ptr(), output.as_mut_ptr(), schedule.key()) };
        Ok(output)
    }

    pub(super) fn cbc(&self) -> *const EVP_CIPHER {
        table(Mode::Cbc, self.len())
    }

    /// Starts a message. `iv` fits the mode, else `MechanismParam`.
    pub fn cipher(&self, mode: Mode, direction: Direction, iv: &[u8]) -> Result<Cipher> {
        let fits = match mode {
            Mode::Ecb => iv.is_empty(),
            Mode::Cbc | Mode::Ctr | Mode::Ofb | Mode::Cfb => iv.len() == BLOCK,
            Mode::Gcm => !iv.is_empty() && iv.len() < STRIDE,
        };
        if !fits {
            return Err(Reason::MechanismParam.into());
        }
        let home = self.pool.shard();
        let kind = kind(mode, direction);
        let context = match home.take(kind) {
            Some(context) => context,
            None => kept(|| self.expand(mode, direction))?,
        };
        let cipher = Cipher { context: Some(context), home, kind, mode, direction };
        cipher.begin(iv)?;
        Ok(cipher)
    }

    fn expand(&self, mode: Mode, direction: Direction) -> Result<Owned<EVP_CIPHER_CTX>> {
        // SAFETY: `table` was asked for exactly this key's length.
        unsafe { expanded(table(mode, self.len()), self.bytes.expose(), direction) }
    }
}

/// A new context with an expanded key and no IV yet.
///
/// # Safety
/// `cipher` is one of AWS-LC's tables, and its keys are as long as `key`.
pub(super) unsafe fn expanded(
    cipher: *const EVP_CIPHER,
    key: &[u8],
    direction: Direction,
) -> Result<Owned<EVP_CIPHER_CTX>> {
    // SAFETY: `EVP_CIPHER_CTX_new` gives its object to its caller; nothing else has the pointer.
    let context = unsafe { Owned::take(EVP_CIPHER_CTX_new(), Reason::HostMemory)? };
    let (at, key) = (context.as_ptr(), key.as_ptr());
    // SAFETY: `context` owns the new object; of `key` as much is read as the cipher's keys have, and so no
    // more than there is, which this function's caller promises; there is no IV yet.
    let code =
        unsafe { EVP_CipherInit_ex(at, cipher, null_mut(), key, null(), direction as c_int) };
    done(code, Reason::HostMemory)?;
    // SAFETY: `context` owns the object, which the call above initialised. Padding is done above this
    // layer.
    done(unsafe { EVP_CIPHER_CTX_set_padding(at, 0) }, Reason::FunctionFailed)?;
    Ok(context)
}

/// A message under way. Contexts return to the key's pool when it is dropped.
pub struct Cipher {
    context: Option<Owned<EVP_CIPHER_CTX>>,
    home: Arc<Shard<EVP_CIPHER_CTX, KINDS>>,
    kind: usize,
    mode: Mode,
    direction: Direction,
}

impl Cipher {
    /// Authenticates `data` without encrypting it; GCM only, before any [`Self::update`].
    pub fn associate(&mut self, data: &[u8]) -> Result<()> {
        let context = self.of(Mode::Gcm)?;
        for part in data.chunks(STRIDE) {
            let mut written = 0;
            let len = int(part.len())?;
            // SAFETY: a GCM context takes input without output as associated data.
            let code =
                unsafe { EVP_CipherUpdate(context, null_mut(), &mut written, part.as_ptr(), len) };
            done(code, Reason::MechanismParam)?;
        }
        Ok(())
    }

    /// Encrypts or decrypts `input` into the first bytes of `output`, as many as `input` has. ECB
    /// and CBC take whole blocks only. A longer message than the mode allows is `DataLength`.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        if matches!(self.mode, Mode::Ecb | Mode::Cbc) && !input.len().is_multiple_of(BLOCK) {
            return Err(Reason::DataLength.into());
        }
        let Some(output) = output.get_mut(..input.len()) else {
            return Err(Reason::BufferTooSmall.into());
        };
        let context = self.of(self.mode)?;
        for (from, to) in input.chunks(STRIDE).zip(output.chunks_mut(STRIDE)) {
            let mut written = 0;
            let len = int(from.len())?;
            // SAFETY: `to` is as long as `from`; no block is held back, as only whole blocks come
            // and padding is off, so AWS-LC writes exactly that much.
            let code = unsafe {
                EVP_CipherUpdate(context, to.as_mut_ptr(), &mut written, from.as_ptr(), len)
            };
            done(code, Reason::DataLength)?;
        }
        Ok(())
    }

    /// Ends a GCM encryption and writes the tag, 1 to 16 bytes of it.
    pub fn tag(&mut self, tag: &mut [u8]) -> Result<()> {
        let context = self.of(Mode::Gcm)?;
        let (mut nothing, mut written) = ([0; BLOCK], 0);
        // SAFETY: ending a GCM message writes no output.
        let code = unsafe { EVP_CipherFinal_ex(context, nothing.as_mut_ptr(), &mut written) };
        done(code, Reason::FunctionFailed)?;
        let len = int(tag.len())?;
        // SAFETY: writes `len` bytes to `tag`, and refuses other lengths than 1 to 16.
        let code = unsafe {
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, len, tag.as_mut_ptr().cast())
        };
        done(code, Reason::MechanismParam)
    }

    /// Ends a GCM decryption and compares the tag in constant time: `EncryptedInvalid`.
    pub fn check(&mut self, tag: &[u8]) -> Result<()> {
        let context = self.of(Mode::Gcm)?;
        let len = int(tag.len())?;
        // SAFETY: reads `len` bytes of `tag`, and refuses other lengths than 1 to 16.
        let code = unsafe {
            let tag = tag.as_ptr().cast_mut().cast();
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, len, tag)
        };
        done(code, Reason::MechanismParam)?;
        let (mut nothing, mut written) = ([0; BLOCK], 0);
        // SAFETY: ending a GCM message writes no output.
        let code = unsafe { EVP_CipherFinal_ex(context, nothing.as_mut_ptr(), &mut written) };
        done(code, Reason::EncryptedInvalid)
    }

    fn begin(&self, iv: &[u8]) -> Result<()> {
        let context = self.of(self.mode)?;
        if self.mode == Mode::Gcm {
            let len = int(iv.len())?;
            // SAFETY: a GCM context; the call takes no pointer.
            let code =
                unsafe { EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, len, null_mut()) };
            done(code, Reason::MechanismParam)?;
        }
        let iv = if iv.is_empty() { null() } else { iv.as_ptr() };
        // SAFETY: cipher and key stay what they are; `iv` is as long as the mode reads.
        let code = unsafe {
            EVP_CipherInit_ex(context, null(), null_mut(), null(), iv, self.direction as c_int)
        };
        done(code, Reason::MechanismParam)
    }

    fn of(&self, mode: Mode) -> Result<*mut EVP_CIPHER_CTX> {
        match &self.context {
            Some(context) if self.mode == mode => Ok(context.as_ptr()),
            _ => Err(Reason::General.into()),
        }
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            self.home.give(self.kind, context);
        }
    }
}

/// Mode and direction together; CTR, GCM and OFB contexts serve both directions.
const KINDS: usize = 9;

const fn kind(mode: Mode, direction: Direction) -> usize {
    match (mode, direction) {
        (Mode::Ecb, Direction::Encrypt) => 0,
        (Mode::Ecb, Direction::Decrypt) => 1,
        (Mode::Cbc, Direction::Encrypt) => 2,
        (Mode::Cbc, Direction::Decrypt) => 3,
        (Mode::Ctr, _) => 4,
        (Mode::Gcm, _) => 5,
        (Mode::Ofb, _) => 6,
        (Mode::Cfb, Direction::Encrypt) => 7,
        (Mode::Cfb, Direction::Decrypt) => 8,
    }
}

/// A key schedule for AWS-LC's key wrap, wiped on drop.
pub(super) struct Schedule(MaybeUninit<AES_KEY>);

impl Schedule {
    pub(super) fn key(&self) -> *const AES_KEY {
        self.0.as_ptr()
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        // SAFETY: wipes exactly the schedule's own bytes.
        unsafe { OPENSSL_cleanse(self.0.as_mut_ptr().cast(), size_of::<AES_KEY>()) };
    }
}

/// Expands `key` for one direction.
pub(super) fn schedule(key: &AesKey, direction: Direction) -> Result<Schedule> {
    let mut schedule = Schedule(MaybeUninit::zeroed());
    let set = match direction {
        Direction::Encrypt => AES_set_encrypt_key,
        Direction::Decrypt => AES_set_decrypt_key,
    };
    let bits = u32::try_from(key.len() * 8).map_err(|_| failed(Reason::KeySizeRange))?;
    // SAFETY: reads `bits` bits of the key, which it has, and fills the schedule.
    match unsafe { set(key.bytes.expose().as_ptr(), bits, schedule.0.as_mut_ptr()) } {
        0 => Ok(schedule),
        _ => Err(failed(Reason::KeySizeRange)),
    }
}

fn table(mode: Mode, key_len: usize) -> *const EVP_CIPHER {
    // SAFETY: each returns a pointer to a static table.
    unsafe {
        match (mode, key_len) {
            (Mode::Ecb, 16) => EVP_aes_128_ecb(),
            (Mode::Ecb, 24) => EVP_aes_192_ecb(),
            (Mode::Ecb, _) => EVP_aes_256_ecb(),
            (Mode::Cbc, 16) => EVP_aes_128_cbc(),
            (Mode::Cbc, 24) => EVP_aes_192_cbc(),
            (Mode::Cbc, _) => EVP_aes_256_cbc(),
            (Mode::Ctr, 16) => EVP_aes_128_ctr(),
            (Mode::Ctr, 24) => EVP_aes_192_ctr(),
            (Mode::Ctr, _) => EVP_aes_256_ctr(),
            (Mode::Gcm, 16) => EVP_aes_128_gcm(),
            (Mode::Gcm, 24) => EVP_aes_192_gcm(),
            (Mode::Gcm, _) => EVP_aes_256_gcm(),
            (Mode::Ofb, 16) => EVP_aes_128_ofb(),
            (Mode::Ofb, 24) => EVP_aes_192_ofb(),
            (Mode::Ofb, _) => EVP_aes_256_ofb(),
            (Mode::Cfb, 16) => EVP_aes_128_cfb128(),
            (Mode::Cfb, 24) => EVP_aes_192_cfb128(),
            (Mode::Cfb, _) => EVP_aes_256_cfb128(),
        }
    }
}

/// A length as AWS-LC's `int`, or `DataLength`.
pub(super) fn int(len: usize) -> Result<c_int> {
    c_int::try_from(len).map_err(|_| Reason::DataLength.into())
}
