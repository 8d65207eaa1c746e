//! `keystead fleet invite`: makes the code by which another host joins.

use super::shared;
use crate::{Failure, Global, output};
use keystead::internal::clock::{Seconds, exact_timestamp, seconds_of_span};
use keystead::internal::wire::{Request, Response};
use serde_json::json;
use std::io::Write;

/// Print the code by which another host joins the fleet, once and within a time
///
/// The code makes a host of the fleet of any machine that reaches etcd: carry it as a secret. `keystead fleet join` on the
/// other host takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The time for which the code counts, 1s to 24h
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = valid_for)]
    valid_for: Seconds,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let seconds = self.valid_for;
        let Response::Invitation { code, expires } =
            shared::ask(global, &Request::Invite { seconds })?
        else {
            return Err(shared::unexpected());
        };
        match global.json {
            true => {
                let text = String::from_utf8_lossy(code.expose());
                output::json(&json!({ "code": text, "expires": exact_timestamp(expires)? }))
            }
            false => {
                let mut out = output::for_data()?;
                let written = out.write_all(code.expose()).and_then(|()| out.write_all(b"\n"));
                written.map_err(|error| output::lost(&error))
            }
        }
    }
}

fn valid_for(text: &str) -> Result<Seconds, String> {
    let seconds = seconds_of_span(text).filter(|seconds| (1..=24 * 3600).contains(seconds));
    seconds.ok_or_else(|| "not a time from 1s to 24h".to_owned())
}
