//! `keystead list`: every custom key on a line.

use crate::client::{SessionMode, TokenArguments};
use crate::keys::{ListedKey, Shown};
use crate::moment::{self, ExpiryArgument};
use crate::outcome::Outcome;
use crate::output::{self, printable};
use crate::{Failure, Global};
use cryptoki::slot::TokenInfo;
use jiff::Timestamp;
use keystead::internal::clock::{Seconds, seconds_of_span};
use keystead::internal::key::MaterialState;
use keystead::internal::object::{kinds, words};
use serde_json::Value;

/// List the custom keys: what each is called, and how long its material lasts
///
/// On a terminal that is too narrow, columns are left out; through a pipe nothing is, unless `COLUMNS` is set, nor
/// with --json.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// Only keys whose material expires within that time (30d, 36h), the soonest first
    #[arg(long, value_name = "TIME", value_parser = span, long_help = EXPIRING,
          allow_hyphen_values = true)]
    expiring: Option<Seconds>,
    /// Print each key's PKCS#11 URI, and nothing else
    #[arg(long)]
    uri: bool,
}

const EXPIRING: &str = "Only keys whose material expires within that time (30d, 36h), the soonest \
    first. The exit status is 3 where there are any, so that a script can tell them from none (0) \
    and from a failure";

const HEADER: [&str; 8] =
    ["ALIAS", "KEY ID", "TYPE", "ORIGIN", "STATUS", "MATERIAL", "EXPIRES", "LEFT"];

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, SessionMode::ReadOnly)?;
        let (mut keys, now) = (ListedKey::all(&session)?, global.store_time()?.moment());
        if let Some(within) = self.expiring {
            keys.retain(|key| expires_within(&key.shown, within, now));
            keys.sort_by_key(|key| key.shown.expires);
        }
        let some = self.expiring.is_some() && !keys.is_empty();
        match global.json {
            true => {
                let json = keys.iter().map(|key| key.json_with_uri(&session.info));
                output::json(&json.collect::<Vec<Value>>())?;
            }
            false if self.uri => output::text(uris(&keys, &session.info))?,
            false if self.expiring.is_some() && !some => output::line("none expires in that time")?,
            false => output::text(table(&keys, now))?,
        }
        if some { Err(Failure::silent(Outcome::SomeExpire)) } else { Ok(()) }
    }
}

/// Returns the keys' URIs, one on a line.
fn uris(keys: &[ListedKey], token: &TokenInfo) -> String {
    keys.iter().map(|key| format!("{}\n", key.uri(token))).collect()
}

fn span(text: &str) -> Result<Seconds, String> {
    seconds_of_span(text).ok_or_else(|| "not a time such as 30d or 36h".to_owned())
}

/// Returns whether there is material that will be gone by then.
fn expires_within(key: &Shown, within: Seconds, now: Timestamp) -> bool {
    let left = |at: Timestamp| at.as_second().saturating_sub(now.as_second());
    key.material == words::material(MaterialState::Present).text
        && key.expires.is_some_and(|at| left(at) <= i64::try_from(within).unwrap_or(i64::MAX))
}

/// The columns that a narrow terminal does without: key ID, origin, material, type, the time that is left.
const SPARE: [usize; 5] = [1, 3, 5, 2, 7];

fn table(keys: &[ListedKey], now: Timestamp) -> String {
    let rows: Vec<_> = keys.iter().map(|key| row(&key.shown, now)).collect();
    output::table(HEADER, &rows, &SPARE)
}

fn row(key: &Shown, now: Timestamp) -> [String; HEADER.len()] {
    let kind = kinds::named(&key.key_type);
    let key_type = kind.map_or_else(|| key.key_type.clone(), |kind| kind.sized(key.key_bits));
    let [expires, left] = expiry(key, now);
    [
        printable(key.label()),
        key.key_id.clone(),
        key_type,
        key.origin.clone(),
        status(key, now),
        key.material.clone(),
        expires,
        left,
    ]
}

/// A key that waits for material is enabled or disabled all the same; of one whose deletion is scheduled the time is left.
fn status(key: &Shown, now: Timestamp) -> String {
    match (key.deletion, key.waits() && !key.enabled) {
        (Some(at), _) => format!("{} in {}", key.status, moment::left(at, now)),
        (None, true) => format!("{}, disabled", key.status),
        (None, false) => key.status.clone(),
    }
}

/// Returns the expiry of material and the time until then; of a key that waits, those of its next import.
fn expiry(key: &Shown, now: Timestamp) -> [String; 2] {
    let expires = match (key.own_expiry().filter(|_| key.waits()), key.expires) {
        (Some(ExpiryArgument::At(at)), _) => return [at.to_string(), String::new()],
        (Some(ExpiryArgument::After(seconds)), _) => {
            return [format!("{} after import", moment::span(seconds)), String::new()];
        }
        (_, expires) => expires,
    };
    [
        expires.map_or("never".to_owned(), |at| at.to_string()),
        expires.map_or(String::new(), |at| moment::left(at, now)),
    ]
}
