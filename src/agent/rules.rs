//! The rules of custody at the commit point: whether a commit is lawful, decided without a store.
//!
//! No client can make the agent drop a custom key, or a generated key's material, exchange associated
//! material, or give two custom keys the same. Ordinary objects come and go freely.

use super::access::Access;
use crate::clock::{Seconds, check_ahead};
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Event, Fingerprint, Header, KeyState, Origin, Role};
use std::collections::{BTreeMap, BTreeSet};

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownRecord {
    /// The ID of the record.
    pub id: Id,
    /// Its header.
    pub header: Header,
    /// The word of its tombstone or erase cell.
    pub erasure: Erasure,
}

/// A change that a commit wants to make to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// The ID of the record.
    pub id: Id,
    /// The event of the custom key, if it is one.
    pub event: Option<Event>,
    /// The new header, or none to remove the record.
    pub put: Option<Header>,
}

/// The records of one token, as they stand before the commit.
pub(crate) trait View {
    /// One record.
    fn record(&self, id: Id) -> Result<Option<KnownRecord>>;
    /// All records of a custom key's material, dead ones too.
    fn material(&self, key: Id) -> Result<Vec<KnownRecord>>;
    /// Returns the custom key that material with a fingerprint belongs to, if it still stands.
    fn owner(&self, fingerprint: &Fingerprint) -> Result<Option<Id>>;
}

/// The time of a commit, and the login that asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitContext {
    /// The store's time, which decides.
    pub now: Seconds,
    /// The time that the clock shows, which may be behind.
    pub clock: Seconds,
    /// The login that the connection has proved.
    pub access: Access,
}

impl KnownRecord {
    /// Returns whether its material is gone, or to be erased by `now`.
    pub(crate) fn is_dead(&self, now: Seconds) -> bool {
        let due = |header: &Header| header.expiry.is_some_and(|expiry| expiry.erases_by(now));
        match self.header.role {
            Role::CustomKey(_) => false,
            Role::Material { .. } | Role::Object { .. } => {
                self.erasure != Erasure::Live || due(&self.header)
            }
        }
    }
}

/// Decides whether `proposals` may happen together. On success: the records of dead material that
/// end with the commit, beside those it names.
pub(crate) fn judge(
    view: &impl View,
    proposals: &[Proposal],
    moment: CommitContext,
) -> Result<Vec<Id>> {
    let mut named = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for proposal in proposals {
        if !named.insert(proposal.id) {
            return Err(Reason::Unlawful.detail("a commit names a record twice"));
        }
        let old = view.record(proposal.id)?;
        let header = old.as_ref().map(|old| &old.header);
        if !moment.access.changes(header, proposal.put.as_ref(), proposal.event.as_ref()) {
            return Err(Reason::NotLoggedIn.into());
        }
        judge_expiry(old.as_ref(), proposal, moment)?;
        keys.extend(judge_one(old, proposal)?);
    }
    let mut ended = Vec::new();
    for key in keys {
        ended.extend(judge_key(view, key, proposals, moment)?);
    }
    Ok(ended)
}

/// An ordinary key gets no expiry that has passed.
fn judge_expiry(
    old: Option<&KnownRecord>,
    proposal: &Proposal,
    moment: CommitContext,
) -> Result<()> {
    let new = proposal.put.as_ref().filter(|header| matches!(header.role, Role::Object { .. }));
    let expiry = new.and_then(|header| header.expiry);
    match expiry.filter(|_| old.and_then(|old| old.header.expiry) != expiry) {
        Some(expiry) => check_ahead(expiry.at, moment.now, moment.clock),
        None => Ok(()),
    }
}

/// Fails where one change is unlawful, whatever else the commit holds. Returns the custom key it belongs to, if any.
fn judge_one(old: Option<KnownRecord>, proposal: &Proposal) -> Result<Option<Id>> {
    let custom = |header: &Header| match header.role {
        Role::Object { .. } => None,
        Role::CustomKey(_) => Some(proposal.id),
        Role::Material { key, .. } => Some(key),
    };
    let old = old.map(|known| known.header);
    let key = old.as_ref().or(proposal.put.as_ref()).and_then(custom);
    match (&old, &proposal.put) {
        (None, None) => return Err(Reason::ObjectUnknown.into()),
        (Some(Header { role: Role::CustomKey(_), .. }), None) => {
            return Err(Reason::Undestroyable.into());
        }
        (Some(old), Some(new)) => judge_identity(old, new)?,
        (None, Some(_)) | (Some(_), None) => {}
    }
    if proposal.event.is_some() != (key == Some(proposal.id)) {
        return Err(Reason::Unlawful.detail("an event belongs to a custom key, and it to an event"));
    }
    Ok(key)
}

/// Fails where a record's role changes, or a custom key's privacy is lowered. The version of the material in it
/// is for [`MaterialChanges`] to judge.
fn judge_identity(old: &Header, new: &Header) -> Result<()> {
    let private = !old.private || new.private;
    let same = match (&old.role, &new.role) {
        (Role::Object { holds_key: old }, Role::Object { holds_key: new }) => old == new,
        (Role::CustomKey(_), Role::CustomKey(_)) => private,
        (Role::Material { key, .. }, Role::Material { key: new, .. }) => private && key == new,
        _ => false,
    };
    if same { Ok(()) } else { Err(Reason::Unlawful.detail("a record would become another")) }
}

