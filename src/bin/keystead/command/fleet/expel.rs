//! `keystead fleet expel`: takes a host out of the fleet.

use super::shared;
use crate::{Failure, Global, output};
use keystead::internal::wire::{Request, Response};
use serde_json::json;

/// Expel a host from the fleet, for good
///
/// From then on it changes nothing, and its keys can be used for `offline_grace` at most. Its disk keeps what it held: end
/// its user in etcd, change the PINs, rotate the keys. To come back it joins as a new host, with an empty directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The host's name, or its identity, as `keystead fleet status` shows them
    host: String,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let named = self.host.clone();
        let Response::Expelled(host) = shared::ask(global, &Request::Expel { host: named })? else {
            return Err(shared::unexpected());
        };
        match global.json {
            true => output::done_json(&json!({ "host": host.to_string() })),
            false => output::done(format_args!(
                "expelled: {}\nIts disk keeps what it held: end its user in etcd, change the PINs, rotate the keys.",
                output::printable(&self.host)
            )),
        }
    }
}
