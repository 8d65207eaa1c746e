//! The life of an operation, one rule for all kinds: a step takes the operation out of its place;
//! only a length query, an update or a short buffer puts it back; an error, the last step or a panic
//! ends it, and so does the end of the login that its key needs.

use super::output::Filled;
use crate::error::{Reason, Result};
use crate::key::UsableKey;

/// The place for one kind of operation in a session.
pub struct Place<O> {
    active: Option<Active<O>>,
}

struct Active<O> {
    operation: O,
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
    /// Whether it works with what only a login shows, and so ends with the login.
    pub private: bool,
    /// Whether its key asks for the PIN before the first step.
    pub asks: bool,
}

impl<O> Begun<O> {
    /// An operation with a key.
    pub fn with(key: &UsableKey, operation: O) -> Self {
        Self { operation, private: key.private, asks: key.always_authenticate }
    }

    /// An operation that no key is needed for.
    pub fn keyless(operation: O) -> Self {
        Self { operation, private: false, asks: false }
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
        let Begun { operation, private, asks } = begin()?;
        let login = private.then_some(login);
        self.active = Some(Active { operation, login, asks, waits: asks });
        Ok(())
    }

    /// Runs one step of the operation, under the login counted as `login`.
    pub fn step(&mut self, login: u64, step: impl FnOnce(&mut O) -> Result<Life>) -> Result<()> {
        let mut active = self.take(login)?;
        let life = step(&mut active.operation)?;
        if life != Life::Over {
            self.active = Some(active);
        }
        life.told()
    }

