//! The functions of a mechanism, or the failure of one that has none: `MechanismInvalid`.

use super::{
    BeginDigest, BeginSign, BeginTransform, BeginVerify, CiphertextLength, Decapsulate, Derive,
    DeriveSeveral, Encapsulate, Generate, GeneratePair, MechanismRow, MessageRow, ResumeDigest,
    Unwrap, Wrap,
};
use crate::error::{Reason, Result};

impl MechanismRow {
    /// Its encryption, or `MechanismInvalid`.
    pub(crate) fn encrypt(&self) -> Result<BeginTransform> {
        served(self.encrypt)
    }

    /// Its decryption, or `MechanismInvalid`.
    pub(crate) fn decrypt(&self) -> Result<BeginTransform> {
        served(self.decrypt)
    }

    /// Its messages, or `MechanismInvalid`.
    pub(crate) fn message(&self) -> Result<MessageRow> {
        served(self.message)
    }

    /// Its digest, or `MechanismInvalid`.
    pub(crate) fn digest(&self) -> Result<BeginDigest> {
        served(self.digest)
    }

    /// Returns the function that goes on with a saved digest, or `SavedStateInvalid`.
    pub(crate) fn resume(&self) -> Result<ResumeDigest> {
        self.resume.ok_or(Reason::SavedStateInvalid.into())
    }

    /// Returns its signature or MAC of each of several messages, or `MechanismInvalid`.
    pub(crate) fn message_sign(&self) -> Result<BeginSign> {
        served(self.sign.filter(|_| self.signs_messages))
    }

    /// Returns its verification of each of several messages, or `MechanismInvalid`.
    pub(crate) fn message_verify(&self) -> Result<BeginVerify> {
        served(self.verify.filter(|_| self.signs_messages))
    }

    /// Its signature or MAC, or `MechanismInvalid`.
    pub(crate) fn sign(&self) -> Result<BeginSign> {
        served(self.sign)
    }

    /// Its verification, or `MechanismInvalid`.
    pub(crate) fn verify(&self) -> Result<BeginVerify> {
        served(self.verify)
    }

    /// Its signature with recovery, or `MechanismInvalid`.
    pub(crate) fn sign_recover(&self) -> Result<BeginSign> {
        served(self.sign_recover)
    }

    /// Its recovery, or `MechanismInvalid`.
    pub(crate) fn verify_recover(&self) -> Result<BeginTransform> {
        served(self.verify_recover)
    }

    /// Its wrapping, or `MechanismInvalid`.
    pub(crate) fn wrap(&self) -> Result<Wrap> {
        served(self.wrap)
    }

    /// Its unwrapping, or `MechanismInvalid`.
    pub(crate) fn unwrap(&self) -> Result<Unwrap> {
        served(self.unwrap)
    }

    /// Its encapsulation, or `MechanismInvalid`.
    pub(crate) fn encapsulate(&self) -> Result<Encapsulate> {
        served(self.encapsulate)
    }

    /// The length of what it encapsulates to, or `MechanismInvalid`.
    pub(crate) fn ciphertext(&self) -> Result<CiphertextLength> {
        served(self.ciphertext)
    }

    /// Its decapsulation, or `MechanismInvalid`.
    pub(crate) fn decapsulate(&self) -> Result<Decapsulate> {
        served(self.decapsulate)
    }

    /// Its derivation, or `MechanismInvalid`.
    pub(crate) fn derive(&self) -> Result<Derive> {
        served(self.derive)
    }

    /// Its derivation of several keys, or `MechanismInvalid`.
    pub(crate) fn derive_several(&self) -> Result<DeriveSeveral> {
        served(self.derive_several)
    }

    /// Its key generation, or `MechanismInvalid`.
    pub(crate) fn generate(&self) -> Result<Generate> {
        served(self.generate)
    }

    /// Its key pair generation, or `MechanismInvalid`.
    pub(crate) fn generate_pair(&self) -> Result<GeneratePair> {
        served(self.generate_pair)
    }
}

fn served<F>(function: Option<F>) -> Result<F> {
    function.ok_or(Reason::MechanismInvalid.into())
}