/// Fails unless a commit does one lawful step to a custom key, and leaves exactly the material that the new state
/// speaks of. Returns the dead material that ends with it.
fn judge_key(
    view: &impl View,
    key: Id,
    proposals: &[Proposal],
    moment: CommitContext,
) -> Result<Vec<Id>> {
    let own = proposals.iter().find(|proposal| proposal.id == key);
    let Some(Proposal { event: Some(event), put: Some(header), .. }) = own else {
        return Err(lone_material(view, key, proposals)?.into());
    };
    let Role::CustomKey(after) = &header.role else {
        return Err(Reason::Unlawful.detail("material of something that is no custom key"));
    };
    let material = MaterialChanges::of(view, key, proposals)?;
    judge_step(view, key, &material, event, after, moment)?;
    if header.expiry.is_some() && header.expiry != after.expiry {
        return Err(Reason::Unlawful.detail("a custom key's header and state differ in expiry"));
    }
    material.judge(event, after, moment)?;
    let shown = |header: &Header| belongs(header, key) && !header.private;
    if header.private && proposals.iter().filter_map(|it| it.put.as_ref()).any(shown) {
        return Err(Reason::Unlawful.detail("public material of a private custom key"));
    }
    let brings = matches!(event, Event::Create | Event::Import { .. } | Event::Rotate { .. });
    if let Some(fingerprint) = after.fingerprint.as_ref().filter(|_| brings && after.has_material())
    {
        judge_unique(view, key, fingerprint, proposals)?;
    }
    Ok(material.swept_by(event, moment.now))
}

/// Returns the reason for which material cannot change without its custom key.
fn lone_material(view: &impl View, key: Id, proposals: &[Proposal]) -> Result<Reason> {
    let state = match view.record(key)?.map(|known| known.header.role) {
        Some(Role::CustomKey(state)) => state,
        _ => return Ok(Reason::Unlawful),
    };
    for proposal in proposals.iter().filter(|proposal| proposal.put.is_none()) {
        let old = view.record(proposal.id)?;
        let generated = state.origin == Origin::Generated;
        if generated && old.is_some_and(|old| belongs(&old.header, key)) {
            return Ok(Reason::Undestroyable);
        }
    }
    Ok(Reason::Unlawful)
}

/// Version and fingerprint of the material in a record.
fn contents(header: &Header) -> Option<(u32, Fingerprint)> {
    match header.role {
        Role::Material { version, fingerprint, .. } => Some((version, fingerprint)),
        Role::Object { .. } | Role::CustomKey(_) => None,
    }
}

fn belongs(header: &Header, to: Id) -> bool {
    matches!(header.role, Role::Material { key, .. } if key == to)
}

/// Fails unless the event leads from the old state to the new one.
fn judge_step(
    view: &impl View,
    key: Id,
    material: &MaterialChanges,
    event: &Event,
    after: &KeyState,
    moment: CommitContext,
) -> Result<()> {
    if let (Event::Create | Event::Import { .. }, Some(expiry)) = (event, after.expiry) {
        check_ahead(expiry.at, moment.now, moment.clock)?;
    }
    let before = match view.record(key)?.map(|known| known.header.role) {
        None if *event == Event::Create => return after.may_begin(moment.now),
        Some(Role::CustomKey(state)) => state,
        _ => return Err(Reason::Unlawful.into()),
    };
    let narrowed = before.clone().expire(material.erasure(&before, event), moment.now);
    let moved_on = narrowed != before;
    if narrowed.apply(event, moment.now)? == *after {
        return Ok(());
    }
    // The client may have judged by the state before an expiry: it reads again and decides anew.
    Err(if moved_on { Reason::Conflict } else { Reason::Unlawful }.into())
}

/// Fails where another custom key is associated with the material, or gets it by the same commit. The
/// other key may have lost it: it is still the only one that may have it again, or else this key
/// would open what that one encrypted.
fn judge_unique(
    view: &impl View,
    key: Id,
    fingerprint: &Fingerprint,
    proposals: &[Proposal],
) -> Result<()> {
    let standing = view.owner(fingerprint)?.is_some_and(|owner| owner != key);
    let coming = proposals
        .iter()
        .filter_map(|proposal| proposal.put.as_ref().map(|header| (proposal.id, header)));
    let held = standing
        || coming.into_iter().any(|(id, header)| match &header.role {
            Role::Material { key: of, fingerprint: its, .. } => *of != key && its == fingerprint,
            Role::CustomKey(state) => id != key && state.fingerprint.as_ref() == Some(fingerprint),
            Role::Object { .. } => false,
        });
    if held { Err(Reason::MaterialHeld.into()) } else { Ok(()) }
}

/// A custom key's material, before the commit and after.
struct MaterialChanges {
    before: BTreeMap<Id, KnownRecord>,
    /// Only what the commit names: the new header, or none where it removes.
    changes: BTreeMap<Id, Option<Header>>,
}

