//! Messages signed and verified under one key (PKCS#11 3.1, 5.14 and 5.16). What is wrong with a
//! message ends that message, not the operation.

use super::message_key::MessageKey;
use super::operation::{Begun, Messages, StepOutcome};
use super::output::{Filled, Out};
use super::{OperationKind, Session};
use crate::error::{Reason, Result};
use crate::key::Usage;
use crate::mechanism::{self, Absorb, BeginSign, BeginVerify, Check, Mechanism, Params, Row};
use crate::token::Handle;

/// Messages being signed.
pub struct Signing {
    key: MessageKey,
    begin: BeginSign,
    params: Params,
    message: Option<Box<dyn Absorb>>,
}

/// Messages being verified.
pub struct Verifying {
    key: MessageKey,
    begin: BeginVerify,
    params: Params,
    message: Option<Box<dyn Check>>,
}

impl Signing {
    /// Signs a message (`C_SignMessage`).
    pub fn whole(&mut self, data: &[u8], out: &mut Out) -> Result<StepOutcome> {
        let mut message = (self.begin)(&self.key, &self.params)?;
        out.fill(message.finish_len(), |room| message.whole(data, room))
            .map(StepOutcome::after_last)
    }

    /// Begins a message (`C_SignMessageBegin`).
    pub fn begin(&mut self) -> Result<StepOutcome> {
        self.message = Some((self.begin)(&self.key, &self.params)?);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes a part that is not the last (`C_SignMessageNext`).
    pub fn next(&mut self, data: &[u8]) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        message.update(data)?;
        self.message = Some(message);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes the last part and signs (`C_SignMessageNext`).
    pub fn last(&mut self, data: &[u8], out: &mut Out) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        let filled = out.fill(message.finish_len(), |room| {
            message.update(data)?;
            message.finish(room)
        })?;
        if filled != Filled::Written {
            self.message = Some(message);
        }
        Ok(StepOutcome::after_last(filled))
    }
}

impl Verifying {
    /// Verifies a message (`C_VerifyMessage`).
    pub fn whole(&mut self, data: &[u8], signature: &[u8]) -> Result<StepOutcome> {
        let _begun = self.begin()?;
        self.last(data, signature)
    }

    /// Begins a message (`C_VerifyMessageBegin`).
    pub fn begin(&mut self) -> Result<StepOutcome> {
        self.message = Some(mechanism::begin_verify(self.begin, &self.key, &self.params)?);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes a part that is not the last (`C_VerifyMessageNext`).
    pub fn next(&mut self, data: &[u8]) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        message.update(data)?;
        self.message = Some(message);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes the last part and verifies (`C_VerifyMessageNext`).
    pub fn last(&mut self, data: &[u8], signature: &[u8]) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        message.update(data)?;
        message.finish(signature)?;
        Ok(StepOutcome::Over)
    }
}

impl Messages for Signing {
    type Message = Box<dyn Absorb>;

    fn under_way(&mut self) -> &mut Option<Self::Message> {
        &mut self.message
    }
}

impl Messages for Verifying {
    type Message = Box<dyn Check>;

    fn under_way(&mut self) -> &mut Option<Self::Message> {
        &mut self.message
    }
}

impl Session {
    /// Starts signing messages.
    pub fn begin_message_sign(
        &mut self,
        row: &Row,
        mechanism: Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageSign);
        let Self { token, kept, message_sign, .. } = self;
        let held = &mut None;
        message_sign.begin(token.login_epoch(), move || {
            let (begin, params) = (row.sign()?, mechanism.params);
            let key = MessageKey::new(token, kept, key, Usage::Sign, mechanism.id)?;
            // What is wrong with the key or the parameter shows here, not at each message.
            drop(begin(&key, &params)?);
            let allowed = held.insert(key.clone());
            Ok(Begun::with(allowed, Signing { key, begin, params, message: None }))
        })
    }

    /// Starts verifying messages.
    pub fn begin_message_verify(
        &mut self,
        row: &Row,
        mechanism: Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageVerify);
        let Self { token, kept, message_verify, .. } = self;
        let held = &mut None;
        message_verify.begin(token.login_epoch(), move || {
            let (begin, params) = (row.verify()?, mechanism.params);
            let key = MessageKey::new(token, kept, key, Usage::Verify, mechanism.id)?;
            drop(mechanism::begin_verify(begin, &key, &params)?);
            let allowed = held.insert(key.clone());
            Ok(Begun::with(allowed, Verifying { key, begin, params, message: None }))
        })
    }

    /// Begins one of the messages being signed. A key that cannot be used any more ends them.
    pub fn sign_message(
        &mut self,
        step: impl FnOnce(&mut Signing) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, kept, message_sign, .. } = self;
        message_sign.begin_message(&**token, |messages| messages.key.renew(token, kept), step)
    }

    /// Goes on with one of the messages being signed.
    pub fn sign_message_next(
        &mut self,
        step: impl FnOnce(&mut Signing) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_sign.next_of_message(&*self.token, step)
    }

    /// Begins one of the messages being verified. A key that cannot be used any more ends them.
    pub fn verify_message(
        &mut self,
        step: impl FnOnce(&mut Verifying) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, kept, message_verify, .. } = self;
        message_verify.begin_message(&**token, |messages| messages.key.renew(token, kept), step)
    }

    /// Goes on with one of the messages being verified.
    pub fn verify_message_next(
        &mut self,
        step: impl FnOnce(&mut Verifying) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_verify.next_of_message(&*self.token, step)
    }
}
