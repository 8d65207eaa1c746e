//! A custom key's metadata as JSON: what `CKA_VALUE` of its data object shows, and what makes an
//! empty custom key.

use super::kinds::{self, Kind};
use super::properties::{self, PROPERTIES};
use super::property::CustomKeyView;
use crate::clock::{Seconds, check_ahead, exact_timestamp, seconds_of_span};
use crate::error::{Error, Reason, Result};
use crate::key::{Due, ExpiryAction, OwnExpiry};
use crate::text::{MAX_TEXT, unhex};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The JSON that a client writes to make an empty custom key.
#[derive(Debug, Default, Deserialize)]
struct Written {
    alias: Option<String>,
    alias_hex: Option<String>,
    key_type: Option<String>,
    key_bits: Option<u64>,
    expires: Option<Timestamp>,
    expires_in: Option<String>,
    expiry_action: Option<WrittenAction>,
    private: Option<bool>,
    id: Option<String>,
    /// The members of properties, and unknown ones.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The JSON that a client writes to change a custom key's own expiry. A member that is there and null takes
/// the expiry away.
#[derive(Debug, Deserialize)]
struct WrittenExpiry {
    #[serde(default, deserialize_with = "there")]
    expires: Option<Option<Timestamp>>,
    #[serde(default, deserialize_with = "there")]
    expires_in: Option<Option<String>>,
    expiry_action: Option<WrittenAction>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenAction {
    Erase,
    ReadOnly,
}

impl From<WrittenAction> for ExpiryAction {
    fn from(written: WrittenAction) -> Self {
        match written {
            WrittenAction::Erase => Self::Erase,
            WrittenAction::ReadOnly => Self::ReadOnly,
        }
    }
}

/// Reads a member that is there, null or not.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// An empty custom key as a client asks for it.
pub(crate) struct KeyRequest {
    /// Its alias, if it was given one.
    pub alias: Option<Vec<u8>>,
    /// The identifier programs find it by; empty for the key ID's bytes.
    pub identifier: Vec<u8>,
    /// The properties that its metadata takes as they are, by their attributes.
    pub properties: Vec<(u64, Vec<u8>)>,
    /// The kind of key it is for.
    pub kind: &'static Kind,
    /// Its size in bits, 0 for any.
    pub bits: u64,
    /// The expiry of every import that is given no other.
    pub expiry: Option<OwnExpiry>,
    /// True where it is hidden without a login, and unless the JSON says otherwise.
    pub private: bool,
}

/// Reads the JSON that makes an empty custom key, at the store's time `now` while the clock shows `clock`.
/// Anything wrong is `AttributeValue`, and says where.
pub(crate) fn wanted(bytes: &[u8], now: Seconds, clock: Seconds) -> Result<KeyRequest> {
    let written: Written = read(bytes)?;
    let alias = alias(written.alias, written.alias_hex.as_deref())?;
    let name = written.key_type.as_deref().unwrap_or("AES");
    let kind = kinds::named(name).ok_or_else(|| wrong("`key_type` is not one the token keeps"))?;
    let said = kinds::size_named(name);
    let bits = written.key_bits.or(said);
    if bits.is_some_and(|bits| !kind.sizes.contain(bits))
        || said.is_some_and(|said| bits != Some(said))
    {
        return Err(wrong("`key_bits` is no size of that `key_type`"));
    }
    let due = due(written.expires, written.expires_in.as_deref(), (now, clock))?;
    let expiry = own(due, written.expiry_action, None)?;
    let identifier = match written.id {
        None => Vec::new(),
        Some(hex) => unhex(&hex).ok_or_else(|| wrong("`id` is not hexadecimal"))?,
    };
    Ok(KeyRequest {
        alias,
        identifier,
        properties: written.others.into_iter().map(property).collect::<Result<_>>()?,
        kind,
        bits: bits.unwrap_or(0),
        expiry,
        private: written.private.unwrap_or(true),
    })
}

/// Returns a property and its value, of a member that gives it as text.
fn property((name, value): (String, Value)) -> Result<(u64, Vec<u8>)> {
    let known = properties::text_in_json(&name);
    let (kind, most) = known.ok_or_else(|| wrong(&format!("unknown field `{name}`")))?;
    match value {
        Value::String(text) if text.len() <= most => Ok((kind, text.into_bytes())),
        _ => Err(wrong(&format!("`{name}` is not a text of at most {most} bytes"))),
    }
}

/// Returns the alias itself, or its bytes in hexadecimal digits.
fn alias(text: Option<String>, hex: Option<&str>) -> Result<Option<Vec<u8>>> {
    let alias = match (text, hex) {
        (Some(_), Some(_)) => return Err(wrong("`alias` and `alias_hex` exclude each other")),
        (text, None) => text.map(String::into_bytes),
        (None, Some(hex)) => {
            Some(unhex(hex).ok_or_else(|| wrong("`alias_hex` is not hexadecimal"))?)
        }
    };
    match alias.as_ref().is_some_and(|alias| alias.is_empty() || alias.len() > MAX_TEXT) {
        true => Err(wrong(&format!("`alias` has no bytes or more than {MAX_TEXT}"))),
        false => Ok(alias),
    }
}

/// The members that can be changed: [`WrittenExpiry`]'s.
const CHANGEABLE: [&str; 3] = ["expires", "expires_in", "expiry_action"];

/// Reads the JSON that changes a custom key's own expiry, which is `current`. What is wrong with that is
/// `AttributeValue`, and says where; everything else that the JSON shows is `AttributeReadOnly`.
pub(crate) fn changed_expiry(
    bytes: &[u8],
    current: Option<OwnExpiry>,
    (now, clock): (Seconds, Seconds),
) -> Result<Option<OwnExpiry>> {
    let read_only = || {
        let message = format_args!("of the custom key's JSON, all but {}", CHANGEABLE.join(", "));
        Reason::AttributeReadOnly.detail(message)
    };
    let members: Map<String, Value> = read(bytes).map_err(|_| read_only())?;
    if members.is_empty() || members.keys().any(|name| !CHANGEABLE.contains(&name.as_str())) {
        return Err(read_only());
    }
    let WrittenExpiry { expires, expires_in, expiry_action } =
        serde_json::from_value(Value::Object(members))
            .map_err(|cause| wrong(&cause.to_string()))?;
    let due = match (&expires, &expires_in) {
        (None, None) => current.map(|own| own.due),
        _ => due(expires.flatten(), expires_in.flatten().as_deref(), (now, clock))?,
    };
    own(due, expiry_action, current)
}

fn own(
    due: Option<Due>,
    action: Option<WrittenAction>,
    current: Option<OwnExpiry>,
) -> Result<Option<OwnExpiry>> {
    let Some(due) = due else {
        return match action {
            Some(_) => Err(wrong("`expiry_action` goes with `expires` or `expires_in`")),
            None => Ok(None),
        };
    };
    let kept = current.map_or(ExpiryAction::Erase, |own| own.action);
    Ok(Some(OwnExpiry { due, action: action.map_or(kept, Into::into) }))
}

fn due(
    expires: Option<Timestamp>,
    within: Option<&str>,
    (now, clock): (Seconds, Seconds),
) -> Result<Option<Due>> {
    match (expires, within) {
        (None, None) => Ok(None),
        (Some(moment), None) => {
            let at = u64::try_from(moment.as_second()).unwrap_or(0);
            check_ahead(at, now, clock)?;
            Ok(Some(Due::At(at)))
        }
        (None, Some(span)) => {
            let after = seconds_of_span(span)
                .ok_or_else(|| wrong("`expires_in` is not a time such as \"90d\""))?;
            // No import could ever have such an expiry.
            exact_timestamp(now.saturating_add(after))
                .map_err(|_| wrong("`expires_in` ends after the year 9999"))?;
            Ok(Some(Due::After(after)))
        }
        (Some(_), Some(_)) => Err(wrong("`expires` and `expires_in` exclude each other")),
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|cause| wrong(&cause.to_string()))
}

fn wrong(what: &str) -> Error {
    Reason::AttributeValue.detail(format_args!("the custom key's JSON: {what}"))
}

/// Returns a custom key's metadata as JSON: the members of all properties, in their order. Times are UTC.
pub(crate) fn show(key: &CustomKeyView<'_>) -> Result<Vec<u8>> {
    let mut members = Map::new();
    for property in PROPERTIES {
        if let (Some(name), Some(value)) = (property.json, property.value(key)?.json()?) {
            members.insert(name.to_owned(), value);
        }
    }
    serde_json::to_vec_pretty(&members).map_err(|cause| Reason::General.detail(cause))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        wanted(json.as_bytes(), 1_000, 1_000).err().unwrap().to_string()
    }

