//! Chooses the token for commands of the security officer, which go to the agent, beside the module.

use crate::Failure;
use crate::explain::OFFICER_LOCKED;
use crate::name::Name;
use keystead::internal::error::{Error, Reason};
use keystead::internal::token::{Slots, TokenInfo};

/// Explains an error of the security officer of the token with that label in that slot.
pub(crate) fn refused(error: Error, label: &str, slot: u64) -> Failure {
    let locked = error.reason() == Reason::PinLocked;
    let named = format_args!("the security officer of token {label:?} in slot {slot}");
    let failure = Failure::from(error.of(named));
    if locked { failure.hint(OFFICER_LOCKED) } else { failure }
}

/// Slot, label and serial number of the one token that is called so; of the only one where none is
/// named.
pub(crate) fn token_named(
    slots: &Slots,
    name: Option<&Name>,
) -> Result<(u64, String, String), Failure> {
    let mut fitting = Vec::new();
    let mut labels = Vec::new();
    for slot in slots.list()? {
        let TokenInfo { label: Some(label), serial, .. } = slots.info(slot)? else { continue };
        labels.push(format!("{label:?} (serial number {serial})"));
        if name.is_none_or(|name| name.is_token(slot, &label, &serial)) {
            fitting.push((slot, label, serial));
        }
    }
    let there_are = labels.join(", ");
    match (fitting.pop(), fitting.is_empty(), name) {
        (Some(one), true, _) => Ok(one),
        (Some(_), false, Some(_)) => Err(Failure::usage("more than one token has this label")
            .hint(format_args!("name it by its serial number: {there_are}"))),
        (Some(_), false, None) => Err(Failure::usage("the store has more than one token")
            .hint(format_args!("name one: {there_are}"))),
        (None, _, Some(name)) => Err(Failure::not_found(format_args!("there is no token {name}"))
            .hint(match labels.is_empty() {
                true => "the store has none".to_owned(),
                false => format!("there is: {there_are}"),
            })),
        (None, _, None) => {
            Err(Failure::not_found("the store has no token")
                .hint("`keystead init LABEL` makes one"))
        }
    }
}
