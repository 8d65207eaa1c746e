//! The parts that several commands on a fleet share: the configuration, this host's own directory, its name, its agent.

use super::super::{agent, directory};
use crate::{Failure, Global, serving};
use keystead::internal::agent::{Claim, Lock, allowance, claim};
use keystead::internal::config::Config;
use keystead::internal::error::Reason;
use keystead::internal::sys;
use keystead::internal::wire::{AgentLocation, FleetStatus, Link, Request, Response};
use std::fs;

/// The name of a host that founds a fleet, or joins one.
#[derive(Debug, clap::Args)]
pub(crate) struct HostName {
    /// The host's name, for people, 1 to 64 bytes; no other host of the fleet may have it [default: the machine's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl HostName {
    /// Returns the name that is given, or the machine's.
    pub(super) fn chosen(&self) -> Result<String, Failure> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned()),
        }
    }
}

/// Returns the configuration of a host of a fleet. Fails where it names a store of this machine.
pub(super) fn configuration(global: &Global) -> Result<Config, Failure> {
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

/// Makes this host's own directory where it is not there, and locks it. Fails where an agent serves it.
pub(super) fn lock(config: &Config) -> Result<Lock, Failure> {
    serving::make_files_private();
    let group = config.group.as_deref().map(agent::group).transpose()?;
    directory::make_all(config, group)?;
    allowance::lift_limits()?;
    sys::ignore_size_signal();
    match claim(&config.directory)? {
        Claim::Served => Err(serving::in_use(&config.directory)),
        Claim::Ours(lock) => Ok(lock.with_records(config.store.clone())),
    }
}

/// Asks this host's agent something about its fleet, and starts it where none serves.
pub(super) fn ask(global: &Global, request: &Request) -> Result<Response, Failure> {
    Ok(Link::new(AgentLocation::of(&configuration(global)?)).ask(request)?)
}

/// Returns the status of the fleet as this host's agent knows it.
pub(super) fn status(link: &Link) -> Result<FleetStatus, Failure> {
    match link.ask(&Request::FleetStatus)? {
        Response::FleetStatus(status) => Ok(status),
        _ => Err(unexpected()),
    }
}

/// The failure of an agent that answers something else than it was asked for.
pub(super) fn unexpected() -> Failure {
    Reason::AgentRefuses.detail("it answers a question about the fleet with something else").into()
}
