//! The names of tokens and keys on the command line: what they are called, or a PKCS#11 URI.

use crate::uri::{About, Uri};
use cryptoki::object::Attribute;
use keystead::internal::text::escaped;
use std::fmt;

/// A name on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// A label, an alias, a serial number or a key ID.
    Plain(String),
    /// A PKCS#11 URI.
    Uri(Uri),
}

impl Name {
    /// Parses the name of a token.
    pub(crate) fn of_token(text: &str) -> Result<Self, String> {
        let name = Self::parse(text)?;
        name.uri().map_or(Ok(()), Uri::check_of_token)?;
        Ok(name)
    }

    /// Parses the name of a key.
    pub(crate) fn of_key(text: &str) -> Result<Self, String> {
        let name = Self::parse(text)?;
        match name.uri() {
            Some(uri) if uri.says(About::Object).is_none() && uri.says(About::Id).is_none() => {
                Err("it names no key: object or id does".to_owned())
            }
            _ => Ok(name),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match Uri::parse(text) {
            None if text.is_empty() => Err("it is empty".to_owned()),
            Some(uri) => uri.map(Self::Uri),
            None => Ok(Self::Plain(text.to_owned())),
        }
    }

    /// Returns the URI, where it is one.
    pub(crate) fn uri(&self) -> Option<&Uri> {
        match self {
            Self::Plain(_) => None,
            Self::Uri(uri) => Some(uri),
        }
    }

    /// Returns the alias that it is, or that its URI names; the URI itself where that names none.
    pub(crate) fn alias(&self) -> String {
        match self {
            Self::Plain(name) => name.clone(),
            Self::Uri(uri) => uri.says(About::Object).map_or_else(|| uri.to_string(), escaped),
        }
    }

    /// Returns the attributes by which objects that are called so are found.
    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        match self {
            Self::Plain(name) => vec![Attribute::Label(name.as_bytes().to_vec())],
            Self::Uri(uri) => {
                let label = uri.says(About::Object).map(|it| Attribute::Label(it.to_vec()));
                let id = uri.says(About::Id).map(|it| Attribute::Id(it.to_vec()));
                label.into_iter().chain(id).collect()
            }
        }
    }

    /// Returns whether a token of this module is called so.
    pub(crate) fn is_token(&self, slot: u64, label: &str, serial: &str) -> bool {
        match self {
            Self::Plain(name) => name == label || name == serial,
            Self::Uri(uri) => uri.fits(|about| match about {
                About::Token => Some(label.to_owned()),
                About::Serial => Some(serial.to_owned()),
                About::SlotId => Some(slot.to_string()),
                About::Manufacturer | About::Model => Some("Keystead".to_owned()),
                _ => None,
            }),
        }
    }
}

/// As it is shown in messages.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => write!(f, "{name:?}"),
            Self::Uri(uri) => uri.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Name;

    #[test]
    fn a_uri_names_a_token_or_a_key_and_not_the_other() {
        assert!(Name::of_token("pkcs11:token=a;serial=b").is_ok());
        assert!(Name::of_token("pkcs11:token=a;object=b").is_err());
        assert!(Name::of_key("pkcs11:token=a;object=b").is_ok());
        assert!(Name::of_key("pkcs11:id=%01").is_ok());
        assert!(Name::of_key("pkcs11:token=a").is_err());
        assert_eq!(Name::of_key("payroll").unwrap(), Name::Plain("payroll".into()));
        assert_eq!(Name::of_key("pkcs11:object=a%0Ab").unwrap().alias(), "a\\nb");
    }

    #[test]
    fn a_token_is_named_by_all_that_a_uri_says() {
        let is = |text: &str| Name::of_token(text).unwrap().is_token(3, "demo", "00ff");
        for name in ["demo", "00ff", "pkcs11:", "pkcs11:token=demo;serial=00ff;slot-id=3"] {
            assert!(is(name), "{name}");
        }
        for name in ["Demo", "3", "pkcs11:token=Demo", "pkcs11:token=demo;slot-id=4"] {
            assert!(!is(name), "{name}");
        }
    }
}
