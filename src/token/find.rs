//! Finding objects: by the agent's index where a template names an indexed attribute, by looking at
//! each that is left for the rest. A sensitive value never matches.

use super::attributes::answer;
use super::cache::OPENED;
use super::loaded::{Loaded, RecordContent};
use super::records::unexpected;
use super::searches::{CacheStamp, SearchTerms};
use super::terms::is_indexed;
use super::{Answer, Caller, Handle, Login, Token};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::object::custom::is_called;
use crate::object::values::{same, same_number};
use crate::object::vendor::{CKA_KEYSTEAD_KEY_ID, CKA_KEYSTEAD_MATERIAL_VERSION};
use crate::object::{Attribute, Template};
use crate::secret::Secret;
use crate::wire::{Request, Response};
use pkcs11_sys::*;
use std::sync::Arc;

/// The most identities in one answer of the agent.
const SEARCH_PAGE: u32 = 16_384;

impl Token {
    /// Returns the handles of all objects that fit the template and are visible to who is logged in, in the
    /// order of their identities, which is that of their creation.
    pub fn find(&self, _caller: &Caller, template: &Template) -> Result<Vec<Handle>> {
        let mut found = Vec::new();
        if template.flag(CKA_TOKEN)? != Some(true) {
            found.extend(self.session_objects(template)?);
        }
        if template.flag(CKA_TOKEN)? != Some(false) {
            found.extend(self.profiles(template)?);
            let records = self.records(template)?;
            self.read_ahead.begin(&records);
            let handles = self.handles_of(&records)?;
            found.extend(records.into_iter().zip(handles));
        }
        found.sort_by_key(|&(id, _)| id);
        Ok(found.into_iter().map(|(_, handle)| handle).collect())
    }

    fn session_objects(&self, template: &Template) -> Result<Vec<(Id, Handle)>> {
        let mut found = Vec::new();
        let now = self.now();
        for (handle, object) in self.handles.session_objects(self.login_epoch()) {
            if self.fits(&object, template, now)? {
                found.push((object.id, handle));
            }
        }
        Ok(found)
    }

    fn records(&self, template: &Template) -> Result<Vec<Id>> {
        if template.bytes(CKA_KEYSTEAD_MATERIAL_VERSION).is_some() {
            return self.records_of_versions(template);
        }
        let indexed = self.search(&terms(template))?;
        if template.iter().all(|term| decided_by_index(term.kind, term.value.expose())) {
            return Ok(indexed);
        }
        self.fitting(&indexed, template)
    }

    /// Returns the records of a template that names a version. It is met by older ones too. No index leads to
    /// them, only their custom key: what fits but for its version brings the others of its key with it.
    fn records_of_versions(&self, template: &Template) -> Result<Vec<Id>> {
        let mut terms = terms(template);
        // An identity of its own is all that an older version does not share with the newest.
        terms.retain(|(kind, _)| *kind != CKA_UNIQUE_ID);
        let mut candidates = self.search(&terms)?;
        let mut rotated = Vec::new();
        self.each_loaded(&candidates, |object| {
            rotated.extend(object.rotated());
            Ok(())
        })?;
        for key in rotated {
            candidates.extend(self.materials(key)?.iter().map(|version| version.id));
        }
        candidates.sort_unstable();
        candidates.dedup();
        self.fitting(&candidates, template)
    }

    fn each_loaded(
        &self,
        ids: &[Id],
        mut visit: impl FnMut(Arc<Loaded>) -> Result<()>,
    ) -> Result<()> {
        for some in ids.chunks(OPENED) {
            self.load_all(some)?.into_iter().flatten().try_for_each(&mut visit)?;
        }
        Ok(())
    }

