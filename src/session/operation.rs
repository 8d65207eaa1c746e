//! The life of an operation, one rule for all kinds: a step ends the operation in its slot unless
//! it was a length query, an update or met a short buffer; an error, the last step or a panic
//! ends it, and so does the end of the login that its key needs. Before each step the key is asked for.

use super::output::Filled;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::key::{InUse, UsableKey};
use crate::token::Token;

/// The rules by which operations may go on.
pub(crate) trait Rules {
    /// Moves at every login and logout: an operation that needs a login ends when it has moved.
    fn login(&self) -> u64;

    /// Fails unless an operation may go on with its key.
    fn recheck(&self, key: &mut InUse) -> Result<()>;
}

impl Rules for Token {
    fn login(&self) -> u64 {
        self.login_epoch()
    }

    fn recheck(&self, key: &mut InUse) -> Result<()> {
        Self::recheck(self, key)
    }
}

/// The slot of one kind of operation in a session.
pub(crate) struct OperationSlot<O> {
    operation: Option<O>,
    /// The error for which an operation has ended between two steps: its next step tells, and until then it is there.
    ended: Option<Error>,
    terms: Terms,
}

/// The terms on which an operation goes on. They stay in the slot while a step has the operation.
#[derive(Default)]
struct Terms {
    /// The key that it works with.
    key: Option<InUse>,
    /// The keys that a digest has taken in.
    digested: Vec<InUse>,
    /// The login it ends with, if it needs one.
    login: Option<u64>,
    /// Set where its key asks for the PIN.
    asks: bool,
    /// Set while it waits for the PIN that its key asks for.
    waits: bool,
}

/// An operation that has just begun.
pub(crate) struct Begun<'k, O> {
    /// The operation.
    pub operation: O,
    /// Its key, if it has one.
    pub key: Option<&'k UsableKey>,
    /// Set where it works with what only a login shows, and so ends with the login.
    pub private: bool,
    /// Set where its key asks for the PIN before the first step.
    pub asks: bool,
}

impl<'k, O> Begun<'k, O> {
    /// An operation with a key.
    pub(crate) fn with(key: &'k UsableKey, operation: O) -> Self {
        let (private, asks) = (key.private, key.always_authenticate);
        Self { operation, key: Some(key), private, asks }
    }

    /// An operation that no key is needed for.
    pub(crate) fn keyless(operation: O) -> Self {
        Self { operation, key: None, private: false, asks: false }
    }
}

/// The state in which a step left its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum StepOutcome {
    /// The operation goes on.
    GoesOn,
    /// The operation goes on, and the caller comes again with a larger buffer.
    Short,
    /// The operation has ended with this step.
    Over,
}

impl StepOutcome {
    /// The outcome of a step that can be repeated.
    pub(crate) fn after_part(filled: Filled) -> Self {
        match filled {
            Filled::Asked | Filled::Written => Self::GoesOn,
            Filled::Short => Self::Short,
        }
    }

    /// The outcome of a step that ends its operation once the result is delivered.
    pub(crate) fn after_last(filled: Filled) -> Self {
        match filled {
            Filled::Asked => Self::GoesOn,
            Filled::Short => Self::Short,
            Filled::Written => Self::Over,
        }
    }

    /// Returns the step's answer to the caller.
    fn answer(self) -> Result<()> {
        match self {
            Self::GoesOn | Self::Over => Ok(()),
            Self::Short => Err(Reason::BufferTooSmall.into()),
        }
    }
}

impl<O> OperationSlot<O> {
    /// An empty slot.
    pub(crate) fn empty() -> Self {
        Self { operation: None, ended: None, terms: Terms::default() }
    }

