//! `keystead import-keys`: the import keys that a token has, and how one is removed before its time.

use crate::client::{SessionMode, TokenArguments};
use crate::importing::expires;
use crate::name::Name;
use crate::output::{self, printable};
use crate::wrapping::ImportKey;
use crate::{Failure, Global, moment};
use cryptoki::session::Session;
use jiff::Timestamp;
use serde_json::{Value, json};

/// List the import keys of a token, or remove one before it ends by itself
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// Remove the import key with that label or PKCS#11 URI. What is wrapped for it is of no use then
    #[arg(long, value_name = "LABEL", value_parser = Name::of_key)]
    remove: Option<Name>,
}

const HEADER: [&str; 6] = ["LABEL", "ID", "TYPE", "FORM", "EXPIRES", "LEFT"];

/// The columns that a narrow terminal does without.
const SPARE: [usize; 2] = [5, 1];

/// An import key as it is shown.
struct Entry {
    label: Vec<u8>,
    id: Vec<u8>,
    name: String,
    form: &'static str,
    expires: Option<Timestamp>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        if let Some(name) = &self.remove {
            let session = self.token.log_in_for(global, SessionMode::ReadWrite, Some(name))?;
            let key = ImportKey::named_only(&session, name)?;
            let removed = Entry::of(&session, &key)?;
            key.destroy(&session)?;
            return match global.json {
                true => output::done_json(&removed.told()),
                false => output::done(format_args!("removed: {}", printable(&removed.label))),
            };
        }
        let session = self.token.log_in(global, SessionMode::ReadOnly)?;
        let keys = ImportKey::all(&session)?;
        let keys: Vec<Entry> =
            keys.iter().map(|key| Entry::of(&session, key)).collect::<Result<_, _>>()?;
        let now = global.store_time()?.moment();
        match global.json {
            true => output::json(&keys.iter().map(Entry::told).collect::<Vec<Value>>()),
            false => {
                let rows: Vec<_> = keys.iter().map(|key| key.row(now)).collect();
                output::text(output::table(HEADER, &rows, &SPARE))
            }
        }
    }
}

impl Entry {
    fn of(session: &Session, key: &ImportKey) -> Result<Self, Failure> {
        let (label, id) = key.names(session)?;
        let (name, form) = (key.public(session)?.name(), key.takes());
        Ok(Self { label, id, name, form, expires: expires(session, key.private())? })
    }

    fn told(&self) -> Value {
        json!({
            "label": String::from_utf8_lossy(&self.label), "id": self.hexadecimal(),
            "type": self.name, "form": self.form, "expires": self.expires,
        })
    }

    fn row(&self, now: Timestamp) -> [String; HEADER.len()] {
        [
            printable(&self.label),
            self.hexadecimal(),
            self.name.clone(),
            self.form.to_owned(),
            self.expires.map_or("never".to_owned(), |at| at.to_string()),
            self.expires.map(|at| moment::left(at, now)).unwrap_or_default(),
        ]
    }

    fn hexadecimal(&self) -> String {
        base16ct::lower::encode_string(&self.id)
    }
}
