//! The calls of a session on messages: each message is a use of the key of its own, which is asked for
//! again as it begins.

use super::message_cipher::{MessageDecryption, MessageEncryption};
use super::message_iv::Ivs;
use super::message_key::MessageKey;
use super::message_sign::{Signing, Verifying};
use super::operation::{Begun, StepOutcome};
use super::{OperationKind, Session};
use crate::error::Result;
use crate::key::Usage;
use crate::mechanism::{self, Mechanism, MechanismRow};
use crate::token::Handle;
use std::sync::Arc;

impl Session {
    /// Starts encrypting messages.
    pub(crate) fn begin_message_encrypt(
        &mut self,
        row: &'static MechanismRow,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageEncrypt);
        let Self { token, keys, message_encrypt, ivs, .. } = self;
        let held = &mut None;
        message_encrypt.begin(token.login_epoch(), move || {
            let (messages, _) = (row.message()?, row.encrypt()?);
            let key = MessageKey::new(token, keys, key, Usage::Encrypt, row.id)?;
            let allowed = held.insert(key.clone());
            let ivs = Ivs::new(Arc::clone(ivs));
            Ok(Begun::with(allowed, MessageEncryption::new(row, messages, key, ivs)))
        })
    }

    /// Starts decrypting messages.
    pub(crate) fn begin_message_decrypt(
        &mut self,
        row: &'static MechanismRow,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageDecrypt);
        let Self { token, keys, message_decrypt, .. } = self;
        let held = &mut None;
        message_decrypt.begin(token.login_epoch(), move || {
            let (messages, _) = (row.message()?, row.decrypt()?);
            let key = MessageKey::new(token, keys, key, Usage::Decrypt, row.id)?;
            let allowed = held.insert(key.clone());
            Ok(Begun::with(allowed, MessageDecryption::new(row, messages, key)))
        })
    }

    /// Begins one of the messages being encrypted. A key that cannot be used any more ends them.
    pub(crate) fn encrypt_message(
        &mut self,
        step: impl FnOnce(&mut MessageEncryption) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, keys, message_encrypt, .. } = self;
        let renew = |messages: &mut MessageEncryption| messages.renew(token, keys);
        message_encrypt.begin_message(&**token, renew, step)
    }

    /// Goes on with one of the messages being encrypted.
    pub(crate) fn encrypt_message_next(
        &mut self,
        step: impl FnOnce(&mut MessageEncryption) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_encrypt.next_of_message(&*self.token, step)
    }

    /// Begins one of the messages being decrypted. A key that cannot be used any more ends them.
    pub(crate) fn decrypt_message(
        &mut self,
        step: impl FnOnce(&mut MessageDecryption) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, keys, message_decrypt, .. } = self;
        let renew = |messages: &mut MessageDecryption| messages.renew(token, keys);
        message_decrypt.begin_message(&**token, renew, step)
    }

    /// Goes on with one of the messages being decrypted.
    pub(crate) fn decrypt_message_next(
        &mut self,
        step: impl FnOnce(&mut MessageDecryption) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_decrypt.next_of_message(&*self.token, step)
    }

    /// Starts signing messages.
    pub(crate) fn begin_message_sign(
        &mut self,
        row: &MechanismRow,
        mechanism: Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageSign);
        let Self { token, keys, message_sign, .. } = self;
        let held = &mut None;
        message_sign.begin(token.login_epoch(), move || {
            let (begin, params) = (row.message_sign()?, mechanism.params);
            let key = MessageKey::new(token, keys, key, Usage::Sign, mechanism.id)?;
            // What is wrong with the key or the parameter shows here, not at each message.
            drop(begin(&key, &params)?);
            let allowed = held.insert(key.clone());
            Ok(Begun::with(allowed, Signing::new(key, begin, params)))
        })
    }

    /// Starts verifying messages.
    pub(crate) fn begin_message_verify(
        &mut self,
        row: &MechanismRow,
        mechanism: Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::MessageVerify);
        let Self { token, keys, message_verify, .. } = self;
        let held = &mut None;
        message_verify.begin(token.login_epoch(), move || {
            let (begin, params) = (row.message_verify()?, mechanism.params);
            let key = MessageKey::new(token, keys, key, Usage::Verify, mechanism.id)?;
            drop(mechanism::begin_verify(begin, &key, &params)?);
            let allowed = held.insert(key.clone());
            Ok(Begun::with(allowed, Verifying::new(key, begin, params)))
        })
    }

    /// Begins one of the messages being signed. A key that cannot be used any more ends them.
    pub(crate) fn sign_message(
        &mut self,
        step: impl FnOnce(&mut Signing) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, keys, message_sign, .. } = self;
        message_sign.begin_message(&**token, |messages| messages.renew(token, keys), step)
    }

    /// Goes on with one of the messages being signed.
    pub(crate) fn sign_message_next(
        &mut self,
        step: impl FnOnce(&mut Signing) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_sign.next_of_message(&*self.token, step)
    }

    /// Begins one of the messages being verified. A key that cannot be used any more ends them.
    pub(crate) fn verify_message(
        &mut self,
        step: impl FnOnce(&mut Verifying) -> Result<StepOutcome>,
    ) -> Result<()> {
        let Self { token, keys, message_verify, .. } = self;
        message_verify.begin_message(&**token, |messages| messages.renew(token, keys), step)
    }

    /// Goes on with one of the messages being verified.
    pub(crate) fn verify_message_next(
        &mut self,
        step: impl FnOnce(&mut Verifying) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.message_verify.next_of_message(&*self.token, step)
    }
}
