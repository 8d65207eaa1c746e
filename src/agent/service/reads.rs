//! Searches, and the records that a connection may read.

use super::super::answer_size::{ANSWER_ROOM, size_of_stored, too_long};
use super::super::find::{Query, find};
use super::super::open_store::Found;
use super::Service;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Fingerprint, Role};
use crate::wire::message::{MAX_FOUND, MAX_TAGS};
use crate::wire::{Response, Stored};

impl Service {
    pub(super) fn find(
        &self,
        token: Id,
        alternatives: &[Vec<[u8; 16]>],
        now: Seconds,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Response> {
        if alternatives.iter().map(Vec::len).sum::<usize>() > MAX_TAGS {
            return Err(Reason::ArgumentsBad.detail("a search has too many terms"));
        }
        let access = self.access(token);
        let limit = limit.min(MAX_FOUND) as usize;
        let (ids, more) =
            find(&self.store, &Query { token, alternatives, access, now, after, limit })?;
        Ok(Response::Found { ids, more })
    }

    /// As many records as fit into a frame; one that does not alone is refused.
    pub(super) fn read(&self, token: Id, ids: &[Id]) -> Result<Response> {
        let (mut records, mut size) = (Vec::new(), 0);
        for id in ids {
            let read = self.read_one(token, *id);
            // Among several, one that is damaged is left out.
            let record = match ids.len() {
                1 => read?,
                _ => self.store.if_readable((token, *id), read)?.flatten(),
            };
            size += record.as_ref().map_or(1, |(own, owner)| {
                size_of_stored(own) + owner.as_ref().map_or(0, |owner| size_of_stored(owner))
            });
            if size > ANSWER_ROOM && !records.is_empty() {
                break;
            }
            records.push(record);
        }
        Ok(Response::Records(records))
    }

    fn read_one(&self, token: Id, id: Id) -> Result<Option<(Stored, Option<Box<Stored>>)>> {
        let (found, owner) = self.found_with_owner(token, id)?;
        // What has ended is handed out empty: an operation under way asks why.
        let Some(found) = found.filter(|found| self.may_see(token, found)) else {
            return Ok(None);
        };
        let owner = match self.visible(token, owner) {
            Some(owner) => Some(Box::new(self.store.hand_out(token, owner)?)),
            None => None,
        };
        Ok(Some((self.store.hand_out(token, found)?, owner)))
    }

    /// A record, and for material its custom key as it was at the same moment: a commit between two reads
    /// would show a state that never was.
    fn found_with_owner(&self, token: Id, id: Id) -> Result<(Option<Found>, Option<Found>)> {
        let mut found = self.store.find(token, id)?;
        loop {
            let key = match found.as_ref().map(|found| &found.known.header.role) {
                Some(Role::Material { key, .. }) => *key,
                _ => return Ok((found, None)),
            };
            let owner = self.store.find(token, key)?;
            let still = self.store.find(token, id)?;
            let revision = |found: &Option<Found>| found.as_ref().map(|found| found.row.revision);
            if revision(&still) == revision(&found) {
                return Ok((found, owner));
            }
            found = still;
        }
    }

    /// Returns the versions of a custom key, newest first, without their material.
    pub(super) fn versions(&self, token: Id, key: Id) -> Result<Response> {
        let found = self.store.versions(token, key)?.into_iter().rev();
        self.several(token, found, without_sealed)
    }

    /// Returns the custom key that material with this fingerprint belongs to.
    pub(super) fn associated(&self, token: Id, fingerprint: &Fingerprint) -> Result<Response> {
        let found = self.store.associated(token, fingerprint)?.into_iter();
        self.several(token, found, |stored| stored)
    }

    fn several(
        &self,
        token: Id,
        found: impl Iterator<Item = Found>,
        shown: fn(Stored) -> Stored,
    ) -> Result<Response> {
        let (mut several, mut size) = (Vec::new(), 0);
        for found in found.filter_map(|found| self.visible(token, Some(found))) {
            let record = (token, found.known.id);
            let stored = self.store.if_readable(record, self.store.hand_out(token, found))?;
            let stored = stored.map(shown);
            size += stored.as_ref().map_or(0, size_of_stored);
            if size > ANSWER_ROOM {
                return Err(too_long());
            }
            several.extend(stored);
        }
        Ok(Response::Several(several))
    }

    /// Records are for those who have proved what they need, and an ordinary key that has ended is gone
    /// though it may not have been swept yet.
    fn visible(&self, token: Id, found: Option<Found>) -> Option<Found> {
        found.filter(|found| self.may_see(token, found)).filter(|Found { known, .. }| {
            !(matches!(known.header.role, Role::Object { .. }) && known.is_dead(self.store.now()))
        })
    }

    fn may_see(&self, token: Id, found: &Found) -> bool {
        self.access(token).sees(&found.known.header)
    }
}

/// As many versions as a key can have fit into a frame without these.
fn without_sealed(stored: Stored) -> Stored {
    Stored { sealed: Vec::new(), ..stored }
}
