//! `keystead doctor`: what is wrong with configuration, store, agent, clock, tokens and clients, in
//! plain words, and how to mend it. It changes nothing, but starts the agent like any client.

use super::directory::check_rights;
use super::{agent, audit, rights};
use crate::client::{SessionMode, TokenArguments};
use crate::explain::{self, NOBODY_UNLOCKS, Named};
use crate::keys::ListedKey;
use crate::{Failure, Global, officer, output, serving};
use keystead::internal::agent::allowance::Allowance;
use keystead::internal::agent::check_file_system;
use keystead::internal::clock::{SystemClock, TOLERANCE, timestamp};
use keystead::internal::config::{Config, Log, logging};
use keystead::internal::module::token_settings;
use keystead::internal::presence;
use keystead::internal::store::cells::{self, Extent};
use keystead::internal::store::snapshot;
use keystead::internal::token::{Slots, TRIES, TokenInfo};
use keystead::internal::wire::process::AgentProcess;
use keystead::internal::wire::{AgentLocation, Link};
use rustix::fs::{Access as May, access};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Look for what is wrong, say it in plain words, and how to mend it
///
/// The exit status is 1 where there is a problem; notes are no problems. With a PIN it looks at the keys
/// too, for aliases that two of them have; it never asks for one.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Well,
    Note,
    Problem,
}

/// A finding, and its remedy.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    grade: Grade,
    about: &'static str,
    said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// A store with less room than this, in bytes, soon refuses new keys.
const ROOM: u64 = 64 << 20;

/// File systems that write copies, so that overwriting erases nothing, by their magic numbers.
const COPYING: [(u64, &str); 4] = [
    (0x9123_683E, "btrfs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x794C_7630, "overlayfs"),
];

/// The remedy that shows more of an agent that fails.
const WATCH: &str = "`keystead agent` runs the agent here, where it shows what it does";

/// The remedy where the agent answers this program, but not the module.
const MODULE: &str = "the agent answers this program: let the module and it be of one version; \
                      `KEYSTEAD_LOG=stderr:debug` before the command has the module say more";

/// The subjects that may be wrong while the agent serves all the same.
const PASSED_BY: [&str; 5] = ["log", "metrics", "rights", "slots", "snapshot"];

/// The directories where p11-kit looks for modules.
const P11_KIT: [&str; 2] = ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];

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
        if ill { Err(Failure::with_status(1)) } else { Ok(()) }
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

fn print(finding: &Finding) -> Result<(), Failure> {
    let grade = match finding.grade {
        Grade::Well => "ok     ",
        Grade::Note => "note   ",
        Grade::Problem => "problem",
    };
    output::line(format_args!("{grade}  {}: {}", finding.about, finding.said))?;
    match &finding.mend {
        Some(mend) => output::line(format_args!("         {mend}")),
        None => Ok(()),
    }
}

impl Arguments {
    /// Looks at one thing after the other; what needs something that is wrong is left out.
    fn examine(&self, global: &Global) -> Vec<Finding> {
        let config = match global.configuration() {
            Ok(config) => config,
            Err(failure) => return vec![problem("configuration", failure)],
        };
        let mut findings = configuration(&config);
        match presence::check(&config.directory) {
            Ok(()) => findings.extend(store(&config)),
            Err(error) => findings.push(problem("store", error.into())),
        }
        let stops = |it: &Finding| it.grade == Grade::Problem && !PASSED_BY.contains(&it.about);
        if !findings.iter().any(stops) {
            findings.extend(self.agent(global, &config));
        }
        findings.push(clients());
        findings
    }
}

fn configuration(config: &Config) -> Vec<Finding> {
    let mut findings = vec![well(
        "configuration",
        match &config.file {
            Some(file) => format!("{}", file.display()),
            None => "no file, the defaults hold".to_owned(),
        },
    )];
    if let Some(Err(failure)) = config.group.as_deref().map(agent::group) {
        findings
            .push(problem("configuration", failure.hint("correct `group` in the configuration")));
    }
    if let Some(why) = logging::refused() {
        let mend = "set it to stderr or to a file of your own, by its absolute path";
        findings.push(problem("log", Failure::new(why).hint(mend)));
    }
    let log = match &config.log {
        Some(Log::File(path)) => Some(path),
        Some(Log::Stderr) | None => None,
    };
    for (about, file) in [("log", log), ("metrics", config.metrics.as_ref())] {
        if let Some(file) = file.filter(|file| file.is_dir()) {
            let message = format_args!("{}: it is a directory", file.display());
            findings.push(problem(
                about,
                Failure::new(message).hint(format_args!("correct `{about}`")),
            ));
        }
        let folder = file.and_then(|file| file.parent());
        if let Some(Err(error)) = folder.map(|folder| access(folder, May::WRITE_OK)) {
            let failure = Failure::of_file(folder.unwrap_or(Path::new("")), &error.into());
            findings.push(problem(
                about,
                failure.hint(format_args!("make the directory, or correct `{about}`")),
            ));
        }
    }
    findings
}

