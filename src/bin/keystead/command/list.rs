//! `keystead list`: every custom key on a line.

use crate::client::{Access, Token};
use crate::keys::{CustomKey, Shown};
use crate::output::{self, printable};
use crate::{Failure, Global, moment};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use serde_json::Value;

/// List the custom keys: what each is called, and how long its material lasts
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
}

const HEADER: [&str; 8] =
    ["ALIAS", "KEY ID", "TYPE", "ORIGIN", "STATUS", "MATERIAL", "EXPIRES", "LEFT"];

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, Access::Look)?;
        let keys = CustomKey::all(&session)?;
        match global.json {
            true => output::json(&keys.into_iter().map(|key| key.json).collect::<Vec<Value>>()),
            false => output::text(table(&keys, Timestamp::now())),
        }
    }
}

fn table(keys: &[CustomKey], now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(HEADER);
    for key in keys {
        table.add_row(row(&key.shown, now));
    }
    let unpadded = |line: &str| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end());
    table.lines().map(|line| unpadded(&line)).collect()
}

fn row(key: &Shown, now: Timestamp) -> [String; HEADER.len()] {
    let key_type = match key.key_bits {
        0 => key.key_type.clone(),
        bits => format!("{}-{bits}", key.key_type),
    };
    [
        printable(&key.alias),
        key.key_id.clone(),
        key_type,
        key.origin.clone(),
        key.status.clone(),
        key.material.clone(),
        key.expires.map_or("never".to_owned(), |at| at.to_string()),
        key.expires.map_or(String::new(), |at| moment::left(at, now)),
    ]
}
