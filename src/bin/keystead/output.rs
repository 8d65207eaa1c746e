//! Standard output: text or JSON, and what happens when nobody reads it.

use crate::Failure;
use serde::Serialize;
use std::fmt::Display;
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
    line(serde_json::to_string_pretty(value).map_err(Failure::new)?)
}

/// Text from a store, made harmless for a terminal: control characters are escaped.
pub fn printable(text: &str) -> String {
    let shown = |it: char| match it.is_control() {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    };
    text.chars().map(shown).collect()
}

/// What it means that standard output cannot be written.
pub fn failed(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure::of_file("standard output".as_ref(), &error),
    }
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
