//! The end of the log's files when an agent starts: where the next line goes.
//!
//! A line's row stays in the store until the file that has the line is synced. So what a loss of power takes from the
//! file, its last lines or any sectors of them, is there to be written again. What was synced stays as it is, whatever it is:
//! a log is evidence, and verifying it is for [`verify`](super::read::verify).

use super::CURRENT;
use super::files::files;
use super::line::{self, ChainHead};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

/// The lines that the store has, by their numbers: all that may not be synced.
pub(super) type StoredLines = BTreeMap<u64, String>;

/// Returns the last line of the newest file. What a crash or a loss of power has spoilt at its end is cut off where
/// the store has it.
pub(super) fn find_or_mend(folder: &Path, stored: &StoredLines) -> io::Result<ChainHead> {
    let mut paths = files(folder)?;
    let Some(path) = paths.pop() else { return Ok(ChainHead::default()) };
    let bytes = std::fs::read(&path)?;
    if !path.ends_with(CURRENT) {
        return Ok(last_line(&bytes));
    }
    let before = || paths.last().map_or(Ok(Vec::new()), std::fs::read);
    let (whole, mut end) = sound(&bytes, stored);
    if whole == 0 {
        end = last_line(&before()?);
    }
    let rest = bytes.get(whole..).unwrap_or_default();
    let unfinished = !rest.contains(&b'\n');
    let is_stored = stored.contains_key(&(end.seq + 1))
        && stored.last_key_value().is_some_and(|(last, _)| last_line(rest).seq <= *last);
    if rest.is_empty() || !(unfinished || is_stored) {
        return Ok(last_line(&bytes));
    }
    log::warn!("{}: its last lines were not finished", path.display());
    File::options().write(true).open(&path)?.set_len(whole as u64)?;
    Ok(end)
}

/// Returns the length of the file up to the first line that is not as the store has it or no line at all, and the
/// line before. Lines are looked at from the last one that was certainly synced.
fn sound(bytes: &[u8], stored: &StoredLines) -> (usize, ChainHead) {
    let unsynced: usize = stored.values().map(|line| line.len() + 1).sum();
    let mut at = line_before(bytes, bytes.len().saturating_sub(unsynced));
    let mut end = ChainHead::default();
    let rest = bytes.get(at..).unwrap_or_default();
    for line in rest.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").and_then(|text| str::from_utf8(text).ok());
        match text.and_then(|text| Some((text, line::parse(text)?.1))) {
            Some((text, head)) if stored.get(&head.seq).is_none_or(|stored| stored == text) => {
                (at, end) = (at + line.len(), head);
            }
            _ => break,
        }
    }
    (at, end)
}

/// Returns the place at which the last line begins that ends before `at`; 0 where there is none.
fn line_before(bytes: &[u8], at: usize) -> usize {
    let end_before =
        |at: usize| bytes.get(..at).unwrap_or_default().iter().rposition(|it| *it == b'\n');
    let end = end_before(at).unwrap_or(0);
    end_before(end).map_or(0, |end| end + 1)
}

/// Returns the last line of a file that is one.
fn last_line(bytes: &[u8]) -> ChainHead {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    lines.filter_map(line::parse).next_back().map_or(ChainHead::default(), |(_, head)| head)
}
