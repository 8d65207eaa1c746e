//! The use cases on one token. Each file is one of them; this one is what they share.
//!
//! This is the contract that the border is written against.

use crate::error::{Reason, Result};
use crate::key::{UsableKey, Usage};
use crate::mechanism::Mechanism;
use crate::object::Template;

/// Who is logged in to a token in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Login {
    /// Nobody.
    Public,
    /// The user.
    User,
    /// The security officer.
    Officer,
}

/// Who asks: the session a call came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The session's handle; its session objects end with it.
    pub session: u64,
    /// Whether the session may change token objects.
    pub read_write: bool,
}

/// An object as the caller names it; the same object keeps its handle for the life of the process.
pub type Handle = u64;

/// What a slot shows (`C_GetTokenInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The token's label, at most 32 bytes, or none if it has not been initialised.
    pub label: Option<String>,
    /// Sixteen characters.
    pub serial: String,
    /// Whether the user PIN is set.
    pub user_pin_set: bool,
    /// Wrong PINs in a row: security officer's, user's.
    pub wrong: (u8, u8),
}

/// The answer to one attribute of `C_GetAttributeValue`.
#[derive(Debug)]
pub enum Answer {
    /// The value.
    Value(crate::secret::Secret),
    /// There is one, but it cannot be revealed.
    Sensitive,
    /// The object has no such attribute.
    Unknown,
}

/// How many wrong PINs in a row lock a PIN.
pub const TRIES: u8 = 10;

/// The module's side of one token.
pub struct Token {
    _later: (),
}

// Stand-ins until the use cases land; each becomes a file of this folder.
#[allow(missing_docs, unused_variables, clippy::unused_self)]
impl Token {
    pub fn info(&self) -> Result<TokenInfo> {
        Err(Reason::NotSupported.into())
    }
    /// Who is logged in; one load.
    pub fn who(&self) -> Login {
        Login::Public
    }
    /// Moves at every login and logout; one load. An operation ends when it has moved.
    pub fn login_epoch(&self) -> u64 {
        0
    }
    pub fn login(&self, login: Login, pin: &[u8]) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    pub fn logout(&self) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    /// Sets the user's PIN; the security officer is logged in.
    pub fn init_pin(&self, pin: &[u8]) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    /// Changes the PIN of whoever is logged in, or the user's where nobody is.
    pub fn set_pin(&self, old: &[u8], new: &[u8]) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    pub fn create(&self, caller: &Caller, template: &Template) -> Result<Handle> {
        Err(Reason::NotSupported.into())
    }
    pub fn copy(&self, caller: &Caller, object: Handle, template: &Template) -> Result<Handle> {
        Err(Reason::NotSupported.into())
    }
    pub fn destroy(&self, caller: &Caller, object: Handle) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    pub fn find(&self, caller: &Caller, template: &Template) -> Result<Vec<Handle>> {
        Err(Reason::NotSupported.into())
    }
    pub fn attributes(
        &self,
        caller: &Caller,
        object: Handle,
        kinds: &[u64],
    ) -> Result<Vec<Answer>> {
        Err(Reason::NotSupported.into())
    }
    pub fn set_attributes(
        &self,
        caller: &Caller,
        object: Handle,
        template: &Template,
    ) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
    pub fn size(&self, caller: &Caller, object: Handle) -> Result<u64> {
        Err(Reason::NotSupported.into())
    }
    pub fn generate(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        template: &Template,
    ) -> Result<Handle> {
        Err(Reason::NotSupported.into())
    }
    pub fn generate_pair(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        public: &Template,
        private: &Template,
    ) -> Result<(Handle, Handle)> {
        Err(Reason::NotSupported.into())
    }
    pub fn wrap(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        wrapping: Handle,
        key: Handle,
    ) -> Result<Vec<u8>> {
        Err(Reason::NotSupported.into())
    }
    pub fn unwrap(
        &self,
        caller: &Caller,
        mechanism: &Mechanism,
        unwrapping: Handle,
        wrapped: &[u8],
        template: &Template,
    ) -> Result<Handle> {
        Err(Reason::NotSupported.into())
    }
    /// A key for an operation's Init: the newest state of the object, allowed or refused.
    pub fn usable(
        &self,
        caller: &Caller,
        key: Handle,
        usage: Usage,
        mechanism: u64,
    ) -> Result<UsableKey> {
        Err(Reason::NotSupported.into())
    }
    /// Whether what [`Self::usable`] answered before still holds: generation, login and expiry
    /// unchanged. A few loads and no lock, so that a session can keep its last key.
    pub fn still_usable(&self, key: Handle, usable: &UsableKey) -> bool {
        false
    }
    /// The value of a secret key, for `C_DigestKey`.
    pub fn digestible(&self, caller: &Caller, key: Handle) -> Result<crate::secret::Secret> {
        Err(Reason::NotSupported.into())
    }
    /// Ends the session objects of a session that closes.
    pub fn close_session(&self, session: u64) {}
}

/// The slots of a store: one for each token, and one more in which the next can be initialised.
pub struct Slots {
    _later: (),
}

#[allow(missing_docs, unused_variables, clippy::unused_self)]
impl Slots {
    pub fn new(link: crate::wire::Link, clock: std::sync::Arc<dyn crate::clock::Clock>) -> Self {
        Self { _later: () }
    }
    /// Slot numbers: tokens first, then the free slot.
    pub fn list(&self) -> Result<Vec<u64>> {
        Err(Reason::NotSupported.into())
    }
    /// The token in a slot; the free slot is `TokenUnrecognized`.
    pub fn token(&self, slot: u64) -> Result<std::sync::Arc<Token>> {
        Err(Reason::NotSupported.into())
    }
    pub fn init_token(&self, slot: u64, pin: &[u8], label: &str) -> Result<()> {
        Err(Reason::NotSupported.into())
    }
}
