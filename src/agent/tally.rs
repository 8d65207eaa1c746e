//! How often keys were used each day: what modules tell of it, added up, and one line of the audit log
//! for each key and day once the day is over. The sums are in memory, and in the store from time to time:
//! the end of an agent loses nothing, its sudden death the last minute.

use super::audit::{Event, Fact};
use super::commit::{STEP, Writer};
use super::draft::Draft;
use super::rows;
use super::shelf::Shelf;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::state::DAY;
use crate::store::Need;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Times by token, key and day, in days since 1970 UTC.
#[derive(Default)]
pub struct Tally {
    times: BTreeMap<(Id, Id, u32), u64>,
    /// Sums that the store does not have like this.
    unsaved: BTreeSet<(Id, Id, u32)>,
}

impl Tally {
    /// What earlier agents have added up.
    pub fn open(shelf: &Shelf) -> Result<Self> {
        let mut tally = Self::default();
        shelf.each(rows::USES, |key, value| {
            let of = rows::uses_of(key).ok_or(Reason::StoreDamaged)?;
            let times = value.try_into().map_err(|_| Reason::StoreDamaged)?;
            tally.times.insert(of, u64::from_be_bytes(times));
            Ok(true)
        })?;
        Ok(tally)
    }
}

impl Writer {
    /// Adds what a module tells. It has counted by its own clock: another day than today or yesterday
    /// is taken for today.
    pub(super) fn used(&mut self, token: Id, uses: Vec<(Id, u32, u64)>) -> Result<()> {
        let today = day(self.shelf.clock());
        for (key, told, times) in uses {
            let known = self.shelf.find(token, key)?;
            if !known.is_some_and(|it| matches!(it.known.header.role, Role::CustomKey(_))) {
                continue;
            }
            let day = if told + 1 == today { told } else { today };
            let sum = self.tally.times.entry((token, key, day)).or_default();
            *sum = sum.saturating_add(times);
            self.tally.unsaved.insert((token, key, day));
        }
        Ok(())
    }

    /// Writes the lines of days that are over, and saves the sums of the others.
    pub(super) fn close_days(&mut self) -> Result<()> {
        // What modules count in the first minute after midnight may still be yesterday's.
        let today = day(self.shelf.clock().saturating_sub(LATE));
        let over: Vec<_> = self.tally.times.keys().filter(|it| it.2 < today).copied().collect();
        let shelf = Arc::clone(&self.shelf);
        if !shelf.writable || over.is_empty() && self.tally.unsaved.is_empty() {
            return Ok(());
        }
        // A full disk is left to what matters more: the sums stay in memory.
        if let Err(error) = shelf.room.check(Need::Grow(0)) {
            log::warn!("how often keys are used is not saved: {error}");
            return Ok(());
        }
        let unsaved: Vec<_> = std::mem::take(&mut self.tally.unsaved).into_iter().collect();
        for step in unsaved.chunks(STEP) {
            let mut draft = Draft::new(&shelf);
            step.iter().for_each(|of| draft.save_uses(*of, self.tally.times.get(of).copied()));
            self.apply_quietly(draft)?;
        }
        for step in over.chunks(STEP) {
            let mut draft = Draft::new(&shelf);
            for of @ (token, key, day) in step.iter().copied() {
                if let Some(times) = self.tally.times.remove(&of) {
                    draft.note(Fact::of_uses(token, key, Seconds::from(day) * DAY, times));
                    draft.save_uses(of, None);
                }
            }
            self.apply(draft)?;
        }
        Ok(())
    }
}

/// How much later than its end a day is closed, in seconds.
const LATE: Seconds = 300;

fn day(at: Seconds) -> u32 {
    u32::try_from(at / DAY).unwrap_or(u32::MAX)
}

impl Fact {
    /// How often a key was used on the day that begins at that second.
    fn of_uses(token: Id, key: Id, day: Seconds, times: u64) -> Self {
        let fact = Self::of_key(Event::Used, token, key);
        Self { at: Some(super::audit::timestamp(day)), times: Some(times), ..fact }
    }
}
