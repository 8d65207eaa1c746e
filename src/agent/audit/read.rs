//! Reading the log: all its files in the order of their lines, and whether nothing is missing or
//! changed in them.

use super::super::{keyspace, rows};
use super::FOLDER;
use super::chain::ChainKey;
use super::entry::AuditEntry;
use super::files::files;
use super::line::{self, ChainHead};
use crate::store::{self, Cells, Location};
use serde::{Serialize, Serializer};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The end of the log as the agent tells it.
#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    /// The last line.
    pub head: ChainHead,
    /// The number of lines up to it that are in no file yet.
    pub waiting: u64,
}

/// The end of the log when the store's snapshot was kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The last line.
    pub head: ChainHead,
    /// True if the store has not changed since, so that the log ends there.
    pub current: bool,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The last line in a file.
    pub head: ChainHead,
    /// In how many files the lines are.
    pub files: usize,
}

/// A line of the log. It is shown with the mac that binds it to the lines before.
#[derive(Debug, Serialize)]
pub struct LogLine {
    /// Its content.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// The head after it.
    #[serde(rename = "mac", serialize_with = "mac_of")]
    pub head: ChainHead,
}

fn mac_of<S: Serializer>(head: &ChainHead, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&head.mac_text())
}

/// A defect of a log, and its place.
#[derive(Debug)]
pub enum Fault {
    /// A line of a file, from 1.
    Line(PathBuf, u64, String),
    /// A file.
    File(PathBuf, io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line, what) => write!(f, "{}, line {line}: {what}", file.display()),
            Self::File(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

/// Everything that the log of the store in `directory` says, oldest first, and the lines that say
/// nothing.
pub fn entries(directory: &Path) -> Result<(Vec<LogLine>, Vec<Fault>), Fault> {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for path in listed(directory)? {
        each_line(&path, |number, line| {
            match parsed(&path, number, line) {
                Ok(line) => entries.push(line),
                Err(fault) => faults.push(fault),
            }
            Ok(())
        })?;
    }
    Ok((entries, faults))
}

/// Reads from the snapshot of the store whose records lie at `records` where its log ended then; none
/// where there is no snapshot of it. Only reads, so that evidence stays as it is.
pub fn kept(directory: &Path, records: &Location) -> crate::error::Result<Option<Kept>> {
    let Some(origin) = store::snapshot_origin(records)? else { return Ok(None) };
    let (identity, commits) = Cells::noted(directory)?;
    if !origin.is_of(identity) {
        return Ok(None);
    }
    let head = match store::snapshot_value(records, &keyspace::audit_head())? {
        Some(bytes) => rows::decode(&bytes, "the head of the audit log")?,
        None => ChainHead::default(),
    };
    Ok(Some(Kept { head, current: origin.commits == commits }))
}

/// Verifies that the files hold every line up to each claimed end, as it was written. Lines beyond that
/// end are verified as far as they go: an agent may be writing.
pub fn verify(directory: &Path, claimed: &[Claimed]) -> Result<Verified, Fault> {
    let key =
        ChainKey::open(directory).map_err(|error| Fault::File(ChainKey::path(directory), error))?;
    let paths = listed(directory)?;
    let claimed = claimed.to_vec();
    let mut check = ChainCheck { key, claimed, head: ChainHead::default() };
    let mut last = (directory.join(FOLDER).join(super::CURRENT), 0);
    for path in &paths {
        each_line(path, |number, line| {
            last = (path.clone(), number);
            check.line(path, number, line)
        })?;
    }
    match check.missing() {
        0 => Ok(Verified { head: check.head, files: paths.len() }),
        missing => {
            Err(Fault::Line(last.0, last.1, format!("{missing} lines are missing after it")))
        }
    }
}

struct ChainCheck {
    key: ChainKey,
    claimed: Vec<Claimed>,
    head: ChainHead,
}

impl ChainCheck {
    fn line(&mut self, path: &Path, number: u64, line: &str) -> Result<(), Fault> {
        let wrong = |what: String| Err(Fault::Line(path.to_owned(), number, what));
        let LogLine { head, .. } = parsed(path, number, line)?;
        let expected = self.head.seq + 1;
        if head.seq != expected {
            return wrong(format!("it is number {}, and number {expected} is due", head.seq));
        }
        let differs = |claimed: &Claimed| claimed.head.seq == head.seq && claimed.head != head;
        if !self.key.continues(self.head, line, head) || self.claimed.iter().any(differs) {
            return wrong("it was changed, or a line before it".to_owned());
        }
        self.head = head;
        Ok(())
    }

    fn missing(&self) -> u64 {
        let due = |claimed: &Claimed| claimed.head.seq.saturating_sub(claimed.waiting);
        self.claimed.iter().map(due).max().unwrap_or(0).saturating_sub(self.head.seq)
    }
}

fn listed(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let folder = directory.join(FOLDER);
    files(&folder).map_err(|error| Fault::File(folder, error))
}

/// Visits every line that is finished.
fn each_line(
    path: &Path,
    mut visit: impl FnMut(u64, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let failed = |error| Fault::File(path.to_owned(), error);
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut number = 0;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 && line.pop() == Some(b'\n') {
        number += 1;
        // What is no text is no line either: put right, it might read as it was written.
        visit(number, str::from_utf8(&line).unwrap_or_default())?;
        line.clear();
    }
    Ok(())
}

fn parsed(path: &Path, number: u64, line: &str) -> Result<LogLine, Fault> {
    let what = || Fault::Line(path.to_owned(), number, "it is not a line of an audit log".into());
    let (entry, head) = line::parse(line).ok_or_else(what)?;
    Ok(LogLine { entry, head })
}
