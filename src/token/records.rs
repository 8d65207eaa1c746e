//! Records: read from the agent, opened and kept; sealed and committed.

use super::Token;
use super::loaded::{CustomKey, Loaded, ObjectBody, Owner, RecordContent};
use super::log_names::loggable;
use crate::clock::exact_timestamp;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::policy::Watch;
use crate::key::seal::{SealContext, TokenKey};
use crate::key::{Event, Header, Metadata, Role, Tag};
use crate::lc;
use crate::secret::Secret;
use crate::text::escaped;
use crate::wire::message::{MAX_ALIAS, MAX_READ};
use crate::wire::{Change, Expect, Request, Response, Stored};
use pkcs11_sys::*;
use std::sync::Arc;
use std::time::Duration;

/// A record to be written: everything but its seal.
pub(crate) struct UnsealedRecord {
    /// Its identity.
    pub id: Id,
    /// The counter it has now, if it exists.
    pub revision: Option<u64>,
    /// Its public header; the tags are computed.
    pub header: Header,
    /// The event of a custom key that comes with it.
    pub event: Option<Event>,
    /// The search terms that it is found by.
    pub terms: Vec<(u64, Vec<u8>)>,
    /// The bytes to seal.
    pub body: Secret,
}

impl Token {
    /// Returns a token object as it is now, or none if there is no such record.
    pub(super) fn load(&self, id: Id) -> Result<Option<Arc<Loaded>>> {
        if let Some(kept) = self.cache.kept(id).filter(|kept| self.is_unchanged(&kept.watch)) {
            return Ok(Some(kept));
        }
        let some = self.read_ahead.from(id);
        if some.len() > 1
            && let Some(loaded) = self.read(&some)?.swap_remove(0)
        {
            return Ok(Some(loaded));
        }
        // Of several, one that is damaged is none.
        Ok(self.read(&[id])?.pop().flatten())
    }

    /// Returns token objects as they are now, in the order of `ids`; one round trip for all. What is damaged
    /// stands in no other's way.
    pub(super) fn load_all(&self, ids: &[Id]) -> Result<Vec<Option<Arc<Loaded>>>> {
        match self.read(ids) {
            Err(error) if error.reason() == Reason::StoreDamaged && ids.len() == 1 => {
                log::error!("{error}");
                Ok(vec![None])
            }
            read => read,
        }
    }

    /// Reads the same; a single one that is damaged is an error.
    fn read(&self, ids: &[Id]) -> Result<Vec<Option<Arc<Loaded>>>> {
        let page = Arc::clone(self.page()?);
        let epoch = self.login_epoch();
        let mut read = Vec::with_capacity(ids.len());
        // An answer ends where its frame does.
        while let Some(rest) = ids.get(read.len()..).filter(|rest| !rest.is_empty()) {
            // The counters are read before the records, all of them: a change in between is then noticed.
            let before = page.snapshot();
            let some = rest.iter().take(MAX_READ).copied().collect();
            let request = Request::Read { token: self.id, ids: some };
            let Response::Records(records) = self.link.ask(&request)? else {
                return Err(unexpected());
            };
            if records.is_empty() {
                return Err(unexpected());
            }
            for (&id, record) in rest.iter().zip(records) {
                let opened = match record {
                    Some((stored, owner)) => {
                        let header = Header::decode(&stored.header)?;
                        self.log_erased(&stored, &header);
                        let watched = header.watched(id);
                        let generation = before.record(watched);
                        let watch = Watch::Record { watched, generation, epoch };
                        self.open_record(&stored, owner.as_deref(), header, watch)
                    }
                    None => Ok(None),
                };
                read.push(match opened {
                    Err(error) if error.reason() == Reason::StoreDamaged && ids.len() > 1 => {
                        log::error!("record {id}: {error}");
                        None
                    }
                    opened => self.remember(id, opened?, epoch),
                });
            }
        }
        Ok(read)
    }

