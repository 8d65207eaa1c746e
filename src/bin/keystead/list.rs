//! `keystead list`: every custom key on a line.

use crate::client::{Access, Token, custom_keys, metadata};
use crate::{Failure, Global};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use serde::Deserialize;
use std::io::{self, Write};

/// List the custom keys: what each is called, and how long its material lasts
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
    /// Print a JSON array of everything instead of the table
    #[arg(long)]
    json: bool,
}

/// What the table shows of a custom key's metadata.
#[derive(Debug, Deserialize)]
struct Line {
    alias: String,
    key_id: String,
    key_type: String,
    key_bits: u64,
    origin: String,
    status: String,
    material: String,
    expires: Option<Timestamp>,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, Access::Look)?;
        let mut shown = Vec::new();
        for object in custom_keys(&session)? {
            shown.push(metadata(&session, object)?);
        }
        if self.json { print_json(&shown) } else { print_table(&shown, Timestamp::now()) }
    }
}

fn print_json(shown: &[Vec<u8>]) -> Result<(), Failure> {
    let keys: Vec<serde_json::Value> =
        shown.iter().map(|json| parse(json)).collect::<Result<_, _>>()?;
    let text = serde_json::to_string_pretty(&keys).map_err(Failure::new)?;
    Ok(writeln!(io::stdout(), "{text}")?)
}

fn print_table(shown: &[Vec<u8>], now: Timestamp) -> Result<(), Failure> {
    let mut lines: Vec<Line> = shown.iter().map(|json| parse(json)).collect::<Result<_, _>>()?;
    lines.sort_by(|a, b| (&a.alias, &a.key_id).cmp(&(&b.alias, &b.key_id)));
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
        .set_header(["ALIAS", "KEY ID", "TYPE", "ORIGIN", "STATUS", "MATERIAL", "EXPIRES", "LEFT"]);
    for line in lines {
        let key_type = match line.key_bits {
            0 => line.key_type,
            bits => format!("{}-{bits}", line.key_type),
        };
        let expires = line.expires.map_or("never".to_owned(), |at| at.to_string());
        let left = line.expires.map_or(String::new(), |at| left(at, now));
        table.add_row([
            line.alias,
            line.key_id,
            key_type,
            line.origin,
            line.status,
            line.material,
            expires,
            left,
        ]);
    }
    Ok(writeln!(io::stdout(), "{}", table.trim_fmt())?)
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(json)
        .map_err(|error| Failure::new(format_args!("a custom key's metadata: {error}")))
}

/// The time until a moment in the largest unit that fits, rounded down.
fn left(at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        return "none".to_owned();
    }
    let seconds = at.duration_since(now).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::left;
    use jiff::Timestamp;

    #[test]
    fn time_left_is_said_in_the_unit_that_matters() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
        assert_eq!(left(at(90 * 86_400 + 5), now), "90d");
        assert_eq!(left(at(3 * 3_600 + 5), now), "3h");
        assert_eq!(left(at(125), now), "2m");
        assert_eq!(left(at(9), now), "9s");
        assert_eq!(left(at(0), now), "none");
    }
}