fn store(config: &Config) -> Vec<Finding> {
    let directory = &config.directory;
    let metadata = match fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) => return vec![problem("store", Failure::of_file(directory, &error))],
    };
    if let Err(failure) = check_rights(directory, &metadata) {
        return vec![problem("store", failure)];
    }
    if let Err(error) = check_file_system(directory) {
        return vec![problem("store", error.into())];
    }
    let mut findings = vec![well("store", directory.display().to_string())];
    findings.extend(rights(config).into_iter().map(|failure| problem("rights", failure)));
    findings.extend(damaged(config));
    findings.extend(directories(config).flat_map(file_system));
    findings
}

/// Returns the directories of this machine in which the store has files.
fn directories(config: &Config) -> impl Iterator<Item = &Path> {
    let apart = config.store.local().filter(|records| *records != config.directory);
    std::iter::once(config.directory.as_path()).chain(apart)
}

/// Finds damage in the files that the agent reads.
fn damaged(config: &Config) -> Vec<Finding> {
    let (directory, mut findings) = (config.directory.as_path(), Vec::new());
    match cells::damage(directory) {
        Ok(damages) => findings.extend(damages.into_iter().map(|damage| {
            let path = directory.join(cells::NAME);
            let failure = Failure::new(format_args!("{}: {damage}", path.display()));
            let end = serving::end_it(directory);
            let mend = match damage.extent {
                Extent::Unequal | Extent::Copy => {
                    format!("{end}, then the next agent mends it, or `keystead recover`")
                }
                Extent::Byte => format!("{end}, then `keystead recover` mends it"),
                Extent::Lost => format!(
                    "{end}, then `keystead recover` goes on without it, or restore the store's directory \
                     as a whole from a backup"
                ),
            };
            problem("slots", failure.hint(mend))
        })),
        Err(error) => findings.push(problem("store", error.into())),
    }
    if let Err(error) = snapshot::check(&config.store) {
        findings.push(problem("snapshot", error.into()));
    }
    findings
}

/// Finds others who can reach what belongs to the store.
fn rights(config: &Config) -> Vec<Failure> {
    let group = config.group.as_deref().and_then(|name| agent::group(name).ok());
    let of_one = |directory| {
        [rights::of_store(directory, group), rights::above(directory)].into_iter().flatten()
    };
    let mut problems: Vec<_> = directories(config).flat_map(of_one).collect();
    let file = config
        .file
        .iter()
        .map(|file| rights::of_deciding(file, "decides which store and agent are used"));
    let own = std::env::current_exe().ok().map(|own| own.with_file_name("keystead"));
    let agent = config.agent.clone().or(own);
    let agent =
        agent.iter().map(|agent| rights::of_deciding(agent, "decides what opens the store"));
    problems.extend(file.chain(agent).flatten());
    problems
}

fn file_system(directory: &Path) -> Vec<Finding> {
    let Ok(stat) = rustix::fs::statfs(directory) else { return Vec::new() };
    let kind = u64::from(stat.f_type as u32);
    let mut findings = Vec::new();
    if let Some((_, name)) = COPYING.iter().find(|(magic, _)| *magic == kind) {
        findings.push(note(
            "erasure",
            format!("the store is on {name}, which writes copies and keeps what was overwritten"),
            "keep the store on ext4 or xfs where what is deleted must be gone",
        ));
    }
    let room = stat.f_bavail.saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(0));
    if room < ROOM {
        let said = format!("{} MiB are left on its file system", room >> 20);
        findings
            .push(problem("store", Failure::new(said).hint("make room, or new keys are refused")));
    }
    findings
}

impl Arguments {
    fn agent(&self, global: &Global, config: &Config) -> Vec<Finding> {
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
        findings.extend(audit_log(config));
        let tokens = match tokens(&slots) {
            Ok(tokens) => tokens,
            Err(error) => return [findings, vec![problem("tokens", error.into())]].concat(),
        };
        findings.extend(self.tokens(global, config, &tokens));
        if self.token.brings_pin() {
            findings.extend(self.aliases(global));
        }
        findings
    }

    fn tokens(
        &self,
        global: &Global,
        config: &Config,
        tokens: &[(u64, String, TokenInfo)],
    ) -> Vec<Finding> {
        if tokens.is_empty() {
            return vec![note("token", "there is none", "`keystead init LABEL` makes one")];
        }
        let mut findings = Vec::new();
        for (slot, label, info) in tokens {
            if info.read_only {
                let message = format_args!(
                    "{}: its records cannot be opened, and their snapshot is served: {label:?} can only be read",
                    config.store
                );
                let end = serving::end_it(&config.directory);
                let hint = format!("{end}, then `keystead recover` goes on from the snapshot");
                findings.push(problem("token", Failure::new(message).hint(hint)));
            }
            let namesakes = tokens.iter().filter(|(_, other, _)| other == label);
            let serials: Vec<&str> = namesakes.map(|(.., other)| other.serial.as_str()).collect();
            let named = Named { slot: *slot, label, ambiguous: serials.len() > 1 };
            if named.ambiguous && serials.first() == Some(&info.serial.as_str()) {
                findings.push(note(
                    "token",
                    format!("{} tokens are called {label:?}", serials.len()),
                    format!("name one by its serial number: {}", serials.join(", ")),
                ));
            }
            let pins = self.pins(global, named, info);
            if pins.is_empty() {
                findings.push(well("token", format!("{label:?} (serial number {})", info.serial)));
            }
            findings.extend(pins);
        }
        findings
    }