    fn log_erased(&self, stored: &Stored, header: &Header) {
        if let (Role::Material { key, version, .. }, true) =
            (&header.role, stored.sealed.is_empty())
        {
            log::info!("{}: version {version} of key {key} of {self}", ended(stored.erasure));
        }
    }

    /// Keeps an object that was opened in that login epoch; drops what is kept of one that is gone.
    fn remember(&self, id: Id, opened: Option<Loaded>, epoch: u64) -> Option<Arc<Loaded>> {
        let Some(loaded) = opened else {
            self.cache.drop_one(id);
            return None;
        };
        let loaded = Arc::new(loaded);
        self.cache.keep_while(&loaded, || self.login_epoch() == epoch);
        Some(loaded)
    }

    /// Opens a record; none where it is private and there is no login, or its material is erased.
    fn open_record(
        &self,
        stored: &Stored,
        owner: Option<&Stored>,
        header: Header,
        watch: Watch,
    ) -> Result<Option<Loaded>> {
        if (header.private && self.private.load().is_none()) || stored.sealed.is_empty() {
            return Ok(None);
        }
        let opened = self.unseal(stored, &header)?;
        let content = match (&header.role, owner) {
            (Role::Object { .. }, _) => RecordContent::Object(object_body(&header, &opened)?),
            (Role::CustomKey(_), _) => {
                RecordContent::CustomKey(Box::new(custom_key(stored, &header, &opened)?))
            }
            (Role::Material { .. }, Some(owner)) => {
                let owner_header = Header::decode(&owner.header)?;
                if owner_header.private && self.private.load().is_none() {
                    return Ok(None);
                }
                let metadata = self.unseal(owner, &owner_header)?;
                let key = custom_key(owner, &owner_header, &metadata)?;
                let owner =
                    Owner { id: owner.id, revision: owner.revision, header: owner_header, key };
                RecordContent::Material(ObjectBody::decode(&opened)?, Box::new(owner))
            }
            (Role::Material { .. }, None) => {
                return Err(Reason::StoreDamaged.detail("material without its custom key"));
            }
        };
        Ok(Some(Loaded::record(stored, header, content, watch)))
    }

    fn unseal(&self, stored: &Stored, header: &Header) -> Result<Secret> {
        let context = self.seal_context(stored.id, stored.revision)?;
        self.sealing_key(header.private, |key| key.open(&context, &stored.header, &stored.sealed))
    }

    fn seal_context(&self, record: Id, revision: u64) -> Result<SealContext> {
        let (store, _) = self.link.store()?;
        Ok(SealContext { store, token: self.id, record, revision })
    }

    /// Seals a record into a change.
    pub(super) fn seal(&self, mut record: UnsealedRecord) -> Result<Change> {
        let (expect, revision) = match record.revision {
            None => (Expect::Absent, 1),
            Some(revision) => (Expect::Revision(revision), revision + 1),
        };
        let context = self.seal_context(record.id, revision)?;
        let salt = lc::random::bytes()?;
        let put = self.sealing_key(record.header.private, |key| {
            record.header.tags = tags(key, &record.terms)?;
            let header = record.header.encode()?;
            let sealed = key.seal(&context, &header, record.body.expose(), &salt)?;
            Ok((header, sealed))
        })?;
        let alias = alias_of(&record);
        let event = match record.event {
            None => Vec::new(),
            Some(event) => event.encode()?,
        };
        Ok(Change { id: record.id, expect, event, put: Some(put), alias })
    }

