//! Checks of what only an agent tells: that it answers, its limits, the clock, the audit log.

use super::super::audit;
use super::Arguments;
use super::finding::{Finding, WRITTEN, note, problem, well};
use super::store::may_look;
use super::tokens::{examine, tokens};
use crate::{Failure, Global};
use keystead::internal::agent::allowance::Allowance;
use keystead::internal::clock::{SystemClock, TOLERANCE, timestamp};
use keystead::internal::config::Config;
use keystead::internal::module::token_settings;
use keystead::internal::presence::by_owner;
use keystead::internal::token::Slots;
use keystead::internal::wire::process::AgentProcess;
use keystead::internal::wire::{AgentLocation, Link, Request, Response};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// The remedy where the agent cannot write a file.
const UNIT: &str = "give the store's owner the right to write there; where systemd starts the agent, it writes what its \
                    unit lists alone: `keystead systemd --out /etc/systemd/system` prints units for the configuration as it \
                    is, then `systemctl daemon-reload`, and end the agent";

impl Arguments {
    pub(super) fn agent(&self, global: &Global, config: &Config) -> Vec<Finding> {
        let slots = Slots::new(
            Link::new(AgentLocation::of(config)),
            Arc::new(SystemClock),
            token_settings(config),
        );
        let (clock, mark) = match slots.clock() {
            Ok(times) => times,
            Err(error) => return vec![problem("agent", error.into())],
        };
        let mut findings = vec![well("agent", "it answers".to_owned())];
        findings.extend(limits(&config.directory));
        findings.push(match mark.saturating_sub(clock) {
            ..=TOLERANCE => well("clock", "not behind the latest time the store has seen".to_owned()),
            behind => problem(
                "clock",
                Failure::new(format_args!(
                    "it shows {}, {behind} s behind the latest time the store has seen, {}, by which \
                     keys expire",
                    timestamp(clock),
                    timestamp(mark)
                ))
                .hint("set the clock; if it is right now, `keystead clock --accept`"),
            ),
        });
        if config.directory.metadata().is_ok_and(|it| may_look(&it)) {
            findings.extend(troubles(config));
            findings.push(audit_log(config));
        }
        let tokens = match tokens(&slots) {
            Ok(tokens) => tokens,
            Err(error) => return [findings, vec![problem("tokens", error.into())]].concat(),
        };
        findings.extend(examine(global, config, &tokens));
        if self.token.brings_pin() {
            findings.extend(self.aliases(global));
        }
        findings
    }
}

/// Finds a limit of the agent that it inherited from the process that started it, and could not raise.
fn limits(directory: &Path) -> Option<Finding> {
    let process = AgentProcess::of(directory, || None)?.number();
    let shortfalls = Allowance::of(process)?.shortfalls();
    let owner = directory.metadata().map_or(0, |about| about.uid());
    let end = by_owner(&format!("kill {process}"), owner);
    let mend = format!(
        "a program with higher limits that uses the store starts another; `{end}` ends this one"
    );
    let said = || format!("it {}, as the program that started it", shortfalls.join(", "));
    (!shortfalls.is_empty()).then(|| note("agent", said(), mend))
}

/// The trouble of a fleet's host, and what ends it.
const OF_FLEET: &str = "fleet";
const IN_TOUCH: &str =
    "see to etcd, to the way there, and to the clocks of the fleet's hosts; the log tells more";

/// Finds what the agent itself cannot do, or write: what this program sees of a file says little of a service that is
/// confined.
fn troubles(config: &Config) -> Vec<Finding> {
    // An agent of an earlier version knows of none.
    let answer = Link::new(AgentLocation::of(config)).ask(&Request::Troubles);
    let Ok(Response::Troubles(troubles)) = answer else { return Vec::new() };
    let of = |(key, why): (String, String)| {
        if key == OF_FLEET {
            return Some(problem("fleet", Failure::new(why).hint(IN_TOUCH)));
        }
        let about = WRITTEN.into_iter().find(|about| *about == key)?;
        let failure = Failure::new(format_args!("the agent cannot write it: {why}"));
        Some(problem(about, failure.hint(UNIT)))
    };
    troubles.into_iter().filter_map(of).collect()
}

fn audit_log(config: &Config) -> Finding {
    match audit::check(config) {
        Ok(_) => well("audit log", "it is whole".to_owned()),
        Err(failure) => problem("audit log", failure),
    }
}
