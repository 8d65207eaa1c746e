//! Message authentication codes: HMAC (RFC 2104) and AES-CMAC (NIST SP 800-38B).

use super::aes::AesKey;
use super::digest::Hash;
use super::done;
use super::owned::Owned;
use crate::error::{Reason, Result};
use aws_lc_sys::*;
use std::ptr::null_mut;

/// The longest MAC, in bytes.
pub const MAX_LEN: usize = 64;

/// A MAC under way.
pub struct Mac {
    state: State,
    size: usize,
}

enum State {
    Hmac(Owned<HMAC_CTX>),
    Cmac(Owned<CMAC_CTX>),
}

impl Mac {
    /// Starts an HMAC with a key of any length.
    pub fn hmac(hash: Hash, key: &[u8]) -> Result<Self> {
        // SAFETY: makes a new context that we own.
        let context = unsafe { Owned::take(HMAC_CTX_new(), Reason::HostMemory)? };
        // SAFETY: a fresh context and a static table; reads `key`, whose pointer is never null.
        let code = unsafe {
            let (at, key_at) = (context.as_ptr(), key.as_ptr().cast());
            HMAC_Init_ex(at, key_at, key.len(), hash.md(), null_mut())
        };
        done(code, Reason::HostMemory)?;
        Ok(Self { state: State::Hmac(context), size: hash.size() })
    }

    /// Starts an AES-CMAC.
    pub fn cmac(key: &AesKey) -> Result<Self> {
        // SAFETY: makes a new context that we own.
        let context = unsafe { Owned::take(CMAC_CTX_new(), Reason::HostMemory)? };
        let (bytes, table) = (key.bytes(), key.cbc());
        // SAFETY: a fresh context; the table is for exactly this key's length.
        let code = unsafe {
            let (at, key_at) = (context.as_ptr(), bytes.as_ptr().cast());
            CMAC_Init(at, key_at, bytes.len(), table, null_mut())
        };
        done(code, Reason::HostMemory)?;
        Ok(Self { state: State::Cmac(context), size: super::aes::BLOCK })
    }

    /// How many bytes the whole MAC has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes more input.
    pub fn update(&mut self, input: &[u8]) -> Result<()> {
        // SAFETY: an initialised context; reads `input`.
        let code = unsafe {
            match &self.state {
                State::Hmac(context) => HMAC_Update(context.as_ptr(), input.as_ptr(), input.len()),
                State::Cmac(context) => CMAC_Update(context.as_ptr(), input.as_ptr(), input.len()),
            }
        };
        done(code, Reason::FunctionFailed)
    }

    /// The MAC, in the first [`Self::size`] bytes. Nothing may follow.
    pub fn finish(&mut self) -> Result<[u8; MAX_LEN]> {
        let mut mac = [0; MAX_LEN];
        // SAFETY: an initialised context, which writes no more than the longest MAC.
        let code = unsafe {
            match &self.state {
                State::Hmac(context) => HMAC_Final(context.as_ptr(), mac.as_mut_ptr(), null_mut()),
                State::Cmac(context) => {
                    let mut len = 0;
                    CMAC_Final(context.as_ptr(), mac.as_mut_ptr(), &mut len)
                }
            }
        };
        done(code, Reason::FunctionFailed)?;
        Ok(mac)
    }
}
