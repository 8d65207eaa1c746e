//! `keystead doctor`: what is wrong with configuration, store, agent, clock, tokens and clients, in
//! plain words, and how to mend it. It changes nothing, but starts the agent like any client.

mod configuration;
mod finding;
mod running_agent;
mod store;
mod tokens;

use crate::client::TokenArguments;
use crate::outcome::Outcome;
use crate::{Failure, Global, output};
use finding::{Finding, Grade, WRITTEN, print, problem};
use keystead::internal::presence;

/// Look for what is wrong, say it in plain words, and how to mend it
///
/// The exit status is 1 where there is a problem; notes are no problems. With a PIN it looks at the keys
/// too, for aliases that two of them have; it never asks for one.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
}

/// The remedy that shows more of an agent that fails.
const WATCH: &str = "`keystead agent` runs the agent here, where it shows what it does";

/// The remedy where the agent answers this program, but not the module.
const MODULE: &str = "the agent answers this program: let the module and it be of one version; \
                      `KEYSTEAD_LOG=stderr:debug` before the command has the module say more";

/// The subjects that may be wrong while the agent serves all the same.
const PASSED_BY: [&str; 8] =
    ["audit_syslog", "cells", "group", "log", "metrics", "on_event", "rights", "snapshot"];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let mut findings = self.examine(global);
        for Finding { about, mend, .. } in &mut findings {
            *mend = mend.as_deref().map(|mend| global.here(advice(about, mend)));
        }
        let ill = findings.iter().any(|finding| finding.grade == Grade::Problem);
        match global.json {
            true => output::json(&findings)?,
            false => findings.iter().try_for_each(print)?,
        }
        if ill { Err(Failure::silent(Outcome::Failed)) } else { Ok(()) }
    }
}

/// Returns the advice for here: elsewhere this command is the advice. Keys are looked at through the
/// module, once the agent has answered this program itself.
fn advice<'a>(about: &str, mend: &'a str) -> &'a str {
    match mend.starts_with("`keystead doctor`") {
        true if about == "keys" => MODULE,
        true => WATCH,
        false => mend,
    }
}

impl Arguments {
    /// Looks at one thing after the other; what needs something that is wrong is left out.
    fn examine(&self, global: &Global) -> Vec<Finding> {
        let config = match global.configuration() {
            Ok(config) => config,
            Err(failure) => return vec![problem("configuration", failure)],
        };
        let mut findings = configuration::findings(&config);
        match presence::check(&config.directory) {
            Ok(()) => findings.extend(store::findings(&config)),
            Err(error) => findings.push(problem("store", error.into())),
        }
        let stops = |it: &Finding| it.grade == Grade::Problem && !PASSED_BY.contains(&it.about);
        if !findings.iter().any(stops) {
            let is_known = |about: &str| {
                findings.iter().any(|known| known.grade == Grade::Problem && known.about == about)
            };
            let again = |it: &Finding| WRITTEN.contains(&it.about) && is_known(it.about);
            let of_agent = self.agent(global, &config);
            let of_agent: Vec<_> = of_agent.into_iter().filter(|it| !again(it)).collect();
            findings.extend(of_agent);
        }
        let mut installation = configuration::installation(&config);
        if installation.is_empty() {
            let wrong = self.token.check_module(global, &config).err();
            installation.extend(wrong.map(|failure| problem("installation", failure)));
        }
        findings.extend(installation);
        findings.push(configuration::clients());
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::{MODULE, WATCH, advice};

    #[test]
    fn what_only_the_module_meets_is_not_sought_in_the_agent() {
        let elsewhere = "`keystead doctor` says what is wrong";
        assert_eq!((advice("keys", elsewhere), advice("agent", elsewhere)), (MODULE, WATCH));
        assert_eq!(advice("keys", "wait"), "wait");
    }
}
