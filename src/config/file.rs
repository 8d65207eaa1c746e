//! The configuration file: the settings that it may have, and the error of one that it may not.

use super::bad;
use crate::error::Result;
use serde::Deserialize;
use std::path::Path;

/// The least that is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Off,
    Error,
    #[default]
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// Every level, the quietest first.
    pub const ALL: [Self; 6] =
        [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name, as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The file's keys, as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub store: Option<String>,
    pub agent_directory: Option<String>,
    pub agent: Option<String>,
    pub linger: bool,
    pub group: Option<String>,
    pub custody: bool,
    pub grace_hours: u64,
    pub metrics: Option<String>,
    pub log: Option<String>,
    pub log_level: LogLevel,
    pub pkcs1_unwrap: bool,
    pub mixed_wrapping: bool,
    pub rsa_minimum: u64,
}

impl Default for File {
    fn default() -> Self {
        Self {
            store: None,
            agent_directory: None,
            agent: None,
            linger: true,
            group: None,
            custody: true,
            grace_hours: 0,
            metrics: None,
            log: None,
            log_level: LogLevel::default(),
            pkcs1_unwrap: false,
            mixed_wrapping: false,
            rsa_minimum: 2048,
        }
    }
}

impl File {
    /// Reads the file at `path`; every error names the file, and the line where there is one.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad(format_args!("{}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            bad(format_args!("{}, line {line}: {}", path.display(), error.message()))
        })
    }
}
