//! Records: read from the agent, opened and kept; sealed and committed.

use super::Token;
use super::eviction::Evictor;
use super::loaded::{CustomKey, Loaded, ObjectBody, Owner, RecordContent};
use super::log_names::loggable;
use crate::clock::{Seconds, exact_timestamp};
use crate::erasure::Erasure;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::policy::Watch;
use crate::key::seal::{SealContext, TokenKey};
use crate::key::{Event, Header, Metadata, Role, Tag};
use crate::lc;
use crate::object::Attributes;
use crate::object::properties::{is_searched, searched_on_material, searched_unknown};
use crate::object::vendor::CKA_KEYSTEAD_KEY_ID;
use crate::secret::Secret;
use crate::text::escaped;
use crate::wire::message::{MAX_ALIAS, MAX_READ};
use crate::wire::{Change, Expect, Request, Response, Stored};
use pkcs11_sys::*;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

/// The most opened objects that are kept; beyond that the cache starts anew.
const KEPT: usize = 4_096;

/// A custom key's identifier on its metadata record: the metadata object has no `CKA_ID` of its own,
/// but an import finds its target by it.
pub const TARGET_ID: u64 = u64::MAX;

/// The attributes that objects are found by without being opened, beside the properties of custom keys
/// that are searched.
const INDEXED: &[u64] = &[
    CKA_CLASS,
    CKA_KEY_TYPE,
    CKA_ID,
    CKA_LABEL,
    CKA_APPLICATION,
    CKA_UNIQUE_ID,
    CKA_SUBJECT,
    CKA_MODULUS,
    TARGET_ID,
];

/// Returns whether an attribute with this value has a tag.
pub fn is_indexed(kind: u64, value: &[u8]) -> bool {
    !value.is_empty() && (INDEXED.contains(&kind) || is_searched(kind))
}

/// Opened objects by identity.
pub struct Cache {
    kept: RwLock<HashMap<Id, Arc<Loaded>>>,
    evictor: Arc<Evictor>,
}

impl Cache {
    /// Makes an empty cache.
    pub(super) fn new(evictor: Arc<Evictor>) -> Self {
        Self { kept: RwLock::default(), evictor }
    }

    pub(super) fn kept(&self, id: Id) -> Option<Arc<Loaded>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn keep(&self, loaded: &Arc<Loaded>) {
        self.evictor.expect(loaded.ends_after(0));
        let mut kept = self.write();
        if kept.len() >= KEPT {
            kept.clear();
            self.evictor.forget();
        }
        if let Some(earlier) = kept.insert(loaded.id, Arc::clone(loaded)) {
            self.evictor.evict(&earlier);
        }
    }

    /// Keeps only what still `holds`, and has not ended at `now`.
    pub(super) fn retain(&self, now: Seconds, holds: impl Fn(&Loaded) -> bool) {
        self.write().retain(|_, object| {
            let stays = object.is_there(now) && holds(object);
            match stays {
                true => self.evictor.expect(object.ends_after(now)),
                false => self.evictor.evict(object),
            }
            stays
        });
    }

    /// Keeps an object of one login. A logout moves the epoch before it clears the cache, so what is
    /// kept after that is noticed here and dropped.
    fn keep_while(&self, loaded: &Arc<Loaded>, same_login: impl Fn() -> bool) {
        self.keep(loaded);
        if !same_login() {
            self.drop_one(loaded.id);
        }
    }

    fn drop_one(&self, id: Id) {
        if let Some(dropped) = self.write().remove(&id) {
            self.evictor.evict(&dropped);
        }
    }

