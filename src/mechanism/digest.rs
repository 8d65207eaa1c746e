//! Digests: PKCS#11 3.1, "SHA-1" to "SHA3-512".

use super::row::row;
use super::{Absorb, MechanismRow, Params};
use crate::error::{Reason, Result};
use crate::lc::digest::{Digest, Hash};
use crate::secret::Secret;

macro_rules! digests {
    ($($name:ident = $id:ident, $hash:ident;)*) => {$(
        pub(super) const $name: MechanismRow = MechanismRow {
            digest: Some(|params| begin(Hash::$hash, params)),
            resume: Some(|state| Ok(Box::new(Digest::resumed(Hash::$hash, state)?))),
            ..row!($id)
        };
    )*};
}

digests! {
    SHA_1 = CKM_SHA_1, Sha1;
    SHA224 = CKM_SHA224, Sha224;
    SHA256 = CKM_SHA256, Sha256;
    SHA384 = CKM_SHA384, Sha384;
    SHA512 = CKM_SHA512, Sha512;
    SHA512_224 = CKM_SHA512_224, Sha512_224;
    SHA512_256 = CKM_SHA512_256, Sha512_256;
    SHA3_224 = CKM_SHA3_224, Sha3_224;
    SHA3_256 = CKM_SHA3_256, Sha3_256;
    SHA3_384 = CKM_SHA3_384, Sha3_384;
    SHA3_512 = CKM_SHA3_512, Sha3_512;
}

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

    fn state(&self) -> Option<Secret> {
        Self::state(self)
    }
}
