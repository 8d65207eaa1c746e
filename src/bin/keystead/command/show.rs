//! `keystead show`: everything about one custom key.

use crate::client::{Access, Token};
use crate::keys::CustomKey;
use crate::output::{self, printable};
use crate::{Failure, Global};
use serde_json::Value;

/// Show everything about one custom key
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    token: Token,
    /// The custom key's alias or key ID
    key: String,
}

impl Arguments {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let session = self.token.log_in(global, Access::Look)?;
        let key = CustomKey::named(&session, &self.key)?;
        match &key.json {
            Value::Object(fields) if !global.json => {
                let lines = fields.iter().filter_map(|(name, value)| line(name, value));
                output::text(lines.collect::<String>())
            }
            json => output::json(json),
        }
    }
}

/// A field on a line; what there is none of is left out.
fn line(name: &str, value: &Value) -> Option<String> {
    let value = match value {
        Value::Null => return None,
        Value::String(text) => printable(text),
        other => other.to_string(),
    };
    let name = format!("{}:", name.replace('_', " "));
    Some(format!("{name:<18} {value}\n").trim_end().to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::line;
    use serde_json::{Value, json};

    #[test]
    fn a_field_is_a_line() {
        assert_eq!(line("key_id", &json!("x")).as_deref(), Some("key id:            x\n"));
        assert_eq!(line("description", &json!("")).as_deref(), Some("description:\n"));
        assert_eq!(line("expires", &Value::Null), None);
    }
}
