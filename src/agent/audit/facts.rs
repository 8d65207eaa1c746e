//! The facts that follow from a change of a record.

use super::entry::{AuditEvent, Fact, timestamp};
use crate::agent::rules::{KnownRecord, Proposal};
use crate::id::Id;
use crate::key::state::Origin;
use crate::key::{self, Header, KeyState, Role};

/// Returns the facts of a lawful change. A change of material alone has none: it goes with one of its custom
/// key.
pub(crate) fn of_change(token: Id, proposal: &Proposal, old: Option<&Header>) -> Vec<Fact> {
    let role = |header: &Header| header.role.clone();
    let event = match (proposal.put.as_ref().map(role), &proposal.event, old.map(role)) {
        (Some(Role::CustomKey(state)), Some(event), _) => {
            let again = old.is_some_and(was_imported);
            return of_event(token, proposal.id, event, &state)
                .into_iter()
                .map(|fact| Fact { again: again && fact.event == AuditEvent::Imported, ..fact })
                .collect();
        }
        (Some(Role::Object { holds_key: true }), _, None) => AuditEvent::Created,
        (None, _, Some(Role::Object { holds_key: true })) => AuditEvent::Deleted,
        _ => return Vec::new(),
    };
    vec![Fact::of_key(event, token, proposal.id)]
}

/// Returns the facts of a change of a token's entry, by the officer or the user: the PINs that are `changed` (the
/// officer's, the user's), the second of which may have been `locked`.
pub(crate) fn of_entry(
    token: Id,
    changed: (bool, bool),
    by_officer: bool,
    locked: bool,
) -> Vec<Fact> {
    let user = match (by_officer, locked) {
        (false, _) => AuditEvent::PinChanged,
        (true, true) => AuditEvent::PinUnlocked,
        (true, false) => AuditEvent::PinSet,
    };
    let officer = changed.0.then(|| Fact::of_pin(AuditEvent::PinChanged, token, true));
    let user = changed.1.then(|| Fact::of_pin(user, token, false));
    match officer.into_iter().chain(user).collect::<Vec<_>>() {
        none if none.is_empty() => vec![Fact::of_token(AuditEvent::TokenChanged, token)],
        facts => facts,
    }
}

/// The end of material whose time has come.
pub(crate) fn expired(token: Id, known: &KnownRecord) -> Fact {
    let version = match known.header.role {
        Role::Material { version, .. } => Some(version),
        Role::CustomKey(_) | Role::Object { .. } => None,
    };
    let at = known.header.expiry.map(|expiry| timestamp(expiry.at));
    let key = known.header.watched(known.id);
    Fact { version, at, ..Fact::of_key(AuditEvent::Expired, token, key) }
}

fn was_imported(header: &Header) -> bool {
    matches!(&header.role, Role::CustomKey(state) if state.version > 0)
}

fn of_event(token: Id, key: Id, event: &key::Event, state: &KeyState) -> Vec<Fact> {
    let fact = |event| Fact::of_key(event, token, key);
    let version = (state.version > 0).then_some(state.version);
    let expires = state.expiry.map(|expiry| timestamp(expiry.at));
    let imported = Fact { version, at: expires, ..fact(AuditEvent::Imported) };
    match *event {
        key::Event::Create if state.origin == Origin::External && state.version > 0 => {
            vec![fact(AuditEvent::Created), imported]
        }
        key::Event::Create => vec![Fact { version, ..fact(AuditEvent::Created) }],
        key::Event::Import { .. } => vec![imported],
        key::Event::DeleteMaterial => vec![Fact { version, ..fact(AuditEvent::MaterialDeleted) }],
        key::Event::Enable(true) => vec![fact(AuditEvent::Enabled)],
        key::Event::Enable(false) => vec![fact(AuditEvent::Disabled)],
        key::Event::ScheduleDeletion(Some(at)) => {
            vec![Fact { at: Some(timestamp(at)), ..fact(AuditEvent::DeletionScheduled) }]
        }
        key::Event::ScheduleDeletion(None) => vec![fact(AuditEvent::DeletionCancelled)],
        key::Event::Rotate { .. } => vec![Fact { version, ..fact(AuditEvent::Rotated) }],
        key::Event::Describe => vec![fact(AuditEvent::Described)],
    }
}
