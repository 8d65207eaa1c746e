//! A custom key as the rules of its life have it: the states that it may be in, where some answers were lost.

use crate::rig::token::expected_block;
use crate::rig::world::now;
use crate::rig::{DISABLED, ENABLED, PENDING_DELETION, PENDING_IMPORT};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The seconds by which two clocks that are read one after the other may differ.
const LEEWAY: u64 = 1;

/// The seconds for which the end of a whole key is scheduled: a week is the least.
pub const SCHEDULED: u64 = 8 * 86_400;

/// A change of a custom key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Makes an empty one.
    Create,
    /// Makes one whose material the token makes.
    Generate,
    /// Imports its own material, which ends at that second, or never at 0.
    Import { ends: u64, wrapped: bool },
    /// Imports other material than its own, which the rules forbid.
    ImportOther(Vec<u8>),
    /// Deletes the material.
    Delete,
    /// Makes the next version.
    Rotate,
    /// Gives it another alias.
    Rename(String),
    /// Enables or disables it.
    Enable(bool),
    /// Schedules the end of the whole key, or cancels it at 0.
    Schedule(u64),
}

impl Act {
    /// Returns the event of the audit log that always goes with the change, if there is one.
    fn event(&self) -> Option<&'static str> {
        match self {
            Self::Create | Self::Generate => Some("created"),
            Self::Import { .. } => Some("imported"),
            Self::Delete => Some("material-deleted"),
            Self::Rotate => Some("rotated"),
            Self::ImportOther(_) | Self::Rename(_) | Self::Enable(_) | Self::Schedule(_) => None,
        }
    }
}

/// The outcome of a change that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    /// There is no material, or no such key.
    Gone,
    Refused(String),
}

/// The view of a key that a token gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub id: String,
    pub label: String,
    pub status: u64,
    pub present: bool,
    /// True where its material is found if it is present, and only then, but in the second of its end.
    pub agrees: bool,
    pub version: u64,
    pub ends: u64,
    pub deletion: u64,
    /// A block that it has encrypted; none where it may not.
    pub block: Option<Vec<u8>>,
    /// A text that it has sealed, where its version is new.
    pub sealed: Option<Vec<u8>>,
    /// True where it opens what each version has sealed, and what another key has.
    pub opened: Vec<bool>,
    pub opens_others: bool,
}

/// One state that a key may be in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    label: String,
    generated: bool,
    enabled: bool,
    present: bool,
    version: u64,
    ends: u64,
    deletion: u64,
}

/// A custom key, and all states that it may be in; none where it may not be there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// Its identity, once one process has seen it.
    pub id: Option<String>,
    /// Its first alias, which no other key ever has.
    pub name: String,
    /// The material that is imported into it.
    pub material: Vec<u8>,
    /// A text that each version has sealed, and one that another key has.
    pub sealed: BTreeMap<u64, Vec<u8>>,
    pub others: Option<Vec<u8>>,
    /// True once its imported material was there: no other key may have it ever, and it no other.
    pub is_associated: bool,
    /// The number of changes that were made, at least and at most, by the event of which each has a line in the audit log.
    pub made: BTreeMap<String, (usize, usize)>,
    possible: Vec<Option<State>>,
    /// The block of each version that the token has made.
    blocks: BTreeMap<u64, Vec<u8>>,
}

/// A change that was asked for, and its outcome where there was one.
pub type Asked = (Act, Option<Answer>);

impl Key {
    /// A key that is not there yet.
    pub fn new(name: String, material: Vec<u8>) -> Self {
        Self {
            id: None,
            name,
            material,
            sealed: BTreeMap::new(),
            others: None,
            is_associated: false,
            made: BTreeMap::new(),
            possible: vec![None],
            blocks: BTreeMap::new(),
        }
    }

    /// Returns true where it is known to be there.
    pub fn is_there(&self) -> bool {
        self.possible.iter().all(Option::is_some)
    }

    /// Returns true where it certainly has material the token made.
    pub fn is_generated(&self) -> bool {
        self.possible.iter().flatten().any(|state| state.generated)
    }

    /// Returns the number of its materials: versions count.
    pub fn materials(&self) -> usize {
        let count = |state: &Option<State>| {
            let present = state.as_ref().filter(|state| state.present);
            present.map_or(0, |state| state.version as usize)
        };
        let number = count(&self.possible[0]);
        // Without material a key does not show whether it is enabled.
        assert!(self.possible.iter().all(|state| count(state) == number), "{self:?}");
        number
    }

