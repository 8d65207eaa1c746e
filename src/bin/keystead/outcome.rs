//! The outcomes of a command: the exit status of each, and the code by which JSON tells it.

use cryptoki::error::RvError;
use keystead::internal::error::Reason;

/// The outcome of a command that does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Failed,
    Usage,
    SomeExpire,
    Pin,
    Locked,
    NotFound,
    Agent,
    Refused,
}

/// Exit status, code and meaning of an outcome.
struct Row(Outcome, u8, &'static str, &'static str);

const ROWS: &[Row] = &[
    Row(Outcome::Failed, 1, "failed", "it failed in another way"),
    Row(Outcome::Usage, 2, "usage", "the command line is wrong"),
    Row(Outcome::SomeExpire, 3, "expiring", "`list --expiring` found keys that expire"),
    Row(Outcome::Pin, 4, "pin", "the PIN, or a passphrase, is wrong, missing or none at all"),
    Row(Outcome::Locked, 5, "locked", "the PIN is locked"),
    Row(Outcome::NotFound, 6, "not-found", "there is no such token, key or other object"),
    Row(Outcome::Agent, 7, "agent", "the store or its agent failed, is not there, or is in use"),
    Row(Outcome::Refused, 8, "refused", "custody, or the key's own rules, forbid it"),
];

impl Outcome {
    /// Returns the exit status.
    pub(crate) fn status(self) -> u8 {
        self.row().map_or(1, |row| row.1)
    }

    /// Returns the code, which stays the same in every version.
    pub(crate) fn code(self) -> &'static str {
        self.row().map_or("failed", |row| row.2)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.0 == self)
    }

    /// Returns the outcome that a reason of the module's or the agent's has.
    pub(crate) fn of_reason(reason: Reason) -> Self {
        match reason {
            Reason::PinIncorrect | Reason::PinLength | Reason::PinInvalid | Reason::PinMissing => {
                Self::Pin
            }
            Reason::PinLocked => Self::Locked,
            // Whatever keeps it from being written, it is no rule of a key's.
            Reason::StoreReadOnly => Self::Agent,
            Reason::TokenAbsent | Reason::TokenUnrecognized | Reason::SlotUnknown => Self::NotFound,
            reason if reason.is_no_agent() => Self::Agent,
            reason if reason.is_refusal() => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// Returns the outcome that a code of the module's has.
    pub(crate) fn of_code(code: RvError) -> Self {
        match code {
            RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::TokenWriteProtected => Self::Agent,
            RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid => Self::NotFound,
            RvError::ActionProhibited
            | RvError::AttributeReadOnly
            | RvError::FunctionRejected
            | RvError::KeyFunctionNotPermitted
            | RvError::TemplateInconsistent => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Returns the part of `--help` about the exit statuses.
pub(crate) fn help() -> String {
    let line = |Row(_, status, _, meaning): &Row| format!("  {status}  {meaning}\n");
    let rows: String = ROWS.iter().map(line).collect();
    format!("Exit status:\n  0  it is done\n{}", rows.trim_end())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Outcome, ROWS, Row};
    use std::collections::HashSet;

    #[test]
    fn each_outcome_has_a_status_and_a_code_of_its_own() {
        let statuses: HashSet<u8> = ROWS.iter().map(|row| row.0.status()).collect();
        let codes: HashSet<&str> = ROWS.iter().map(|row| row.0.code()).collect();
        assert_eq!((statuses.len(), codes.len()), (ROWS.len(), ROWS.len()));
        assert!(!statuses.contains(&0) && Outcome::Usage.status() == 2);
    }

    #[test]
    fn the_manual_page_has_each_status_and_each_code_of_an_error() {
        let page = include_str!("command/manual/keystead.md");
        let (_, page) = page.split_once("# EXIT STATUS").unwrap();
        let (page, _) = page.split_once("\n# ").unwrap_or((page, ""));
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, ROWS.len() + 1, "with that for success");
        for Row(outcome, status, code, _) in ROWS {
            assert!(page.contains(&format!("| `{status}` | ")), "{status}");
            let is_error = *outcome != Outcome::SomeExpire;
            assert_eq!(page.contains(&format!("`{code}`")), is_error, "{code}");
        }
    }
}
