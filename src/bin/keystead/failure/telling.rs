//! Standard error: failures and warnings, in text for people or, as the command line asks, in JSON.

use super::Failure;
use crate::colours;
use keystead::internal::config::logging;
use keystead::internal::text::harmless;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set where JSON is wanted.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// The grades of what is told, as text and JSON have them.
pub(super) const ERROR: &str = "error";
const WARNING: &str = "warning";

/// The beginning of what a failure says of the usage of a command.
const USAGE: &str = "\n\nUsage: ";

/// Set where `--quiet` is.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Keeps silent from now on about what was done, and what is not as it should be.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Returns whether that is so.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Tells in JSON from now on, or in text.
pub(crate) fn speak_json(wanted: bool) {
    AS_JSON.store(wanted, Ordering::Relaxed);
}

/// Returns whether a command line that may not be understood asks for JSON: what follows `--` are no options.
pub(crate) fn asks_for_json(words: impl Iterator<Item = OsString>) -> bool {
    words.take_while(|word| word != "--").any(|word| word == "--json")
}

impl Failure {
    /// Prints it on standard error, and the exit status. Where standard error is closed it is
    /// lost.
    pub(crate) fn end(self) -> ExitCode {
        let status = if self.fine { 0 } else { self.outcome.status() };
        if !self.error.is_empty() {
            logging::repeat(&self.error);
            self.print(ERROR, self.error_json());
        }
        ExitCode::from(status)
    }

    /// Prints it as something that is not as it should be, and keeps nothing from being done.
    pub(crate) fn warn(&self) {
        if !is_quiet() {
            self.print(WARNING, json!({ "message": self.error, "hint": self.advice() }));
        }
    }

    fn print(&self, grade: &str, told: Value) {
        let text = match AS_JSON.load(Ordering::Relaxed) {
            true => format!("{}\n", json!({ grade: told })),
            false => self.text(grade, colours::are_wanted(&io::stderr())),
        };
        let _unread = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Returns it as text, on a terminal in colours.
    pub(super) fn text(&self, grade: &str, in_colours: bool) -> String {
        let word = |word: &str, colour: &str| match in_colours {
            true => format!("\u{1b}[1;{colour}m{word}:\u{1b}[0m"),
            false => format!("{word}:"),
        };
        let colour = if grade == ERROR { "31" } else { "33" };
        let (grade, hint) = (word(grade, colour), word("hint", "36"));
        let advice = self.advice().map(without_steering);
        let hint = advice.map(|advice| format!("keystead: {hint} {advice}\n"));
        format!("keystead: {grade} {}\n{}", without_steering(&self.error), hint.unwrap_or_default())
    }

    /// Returns its code and status, and the same words but for the command's usage.
    fn error_json(&self) -> Value {
        let message = self.error.split(USAGE).next();
        let mut error = json!({
            "code": self.outcome.code(), "status": self.outcome.status(), "message": message,
            "hint": self.advice(),
        });
        if let (Some(left), Some(members)) = (self.tries_left, error.as_object_mut()) {
            members.insert("tries_left".to_owned(), left.into());
        }
        error
    }

    fn advice(&self) -> Option<&str> {
        let otherwise = (!self.otherwise.is_empty()).then_some(self.otherwise);
        self.hint.as_deref().or(otherwise)
    }
}

/// Returns lines in which nothing steers a terminal: names in them come from files and command lines.
fn without_steering(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_an_option_and_by_no_name() {
        let asks = |line: &str| asks_for_json(line.split(' ').map(OsString::from));
        assert!(asks("keystead list --json") && asks("keystead --json list -- x"));
        assert!(!asks("keystead show -- --json") && !asks("keystead create --description=--json"));
    }

    #[test]
    fn the_usage_is_text_for_people() {
        let failure = Failure::new("unexpected argument '-x' found\n\nUsage: keystead list");
        let told = failure.error_json().to_string();
        assert!(told.contains("'-x' found\"") && !told.contains("Usage"), "{told}");
        assert!(failure.text(ERROR, false).contains("Usage: keystead list"));
    }
}
