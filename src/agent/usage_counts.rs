//! How often keys were used each day: what modules tell of it, added up, and one line of the audit log
//! for each key and day once the day is over. The sums are in memory, and in the store from time to time:
//! the end of an agent loses nothing, its sudden death the last minute.

use super::audit::{Event, Fact};
use super::keyspace;
use super::open_store::OpenStore;
use super::transaction::Transaction;
use super::writer::{STEP, Writer};
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
pub struct UsageCounts {
    times: BTreeMap<(Id, Id, u32), u64>,
    /// Sums that the store does not have like this.
    unsaved: BTreeSet<(Id, Id, u32)>,
}

impl UsageCounts {
    /// What earlier agents have added up.
    pub fn open(store: &OpenStore) -> Result<Self> {
        let mut usage = Self::default();
        store.each(keyspace::USES, |key, value| {
            let of = keyspace::uses_of(key).ok_or(Reason::StoreDamaged)?;
            let times = value.try_into().map_err(|_| Reason::StoreDamaged)?;
            usage.times.insert(of, u64::from_be_bytes(times));
            Ok(true)
        })?;
        Ok(usage)
    }
}

impl Writer {
    /// Adds what a module tells. It has counted by its own clock: another day than today or yesterday
    /// is taken for today.
    pub(super) fn used(&mut self, token: Id, uses: Vec<(Id, u32, u64)>) -> Result<()> {
        let today = day(self.store.clock());
        for (key, counted, times) in uses {
            let known = self.store.find(token, key)?;
            if !known.is_some_and(|it| matches!(it.known.header.role, Role::CustomKey(_))) {
                continue;
            }
            let day = if counted + 1 == today { counted } else { today };
            let sum = self.usage.times.entry((token, key, day)).or_default();
            *sum = sum.saturating_add(times);
            self.usage.unsaved.insert((token, key, day));
        }
        Ok(())
    }

    /// Writes the lines of days that are over, and saves the sums of the others.
    pub(super) fn close_days(&mut self) -> Result<()> {
        // What modules count in the first minute after midnight may still be yesterday's.
        let today = day(self.store.clock().saturating_sub(LATE));
        let over: Vec<_> = self.usage.times.keys().filter(|it| it.2 < today).copied().collect();
        let store = Arc::clone(&self.store);
        if !store.is_writable() || over.is_empty() && self.usage.unsaved.is_empty() {
            return Ok(());
        }
        // A full disk is left to what matters more: the sums stay in memory.
        if let Err(error) = store.records.room(Need::Grow(0)) {
            log::warn!("how often keys are used is not saved: {error}");
            return Ok(());
        }
        let unsaved: Vec<_> = std::mem::take(&mut self.usage.unsaved).into_iter().collect();
        for step in unsaved.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            step.iter()
                .for_each(|of| transaction.save_uses(*of, self.usage.times.get(of).copied()));
            self.apply_quietly(transaction)?;
        }
        for step in over.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            for of @ (token, key, day) in step.iter().copied() {
                if let Some(times) = self.usage.times.remove(&of) {
                    transaction.note(Fact::of_uses(token, key, Seconds::from(day) * DAY, times));
                    transaction.save_uses(of, None);
                }
            }
            self.apply(transaction)?;
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
