//! `keystead destroy-token`: the explicit end of everything in a token, which `C_InitToken` is not.

use crate::name::Name;
use crate::officer;
use crate::pin::{OfficerPin, PinOptions};
use crate::{Failure, Global, output, terminal};
use keystead::internal::clock::SystemClock;
use keystead::internal::error::{Error, Reason};
use keystead::internal::module::token_settings;
use keystead::internal::token::Slots;
use keystead::internal::wire::{AgentLocation, Link};
use serde_json::json;
use std::sync::Arc;

/// End a token with everything in it, for good: custom keys, their metadata, all objects
///
/// It asks for the token's label, to be sure, and for the security officer's PIN.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The token's label, serial number or PKCS#11 URI
    #[arg(value_name = "TOKEN", value_parser = Name::of_token)]
    name: Name,
    #[command(flatten)]
    officer: OfficerPin,
    /// Do not ask for the label
    #[arg(long)]
    yes: bool,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.store()?;
        let link = Link::new(AgentLocation::of(&config));
        let slots = Slots::new(link, Arc::new(SystemClock), token_settings(&config));
        let (slot, label, serial) = officer::token_named(&slots, Some(&self.name))?;
        if !self.yes {
            confirm(&label)?;
        }
        let records = slots
            .destroy_token(slot, &label, self.officer.read()?.bytes())
            .map_err(|error| unfinished(error, &label, slot))?;
        match global.json {
            true => {
                let report = json!({ "label": label, "serial": serial, "records": records });
                output::done_json(&report)
            }
            false => output::done(format_args!(
                "destroyed: {label} (serial number {serial}) and the {records} objects in it"
            )),
        }
    }
}

/// A failure that says, where the disk has filled, that an end which had begun goes on by itself.
fn unfinished(error: Error, label: &str, slot: u64) -> Failure {
    let full = error.reason() == Reason::StoreFull;
    let failure = officer::refused(error, label, slot);
    match full {
        true => failure.also("what has begun to end goes on by itself once there is room"),
        false => failure,
    }
}

fn confirm(label: &str) -> Result<(), Failure> {
    if !terminal::there_is_one() {
        return Err(Failure::usage(
            "there is no terminal to ask for the token's label, to be sure",
        )
        .hint("--yes does not ask"));
    }
    let prompt = format!("This ends {label:?} and all its keys for good. Type its label to go on");
    match terminal::shown(&prompt)? == label {
        true => Ok(()),
        false => Err(Failure::new("that is not the token's label; nothing was changed")
            .hint(format_args!("the label is {label:?}, letter by letter"))),
    }
}

#[cfg(test)]
mod tests {
    use super::unfinished;
    use keystead::internal::error::Reason;

    #[test]
    fn an_end_that_a_full_disk_interrupts_is_said_to_go_on_by_itself() {
        let said = |reason: Reason| unfinished(reason.into(), "t", 0).message();
        assert!(said(Reason::StoreFull).contains("goes on by itself once there is room"));
        assert!(!said(Reason::PinIncorrect).contains("by itself"));
    }
}