    #[test]
    fn the_json_of_the_manual_makes_a_key() {
        let json = br#"{"alias":"payroll","description":"pays","key_type":"AES","key_bits":256,"expires":"2027-01-31T00:00:00Z"}"#;
        let wanted = wanted(json, 1_000, 1_000).unwrap();
        assert_eq!(wanted.alias.as_deref(), Some(&b"payroll"[..]));
        assert!(wanted.identifier.is_empty());
        assert_eq!((wanted.kind.name, wanted.bits, wanted.private), ("AES", 256, true));
        let expected = OwnExpiry { due: Due::At(1_801_353_600), action: ExpiryAction::Erase };
        assert_eq!(wanted.expiry, Some(expected));
    }

    #[test]
    fn a_mistake_is_named() {
        assert!(refused("{").contains("JSON"));
        assert!(refused(r#"{"allias":"x"}"#).contains("allias"));
        assert!(refused(r#"{"id":"0g"}"#).contains("id"));
        assert!(refused(r#"{"alias_hex":"0g"}"#).contains("alias_hex"));
        assert!(refused(r#"{"alias":"x","alias_hex":"00"}"#).contains("exclude"));
        assert!(refused(r#"{"alias":""}"#).contains("no bytes"));
        assert!(refused(r#"{"key_type":"DES"}"#).contains("key_type"));
        assert!(refused(r#"{"key_bits":100}"#).contains("key_bits"));
        assert!(refused(r#"{"expires":"1970-01-01T00:00:01Z"}"#).contains("not in the future"));
        assert!(refused(r#"{"expires_in":"soon"}"#).contains("expires_in"));
        assert!(refused(r#"{"expires_in":"3000000d"}"#).contains("9999"));
        assert!(refused(r#"{"expires_in":"9d","expiry_action":"forget"}"#).contains("forget"));
        assert!(refused(r#"{"expiry_action":"erase"}"#).contains("goes with"));
        assert!(
            refused(r#"{"expires":"2999-01-01T00:00:00Z","expires_in":"9d"}"#).contains("exclude")
        );
    }

    #[test]
    fn a_change_of_the_expiry_keeps_what_it_does_not_name() {
        use ExpiryAction::{Erase, ReadOnly};
        let changed =
            |json: &str, current| changed_expiry(json.as_bytes(), current, (1_000, 1_000));
        let own = |due, action| Some(OwnExpiry { due, action });
        let (day, current) = (86_400, own(Due::After(5), ReadOnly));
        for (json, expected) in [
            (r#"{"expires_in":"1d"}"#, own(Due::After(day), ReadOnly)),
            (r#"{"expires":"1970-01-02T00:00:00Z"}"#, own(Due::At(day), ReadOnly)),
            (r#"{"expires":null,"expires_in":"1d"}"#, own(Due::After(day), ReadOnly)),
            (r#"{"expires_in":"1d","expiry_action":"erase"}"#, own(Due::After(day), Erase)),
            (r#"{"expiry_action":"erase"}"#, own(Due::After(5), Erase)),
            (r#"{"expires":null}"#, None),
            (r#"{"expires_in":null}"#, None),
        ] {
            assert_eq!(changed(json, current), Ok(expected), "{json}");
        }
        assert_eq!(changed(r#"{"expires_in":"1d"}"#, None), Ok(own(Due::After(day), Erase)));
        let reason = |json| changed(json, current).unwrap_err().reason();
        for json in [
            r#"{"expires_in":"1d","expires":"2999-01-01T00:00:00Z"}"#,
            r#"{"expires":null,"expiry_action":"erase"}"#,
            r#"{"expires_in":7}"#,
        ] {
            assert_eq!(reason(json), Reason::AttributeValue, "{json}");
        }
        assert_eq!(reason(r#"{"expires":"1970-01-01T00:00:01Z"}"#), Reason::ExpiryPast);
        for json in ["{}", "[]", "x", r#"{"alias":"x"}"#, r#"{"expires_in":"1d","status":"x"}"#] {
            assert_eq!(reason(json), Reason::AttributeReadOnly, "{json}");
        }
        assert!(changed(r#"{"expiry_action":"erase"}"#, None).is_err());
    }
}