    /// Starts an operation under the login counted as `login`, unless one is active.
    pub(crate) fn begin<'k>(
        &mut self,
        login: u64,
        begin: impl FnOnce() -> Result<Begun<'k, O>>,
    ) -> Result<()> {
        if self.is_active(login) {
            return Err(Reason::OperationActive.into());
        }
        let Begun { operation, key, private, asks } = begin()?;
        (self.operation, self.ended) = (Some(operation), None);
        let Terms { key: in_use, digested, login: needed, asks: asking, waits } = &mut self.terms;
        *in_use = key.map(UsableKey::in_use);
        digested.clear();
        (*needed, *asking, *waits) = (private.then_some(login), asks, asks);
        Ok(())
    }

    /// Runs one step of the operation, if `rules` let it go on.
    pub(crate) fn step(
        &mut self,
        rules: &impl Rules,
        step: impl FnOnce(&mut O) -> Result<StepOutcome>,
    ) -> Result<()> {
        let mut running = Running::of(self);
        let outcome = step(running.operation(rules)?)?;
        running.goes_on = outcome != StepOutcome::Over;
        outcome.answer()
    }

    /// Runs a call that leaves the operation as it is, whether it succeeds or not.
    pub(crate) fn consult(
        &mut self,
        rules: &impl Rules,
        call: impl FnOnce(&mut O) -> Result<()>,
    ) -> Result<()> {
        let mut running = Running::of(self);
        let done = call(running.operation(rules)?);
        running.goes_on = true;
        done
    }

    /// Drops the operation. Its next step tells why.
    fn end_with(&mut self, error: Error) {
        (self.operation, self.ended) = (None, Some(error));
    }

    /// Returns whether keys have gone into the operation.
    pub(crate) fn has_digested(&self) -> bool {
        !self.terms.digested.is_empty()
    }

    /// Adds a key that only the login counted as `login` shows to what the operation works with.
    pub(crate) fn bind(&mut self, login: u64, key: InUse) {
        self.terms.login = Some(login);
        self.terms.digested.push(key);
    }
}

/// Operations on messages, which go on from a message Init to its Final.
pub(crate) trait Messages {
    /// A message in parts.
    type Message;

    /// Returns the message in parts that is under way, if one is.
    fn under_way(&mut self) -> &mut Option<Self::Message>;
}

impl<O: Messages> OperationSlot<O> {
    /// Runs a call that begins a message, or is all of one. None can be under way. Where `renew` fails,
    /// the key cannot be used any more, and all messages end.
    pub(crate) fn begin_message(
        &mut self,
        rules: &impl Rules,
        renew: impl FnOnce(&mut O) -> Result<()>,
        step: impl FnOnce(&mut O) -> Result<StepOutcome>,
    ) -> Result<()> {
        let mut running = Running::of(self);
        let messages = running.messages(rules)?;
        if messages.under_way().is_some() {
            running.goes_on = true;
            return Err(Reason::OperationActive.detail("a message is under way"));
        }
        renew(messages)?;
        running.message(step)
    }

    /// Runs a call that goes on with a message in parts. Any error but a short buffer ends the message
    /// (PKCS#11 3.1, 5.9.4).
    pub(crate) fn next_of_message(
        &mut self,
        rules: &impl Rules,
        step: impl FnOnce(&mut O) -> Result<StepOutcome>,
    ) -> Result<()> {
        let mut running = Running::of(self);
        if running.messages(rules)?.under_way().is_none() {
            running.goes_on = true;
            return Err(Reason::OperationMissing.detail("no message is under way"));
        }
        running.message(step)
    }
}

impl<O: Messages> Running<'_, O> {
    /// The messages, if their key lets them go on. A PIN that is missing does not end them: each message
    /// is another use of the key, and waits for the PIN again (PKCS#11 3.1, 4.9).
    fn messages(&mut self, rules: &impl Rules) -> Result<&mut O> {
        self.goes_on = self.slot.waits(rules.login());
        self.operation(rules)
    }

    /// Runs a step of one message: what is over then, or fails, is that message.
    fn message(&mut self, step: impl FnOnce(&mut O) -> Result<StepOutcome>) -> Result<()> {
        let OperationSlot { operation, terms, .. } = &mut *self.slot;
        let messages = operation.as_mut().ok_or(Reason::OperationMissing)?;
        let outcome = step(messages);
        self.goes_on = true;
        if outcome.is_err() {
            *messages.under_way() = None;
        }
        if !matches!(outcome, Ok(StepOutcome::GoesOn | StepOutcome::Short)) {
            terms.waits = terms.asks;
        }
        outcome?.answer()
    }
}

