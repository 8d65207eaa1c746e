//! Message authentication codes: HMAC (RFC 2104), AES-CMAC (NIST SP 800-38B) and AES-GMAC (800-38D).

use super::aes::{AesKey, BLOCK, Cipher, Direction, Mode};
use super::context_pool::{ContextPool, Shard};
use super::digest::Hash;
use super::done;
use super::heap::kept;
use super::owned::Owned;
use crate::error::{Reason, Result};
use crate::secret::Secret;
use aws_lc_sys::*;
use std::ptr::{null, null_mut};
use std::sync::Arc;

/// The longest MAC, in bytes.
pub(crate) const MAX_LEN: usize = 64;

/// A key of any length for HMACs, with spare contexts that have taken it in: that is half the work of a
/// short message.
pub struct HmacKey {
    bytes: Secret,
    pool: ContextPool<HMAC_CTX, HASHES>,
}

const HASHES: usize = Hash::ALL.len();

impl HmacKey {
    /// Takes the key over.
    pub fn new(bytes: Secret) -> Self {
        Self { bytes: bytes.kept(), pool: ContextPool::default() }
    }

    /// Its bytes, for what is no HMAC.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

/// A MAC under way.
pub(crate) struct Mac {
    state: MacState,
    size: usize,
}

enum MacState {
    Hmac(Hmac),
    Cmac(Owned<CMAC_CTX>),
    Gmac(Cipher),
}

/// A context that returns to its key's pool when it is dropped.
struct Hmac {
    context: Option<Owned<HMAC_CTX>>,
    home: Arc<Shard<HMAC_CTX, HASHES>>,
    kind: usize,
}

impl Hmac {
    fn new(hash: Hash, key: &HmacKey) -> Result<Self> {
        let (home, kind) = (key.pool.shard(), hash as usize);
        let context = match home.take(kind) {
            Some(context) => {
                // SAFETY: `context` is ours since the pool gave it up; `keyed` gave it this hash and a key,
                // with which it begins anew.
                let code = unsafe { HMAC_Init_ex(context.as_ptr(), null(), 0, null(), null_mut()) };
                done(code, Reason::FunctionFailed)?;
                context
            }
            None => kept(|| Self::keyed(hash, key.expose()))?,
        };
        Ok(Self { context: Some(context), home, kind })
    }

    fn keyed(hash: Hash, key: &[u8]) -> Result<Owned<HMAC_CTX>> {
        // SAFETY: `HMAC_CTX_new` gives its object to its caller; nothing else has the pointer.
        let context = unsafe { Owned::take(HMAC_CTX_new(), Reason::HostMemory)? };
        // SAFETY: `context` owns the object; `md` is a static table; `key_at` leads to `key`'s bytes, as many
        // as `key.len()` says, during the call, and is never null, as slices have no null pointer.
        let code = unsafe {
            let (at, key_at) = (context.as_ptr(), key.as_ptr().cast());
            HMAC_Init_ex(at, key_at, key.len(), hash.md(), null_mut())
        };
        done(code, Reason::HostMemory)?;
        Ok(context)
    }

    fn at(&self) -> Result<*mut HMAC_CTX> {
        self.context.as_ref().map(Owned::as_ptr).ok_or_else(|| Reason::General.into())
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            self.home.give(self.kind, context);
        }
    }
}

impl Mac {
    /// Starts an HMAC.
    pub(crate) fn hmac(hash: Hash, key: &HmacKey) -> Result<Self> {
        Ok(Self { state: MacState::Hmac(Hmac::new(hash, key)?), size: hash.size() })
    }

    /// Starts an AES-CMAC.
    pub(crate) fn cmac(key: &AesKey) -> Result<Self> {
        // SAFETY: `CMAC_CTX_new` gives its object to its caller; nothing else has the pointer.
        let context = unsafe { Owned::take(CMAC_CTX_new(), Reason::HostMemory)? };
        let (bytes, table) = (key.bytes(), key.cbc());
        // SAFETY: `context` owns the object; `key.cbc()` picks the static table by the length of `key`, which
        // `bytes` borrows.
        let code = unsafe {
            let (at, key_at) = (context.as_ptr(), bytes.as_ptr().cast());
            CMAC_Init(at, key_at, bytes.len(), table, null_mut())
        };
        done(code, Reason::HostMemory)?;
        Ok(Self { state: MacState::Cmac(context), size: BLOCK })
    }

