//! `keystead audit`: what happened to the keys, and whether the record of it is whole.

use crate::name::Name;
use crate::{Failure, Global, moment, output};
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use keystead::internal::agent::audit::{
    self, AuditEntry, AuditEvent, ChainHead, Claimed, Fault, Kept, LogLine, Verified,
};
use keystead::internal::config::Config;
use keystead::internal::error::Reason;
use keystead::internal::file_names::CELLS;
use keystead::internal::id::Id;
use keystead::internal::wire::{AgentLocation, Link, Request, Response};
use serde_json::json;
use std::collections::HashSet;
use std::io::ErrorKind;

/// Show what happened to the keys, or verify that nothing is missing from the record of it
///
/// The agent writes a line to audit/audit.jsonl in the store's directory for each event of a key's
/// life, and chains it to the lines before. On a terminal that is too narrow, columns are left out; through a
/// pipe nothing is, unless `COLUMNS` is set, nor with --json.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the events of this key, by its key ID, an alias that it has or had, or a PKCS#11 URI with one
    #[arg(long, value_name = "KEY", value_parser = Name::of_key)]
    key: Option<Name>,
    /// Only events of this kind
    #[arg(long, value_name = "EVENT", value_parser = PossibleValuesParser::new(AuditEvent::NAMES))]
    event: Option<String>,
    /// Only what happened from then on: a day (2027-01-31, from 00:00 UTC), a moment
    /// (2027-01-31T17:30:00Z), or a time ago (7d, 36h)
    #[arg(long, value_name = "WHEN", value_parser = moment::since)]
    since: Option<Timestamp>,
    /// Show nothing, but find any line that was changed, removed or put elsewhere; nothing is written,
    /// so that a copy stays evidence
    #[arg(long, conflicts_with_all = ["key", "event", "since"])]
    verify: bool,
    /// The head that an earlier --verify printed, as it was noted elsewhere: the line with this number must be
    /// there with this MAC, and all lines before it
    #[arg(long, value_name = "NUMBER:MAC", requires = "verify")]
    head: Option<ChainHead>,
}

const HEADER: [&str; 13] = [
    "TIME", "EVENT", "TOKEN", "KEY ID", "ALIAS", "VERSION", "AT", "TIMES", "PIN", "USER",
    "PROCESS", "PROGRAM", "REASON",
];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        if let Self { verify: true, head, .. } = self {
            return verify(global, &evidence(global)?, head);
        }
        let config = evidence(global)?;
        let (mut lines, faults) = audit::entries(&config.directory).map_err(failed)?;
        let keys = self.keys(&lines)?;
        lines.retain(|line| self.wants(&line.entry, keys.as_ref()));
        match global.json {
            true => output::json(&lines)?,
            false => output::text(table(&lines))?,
        }
        if faults.is_empty() { Ok(()) } else { Err(unread(&faults)) }
    }

    fn wants(&self, entry: &AuditEntry, keys: Option<&HashSet<String>>) -> bool {
        let fact = &entry.fact;
        let key = keys.is_none_or(|keys| fact.key.as_ref().is_some_and(|key| keys.contains(key)));
        key && self.event.as_ref().is_none_or(|event| fact.event.name() == event)
            && self.since.is_none_or(|since| entry.time >= since)
    }

    /// The keys that are meant, by their IDs: an alias means each key that it was ever given to.
    fn keys(&self, lines: &[LogLine]) -> Result<Option<HashSet<String>>, Failure> {
        let Some(name) = self.key.as_ref().map(Name::alias) else { return Ok(None) };
        let facts = lines.iter().map(|line| &line.entry.fact);
        let named = facts.filter(|fact| fact.alias.as_ref() == Some(&name));
        let mut keys: HashSet<String> = named.filter_map(|fact| fact.key.clone()).collect();
        keys.extend(Id::parse(name.as_bytes()).map(|id| id.to_string()));
        match keys.is_empty() {
            false => Ok(Some(keys)),
            true => Err(Failure::not_found(format_args!("no line of the audit log calls a key {name:?}"))
                .hint("name it by its key ID, which `keystead show` tells: lines of earlier versions have no aliases")),
        }
    }
}

/// The configuration with a directory that has a log to be read: a store, or a copy of a store's
/// `audit/` without the rest.
fn evidence(global: &Global) -> Result<Config, Failure> {
    match global.configuration()? {
        config if audit::is_in(&config.directory) => Ok(config),
        _ => global.store(),
    }
}

/// The end of a log, as far as it is known.
enum End {
    /// The agent has told.
    Agent,
    /// The store's snapshot says, and the store has not changed since.
    Kept,
    /// The end is unknown: lines may be missing behind the last.
    Unknown,
}

impl End {
    fn name(&self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Kept => "snapshot",
            Self::Unknown => "unknown",
        }
    }
}

fn verify(global: &Global, config: &Config, noted: Option<ChainHead>) -> Result<(), Failure> {
    let (end, mut claimed) = end(config)?;
    claimed.extend(noted.map(|head| Claimed { head, waiting: 0 }));
    let verified = checked(config, &claimed)?;
    let Verified { head, files } = verified;
    if matches!((&end, noted), (End::Unknown, None)) {
        return Err(endless(config, head));
    }
    let up_to = match end {
        End::Unknown => " up to that head; what came after it, nothing here tells",
        End::Agent | End::Kept => "",
    };
    match global.json {
        true => output::json(&json!({
            "lines": head.seq, "files": files, "head": head.to_string(), "end": end.name(),
        })),
        false => output::text(format_args!(
            "the audit log is whole{up_to}\nlines: {}\nfiles: {files}\nhead: {head}\n",
            head.seq
        )),
    }
}

