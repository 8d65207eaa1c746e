//! The public half of an import key, as the owner of material has it: all that wrapping needs.

use crate::{Failure, material};
use keystead::internal::key::policy::WRAPPING_RSA;
use keystead::internal::lc::lattice::{self, Algorithm};
use keystead::internal::lc::{ml_kem, rsa};
use keystead::internal::object::kinds::{KINDS, Kind, ParameterSet};
use std::path::Path;

/// The public half of an import key.
pub(crate) enum PublicHalf {
    /// It encrypts by OAEP.
    Rsa(rsa::PublicKey),
    /// It encapsulates.
    MlKem(lattice::PublicKey),
}

impl PublicHalf {
    /// Reads a `SubjectPublicKeyInfo` in PEM or DER from a file.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let text = material::contents(file)?;
        let read = match text.starts_with(b"-----BEGIN ") {
            false => Self::from_spki(&text),
            true => match pem_rfc7468::decode_vec(&text) {
                Ok(("PUBLIC KEY", der)) => Self::from_spki(&der),
                _ => None,
            },
        };
        read.ok_or_else(|| {
            let name = file.display();
            Failure::new(format_args!("{name}: this is no import key's public half")).hint(
                "it is the SubjectPublicKeyInfo of an RSA key of 2048 bits or more, or of an ML-KEM \
                 key: `openssl pkey -pubin -text` shows it",
            )
        })
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280); none where no import key has it.
    pub(crate) fn from_spki(der: &[u8]) -> Option<Self> {
        if let Ok(key) = rsa::PublicKey::from_spki(der) {
            return (key.bits() >= WRAPPING_RSA).then_some(Self::Rsa(key));
        }
        let key = lattice::PublicKey::from_spki(der).ok()?;
        (key.set().algorithm() == Algorithm::MlKem).then_some(Self::MlKem(key))
    }

    /// Returns it as a `SubjectPublicKeyInfo` (RFC 5280).
    pub(crate) fn to_spki(&self) -> Result<Vec<u8>, Failure> {
        Ok(match self {
            Self::Rsa(key) => key.to_spki()?,
            Self::MlKem(key) => key.to_spki()?,
        })
    }

    /// Returns the name of its type with its size.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA-{}", key.bits()),
            Self::MlKem(key) => set(key).map_or("ML-KEM", |set| set.name).to_owned(),
        }
    }

    /// Returns its size in bits, as keys of its type are known by it.
    pub(crate) fn bits(&self) -> u64 {
        match self {
            Self::Rsa(key) => key.bits(),
            Self::MlKem(key) => set(key).map_or(0, ParameterSet::bits),
        }
    }

    /// Returns the size of what it encrypts or encapsulates, in bytes.
    pub(crate) fn sealed_size(&self) -> usize {
        match self {
            Self::Rsa(key) => key.size(),
            Self::MlKem(key) => ml_kem::ciphertext_size(key.set()).unwrap_or(0),
        }
    }
}

fn set(key: &lattice::PublicKey) -> Option<&'static ParameterSet> {
    KINDS.iter().flat_map(Kind::sets).find(|set| set.set == key.set())
}
