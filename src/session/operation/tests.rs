//! The life of operations, with rules that a test makes.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{AnyOperationSlot, Begun, Messages, OperationSlot, Rules, StepOutcome};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::InUse;
use crate::key::policy::{Purpose, Watch};
use std::cell::Cell;
use std::sync::Arc;

/// A login, and how many more times a key may be used.
pub(crate) struct Fixed(u64, Cell<u32>);

impl Rules for Fixed {
    fn login(&self) -> u64 {
        self.0
    }

    fn recheck(&self, key: &mut InUse) -> Result<()> {
        self.1.set(self.1.get().checked_sub(1).ok_or_else(|| key.gone())?);
        Ok(())
    }
}

pub(crate) fn under(login: u64) -> Fixed {
    Fixed(login, Cell::new(0))
}

fn key() -> InUse {
    let watch = Watch::Session(Arc::default());
    InUse { object: Id::new([1; 16]), purpose: Purpose::Digest, watch, until: None }
}

fn begun(private: bool) -> OperationSlot<u8> {
    let mut slot = OperationSlot::empty();
    slot.begin(1, || Ok(Begun { private, ..Begun::keyless(0) })).unwrap();
    slot
}

#[test]
fn it_goes_on_after_a_part_and_ends_with_the_last() {
    let mut slot = begun(true);
    assert_eq!(slot.step(&under(1), |_| Ok(StepOutcome::GoesOn)), Ok(()));
    assert_eq!(slot.step(&under(1), |_| Ok(StepOutcome::Over)), Ok(()));
    let ended = slot.step(&under(1), |_| Ok(StepOutcome::Over)).unwrap_err();
    assert_eq!(ended.reason(), Reason::OperationMissing);
}

#[test]
fn a_short_buffer_is_an_error_that_it_survives() {
    let mut slot = begun(true);
    let short = slot.step(&under(1), |_| Ok(StepOutcome::Short)).unwrap_err();
    assert_eq!(short.reason(), Reason::BufferTooSmall);
    assert!(slot.is_active(1));
}

#[test]
fn one_that_has_ended_between_two_steps_is_there_until_a_step_has_told_why() {
    let mut slot = begun(true);
    slot.end_with(Reason::KeyUnknown.into());
    assert!(slot.is_active(1) && !slot.is_active(2));
    let again = slot.begin(1, || Ok(Begun::keyless(0))).unwrap_err();
    assert_eq!(again.reason(), Reason::OperationActive);
    let step = |slot: &mut OperationSlot<u8>| {
        slot.step(&under(1), |_| unreachable!()).unwrap_err().reason()
    };
    assert_eq!([step(&mut slot), step(&mut slot)], [Reason::KeyUnknown, Reason::OperationMissing]);

    let mut slot = begun(true);
    slot.end_with(Reason::KeyUnknown.into());
    assert!(slot.cancel() && !slot.cancel());
}

#[test]
fn any_error_ends_it_even_one_that_names_a_short_buffer() {
    for reason in [Reason::DataInvalid, Reason::OperationActive, Reason::BufferTooSmall] {
        let mut slot = begun(true);
        assert_eq!(slot.step(&under(1), |_| Err(reason.into())).unwrap_err().reason(), reason);
        assert!(!slot.is_active(1));
    }
}

