//! Standard output: text or JSON, or data, and what happens when nobody reads it.

use crate::{Failure, standard};
use keystead::sys;
use serde::Serialize;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// Writes text as it is.
pub fn text(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)
}

/// Writes a line.
pub fn line(said: impl Display) -> Result<(), Failure> {
    text(format_args!("{said}\n"))
}

/// Writes a value as JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    text(pretty(value)?)
}

/// A value as JSON, and the end of its last line.
pub fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::new)
}

/// Text from a store, made harmless for a terminal: control characters are escaped.
pub fn printable(text: &str) -> String {
    let shown = |it: char| match it.is_control() {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    };
    text.chars().map(shown).collect()
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => lost(&error),
    }
}

/// Standard output for data, which is lost where nobody takes it. The standard library's own would
/// keep silent about a descriptor that cannot be written.
pub fn for_data() -> Result<File, Failure> {
    match standard::output_is_closed() {
        true => Err(Failure::new("standard output is closed")),
        false => sys::inherited(1).map_err(|error| lost(&error)),
    }
}

/// Writes data as it is.
pub fn data(bytes: &[u8]) -> Result<(), Failure> {
    for_data()?.write_all(bytes).map_err(|error| lost(&error))
}

/// What it means that data cannot be written to standard output.
pub fn lost(error: &io::Error) -> Failure {
    Failure::of_file("standard output".as_ref(), error)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("plain, ünï"), "plain, ünï");
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}
