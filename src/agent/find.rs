//! Search by tags: cursors over the store's index, intersected and united, in the order of identities.

use super::access::Access;
use super::keyspace;
use super::open_store::OpenStore;
use super::waiting::{WaitingErasure, waiting};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Tag;
use crate::store::Store;
use std::collections::{HashSet, VecDeque};

/// The most identities that a cursor reads ahead.
const AHEAD: usize = 512;

/// Identities that match, ascending, and whether there are more.
pub(crate) type Matches = (Vec<Id>, bool);

/// A search.
pub(crate) struct Query<'a> {
    /// The token.
    pub token: Id,
    /// A record matches that carries all tags of any one alternative.
    pub alternatives: &'a [Vec<[u8; 16]>],
    /// The login that the asking connection has proved.
    pub access: Access,
    /// The asker's time, which may be ahead of the agent's.
    pub now: Seconds,
    /// Continue behind this identity.
    pub after: Option<Id>,
    /// At most so many.
    pub limit: usize,
}

/// The records that match and whose material is neither erased nor due to be.
pub(crate) fn find(store: &OpenStore, query: &Query<'_>) -> Result<Matches> {
    let hidden = due(store, store.now().max(query.now))?;
    let mut branches = branches(store.records.as_ref(), query);
    let mut found = Vec::new();
    let mut from = query.after.map_or(Some(0), |after| number(after).checked_add(1));
    while let Some(start) = from {
        let Some(id) = first_of(&mut branches, start)? else { break };
        from = number(id).checked_add(1);
        if hidden.contains(&(query.token, id)) || !is_seen(store, query, id)? {
            continue;
        }
        if found.len() == query.limit {
            return Ok((found, true));
        }
        found.push(id);
    }
    Ok((found, false))
}

/// Returns whether a record that the index shows is one to see. Who has logged in sees all that the index of
/// theirs has; a public key stands in it beside the certificates.
fn is_seen(store: &OpenStore, query: &Query<'_>, id: Id) -> Result<bool> {
    if query.access != Access::Public {
        return Ok(true);
    }
    match store.header(query.token, id) {
        Ok(header) => Ok(header.is_some_and(|header| query.access.sees(&header))),
        Err(error) if error.reason() == Reason::StoreDamaged && store.alive() => {
            log::error!("record {id}: {error}");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Returns what is due and not erased yet: a few records in the moment before the sweep, and what waits its
/// grace out.
fn due(store: &OpenStore, now: Seconds) -> Result<HashSet<(Id, Id)>> {
    let mut hidden = HashSet::new();
    for WaitingErasure { token, id, .. } in waiting(store)? {
        let found = store.find(token, id)?;
        if found.is_some_and(|found| found.known.is_dead(now)) {
            hidden.insert((token, id));
        }
    }
    store.each(keyspace::DUE, |key, _| match keyspace::due_parts(key) {
        Some((at, token, id)) if at <= now => Ok(hidden.insert((token, id))),
        _ => Ok(false),
    })?;
    Ok(hidden)
}

fn branches<'a>(store: &'a dyn Store, query: &Query<'_>) -> Vec<Vec<Cursor<'a>>> {
    let privacies: &[bool] = match query.access {
        Access::User => &[false, true],
        Access::Officer | Access::Public => &[false],
    };
    let branch = |private: bool, tags: &[[u8; 16]]| -> Vec<Cursor<'a>> {
        let cursor =
            |tag: Option<&Tag>| Cursor::new(store, keyspace::tagged(query.token, private, tag));
        match tags {
            [] => vec![cursor(None)],
            tags => tags.iter().map(|tag| cursor(Some(&Tag(*tag)))).collect(),
        }
    };
    privacies
        .iter()
        .flat_map(|private| query.alternatives.iter().map(move |tags| branch(*private, tags)))
        .collect()
}

/// The first identity not before `from` that any branch has.
fn first_of(branches: &mut [Vec<Cursor<'_>>], from: u128) -> Result<Option<Id>> {
    let mut first = None;
    for branch in branches {
        let id = first_common(branch, from)?;
        first = match (first, id) {
            (Some(first), Some(id)) => Some(std::cmp::min(first, id)),
            (first, id) => first.or(id),
        };
    }
    Ok(first)
}

/// The first identity not before `from` that all cursors have.
fn first_common(cursors: &mut [Cursor<'_>], from: u128) -> Result<Option<Id>> {
    let mut candidate = from;
    loop {
        let start = candidate;
        for cursor in cursors.iter_mut() {
            match cursor.seek(candidate)? {
                Some(id) => candidate = number(id),
                None => return Ok(None),
            }
        }
        if candidate == start {
            return Ok(Some(Id::new(candidate.to_be_bytes())));
        }
    }
}

/// One list of identities in the store, ascending.
struct Cursor<'a> {
    store: &'a dyn Store,
    prefix: Vec<u8>,
    ahead: VecDeque<Id>,
    /// Doubles with each read, so that a list of one costs one and a long one few.
    step: usize,
    finished: bool,
}

impl<'a> Cursor<'a> {
    fn new(store: &'a dyn Store, prefix: Vec<u8>) -> Self {
        Self { store, prefix, ahead: VecDeque::new(), step: 2, finished: false }
    }

    /// The first identity not before `from`. `from` never goes back.
    fn seek(&mut self, from: u128) -> Result<Option<Id>> {
        while self.ahead.front().is_some_and(|id| number(*id) < from) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() && !self.finished {
            self.read(from)?;
        }
        Ok(self.ahead.front().copied())
    }

    fn read(&mut self, from: u128) -> Result<()> {
        let start = [&self.prefix[..], &from.to_be_bytes()].concat();
        let pairs = self.store.scan(&self.prefix, &start, self.step)?;
        self.finished = pairs.len() < self.step;
        self.step = (self.step * 2).min(AHEAD);
        self.ahead.extend(pairs.iter().filter_map(|(key, _)| keyspace::last_id(key)));
        Ok(())
    }
}

/// Identities as numbers keep their order.
fn number(id: Id) -> u128 {
    u128::from_be_bytes(*id.bytes())
}
