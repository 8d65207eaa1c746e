//! AES.

/// An expanded AES key.
pub struct AesKey;
