//! Sessions and the operations in them.

mod begin;
pub(crate) mod dual;
pub(crate) mod holders;
pub(crate) mod key_cache;
pub(crate) mod login;
pub(crate) mod message_cipher;
pub(crate) mod message_iv;
pub(crate) mod message_key;
pub(crate) mod message_sign;
pub(crate) mod messages;
pub(crate) mod operation;
pub(crate) mod output;
pub(crate) mod recover;
pub(crate) mod saved_state;
pub(crate) mod slab;
pub(crate) mod state_key;
pub(crate) mod step;
pub(crate) mod table;
pub(crate) mod verify_signature;
pub(crate) mod wrapping;

use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::token::{Caller, Handle, Login, Token};
use holders::Holders;
use key_cache::KeyCache;
use message_cipher::{MessageDecryption, MessageEncryption};
use message_iv::IvCounter;
use message_sign::{Signing, Verifying};
use operation::{AnyOperationSlot, OperationSlot, StepOutcome};
use state_key::StateKey;
use std::sync::Arc;
use step::{Absorption, Checking, CipherOperation, SignatureChecking};

pub(crate) use output::{Filled, Out};
pub(crate) use table::SessionTable;

/// One session: a caller's way to one token, with a slot for each kind of operation.
pub(crate) struct Session {
    caller: Caller,
    slot: u64,
    token: Arc<Token>,
    encrypt: OperationSlot<CipherOperation>,
    decrypt: OperationSlot<CipherOperation>,
    digest: OperationSlot<Absorption>,
    /// The mechanism of the digest that began last.
    digesting: u64,
    sign: OperationSlot<Absorption>,
    verify: OperationSlot<Checking>,
    verify_signature: OperationSlot<SignatureChecking>,
    sign_recover: OperationSlot<Absorption>,
    verify_recover: OperationSlot<CipherOperation>,
    message_encrypt: OperationSlot<MessageEncryption>,
    message_decrypt: OperationSlot<MessageDecryption>,
    message_sign: OperationSlot<Signing>,
    message_verify: OperationSlot<Verifying>,
    search: OperationSlot<Search>,
    /// The kind of the operation with a key that was begun last.
    latest: OperationKind,
    keys: KeyCache,
    /// The counter of the IVs that are made here, one for all sessions of the process.
    ivs: Arc<IvCounter>,
    /// The key of saved states, one for all sessions of the process.
    state_key: Arc<StateKey>,
    /// The sessions that hold keys.
    holders: Arc<Holders>,
    /// Set while this session is among them.
    is_noted: bool,
}

/// The state of a session (PKCS#11 3.1, 6.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// The login of its token.
    pub login: Login,
    /// Set where the session may change token objects.
    pub read_write: bool,
}

impl Session {
    fn new(
        caller: Caller,
        slot: u64,
        token: Arc<Token>,
        ivs: Arc<IvCounter>,
        state_key: Arc<StateKey>,
        holders: Arc<Holders>,
    ) -> Self {
        Self {
            caller,
            slot,
            token,
            encrypt: OperationSlot::empty(),
            decrypt: OperationSlot::empty(),
            digest: OperationSlot::empty(),
            digesting: 0,
            sign: OperationSlot::empty(),
            verify: OperationSlot::empty(),
            verify_signature: OperationSlot::empty(),
            sign_recover: OperationSlot::empty(),
            verify_recover: OperationSlot::empty(),
            message_encrypt: OperationSlot::empty(),
            message_decrypt: OperationSlot::empty(),
            message_sign: OperationSlot::empty(),
            message_verify: OperationSlot::empty(),
            search: OperationSlot::empty(),
            latest: OperationKind::Search,
            keys: KeyCache::default(),
            ivs,
            state_key,
            holders,
            is_noted: false,
        }
    }

    /// The caller, for calls into [`Self::token`].
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The slot the session was opened on.
    pub(crate) fn slot(&self) -> u64 {
        self.slot
    }

    /// The token the session was opened on.
    pub(crate) fn token(&self) -> &Arc<Token> {
        &self.token
    }

    /// Returns the session's state.
    pub(crate) fn state(&self) -> SessionState {
        SessionState { login: self.token.logged_in_as(), read_write: self.caller.read_write }
    }

    /// Notes that an operation with a key begins.
    #[inline]
    fn begins(&mut self, kind: OperationKind) {
        self.latest = kind;
        if !self.is_noted {
            self.is_noted = true;
            self.holders.add(self.slot, self.caller.session);
        }
    }

    /// One step of the encryption.
    pub(crate) fn encrypt(
        &mut self,
        step: impl FnOnce(&mut CipherOperation) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.encrypt.step(&*self.token, step)
    }

    /// One step of the decryption.
    pub(crate) fn decrypt(
        &mut self,
        step: impl FnOnce(&mut CipherOperation) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.decrypt.step(&*self.token, step)
    }