    fn fitting(&self, ids: &[Id], template: &Template) -> Result<Vec<Id>> {
        let (mut found, now) = (Vec::new(), self.now());
        self.each_loaded(ids, |object| {
            found.extend(self.fits(&object, template, now)?.then_some(object.id));
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the identities of visible records with all these attributes. What was asked before is answered
    /// from memory while nothing in the token has changed; what has expired since is not.
    pub(super) fn search(&self, terms: &[(u64, Vec<u8>)]) -> Result<Vec<Id>> {
        let moment =
            CacheStamp { generation: self.page()?.token(self.id), epoch: self.login_epoch() };
        if let Some(known) = self.searches.known(terms, moment) {
            return self.still_there(known);
        }
        let found = self.ask_for(terms)?;
        self.searches.keep(terms, moment, &found);
        Ok(found)
    }

    fn still_there(&self, known: Vec<Id>) -> Result<Vec<Id>> {
        let now = self.now();
        let mut there = Vec::with_capacity(known.len());
        for id in known {
            let is_there = match self.load(id) {
                // It is there, and its reader is told.
                Err(error) if error.reason() == Reason::StoreDamaged => true,
                loaded => loaded?.is_some_and(|object| object.is_there(now)),
            };
            there.extend(is_there.then_some(id));
        }
        Ok(there)
    }

    fn ask_for(&self, terms: &[(u64, Vec<u8>)]) -> Result<Vec<Id>> {
        let mut alternatives = vec![self.search_tags(false, terms)?];
        if let Some(terms) = as_kept_before(terms) {
            alternatives.push(self.search_tags(false, &terms)?);
        }
        if self.logged_in_as() == Login::User && !terms.is_empty() {
            alternatives.push(self.search_tags(true, terms)?);
        }
        let mut found: Vec<Id> = Vec::new();
        loop {
            let request = Request::Find {
                token: self.id,
                alternatives: alternatives.clone(),
                now: self.now(),
                after: found.last().copied(),
                limit: SEARCH_PAGE,
            };
            let Response::Found { ids, more } = self.link.ask(&request)? else {
                return Err(unexpected());
            };
            let ended = !more || ids.is_empty();
            found.extend(ids);
            if ended {
                return Ok(found);
            }
        }
    }

    pub(super) fn fits(
        &self,
        object: &Arc<Loaded>,
        template: &Template,
        now: Seconds,
    ) -> Result<bool> {
        if !object.is_there(now) || !self.is_visible(object) || differs(object, template) {
            return Ok(false);
        }
        let whole = object.is_whole(now);
        for term in template.iter() {
            if !fits_term(object, term, whole, now)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn fits_term(object: &Loaded, term: &Attribute, whole: bool, now: Seconds) -> Result<bool> {
    let Attribute { kind, value: wanted } = term;
    let same = if is_number(object, *kind) { same_number } else { same };
    // Parts of a key's material are brought out of it, at some cost.
    let fits = match answer(object, *kind, whole, now) {
        Ok(Answer::Value(value)) => same(*kind, &value, wanted),
        _ => false,
    };
    Ok(fits || (*kind == CKA_LABEL && is_called_now(object, wanted.expose(), now)?))
}

fn is_called_now(object: &Loaded, label: &[u8], now: Seconds) -> Result<bool> {
    let shown = |kind| object.attribute(kind, now);
    let (own, key) = (shown(CKA_LABEL)?, shown(CKA_KEYSTEAD_KEY_ID)?);
    let [own, key] = [&own, &key].map(|value| value.as_ref().map(Secret::expose));
    Ok(is_called(own, key, label))
}

/// Returns whether an attribute is a big number of this key only: the private value of one on a curve
/// (PKCS#11 3.1, 6.3.4), which is bytes elsewhere.
fn is_number(object: &Loaded, kind: u64) -> bool {
    let own = |attribute| object.body().and_then(|body| body.attributes.number(attribute));
    kind == CKA_VALUE
        && own(CKA_CLASS) == Some(CKO_PRIVATE_KEY)
        && own(CKA_KEY_TYPE) == Some(CKK_EC)
}

/// Returns whether an ordinary object is another one by what it is mostly looked for, which it shows as it
/// holds it: thousands of session objects are passed over without showing each whole.
fn differs(object: &Loaded, template: &Template) -> bool {
    let RecordContent::Object(body) = &object.content else { return false };
    let own = &body.attributes;
    let called = |wanted| is_called(own.bytes(CKA_LABEL), own.bytes(CKA_KEYSTEAD_KEY_ID), wanted);
    let named = template.bytes(CKA_LABEL).is_none_or(called);
    let differs = |kind| template.bytes(kind).is_some_and(|wanted| own.bytes(kind) != Some(wanted));
    !named || [CKA_CLASS, CKA_KEY_TYPE, CKA_ID].into_iter().any(differs)
}

/// Returns a search for a modulus as older versions kept one of a public key: as clients gave it, with the
/// zero that DER puts before it.
fn as_kept_before(terms: &[(u64, Vec<u8>)]) -> Option<SearchTerms> {
    let padded = |(kind, value): &(u64, Vec<u8>)| match *kind {
        CKA_MODULUS => (CKA_MODULUS, [&[0], &value[..]].concat()),
        kind => (kind, value.clone()),
    };
    let names_one = terms.iter().any(|(kind, _)| *kind == CKA_MODULUS);
    names_one.then(|| terms.iter().map(padded).collect())
}

fn terms(template: &Template) -> Vec<(u64, Vec<u8>)> {
    let indexed = template.iter().filter(|term| is_indexed(term.kind, term.value.expose()));
    indexed.map(|term| (term.kind, term.value.expose().to_vec())).collect()
}

/// Returns whether the agent's answer needs no second look for this attribute.
fn decided_by_index(kind: u64, value: &[u8]) -> bool {
    is_indexed(kind, value) || (kind == CKA_TOKEN && value == [CK_TRUE])
}