#[test]
fn a_call_that_only_looks_at_it_does_not_end_it_but_a_panic_does() {
    let mut slot = begun(true);
    let failed = slot.consult(&under(1), |_| Err(Reason::ArgumentsBad.into())).unwrap_err();
    assert_eq!(failed.reason(), Reason::ArgumentsBad);
    assert!(slot.is_active(1));
    let call = std::panic::AssertUnwindSafe(|| slot.consult(&under(1), |_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(call).is_err());
    assert!(!slot.is_active(1));
}

/// Messages of which one may be under way.
struct Talk(Option<()>);

impl Messages for Talk {
    type Message = ();

    fn under_way(&mut self) -> &mut Option<()> {
        &mut self.0
    }
}

/// Messages with a key that asks for the PIN, which has been proved.
fn talking(under_way: bool) -> OperationSlot<Talk> {
    let mut slot = OperationSlot::empty();
    let talk = Talk(under_way.then_some(()));
    let begun = || Ok(Begun { private: true, asks: true, ..Begun::keyless(talk) });
    slot.begin(1, begun).unwrap();
    slot.prove();
    slot
}

fn message(slot: &mut OperationSlot<Talk>, outcome: Result<StepOutcome>) -> Result<()> {
    slot.begin_message(&under(1), |_| Ok(()), |_| outcome)
}

fn next(slot: &mut OperationSlot<Talk>, outcome: Result<StepOutcome>) -> Result<()> {
    slot.next_of_message(&under(1), |_| outcome)
}

#[test]
fn what_fails_in_a_message_ends_the_message_and_a_panic_all_of_them() {
    let mut slot = talking(true);
    let failed = next(&mut slot, Err(Reason::DataInvalid.into())).unwrap_err();
    assert_eq!(failed.reason(), Reason::DataInvalid);
    slot.prove();
    let missing = next(&mut slot, Ok(StepOutcome::GoesOn)).unwrap_err();
    assert_eq!(missing.reason(), Reason::OperationMissing);
    assert!(slot.is_active(1) && !slot.waits(1));
    let call = std::panic::AssertUnwindSafe(|| {
        slot.begin_message(&under(1), |_| Ok(()), |_| panic!("on purpose"))
    });
    assert!(std::panic::catch_unwind(call).is_err());
    assert!(!slot.is_active(1));
}

#[test]
fn a_message_that_is_begun_out_of_turn_leaves_the_one_under_way() {
    let mut slot = talking(true);
    let refused = slot.begin_message(&under(1), |_| unreachable!(), |_| unreachable!());
    assert_eq!(refused.unwrap_err().reason(), Reason::OperationActive);
    assert_eq!(next(&mut slot, Ok(StepOutcome::GoesOn)), Ok(()));
}

#[test]
fn a_key_that_cannot_be_renewed_ends_all_messages() {
    let mut slot = talking(false);
    let renew = |_: &mut Talk| Err(Reason::KeyUnknown.into());
    assert!(slot.begin_message(&under(1), renew, |_| unreachable!()).is_err());
    assert!(!slot.is_active(1));
}

#[test]
fn a_panic_ends_it() {
    let mut slot = begun(true);
    let step = std::panic::AssertUnwindSafe(|| slot.step(&under(1), |_| panic!("on purpose")));
    assert!(std::panic::catch_unwind(step).is_err());
    assert!(!slot.is_active(1));
}

#[test]
fn a_second_begin_is_refused_and_the_first_operation_stays() {
    let mut slot = begun(true);
    let second = slot.begin(1, || unreachable!()).unwrap_err();
    assert_eq!(second.reason(), Reason::OperationActive);
    assert!(slot.is_active(1));
}

#[test]
fn a_begin_that_fails_leaves_nothing() {
    let mut slot = OperationSlot::<u8>::empty();
    assert!(slot.begin(1, || Err(Reason::KeyUnknown.into())).is_err());
    assert!(!slot.is_active(1));
}

#[test]
fn what_needs_a_login_ends_with_it() {
    let mut slot = begun(true);
    let ended = slot.step(&under(2), |_| unreachable!()).unwrap_err();
    assert_eq!(ended.reason(), Reason::OperationMissing);
    assert!(!slot.is_active(1), "it does not come back with an older login");
    let mut slot = begun(true);
    slot.forget(1);
    assert!(slot.is_active(1));
    slot.forget(2);
    assert!(!slot.is_active(1));
    let free = begun(true).begin(2, || Ok(Begun { private: true, ..Begun::keyless(0) }));
    assert_eq!(free, Ok(()), "its slot is free for the next");
}

#[test]
fn what_waits_for_the_pin_takes_no_step_before_it_and_asks_once() {
    let begin = || {
        let mut slot = OperationSlot::empty();
        slot.begin(1, || Ok(Begun { private: true, asks: true, ..Begun::keyless(0) })).unwrap();
        slot
    };
    let mut slot = begin();
    assert!(slot.waits(1) && !slot.waits(2));
    let refused = slot.step(&under(1), |_| unreachable!()).unwrap_err();
    assert_eq!(refused.reason(), Reason::NotLoggedIn);
    assert!(!slot.is_active(1), "as any error ends an operation");
    let mut slot = begin();
    slot.prove();
    assert!(!slot.waits(1));
    for _ in 0..2 {
        assert_eq!(slot.step(&under(1), |_| Ok(StepOutcome::GoesOn)), Ok(()));
    }
}

#[test]
fn each_message_waits_for_the_pin_once_the_one_before_is_over_or_has_failed() {
    for (outcome, waits) in
        [(StepOutcome::GoesOn, false), (StepOutcome::Short, false), (StepOutcome::Over, true)]
    {
        let mut slot = talking(false);
        assert_eq!(message(&mut slot, Ok(outcome)).is_err(), outcome == StepOutcome::Short);
        assert_eq!(slot.waits(1), waits, "{outcome:?}");
    }
    let mut slot = talking(false);
    assert!(message(&mut slot, Err(Reason::DataInvalid.into())).is_err());
    assert!(slot.waits(1));
    slot.prove();
    assert_eq!(message(&mut slot, Ok(StepOutcome::Over)), Ok(()));
    for _ in 0..2 {
        let refused = message(&mut slot, Ok(StepOutcome::Over)).unwrap_err();
        assert_eq!(refused.reason(), Reason::NotLoggedIn, "the messages wait");
    }
    slot.prove();
    assert_eq!(message(&mut slot, Ok(StepOutcome::Over)), Ok(()));
    let mut slot = OperationSlot::empty();
    slot.begin(1, || Ok(Begun::keyless(Talk(None)))).unwrap();
    assert_eq!(message(&mut slot, Ok(StepOutcome::Over)), Ok(()));
    assert!(!slot.waits(1), "where no key asks, no message waits");
}

#[test]
fn what_needs_no_login_does_not_mind_one_until_it_does() {
    let mut slot = begun(false);
    slot.forget(2);
    assert_eq!(slot.step(&under(2), |_| Ok(StepOutcome::GoesOn)), Ok(()));
    slot.bind(2, key());
    assert!(slot.is_active(2) && !slot.is_active(3));
}

#[test]
fn its_key_is_asked_for_before_each_step_and_each_part_of_a_message() {
    let step = |slot: &mut OperationSlot<Talk>, rules: &Fixed| {
        slot.step(rules, |_| Ok(StepOutcome::GoesOn))
    };
    let part = |slot: &mut OperationSlot<Talk>, rules: &Fixed| {
        slot.next_of_message(rules, |_| Ok(StepOutcome::GoesOn))
    };
    for go_on in [step as fn(&mut OperationSlot<Talk>, &Fixed) -> Result<()>, part] {
        let rules = Fixed(1, Cell::new(2));
        let mut slot = OperationSlot::empty();
        slot.begin(1, || Ok(Begun::keyless(Talk(Some(()))))).unwrap();
        slot.bind(1, key());
        go_on(&mut slot, &rules).unwrap();
        go_on(&mut slot, &rules).unwrap();
        assert_eq!(go_on(&mut slot, &rules).unwrap_err().reason(), Reason::KeyUnknown);
        assert!(!slot.is_active(1));
    }
}

#[test]
fn a_digest_asks_for_every_key_that_it_has_taken() {
    let mut slot = begun(false);
    slot.bind(1, key());
    slot.bind(1, key());
    let one = Fixed(1, Cell::new(1));
    assert_eq!(slot.step(&one, |_| unreachable!()).unwrap_err().reason(), Reason::KeyUnknown);
}
