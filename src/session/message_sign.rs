//! Messages signed and verified under one key (PKCS#11 3.1, 5.14 and 5.16). What is wrong with a
//! message ends that message, not the operation.

use super::key_cache::KeyCache;
use super::message_key::MessageKey;
use super::operation::{Messages, StepOutcome};
use super::output::{Filled, Out};
use crate::error::{Reason, Result};
use crate::mechanism::{self, Absorb, BeginSign, BeginVerify, Check, Params};
use crate::token::Token;

/// Messages being signed.
pub(crate) struct Signing {
    key: MessageKey,
    begin: BeginSign,
    params: Params,
    message: Option<Box<dyn Absorb>>,
}

/// Messages being verified.
pub(crate) struct Verifying {
    key: MessageKey,
    begin: BeginVerify,
    params: Params,
    message: Option<Box<dyn Check>>,
}

impl Signing {
    /// Signs messages with a key that an Init was given.
    pub(super) fn new(key: MessageKey, begin: BeginSign, params: Params) -> Self {
        Self { key, begin, params, message: None }
    }

    /// Asks for the key again, for the next message.
    pub(super) fn renew(&mut self, token: &Token, keys: &mut KeyCache) -> Result<()> {
        self.key.renew(token, keys)
    }

    /// Signs a message (`C_SignMessage`).
    pub(crate) fn whole(&mut self, data: &[u8], out: &mut Out) -> Result<StepOutcome> {
        let mut message = (self.begin)(&self.key, &self.params)?;
        out.fill(message.finish_len(), |room| message.whole(data, room))
            .map(StepOutcome::after_last)
    }

    /// Begins a message (`C_SignMessageBegin`).
    pub(crate) fn begin(&mut self) -> Result<StepOutcome> {
        self.message = Some((self.begin)(&self.key, &self.params)?);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes a part that is not the last (`C_SignMessageNext`).
    pub(crate) fn next(&mut self, data: &[u8]) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        message.update(data)?;
        self.message = Some(message);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes the last part and signs (`C_SignMessageNext`).
    pub(crate) fn last(&mut self, data: &[u8], out: &mut Out) -> Result<StepOutcome> {
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
    /// Verifies messages with a key that an Init was given.
    pub(super) fn new(key: MessageKey, begin: BeginVerify, params: Params) -> Self {
        Self { key, begin, params, message: None }
    }

    /// Asks for the key again, for the next message.
    pub(super) fn renew(&mut self, token: &Token, keys: &mut KeyCache) -> Result<()> {
        self.key.renew(token, keys)
    }

    /// Verifies a message (`C_VerifyMessage`).
    pub(crate) fn whole(&mut self, data: &[u8], signature: &[u8]) -> Result<StepOutcome> {
        let _begun = self.begin()?;
        self.last(data, signature)
    }

    /// Begins a message (`C_VerifyMessageBegin`).
    pub(crate) fn begin(&mut self) -> Result<StepOutcome> {
        self.message = Some(mechanism::begin_verify(self.begin, &self.key, &self.params)?);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes a part that is not the last (`C_VerifyMessageNext`).
    pub(crate) fn next(&mut self, data: &[u8]) -> Result<StepOutcome> {
        let mut message = self.message.take().ok_or(Reason::OperationMissing)?;
        message.update(data)?;
        self.message = Some(message);
        Ok(StepOutcome::GoesOn)
    }

    /// Takes the last part and verifies (`C_VerifyMessageNext`).
    pub(crate) fn last(&mut self, data: &[u8], signature: &[u8]) -> Result<StepOutcome> {
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
