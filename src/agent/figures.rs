//! The figures of a store that are about no single key: what an operator watches beside the expiries. Each is
//! there at all times, also where it is zero, so that an alarm on one never waits for it to appear.

use super::audit::{self, AuditEvent};
use super::open_store::OpenStore;
use super::outlets::{Outlets, PLACES};
use crate::clock::Seconds;
use crate::error::Result;
use crate::id::Id;
use crate::key::pin::{PIN_TRIES, TokenEntry};
use crate::wire::message::{PROTOCOL, STORE_FORMAT};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The form of a metric: a value that rises and falls, or one that only rises.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Gauge,
    Counter,
}

/// A text file of Prometheus's format, version 0.0.4.
#[derive(Default)]
pub(super) struct MetricsText(String);

impl MetricsText {
    /// Begins a metric.
    pub(super) fn head(&mut self, name: &str, help: &str, form: Form) {
        let form = match form {
            Form::Gauge => "gauge",
            Form::Counter => "counter",
        };
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {form}\n");
    }

    /// Writes a value with its labels.
    pub(super) fn line(&mut self, name: &str, labels: &str, value: u64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Writes a metric that has one value.
    fn single(&mut self, (name, help, form): (&str, &str, Form), value: u64) {
        self.head(name, help, form);
        self.line(name, "", value);
    }

    /// Returns the text.
    pub(super) fn text(self) -> String {
        self.0
    }
}

/// Returns a label's value as the format has it.
fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Returns the labels of a token: its own label, which others may have too, and its serial number.
pub(super) fn token_labels(token: Id, label: &str) -> String {
    format!("token=\"{}\",serial=\"{}\"", escaped(label), token.serial())
}

/// The times of what the audit log told before the agent began, in seconds since 1970 UTC.
#[derive(Debug, Default)]
pub(super) struct EarlierEvents {
    /// The last backup; 0 where there was none.
    pub(super) backup: Seconds,
    /// The making of each key, or of its newest version.
    pub(super) versions: BTreeMap<String, Seconds>,
}

impl EarlierEvents {
    /// Reads them.
    pub(super) fn read(store: &OpenStore) -> Self {
        let told = match audit::entries(&store.directory) {
            Ok((lines, _)) => lines,
            Err(fault) => {
                log::warn!(
                    "when the store was backed up and keys were rotated is not known: {fault}"
                );
                return Self::default();
            }
        };
        let mut events = Self::default();
        for audit::AuditEntry { time, fact, .. } in told.into_iter().map(|line| line.entry) {
            let at = Seconds::try_from(time.as_second()).unwrap_or(0);
            match (fact.event, fact.key) {
                (AuditEvent::BackedUp, _) => events.backup = at,
                (AuditEvent::Created | AuditEvent::Rotated, Some(key)) => {
                    events.versions.insert(key, at);
                }
                _ => {}
            }
        }
        events
    }
}

/// Writes the figures of the store.
pub(super) fn write(
    text: &mut MetricsText,
    store: &OpenStore,
    outlets: &Outlets,
    last_backup: Seconds,
) -> Result<()> {
    let name = "keystead_info";
    text.head(name, "The agent's version, protocol and store format.", Form::Gauge);
    let labels = format!(
        "version=\"{}\",protocol=\"{}\",store_format=\"{STORE_FORMAT}\"",
        env!("CARGO_PKG_VERSION"),
        PROTOCOL.1
    );
    text.line(name, &labels, 1);
    pins(text, store)?;
    let backup = outlets.last_backup().max(last_backup);
    let (last, waiting) = outlets.audit_log();
    for (about, value) in [
        (
            ("keystead_store_writable", "Whether the store can be written: 1, or 0.", Form::Gauge),
            u64::from(store.is_writable()),
        ),
        (
            (
                "keystead_last_backup_timestamp_seconds",
                "When the store was last backed up, in seconds since 1970 UTC; 0 never.",
                Form::Gauge,
            ),
            backup,
        ),
        (
            (
                "keystead_audit_lines_total",
                "The number of the audit log's last line.",
                Form::Counter,
            ),
            last,
        ),
        (
            (
                "keystead_audit_lines_waiting",
                "Lines of the audit log that are in no file yet.",
                Form::Gauge,
            ),
            waiting,
        ),
        (
            (
                "keystead_written_timestamp_seconds",
                "When this file was written, in seconds since 1970 UTC.",
                Form::Gauge,
            ),
            store.clock(),
        ),
    ] {
        text.single(about, value);
    }
    let name = LOST;
    text.head(
        name,
        "Lines of the audit log that on_event or audit_syslog was not told.",
        Form::Counter,
    );
    for to in PLACES {
        let lost = outlets.lost().find(|(name, _)| *name == to).map_or(0, |(_, lost)| lost);
        text.line(name, &to_place(to), lost);
    }
    Ok(())
}

/// The metric of the lines that a place was not told.
const LOST: &str = "keystead_events_lost_total";

fn to_place(place: &str) -> String {
    format!("to=\"{place}\"")
}

/// Returns the lines that a place was not told before, as the file has it that an earlier agent left: the counter goes
/// on where that one ended.
pub(super) fn lost_before(file: &Path, place: &str) -> u64 {
    let text = match file.is_file() {
        true => std::fs::read_to_string(file).unwrap_or_default(),
        false => String::new(),
    };
    let begin = format!("{LOST}{{{}}} ", to_place(place));
    text.lines().find_map(|line| line.strip_prefix(&begin)?.parse().ok()).unwrap_or(0)
}

/// Writes the wrong PINs of each token, and which are locked.
fn pins(text: &mut MetricsText, store: &OpenStore) -> Result<()> {
    let mut wrong = Vec::new();
    for (token, row) in store.tokens()? {
        let labels = token_labels(token, &TokenEntry::decode(&row.entry)?.label);
        // A token that is destroyed at this moment has no count any more.
        let Ok((officer, user)) = store.wrong_pins(token) else { continue };
        for (pin, count) in [("so", officer), ("user", user)] {
            wrong.push((format!("{labels},pin=\"{pin}\""), count));
        }
    }
    let name = "keystead_pin_wrong";
    text.head(name, "Wrong PINs since the last right one.", Form::Gauge);
    wrong.iter().for_each(|(labels, count)| text.line(name, labels, u64::from(*count)));
    let name = "keystead_pin_locked";
    text.head(name, "Whether a PIN is locked: 1, or 0.", Form::Gauge);
    let locked = |count: u8| u64::from(count >= PIN_TRIES);
    wrong.iter().for_each(|(labels, count)| text.line(name, labels, locked(*count)));
    Ok(())
}
