//! `keystead fleet init`: makes the store of a new fleet, with this host as its only one.

use super::shared::{self, HostName};
use crate::{Failure, Global, output};
use keystead::internal::agent::make_fleet;
use keystead::internal::presence;
use serde_json::json;

/// Make the store of a new fleet, with this host as its only one
///
/// The configuration names the members of an etcd and a path in it, below which nothing may lie yet, and the agent's
/// own directory on this host, which must be empty or not there. `keystead init` makes the first token then.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: HostName,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = shared::configuration(global)?;
        presence::check_place(&config.directory)?;
        make_fleet(&shared::lock(&config)?, &self.name.chosen()?)?;
        let (store, directory) = (config.store.to_string(), config.directory.display().to_string());
        match global.json {
            true => output::json(&json!({ "store": store, "agent_directory": directory })),
            false => output::done(format_args!("a fleet of one host: {store}, {directory}")),
        }
    }
}
