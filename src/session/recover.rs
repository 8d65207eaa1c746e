//! Signatures that give their data back: one step each (PKCS#11 3.1, 5.13.5 and 5.15.5).

use super::operation::{Begun, StepOutcome};
use super::step::{Absorption, CipherOperation};
use super::{OperationKind, Session};
use crate::error::Result;
use crate::key::Usage;
use crate::mechanism::{Mechanism, MechanismRow};
use crate::token::Handle;

impl Session {
    /// Starts a signature that gives its data back.
    pub(crate) fn begin_sign_recover(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::SignRecover);
        let Self { token, sign_recover, .. } = self;
        let allowed = &mut None;
        sign_recover.begin(token.login_epoch(), move || {
            let begin = row.sign_recover()?;
            let key = allowed.insert(token.usable(key, Usage::SignRecover, mechanism.id)?);
            Ok(Begun::with(&*key, Absorption::new(begin(key, &mechanism.params)?)))
        })
    }

    /// Starts getting data back from a signature.
    pub(crate) fn begin_verify_recover(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::VerifyRecover);
        let Self { token, verify_recover, .. } = self;
        let allowed = &mut None;
        verify_recover.begin(token.login_epoch(), move || {
            let begin = row.verify_recover()?;
            let key = allowed.insert(token.usable(key, Usage::VerifyRecover, mechanism.id)?);
            Ok(Begun::with(&*key, CipherOperation::decrypting(begin(key, &mechanism.params)?)))
        })
    }

    /// The step of a signature that gives its data back.
    pub(crate) fn sign_recover(
        &mut self,
        step: impl FnOnce(&mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.sign_recover.step(&*self.token, step)
    }

    /// The step that gets data back from a signature.
    pub(crate) fn verify_recover(
        &mut self,
        step: impl FnOnce(&mut CipherOperation) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.verify_recover.step(&*self.token, step)
    }
}