    /// One step of the digest.
    pub(crate) fn digest(
        &mut self,
        step: impl FnOnce(&mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.digest.step(&*self.token, step)
    }

    /// Takes the value of a secret key into the digest.
    pub(crate) fn digest_key(&mut self, key: Handle) -> Result<()> {
        let Self { token, digest, digesting, .. } = self;
        let mut taken = None;
        digest.step(&**token, |digest| {
            let (value, key) = token.digestible(key, *digesting)?;
            taken = Some(key);
            digest.update(value.expose())
        })?;
        if let Some(key) = taken {
            digest.bind(token.login_epoch(), key);
        }
        self.begins(self.latest);
        Ok(())
    }

    /// One step of the signature.
    pub(crate) fn sign(
        &mut self,
        step: impl FnOnce(&mut Absorption) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.sign.step(&*self.token, step)
    }

    /// One step of the verification.
    pub(crate) fn verify(
        &mut self,
        step: impl FnOnce(&mut Checking) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.verify.step(&*self.token, step)
    }

    /// Hands out what the search has found. A bad argument does not end it.
    pub(crate) fn hand_out(&mut self, call: impl FnOnce(&mut Search) -> Result<()>) -> Result<()> {
        self.search.consult(&*self.token, call)
    }

    /// One step of the search.
    pub(crate) fn search(
        &mut self,
        step: impl FnOnce(&mut Search) -> Result<StepOutcome>,
    ) -> Result<()> {
        self.search.step(&*self.token, step)
    }

    /// Returns whether an operation is active that computes.
    pub(crate) fn is_computing(&mut self) -> bool {
        let login = self.token.login_epoch();
        let mut computing =
            self.operation_slots().into_iter().filter(|(kind, _)| *kind != OperationKind::Search);
        computing.any(|(_, slot)| slot.is_active(login))
    }

    /// Ends the operation of that kind; whether there was one.
    pub(crate) fn cancel(&mut self, kind: OperationKind) -> bool {
        let mut slots = self.operation_slots().into_iter();
        slots.any(|(of, slot)| of == kind && slot.cancel())
    }

    /// Ends the operation of that kind, which there must be.
    pub(crate) fn end(&mut self, kind: OperationKind) -> Result<()> {
        let login = self.token.login_epoch();
        let mut slots = self.operation_slots().into_iter();
        match slots.any(|(of, slot)| of == kind && slot.is_active(login) && slot.cancel()) {
            true => Ok(()),
            false => Err(Reason::OperationMissing.into()),
        }
    }

    /// The operation that a PIN is asked for: the latest, else any that waits.
    fn waiting(&mut self) -> Option<&mut dyn AnyOperationSlot> {
        let (login, latest) = (self.token.login_epoch(), self.latest);
        let waiting = self.operation_slots().into_iter().filter(|(_, slot)| slot.waits(login));
        waiting.max_by_key(|(kind, _)| *kind == latest).map(|(_, slot)| slot)
    }

    fn operation_slots(&mut self) -> [(OperationKind, &mut dyn AnyOperationSlot); 13] {
        [
            (OperationKind::Encrypt, &mut self.encrypt),
            (OperationKind::Decrypt, &mut self.decrypt),
            (OperationKind::Digest, &mut self.digest),
            (OperationKind::Sign, &mut self.sign),
            (OperationKind::Verify, &mut self.verify),
            (OperationKind::VerifySignature, &mut self.verify_signature),
            (OperationKind::SignRecover, &mut self.sign_recover),
            (OperationKind::VerifyRecover, &mut self.verify_recover),
            (OperationKind::MessageEncrypt, &mut self.message_encrypt),
            (OperationKind::MessageDecrypt, &mut self.message_decrypt),
            (OperationKind::MessageSign, &mut self.message_sign),
            (OperationKind::MessageVerify, &mut self.message_verify),
            (OperationKind::Search, &mut self.search),
        ]
    }

    /// Ends the active operation, as an Init without a mechanism does (PKCS#11 3.1, 5.8.1). With none
    /// active the mechanism is simply missing.
    pub(crate) fn cancel_by_init(&mut self, kind: OperationKind) -> Result<()> {
        match self.cancel(kind) {
            true => Ok(()),
            false => Err(Reason::ArgumentsBad.detail("no mechanism, and nothing to cancel")),
        }
    }

    /// Notes with the token how often the keys were used that this session keeps.
    fn count(&mut self) {
        let Self { token, keys, .. } = self;
        keys.count(token);
    }

    /// Drops the keys, and operations with them, that have ended or may have changed. When the first of the
    /// operations that go on ends.
    fn let_go(&mut self) -> Option<Seconds> {
        let token = Arc::clone(&self.token);
        self.keys.let_go(&token);
        self.operation_slots().into_iter().filter_map(|(_, slot)| slot.review(&token)).min()
    }

    /// Drops operations and keys of an earlier login, which hold key material.
    fn forget(&mut self) {
        self.count();
        let login = self.token.login_epoch();
        self.operation_slots().into_iter().for_each(|(_, slot)| slot.forget(login));
        self.keys = KeyCache::default();
        if !self.is_computing() {
            self.is_noted = false;
            self.holders.remove(self.slot, self.caller.session);
        }
    }
}

/// The kinds of operation a session has a slot for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// An encryption.
    Encrypt,
    /// A decryption.
    Decrypt,
    /// A digest.
    Digest,
    /// A signature or MAC.
    Sign,
    /// A verification.
    Verify,
    /// A verification that was told the signature first.
    VerifySignature,
    /// A signature that gives its data back.
    SignRecover,
    /// Data being had back from a signature.
    VerifyRecover,
    /// Messages being encrypted.
    MessageEncrypt,
    /// Messages being decrypted.
    MessageDecrypt,
    /// Messages being signed.
    MessageSign,
    /// Messages being verified.
    MessageVerify,
    /// A search for objects.
    Search,
}

/// A search under way: what is still to be handed out.
pub(crate) struct Search {
    rest: std::vec::IntoIter<Handle>,
}

impl Search {
    /// Hands out the next handles, as many as there is room for; returns how many.
    pub(crate) fn next(&mut self, room: &mut [Handle]) -> usize {
        let next = self.rest.by_ref().take(room.len());
        room.iter_mut().zip(next).map(|(place, handle)| *place = handle).count()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.count();
        if self.is_noted {
            self.holders.remove(self.slot, self.caller.session);
        }
    }
}
