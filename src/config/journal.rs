//! The log: where records go, in a process that may be somebody else's.

use super::{Config, Log, LogLevel};
use crate::error::{Error, Reason};
use env_logger::{Builder, Target};
use log::LevelFilter;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens the log as configured; without a `log`, where `otherwise` says, or nowhere. The first log of a
/// process stays: a module that is initialised again goes on with it.
pub fn open(config: &Config, otherwise: Option<Log>) {
    let target = match config.log.clone().or(otherwise) {
        Some(Log::Stderr) => Target::Stderr,
        Some(Log::File(path)) => Target::Pipe(Box::new(Appender(path))),
        None => return,
    };
    let mut builder = Builder::new();
    builder.filter_module("keystead", config.log_level.into()).target(target);
    let _first_or_not = builder.try_init();
}

/// Tells a person at a terminal, once a process, why nothing works: what the log says of an agent that
/// does not start, or of a configuration before there is a log.
pub fn tell(error: &Error) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let hopeless = matches!(
        error.reason(),
        Reason::AgentAbsent | Reason::StoreFull | Reason::BadConfiguration
    );
    if hopeless && io::stderr().is_terminal() && !TOLD.swap(true, Ordering::Relaxed) {
        // Where even this cannot be written there is nobody to tell.
        let _unread = writeln!(io::stderr(), "keystead: {error}");
    }
}

/// Opens its file for each record: a descriptor that is kept in a program that closes what it does not
/// know would one day write the log into a file of that program's.
struct Appender(PathBuf);

impl Write for Appender {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut options = File::options();
        let mut file = options.append(true).create(true).mode(0o600).open(&self.0)?;
        file.write_all(record)?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Appender, Write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn records_are_appended_to_a_file_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for record in [b"one\n", b"two\n"] {
            Appender(path.clone()).write_all(record).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