impl MaterialChanges {
    fn of(view: &impl View, key: Id, proposals: &[Proposal]) -> Result<Self> {
        let before: BTreeMap<Id, KnownRecord> =
            view.material(key)?.into_iter().map(|known| (known.id, known)).collect();
        let changes = proposals
            .iter()
            .filter(|proposal| {
                before.contains_key(&proposal.id)
                    || proposal.put.as_ref().is_some_and(|header| belongs(header, key))
            })
            .map(|proposal| (proposal.id, proposal.put.clone()))
            .collect();
        Ok(Self { before, changes })
    }

    /// Returns the state of the newest version's material, by its cell. A deletion that a crash interrupted after its
    /// erasure may be finished: for it the cell still counts as live.
    fn erasure(&self, state: &KeyState, event: &Event) -> Erasure {
        let newest = |known: &&KnownRecord| matches!(known.header.role, Role::Material { version, .. } if version == state.version);
        match self.before.values().find(newest).map(|known| known.erasure) {
            Some(Erasure::Ended(Tombstone::Deleted(_))) if *event == Event::DeleteMaterial => {
                Erasure::Live
            }
            Some(erasure) => erasure,
            None => Erasure::Live,
        }
    }

    fn judge(&self, event: &Event, after: &KeyState, moment: CommitContext) -> Result<()> {
        for (id, change) in &self.changes {
            match (self.before.get(id), change) {
                (Some(old), None) => Self::judge_removal(old, event, after, moment)?,
                (None, Some(new)) => self.judge_content(None, new, event, after)?,
                (Some(old), Some(new)) => self.judge_content(Some(old), new, event, after)?,
                (None, None) => {}
            }
        }
        self.judge_sum(after, moment)
    }

    fn judge_removal(
        old: &KnownRecord,
        event: &Event,
        after: &KeyState,
        moment: CommitContext,
    ) -> Result<()> {
        match event {
            Event::DeleteMaterial => Ok(()),
            Event::Import { .. } if old.is_dead(moment.now) => Ok(()),
            _ if after.origin == Origin::Generated => Err(Reason::Undestroyable.into()),
            _ => Err(Reason::Unlawful.detail("material ends only when it is deleted or replaced")),
        }
    }

    /// Judges the version that a record may hold after the commit: the one it had, or, where the event brings
    /// material, the one of that. A rotation puts the new version in the place of the newest, so
    /// that its object stays the same one, and the version that stood there in a place of its own.
    fn judge_content(
        &self,
        old: Option<&KnownRecord>,
        new: &Header,
        event: &Event,
        after: &KeyState,
    ) -> Result<()> {
        let held = contents(new);
        if held.is_some() && held == old.and_then(|old| contents(&old.header)) {
            return Ok(());
        }
        let brought = after.fingerprint.map(|fingerprint| (after.version, fingerprint));
        let before = |known: &KnownRecord| {
            let held = contents(&known.header);
            held.filter(|(version, _)| version + 1 == after.version)
        };
        let lawful = match (event, old) {
            (Event::Create | Event::Import { .. }, None) => held == brought,
            (Event::Rotate { .. }, Some(old)) => before(old).is_some() && held == brought,
            (Event::Rotate { .. }, None) => {
                held.is_some() && self.before.values().any(|known| before(known) == held)
            }
            _ => false,
        };
        match lawful {
            true => Ok(()),
            false => Err(Reason::Unlawful.detail("material that its custom key does not speak of")),
        }
    }

    /// The live material after the commit is exactly what the state says: each version once, all
    /// with the state's expiry.
    fn judge_sum(&self, after: &KeyState, moment: CommitContext) -> Result<()> {
        let mut versions = Vec::new();
        for header in self.live_after(moment.now) {
            if header.expiry != after.expiry {
                return Err(Reason::Unlawful.detail("material and custom key differ in expiry"));
            }
            if let Role::Material { version, .. } = header.role {
                versions.push(version);
            }
        }
        versions.sort_unstable();
        let expected: Vec<u32> =
            if after.has_material() { (1..=after.version).collect() } else { Vec::new() };
        if versions == expected {
            Ok(())
        } else {
            Err(Reason::Unlawful
                .detail("a custom key has exactly the material its state speaks of"))
        }
    }

    fn live_after(&self, now: Seconds) -> impl Iterator<Item = &Header> {
        let kept = self
            .before
            .values()
            .filter(move |known| !self.changes.contains_key(&known.id) && !known.is_dead(now))
            .map(|known| &known.header);
        kept.chain(self.changes.values().flatten())
    }

    /// Tombstones that an import replaces.
    fn swept_by(&self, event: &Event, now: Seconds) -> Vec<Id> {
        if !matches!(event, Event::Import { .. }) {
            return Vec::new();
        }
        let dead =
            |known: &&KnownRecord| known.is_dead(now) && !self.changes.contains_key(&known.id);
        self.before.values().filter(dead).map(|known| known.id).collect()
    }
}

#[cfg(test)]
mod tests;
