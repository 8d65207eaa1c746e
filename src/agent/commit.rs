//! A client's commit: read, judged, and put into one transaction.

use super::access::Access;
use super::audit;
use super::open_store::{Found, OpenStore, TokenView};
use super::rules::{self, Moment, Proposal};
use super::service::{BESIDE, ROOM};
use super::transaction::{Ending, Transaction};
use super::writer::Writer;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{Event, Header, Role};
use crate::store::Need;
use crate::wire::message::MAX_ALIAS;
use crate::wire::{Change, Expect};
use std::sync::Arc;

/// By how many tags one record can be found.
pub(super) const MOST_TAGS: usize = 256;

impl Writer {
    pub(super) fn commit(
        &mut self,
        token: Id,
        changes: Vec<Change>,
        change: &[u8; 16],
        access: Access,
    ) -> Result<Vec<u64>> {
        if let Some(revisions) = self.answered(change)? {
            return Ok(revisions);
        }
        // Before anything is told of what stands there.
        if access == Access::Public {
            return Err(Reason::NotLoggedIn.into());
        }
        if self.store.token(token)?.is_none() {
            return Err(Reason::TokenAbsent.into());
        }
        let store = Arc::clone(&self.store);
        let found = expected(&store, token, &changes)?;
        let proposals = changes.iter().map(proposal).collect::<Result<Vec<_>>>()?;
        let moment = Moment { now: store.now(), clock: store.clock(), access };
        let ended = rules::judge(&TokenView { store: &store, token }, &proposals, moment)?;
        store.records.room(need(&proposals, &changes))?;

        let mut transaction = Transaction::new(&store);
        for tombstone in ended {
            if let Some(found) = store.find(token, tombstone)? {
                transaction.remove(token, &found, Ending::Expired)?;
            }
        }
        for (proposal, old) in proposals.iter().zip(&found) {
            let old = old.as_ref().map(|old| &old.known.header);
            audit::of_change(token, proposal, old)
                .into_iter()
                .for_each(|fact| transaction.note(fact));
        }
        for change in &changes {
            if let Some(alias) = change.alias.as_deref().filter(|_| change.put.is_some()) {
                transaction.set_alias(token, change.id, alias)?;
            }
        }
        let mut revisions = Vec::with_capacity(changes.len());
        for ((change, proposal), old) in changes.into_iter().zip(proposals).zip(found) {
            revisions.push(match (change.put, proposal.put, old) {
                (Some(put), Some(header), old) => {
                    transaction.put(token, change.id, old.as_ref(), header, put)?
                }
                (_, _, Some(old)) => {
                    transaction.remove(token, &old, Ending::Deleted)?;
                    0
                }
                _ => return Err(Reason::ObjectUnknown.into()),
            });
        }
        self.finish(transaction, change, revisions)
    }
}

/// The records that a commit names, each at the revision it expects.
fn expected(store: &OpenStore, token: Id, changes: &[Change]) -> Result<Vec<Option<Found>>> {
    let find = |change: &Change| {
        let found = store.find(token, change.id)?;
        check_expected(change.expect, found.as_ref().map(|found| found.row.revision))?;
        Ok(found)
    };
    changes.iter().map(find).collect()
}

pub(super) fn check_expected(expect: Expect, revision: Option<u64>) -> Result<()> {
    match (expect, revision) {
        (Expect::Absent, None) => Ok(()),
        (Expect::Revision(expected), Some(revision)) if expected == revision => Ok(()),
        _ => Err(Reason::Conflict.into()),
    }
}

fn proposal(change: &Change) -> Result<Proposal> {
    let event = match change.event.as_slice() {
        [] => None,
        bytes => Some(event(bytes)?),
    };
    let put = change.put.as_ref().map(|(header, _)| Header::decode(header)).transpose();
    let put = put.map_err(|_| malformed())?;
    if change.alias.as_ref().is_some_and(|alias| alias.len() > MAX_ALIAS) {
        return Err(Reason::ArgumentsBad.detail("an alias is too long"));
    }
    if put.as_ref().is_some_and(|header| header.tags.len() > MOST_TAGS) {
        return Err(Reason::ArgumentsBad.detail("a record has too many tags"));
    }
    if let (Some(header), Some((head, sealed))) = (&put, &change.put) {
        check_readable(header, head.len() + sealed.len())?;
    }
    Ok(Proposal { id: change.id, event, put })
}

/// A record fits into an answer: material with its custom key beside it.
fn check_readable(header: &Header, size: usize) -> Result<()> {
    let most = match header.role {
        Role::Object { .. } => ROOM - BESIDE,
        Role::CustomKey(_) | Role::Material { .. } => ROOM / 2 - BESIDE,
    };
    match size > most {
        true => Err(Reason::ArgumentsBad.detail(format_args!("a record has at most {most} bytes"))),
        false => Ok(()),
    }
}

fn event(bytes: &[u8]) -> Result<Event> {
    match postcard::take_from_bytes(bytes) {
        Ok((event, [])) => Ok(event),
        _ => Err(malformed()),
    }
}

fn malformed() -> Error {
    Reason::ArgumentsBad.detail("a change does not parse")
}

/// A commit in which something ends may use the room that is kept for that.
fn need(proposals: &[Proposal], changes: &[Change]) -> Need {
    let ends = |proposal: &Proposal| {
        proposal.put.is_none() || proposal.event == Some(Event::DeleteMaterial)
    };
    if proposals.iter().any(ends) {
        return Need::Shrink;
    }
    let sizes = changes.iter().filter_map(|change| change.put.as_ref());
    Need::Grow(sizes.map(|(header, sealed)| (header.len() + sealed.len()) as u64).sum())
}
