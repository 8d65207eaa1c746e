//! `keystead fleet status`: the hosts of the fleet, and the erasures, as this host's agent knows them.

use super::shared;
use crate::output::{self, printable};
use crate::{Failure, Global};
use keystead::internal::clock::{Seconds, exact_timestamp};
use keystead::internal::wire::{AgentLocation, FleetStatus, HostState, HostStatus, Link};
use serde_json::{Value, json};

/// Show the hosts of the fleet, and how far each has followed and erased
///
/// BEHIND is the number of commits that the host had not followed at its last heartbeat, of those that this one knows by
/// now. ERASED is the commit up to which nothing that was erased can be had from the host any more. The time of a
/// heartbeat is by the host's own clock.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

const HEADER: [&str; 6] = ["HOST", "STATE", "HEARTBEAT", "BEHIND", "ERASED", "VERSION"];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let link = Link::new(AgentLocation::of(&shared::configuration(global)?));
        let status = shared::status(&link)?;
        match global.json {
            true => output::json(&told(&status)?),
            false => output::text(shown(&status)?),
        }
    }
}

fn told(status: &FleetStatus) -> Result<Value, Failure> {
    let hosts = status.hosts.iter().map(|host| {
        let beat = host.heartbeat.as_ref();
        Ok(json!({
            "host": host.host.to_string(), "name": host.name, "state": state(host.state),
            "own": host.host == status.own, "erased_through": host.erased_through,
            "heartbeat": beat.map(|beat| exact_timestamp(beat.clock)).transpose()?,
            "applied": beat.map(|beat| beat.applied), "behind": behind(status, host),
            "version": beat.map(|beat| &beat.version),
        }))
    });
    let erasures = status.erasures.iter();
    let erasures =
        erasures.map(|(it, count)| json!({ "status": it.to_string(), "secrets": count }));
    Ok(json!({
        "fleet": status.fleet.to_string(), "applied": status.applied,
        "offline_grace_left_seconds": status.word_left,
        "hosts": hosts.collect::<Result<Vec<Value>, Failure>>()?,
        "erasures": erasures.collect::<Vec<Value>>(),
    }))
}

fn shown(status: &FleetStatus) -> Result<String, Failure> {
    let rows = status.hosts.iter().map(|host| row(status, host));
    let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
    let mut text = output::table(HEADER, &rows, &[5, 4]);
    text.push_str(&word(status.word_left));
    for (erasure, count) in &status.erasures {
        let erasure = printable(erasure.to_string());
        text.push_str(&format!("secrets of deleted or expired keys: {count} {erasure}\n"));
    }
    Ok(text)
}

fn row(status: &FleetStatus, host: &HostStatus) -> Result<[String; HEADER.len()], Failure> {
    let own = if host.host == status.own { " (this host)" } else { "" };
    let beat = host.heartbeat.as_ref();
    let time = beat.map(|beat| exact_timestamp(beat.clock)).transpose()?;
    Ok([
        printable(&host.name) + own,
        state(host.state).to_owned(),
        time.map_or_else(String::new, |time| time.to_string()),
        behind(status, host).map_or_else(String::new, |behind| behind.to_string()),
        host.erased_through.to_string(),
        beat.map_or_else(String::new, |beat| printable(&beat.version)),
    ])
}

/// Returns the number of commits that a host had not followed at its last heartbeat.
fn behind(status: &FleetStatus, host: &HostStatus) -> Option<u64> {
    host.heartbeat.as_ref().map(|beat| status.applied.saturating_sub(beat.applied))
}

fn word(left: Seconds) -> String {
    match left {
        0 => "this host is cut off from its fleet, and `offline_grace` is over\n".to_owned(),
        left => {
            format!("without a word from etcd this host's keys can be used for {left} s more\n")
        }
    }
}

fn state(state: HostState) -> &'static str {
    match state {
        HostState::Listed => "joining",
        HostState::Enrolled => "enrolled",
        HostState::Expelled => "expelled",
    }
}
