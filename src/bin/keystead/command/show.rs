//! `keystead show`: everything about one custom key.

use crate::client::SessionMode;
use crate::key_choice::KeyChoice;
use crate::keys::ListedKey;
use crate::output::{self, printable};
use crate::uses::RecentUses;
use crate::{Failure, Global, moment};
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::Session;
use keystead::internal::text::harmless;
use serde_json::{Map, Value, json};

/// Show everything about one custom key
///
/// The deletion risk is `used` where the key was used in the last 90 days, and `unknown` to other users than the
/// store's owner and root, for whom the audit log is.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    key: KeyChoice,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        let (session, key) = self.key.find(global, SessionMode::ReadOnly)?;
        let json = key.json_with_uri(&session.info);
        let Value::Object(mut fields) = json else { return output::json(&key.json) };
        fields.extend(of_material(&session, &key)?);
        let uses = RecentUses::of(global, &key.shown.key_id)?.json();
        fields.extend(uses.map(|(name, value)| (name.to_owned(), value)));
        match global.json {
            true => output::json(&fields),
            false => output::text(lines(&fields)),
        }
    }
}

/// The usages of a key, by the attributes that allow them.
const USAGES: [(AttributeType, &str); 11] = [
    (AttributeType::Encrypt, "encrypt"),
    (AttributeType::Decrypt, "decrypt"),
    (AttributeType::Sign, "sign"),
    (AttributeType::SignRecover, "sign recover"),
    (AttributeType::Verify, "verify"),
    (AttributeType::VerifyRecover, "verify recover"),
    (AttributeType::Wrap, "wrap"),
    (AttributeType::Unwrap, "unwrap"),
    (AttributeType::Derive, "derive"),
    (AttributeType::Encapsulate, "encapsulate"),
    (AttributeType::Decapsulate, "decapsulate"),
];

/// Returns the properties of the material that is present, which are no metadata.
fn of_material(session: &Session, key: &ListedKey) -> Result<Map<String, Value>, Failure> {
    let mut fields = Map::new();
    let Some(material) = key.material(session)?.first().copied() else { return Ok(fields) };
    let is_set = |kind| -> Result<bool, Failure> {
        let flag = session.get_attributes(material, &[kind])?.pop();
        Ok(flag.is_some_and(|flag| is_true(&flag)))
    };
    let mut usages = Vec::new();
    for (kind, name) in USAGES {
        if is_set(kind)? {
            usages.push(name);
        }
    }
    fields.insert("usages".to_owned(), json!(usages));
    fields.insert("sensitive".to_owned(), json!(is_set(AttributeType::Sensitive)?));
    fields.insert("extractable".to_owned(), json!(is_set(AttributeType::Extractable)?));
    let check = session.get_attributes(material, &[AttributeType::CheckValue])?.pop();
    if let Some(Attribute::CheckValue(bytes)) = check {
        fields.insert("check_value".to_owned(), json!(base16ct::lower::encode_string(&bytes)));
    }
    Ok(fields)
}

/// Returns whether a flag is true.
fn is_true(flag: &Attribute) -> bool {
    use Attribute as Is;
    matches!(
        flag,
        Is::Encrypt(true)
            | Is::Decrypt(true)
            | Is::Sign(true)
            | Is::SignRecover(true)
            | Is::Verify(true)
            | Is::VerifyRecover(true)
            | Is::Wrap(true)
            | Is::Unwrap(true)
            | Is::Derive(true)
            | Is::Encapsulate(true)
            | Is::Decapsulate(true)
            | Is::Sensitive(true)
            | Is::Extractable(true)
    )
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
            if let Value::Array(list) = value {
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                return (name.clone(), printable(list.join(", ")));
            }
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
