//! PKCS#11 URIs (RFC 7512): how other programs name tokens and the objects in them.

use crate::Failure;
use crate::outcome::Outcome;
use cryptoki::slot::TokenInfo;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// The scheme, with its colon.
const SCHEME: &str = "pkcs11:";

/// The query attribute that holds a PIN itself.
const PIN_VALUE: &str = "pin-value";

/// The subject of an attribute of the path (RFC 7512, 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Token,
    Manufacturer,
    Serial,
    Model,
    SlotId,
    SlotDescription,
    SlotManufacturer,
    LibraryManufacturer,
    LibraryDescription,
    LibraryVersion,
    Object,
    Id,
    Type,
}

/// The path's attributes by their names, in the order in which they are printed.
const PATH: &[(&str, About)] = &[
    ("library-manufacturer", About::LibraryManufacturer),
    ("library-description", About::LibraryDescription),
    ("library-version", About::LibraryVersion),
    ("slot-manufacturer", About::SlotManufacturer),
    ("slot-description", About::SlotDescription),
    ("slot-id", About::SlotId),
    ("model", About::Model),
    ("manufacturer", About::Manufacturer),
    ("serial", About::Serial),
    ("token", About::Token),
    ("id", About::Id),
    ("object", About::Object),
    ("type", About::Type),
];

/// The types of objects (RFC 7512, 2.3).
pub(crate) const TYPES: [&str; 5] = ["public", "private", "cert", "secret-key", "data"];

/// A PKCS#11 URI: what its path says, and what is used of its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uri {
    path: Vec<(About, Vec<u8>)>,
    /// The file with the user's PIN (`pin-source`), absolute.
    pub pin_source: Option<PathBuf>,
    module_path: Option<Vec<u8>>,
    module_name: Option<Vec<u8>>,
}

impl Uri {
    /// Parses a URI; none where the text is none of this scheme. The error says what is wrong without a
    /// value from the text, which may be a PIN.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        let scheme = text.get(..SCHEME.len())?;
        let rest = text.get(SCHEME.len()..)?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| Self::parse_rest(rest))
    }

    fn parse_rest(rest: &str) -> Result<Self, String> {
        let (path, query) = rest.split_once('?').map_or((rest, ""), |(path, query)| (path, query));
        let mut uri = Self::default();
        for (name, value) in attributes(path, ';') {
            uri.path_attribute(name, decoded(name, value)?)?;
        }
        for (name, value) in attributes(query, '&') {
            uri.query_attribute(name, decoded(name, value)?)?;
        }
        Ok(uri)
    }

    /// Takes an attribute of the path, which selects: one that is unknown may select what is not meant.
    fn path_attribute(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let Some((_, about)) = PATH.iter().find(|(known, _)| *known == name) else {
            let place = match ["pin-source", "module-path", "module-name"].contains(&name) {
                true => ": it stands behind a question mark, as in ?pin-source=file:/a/file",
                false => "",
            };
            return Err(format!("{} is no attribute of a path{place}", shown(name)));
        };
        if self.says(*about).is_some() {
            return Err(format!("{name} stands there twice"));
        }
        if *about != About::Id && std::str::from_utf8(&value).is_err() {
            return Err(format!("the value of {name} is no text in UTF-8"));
        }
        if *about == About::Type && !TYPES.iter().any(|it| it.as_bytes() == value) {
            return Err(format!("type is one of {}", TYPES.join(", ")));
        }
        let value = match *about == About::LibraryVersion && !value.contains(&b'.') {
            true => [&value[..], b".0"].concat(),
            false => value,
        };
        self.path.push((*about, value));
        Ok(())
    }

    /// Takes an attribute of the query; one that is unknown selects nothing and is passed over.
    fn query_attribute(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        let taken = match name {
            PIN_VALUE => return Err("pin-value is not taken from a command line".to_owned()),
            "pin-source" => return self.set_pin_source(value),
            "module-path" => &mut self.module_path,
            "module-name" => &mut self.module_name,
            _ => return Ok(()),
        };
        match taken.replace(value) {
            Some(_) => Err(format!("{name} stands there twice")),
            None => Ok(()),
        }
    }

    fn set_pin_source(&mut self, value: Vec<u8>) -> Result<(), String> {
        let text = String::from_utf8(value).map_err(|_| "pin-source is no text in UTF-8")?;
        if text.starts_with('|') {
            return Err("pin-source names a program, and no program is run for a PIN".to_owned());
        }
        let path = text.strip_prefix("file:").unwrap_or(&text);
        let path = path.strip_prefix("//localhost/").map_or(path.to_owned(), |it| format!("/{it}"));
        let path = path.strip_prefix("//").map_or(path.clone(), str::to_owned);
        match (path.starts_with('/'), &self.pin_source) {
            (false, _) => Err("pin-source is file:/path or an absolute path".to_owned()),
            (true, Some(_)) => Err("pin-source stands there twice".to_owned()),
            (true, None) => {
                self.pin_source = Some(path.into());
                Ok(())
            }
        }
    }

    /// The URI of a token.
    pub(crate) fn of_token(token: &TokenInfo) -> Self {
        Self::default()
            .with(About::Model, token.model())
            .with(About::Manufacturer, token.manufacturer_id())
            .with(About::Serial, token.serial_number())
            .with(About::Token, token.label())
    }

    /// Adds an attribute to the path.
    pub(crate) fn with(mut self, about: About, value: impl Into<Vec<u8>>) -> Self {
        self.path.push((about, value.into()));
        self
    }

    /// Returns the value of an attribute of the path.
    pub(crate) fn says(&self, about: About) -> Option<&[u8]> {
        self.path.iter().find(|(it, _)| *it == about).map(|(_, value)| value.as_slice())
    }

    /// Returns whether a path says the same about everything that this says, of which `fact` tells.
    pub(crate) fn fits(&self, fact: impl Fn(About) -> Option<String>) -> bool {
        let is_fact = |(about, value): &(About, Vec<u8>)| {
            fact(*about).is_none_or(|fact| fact.as_bytes() == value)
        };
        self.path.iter().all(is_fact)
    }

    /// Refuses a URI that names an object where a token is to be named.
    pub(crate) fn check_of_token(&self) -> Result<(), String> {
        let of_object = [About::Object, About::Id, About::Type];
        match of_object.iter().any(|about| self.says(*about).is_some()) {
            true => Err("it names an object, and no token alone".to_owned()),
            false => Ok(()),
        }
    }

    /// Refuses a URI that names another module than this.
    pub(crate) fn check_module(&self, module: &Path) -> Result<(), Failure> {
        let name = module.file_stem().unwrap_or_default().to_string_lossy();
        let bare = name.strip_prefix("lib").unwrap_or(&name);
        let is_name = |it: &[u8]| it == name.as_bytes() || it == bare.as_bytes();
        let path = module.to_string_lossy();
        let named = self.module_name.as_deref().is_none_or(is_name);
        match named && self.module_path.as_deref().is_none_or(|it| it == path.as_bytes()) {
            true => Ok(()),
            false => Err(Failure::not_found("the URI is for another module").hint(format_args!(
                "leave module-name and module-path out; --module names it, and it is {path} here"
            ))),
        }
    }
}

