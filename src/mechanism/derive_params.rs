//! What the parameters of mechanisms that derive keys have in common with none of the others.

use crate::lc::digest::Hash;

/// The derivation function of a key agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EcKdf {
    /// None: the bare secret.
    Null,
    /// ANSI X9.63's: the counter behind the secret.
    X963(Hash),
    /// NIST SP 800-56A's, with one step: the counter before the secret.
    OneStep(Hash),
}
