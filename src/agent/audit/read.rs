//! Reading the log: all its files in the order of their lines, and whether nothing is missing or
//! changed in them.

use super::FOLDER;
use super::chain::{self, ChainKey, Head};
use super::entry::Entry;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Where the agent says that the log ends.
#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    /// The last line.
    pub head: Head,
    /// How many lines up to it are in no file yet.
    pub waiting: u64,
}

/// What was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many lines.
    pub lines: u64,
    /// In how many files.
    pub files: usize,
}

/// What is wrong with a log, and where.
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
pub fn entries(directory: &Path) -> Result<(Vec<Entry>, Vec<Fault>), Fault> {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for path in listed(directory)? {
        each_line(&path, |number, line| {
            match parsed(&path, number, line) {
                Ok((entry, _)) => entries.push(entry),
                Err(fault) => faults.push(fault),
            }
            Ok(())
        })?;
    }
    Ok((entries, faults))
}

/// Whether the files hold every line up to the claimed end, as it was written. Lines beyond that end
/// are verified as far as they go: an agent may be writing.
pub fn verify(directory: &Path, claimed: Claimed) -> Result<Verified, Fault> {
    let key =
        ChainKey::open(directory).map_err(|error| Fault::File(ChainKey::path(directory), error))?;
    let paths = listed(directory)?;
    let mut check = Check { key, claimed, head: Head::default() };
    let mut last = (directory.join(FOLDER).join(super::CURRENT), 0);
    for path in &paths {
        each_line(path, |number, line| {
            last = (path.clone(), number);
            check.line(path, number, line)
        })?;
    }
    match check.missing() {
        0 => Ok(Verified { lines: check.head.seq, files: paths.len() }),
        missing => {
            Err(Fault::Line(last.0, last.1, format!("{missing} lines are missing after it")))
        }
    }
}

struct Check {
    key: ChainKey,
    claimed: Claimed,
    head: Head,
}

impl Check {
    fn line(&mut self, path: &Path, number: u64, line: &str) -> Result<(), Fault> {
        let wrong = |what: String| Err(Fault::Line(path.to_owned(), number, what));
        let (_, head) = parsed(path, number, line)?;
        let expected = self.head.seq + 1;
        if head.seq != expected {
            return wrong(format!("it is number {}, and number {expected} is due", head.seq));
        }
        let claimed = self.claimed.head;
        if !self.key.continues(self.head, line, head)
            || (head.seq == claimed.seq && head.mac != claimed.mac)
        {
            return wrong("it was changed, or a line before it".to_owned());
        }
        self.head = head;
        Ok(())
    }

    fn missing(&self) -> u64 {
        let due = self.claimed.head.seq.saturating_sub(self.claimed.waiting);
        due.saturating_sub(self.head.seq)
    }
}

/// The files of the log, whatever they were renamed to within the folder, in the order of their lines.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("audit")
            && name.contains(".jsonl")
            && path.is_file()
            && let Some(seq) = first(&path)?
        {
            found.push((seq, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number of the first line in a file that has one, else 0; none where the file is empty.
fn first(path: &Path) -> io::Result<Option<u64>> {
    let lines = BufReader::new(File::open(path)?).split(b'\n');
    let mut empty = true;
    for line in lines {
        if let Some((entry, _)) = chain::parse(&String::from_utf8_lossy(&line?)) {
            return Ok(Some(entry.seq));
        }
        empty = false;
    }
    Ok((!empty).then_some(0))
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
        visit(number, &String::from_utf8_lossy(&line))?;
        line.clear();
    }
    Ok(())
}

fn parsed(path: &Path, number: u64, line: &str) -> Result<(Entry, Head), Fault> {
    let what = || Fault::Line(path.to_owned(), number, "it is not a line of an audit log".into());
    chain::parse(line).ok_or_else(what)
}
