//! The log: the way of its records, in a process that may be another program's.
//!
//! No lock is taken and no descriptor kept: a forked child, or a program that closes what it does not
//! know, logs on.

mod line;
mod sink;
mod variable;

use super::{Config, Log, LogLevel};
use crate::error::{Error, Reason};
use arc_swap::ArcSwapOption;
use log::{LevelFilter, Metadata, Record};
use sink::Sink;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use variable::RequestedLog;

/// The agent's name in the log.
const AGENT: &str = "keystead-agent";

/// The log of this process, while there is one.
static JOURNAL: ArcSwapOption<ProcessLog> = ArcSwapOption::const_empty();

struct ProcessLog {
    sink: Sink,
    level: LevelFilter,
    /// The program that logs.
    who: String,
    /// The variable's value for an agent that this process starts.
    passed_on: Option<OsString>,
}

/// Opens the log that the environment asks for, before there is a configuration: what is wrong with that
/// is logged too. Where the environment asks for none, it stays as it is.
pub fn begin() {
    if let Some((sink, asked)) = asked() {
        let passed_on = Some(asked.value());
        install(Some(ProcessLog { sink, level: asked.level.into(), who: program(), passed_on }));
    }
}

/// Opens the log: the one the environment asks for, else as configured, or none. It takes the place of an
/// earlier one.
pub fn open(config: &Config) {
    open_as(program(), config, None);
}

/// The same for an agent, which logs to standard error where nothing else is said.
pub fn open_for_agent(config: &Config) {
    open_as(AGENT.to_owned(), config, Some(Log::Stderr));
}

fn open_as(who: String, config: &Config, otherwise: Option<Log>) {
    if let Some((sink, asked)) = asked() {
        // Where the agent's log goes is the configuration's to say, if it says so.
        let passed_on = config.log.is_none().then(|| asked.value());
        return install(Some(ProcessLog { sink, level: asked.level.into(), who, passed_on }));
    }
    let (log, level) = (config.log.clone().or(otherwise), config.log_level.into());
    install(log.map(|log| ProcessLog { sink: Sink::configured(log), level, who, passed_on: None }));
}

/// Returns the reason for which the environment's wish for a log cannot be met, if it cannot.
pub fn refused() -> Option<String> {
    usable(RequestedLog::of_process()?).err()
}

/// Returns the reason for which no line can be written to the file that this process logs to, if there is one.
pub(crate) fn unwritable() -> Option<String> {
    JOURNAL.load().as_deref()?.sink.check().err()
}

/// The variable and value by which an agent that this process starts logs to the same file.
pub(crate) fn for_agent() -> Option<(&'static str, OsString)> {
    let journal = JOURNAL.load();
    let ProcessLog { sink: Sink::OwnFile(_), passed_on: Some(value), .. } = journal.as_deref()?
    else {
        return None;
    };
    Some((variable::NAME, value.clone()))
}

/// Says what a program prints on standard error in the log too, where that is somewhere else.
pub fn repeat(error: &str) {
    if !logs_to_stderr(LevelFilter::Error) {
        log::error!("{error}");
    }
}

fn asked() -> Option<(Sink, RequestedLog)> {
    match usable(RequestedLog::of_process()?) {
        Ok(usable) => Some(usable),
        Err(why) => {
            to_terminal(&why);
            None
        }
    }
}

fn usable(asked: Result<RequestedLog, String>) -> Result<(Sink, RequestedLog), String> {
    let asked = asked?;
    let failed = |error: io::Error| match &asked.log {
        Log::File(path) => format!("{}: {}: {error}", variable::NAME, path.display()),
        Log::Stderr => error.to_string(),
    };
    Ok((Sink::asked(asked.log.clone()).map_err(failed)?, asked))
}

fn install(journal: Option<ProcessLog>) {
    let level = journal.as_ref().map_or(LevelFilter::Off, |journal| journal.level);
    JOURNAL.store(journal.map(Arc::new));
    // The logger is this crate's own, in the program as in the module: it is set here or was before.
    let _set = log::set_logger(&Logger);
    log::set_max_level(level);
}

fn program() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("?"));
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Hands records of this crate to the log that there is.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().split("::").next() == Some("keystead")
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(journal) = JOURNAL.load().as_deref()
            && self.enabled(record.metadata())
            && record.level() <= journal.level
        {
            journal.sink.write(&line::of(record, &journal.who));
        }
    }

    fn flush(&self) {}
}

/// Tells a person at a terminal why nothing works: what the log says of an agent that does not start, or
/// of a configuration before there is a log. The same is told once in a row.
pub(crate) fn tell(error: &Error) {
    let hopeless = matches!(
        error.reason(),
        Reason::AgentAbsent | Reason::StoreAbsent | Reason::StoreFull | Reason::BadConfiguration
    );
    if hopeless && !logs_to_stderr(LevelFilter::Warn) {
        to_terminal(&error.to_string());
    }
}

fn logs_to_stderr(what: LevelFilter) -> bool {
    let journal = JOURNAL.load();
    let to_stderr =
        |journal: &ProcessLog| matches!(journal.sink, Sink::Stderr(_)) && journal.level >= what;
    journal.as_deref().is_some_and(to_stderr)
}

fn to_terminal(said: &str) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut hasher = DefaultHasher::new();
    said.hash(&mut hasher);
    let said_last = LAST.swap(hasher.finish(), Ordering::Relaxed);
    if io::stderr().is_terminal() && said_last != hasher.finish() {
        // Where even this cannot be written no one can be told.
        let _unread = sink::to_stderr(&format!("keystead: {}\n", crate::text::harmless(said)));
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
