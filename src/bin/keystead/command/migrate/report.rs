//! The report on a migration: an object on a line, and how many of each outcome.

use super::object::SourceObject;
use crate::keys::Shown;
use crate::output::{self, printable};
use crate::{Failure, Global};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use keystead::internal::text::{escaped, harmless};
use pkcs11_sys::CKA_TRUSTED;
use serde_json::{Value, json};

/// The outcome for one object.
pub(super) enum Outcome {
    /// Copied; with the key ID of the custom key that it has become.
    Copied(Option<String>),
    /// It would be copied.
    ToBeCopied,
    /// It was there before; of a key the custom key that has, or had, its material.
    There(Option<Box<Shown>>),
    /// It is not copied.
    Left(Failure),
}

/// One object, and its outcome.
pub(super) struct Row {
    class: String,
    key_type: String,
    label: Vec<u8>,
    id: Vec<u8>,
    trusted: bool,
    outcome: Outcome,
}

const HEADER: [&str; 6] = ["CLASS", "TYPE", "LABEL", "ID", "RESULT", "WHY"];

/// The names of the outcomes, in the order in which they are counted.
const NAMES: [&str; 4] = ["copied", "to be copied", "there already", "not copied"];

impl Row {
    pub(super) fn of(object: &SourceObject, outcome: Outcome) -> Self {
        Self {
            class: object.class_name(),
            key_type: object.type_name(),
            label: object.label().to_vec(),
            id: object.id().to_vec(),
            trusted: object.attributes.flag(CKA_TRUSTED),
            outcome,
        }
    }

    fn result(&self) -> &'static str {
        let [copied, to_be_copied, there, left] = NAMES;
        match self.outcome {
            Outcome::Copied(_) => copied,
            Outcome::ToBeCopied => to_be_copied,
            Outcome::There(_) => there,
            Outcome::Left(_) => left,
        }
    }

    fn why(&self) -> String {
        match &self.outcome {
            Outcome::Left(failure) => failure.message(),
            Outcome::There(Some(key)) if key.waits() => {
                format!("{key} had this material, which is {}", key.material)
            }
            Outcome::There(Some(key)) if key.label() != self.label => format!("as {key}"),
            Outcome::Copied(_) | Outcome::ToBeCopied if self.trusted => {
                "trusted there; here the security officer sets CKA_TRUSTED".to_owned()
            }
            _ => String::new(),
        }
    }

    fn key_id(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Copied(key_id) => key_id.as_deref(),
            Outcome::There(key) => key.as_ref().map(|key| key.key_id.as_str()),
            Outcome::ToBeCopied | Outcome::Left(_) => None,
        }
    }

    fn json(&self) -> Value {
        let why = Some(self.why()).filter(|why| !why.is_empty());
        json!({
            "class": self.class, "key_type": Some(&self.key_type).filter(|it| !it.is_empty()),
            "label": escaped(&self.label), "id": hex(&self.id), "result": self.result(),
            "key_id": self.key_id(), "why": why,
        })
    }

    fn cells(&self) -> [String; HEADER.len()] {
        [
            self.class.clone(),
            self.key_type.clone(),
            printable(&self.label),
            printable(hex(&self.id)),
            self.result().to_owned(),
            harmless(&self.why()),
        ]
    }
}

/// Prints the report.
pub(super) fn report(global: &Global, rows: &[Row]) -> Result<(), Failure> {
    if global.json {
        return output::json(&rows.iter().map(Row::json).collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEADER);
    table.add_rows(rows.iter().map(Row::cells));
    let unpadded = |line: String| format!("{}\n", line.trim());
    output::text(table.lines().map(unpadded).collect::<String>())?;
    output::line(summary(rows))
}

/// Returns the number of objects that are not copied.
pub(super) fn left(rows: &[Row]) -> usize {
    rows.iter().filter(|row| matches!(row.outcome, Outcome::Left(_))).count()
}

fn summary(rows: &[Row]) -> String {
    let count = |name: &str| rows.iter().filter(|row| row.result() == name).count();
    let counts = NAMES.map(|name| (count(name), name));
    let said: Vec<_> = counts.iter().filter(|(count, _)| *count > 0).collect();
    match said.as_slice() {
        [] => "the other token has no objects".to_owned(),
        said => said
            .iter()
            .map(|(count, name)| format!("{count} {name}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
