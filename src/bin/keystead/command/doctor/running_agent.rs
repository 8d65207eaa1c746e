//! Checks of what only an agent tells: that it answers, its limits, the clock, the audit log.

use super::super::audit;
use super::Arguments;
use super::finding::{Finding, note, problem, well};
use super::store::may_look;
use super::tokens::{examine, tokens};
use crate::{Failure, Global};
use keystead::internal::agent::allowance::Allowance;
use keystead::internal::clock::{SystemClock, TOLERANCE, timestamp};
use keystead::internal::config::Config;
use keystead::internal::file_names::LOCK;
use keystead::internal::module::token_settings;
use keystead::internal::token::Slots;
use keystead::internal::wire::process::AgentProcess;
use keystead::internal::wire::{AgentLocation, Link};
use rustix::process::geteuid;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
        findings.extend(unwritten(config));
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
        let directory = config.directory.metadata();
        findings.extend(directory.is_ok_and(|it| may_look(&it)).then(|| audit_log(config)));
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
    let mend = format!(
        "a program with higher limits that uses the store starts another; `kill {process}` ends this one"
    );
    let said = || format!("it {}, as the program that started it", shortfalls.join(", "));
    (!shortfalls.is_empty()).then(|| note("agent", said(), mend))
}

/// The time in which a running agent writes the figures, and more.
const FIGURES: Duration = Duration::from_secs(180);

/// Finds figures that the agent, which looks with other eyes than this process, does not write.
fn unwritten(config: &Config) -> Option<Finding> {
    let file = config.metrics.as_ref()?;
    let owner = config.directory.metadata().ok()?.uid();
    let is_old = |path: &Path| {
        let changed = path.metadata().and_then(|about| about.modified()).ok();
        changed.is_none_or(|at| at.elapsed().is_ok_and(|age| age > FIGURES))
    };
    // An agent touches its lock when it begins.
    let runs_long = is_old(&config.directory.join(LOCK));
    (geteuid().as_raw() == owner && runs_long && is_old(file)).then(|| {
        let message = format_args!("{}: the agent does not write it", file.display());
        let hint = "its log says why, or it began before `metrics` was set; where systemd starts it, it may write what \
            its unit lists alone: `keystead systemd --out /etc/systemd/system` prints units for the configuration as it is";
        problem("metrics", Failure::new(message).hint(hint))
    })
}

fn audit_log(config: &Config) -> Finding {
    match audit::check(config) {
        Ok(_) => well("audit log", "it is whole".to_owned()),
        Err(failure) => problem("audit log", failure),
    }
}
