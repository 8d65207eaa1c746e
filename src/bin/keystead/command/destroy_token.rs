//! `keystead destroy-token`: the explicit end of everything in a token, which `C_InitToken` is not.

use crate::officer;
use crate::pin::OfficerPin;
use crate::{Failure, Global, output, terminal};
use keystead::internal::clock::SystemClock;
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
    /// The token's label or serial number
    #[arg(value_name = "TOKEN")]
    name: String,
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
            .map_err(|error| officer::refused(error, &label, slot))?;
        match global.json {
            true => {
                let report = json!({ "label": label, "serial": serial, "records": records });
                output::json(&report)
            }
            false => output::line(format_args!(
                "destroyed: {label} (serial number {serial}) and the {records} objects in it"
            )),
        }
    }
}

fn confirm(label: &str) -> Result<(), Failure> {
    if !terminal::there_is_one() {
        return Err(Failure::new("there is no terminal to ask for the token's label, to be sure")
            .hint("--yes does not ask"));
    }
    let prompt = format!("This ends {label:?} and all its keys for good. Type its label to go on");
    match terminal::shown(&prompt)? == label {
        true => Ok(()),
        false => Err(Failure::new("that is not the token's label; nothing was changed")
            .hint(format_args!("the label is {label:?}, letter by letter"))),
    }
}
