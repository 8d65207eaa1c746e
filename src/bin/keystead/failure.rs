//! The message of a command that fails: an error, and a hint where there is something to do.

mod command_line;
mod telling;

pub(crate) use telling::{asks_for_json, be_quiet, is_quiet, speak_json};

use crate::outcome::Outcome;
use keystead::internal::config::STORE_VARIABLE;
use keystead::internal::error::{Error, Reason};
use keystead::internal::key::pin::PIN_LENGTH;
use keystead::internal::text::escaped;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;

/// The hint where nothing better is known.
pub(crate) const LOG: &str =
    "`KEYSTEAD_LOG=stderr:debug` before the command has it say which call fails, and why";

/// The hint where the store or its agent failed.
pub(crate) const DOCTOR: &str = "`keystead doctor` says what is wrong";

/// The hint of a PIN that is too short or too long.
static PIN_BYTES: LazyLock<String> =
    LazyLock::new(|| format!("a PIN has {} to {} bytes", PIN_LENGTH.start(), PIN_LENGTH.end()));

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    hint: Option<String>,
    /// The hint where there is no other.
    otherwise: &'static str,
    outcome: Outcome,
    /// The number of wrong PINs that are left until the PIN is locked, where one was wrong.
    tries_left: Option<u8>,
    /// Set where it says nothing, and ends with status 0.
    fine: bool,
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(error: impl Display) -> Self {
        let error = without_numbers(&error.to_string());
        let (hint, otherwise, outcome) = (None, LOG, Outcome::Failed);
        Self { error, hint, otherwise, outcome, tries_left: None, fine: false }
    }

    /// The same failure with something to do about it.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// The same failure; with something to do about it where it has nothing yet.
    pub(crate) fn or_hint(self, hint: impl Display) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// The same failure with something else that may help.
    pub(crate) fn also(self, hint: impl Display) -> Self {
        match self.hint {
            Some(first) => Self { hint: Some(format!("{first}; {hint}")), ..self },
            None => self.hint(hint),
        }
    }

    /// Returns whether its hint names that command.
    pub(crate) fn advises(&self, command: &str) -> bool {
        self.hint.as_ref().is_some_and(|hint| hint.contains(command))
    }

    /// Returns its text on one line.
    pub(crate) fn message(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{} ({hint})", self.error),
            None => self.error.clone(),
        }
    }

    /// The same failure, of that thing.
    pub(crate) fn within(&self, thing: impl Display) -> Self {
        Self { error: format!("{thing}: {}", self.error), hint: self.hint.clone(), ..*self }
    }

    /// The same failure, of that thing, where it says anything.
    pub(crate) fn within_unless_silent(self, thing: impl Display) -> Self {
        if self.error.is_empty() { self } else { self.within(thing) }
    }

    /// The same failure, with whose it was after it.
    pub(crate) fn of(self, whose: impl Display) -> Self {
        Self { error: format!("{}: {whose}", self.error), ..self }
    }

    /// Something about a file failed.
    pub(crate) fn of_file(file: &Path, error: &io::Error) -> Self {
        let said = format_args!("{}: {}", escaped(file.as_os_str().as_bytes()), plainly(error));
        Self { otherwise: remedy(error), ..Self::new(said) }
    }

    /// The failure of a command whose output is read no more (`keystead list | head -1`): it ends
    /// without a word.
    pub(crate) fn unread() -> Self {
        Self { fine: true, ..Self::silent(Outcome::Failed) }
    }

    /// The same failure with its hint put otherwise.
    pub(crate) fn with_hint(self, otherwise: impl FnOnce(&str) -> String) -> Self {
        Self { hint: self.hint.map(|hint| otherwise(&hint)), ..self }
    }

    /// Returns its error, and what to do about it.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.error, self.hint.or_else(|| Some(self.otherwise.to_owned())))
    }

    /// The command has said everything; only its exit status is to tell more.
    pub(crate) fn silent(outcome: Outcome) -> Self {
        Self { outcome, error: String::new(), otherwise: "", ..Self::new("") }
    }

    /// The same failure, of a wrong PIN that may be wrong so many times more.
    pub(crate) fn with_tries_left(self, left: u8) -> Self {
        let tries = if left == 1 { "one try is" } else { &format!("{left} tries are") };
        let hint =
            format!("{tries} left until the PIN is locked; the right one starts the count anew");
        Self { tries_left: Some(left), ..self.hint(hint) }
    }

    /// The same failure with that outcome.
    pub(crate) fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The failure where what was named is not there.
    pub(crate) fn not_found(error: impl Display) -> Self {
        Self::new(error).with_outcome(Outcome::NotFound)
    }

    /// The failure where custody, or a key's own rules, forbid it.
    pub(crate) fn refused(error: impl Display) -> Self {
        Self::new(error).with_outcome(Outcome::Refused)
    }

    /// The failure of a command line that says too little, or what does not fit together.
    pub(crate) fn usage(error: impl Display) -> Self {
        Self::new(error).with_outcome(Outcome::Usage)
    }

    /// The failure of a PIN or a passphrase: wrong, missing or none at all.
    pub(crate) fn of_pin(error: impl Display) -> Self {
        Self::new(error).with_outcome(Outcome::Pin)
    }

    /// The failure of several for these reasons: it has their outcome where all have the same. What is wrong with
    /// one of many is not wrong with the command line.
    pub(crate) fn of_several<'a>(
        error: impl Display,
        reasons: impl IntoIterator<Item = &'a Self>,
    ) -> Self {
        let mut outcomes = reasons.into_iter().map(|failure| failure.outcome);
        let first = outcomes.next().unwrap_or(Outcome::Failed);
        match first != Outcome::Usage && outcomes.all(|other| other == first) {
            true => Self::new(error).with_outcome(first),
            false => Self::new(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let failure = match text.rsplit_once(CURE) {
            Some((what, cure)) if brings_cure(error.reason()) => Self::new(what).hint(cure),
            _ => match hint(error.reason(), &text) {
                Some(hint) => Self::new(&text).hint(hint),
                None => Self::new(&text),
            },
        };
        match error.reason() {
            Reason::BadConfiguration if of_command_line(&text) => {
                failure.with_outcome(Outcome::Usage)
            }
            reason => failure.with_outcome(Outcome::of_reason(reason)),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { otherwise: remedy(&error), ..Self::new(plainly(&error)) }
    }
}

/// Returns the remedy of an error of the system's.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => {
            "is the name right? A relative one begins in the directory where you are"
        }
        ErrorKind::PermissionDenied => {
            "this user may not: `namei -l` with that path shows who may, `id` who you are"
        }
        ErrorKind::AlreadyExists => "choose another name, or move away what is there",
        ErrorKind::IsADirectory => "name a file in that directory",
        ErrorKind::NotADirectory => "a part of that path is a file: name another",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on its file system",
        ErrorKind::ReadOnlyFilesystem => "its file system can only be read: name a place elsewhere",
        ErrorKind::InvalidFilename => "the name is too long, or has bytes that it may not have",
        ErrorKind::InvalidData => "it should be text, in UTF-8",
        ErrorKind::UnexpectedEof => "it ends too early: is it complete?",
        ErrorKind::Unsupported => {
            "a file is read, or a pipe that the shell makes: `<(command)`, or `-` where that is standard input"
        }
        ErrorKind::BrokenPipe => "the program that reads or writes the other end has ended",
        ErrorKind::FileTooLarge => "a limit of this process (`ulimit -f`), or of its file system",
        _ if error.raw_os_error() == Some(libc::EBADF) => {
            "it is not open, or not for this: in a shell, `9< FILE` and `1> FILE` open it"
        }
        _ => {
            "the system refuses it, not Keystead; its own log (`dmesg`, `journalctl`) may say more"
        }
    }
}