/// An operation during a step. It ends with the step, by an error or a panic too, unless `goes_on` is
/// set.
struct Running<'a, O> {
    slot: &'a mut OperationSlot<O>,
    goes_on: bool,
}

impl<'a, O> Running<'a, O> {
    fn of(slot: &'a mut OperationSlot<O>) -> Self {
        Self { slot, goes_on: false }
    }

    fn operation(&mut self, rules: &impl Rules) -> Result<&mut O> {
        let OperationSlot { operation, ended, terms } = &mut *self.slot;
        if !terms.hold(rules.login()) {
            return Err(Reason::OperationMissing.into());
        }
        if let Some(error) = ended.take() {
            return Err(error);
        }
        let operation = operation.as_mut().ok_or(Reason::OperationMissing)?;
        terms.go_on(rules).map(|()| operation)
    }
}

impl<O> Drop for Running<'_, O> {
    fn drop(&mut self) {
        if !self.goes_on {
            self.slot.cancel();
        }
    }
}

impl Terms {
    fn hold(&self, login: u64) -> bool {
        self.login.is_none_or(|needed| needed == login)
    }

    fn go_on(&mut self, rules: &impl Rules) -> Result<()> {
        if self.waits {
            return Err(Reason::NotLoggedIn.detail("the key asks for the PIN at each use"));
        }
        self.keys_go_on(rules)
    }

    fn keys_go_on(&mut self, rules: &impl Rules) -> Result<()> {
        self.key.iter_mut().chain(&mut self.digested).try_for_each(|key| rules.recheck(key))
    }

    /// Returns the time at which the first of the keys ends.
    fn until(&self) -> Option<Seconds> {
        self.key.iter().chain(&self.digested).filter_map(|key| key.until).min()
    }
}

/// A slot of any operation.
pub(crate) trait AnyOperationSlot {
    /// Returns whether an operation is active under the login counted as `login`.
    fn is_active(&self, login: u64) -> bool;
    /// Returns whether an operation is active that waits for the PIN.
    fn waits(&self, login: u64) -> bool;
    /// Notes that the PIN was proved, for this one operation.
    fn prove(&mut self);
    /// Ends the operation; returns whether there was one.
    fn cancel(&mut self) -> bool;
    /// Ends the operation if it needed an earlier login than the one counted as `login`.
    fn forget(&mut self, login: u64);
    /// Drops the operation if it may not go on; else returns the time at which it has to end.
    fn review(&mut self, rules: &Token) -> Option<Seconds>;
}

impl<O> AnyOperationSlot for OperationSlot<O> {
    fn is_active(&self, login: u64) -> bool {
        (self.operation.is_some() || self.ended.is_some()) && self.terms.hold(login)
    }

    fn waits(&self, login: u64) -> bool {
        self.is_active(login) && self.terms.waits
    }

    fn prove(&mut self) {
        self.terms.waits = false;
    }

    fn cancel(&mut self) -> bool {
        let ended = self.ended.take().is_some();
        self.operation.take().is_some() || ended
    }

    fn forget(&mut self, login: u64) {
        if !self.is_active(login) {
            self.cancel();
        }
    }

    fn review(&mut self, rules: &Token) -> Option<Seconds> {
        self.forget(rules.login_epoch());
        if self.operation.is_some()
            && let Err(error) = self.terms.keys_go_on(rules)
        {
            self.end_with(error);
        }
        self.operation.as_ref().and_then(|_| self.terms.until())
    }
}

#[cfg(test)]
pub(super) mod tests;
