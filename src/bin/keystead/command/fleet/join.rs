//! `keystead fleet join`: has this host join the fleet, under the code of an invitation. The code comes as a PIN does, and
//! never as an argument, which all users of the machine can read: within its time it makes a host of any machine.

use super::shared::{self, HostName};
use crate::pin::{InvitationCode, PinOptions};
use crate::{Failure, Global, output};
use keystead::internal::agent::join_fleet;
use keystead::internal::wire::{AgentLocation, HostState, Link};
use serde_json::json;
use std::time::{Duration, Instant};

/// Have this host join the fleet, under the code that `keystead fleet invite` printed on another
///
/// The configuration names the members of the fleet's etcd and the path in it, and the agent's own directory on this host,
/// which must be empty or not there. The agent is started, and another host sends it what it needs to use the keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: HostName,
    #[command(flatten)]
    code: InvitationCode,
}

/// The time in which another host sends everything where nothing stands in its way.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause before the agent is asked again.
const PAUSE: Duration = Duration::from_millis(200);

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = shared::configuration(global)?;
        let (code, name) = (self.code.read()?, self.name.chosen()?);
        {
            let lock = shared::lock(&config)?;
            join_fleet(&lock, code.text(), &name)?;
        }
        let state = await_enrolment(&Link::new(AgentLocation::of(&config)))?;
        let is_enrolled = state == HostState::Enrolled;
        match (global.json, is_enrolled) {
            (true, _) => output::done_json(&json!({ "name": name, "enrolled": is_enrolled })),
            (false, true) => output::done(format_args!("joined: {name}")),
            (false, false) => output::done(format_args!(
                "joined: {name}, which is still being sent the fleet's secrets; `keystead fleet status` says when it is \
                 enrolled"
            )),
        }
    }
}

/// Waits until the own host has been sent everything, for a time, and returns its place in the fleet.
fn await_enrolment(link: &Link) -> Result<HostState, Failure> {
    let began = Instant::now();
    loop {
        let status = shared::status(link)?;
        let own = status.hosts.iter().find(|host| host.host == status.own);
        let state = own.map_or(HostState::Expelled, |own| own.state);
        if state != HostState::Listed || began.elapsed() > PATIENCE {
            return Ok(state);
        }
        // No answer of the agent waits for it.
        std::thread::sleep(PAUSE);
    }
}