/// The system's words without its number, and what may follow that.
fn plainly(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Returns the system's text without the numbers of its errors.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// The separator of an error and its remedy, where the store and its agent have told both.
const CURE: &str = "; ";

/// Returns whether a configuration is wrong because the command line is.
fn of_command_line(text: &str) -> bool {
    text.contains("--store: ")
}

fn brings_cure(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::AgentAbsent
            | Reason::AgentLost
            | Reason::AgentDown
            | Reason::StoreAbsent
            | Reason::StoreDamaged
            | Reason::StoreFull
            | Reason::StoreNotEmpty
    )
}

/// Returns whether the agent has said less of the failure than it does in the foreground.
fn says_little(text: &str) -> bool {
    ["without saying why", "too long to start", "the log says"].iter().any(|it| text.contains(it))
}

fn hint(reason: Reason, text: &str) -> Option<&'static str> {
    Some(match reason {
        Reason::BadConfiguration if text.contains(STORE_VARIABLE) => {
            "give it an absolute path, or unset it"
        }
        Reason::BadConfiguration if of_command_line(text) => "name a directory",
        Reason::BadConfiguration if text.contains("Permission denied") => {
            "every program that loads the module reads it: `chmod go+r` lets it, and its directories must let others pass"
        }
        Reason::BadConfiguration => "correct it, or name another file with --config",
        _ if text.contains("Too many open files") => {
            "raise this program's limit of open files (`ulimit -n`, RLIMIT_NOFILE)"
        }
        Reason::AgentAbsent if says_little(text) => {
            "`keystead agent` runs the agent here, where it shows what it does"
        }
        Reason::AgentRefuses => {
            "end the old agent, and let the program and its module be of one version"
        }
        Reason::StoreAbsent => {
            "`keystead init LABEL` makes one, `keystead restore` brings one back"
        }
        Reason::StoreReadOnly if text.contains("Read-only file system") => {
            "mount its file system so that it can be written; after an error the kernel makes it \
             read-only by itself, and `dmesg` tells of that"
        }
        Reason::StoreReadOnly => "`keystead doctor` says why",
        Reason::StoreFull => {
            "make room on the store's file system (a running agent still deletes keys)"
        }
        reason if reason.is_no_agent() => DOCTOR,
        Reason::PinIncorrect => "the attempt was counted; ten wrong ones in a row lock the PIN",
        Reason::PinLength => &PIN_BYTES,
        Reason::PinInvalid => "a PIN is text in UTF-8",
        Reason::PinMissing => "the security officer sets it",
        Reason::SessionCount => "run it again when other programs have closed theirs",
        Reason::PinLocked => {
            "the security officer unlocks a user's PIN; the officer's own cannot be unlocked"
        }
        Reason::OwnerOnly | Reason::TokenByOwner => "run it as the store's owner, or as root",
        Reason::TokenAbsent => "`keystead doctor` shows which tokens there are",
        Reason::Conflict => "another process was faster: run it again",
        Reason::OtherStore => "name the store, or the backup, that it belongs to",
        Reason::BackupDamaged => "another backup may be whole; keep several",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::telling::ERROR;
    use super::{Failure, Outcome};
    use keystead::internal::error::Reason;
    use std::io;

    #[test]
    fn a_reason_brings_its_hint() {
        let failure = Failure::from(Reason::BadConfiguration.detail("file, line 3"));
        assert_eq!(failure.error, "the configuration is wrong: file, line 3");
        assert!(failure.hint.is_some());
    }

    #[test]
    fn no_reason_and_no_error_of_the_system_is_without_a_hint() {
        for reason in Reason::ALL {
            let failure = Failure::from(keystead::internal::error::Error::from(*reason));
            assert!(failure.into_parts().1.is_some_and(|hint| !hint.is_empty()), "{reason:?}");
        }
        for number in 1..134 {
            let failure = Failure::of_file("/f".as_ref(), &io::Error::from_raw_os_error(number));
            assert!(failure.into_parts().1.is_some_and(|hint| !hint.is_empty()), "{number}");
        }
    }

    #[test]
    fn no_name_in_an_error_steers_a_terminal_or_makes_a_line() {
        let gone = io::Error::from_raw_os_error(2);
        let text = |failure: Failure| failure.text(ERROR, false);
        let said = text(Failure::of_file("/a\u{1b}[31m\nkeystead: b".as_ref(), &gone));
        assert!(!said.contains('\u{1b}') && said.lines().count() == 2, "{said}");
        let said = text(Failure::new("it is \u{1b}[31m").hint("a\u{202e}b"));
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }

    #[test]
    fn a_system_error_is_said_without_its_number() {
        let failure = Failure::from(io::Error::from_raw_os_error(2));
        assert_eq!(failure.error, "No such file or directory");
        let inside = Reason::AgentAbsent
            .detail(format_args!("/a: {}, so", io::Error::from_raw_os_error(17)));
        assert!(Failure::from(inside).error.ends_with("/a: File exists, so"));
    }

    #[test]
    fn several_have_the_outcome_that_all_have_and_no_line_of_many_is_the_command_line() {
        let of = |failures: &[Failure]| Failure::of_several("all", failures).outcome;
        let refused = || Failure::refused("one");
        assert_eq!(of(&[refused(), refused()]), Outcome::Refused);
        assert_eq!(of(&[refused(), Failure::of_pin("other")]), Outcome::Failed);
        assert_eq!(of(&[Failure::usage("one")]), Outcome::Failed);
    }

    #[test]
    fn what_fails_for_the_store_is_told_from_what_custody_refuses_and_from_the_command_line() {
        let of = |reason: Reason, text: &str| Failure::from(reason.detail(text)).outcome;
        assert_eq!(of(Reason::StoreReadOnly, "Read-only file system"), Outcome::Agent);
        assert_eq!(of(Reason::OwnerOnly, "another user"), Outcome::Refused);
        assert_eq!(of(Reason::BadConfiguration, "--store: no path"), Outcome::Usage);
        assert_eq!(of(Reason::BadConfiguration, "file, line 3"), Outcome::Failed);
    }

    #[test]
    fn an_agents_failure_has_the_hint_that_helps() {
        let hint = |text: &str| Failure::from(Reason::AgentAbsent.detail(text)).hint;
        assert_eq!(hint("/s: gone").as_deref(), Some("`keystead doctor` says what is wrong"));
        assert_eq!(hint("it is open; `chmod go-w /s`").as_deref(), Some("`chmod go-w /s`"));
        assert!(hint("k ended without saying why").is_some_and(|it| it.contains("keystead agent")));
        let damaged = Failure::from(Reason::StoreDamaged.detail("/s/db: gone; restore it"));
        assert_eq!(damaged.message(), "the store is damaged: /s/db: gone (restore it)");
    }
}
