//! Standard output: text or JSON, or data, and what happens when it is not read.

use crate::{Failure, standard};
use comfy_table::Table;
use keystead::internal::sys;
use keystead::internal::text::escaped;
use serde::Serialize;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// Writes text as it is.
pub(crate) fn text(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// Writes a line.
pub(crate) fn line(said: impl Display) -> Result<(), Failure> {
    text(format_args!("{said}\n"))
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    text(pretty(value)?)
}

/// A value as JSON, and the end of its last line.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::new)
}

/// A name or value from a store, made harmless for a terminal and told apart from every other.
pub(crate) fn printable(text: impl AsRef<[u8]>) -> String {
    escaped(text.as_ref())
}

/// Returns a table without the blanks around its lines.
pub(crate) fn unpadded(table: &Table) -> String {
    let line = |line: String| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    table.lines().map(line).collect()
}

/// The most characters of a name in a table.
const CELL: usize = 40;

/// A name for a table, cut where it is long.
pub(crate) fn cell(text: impl AsRef<[u8]>) -> String {
    let text = printable(text);
    match text.char_indices().nth(CELL) {
        Some(_) => text.chars().take(CELL - 1).chain(['…']).collect(),
        None => text,
    }
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => lost(&error),
    }
}

/// Standard output for data, which is lost where it is not taken. The standard library's own would
/// keep silent about a descriptor that cannot be written.
pub(crate) fn for_data() -> Result<File, Failure> {
    match standard::output_is_closed() {
        true => Err(Failure::new("standard output is closed")
            .hint("name a file, or start the program with its output open")),
        false => sys::inherited(1).map_err(|error| lost(&error)),
    }
}

/// Writes data as it is.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Failure> {
    for_data()?.write_all(bytes).map_err(|error| lost(&error))
}

/// The failure of data that cannot be written to standard output.
pub(crate) fn lost(error: &io::Error) -> Failure {
    Failure::of_file("standard output".as_ref(), error)
}

#[cfg(test)]
mod tests {
    use super::{cell, printable};

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("plain, ünï"), "plain, ünï");
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
        assert_eq!(printable("e\u{301} 🔑 'k' \"q\""), "e\u{301} 🔑 'k' \"q\"");
    }

    #[test]
    fn no_two_names_look_the_same() {
        assert_ne!(printable("a\nb"), printable("a\\nb"));
        assert_eq!(printable("x  "), "x\\u{20}\\u{20}");
        assert_eq!(printable(" "), "\\u{20}");
        assert_eq!(printable(" a b"), "\\u{20}a b");
        assert_eq!(printable(""), "");
    }

    #[test]
    fn a_long_name_does_not_widen_a_table() {
        assert_eq!(cell("x".repeat(40)), "x".repeat(40));
        assert_eq!(cell("ü".repeat(255)), format!("{}…", "ü".repeat(39)));
    }
}