    /// Forgets everything, at a login or logout.
    pub fn clear(&self) {
        self.write().drain().for_each(|(_, dropped)| self.evictor.evict(&dropped));
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Id, Arc<Loaded>>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record to be written: everything but its seal.
pub struct UnsealedRecord {
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

/// Returns what an object with these attributes is found by: one of a custom key that has no label by the key
/// ID as a label too.
pub fn terms(attributes: &Attributes) -> Vec<(u64, Vec<u8>)> {
    let indexed = attributes.iter().filter(|&(kind, value)| is_indexed(kind, value));
    let mut terms: Vec<_> = indexed.map(|(kind, value)| (kind, value.to_vec())).collect();
    let unnamed = attributes.bytes(CKA_LABEL).is_none_or(<[u8]>::is_empty);
    if let Some(key) = attributes.bytes(CKA_KEYSTEAD_KEY_ID).filter(|_| unnamed) {
        terms.push((CKA_LABEL, key.to_vec()));
    }
    terms
}

/// Returns what a material record is found by: its own attributes under the names of its custom key.
pub(super) fn material_terms(
    id: Id,
    body: &ObjectBody,
    key: Id,
    metadata: &Metadata,
) -> Vec<(u64, Vec<u8>)> {
    let mut shown = body.attributes.duplicate();
    shown.set(CKA_UNIQUE_ID, id.to_string().as_bytes());
    for (kind, value) in searched_on_material(metadata, key) {
        shown.set(kind, &value);
    }
    let mut terms = terms(&shown);
    terms.extend(searched_unknown(metadata));
    terms
}

/// Returns what the metadata object of a custom key is found by.
pub(super) fn metadata_terms(shown: &Attributes, metadata: &Metadata) -> Vec<(u64, Vec<u8>)> {
    let mut terms = terms(shown);
    if !metadata.identifier.is_empty() {
        terms.push((TARGET_ID, metadata.identifier.clone()));
    }
    terms.extend(searched_unknown(metadata));
    terms
}

impl Token {
    /// A token object as it is now, or none if there is no such record.
    pub(super) fn load(&self, id: Id) -> Result<Option<Arc<Loaded>>> {
        if let Some(kept) = self.cache.kept(id).filter(|kept| self.is_unchanged(&kept.watch)) {
            return Ok(Some(kept));
        }
        Ok(self.read(&[id])?.pop().flatten())
    }

    /// Token objects as they are now, in the order of `ids`; one round trip for all. What is damaged
    /// stands in nobody's way.
    pub(super) fn load_all(&self, ids: &[Id]) -> Result<Vec<Option<Arc<Loaded>>>> {
        match self.read(ids) {
            Err(error) if error.reason() == Reason::StoreDamaged && ids.len() == 1 => {
                log::error!("{error}");
                Ok(vec![None])
            }
            read => read,
        }
    }

    /// The same; a single one that is damaged is an error.
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
            log::info!("{}: version {version} of key {key} of {self}", ended(stored.slot));
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

    /// Opens a record; none where it is private and nobody is logged in, or its material is erased.
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
                RecordContent::CustomKey(custom_key(stored, &header, &opened)?)
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
        let told = loggable(&changes);
        let request = Request::Commit { token: self.id, changes, change: lc::random::bytes()? };
        let answer = self.link.ask(&request);
        touched.into_iter().for_each(|id| self.cache.drop_one(id));
        match answer? {
            Response::Committed(_) => {
                self.log_changes(&told);
                Ok(())
            }
            _ => Err(unexpected()),
        }
    }

    /// The tags of a search, under the key for private or public objects.
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
        Ok(self.ids.next(self.clock.precise().max(seen), lc::random::bytes()?))
    }
}

/// Returns what became of material that is gone.
fn ended(slot: Erasure) -> String {
    let at =
        |second| exact_timestamp(second).map_or_else(|_| second.to_string(), |at| at.to_string());
    match slot {
        Erasure::Live => "gone".to_owned(),
        Erasure::Deleted(second) => format!("deleted at {}", at(second)),
        Erasure::Expired(second) => format!("expired at {}", at(second)),
    }
}

/// Returns what the audit log is to call a key: its label.
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

/// Returns what an ordinary object's record holds. A key in one that says it holds none was not put there by
/// a module: nobody would have had to log in to read it.
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
        erasure: stored.slot,
    })
}

/// The agent answered something else than was asked.
pub fn unexpected() -> Error {
    Reason::AgentRefuses.detail("an answer of the wrong kind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_ended_login_is_kept_although_the_cache_was_cleared_before() {
        let (cache, id) = (Cache::new(Arc::default()), Id::new([1; 16]));
        let object = Loaded::session(id, Attributes::default(), Secret::from(&[7][..]), None);
        let object = Arc::new(object);
        cache.keep_while(&object, || true);
        assert!(cache.kept(id).is_some());
        cache.clear();
        cache.keep_while(&object, || false);
        assert!(cache.kept(id).is_none());
    }
}
