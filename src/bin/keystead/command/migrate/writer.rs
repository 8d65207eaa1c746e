//! The copy of one object: what is there already is recognised, of a key by its material, and everything else
//! is made, or in a dry run tried.

use super::object::SourceObject;
use super::report::{Outcome, Row};
use super::source::{Source, Wrapped};
use super::transport::{Passing, Transport};
use crate::Failure;
use crate::explain::code;
use crate::importing::{self, comparison};
use crate::keys::{ListedKey, vendor};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use keystead::internal::object::kinds::Kind;
use keystead::internal::object::vendor::{APPLICATION, CKA_KEYSTEAD_CUSTODY};
use pkcs11_sys::*;
use std::collections::HashSet;

/// The token that is copied to.
pub(super) struct Writer<'a> {
    session: &'a Session,
    dry_run: bool,
    passing: Passing,
    /// Made with the first key; it fails for all keys or none.
    transport: Option<Result<Transport, Failure>>,
    /// The custom keys that have, or had, material.
    there: Vec<ListedKey>,
    /// The names of all that an import may be for; in a dry run also of those that would be copied.
    names: Vec<KeyNames>,
    /// The wrapped material of those, which is the same for the same material.
    tried: HashSet<Vec<u8>>,
    /// The objects that hide nothing and would be copied, each by the attributes by which it is known.
    tried_open: Vec<Vec<Attribute>>,
}

/// The names by which the token finds the custom key that an import is for.
struct KeyNames {
    key_type: String,
    label: Vec<u8>,
    id: Vec<u8>,
    /// Set where it has, or had, material, and so takes no other.
    is_taken: bool,
}

/// A key on its way.
struct Arriving {
    kind: &'static Kind,
    /// Its length, where it is known: by it a key is known from one with zeros behind it.
    length: Option<Attribute>,
    wrapped: Vec<Wrapped>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(session: &'a Session, dry_run: bool) -> Result<Self, Failure> {
        let mut there = ListedKey::all(session)?;
        there.retain(|key| key.shown.origin == "external");
        let is_taken = |key: &ListedKey| key.shown.material != "never imported";
        let names = there.iter().map(|key| KeyNames {
            key_type: key.shown.key_type.clone(),
            label: key.shown.label(),
            id: key.shown.id_bytes(),
            is_taken: is_taken(key),
        });
        let names = names.collect();
        there.retain(is_taken);
        let passing = Passing::make(session)?;
        let (tried, tried_open) = (HashSet::new(), Vec::new());
        Ok(Self { session, dry_run, passing, transport: None, there, names, tried, tried_open })
    }

    /// Copies an object, and says what became of it.
    pub(super) fn row(&mut self, source: &mut dyn Source, object: &SourceObject) -> Row {
        let outcome = self.copied(source, object).unwrap_or_else(Outcome::Left);
        Row::of(object, outcome)
    }

    fn copied(
        &mut self,
        source: &mut dyn Source,
        object: &SourceObject,
    ) -> Result<Outcome, Failure> {
        if let Some(failure) = &object.broken {
            return Err(failure.within(String::from_utf8_lossy(object.label())));
        }
        if let Some(name) = object.restriction {
            return Err(Failure::new(format_args!("{name} restricts it, and cannot be copied")));
        }
        match object.class() {
            CKO_SECRET_KEY | CKO_PRIVATE_KEY => self.key(source, object),
            CKO_PUBLIC_KEY if object.kind().is_none() => Err(not_kept(object)),
            CKO_DATA if object.attributes.bytes(CKA_APPLICATION) == Some(APPLICATION) => {
                Err(Failure::new("it tells of a custom key of Keystead's, and comes with that"))
            }
            CKO_CERTIFICATE | CKO_PUBLIC_KEY | CKO_DATA => self.open(object),
            _ => Err(Failure::new("such objects are not copied")),
        }
    }

    /// Copies an object that hides nothing.
    fn open(&mut self, object: &SourceObject) -> Result<Outcome, Failure> {
        let identity = [object.identity(), vec![Attribute::Token(true)]].concat();
        if self.tried_open.contains(&identity) || !self.session.find_objects(&identity)?.is_empty()
        {
            return Ok(Outcome::There(None));
        }
        let template = [object.template(), vec![Attribute::Token(!self.dry_run)]].concat();
        let made = self.session.create_object(&template)?;
        if self.dry_run {
            self.tried_open.push(identity);
        }
        self.done(made, || Ok(None))
    }

    /// Copies a key that hides its value.
    fn key(&mut self, source: &mut dyn Source, object: &SourceObject) -> Result<Outcome, Failure> {
        let kind = object.kind().ok_or_else(|| not_kept(object))?;
        self.make_transport(source)?;
        let arriving = Arriving { kind, length: object.length(), wrapped: source.wrap(object)? };
        // By which the token would take it for that key's.
        let is_named =
            |key: &ListedKey| !object.id().is_empty() && key.shown.id_bytes() == object.id();
        // In a dry run nothing goes to a custom key, and so no other one's material is refused.
        let is_likely = |key: &&ListedKey| {
            self.dry_run
                || key.shown.label() == object.label()
                || key.shown.waits()
                || is_named(key)
        };
        if let Some(key) = self.same(&arriving, self.there.iter().filter(is_likely))? {
            return Ok(Outcome::There(Some(Box::new(key.shown.clone()))));
        }
        if self.dry_run && arriving.wrapped.iter().any(|it| self.tried.contains(&it.blob)) {
            return Ok(Outcome::There(None));
        }
        match self.unwrap(&arriving, &self.template(object)) {
            Ok(made) => {
                if self.dry_run {
                    self.check_names(kind, object).or_else(|failure| {
                        self.session.destroy_object(made)?;
                        Err(failure)
                    })?;
                    self.tried.extend(arriving.wrapped.into_iter().map(|it| it.blob));
                }
                let outcome =
                    self.done(made, || importing::key_id(self.session, made).map(Some))?;
                if let Outcome::Copied(Some(key_id)) = &outcome {
                    self.there.push(ListedKey::named(self.session, key_id)?);
                }
                Ok(outcome)
            }
            Err(error) => self.refused(&arriving, error),
        }
    }