/// Refuses a command line that has a PIN in a URI: every user of the machine can read it there.
pub(crate) fn check_command_line(
    mut words: impl Iterator<Item = std::ffi::OsString>,
) -> Result<(), Failure> {
    let has_pin = |word: std::ffi::OsString| {
        let word = word.to_string_lossy().to_ascii_lowercase();
        word.contains(SCHEME) && word.contains(&format!("{PIN_VALUE}="))
    };
    match words.any(has_pin) {
        true => Err(Failure::new("a URI on the command line has a PIN in it (pin-value)")
            .hint(
                "others could read it there: change that PIN (`keystead pin change`), and let \
             --pin-file, --pin-fd or pin-source=file:/path say where the new one is",
            )
            .with_outcome(Outcome::Usage)),
        false => Ok(()),
    }
}

/// Splits a component into names and values; one that is empty has none.
fn attributes(component: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    let parts = component.split(separator).filter(|_| !component.is_empty());
    parts.map(|part| match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    })
}

/// Decodes what is percent-encoded in a value (RFC 3986, 2.1).
fn decoded(name: &str, value: Option<&str>) -> Result<Vec<u8>, String> {
    let value = value.ok_or_else(|| format!("{} has no value", shown(name)))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(format!("after % in {name} come two hexadecimal digits"));
                };
                bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
            }
            b'!'..=b'~' => bytes.push(byte),
            _ => return Err(format!("{name} has a character that is to be percent-encoded")),
        }
    }
    Ok(bytes)
}

/// A name for an error, where it looks like one.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match !name.is_empty() && name.len() <= 32 && name.bytes().all(plain) {
        true => format!("\"{name}\""),
        false => "a part of it".to_owned(),
    }
}

