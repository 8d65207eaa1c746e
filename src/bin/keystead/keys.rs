//! Custom keys as the module shows them: found by name, read as metadata.

use crate::explain::code;
use crate::moment::{self, ExpiryArgument};
use crate::name::Name;
use crate::output::printable;
use crate::uri::{About, Uri};
use crate::{Failure, Global, output};
use clap::builder::PossibleValuesParser;
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::TokenInfo;
use jiff::Timestamp;
use keystead::internal::clock::Seconds;
use keystead::internal::key::{MaterialState, Status};
use keystead::internal::mechanism::generating;
use keystead::internal::object::kinds::{self, KINDS, Kind};
use keystead::internal::object::vendor::{APPLICATION, CKA_KEYSTEAD_KEY_ID};
use keystead::internal::object::words;
use keystead::internal::text;
use pkcs11_sys::{CKO_PUBLIC_KEY, CKO_SECRET_KEY};
use serde::Deserialize;
use serde_json::Value;

/// A custom key: its metadata object, and what that says.
pub(crate) struct ListedKey {
    /// The metadata object.
    pub object: ObjectHandle,
    /// Everything it says.
    pub json: Value,
    /// The properties that commands show.
    pub shown: Shown,
}

/// The part of a custom key's metadata that commands look at; `object::json` writes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shown {
    pub key_id: String,
    pub alias: String,
    /// The alias's bytes, where the alias shows them escaped.
    pub alias_hex: Option<String>,
    /// The `CKA_ID` of its material, in hexadecimal.
    #[serde(default)]
    pub id: String,
    pub key_type: String,
    pub key_bits: u64,
    pub origin: String,
    pub status: String,
    pub enabled: bool,
    pub material: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub next_import_expires: Option<Timestamp>,
    pub next_import_expires_in_seconds: Option<Seconds>,
    pub next_rotation: Option<Timestamp>,
    pub deletion: Option<Timestamp>,
}

/// The hint where the module shows a key otherwise than this program knows.
const VERSION: &str = "is the module of this program's version? --module names another";

impl ListedKey {
    /// Reads a metadata object.
    pub(crate) fn read(session: &Session, object: ObjectHandle) -> Result<Self, Failure> {
        let Some(Attribute::Value(bytes)) =
            session.get_attributes(object, &[AttributeType::Value])?.pop()
        else {
            return Err(Failure::new("a custom key's metadata cannot be read").hint(VERSION));
        };
        let wrong =
            |error| Failure::new(format_args!("a custom key's metadata: {error}")).hint(VERSION);
        let json: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        let shown = Shown::deserialize(&json).map_err(wrong)?;
        Ok(Self { object, json, shown })
    }

    /// The same key as it is now.
    pub(crate) fn again(&self, session: &Session) -> Result<Self, Failure> {
        Self::read(session, self.object)
    }

    /// Every custom key, by alias.
    pub(crate) fn all(session: &Session) -> Result<Vec<Self>, Failure> {
        let found = session.find_objects(&metadata_objects([Attribute::Token(true)]))?;
        let mut keys = found
            .into_iter()
            .map(|object| Self::read(session, object))
            .collect::<Result<Vec<_>, _>>()?;
        let order = |key: &Self| (key.shown.label(), key.shown.key_id.clone());
        keys.sort_by_cached_key(order);
        Ok(keys)
    }

    /// Returns whether it waits for material which it had before.
    pub(crate) fn is_lost(&self) -> bool {
        self.shown.waits() && self.shown.material != words::material(MaterialState::Never).text
    }

    /// The one custom key that is called so: by its key ID or alias.
    pub(crate) fn named(session: &Session, name: &str) -> Result<Self, Failure> {
        Self::find(session, name)?.ok_or_else(|| Self::none_named(name))
    }

    /// The one custom key that the command line names.
    pub(crate) fn chosen(session: &Session, name: &Name) -> Result<Self, Failure> {
        Self::find_chosen(session, name)?.ok_or_else(|| Self::none_chosen(name))
    }

    /// The failure where the command line names no custom key.
    pub(crate) fn none_chosen(name: &Name) -> Failure {
        match name {
            Name::Plain(name) => Self::none_named(name),
            Name::Uri(uri) => Failure::not_found(format_args!("there is no custom key {uri}"))
                .hint("`keystead list --uri` shows the URIs there are"),
        }
    }

    /// The same, if there is one.
    pub(crate) fn find_chosen(session: &Session, name: &Name) -> Result<Option<Self>, Failure> {
        let uri = match name {
            Name::Plain(name) => return Self::find(session, name),
            Name::Uri(uri) => uri,
        };
        let mut found = match uri.says(About::Object) {
            Some(label) => session
                .find_objects(&metadata_objects([Attribute::Label(label.to_vec())]))?
                .into_iter()
                .map(|object| Self::read(session, object))
                .collect::<Result<Vec<_>, _>>()?,
            None => Self::all(session)?,
        };
        found.retain(|key| key.shown.is_named_by(uri));
        match (found.pop(), found.len()) {
            (one, 0) => Ok(one),
            (_, others) => {
                Err(Failure::usage(format_args!("{} custom keys are named by {uri}", others + 1))
                    .hint("name one by its key ID; `keystead list` shows them"))
            }
        }
    }

