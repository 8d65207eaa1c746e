//! The beginnings of the operations in a session that have one mechanism and, but for digests, one key.

use super::operation::Begun;
use super::step::{Absorption, Checking, CipherOperation};
use super::{OperationKind, Search, Session};
use crate::error::Result;
use crate::key::Usage;
use crate::mechanism::{Mechanism, MechanismRow};
use crate::token::{Caller, Handle, Token};

impl Session {
    /// Starts an encryption.
    pub(crate) fn begin_encrypt(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::Encrypt);
        let Self { token, keys, encrypt, .. } = self;
        encrypt.begin(token.login_epoch(), || {
            let begin = row.encrypt()?;
            let key = keys.key(token, key, Usage::Encrypt, mechanism.id)?;
            Ok(Begun::with(key, CipherOperation::encrypting(begin(key, &mechanism.params)?)))
        })
    }

    /// Starts a decryption.
    pub(crate) fn begin_decrypt(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::Decrypt);
        let Self { token, keys, decrypt, .. } = self;
        decrypt.begin(token.login_epoch(), || {
            row.decrypt()?;
            let key = keys.key(token, key, Usage::Decrypt, mechanism.id)?;
            Ok(Begun::with(
                key,
                CipherOperation::decrypting(row.begin_decrypt(key, &mechanism.params)?),
            ))
        })
    }

    /// Starts a digest.
    pub(crate) fn begin_digest(&mut self, row: &MechanismRow, mechanism: &Mechanism) -> Result<()> {
        let Self { token, digest, digesting, .. } = self;
        digest.begin(token.login_epoch(), || {
            let begin = row.digest()?;
            *digesting = mechanism.id;
            Ok(Begun::keyless(Absorption::new(begin(&mechanism.params)?)))
        })
    }

    /// Starts a signature or MAC.
    pub(crate) fn begin_sign(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::Sign);
        let Self { token, keys, sign, .. } = self;
        sign.begin(token.login_epoch(), || {
            let begin = row.sign()?;
            let key = keys.key(token, key, Usage::Sign, mechanism.id)?;
            Ok(Begun::with(key, Absorption::new(begin(key, &mechanism.params)?)))
        })
    }

    /// Starts a verification.
    pub(crate) fn begin_verify(
        &mut self,
        row: &MechanismRow,
        mechanism: &Mechanism,
        key: Handle,
    ) -> Result<()> {
        self.begins(OperationKind::Verify);
        let Self { token, keys, verify, .. } = self;
        verify.begin(token.login_epoch(), || {
            row.verify()?;
            let key = keys.key(token, key, Usage::Verify, mechanism.id)?;
            Ok(Begun::with(key, Checking::new(row.begin_verify(key, &mechanism.params)?)))
        })
    }

    /// Starts a search, with all that it will find.
    pub(crate) fn begin_search(
        &mut self,
        find: impl FnOnce(&Token, &Caller) -> Result<Vec<Handle>>,
    ) -> Result<()> {
        let Self { token, caller, search, .. } = self;
        search.begin(token.login_epoch(), || {
            // The handles end by themselves.
            Ok(Begun::keyless(Search { rest: find(token, caller)?.into_iter() }))
        })
    }
}
