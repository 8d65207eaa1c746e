//! `keystead audit`: what happened to the keys, and whether the record of it is whole.

use crate::{Failure, Global, output};
use clap::builder::PossibleValuesParser;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use keystead::agent::audit::{self, Claimed, Entry, Event, Fault, Head, Verified};
use keystead::config::Config;
use keystead::error::Reason;
use keystead::id::Id;
use keystead::wire::{Link, Place, Request, Response};
use serde_json::json;

/// Show what happened to the keys, or verify that nothing is missing from the record of it
///
/// The agent writes a line to audit/audit.jsonl in the store's directory for each event of a key's
/// life, and chains it to the lines before.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only the events of this key, by its key ID
    #[arg(long, value_name = "ID", value_parser = key_id)]
    key: Option<String>,
    /// Only events of this kind
    #[arg(long, value_name = "EVENT", value_parser = PossibleValuesParser::new(Event::NAMES))]
    event: Option<String>,
    /// Show nothing, but find any line that was changed, removed or put elsewhere
    #[arg(long, conflicts_with_all = ["key", "event"])]
    verify: bool,
}

const HEADER: [&str; 9] =
    ["TIME", "EVENT", "KEY ID", "VERSION", "AT", "TIMES", "PIN", "USER", "REASON"];

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.store()?;
        if self.verify {
            return verify(global, &config);
        }
        let (mut entries, faults) = audit::entries(&config.directory).map_err(failed)?;
        entries.retain(|entry| self.wants(entry));
        match global.json {
            true => output::json(&entries)?,
            false => output::text(table(&entries))?,
        }
        if faults.is_empty() { Ok(()) } else { Err(unread(&faults)) }
    }

    fn wants(&self, entry: &Entry) -> bool {
        let key = self.key.as_ref().is_none_or(|key| entry.fact.key.as_ref() == Some(key));
        key && self.event.as_ref().is_none_or(|event| entry.fact.event.name() == event)
    }
}

fn verify(global: &Global, config: &Config) -> Result<(), Failure> {
    let verified = check(config)?;
    match global.json {
        true => output::json(&json!({ "lines": verified.lines, "files": verified.files })),
        false => output::text(format_args!(
            "the audit log is whole\nlines: {}\nfiles: {}\n",
            verified.lines, verified.files
        )),
    }
}

/// Whether the log holds every line, as it was written.
pub fn check(config: &Config) -> Result<Verified, Failure> {
    let claimed = claimed(config)?;
    audit::verify(&config.directory, claimed)
        // The agent may have begun a new file meanwhile.
        .or_else(|_| audit::verify(&config.directory, claimed))
        .map_err(failed)
}

/// How many lines that say nothing are named.
const NAMED: usize = 10;

fn unread(faults: &[Fault]) -> Failure {
    let named: Vec<String> = faults.iter().take(NAMED).map(Fault::to_string).collect();
    let more = match faults.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let told = format_args!("the audit log is not whole: {}{more}", named.join("\n"));
    Failure::new(told).hint("`keystead audit --verify` says where the chain of its lines breaks")
}

/// The log has no aliases: a key's may change.
fn key_id(text: &str) -> Result<String, &'static str> {
    let id = Id::parse(text.as_bytes()).map(|id| id.to_string());
    id.ok_or("it is not a key ID, which `keystead show` tells")
}

fn failed(fault: Fault) -> Failure {
    match fault {
        Fault::File(path, error) => Failure::of_file(&path, &error),
        Fault::Line(..) => Failure::new(format_args!("the audit log is not whole: {fault}")),
    }
}

/// Where the agent, which knows from the store, says that the log ends.
fn claimed(config: &Config) -> Result<Claimed, Failure> {
    match Link::new(Place::of(config)).ask(&Request::AuditHead)? {
        Response::AuditHead { seq, mac, waiting } => {
            Ok(Claimed { head: Head { seq, mac }, waiting })
        }
        _ => Err(Reason::AgentRefuses.detail("it does not tell where the audit log ends").into()),
    }
}

fn table(entries: &[Entry]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEADER);
    for entry in entries {
        table.add_row(row(entry));
    }
    let unpadded = |line: &str| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end());
    table.lines().map(|line| unpadded(&line)).collect()
}

fn row(entry: &Entry) -> [String; HEADER.len()] {
    let fact = &entry.fact;
    [
        entry.time.to_string(),
        fact.event.name().to_owned(),
        fact.key.as_deref().map(output::printable).unwrap_or_default(),
        fact.version.map(|version| version.to_string()).unwrap_or_default(),
        fact.at.map(|at| at.to_string()).unwrap_or_default(),
        fact.times.map(|times| times.to_string()).unwrap_or_default(),
        fact.pin.as_deref().map(output::printable).unwrap_or_default(),
        entry.user.map(|user| user.to_string()).unwrap_or_default(),
        fact.reason.as_deref().map(output::printable).unwrap_or_default(),
    ]
}
