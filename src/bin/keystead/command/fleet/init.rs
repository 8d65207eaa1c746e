//! `keystead fleet init`: makes the store of a new fleet, with this host as its only one.

use super::super::{agent, directory};
use crate::{Failure, Global, output, serving};
use keystead::internal::agent::{Claim, allowance, claim, make_fleet};
use keystead::internal::config::Config;
use keystead::internal::presence;
use keystead::internal::sys;
use serde_json::json;

/// Make the store of a new fleet, with this host as its only one
///
/// The configuration names the members of an etcd and a path in it, below which nothing may lie yet, and the agent's
/// own directory on this host, which must be empty or not there. `keystead init` makes the first token then.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = configuration(global)?;
        serving::make_files_private();
        presence::check_place(&config.directory)?;
        let group = config.group.as_deref().map(agent::group).transpose()?;
        directory::make_all(&config, group)?;
        allowance::lift_limits()?;
        sys::ignore_size_signal();
        match claim(&config.directory)? {
            Claim::Served => return Err(serving::in_use(&config.directory)),
            Claim::Ours(lock) => make_fleet(&lock.with_records(config.store.clone()))?,
        }
        let (store, directory) = (config.store.to_string(), config.directory.display().to_string());
        match global.json {
            true => output::json(&json!({ "store": store, "agent_directory": directory })),
            false => output::done(format_args!("a fleet of one host: {store}, {directory}")),
        }
    }
}

/// Returns the configuration of a host of a fleet. Fails where it names a store of this machine.
fn configuration(global: &Global) -> Result<Config, Failure> {
    let config = global.configuration()?;
    match config.store.is_shared() {
        true => Ok(config),
        false => {
            let message = format_args!("{} is a store of this machine alone", config.store);
            Err(Failure::usage(message).hint(
                "`store = \"etcd://host:port,host:port/prefix\"` with `agent_directory` in the configuration names \
                 a fleet's",
            ))
        }
    }
}
