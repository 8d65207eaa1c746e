//! The configuration file: the settings that it may have, and the error of one that it may not.

use super::bad;
use crate::error::Result;
use crate::plain_file;
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
    pub etcd_ca: Option<String>,
    pub etcd_certificate: Option<String>,
    pub etcd_key: Option<String>,
    pub offline_grace: u64,
    pub agent: Option<String>,
    pub module: Option<String>,
    pub linger: bool,
    pub group: Option<String>,
    pub custody: bool,
    pub grace_hours: u64,
    pub metrics: Option<String>,
    pub on_event: Option<String>,
    pub audit_syslog: Option<String>,
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
            etcd_ca: None,
            etcd_certificate: None,
            etcd_key: None,
            offline_grace: 60,
            agent: None,
            module: None,
            linger: true,
            group: None,
            custody: true,
            grace_hours: 0,
            metrics: None,
            on_event: None,
            audit_syslog: None,
            log: None,
            log_level: LogLevel::default(),
            pkcs1_unwrap: false,
            mixed_wrapping: false,
            rsa_minimum: 2048,
        }
    }
}

/// The most that is read of a configuration, in bytes.
pub const MAX_SIZE: u64 = 1 << 20;

impl File {
    /// Reads the file at `path`; every error names the file, and the line where there is one.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = plain_file::read_text(path, MAX_SIZE)
            .map_err(|error| bad(format_args!("{}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            bad(format_args!("{}, line {line}: {}", path.display(), error.message()))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::File;

    /// The file that packages install.
    const INSTALLED: &str = include_str!("../../.packaging/config.toml");

    /// The manual's page about the configuration, of which keystead.toml(5) is made too.
    const MANUAL: &str = include_str!("../manual/configuration.rs");

    /// Returns every key, as the error of an unknown one lists them.
    fn keys() -> Vec<String> {
        let error = toml::from_str::<File>("unknown = 1").unwrap_err();
        let listed = error.message().split_once("expected one of").unwrap().1;
        listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Returns the installed file with its commented examples as lines of it.
    fn with_examples() -> String {
        let example = |line: &str| {
            let text = line.strip_prefix('#')?;
            let key = text.split_once(" = ")?.0;
            key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_').then(|| text.to_owned())
        };
        INSTALLED
            .lines()
            .map(|line| example(line).unwrap_or_else(|| line.to_owned()) + "\n")
            .collect()
    }

    #[test]
    fn the_installed_file_sets_store_and_group_and_leaves_the_rest_as_it_is() {
        let file: File = toml::from_str(INSTALLED).unwrap();
        let (store, group) = (Some("/var/lib/keystead".to_owned()), Some("keystead".to_owned()));
        let expected = File { store, group, ..File::default() };
        assert_eq!(format!("{file:?}"), format!("{expected:?}"));
    }

    #[test]
    fn the_installed_file_has_every_key_with_an_example_or_its_default() {
        let text = with_examples();
        let file: File = toml::from_str(&text).unwrap();
        let default = File::default();
        assert_eq!(
            (file.linger, file.custody, file.grace_hours, file.log_level, file.offline_grace),
            (
                default.linger,
                default.custody,
                default.grace_hours,
                default.log_level,
                default.offline_grace
            )
        );
        assert_eq!(
            (file.pkcs1_unwrap, file.mixed_wrapping, file.rsa_minimum),
            (default.pkcs1_unwrap, default.mixed_wrapping, default.rsa_minimum)
        );
        for key in keys() {
            let lines = text.lines().filter(|line| line.starts_with(&format!("{key} = ")));
            assert_eq!(lines.count(), 1, "{key}");
        }
    }

    #[test]
    fn the_installed_file_explains_every_key() {
        for paragraph in INSTALLED.split("\n\n").skip(1) {
            let prose = |line: &&str| line.starts_with("# ");
            let words: usize =
                paragraph.lines().filter(prose).map(|line| line.split(' ').count()).sum();
            let keys = paragraph.lines().filter(|line| !prose(line)).count();
            // The keys of one paragraph are explained together.
            assert!(words > 8 * keys && (1..=3).contains(&keys), "{paragraph}");
        }
    }

    #[test]
    fn what_never_ends_is_no_configuration() {
        let refused = File::read("/dev/zero".as_ref()).unwrap_err().to_string();
        assert!(refused.contains("/dev/zero: it is too long"), "{refused}");
    }

    #[test]
    fn the_manual_has_every_key_in_its_table() {
        let first_cells =
            MANUAL.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" | ").next());
        let named: Vec<&str> = first_cells.flat_map(|cell| cell.split('`')).collect();
        for key in keys() {
            assert!(named.contains(&key.as_str()), "{key}");
        }
    }
}
