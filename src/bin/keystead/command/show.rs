//! `keystead show`: everything about one custom key.

use crate::client::{SessionMode, TokenArguments};
use crate::keys::ListedKey;
use crate::output::{self, printable};
use crate::{Failure, Global, moment};
use keystead::internal::text::harmless;
use serde_json::{Map, Value};

/// Show everything about one custom key
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The custom key's alias or key ID
    key: String,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, SessionMode::ReadOnly)?;
        let key = ListedKey::named(&session, &self.key)?;
        match &key.json {
            Value::Object(fields) if !global.json => output::text(lines(fields)),
            json => output::json(json),
        }
    }
}

/// A field on a line; what there is none of is left out, and so are the bytes of an alias that is shown.
fn lines(fields: &Map<String, Value>) -> String {
    let fields = fields.iter().filter(|(name, value)| !value.is_null() && *name != "alias_hex");
    let said: Vec<_> = fields.map(for_people).collect();
    let width = said.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        let name = format!("{}:", name.replace('_', " "));
        format!("{name:<width$}  {value}", width = width + 1).trim_end().to_owned() + "\n"
    };
    said.iter().map(line).collect()
}

/// Name and value of a field; a time that is counted from the next import as people write it.
fn for_people((name, value): (&String, &Value)) -> (String, String) {
    match (name.strip_suffix("_in_seconds"), value.as_u64()) {
        (Some(name), Some(seconds)) => {
            (name.to_owned(), format!("{} after it", moment::span(seconds)))
        }
        _ => {
            // The module has escaped the alias already.
            let text = |text: &str| if name == "alias" { harmless(text) } else { printable(text) };
            (name.clone(), value.as_str().map_or_else(|| value.to_string(), text))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::lines;
    use serde_json::json;

    #[test]
    fn a_field_is_a_line() {
        let fields = json!({ "key_id": "x", "description": "", "expires": null, "key_bits": 256 });
        let said = lines(fields.as_object().unwrap());
        assert_eq!(said, "key id:       x\ndescription:\nkey bits:     256\n");
        let fields = json!({ "next_import_expires_in_seconds": 7_776_000 });
        let said = lines(fields.as_object().unwrap());
        assert_eq!(said, "next import expires:  90d after it\n");
    }
}