/// Finds out where the log ends, from an agent that runs or else from the snapshot, without starting one.
fn end(config: &Config) -> Result<(End, Vec<Claimed>), Failure> {
    if let Some(answer) = Link::new(AgentLocation::of(config)).ask_running(&Request::AuditHead)? {
        return Ok((End::Agent, vec![claimed(answer)?]));
    }
    let alone = !config.directory.join(CELLS).exists();
    Ok(match if alone { None } else { audit::kept(&config.directory, &config.store)? } {
        Some(Kept { head, current }) => {
            let end = if current { End::Kept } else { End::Unknown };
            (end, vec![Claimed { head, waiting: 0 }])
        }
        None => (End::Unknown, Vec::new()),
    })
}

fn endless(config: &Config, head: ChainHead) -> Failure {
    let folder = audit::folder(&config.directory);
    Failure::new(format_args!(
        "{}: {} lines follow one another unchanged, but nothing here tells whether more came after \
         them; the head is {head}",
        folder.display(),
        head.seq
    ))
    .hint(
        "`--head NUMBER:MAC` checks a copy against a head that was noted elsewhere; of a store that is in \
         use, its agent knows: any command that uses a key starts it",
    )
}

/// Verifies that the log of a store, whose agent may be started, holds every line as it was written.
pub(crate) fn check(config: &Config) -> Result<Verified, Failure> {
    let claimed = claimed(Link::new(AgentLocation::of(config)).ask(&Request::AuditHead)?)?;
    checked(config, &[claimed])
}

fn checked(config: &Config, claimed: &[Claimed]) -> Result<Verified, Failure> {
    audit::verify(&config.directory, claimed)
        // The agent may have begun a new file meanwhile.
        .or_else(|_| audit::verify(&config.directory, claimed))
        .map_err(failed)
}

/// The most lines that are named of those that say nothing.
const NAMED: usize = 10;

fn unread(faults: &[Fault]) -> Failure {
    let named: Vec<String> = faults.iter().take(NAMED).map(Fault::to_string).collect();
    let more = match faults.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let message = format_args!("the audit log is not whole: {}{more}", named.join("\n"));
    Failure::new(message).hint("`keystead audit --verify` says where the chain of its lines breaks")
}

fn failed(fault: Fault) -> Failure {
    match fault {
        Fault::File(path, error)
            if error.kind() == ErrorKind::NotFound && path.ends_with(audit::KEY) =>
        {
            Failure::new(format_args!("{}: {}", path.display(), audit::GONE))
                .hint("put it back from a backup; a copy of the log needs the key beside it")
        }
        Fault::File(path, error) if error.kind() == ErrorKind::PermissionDenied => {
            Failure::of_file(&path, &error).hint(
                "the log is for the store's owner and root: `runuser -u OWNER -- keystead audit`",
            )
        }
        Fault::File(path, error) => Failure::of_file(&path, &error),
        Fault::Line(..) => Failure::new(format_args!("the audit log is not whole: {fault}"))
            .hint("a copy kept elsewhere has what is gone; `keystead audit` shows what is left"),
    }
}

/// Reads the agent's claim, which it has from the store, of the end of the log.
fn claimed(answer: Response) -> Result<Claimed, Failure> {
    match answer {
        Response::AuditHead { seq, mac, waiting } => {
            Ok(Claimed { head: ChainHead { seq, mac }, waiting })
        }
        _ => Err(Reason::AgentRefuses.detail("it does not tell where the audit log ends").into()),
    }
}

/// The number of columns that are shown though nothing stands in them.
const ALWAYS: usize = 2;

/// The columns that a narrow terminal does without: key ID, process, version, time, count, PIN, token, program,
/// user.
const SPARE: [usize; 9] = [3, 10, 5, 6, 7, 8, 2, 11, 9];

fn table(lines: &[LogLine]) -> String {
    let rows: Vec<_> = lines.iter().map(|line| row(&line.entry)).collect();
    output::table_of_filled(HEADER, &rows, ALWAYS, &SPARE)
}

fn row(entry: &AuditEntry) -> [String; HEADER.len()] {
    let fact = &entry.fact;
    [
        entry.time.to_string(),
        fact.event.name().to_owned(),
        fact.label.as_deref().map(output::printable).unwrap_or_default(),
        fact.key.as_deref().map(output::printable).unwrap_or_default(),
        fact.alias.as_deref().map(output::printable).unwrap_or_default(),
        fact.version.map(|version| version.to_string()).unwrap_or_default(),
        fact.at.map(|at| at.to_string()).unwrap_or_default(),
        fact.times.map(|times| times.to_string()).unwrap_or_default(),
        fact.pin.as_deref().map(output::printable).unwrap_or_default(),
        entry.user.map(|user| user.to_string()).unwrap_or_default(),
        entry.process.map(|process| process.to_string()).unwrap_or_default(),
        entry.program.as_deref().map(output::printable).unwrap_or_default(),
        fact.reason.as_deref().map(output::printable).unwrap_or_default(),
    ]
}
