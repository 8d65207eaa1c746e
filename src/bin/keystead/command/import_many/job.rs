//! One import of many, its outcome, and the report on all of them.

use crate::manifest::{ManifestEntry, WantedImport};
use crate::output::{self, printable};
use crate::{Failure, Global, public_key};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use keystead::internal::text::harmless;
use serde_json::{Value, json};
use std::fmt::Display;

/// The outcome of one import.
pub(super) enum Outcome {
    Imported {
        expires: Option<Timestamp>,
    },
    /// The material is present already, with the wanted expiry or another.
    Skipped {
        otherwise: bool,
        expires: Option<Timestamp>,
    },
    Refused(Failure),
    NotTried,
}

/// One import, and what is known of it.
pub(super) struct ImportJob {
    place: String,
    name: String,
    pub(super) wanted: Option<WantedImport>,
    pub(super) key_id: Option<String>,
    pub(super) outcome: Outcome,
    /// Set where a public key object is beside it.
    pub(super) readable: bool,
}

impl ImportJob {
    pub(super) fn of(entry: ManifestEntry) -> Self {
        let ManifestEntry { place, wanted } = entry;
        let (name, wanted, outcome) = match wanted {
            Ok(wanted) => (wanted.name.clone(), Some(wanted), Outcome::NotTried),
            Err(failure) => (String::new(), None, Outcome::Refused(failure)),
        };
        Self { place, name, wanted, key_id: None, outcome, readable: false }
    }

    fn why(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Refused(failure) => Some(failure.message()),
            Outcome::Skipped { otherwise: true, .. } => {
                Some("present already; its expiry was not changed".to_owned())
            }
            _ => None,
        }
    }

    fn json(&self) -> Value {
        json!({
            "place": self.place, "name": self.name, "key_id": self.key_id,
            "result": self.outcome.name(), "expires": self.outcome.expires().flatten(),
            "why": self.why(),
        })
    }

    fn row(&self) -> [String; HEADER.len()] {
        [
            printable(&self.place),
            printable(&self.name),
            self.key_id.clone().unwrap_or_default(),
            self.outcome.name().to_owned(),
            self.outcome
                .expires()
                .map_or(String::new(), |at| at.map_or("never".to_owned(), |at| at.to_string())),
            harmless(&self.why().unwrap_or_default()),
        ]
    }
}

impl Outcome {
    /// Returns the expiry of the material that is there, if any is.
    fn expires(&self) -> Option<Option<Timestamp>> {
        match self {
            Self::Imported { expires } | Self::Skipped { expires, .. } => Some(*expires),
            Self::Refused(_) | Self::NotTried => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Imported { .. } => "imported",
            Self::Skipped { .. } => "skipped",
            Self::Refused(_) => "refused",
            Self::NotTried => "not tried",
        }
    }
}

const HEADER: [&str; 6] = ["FROM", "NAME", "KEY ID", "RESULT", "EXPIRES", "WHY"];

pub(super) fn report(global: &Global, jobs: &[ImportJob]) -> Result<(), Failure> {
    if global.json {
        return output::json(&jobs.iter().map(ImportJob::json).collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEADER);
    table.add_rows(jobs.iter().map(ImportJob::row));
    let unpadded = |line: String| format!("{}\n", line.trim());
    output::text(table.lines().map(unpadded).collect::<String>())?;
    if jobs.iter().any(|job| job.readable) {
        output::done(format_args!("of a private key: {}", public_key::READABLE))?;
    }
    output::done(summary(jobs))
}

fn summary(jobs: &[ImportJob]) -> String {
    let count = |name| jobs.iter().filter(|job| job.outcome.name() == name).count();
    let names = ["imported", "skipped", "refused", "not tried"];
    let counts = names.map(|name| (count(name), name));
    let said = counts.iter().filter(|(count, name)| *count > 0 || *name == "imported");
    said.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn refused(jobs: &[ImportJob]) -> usize {
    jobs.iter().filter(|job| matches!(job.outcome, Outcome::Refused(_))).count()
}

/// Returns the failure of all: the first refusal, and how many more there are.
pub(super) fn refusal(of: impl Display, jobs: &[ImportJob]) -> Failure {
    let refusals = jobs.iter().filter_map(|job| match &job.outcome {
        Outcome::Refused(failure) => Some((&job.place, failure)),
        _ => None,
    });
    let more = match refused(jobs) {
        0 | 1 => String::new(),
        several => format!("; and {} more", several - 1),
    };
    let first = refusals.clone().next();
    let first =
        first.map_or(String::new(), |(place, failure)| format!("{place}: {}", failure.message()));
    Failure::of_several(format_args!("{of}: {first}{more}"), refusals.map(|(_, failure)| failure))
}
