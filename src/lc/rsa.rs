//! RSA.

/// A parsed RSA private key.
pub struct PrivateKey;

/// A parsed RSA public key.
pub struct PublicKey;
