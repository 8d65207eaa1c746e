//! Key material in the form that mechanisms use.

use crate::error::{Reason, Result};
use crate::lc;
use crate::secret::Secret;

/// The material in the form its mechanisms use, parsed and expanded once.
pub enum Parsed {
    /// An expanded AES key.
    Aes(lc::aes::AesKey),
    /// The two expanded keys of AES-XTS.
    Xts(lc::xts::XtsKey),
    /// A ChaCha20 key.
    ChaCha(lc::chacha::ChaChaKey),
    /// A secret of any length.
    Generic(lc::mac::HmacKey),
    /// A parsed RSA private key.
    RsaPrivate(lc::rsa::PrivateKey),
    /// A parsed RSA public key.
    RsaPublic(lc::rsa::PublicKey),
    /// A private key on a curve of ECDSA's.
    EcPrivate(lc::ec::PrivateKey),
    /// A public key on a curve of ECDSA's.
    EcPublic(lc::ec::PublicKey),
    /// An Ed25519 private key.
    EdwardsPrivate(lc::ed25519::PrivateKey),
    /// An Ed25519 public key.
    EdwardsPublic(lc::ed25519::PublicKey),
    /// An X25519 private key.
    MontgomeryPrivate(lc::x25519::PrivateKey),
    /// An X25519 public key: its bytes.
    MontgomeryPublic([u8; 32]),
    /// A private key on a module lattice.
    LatticePrivate(lc::lattice::PrivateKey),
    /// A public key on a module lattice.
    LatticePublic(lc::lattice::PublicKey),
}

impl Parsed {
    /// Returns the bytes of a secret key.
    pub fn secret(&self) -> Result<&[u8]> {
        match self {
            Self::Aes(key) => Ok(key.bytes()),
            Self::Xts(key) => Ok(key.bytes()),
            Self::ChaCha(key) => Ok(key.bytes()),
            Self::Generic(key) => Ok(key.expose()),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }

    /// Returns a private key as PKCS#8, the form in which it is kept.
    pub fn to_pkcs8(&self) -> Result<Secret> {
        match self {
            Self::RsaPrivate(key) => key.to_pkcs8(),
            Self::EcPrivate(key) => key.to_pkcs8(),
            Self::EdwardsPrivate(key) => key.to_pkcs8(),
            Self::MontgomeryPrivate(key) => key.to_pkcs8(),
            Self::LatticePrivate(key) => key.to_pkcs8(),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }

    /// Returns the public half of a private key.
    pub fn public(&self) -> Result<Self> {
        match self {
            Self::RsaPrivate(key) => key.public().map(Self::RsaPublic),
            Self::EcPrivate(key) => key.public().map(Self::EcPublic),
            Self::EdwardsPrivate(key) => key.public().map(Self::EdwardsPublic),
            Self::MontgomeryPrivate(key) => Ok(Self::MontgomeryPublic(key.public())),
            Self::LatticePrivate(key) => key.public().map(Self::LatticePublic),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }

    /// Returns the public half of a private key as `SubjectPublicKeyInfo`. Two encodings of one key have one.
    pub fn public_spki(&self) -> Result<Vec<u8>> {
        match self {
            Self::RsaPrivate(key) => key.public()?.to_spki(),
            Self::EcPrivate(key) => Ok(key.to_spki()),
            Self::EdwardsPrivate(key) => key.public()?.to_spki(),
            Self::MontgomeryPrivate(key) => key.to_spki(),
            Self::LatticePrivate(key) => key.to_spki(),
            _ => Err(Reason::KeyTypeInconsistent.into()),
        }
    }
}
