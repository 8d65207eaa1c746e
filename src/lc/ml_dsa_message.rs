//! The message representatives of ML-DSA (FIPS 204, `μ`): 64 bytes that stand for the public key, the context
//! and the message, computed while the message comes in parts, or of its digest.

use super::digest::Hash;
use super::shake::{Function, Shake};
use crate::error::{Reason, Result};

/// The size of a message representative, and of a public key's digest, in bytes.
pub(crate) const SIZE: usize = 64;

/// The most bytes of a context.
pub(crate) const MAX_CONTEXT: usize = 255;

/// A message representative: what is signed.
pub(crate) type Representative = [u8; SIZE];

/// The digest of a public key, to which every signature is bound (FIPS 204, `tr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyDigest([u8; SIZE]);

impl KeyDigest {
    /// Digests a public key.
    pub(super) fn of(public: &[u8]) -> Result<Self> {
        let mut digest = Shake::new(Function::Shake256, SIZE)?;
        digest.update(public)?;
        finished(digest).map(Self)
    }

    /// Begins the representative of a message (FIPS 204, algorithm 2), which ends it. A context of more than
    /// 255 bytes is `MechanismParam`.
    pub(crate) fn message(&self, context: &[u8]) -> Result<Shake> {
        self.begin(0, context)
    }

    /// Returns the representative of a message's digest (FIPS 204, algorithm 4). A context of more than 255
    /// bytes is `MechanismParam`, a digest of another length than the hash function's `DataLength`.
    pub(crate) fn digest(
        &self,
        context: &[u8],
        hash: PreHash,
        digest: &[u8],
    ) -> Result<Representative> {
        if digest.len() != hash.size() {
            return Err(Reason::DataLength.into());
        }
        let mut representative = self.begin(1, context)?;
        representative.update(&hash.oid())?;
        representative.update(digest)?;
        finished(representative)
    }

    fn begin(&self, domain: u8, context: &[u8]) -> Result<Shake> {
        let length = u8::try_from(context.len()).map_err(|_| Reason::MechanismParam)?;
        let mut representative = Shake::new(Function::Shake256, SIZE)?;
        representative.update(&self.0)?;
        representative.update(&[domain, length])?;
        representative.update(context)?;
        Ok(representative)
    }
}

fn finished(mut digest: Shake) -> Result<[u8; SIZE]> {
    let mut output = [0; SIZE];
    digest.finish(&mut output)?;
    Ok(output)
}

/// A hash function of messages that are signed by their digest (FIPS 204, 5.4.1), with the last number of its
/// object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PreHash {
    /// A hash function.
    Hash(Hash, u8),
    /// A function of extendable output.
    Shake(Function, u8),
}

impl PreHash {
    /// SHAKE128, of which 256 bits are taken.
    pub(crate) const SHAKE128: Self = Self::Shake(Function::Shake128, 11);
    /// SHAKE256, of which 512 bits are taken.
    pub(crate) const SHAKE256: Self = Self::Shake(Function::Shake256, 12);

    /// Returns a hash function as one of messages; none for SHA-1, whose collisions are known.
    pub(crate) const fn of(hash: Hash) -> Option<Self> {
        let number = match hash {
            Hash::Sha1 => return None,
            Hash::Sha256 => 1,
            Hash::Sha384 => 2,
            Hash::Sha512 => 3,
            Hash::Sha224 => 4,
            Hash::Sha512_224 => 5,
            Hash::Sha512_256 => 6,
            Hash::Sha3_224 => 7,
            Hash::Sha3_256 => 8,
            Hash::Sha3_384 => 9,
            Hash::Sha3_512 => 10,
        };
        Some(Self::Hash(hash, number))
    }

    /// The digest's length in bytes.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Hash(hash, _) => hash.size(),
            Self::Shake(Function::Shake128, _) => 32,
            Self::Shake(Function::Shake256, _) => 64,
        }
    }

    /// Its object identifier, DER, in NIST's arc of hash functions.
    const fn oid(self) -> [u8; 11] {
        let (Self::Hash(_, number) | Self::Shake(_, number)) = self;
        [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, number]
    }
}