    /// Commits changes, all or none, and drops what is kept of them.
    pub(super) fn commit(&self, changes: Vec<Change>) -> Result<()> {
        let touched: Vec<Id> = changes.iter().map(|change| change.id).collect();
        let logged = loggable(&changes);
        let request = Request::Commit { token: self.id, changes, change: lc::random::bytes()? };
        let answer = self.link.ask(&request);
        touched.into_iter().for_each(|id| self.cache.drop_one(id));
        match answer? {
            Response::Committed(_) => {
                self.log_changes(&logged);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }

    /// Returns the records of a custom key's material, erased or not, newest first.
    pub(super) fn versions(&self, key: Id) -> Result<Vec<Stored>> {
        self.stored_records(&Request::Versions { token: self.id, key })
    }

    /// Returns a custom key's material that is still there, newest first.
    pub(super) fn materials(&self, key: Id) -> Result<Vec<Arc<Loaded>>> {
        let ids: Vec<Id> = self.versions(key)?.into_iter().map(|stored| stored.id).collect();
        Ok(self.load_all(&ids)?.into_iter().flatten().collect())
    }

    /// Returns the records that a request asks for.
    pub(super) fn stored_records(&self, request: &Request) -> Result<Vec<Stored>> {
        match self.link.ask(request)? {
            Response::Several(stored) => Ok(stored),
            _ => Err(unexpected()),
        }
    }

    /// Returns the tags of a search, under the key for private or public objects.
    pub(super) fn search_tags(
        &self,
        private: bool,
        terms: &[(u64, Vec<u8>)],
    ) -> Result<Vec<[u8; 16]>> {
        let tags = self.sealing_key(private, |key| tags(key, terms))?;
        Ok(tags.into_iter().map(|tag| tag.0).collect())
    }

    /// Returns a fresh identity, later in order than those before it.
    pub(super) fn fresh_id(&self) -> Result<Id> {
        let seen = Duration::from_secs(self.now());
        Ok(self.ids.next(self.clock.precise().max(seen), self.numbers.next()?))
    }
}

/// Describes the end of material that is gone.
fn ended(erasure: Erasure) -> String {
    let at =
        |second| exact_timestamp(second).map_or_else(|_| second.to_string(), |at| at.to_string());
    match erasure {
        Erasure::Live => "gone".to_owned(),
        Erasure::Ended(Tombstone::Deleted(second)) => format!("deleted at {}", at(second)),
        Erasure::Ended(Tombstone::Expired(second)) => format!("expired at {}", at(second)),
    }
}

/// Returns the name of a key in the audit log: its label.
fn alias_of(record: &UnsealedRecord) -> Option<String> {
    let is_key =
        record.event.is_some() || matches!(record.header.role, Role::Object { holds_key: true });
    let (_, label) = record.terms.iter().find(|(kind, _)| is_key && *kind == CKA_LABEL)?;
    let label = String::from_utf8(label.clone()).unwrap_or_else(|_| escaped(label));
    let cut = (0..=MAX_ALIAS.min(label.len())).rev().find(|at| label.is_char_boundary(*at));
    label.get(..cut?).map(str::to_owned)
}

fn tags(key: &TokenKey, terms: &[(u64, Vec<u8>)]) -> Result<Vec<Tag>> {
    terms.iter().map(|(kind, value)| key.tag(*kind, value)).collect()
}

/// Reads an ordinary object's record. A key in one that says it holds none was not put there by a module: it
/// could be read without a login.
fn object_body(header: &Header, opened: &Secret) -> Result<ObjectBody> {
    let body = ObjectBody::decode(opened)?;
    match body.material.is_empty() || header.holds_key() {
        true => Ok(body),
        false => Err(Reason::StoreDamaged.detail("a key in a record that says it holds none")),
    }
}

fn custom_key(stored: &Stored, header: &Header, opened: &Secret) -> Result<CustomKey> {
    let Role::CustomKey(state) = &header.role else {
        return Err(
            Reason::StoreDamaged.detail("material belongs to something that is no custom key")
        );
    };
    Ok(CustomKey {
        metadata: Metadata::decode(opened)?,
        state: state.clone(),
        erasure: stored.erasure,
    })
}

/// Returns the failure of an answer of another kind than was asked for.
pub(crate) fn unexpected() -> Error {
    Reason::AgentRefuses.detail("an answer of the wrong kind")
}
