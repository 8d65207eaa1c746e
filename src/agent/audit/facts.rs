//! Which facts follow from a change of a record.

use super::entry::{Event, Fact, timestamp};
use crate::agent::rules::{Known, Proposal};
use crate::id::Id;
use crate::key::state::Origin;
use crate::key::{self, Header, Role, State};

/// What a lawful change comes to. A change of material alone comes to nothing: it goes with one of
/// its custom key.
pub fn of_change(token: Id, proposal: &Proposal, old: Option<&Header>) -> Vec<Fact> {
    let role = |header: &Header| header.role.clone();
    let event = match (proposal.put.as_ref().map(role), &proposal.event, old.map(role)) {
        (Some(Role::CustomKey(state)), Some(event), _) => {
            return of_event(token, proposal.id, event, &state);
        }
        (Some(Role::Object { holds_key: true }), _, None) => Event::Created,
        (None, _, Some(Role::Object { holds_key: true })) => Event::Deleted,
        _ => return Vec::new(),
    };
    vec![Fact::of_key(event, token, proposal.id)]
}

/// The end of material whose time has come.
pub fn expired(token: Id, known: &Known) -> Fact {
    let version = match known.header.role {
        Role::Material { version, .. } => Some(version),
        Role::CustomKey(_) | Role::Object { .. } => None,
    };
    let at = known.header.expiry.map(|expiry| timestamp(expiry.at));
    let key = known.header.watched(known.id);
    Fact { version, at, ..Fact::of_key(Event::Expired, token, key) }
}

fn of_event(token: Id, key: Id, event: &key::Event, state: &State) -> Vec<Fact> {
    let fact = |event| Fact::of_key(event, token, key);
    let version = (state.version > 0).then_some(state.version);
    let expires = state.expiry.map(|expiry| timestamp(expiry.at));
    let imported = Fact { version, at: expires, ..fact(Event::Imported) };
    match *event {
        key::Event::Create if state.origin == Origin::External && state.version > 0 => {
            vec![fact(Event::Created), imported]
        }
        key::Event::Create => vec![Fact { version, ..fact(Event::Created) }],
        key::Event::Import { .. } => vec![imported],
        key::Event::DeleteMaterial => vec![Fact { version, ..fact(Event::MaterialDeleted) }],
        key::Event::Enable(true) => vec![fact(Event::Enabled)],
        key::Event::Enable(false) => vec![fact(Event::Disabled)],
        key::Event::ScheduleDeletion(Some(at)) => {
            vec![Fact { at: Some(timestamp(at)), ..fact(Event::DeletionScheduled) }]
        }
        key::Event::ScheduleDeletion(None) => vec![fact(Event::DeletionCancelled)],
        key::Event::Rotate { .. } => vec![Fact { version, ..fact(Event::Rotated) }],
        key::Event::Describe => vec![fact(Event::Described)],
    }
}
