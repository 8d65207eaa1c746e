//! `keystead clock`: the clock against the latest time the store has seen, and how to go back to it.

use crate::name::Name;
use crate::pin::{OfficerPin, PinOptions};
use crate::{Failure, Global, officer, output};
use keystead::internal::clock::{Seconds, SystemClock, TOLERANCE, exact_timestamp};
use keystead::internal::module::token_settings;
use keystead::internal::token::Slots;
use keystead::internal::wire::{AgentLocation, Link};
use serde_json::json;
use std::sync::Arc;

/// Show the clock and the latest time the store has seen, which decides about expiries
///
/// Time never runs backwards for a store: after a clock that was ahead, it goes on from the latest time that
/// clock showed, and keys expire and are imported by that. With --accept the store takes the clock's time
/// again. What has been erased stays erased.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Let the store take the clock's time; a token's security officer may
    #[arg(long)]
    accept: bool,
    /// The token's label, serial number or PKCS#11 URI, where the store has several
    #[arg(long, value_name = "TOKEN", requires = "accept", value_parser = Name::of_token)]
    token: Option<Name>,
    #[command(flatten)]
    officer: OfficerPin,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.store()?;
        let link = Link::new(AgentLocation::of(&config));
        let slots = Slots::new(link, Arc::new(SystemClock), token_settings(&config));
        let (clock, mark) = match self.accept {
            false => slots.clock()?,
            true => {
                let (slot, label, _) = officer::token_named(&slots, self.token.as_ref())?;
                let accepted = slots.accept_clock(slot, self.officer.read()?.bytes());
                accepted.map_err(|error| officer::refused(error, &label, slot))?
            }
        };
        show(global, clock, mark)
    }
}

fn show(global: &Global, clock: Seconds, mark: Seconds) -> Result<(), Failure> {
    let (shown, latest) = (exact_timestamp(clock)?, exact_timestamp(mark)?);
    let behind = mark.saturating_sub(clock);
    if global.json {
        let report = json!({ "clock": shown, "latest": latest, "behind_seconds": behind });
        return output::json(&report);
    }
    output::line(format_args!("clock:        {shown}"))?;
    output::line(format_args!("latest seen:  {latest}"))?;
    match behind {
        ..=TOLERANCE => Ok(()),
        _ => output::line(format_args!(
            "The clock is {behind} s behind what the store has seen. If it is right now, \
             `keystead clock --accept` goes back to it."
        )),
    }
}
