//! Hash functions.

use super::context_pool::SparePool;
use super::owned::Owned;
use super::{done, failed};
use crate::error::{Reason, Result};
use aws_lc_sys::{
    EVP_DigestFinal_ex, EVP_DigestInit_ex, EVP_DigestUpdate, EVP_MD, EVP_MD_CTX, EVP_MD_CTX_new,
    EVP_MD_type, EVP_sha1, EVP_sha3_224, EVP_sha3_256, EVP_sha3_384, EVP_sha3_512, EVP_sha224,
    EVP_sha256, EVP_sha384, EVP_sha512, EVP_sha512_224, EVP_sha512_256,
};
use std::ffi::c_int;
use std::ptr::null_mut;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512_224,
    /// SHA-512/256.
    Sha512_256,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl Hash {
    /// Every hash function there is.
    pub const ALL: &[Self] = &[
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// The digest's length in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    pub(super) fn nid(self) -> c_int {
        // SAFETY: `md` returns a pointer to a static table, which the call reads.
        unsafe { EVP_MD_type(self.md()) }
    }

    pub(super) fn md(self) -> *const EVP_MD {
        // SAFETY: each returns a pointer to a static table.
        unsafe {
            match self {
                Self::Sha1 => EVP_sha1(),
                Self::Sha224 => EVP_sha224(),
                Self::Sha256 => EVP_sha256(),
                Self::Sha384 => EVP_sha384(),
                Self::Sha512 => EVP_sha512(),
                Self::Sha512_224 => EVP_sha512_224(),
                Self::Sha512_256 => EVP_sha512_256(),
                Self::Sha3_224 => EVP_sha3_224(),
                Self::Sha3_256 => EVP_sha3_256(),
                Self::Sha3_384 => EVP_sha3_384(),
                Self::Sha3_512 => EVP_sha3_512(),
            }
        }
    }
}

/// The contexts of digests that have been finished, which AWS-LC has wiped: allocating one takes as long as a short
/// message.
static SPARES: SparePool<EVP_MD_CTX, { Hash::ALL.len() }> = SparePool::new();

/// A digest under way.
pub struct Digest {
    /// None once the digest is finished.
    context: Option<Owned<EVP_MD_CTX>>,
    hash: Hash,
}

impl Digest {
    /// Starts a digest.
    pub fn new(hash: Hash) -> Result<Self> {
        let context = match SPARES.shard().and_then(|spares| spares.take(hash as usize)) {
            Some(context) => context,
            // SAFETY: `EVP_MD_CTX_new` gives its object to its caller; nothing else has the pointer.
            None => unsafe { Owned::take(EVP_MD_CTX_new(), Reason::HostMemory)? },
        };
        // SAFETY: `context` owns the object; `md` returns a pointer to a static table.
        let code = unsafe { EVP_DigestInit_ex(context.as_ptr(), hash.md(), null_mut()) };
        done(code, Reason::HostMemory)?;
        Ok(Self { context: Some(context), hash })
    }

    /// The digest's length in bytes.
    pub fn size(&self) -> usize {
        self.hash.size()
    }

    /// The hash function.
    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// The context, still owned.
    pub(super) fn context(&self) -> Result<*mut EVP_MD_CTX> {
        self.context.as_ref().map(Owned::as_ptr).ok_or_else(|| Reason::General.into())
    }

    /// Takes more input.
    pub fn update(&mut self, input: &[u8]) -> Result<()> {
        let context = self.context()?;
        // SAFETY: `self.context` owns the context, which `new` initialised; `input` is borrowed for the call.
        let code = unsafe { EVP_DigestUpdate(context, input.as_ptr().cast(), input.len()) };
        done(code, Reason::FunctionFailed)
    }

    /// Writes the digest; returns its length. Nothing may follow.
    pub fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let Some(output) = output.get_mut(..self.size()) else {
            return Err(failed(Reason::BufferTooSmall));
        };
        let context = self.context()?;
        // SAFETY: `self.context` owns the context, which `new` initialised for a hash of `self.size()` bytes,
        // and `output` was cut to so many above.
        let code = unsafe { EVP_DigestFinal_ex(context, output.as_mut_ptr(), null_mut()) };
        done(code, Reason::FunctionFailed)?;
        if let (Some(spares), Some(context)) = (SPARES.shard(), self.context.take()) {
            spares.give(self.hash as usize, context);
        }
        Ok(output.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Digest, Hash};

    // The example message "abc" of FIPS 180-4 and FIPS 202.
    const ABC: &[(Hash, &str)] = &[
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Hash::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Hash::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (Hash::Sha512_224, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"),
        (Hash::Sha512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        (Hash::Sha3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
        (Hash::Sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (
            Hash::Sha3_384,
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2\
             98d88cea927ac7f539f1edf228376d25",
        ),
        (
            Hash::Sha3_512,
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
    ];

    #[test]
    fn abc_has_the_published_digests() {
        for (hash, expected) in ABC {
            let mut digest = Digest::new(*hash).unwrap();
            digest.update(b"a").unwrap();
            digest.update(b"").unwrap();
            digest.update(b"bc").unwrap();
            let mut output = [0; 64];
            let len = digest.finish(&mut output).unwrap();
            let hex: String = output.iter().take(len).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, *expected, "{hash:?}");
        }
        assert_eq!(ABC.len(), Hash::ALL.len());
    }

    #[test]
    fn a_short_buffer_is_refused() {
        assert!(Digest::new(Hash::Sha256).unwrap().finish(&mut [0; 31]).is_err());
    }

    #[test]
    fn nothing_follows_the_end_and_the_next_digest_knows_nothing_of_it() {
        let mut digests = [(); 2].map(|()| [0; 32]);
        for output in &mut digests {
            let mut digest = Digest::new(Hash::Sha256).unwrap();
            digest.update(b"abc").unwrap();
            digest.finish(output).unwrap();
            assert!(digest.update(b"d").is_err() && digest.finish(&mut [0; 32]).is_err());
            assert!(digest.state().is_none());
        }
        let [one, other] = digests;
        assert_eq!(one, other);
    }
}
