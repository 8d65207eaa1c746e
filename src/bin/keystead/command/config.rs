//! `keystead config`: the configuration that holds here, and where each value comes from.

use crate::output;
use crate::{Failure, Global};
use keystead::internal::config::{Config, Log, MAX_SIZE, STORE_VARIABLE};
use keystead::internal::{installed, plain_file};
use serde_json::{Value, json};
use std::path::Path;

/// Print the configuration that holds, and where each value comes from
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// The variable that takes the place of `log` and `log_level`.
const LOG_VARIABLE: &str = "KEYSTEAD_LOG";

/// One key of the configuration, and its value.
type Key = (&'static str, fn(&Config) -> Value);

/// Every key of the configuration file.
const KEYS: &[Key] = &[
    ("store", |it| it.store.to_string().into()),
    ("agent_directory", |it| it.directory.display().to_string().into()),
    ("etcd_ca", |it| path(it.etcd_tls.as_ref().map(|tls| &*tls.authorities))),
    ("etcd_certificate", |it| path(it.etcd_tls.as_ref().map(|tls| &*tls.certificate))),
    ("etcd_key", |it| path(it.etcd_tls.as_ref().map(|tls| &*tls.key))),
    ("offline_grace", |it| it.offline_grace.into()),
    ("agent", |it| path(it.agent.clone().or_else(|| installed::program().ok()).as_deref())),
    ("module", |it| path(it.module.clone().or_else(|| installed::module().ok()).as_deref())),
    ("linger", |it| it.linger.into()),
    ("group", |it| it.group.clone().into()),
    ("custody", |it| it.custody.into()),
    ("grace_hours", |it| it.grace_hours.into()),
    ("metrics", |it| path(it.metrics.as_deref())),
    ("on_event", |it| path(it.on_event.as_deref())),
    ("audit_syslog", |it| path(it.audit_syslog.as_deref())),
    ("log", |it| match &it.log {
        Some(Log::Stderr) => "stderr".into(),
        Some(Log::File(file)) => path(Some(file)),
        None => Value::Null,
    }),
    ("log_level", |it| it.log_level.name().into()),
    ("pkcs1_unwrap", |it| it.pkcs1_unwrap.into()),
    ("mixed_wrapping", |it| it.mixed_wrapping.into()),
    ("rsa_minimum", |it| it.rsa_minimum.into()),
];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = global.configuration()?;
        let in_file = keys_of(config.file.as_deref())?;
        let source = |key: &str| source(global, &config, key, &in_file);
        let keys = KEYS.iter().map(|(key, value)| (*key, value(&config), source(key)));
        match global.json {
            true => {
                let told = |(key, value, from): (&str, Value, String)| {
                    (key.to_owned(), json!({ "value": value, "from": from }))
                };
                output::json(&keys.map(told).collect::<serde_json::Map<_, _>>())
            }
            false => {
                let rows: Vec<_> = keys.map(row).collect();
                output::text(output::table(["KEY", "VALUE", "FROM"], &rows, &[]))
            }
        }
    }
}

/// Returns the origin of the value of a key.
fn source(global: &Global, config: &Config, key: &str, in_file: &[String]) -> String {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let file = config.file.as_deref().filter(|_| in_file.iter().any(|it| it == key));
    match (key, file) {
        ("store", _) if global.store.is_some() => "--store".to_owned(),
        ("store", _) if is_set(STORE_VARIABLE) => STORE_VARIABLE.to_owned(),
        ("log" | "log_level", _) if is_set(LOG_VARIABLE) => LOG_VARIABLE.to_owned(),
        (_, Some(file)) => file.display().to_string(),
        ("agent" | "module", None) => "installed".to_owned(),
        (_, None) => "default".to_owned(),
    }
}

/// Returns the keys that a configuration file has.
fn keys_of(file: Option<&Path>) -> Result<Vec<String>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text =
        plain_file::read_text(file, MAX_SIZE).map_err(|error| Failure::of_file(file, &error))?;
    let table: toml::Table = text.parse().map_err(Failure::new)?;
    Ok(table.keys().cloned().collect())
}

fn row((key, value, from): (&str, Value, String)) -> [String; 3] {
    let value = match &value {
        Value::Null => "none".to_owned(),
        Value::String(text) => output::printable(text),
        other => other.to_string(),
    };
    [key.to_owned(), value, output::printable(from)]
}

fn path(path: Option<&Path>) -> Value {
    path.map(|path| path.display().to_string()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::KEYS;
    use keystead::internal::config::Config;
    use std::io::Write;

    #[test]
    fn every_key_of_the_file_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "no_such_key = 1").unwrap();
        let refusal = Config::load(file.path().to_str()).unwrap_err().to_string();
        let (_, named) = refusal.split_once("expected one of ").unwrap();
        let named: Vec<&str> = named.split(", ").map(|key| key.trim_matches('`')).collect();
        let told: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        assert_eq!(named, told);
    }
}