    /// Returns the URI by which other programs find its material, in the token with that description.
    pub(crate) fn uri(&self, token: &TokenInfo) -> Uri {
        let uri = Uri::of_token(token);
        let uri = match self.shown.id_bytes() {
            id if id.is_empty() => uri,
            id => uri.with(About::Id, id),
        };
        let uri = uri.with(About::Object, self.shown.label());
        match self.shown.object_type() {
            Some(name) => uri.with(About::Type, name),
            None => uri,
        }
    }

    /// Returns everything that it says, with its URI.
    pub(crate) fn json_with_uri(&self, token: &TokenInfo) -> Value {
        let mut json = self.json.clone();
        if let Value::Object(members) = &mut json {
            members.insert("uri".to_owned(), self.uri(token).to_string().into());
        }
        json
    }

    /// The failure where no custom key has that name.
    pub(crate) fn none_named(name: &str) -> Failure {
        Failure::not_found(format_args!("there is no custom key {name:?}"))
            .hint("`keystead list` shows the aliases and key IDs there are")
    }

    /// The same, if there is one.
    pub(crate) fn find(session: &Session, name: &str) -> Result<Option<Self>, Failure> {
        let mut found = by_key_id(session, name)?;
        if found.is_empty() {
            found = by_alias(session, name)?;
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => Self::read(session, *one).map(Some),
            _ => {
                Err(Failure::usage(format_args!("{} custom keys are called {name:?}", found.len()))
                    .hint("name one by its key ID; `keystead list` shows them"))
            }
        }
    }

    /// The objects that hold its material: one, or none.
    pub(crate) fn material(&self, session: &Session) -> Result<Vec<ObjectHandle>, Failure> {
        let of_class = |class| {
            session.find_objects(&[
                Attribute::Class(class),
                vendor(CKA_KEYSTEAD_KEY_ID, self.shown.key_id.as_bytes()),
            ])
        };
        Ok([of_class(ObjectClass::SECRET_KEY)?, of_class(ObjectClass::PRIVATE_KEY)?].concat())
    }

    /// Sets attributes of it. A key whose deletion is scheduled says so instead.
    pub(crate) fn set(&self, session: &Session, attributes: &[Attribute]) -> Result<(), Failure> {
        session.update_attributes(self.object, attributes).map_err(|error| {
            match (code(&error), self.check_kept()) {
                (Some(RvError::ActionProhibited), Err(failure)) => failure,
                _ => error.into(),
            }
        })
    }

    /// Refuses a key whose deletion is scheduled.
    pub(crate) fn check_kept(&self) -> Result<(), Failure> {
        match self.shown.deletion {
            Some(deletion) => {
                Err(Failure::refused(format_args!("{} is to be deleted at {deletion}", self.shown))
                    .hint("`keystead cancel-deletion` keeps it"))
            }
            None => Ok(()),
        }
    }

    /// Tells what was done to it, or shows it as JSON.
    pub(crate) fn report(&self, global: &Global, done: &str) -> Result<(), Failure> {
        match global.json {
            true => output::done_json(&self.json),
            false => output::done(format_args!("{done}: {}", self.shown)),
        }
    }
}

impl Shown {
    /// The alias's bytes.
    pub(crate) fn label(&self) -> Vec<u8> {
        let given = self.alias_hex.as_deref().and_then(text::unhex);
        given.unwrap_or_else(|| self.alias.as_bytes().to_vec())
    }

    /// Returns the `CKA_ID` of its material; empty where it has none.
    pub(crate) fn id_bytes(&self) -> Vec<u8> {
        text::unhex(&self.id).unwrap_or_default()
    }