    /// Returns true where material that was imported into it is certainly there, and may be deleted.
    pub fn has_imported(&self) -> bool {
        let has = |state: &State| {
            state.present && !state.generated && state.deletion == 0 && state.ends == 0
        };
        self.possible.iter().all(|state| state.as_ref().is_some_and(has))
    }

    /// Returns true where its material ends within so many seconds.
    pub fn ends_within(&self, seconds: u64) -> bool {
        let ends = |state: &State| state.present && state.ends != 0;
        let soon = |state: &State| state.ends < now() + seconds;
        self.possible.iter().flatten().any(|state| ends(state) && soon(state))
    }

    /// Changes were asked for at once, between two seconds.
    pub fn ask(&mut self, asked: &[Asked], between: (u64, u64)) {
        asked.iter().for_each(|asked| self.count(asked));
        let mut after = Vec::new();
        for order in orders(asked.len()) {
            let mut states = self.possible.clone();
            for at in order {
                states = passed(states, between);
                states = explained(&states, &asked[at], &self.name, between.1);
            }
            after.extend(passed(states, between));
        }
        let mut possible: Vec<Option<State>> = Vec::new();
        for state in after {
            if !possible.contains(&state) {
                possible.push(state);
            }
        }
        assert!(
            !possible.is_empty(),
            "{}: from {:?} no order explains {asked:?} between {between:?}",
            self.name,
            self.possible
        );
        self.possible = possible;
    }

    /// Counts a change that was made, or may have been.
    fn count(&mut self, (act, answer): &Asked) {
        let Some(event) = act.event() else { return };
        let (least, most) = self.made.entry(event.to_owned()).or_default();
        *least += usize::from(*answer == Some(Answer::Done));
        *most += usize::from(matches!(answer, Some(Answer::Done) | None) || is_open(answer));
    }

    /// It was seen, between two seconds: as one of its states has it.
    pub fn see(&mut self, seen: Option<Seen>, between: (u64, u64)) {
        self.possible = passed(std::mem::take(&mut self.possible), between);
        let ends = |state: &State| state.present && state.ends != 0;
        let now = |state: &State| state.ends.abs_diff(between.0) <= 2 + between.1 - between.0;
        if self.possible.iter().flatten().any(|state| ends(state) && now(state)) {
            // It may have ended while it was looked at.
            return;
        }
        let before = self.possible.clone();
        let possible = std::mem::take(&mut self.possible);
        self.possible = possible
            .into_iter()
            .filter(|state| self.looks(state.as_ref(), seen.as_ref()))
            .collect();
        assert!(
            !self.possible.is_empty(),
            "{} is {seen:?} between {between:?}, and should be one of {before:?}; blocks {:?}",
            self.name,
            self.blocks
        );
        let Some(seen) = seen else { return };
        assert_eq!(*self.id.get_or_insert(seen.id.clone()), seen.id, "{}", self.name);
        if let Some(block) = seen.block.filter(|_| self.is_generated()) {
            self.blocks.insert(seen.version, block);
        }
        self.is_associated |= seen.present && !self.is_generated();
        if let Some(sealed) = seen.sealed {
            self.sealed.insert(seen.version, sealed);
        }
    }

    /// Returns whether a key in that state looks so.
    fn looks(&self, state: Option<&State>, seen: Option<&Seen>) -> bool {
        let (Some(state), Some(seen)) = (state, seen) else {
            return state.is_none() && seen.is_none();
        };
        let may = state.status() == ENABLED;
        let known = match state.generated {
            true => self.blocks.get(&state.version).cloned(),
            false => Some(expected_block(&self.material)),
        };
        let block = match (&seen.block, known) {
            (Some(block), Some(known)) => may && *block == known,
            (Some(_), None) => may,
            (None, _) => !may,
        };
        block
            && seen.agrees
            && seen.opened.iter().all(|opened| *opened == may)
            && !seen.opens_others
            && seen.label == state.label
            && seen.status == state.status()
            && seen.present == state.present
            && seen.version == state.version
            && (!state.present || seen.ends == state.ends)
            && seen.deletion == state.deletion
    }
}

/// Chooses a change of a key that is there; material may end soon, or not before tomorrow. What it must not import is
/// another key's material, where there is any, or new material.
pub fn choose(rng: &mut fastrand::Rng, key: &Key, other: Option<&Key>, ends_soon: bool) -> Act {
    let others = other.filter(|other| other.is_associated && other.name != key.name);
    match rng.u8(..21) {
        0..8 if key.is_generated() => Act::Rotate,
        0..5 => {
            let ends = match rng.u8(..4) {
                0 if ends_soon => now() + rng.u64(2..6),
                1 => now() + 86_400,
                _ => 0,
            };
            Act::Import { ends, wrapped: rng.bool() }
        }
        5..8 => Act::Delete,
        8..12 => Act::Rename(format!("alias {}", rng.u32(..))),
        12..17 => Act::Enable(rng.u8(..4) > 0),
        17 => Act::Schedule(now() + SCHEDULED),
        18 if others.is_some() || key.is_associated || key.is_generated() => {
            let new = || std::iter::repeat_with(|| rng.u8(..)).take(32).collect();
            Act::ImportOther(others.map_or_else(new, |other| other.material.clone()))
        }
        _ => Act::Schedule(0),
    }
}

