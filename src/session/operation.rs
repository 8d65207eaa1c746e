//! The life of an operation, one rule for all kinds: a step takes the operation out of its place;
//! only a length query, an update or a short buffer puts it back; an error, the last step or a panic
//! ends it, and so does the end of the login that its key needs. Before each step the key is asked for.

use super::output::Filled;
use crate::error::{Reason, Result};
use crate::key::{InUse, UsableKey};
use crate::token::Token;

/// What decides whether operations may go on.
pub trait Rules {
    /// Moves at every login and logout: an operation that needs a login ends when it has moved.
    fn login(&self) -> u64;

    /// Returns whether an operation may go on with its key, and why not.
    fn goes_on(&self, key: &mut InUse) -> Result<()>;
}

impl Rules for Token {
    fn login(&self) -> u64 {
        self.login_epoch()
    }

    fn goes_on(&self, key: &mut InUse) -> Result<()> {
        Self::goes_on(self, key)
    }
}

/// The place for one kind of operation in a session.
pub struct Place<O> {
    active: Option<Active<O>>,
}

struct Active<O> {
    operation: O,
    /// What it works with.
    key: Option<InUse>,
    /// The keys that a digest has taken in.
    digested: Vec<InUse>,
    /// The login it ends with, if it needs one.
    login: Option<u64>,
    /// Whether its key asks for the PIN.
    asks: bool,
    /// Whether it still waits for the PIN that its key asks for.
    waits: bool,
}

/// An operation that has just begun.
pub struct Begun<O> {
    /// The operation.
    pub operation: O,
    /// Its key, if it has one.
    pub key: Option<InUse>,
    /// Whether it works with what only a login shows, and so ends with the login.
    pub private: bool,
    /// Whether its key asks for the PIN before the first step.
    pub asks: bool,
}

impl<O> Begun<O> {
    /// An operation with a key.
    pub fn with(key: &UsableKey, operation: O) -> Self {
        Self {
            operation,
            key: Some(key.in_use()),
            private: key.private,
            asks: key.always_authenticate,
        }
    }

    /// An operation that no key is needed for.
    pub fn keyless(operation: O) -> Self {
        Self { operation, key: None, private: false, asks: false }
    }
}

/// What a step left of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Life {
    /// It goes on.
    GoesOn,
    /// It goes on, and the caller comes again with a larger buffer.
    Short,
    /// That was the last step.
    Over,
}

impl Life {
    /// After a step that can be repeated.
    pub fn after_part(filled: Filled) -> Self {
        match filled {
            Filled::Asked | Filled::Written => Self::GoesOn,
            Filled::Short => Self::Short,
        }
    }

    /// After the step that ends an operation once its result is delivered.
    pub fn after_last(filled: Filled) -> Self {
        match filled {
            Filled::Asked => Self::GoesOn,
            Filled::Short => Self::Short,
            Filled::Written => Self::Over,
        }
    }

    /// What the caller is told.
    fn told(self) -> Result<()> {
        match self {
            Self::GoesOn | Self::Over => Ok(()),
            Self::Short => Err(Reason::BufferTooSmall.into()),
        }
    }
}

impl<O> Place<O> {
    /// An empty place.
    pub const fn empty() -> Self {
        Self { active: None }
    }

    /// Starts an operation under the login counted as `login`, unless one is active.
    pub fn begin(&mut self, login: u64, begin: impl FnOnce() -> Result<Begun<O>>) -> Result<()> {
        if self.is_active(login) {
            return Err(Reason::OperationActive.into());
        }
        let Begun { operation, key, private, asks } = begin()?;
        let login = private.then_some(login);
        let digested = Vec::new();
        self.active = Some(Active { operation, key, digested, login, asks, waits: asks });
        Ok(())
    }

    /// Runs one step of the operation, if `rules` let it go on.
    pub fn step(
        &mut self,
        rules: &impl Rules,
        step: impl FnOnce(&mut O) -> Result<Life>,
    ) -> Result<()> {
        let mut active = self.take(rules)?;
        let life = step(&mut active.operation)?;
        if life != Life::Over {
            self.active = Some(active);
        }
        life.told()
    }

    /// Runs a step of one of the operation's messages. What is over then, or fails, is the message:
    /// the next one is another use of the key, and waits for the PIN again (PKCS#11 3.1, 4.9).
    pub fn visit(
        &mut self,
        rules: &impl Rules,
        step: impl FnOnce(&mut O) -> Result<Life>,
    ) -> Result<()> {
        let mut active = self.take(rules)?;
        let life = step(&mut active.operation);
        let over = match &life {
            Ok(life) => !matches!(life, Life::GoesOn | Life::Short),
            // A call out of turn leaves the message under way as it is.
            Err(error) => error.reason() != Reason::OperationActive,
        };
        if over {
            active.waits = active.asks;
        }
        self.active = Some(active);
        life?.told()
    }

    fn take(&mut self, rules: &impl Rules) -> Result<Active<O>> {
        let login = rules.login();
        let active = self.active.take().filter(|active| active.holds(login));
        let mut active = active.ok_or(Reason::OperationMissing)?;
        if active.waits {
            return Err(Reason::NotLoggedIn.detail("the key asks for the PIN at each use"));
        }
        active.key.iter_mut().chain(&mut active.digested).try_for_each(|key| rules.goes_on(key))?;
        Ok(active)
    }

    /// From here on the operation works with a key that only the login counted as `login` shows.
    pub fn bind(&mut self, login: u64, key: InUse) {
        if let Some(active) = &mut self.active {
            active.login = Some(login);
            active.digested.push(key);
        }
    }
}

/// What every place has in common, whatever its operation is.
pub trait AnyPlace {
    /// Whether an operation is active under the login counted as `login`.
    fn is_active(&self, login: u64) -> bool;
    /// Whether an operation is active that waits for the PIN.
    fn waits(&self, login: u64) -> bool;
    /// The PIN has been proved, for this one operation.
    fn prove(&mut self);
    /// Ends the operation; whether there was one.
    fn cancel(&mut self) -> bool;
    /// Ends the operation if it needed an earlier login than the one counted as `login`.
    fn forget(&mut self, login: u64);
}

impl<O> AnyPlace for Place<O> {
    fn is_active(&self, login: u64) -> bool {
        self.active.as_ref().is_some_and(|active| active.holds(login))
    }

    fn waits(&self, login: u64) -> bool {
        self.active.as_ref().is_some_and(|active| active.waits && active.holds(login))
    }

    fn prove(&mut self) {
        if let Some(active) = &mut self.active {
            active.waits = false;
        }
    }

    fn cancel(&mut self) -> bool {
        self.active.take().is_some()
    }

    fn forget(&mut self, login: u64) {
        if !self.is_active(login) {
            self.active = None;
        }
    }
}

impl<O> Active<O> {
    fn holds(&self, login: u64) -> bool {
        self.login.is_none_or(|needed| needed == login)
    }
}

#[cfg(test)]
pub(super) mod tests;
