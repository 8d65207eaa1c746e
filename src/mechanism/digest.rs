//! Digests: PKCS#11 3.1, "SHA-1" to "SHA-512".

use super::row::row;
use super::{Absorb, Params, Row};
use crate::error::{Reason, Result};
use crate::lc::digest::{Digest, Hash};

pub(super) const SHA_1: Row =
    Row { digest: Some(|params| begin(Hash::Sha1, params)), ..row!(CKM_SHA_1) };
pub(super) const SHA224: Row =
    Row { digest: Some(|params| begin(Hash::Sha224, params)), ..row!(CKM_SHA224) };
pub(super) const SHA256: Row =
    Row { digest: Some(|params| begin(Hash::Sha256, params)), ..row!(CKM_SHA256) };
pub(super) const SHA384: Row =
    Row { digest: Some(|params| begin(Hash::Sha384, params)), ..row!(CKM_SHA384) };
pub(super) const SHA512: Row =
    Row { digest: Some(|params| begin(Hash::Sha512, params)), ..row!(CKM_SHA512) };

fn begin(hash: Hash, params: &Params) -> Result<Box<dyn Absorb>> {
    match params {
        Params::None => Ok(Box::new(Digest::new(hash)?)),
        _ => Err(Reason::MechanismParam.into()),
    }
}

impl Absorb for Digest {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        Self::update(self, input)
    }

    fn finish_len(&self) -> usize {
        self.size()
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        Self::finish(self, output)
    }
}
