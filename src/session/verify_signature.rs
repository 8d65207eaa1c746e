//! Verifications whose signature comes before the data (PKCS#11 3.2, 5.15.7 to 5.15.10): every mechanism that
//! verifies does it so too, and an operation of its own, beside the one that is told the signature last.

use super::operation::{Begun, StepOutcome};
use super::step::{Checking, SignatureChecking};
use super::{OperationKind, Session};
use crate::error::Result;
use crate::key::Usage;
use crate::mechanism::{Mechanism, MechanismRow};
use crate::token::Handle;

impl Session {
    /// Starts the verification of a signature.
    pub(crate) fn begin_verify_signature(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
        signature: &[u8],
    ) -> Result<()> {
        self.begins(OperationKind::VerifySignature);
        let Self { token, keys, verify_signature, .. } = self;
        verify_signature.begin(token.login_epoch(), || {
            row.verify()?;
            let key = keys.key(token, key, Usage::Verify, mechanism.id)?;
            let checking = Checking::new(row.begin_verify(key, &mechanism.params)?);
            Ok(Begun::with(key, SignatureChecking::new(checking, signature)))
        })
    }

    /// Runs one step of the verification.
    pub(crate) fn verify_signature(
        &mut self,
        step: impl FnOnce(&mut SignatureChecking) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.verify_signature.step(&*self.token, step)
    }
}
