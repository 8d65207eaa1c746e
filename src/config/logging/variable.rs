//! `KEYSTEAD_LOG`: where the log of one process goes, whatever is configured.

use super::{Log, LogLevel};
use crate::sys;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The variable's name.
pub(super) const NAME: &str = "KEYSTEAD_LOG";

/// The level where the variable names none: a key's life, refusals and troubles.
const LEVEL: LogLevel = LogLevel::Info;

/// The log that the variable asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestedLog {
    pub log: Log,
    pub level: LogLevel,
}

impl RequestedLog {
    /// Reads the variable of this process's environment, if it has one. A set-uid program reads none.
    pub(super) fn of_process() -> Option<Result<Self, String>> {
        let value = std::env::var_os(NAME).filter(|value| !value.is_empty());
        value.filter(|_| !sys::is_privileged()).map(|value| Self::parse(&value))
    }

    /// Reads `stderr` or an absolute path, each with `:LEVEL` or without, or a level alone, which means
    /// standard error.
    fn parse(value: &OsStr) -> Result<Self, String> {
        if let Some(level) = value.to_str().and_then(level) {
            return Ok(Self { log: Log::Stderr, level });
        }
        let (place, level) = split(value);
        let path = PathBuf::from(OsString::from_vec(place.to_vec()));
        match place {
            b"stderr" => Ok(Self { log: Log::Stderr, level }),
            _ if path.is_absolute() && !place.ends_with(b"/") => {
                Ok(Self { log: Log::File(path), level })
            }
            _ => Err(format!("{NAME}: {value:?} is neither stderr[:LEVEL] nor /a/file[:LEVEL]")),
        }
    }

    /// The value that asks for the same.
    pub(super) fn value(&self) -> OsString {
        let mut value = match &self.log {
            Log::Stderr => OsString::from("stderr"),
            Log::File(path) => path.clone().into_os_string(),
        };
        value.push(":");
        value.push(self.level.name());
        value
    }
}

/// Splits a value into the part before its last colon and the level after it. A file's name may have
/// colons of its own.
fn split(value: &OsStr) -> (&[u8], LogLevel) {
    let bytes = value.as_bytes();
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    let parts = colon.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?)));
    let asked = parts.and_then(|(place, rest)| Some((place, level(str::from_utf8(rest).ok()?)?)));
    asked.unwrap_or((bytes, LEVEL))
}

fn level(text: &str) -> Option<LogLevel> {
    LogLevel::ALL.into_iter().find(|level| text.eq_ignore_ascii_case(level.name()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Log, LogLevel, RequestedLog};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn asked(value: &str) -> RequestedLog {
        RequestedLog::parse(value.as_ref()).unwrap()
    }

    #[test]
    fn a_file_or_standard_error_with_or_without_a_level() {
        let file = |path: &str, level| RequestedLog { log: Log::File(path.into()), level };
        let stderr = |level| RequestedLog { log: Log::Stderr, level };
        assert_eq!(asked("/a/log"), file("/a/log", LogLevel::Info));
        assert_eq!(asked("/a/log:debug"), file("/a/log", LogLevel::Debug));
        assert_eq!(asked("/a:b/log"), file("/a:b/log", LogLevel::Info));
        assert_eq!(asked("/a:b/c:d:WARN"), file("/a:b/c:d", LogLevel::Warn));
        assert_eq!(asked("stderr"), stderr(LogLevel::Info));
        assert_eq!(asked("stderr:trace"), stderr(LogLevel::Trace));
        assert_eq!(asked("debug"), stderr(LogLevel::Debug));
        assert_eq!(asked("off"), stderr(LogLevel::Off));
    }

    #[test]
    fn a_path_need_not_be_text() {
        let value = OsStr::from_bytes(b"/a/\xff:warn");
        let asked = RequestedLog::parse(value).unwrap();
        assert_eq!(asked.log, Log::File(OsStr::from_bytes(b"/a/\xff").into()));
        assert_eq!((asked.level, &*asked.value()), (LogLevel::Warn, value));
    }

    #[test]
    fn what_leads_nowhere_certain_is_refused() {
        for value in ["log", "./log:debug", "stdout", "stderr:loud", "1", ":", ":debug", "/a/", "/"]
        {
            let said = RequestedLog::parse(value.as_ref()).unwrap_err();
            assert!(said.contains(value) && said.contains("KEYSTEAD_LOG"), "{said}");
        }
    }

    #[test]
    fn what_is_passed_on_asks_for_the_same() {
        for value in ["/a/log:info", "/a:b:debug", "stderr:off"] {
            assert_eq!(asked(value).value(), value);
        }
    }
}
