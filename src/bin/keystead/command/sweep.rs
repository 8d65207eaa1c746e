//! `keystead sweep`: erases what is due, where no agent stays to do it.

use crate::{Failure, Global, output};
use keystead::internal::error::Reason;
use keystead::internal::wire::{AgentLocation, Link, Request, Response};
use serde_json::json;

/// Erase all material whose time has come, now
///
/// The agent does this by itself as long as it runs. Where none may stay, a timer runs this every hour.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let link = Link::new(AgentLocation::of(&global.store()?));
        let Response::Swept { erased, ended } = link.ask(&Request::Sweep)? else {
            return Err(Reason::AgentRefuses
                .detail("it answers a sweep with something else")
                .into());
        };
        match global.json {
            true => output::done_json(&json!({ "erased": erased, "ended": ended })),
            false => output::text(format_args!(
                "erased the material of custom keys: {erased}\nended ordinary keys: {ended}\n"
            ))
            .map_err(output::though_done),
        }
    }
}