    /// Starts an AES-GMAC: the tag of a GCM message without a text. An empty IV is `MechanismParam`.
    pub(crate) fn gmac(key: &AesKey, iv: &[u8]) -> Result<Self> {
        let cipher = key.cipher(Mode::Gcm, Direction::Encrypt, iv)?;
        Ok(Self { state: MacState::Gmac(cipher), size: BLOCK })
    }

    /// The length of the whole MAC in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Begins anew with the same key; a GMAC does not, for its IV is used up.
    pub(crate) fn again(&mut self) -> Result<()> {
        // SAFETY: `self.state` owns the context, which `hmac` or `cmac` gave a hash and a key, with which it
        // begins anew.
        let code = unsafe {
            match &mut self.state {
                MacState::Hmac(hmac) => HMAC_Init_ex(hmac.at()?, null(), 0, null(), null_mut()),
                MacState::Cmac(context) => CMAC_Reset(context.as_ptr()),
                MacState::Gmac(_) => return Err(Reason::General.into()),
            }
        };
        done(code, Reason::FunctionFailed)
    }

    /// Takes more input.
    pub(crate) fn update(&mut self, input: &[u8]) -> Result<()> {
        // SAFETY: `self.state` owns the context, which `hmac` or `cmac` initialised; `input` is borrowed for
        // the call.
        let code = unsafe {
            match &mut self.state {
                MacState::Hmac(hmac) => HMAC_Update(hmac.at()?, input.as_ptr(), input.len()),
                MacState::Cmac(context) => {
                    CMAC_Update(context.as_ptr(), input.as_ptr(), input.len())
                }
                MacState::Gmac(cipher) => return cipher.associate(input),
            }
        };
        done(code, Reason::FunctionFailed)
    }

    /// The MAC, in the first [`Self::size`] bytes. Nothing may follow.
    pub(crate) fn finish(&mut self) -> Result<[u8; MAX_LEN]> {
        let mut mac = [0; MAX_LEN];
        // SAFETY: `self.state` owns the context, which `hmac` or `cmac` initialised; `mac` has `MAX_LEN`
        // bytes, and no MAC is longer.
        let code = unsafe {
            match &mut self.state {
                MacState::Hmac(hmac) => HMAC_Final(hmac.at()?, mac.as_mut_ptr(), null_mut()),
                MacState::Cmac(context) => {
                    let mut len = 0;
                    CMAC_Final(context.as_ptr(), mac.as_mut_ptr(), &mut len)
                }
                MacState::Gmac(cipher) => {
                    cipher.tag(mac.get_mut(..BLOCK).ok_or(Reason::General)?)?;
                    return Ok(mac);
                }
            }
        };
        done(code, Reason::FunctionFailed)?;
        Ok(mac)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Hash, HmacKey, Mac};
    use crate::secret::Secret;

    fn mac(key: &HmacKey, text: &[u8]) -> [u8; 64] {
        let mut mac = Mac::hmac(Hash::Sha256, key).unwrap();
        mac.update(text).unwrap();
        mac.finish().unwrap()
    }

    #[test]
    fn a_context_that_comes_back_begins_anew_whatever_was_left_in_it() {
        let key = HmacKey::new(Secret::from(&b"key"[..]));
        let fresh = |text: &[u8]| mac(&HmacKey::new(Secret::from(&b"key"[..])), text);
        for text in [&b"one"[..], b"", b"another"] {
            assert_eq!(mac(&key, text), fresh(text));
            // One that is given up halfway.
            Mac::hmac(Hash::Sha256, &key).unwrap().update(b"left over").unwrap();
        }
        let mut other = Mac::hmac(Hash::Sha512, &key).unwrap();
        other.update(b"one").unwrap();
        assert_ne!(other.finish().unwrap(), mac(&key, b"one"));
    }
}