    /// Makes the transport key before the first key.
    fn make_transport(&mut self, source: &mut dyn Source) -> Result<(), Failure> {
        let make = || {
            let (hash, sealed) = source.make_transport(&self.passing.public)?;
            self.passing.transport(self.session, hash, &sealed)
        };
        match self.transport.get_or_insert_with(make) {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.within("no key can be wrapped there")),
        }
    }

    /// Makes a key of that template, by the first of the mechanisms by which it opens.
    fn unwrap(&self, arriving: &Arriving, template: &[Attribute]) -> Result<ObjectHandle, Error> {
        let Some(Ok(by)) = &self.transport else { return Err(Error::InvalidValue) };
        let mut refused = None;
        for Wrapped { mechanism, blob } in &arriving.wrapped {
            match by.unwrap(self.session, (*mechanism, blob), template) {
                Ok(made) => return Ok(made),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(Error::InvalidValue))
    }

    /// Returns the one of these custom keys that has, or had, this very material.
    fn same<'k>(
        &self,
        arriving: &Arriving,
        among: impl Iterator<Item = &'k ListedKey>,
    ) -> Result<Option<&'k ListedKey>, Failure> {
        let is_kind =
            |key: &&ListedKey| arriving.kind.names().any(|name| name == key.shown.key_type);
        for key in among.filter(is_kind) {
            let mut template = comparison(arriving.kind, key)?;
            template.extend(arriving.length.clone());
            match self.unwrap(arriving, &template) {
                Ok(made) => {
                    self.session.destroy_object(made)?;
                    return Ok(Some(key));
                }
                Err(error) if code(&error) == Some(RvError::TemplateInconsistent) => {}
                Err(error) => return Err(explained(error)),
            }
        }
        Ok(None)
    }

    /// Says which custom key has the material, where one has; else what was refused.
    fn refused(&self, arriving: &Arriving, error: Error) -> Result<Outcome, Failure> {
        if code(&error) != Some(RvError::TemplateInconsistent) {
            return Err(explained(error));
        }
        match self.same(arriving, self.there.iter())? {
            Some(key) => Ok(Outcome::There(Some(Box::new(key.shown.clone())))),
            None => Err(namesake()),
        }
    }

    /// Refuses in a dry run what the token would: the material of a key whose name another one of its type has, that
    /// has other material. It looks for the `CKA_ID` first, then for the label.
    fn check_names(&mut self, kind: &Kind, object: &SourceObject) -> Result<(), Failure> {
        let (label, id) = (object.label(), object.id().to_vec());
        let of_kind = |it: &&KeyNames| kind.names().any(|name| name == it.key_type);
        let named = |fits: &dyn Fn(&KeyNames) -> bool| -> Vec<bool> {
            self.names.iter().filter(of_kind).filter(|it| fits(it)).map(|it| it.is_taken).collect()
        };
        let by_id = named(&|it| !id.is_empty() && it.id == id);
        let aimed = match by_id.is_empty() {
            true => named(&|it| !label.is_empty() && it.label == label),
            false => by_id,
        };
        if !matches!(aimed.as_slice(), [] | [false]) {
            return Err(namesake());
        }
        self.names.push(KeyNames {
            key_type: kind.names().next().unwrap_or(kind.name).to_owned(),
            label: label.to_vec(),
            id,
            is_taken: true,
        });
        Ok(())
    }

    /// The template of a custom key; in a dry run of a key that is none, and ends with the session.
    fn template(&self, object: &SourceObject) -> Vec<Attribute> {
        let lasting = !self.dry_run;
        let place = [
            Attribute::Token(lasting),
            Attribute::Private(true),
            vendor(CKA_KEYSTEAD_CUSTODY, &[u8::from(lasting)]),
        ];
        [object.template(), place.to_vec()].concat()
    }

    /// Ends what a dry run has made.
    fn done(
        &self,
        made: ObjectHandle,
        key_id: impl FnOnce() -> Result<Option<String>, Failure>,
    ) -> Result<Outcome, Failure> {
        if self.dry_run {
            self.session.destroy_object(made)?;
            return Ok(Outcome::ToBeCopied);
        }
        Ok(Outcome::Copied(key_id()?))
    }
}

fn namesake() -> Failure {
    Failure::new("another custom key of this type has its label or its CKA_ID")
        .hint("`keystead rename` gives that one another alias")
}

fn not_kept(object: &SourceObject) -> Failure {
    Failure::new(format_args!("keys of type {} are not kept here", object.type_name()))
}

/// Explains why the token does not take a key.
fn explained(error: Error) -> Failure {
    match code(&error) {
        Some(RvError::WrappedKeyInvalid | RvError::WrappedKeyLenRange | RvError::KeySizeRange) => {
            Failure::new("keys of this size, or on this curve, are not kept here")
                .hint("RSA keys have 2048 bits at least, unless `rsa_minimum` says otherwise")
        }
        _ => error.into(),
    }
}