    /// Returns the type of its material's object, as URIs have it.
    fn object_type(&self) -> Option<&'static str> {
        Some(match kinds::named(&self.key_type)?.class {
            CKO_SECRET_KEY => "secret-key",
            _ => "private",
        })
    }

    /// Returns whether a URI whose label fits names its material, its metadata, its public half or its certificate.
    fn is_named_by(&self, uri: &Uri) -> bool {
        let own = self.object_type();
        let named = |it: &[u8]| match it {
            b"public" | b"cert" => own == Some("private"),
            b"data" => true,
            it => own.is_some_and(|own| own.as_bytes() == it),
        };
        uri.says(About::Type).is_none_or(named)
            && uri.says(About::Id).is_none_or(|id| id == self.id_bytes())
    }

    /// Returns whether the next import brings it material.
    pub(crate) fn waits(&self) -> bool {
        self.status == words::status(Status::PendingImport).text
    }

    /// Its own expiry, which an import gets that is given no other.
    pub(crate) fn own_expiry(&self) -> Option<ExpiryArgument> {
        let after = self.next_import_expires_in_seconds.map(ExpiryArgument::After);
        self.next_import_expires.map(ExpiryArgument::At).or(after)
    }

    /// Describes the expiry of the next import, by the time `now`.
    pub(crate) fn next_import(&self, now: Timestamp) -> String {
        match self.own_expiry() {
            Some(ExpiryArgument::At(at)) if at <= now => {
                format!("an import needs another expiry than the key's own, {at}, which has passed")
            }
            Some(ExpiryArgument::At(at)) => format!("an import expires {at}"),
            Some(ExpiryArgument::After(seconds)) => {
                format!("an import expires after {}", moment::span(seconds))
            }
            Some(ExpiryArgument::Never) | None => "an import never expires".to_owned(),
        }
    }

    /// Describes the expiry of material that is present.
    pub(crate) fn lasting(&self, now: Timestamp) -> String {
        match self.expires {
            Some(at) => format!("expires {at} (in {})", moment::left(at, now)),
            None => "never expires".to_owned(),
        }
    }
}

/// Alias and key ID on a line.
impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", printable(self.label()), self.key_id)
    }
}

/// PKCS#11 lets two keys have one alias; this program makes no second one, and no alias that reads as
/// another key's ID.
pub(crate) fn check_alias(session: &Session, alias: &str) -> Result<(), Failure> {
    if alias.is_empty() || alias.len() > text::MAX_TEXT {
        return Err(Failure::usage(format_args!("an alias has 1 to {} bytes", text::MAX_TEXT))
            .hint("choose another"));
    }
    if alias.trim() != alias {
        return Err(Failure::usage(format_args!(
            "the alias {alias:?} begins or ends with white space"
        ))
        .hint("it would look like another without"));
    }
    if Uri::parse(alias).is_some() {
        return Err(Failure::usage(format_args!("the alias {alias:?} reads as a PKCS#11 URI"))
            .hint("no command could name the key by it: choose another"));
    }
    let taken = !by_alias(session, alias)?.is_empty() || !by_key_id(session, alias)?.is_empty();
    match taken {
        true => Err(Failure::new(format_args!("there is a custom key {alias:?} already"))
            .hint("`keystead show` shows it; choose another alias")),
        false => Ok(()),
    }
}

/// The keys whose alias this is; where there is none, those whose alias is shown so: escaped, or in
/// hexadecimal digits.
fn by_alias(session: &Session, name: &str) -> Result<Vec<ObjectHandle>, Failure> {
    let labelled = |label| session.find_objects(&metadata_objects([Attribute::Label(label)]));
    let mut found = labelled(name.as_bytes().to_vec())?;
    if found.is_empty() {
        let hex = text::unhex(name).filter(|label| !label.is_empty());
        for label in text::unescaped(name).into_iter().chain(hex) {
            found.extend(labelled(label)?);
        }
    }
    Ok(found)
}

fn by_key_id(session: &Session, id: &str) -> Result<Vec<ObjectHandle>, Failure> {
    let id = id.to_ascii_lowercase();
    Ok(session.find_objects(&metadata_objects([vendor(CKA_KEYSTEAD_KEY_ID, id.as_bytes())]))?)
}

fn metadata_objects<const N: usize>(also: [Attribute; N]) -> Vec<Attribute> {
    let of = [Attribute::Class(ObjectClass::DATA), Attribute::Application(APPLICATION.to_vec())];
    of.into_iter().chain(also).collect()
}

/// An attribute of Keystead's own.
pub(crate) fn vendor(kind: u64, value: &[u8]) -> Attribute {
    Attribute::VendorDefined((AttributeType::VendorDefined(kind), value.to_vec()))
}

/// The type of key that material is for where nothing says another.
pub(crate) const DEFAULT_TYPE: &str = "AES";

/// The types of key that a custom key can be for, as the command line names them.
pub(crate) fn types() -> PossibleValuesParser {
    names(|kind| kind.class != CKO_PUBLIC_KEY)
}

/// The names of the types of keys that are generated on the command line.
pub(crate) fn generated_types() -> PossibleValuesParser {
    names(|kind| kind.class != CKO_PUBLIC_KEY && generating(kind.key_type).is_some())
}

fn names(which: impl Fn(&Kind) -> bool) -> PossibleValuesParser {
    let mut names: Vec<&str> =
        KINDS.iter().filter(|kind| which(kind)).flat_map(|kind| kind.names()).collect();
    names.dedup();
    PossibleValuesParser::new(names)
}
