//! `keystead doctor`: what is wrong with configuration, store, agent, clock, tokens and clients, in
//! plain words, and how to mend it. It changes nothing, but starts the agent like any client.

use super::directory::check_rights;
use crate::{Failure, Global, check_there, output};
use keystead::agent::check_file_system;
use keystead::clock::SystemClock;
use keystead::config::Config;
use keystead::module::rules;
use keystead::token::{Slots, TRIES};
use keystead::wire::{Link, Place};
use serde::Serialize;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Look for what is wrong, say it in plain words, and how to mend it
///
/// The exit status is 1 where there is a problem; notes are no problems.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Well,
    Note,
    Problem,
}

/// What was found, and what to do about it.
#[derive(Debug, Serialize)]
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

/// Where p11-kit looks for modules.
const P11_KIT: [&str; 2] = ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let findings = examine(global);
        let ill = findings.iter().any(|finding| finding.grade == Grade::Problem);
        match global.json {
            true => output::json(&findings)?,
            false => findings.iter().try_for_each(print)?,
        }
        if ill { Err(Failure::with_status(1)) } else { Ok(()) }
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

/// Looks at one thing after the other; what needs something that is wrong is left out.
fn examine(global: &Global) -> Vec<Finding> {
    let config = match global.configuration() {
        Ok(config) => config,
        Err(failure) => return vec![problem("configuration", failure)],
    };
    let mut findings = vec![well(
        "configuration",
        match &config.file {
            Some(file) => format!("{}", file.display()),
            None => "no file, the defaults hold".to_owned(),
        },
    )];
    match check_there(&config.directory) {
        Ok(()) => findings.extend(store(&config)),
        Err(failure) => findings.push(problem("store", failure)),
    }
    let sound = findings.iter().all(|finding| finding.grade != Grade::Problem);
    findings.extend(if sound { agent(&config) } else { Vec::new() });
    findings.push(clients());
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
    if metadata.mode() & 0o055 & !0o010 != 0 {
        let mend = format!("`chmod 700 {}` ends that", directory.display());
        findings.push(note("store", "others can see which files it has", mend));
    }
    findings.extend(file_system(directory));
    findings
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

fn agent(config: &Config) -> Vec<Finding> {
    let slots = Slots::new(Link::new(Place::of(config)), Arc::new(SystemClock), rules(config));
    let (clock, mark) = match slots.clock() {
        Ok(times) => times,
        Err(error) => return vec![problem("agent", error.into())],
    };
    let mut findings = vec![well("agent", "it answers".to_owned())];
    findings.push(match mark.saturating_sub(clock) {
        0 => well("clock", "never before the latest time the store has seen".to_owned()),
        behind => problem(
            "clock",
            Failure::new(format_args!(
                "it is {behind} s behind the latest time the store has seen"
            ))
            .hint("set the clock; if it is right now, `keystead clock --accept`"),
        ),
    });
    findings.extend(tokens(&slots));
    findings
}

fn tokens(slots: &Slots) -> Vec<Finding> {
    let list = match slots.list() {
        Ok(list) => list,
        Err(error) => return vec![problem("tokens", error.into())],
    };
    let mut findings = Vec::new();
    for slot in list {
        let info = match slots.info(slot) {
            Ok(info) => info,
            Err(error) => {
                findings.push(problem("token", error.into()));
                continue;
            }
        };
        let Some(label) = info.label else { continue };
        if info.read_only {
            let told = format_args!(
                "db/ cannot be opened, and its snapshot is served: {label:?} can only be read"
            );
            findings.push(problem(
                "token",
                Failure::new(told).hint("`keystead recover` goes on from the snapshot"),
            ));
        }
        let locked = [(info.wrong.0, "security officer's"), (info.wrong.1, "user's")];
        findings.push(match locked.iter().find(|(wrong, _)| *wrong >= TRIES) {
            Some((_, whose)) => problem(
                "token",
                Failure::new(format_args!("the {whose} PIN of {label:?} is locked")).hint(
                    "the security officer sets a new user's PIN with C_InitPIN \
                     (`pkcs11-tool --init-pin`); a locked officer's PIN stays locked",
                ),
            ),
            None if !info.user_pin_set => {
                let said = format!("{label:?} has no user PIN yet");
                note("token", said, "`pkcs11-tool --init-pin` sets it")
            }
            None => well("token", format!("{label:?} (serial number {})", info.serial)),
        });
    }
    if findings.is_empty() {
        findings.push(note("token", "there is none", "`keystead init LABEL` makes one"));
    }
    findings
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