    /// Runs a step of one of the operation's messages. What is over then, or fails, is the message:
    /// the next one is another use of the key, and waits for the PIN again (PKCS#11 3.1, 4.9).
    pub fn visit(&mut self, login: u64, step: impl FnOnce(&mut O) -> Result<Life>) -> Result<()> {
        let mut active = self.take(login)?;
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

    fn take(&mut self, login: u64) -> Result<Active<O>> {
        match self.active.take().filter(|active| active.holds(login)) {
            Some(active) if active.waits => {
                Err(Reason::NotLoggedIn.detail("the key asks for the PIN at each use"))
            }
            Some(active) => Ok(active),
            None => Err(Reason::OperationMissing.into()),
        }
    }

    /// From here on the operation works with what only the login counted as `login` shows.
    pub fn bind(&mut self, login: u64) {
        if let Some(active) = &mut self.active {
            active.login = Some(login);
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
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{AnyPlace, Begun, Life, Place};
    use crate::error::Reason;

    fn begun(private: bool) -> Place<u8> {
        let mut place = Place::empty();
        place.begin(1, || Ok(Begun { operation: 0, private, asks: false })).unwrap();
        place
    }

    #[test]
    fn it_goes_on_after_a_part_and_ends_with_the_last() {
        let mut place = begun(true);
        assert_eq!(place.step(1, |_| Ok(Life::GoesOn)), Ok(()));
        assert_eq!(place.step(1, |_| Ok(Life::Over)), Ok(()));
        let ended = place.step(1, |_| Ok(Life::Over)).unwrap_err();
        assert_eq!(ended.reason(), Reason::OperationMissing);
    }

    #[test]
    fn a_short_buffer_is_an_error_that_it_survives() {
        let mut place = begun(true);
        let short = place.step(1, |_| Ok(Life::Short)).unwrap_err();
        assert_eq!(short.reason(), Reason::BufferTooSmall);
        assert!(place.is_active(1));
    }

    #[test]
    fn any_error_ends_it_even_one_that_names_a_short_buffer() {
        for reason in [Reason::DataInvalid, Reason::OperationActive, Reason::BufferTooSmall] {
            let mut place = begun(true);
            assert_eq!(place.step(1, |_| Err(reason.into())).unwrap_err().reason(), reason);
            assert!(!place.is_active(1));
        }
    }

    #[test]
    fn what_fails_within_it_does_not_end_it_but_a_panic_does() {
        let mut place = begun(true);
        let failed = place.visit(1, |_| Err(Reason::DataInvalid.into())).unwrap_err();
        assert_eq!(failed.reason(), Reason::DataInvalid);
        assert!(place.is_active(1));
        let visit = std::panic::AssertUnwindSafe(|| place.visit(1, |_| panic!("on purpose")));
        assert!(std::panic::catch_unwind(visit).is_err());
        assert!(!place.is_active(1));
    }

    #[test]
    fn a_panic_ends_it() {
        let mut place = begun(true);
        let step = std::panic::AssertUnwindSafe(|| place.step(1, |_| panic!("on purpose")));
        assert!(std::panic::catch_unwind(step).is_err());
        assert!(!place.is_active(1));
    }

    #[test]
    fn a_second_begin_is_refused_and_the_first_operation_stays() {
        let mut place = begun(true);
        let second = place.begin(1, || unreachable!()).unwrap_err();
        assert_eq!(second.reason(), Reason::OperationActive);
        assert!(place.is_active(1));
    }

    #[test]
    fn a_begin_that_fails_leaves_nothing() {
        let mut place = Place::<u8>::empty();
        assert!(place.begin(1, || Err(Reason::KeyUnknown.into())).is_err());
        assert!(!place.is_active(1));
    }

    #[test]
    fn what_needs_a_login_ends_with_it() {
        let mut place = begun(true);
        let ended = place.step(2, |_| unreachable!()).unwrap_err();
        assert_eq!(ended.reason(), Reason::OperationMissing);
        assert!(!place.is_active(1), "it does not come back with an older login");
        let mut place = begun(true);
        place.forget(1);
        assert!(place.is_active(1));
        place.forget(2);
        assert!(!place.is_active(1));
        let free = begun(true).begin(2, || Ok(Begun { operation: 0, private: true, asks: false }));
        assert_eq!(free, Ok(()), "its place is free for the next");
    }

    #[test]
    fn what_waits_for_the_pin_takes_no_step_before_it_and_asks_once() {
        let begin = || {
            let mut place = Place::empty();
            place.begin(1, || Ok(Begun { operation: 0, private: true, asks: true })).unwrap();
            place
        };
        let mut place = begin();
        assert!(place.waits(1) && !place.waits(2));
        let refused = place.step(1, |_| unreachable!()).unwrap_err();
        assert_eq!(refused.reason(), Reason::NotLoggedIn);
        assert!(!place.is_active(1), "as any error ends an operation");
        let mut place = begin();
        place.prove();
        assert!(!place.waits(1));
        for _ in 0..2 {
            assert_eq!(place.step(1, |_| Ok(Life::GoesOn)), Ok(()));
        }
    }

    #[test]
    fn each_message_waits_for_the_pin_once_the_one_before_is_over_or_has_failed() {
        let begin = || {
            let mut place = Place::empty();
            place.begin(1, || Ok(Begun { operation: 0, private: true, asks: true })).unwrap();
            place.prove();
            place
        };
        for (life, waits) in [(Life::GoesOn, false), (Life::Short, false), (Life::Over, true)] {
            let mut place = begin();
            assert_eq!(place.visit(1, |_| Ok(life)).is_err(), life == Life::Short);
            assert_eq!(place.waits(1), waits, "{life:?}");
        }
        let mut place = begin();
        assert!(place.visit(1, |_| Err(Reason::OperationActive.into())).is_err());
        assert!(!place.waits(1), "a call out of turn");
        assert!(place.visit(1, |_| Err(Reason::DataInvalid.into())).is_err());
        assert!(place.waits(1));
        place.prove();
        assert_eq!(place.visit(1, |_| Ok(Life::Over)), Ok(()));
        let refused = place.visit(1, |_| unreachable!()).unwrap_err();
        assert_eq!(refused.reason(), Reason::NotLoggedIn);
        assert!(!place.is_active(1), "as any step without the PIN ends an operation");
        let mut place = begun(true);
        assert_eq!(place.visit(1, |_| Ok(Life::Over)), Ok(()));
        assert!(!place.waits(1), "where no key asks, no message waits");
    }

    #[test]
    fn what_needs_no_login_does_not_mind_one_until_it_does() {
        let mut place = begun(false);
        place.forget(2);
        assert_eq!(place.step(2, |_| Ok(Life::GoesOn)), Ok(()));
        place.bind(2);
        assert!(place.is_active(2) && !place.is_active(3));
    }
}