    /// Returns the findings about a token's PINs.
    fn pins(&self, global: &Global, named: Named<'_>, info: &TokenInfo) -> Vec<Finding> {
        let (officer_wrong, user_wrong) = info.wrong;
        let officer_locked = officer_wrong >= TRIES;
        let set = match self.token.module() {
            _ if officer_locked => NOBODY_UNLOCKS.to_owned(),
            Ok(module) => {
                let command = explain::set_user_pin(global, &module, named);
                format!("the security officer sets a new one: `{command}`")
            }
            Err(_) => "the security officer sets a new one".to_owned(),
        };
        let label = named.label;
        let of = |whose: &str, wrong: u8, mend: &str| match TRIES.saturating_sub(wrong) {
            TRIES => None,
            0 => {
                let message = format_args!("the {whose} PIN of {label:?} is locked");
                Some(problem("token", Failure::new(message).hint(mend)))
            }
            left => {
                let tries = if left == 1 { "one try is" } else { &format!("{left} tries are") };
                let said = format!("{tries} left for the {whose} PIN of {label:?}");
                Some(note("token", said, "the right PIN starts the count anew"))
            }
        };
        let officer = of("security officer's", officer_wrong, officer::LOCKED);
        let user = match info.user_pin_set {
            true => of("user's", user_wrong, &set),
            false => Some(note("token", format!("{label:?} has no user PIN yet"), set)),
        };
        officer.into_iter().chain(user).collect()
    }

    /// PKCS#11 lets several keys have one alias; this program then wants their key IDs.
    fn aliases(&self, global: &Global) -> Vec<Finding> {
        let keys =
            self.token.log_in(global, SessionMode::ReadOnly).and_then(|it| ListedKey::all(&it));
        let keys = match keys {
            Ok(keys) => keys,
            Err(failure) => return vec![problem("keys", failure)],
        };
        let same = |one: &ListedKey, other: &ListedKey| one.shown.alias == other.shown.alias;
        let several = keys.chunk_by(same).filter(|keys| keys.len() > 1);
        let mut findings: Vec<Finding> = several
            .map(|keys| {
                let ids: Vec<&str> = keys.iter().map(|key| key.shown.key_id.as_str()).collect();
                let alias = keys.first().map_or("", |key| &key.shown.alias);
                let said = format!("{} custom keys are called \"{alias}\"", ids.len());
                let mend = format!("`keystead rename` gives one another alias: {}", ids.join(", "));
                note("keys", said, mend)
            })
            .collect();
        if findings.is_empty() {
            findings.push(well("keys", "each custom key has its own alias".to_owned()));
        }
        findings
    }
}

/// Slot, label and what else there is to know of each token.
fn tokens(slots: &Slots) -> keystead::internal::error::Result<Vec<(u64, String, TokenInfo)>> {
    let mut tokens = Vec::new();
    for slot in slots.list()? {
        let info = slots.info(slot)?;
        tokens.extend(info.label.clone().map(|label| (slot, label, info)));
    }
    Ok(tokens)
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

fn audit_log(config: &Config) -> Option<Finding> {
    Some(match audit::check(config) {
        Ok(_) => well("audit log", "it is whole".to_owned()),
        Err(failure) => problem("audit log", failure),
    })
}

/// p11-kit's module file is what most programs find the module by.
fn clients() -> Finding {
    let file = P11_KIT.iter().map(|folder| Path::new(folder).join("keystead.module"));
    let Some(file) = file.into_iter().find(|file| file.exists()) else {
        return note(
            "clients",
            "p11-kit does not know the module",
            "`keystead.module` in /usr/share/p11-kit/modules tells it; others name the module's path",
        );
    };
    let text = fs::read_to_string(&file).unwrap_or_default();
    let module = text.lines().find_map(|line| line.strip_prefix("module:")).map(str::trim);
    match module.map(PathBuf::from) {
        Some(module) if module.is_absolute() && !module.exists() => problem(
            "clients",
            Failure::new(format_args!(
                "{} names {}, which is not there",
                file.display(),
                module.display()
            ))
            .hint("correct its line `module:`"),
        ),
        Some(_) => well("clients", format!("p11-kit knows the module by {}", file.display())),
        None => problem(
            "clients",
            Failure::new(format_args!("{} names no module", file.display()))
                .hint("give it a line `module: /path/to/libkeystead.so`"),
        ),
    }
}

fn well(about: &'static str, said: String) -> Finding {
    Finding { grade: Grade::Well, about, said, mend: None }
}

fn note(about: &'static str, said: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { grade: Grade::Note, about, said: said.into(), mend: Some(mend.into()) }
}

fn problem(about: &'static str, failure: Failure) -> Finding {
    let (said, mend) = failure.into_parts();
    Finding { grade: Grade::Problem, about, said, mend }
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
