//! What a person reads when a command fails: an error, and a hint where there is something to do.

use keystead::error::{Error, Reason};
use std::fmt::Display;
use std::io::{self, Write};

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    error: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(error: impl Display) -> Self {
        Self { error: error.to_string(), hint: None }
    }

    /// The same failure with something to do about it.
    pub fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// Prints it on standard error. Where that is closed there is nobody to tell.
    pub fn print(&self) {
        let mut stderr = io::stderr().lock();
        let _unread = writeln!(stderr, "keystead: error: {}", self.error);
        if let Some(hint) = &self.hint {
            let _unread = writeln!(stderr, "keystead: hint: {hint}");
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(&error);
        match hint(error.reason()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

fn hint(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::BadConfiguration => "correct it, or name another file with --config",
        Reason::AgentAbsent => "`keystead agent` runs the agent here, where it shows what it does",
        Reason::StoreFull => "make room on the store's file system; deleting keys still works",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use keystead::error::Reason;

    #[test]
    fn a_reason_brings_its_hint() {
        let failure = Failure::from(Reason::BadConfiguration.detail("file, line 3"));
        assert_eq!(failure.error, "the configuration is wrong: file, line 3");
        assert!(failure.hint.is_some());
        assert!(Failure::from(keystead::error::Error::from(Reason::General)).hint.is_none());
    }
}
