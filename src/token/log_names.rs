//! The log's names of tokens, keys and changes.

use super::handles::HandleTarget;
use super::loaded::{Loaded, RecordContent};
use super::{Handle, Login, Token};
use crate::error::Error;
use crate::id::Id;
use crate::key::Event;
use crate::text::escaped;
use crate::wire::Change;
use pkcs11_sys::CKA_LABEL;
use std::fmt;

impl Loaded {
    /// Returns a key by its key ID and alias, another object by its own identity.
    pub(crate) fn name(&self) -> String {
        match (&self.content, self.custom_key()) {
            (_, Some((id, key))) => called("key", id, &key.metadata.alias),
            (RecordContent::Object(body), None) if !body.material.is_empty() => {
                let label = body.attributes.bytes(CKA_LABEL).unwrap_or_default();
                called("key", self.id, label)
            }
            _ => format!("object {}", self.id),
        }
    }
}

fn called(what: &str, id: Id, alias: &[u8]) -> String {
    let id = id.to_string();
    if alias.is_empty() || alias == id.as_bytes() {
        return format!("{what} {id}");
    }
    match std::str::from_utf8(alias) {
        Ok(alias) => format!("{what} {id} {alias:?}"),
        Err(_) => format!("{what} {id} \"{}\"", escaped(alias).replace('"', "\\\"")),
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.id.serial())
    }
}

impl Token {
    /// Returns a failure, with the name of the object that it is about. The agent is not asked for it.
    pub(super) fn with_name_of(&self, handle: Handle, failure: Error) -> Error {
        let name = match self.handles.named(handle) {
            Some(HandleTarget::Session(_, object, _) | HandleTarget::BuiltIn(object)) => {
                object.name()
            }
            Some(HandleTarget::Record(id, _)) => match self.cache.kept(id) {
                Some(loaded) => loaded.name(),
                None => format!("object {id}"),
            },
            None => return failure,
        };
        failure.of(format_args!("{name} of {self}"))
    }

    /// Returns a failure of a login, with whose it was.
    pub fn with_name_of_login(&self, login: Login, failure: Error) -> Error {
        failure.of(format_args!("{login} of {self}"))
    }

    /// Logs changes that have been committed.
    pub(super) fn log_changes(&self, changes: &[LoggedChange]) {
        for LoggedChange { id, alias, event } in changes {
            let name = called("key", *id, alias.as_bytes());
            match event.as_ref().map(Event::name) {
                Some(event) => log::info!("{event}: {name} of {self}"),
                None => log::info!("removed: object {id} of {self}"),
            }
        }
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "nobody",
            Self::User => "the user",
            Self::Officer => "the security officer",
        })
    }
}

/// A change as the log tells it.
pub(super) struct LoggedChange {
    id: Id,
    alias: String,
    event: Option<Event>,
}

/// Returns the loggable part of changes, where there is a log.
pub(super) fn loggable(changes: &[Change]) -> Vec<LoggedChange> {
    if !log::log_enabled!(log::Level::Info) {
        return Vec::new();
    }
    // What goes along with a custom key's change is not worth a line of its own.
    let alone = changes.iter().all(|change| change.event.is_empty());
    let logged = changes.iter().filter(|change| match change.put {
        Some(_) => !change.event.is_empty(),
        None => alone,
    });
    logged
        .map(|change| LoggedChange {
            id: change.id,
            alias: change.alias.clone().unwrap_or_default(),
            event: Event::decode(&change.event).ok(),
        })
        .collect()
}