impl State {
    fn made(name: &str, generated: bool) -> Self {
        let (label, version) = (name.to_owned(), u64::from(generated));
        Self { label, generated, enabled: true, present: generated, version, ends: 0, deletion: 0 }
    }

    fn status(&self) -> u64 {
        match self {
            Self { deletion: 1.., .. } => PENDING_DELETION,
            Self { present: false, .. } => PENDING_IMPORT,
            Self { enabled: true, .. } => ENABLED,
            Self { .. } => DISABLED,
        }
    }

    /// The state after a change; none where the rules forbid it.
    fn after(&self, act: &Act) -> Option<Self> {
        let state = self.clone();
        let free = self.deletion == 0;
        match act {
            Act::Import { ends, .. } if !self.generated && free => {
                Some(Self { present: true, version: 1, ends: *ends, ..state })
            }
            Act::Delete if self.present && !self.generated && free => {
                Some(Self { present: false, ends: 0, ..state })
            }
            Act::Rotate if self.generated && self.status() == ENABLED => {
                Some(Self { version: self.version + 1, ..state })
            }
            Act::Rename(label) if free => Some(Self { label: label.clone(), ..state }),
            Act::Enable(enabled) if free => Some(Self { enabled: *enabled, ..state }),
            Act::Schedule(0) if free => Some(state),
            Act::Schedule(0) => Some(Self { enabled: false, deletion: 0, ..state }),
            Act::Schedule(at) if free => Some(Self { deletion: *at, ..state }),
            _ => None,
        }
    }
}

/// The states that explain an outcome.
fn explained(
    states: &[Option<State>],
    (act, answer): &Asked,
    name: &str,
    latest: u64,
) -> Vec<Option<State>> {
    let after = |state: &Option<State>| match (state, act) {
        (None, Act::Create) => Some(State::made(name, false)),
        (None, Act::Generate) => Some(State::made(name, true)),
        (None, _) => None,
        (Some(state), act) => state.after(act),
    };
    let too_late = matches!(act, Act::Import { ends: ends @ 1.., .. } if latest + LEEWAY >= *ends);
    let explain = |state: &Option<State>| match (answer, after(state)) {
        (Some(Answer::Done), after) => after.map(Some).into_iter().collect(),
        (Some(Answer::Gone), _) if *act == Act::Delete => {
            let gone = state.as_ref().is_none_or(|state| !state.present);
            gone.then(|| state.clone()).into_iter().collect()
        }
        (answer, Some(after)) if is_open(answer) => vec![state.clone(), Some(after)],
        (Some(_), Some(_)) if !too_late => Vec::new(),
        (Some(_), _) | (None, None) => vec![state.clone()],
        (None, Some(after)) => vec![state.clone(), Some(after)],
    };
    states.iter().flat_map(explain).collect()
}

/// Returns true for an answer that says only that the agents were lost: the change may have been made.
fn is_open(answer: &Option<Answer>) -> bool {
    matches!(answer, Some(Answer::Refused(code)) if code == "DeviceError")
}

/// The states after some time, in which material or the whole key may have ended, or must have.
fn passed(states: Vec<Option<State>>, between: (u64, u64)) -> Vec<Option<State>> {
    let pass = |state: Option<State>| {
        let Some(held) = state.clone() else { return vec![None] };
        let ended = || Some(State { present: false, ends: 0, ..held.clone() });
        let after = match held.ends {
            ends if held.present && ends != 0 => past(ends, between, state, ended()),
            _ => vec![state],
        };
        let end = |state| past(held.deletion, between, state, None);
        match held.deletion {
            0 => after,
            _ => after.into_iter().flat_map(end).collect(),
        }
    };
    states.into_iter().flat_map(pass).collect()
}

/// The states after some time in which something may have ended at that second.
fn past(
    second: u64,
    (from, to): (u64, u64),
    before: Option<State>,
    after: Option<State>,
) -> Vec<Option<State>> {
    match second {
        second if second + LEEWAY < from => vec![after],
        second if second <= to + LEEWAY => vec![before, after],
        _ => vec![before],
    }
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let longer = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(longer).collect()
}
