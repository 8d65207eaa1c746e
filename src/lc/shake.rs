//! Hash functions whose output is as long as it is wanted (FIPS 202).

use super::owned::Owned;
use super::{done, failed};
use crate::error::{Reason, Result};
use aws_lc_sys::{
    EVP_DigestFinalXOF, EVP_DigestInit_ex, EVP_DigestUpdate, EVP_MD, EVP_MD_CTX, EVP_MD_CTX_new,
    EVP_shake128, EVP_shake256,
};
use std::ptr::null_mut;

/// A hash function of extendable output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// SHAKE128.
    Shake128,
    /// SHAKE256.
    Shake256,
}

impl Function {
    fn md(self) -> *const EVP_MD {
        // SAFETY: each returns a pointer to a static table.
        unsafe {
            match self {
                Self::Shake128 => EVP_shake128(),
                Self::Shake256 => EVP_shake256(),
            }
        }
    }
}

/// A digest of extendable output under way.
pub(crate) struct Shake {
    context: Owned<EVP_MD_CTX>,
    size: usize,
}

impl Shake {
    /// Starts a digest of `size` bytes.
    pub(crate) fn new(function: Function, size: usize) -> Result<Self> {
        // SAFETY: `EVP_MD_CTX_new` gives its object to its caller; nothing else has the pointer.
        let context = unsafe { Owned::take(EVP_MD_CTX_new(), Reason::HostMemory)? };
        // SAFETY: `context` owns the new object; `md` returns a pointer to a static table.
        let code = unsafe { EVP_DigestInit_ex(context.as_ptr(), function.md(), null_mut()) };
        done(code, Reason::HostMemory)?;
        Ok(Self { context, size })
    }

    /// The digest's length in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes more input.
    pub(crate) fn update(&mut self, input: &[u8]) -> Result<()> {
        // SAFETY: `self.context` owns the context, which `new` initialised; `input` is borrowed for the call.
        let code =
            unsafe { EVP_DigestUpdate(self.context.as_ptr(), input.as_ptr().cast(), input.len()) };
        done(code, Reason::FunctionFailed)
    }

    /// Writes the digest; returns its length. Nothing may follow.
    pub(crate) fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let Some(output) = output.get_mut(..self.size) else {
            return Err(failed(Reason::BufferTooSmall));
        };
        let (to, len) = (output.as_mut_ptr(), output.len());
        // SAFETY: `self.context` owns the context, which `new` initialised; the call writes `len` bytes, as many
        // as `output` has.
        let code = unsafe { EVP_DigestFinalXOF(self.context.as_ptr(), to, len) };
        done(code, Reason::FunctionFailed)?;
        Ok(len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// NIST's examples of FIPS 202: the message of no bytes.
    #[test]
    fn no_bytes_have_the_published_digests_of_any_length() {
        for (function, expected) in [
            (
                Function::Shake128,
                "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
            ),
            (
                Function::Shake256,
                "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f",
            ),
        ] {
            for size in [32, 1, 17] {
                let mut output = vec![0; size];
                let mut digest = Shake::new(function, size).unwrap();
                digest.update(b"").unwrap();
                assert_eq!(digest.finish(&mut output).unwrap(), size);
                let hex: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(expected.starts_with(&hex), "{function:?} {size}");
            }
        }
        assert!(Shake::new(Function::Shake128, 32).unwrap().finish(&mut [0; 31]).is_err());
    }
}