/// As it is printed: an ID altogether percent-encoded (RFC 7512, 2.3), everything else where it must be.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        let said = PATH.iter().filter_map(|(name, about)| Some((name, about, self.says(*about)?)));
        for (number, (name, about, value)) in said.enumerate() {
            write!(f, "{}{name}=", if number == 0 { "" } else { ";" })?;
            for byte in value {
                let plain = byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=&".contains(byte);
                match plain && *about != About::Id {
                    true => f.write_char(char::from(*byte))?,
                    false => write!(f, "%{byte:02X}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::tests::cases;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Uri, String> {
        Uri::parse(text).unwrap()
    }

    #[test]
    fn the_specifications_examples_are_parsed() {
        // RFC 7512, section 3, without those that hold a PIN or name a program.
        let all = parse("pkcs11:").unwrap();
        assert_eq!(all, Uri::default());
        let named = parse(
            "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.;\
             object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91?pin-source=file:/etc/token_pin",
        )
        .unwrap();
        assert_eq!(named.says(About::Token), Some(&b"Software PKCS#11 softtoken"[..]));
        assert_eq!(named.says(About::Manufacturer), Some(&b"Snake Oil, Inc."[..]));
        assert_eq!(named.says(About::Id), Some(&b"\x69\x95\x3E\x5C\xF4\xBD\xEC\x91"[..]));
        assert_eq!(named.pin_source.as_deref(), Some(Path::new("/etc/token_pin")));
        let slot = parse(
            "pkcs11:slot-description=Sun%20Metaslot?module-name=keystead&vendor-thing=x&x-y=z",
        );
        assert!(slot.unwrap().check_module("/usr/lib/libkeystead.so".as_ref()).is_ok());
        let short = parse("PKCS11:library-manufacturer=A;library-description=B;library-version=3");
        assert_eq!(short.unwrap().says(About::LibraryVersion), Some(&b"3.0"[..]));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_with_it() {
        for (text, expected) in [
            ("pkcs11:token", "has no value"),
            ("pkcs11:token=a;token=b", "token stands there twice"),
            ("pkcs11:token=a;", "a part of it has no value"),
            ("pkcs11:x-vendor=1234", "\"x-vendor\" is no attribute"),
            ("pkcs11:token=%1", "two hexadecimal digits"),
            ("pkcs11:token=%+1", "two hexadecimal digits"),
            ("pkcs11:token=a b", "to be percent-encoded"),
            ("pkcs11:token=%FF", "no text in UTF-8"),
            ("pkcs11:type=key", "type is one of"),
            ("pkcs11:?pin-value=1234", "pin-value is not taken"),
            ("pkcs11:?pin-source=%7C/bin/cat%201234", "no program is run"),
            ("pkcs11:?pin-source=file:1234", "file:/path or an absolute path"),
            ("pkcs11:?pin-source=/1234&pin-source=/1234", "pin-source stands there twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("1234"), "{text}: {error}");
        }
        for other in ["", "token", "pkcs11", "http://pkcs11:", "ключ", "pkcs1é:"] {
            assert!(Uri::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_pins_file_is_named_in_any_form_of_a_file_uri() {
        for form in ["/run/a b", "file:/run/a b", "file:///run/a b", "file://localhost/run/a b"] {
            let text = format!("pkcs11:?pin-source={}", form.replace(' ', "%20"));
            let file = parse(&text).unwrap().pin_source;
            assert_eq!(file.as_deref(), Some(Path::new("/run/a b")), "{form}");
        }
    }

    #[test]
    fn another_module_is_refused() {
        let here = Path::new("/usr/lib/pkcs11/libkeystead.so");
        for (query, fits) in [
            ("module-path=/usr/lib/pkcs11/libkeystead.so", true),
            ("module-path=/tmp/libkeystead.so", false),
            ("module-name=libkeystead", true),
            ("module-name=softhsm2", false),
        ] {
            let uri = parse(&format!("pkcs11:?{query}")).unwrap();
            assert_eq!(uri.check_module(here).is_ok(), fits, "{query}");
        }
    }

    #[test]
    fn a_pin_on_the_command_line_is_found_wherever_it_stands() {
        let check = |words: &[&str]| check_command_line(words.iter().map(Into::into));
        assert!(check(&["list", "--token", "pkcs11:token=a"]).is_ok());
        assert!(check(&["describe", "key", "what pin-value=means"]).is_ok());
        for word in ["pkcs11:?pin-value=1234", "--token=PKCS11:token=a?x=y&pin-value=1234"] {
            let failure = check(&["list", word]).unwrap_err().message();
            assert!(failure.contains("pin-value") && !failure.contains("1234"), "{failure}");
        }
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn what_is_printed_is_parsed_again(
            token in "\\PC{0,40}", object in any::<String>(),
            id in prop::collection::vec(any::<u8>(), 0..20), kind in 0..TYPES.len(),
        ) {
            let uri = Uri::default()
                .with(About::Token, token.as_bytes())
                .with(About::Id, id)
                .with(About::Object, object.as_bytes())
                .with(About::Type, TYPES[kind]);
            let text = uri.to_string();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{}", text);
            prop_assert_eq!(parse(&text), Ok(uri));
        }

        #[test]
        fn no_text_is_too_strange(text in "pkcs11:[ -~é]{0,60}") {
            if let Ok(uri) = parse(&text) {
                prop_assert_eq!(parse(&uri.to_string()).unwrap().path.len(), uri.path.len());
            }
        }

        #[test]
        fn no_attributes_are_too_strange(
            parts in prop::collection::vec(("(token|id|type|object|x)?", "=?[ -~]{0,8}"), 0..5),
        ) {
            let parts: Vec<String> = parts.iter().map(|(a, b)| format!("{a}{b}")).collect();
            if let Ok(uri) = parse(&format!("pkcs11:{}", parts.join(";"))) {
                prop_assert!(parse(&uri.to_string()).is_ok());
            }
        }
    }
}
