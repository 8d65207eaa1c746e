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
use keystead::internal::module::token_settings;
use keystead::internal::token::Slots;
use keystead::internal::wire::process::AgentProcess;
use keystead::internal::wire::{AgentLocation, Link};
use std::path::Path;
use std::sync::Arc;

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

fn audit_log(config: &Config) -> Finding {
    match audit::check(config) {
        Ok(_) => well("audit log", "it is whole".to_owned()),
        Err(failure) => problem("audit log", failure),
    }
}
