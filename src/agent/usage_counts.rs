//! The uses of keys on each day: the counts that modules tell, added up, and one line of the audit log
//! for each key and day once the day is over. What is not saved yet is in memory: the end of an agent loses
//! nothing, its sudden death the last minute.

use super::audit::{AuditEvent, Fact};
use super::keyspace;
use super::open_store::OpenStore;
use super::proposer::{NextStep, Proposer, fill};
use super::transaction::Transaction;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::state::DAY;
use crate::wire::message::MAX_OPEN_DAYS;
use std::collections::{BTreeMap, BTreeSet};

/// Token, key and day, in days since 1970 UTC.
type KeyDay = (Id, Id, u32);

/// Uses by token, key and day.
#[derive(Default)]
pub(crate) struct UsageCounts {
    /// Of which keys and days the store has a count.
    saved: BTreeSet<KeyDay>,
    /// The uses beside that.
    unsaved: BTreeMap<KeyDay, u64>,
}

impl UsageCounts {
    /// Reads of which keys and days earlier agents have saved a count.
    pub(crate) fn open(store: &OpenStore) -> Result<Self> {
        let mut counts = Self::default();
        store.each(keyspace::USES_PREFIX, |key, _| {
            counts.saved.insert(keyspace::uses_of(key).ok_or(Reason::StoreDamaged)?);
            Ok(true)
        })?;
        Ok(counts)
    }

    /// Adds what a module tells. It has counted by its own clock: another day than today or yesterday
    /// is taken for today.
    pub(crate) fn add(
        &mut self,
        store: &OpenStore,
        token: Id,
        uses: Vec<(Id, u32, u64)>,
    ) -> Result<()> {
        let today = day(store.clock());
        for (key, counted, times) in uses {
            let known = store.find(token, key)?;
            if !known.is_some_and(|it| matches!(it.known.header.role, Role::CustomKey(_))) {
                continue;
            }
            let day = if counted + 1 == today { counted } else { today };
            let sum = self.unsaved.entry((token, key, day)).or_default();
            *sum = sum.saturating_add(times);
        }
        Ok(())
    }

    /// Returns the uses of a key on the days that are not over, of each of its days.
    pub(crate) fn open_days(&self, store: &OpenStore, key: Id) -> Result<Vec<(u32, u64)>> {
        let of_key = |of: &&KeyDay| of.1 == key;
        let days: BTreeSet<KeyDay> =
            self.saved.iter().chain(self.unsaved.keys()).filter(of_key).copied().collect();
        let count = |of: KeyDay| -> Result<(u32, u64)> {
            let unsaved = self.unsaved.get(&of).copied().unwrap_or(0);
            Ok((of.2, Transaction::new(store).uses(of)?.saturating_add(unsaved)))
        };
        days.into_iter().rev().take(MAX_OPEN_DAYS).map(count).collect()
    }

    /// Returns the proposer that saves them; none where there is nothing to save and no day is over.
    pub(crate) fn save(&mut self, store: &OpenStore) -> Option<SaveUses<'_>> {
        // What modules count in the first minute after midnight may still be yesterday's.
        let today = day(store.clock().saturating_sub(LATE));
        let all = self.saved.iter().chain(self.unsaved.keys()).copied();
        let (over, going_on): (BTreeSet<_>, BTreeSet<_>) =
            all.partition(|(_, _, day)| *day < today);
        let over: Vec<_> = over.into_iter().collect();
        let going_on: Vec<_> =
            going_on.into_iter().filter(|of| self.unsaved.contains_key(of)).collect();
        let wanted = !over.is_empty() || !going_on.is_empty();
        wanted.then_some(SaveUses { counts: self, over, going_on, under_way: 0 })
    }
}

/// Writes the lines of days that are over, and saves the counts of the others.
pub(crate) struct SaveUses<'c> {
    counts: &'c mut UsageCounts,
    over: Vec<KeyDay>,
    going_on: Vec<KeyDay>,
    under_way: usize,
}

impl SaveUses<'_> {
    /// Returns the number of uses of a key on a day in all.
    fn sum(&self, transaction: &Transaction<'_>, of: KeyDay) -> Result<u64> {
        let unsaved = self.counts.unsaved.get(&of).copied().unwrap_or(0);
        Ok(transaction.uses(of)?.saturating_add(unsaved))
    }

    fn close(&self, transaction: &mut Transaction<'_>, of: KeyDay) -> Result<()> {
        let ((token, key, day), times) = (of, self.sum(transaction, of)?);
        transaction.note(Fact::of_uses(token, key, Seconds::from(day) * DAY, times));
        transaction.save_uses(of, None);
        Ok(())
    }
}

impl Proposer for SaveUses<'_> {
    type Answer = ();

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, ()>> {
        let mut transaction = Transaction::new(store);
        self.under_way =
            fill(&mut transaction, &self.over, |transaction, of| self.close(transaction, *of))?;
        if self.under_way > 0 {
            return Ok(NextStep::Apply(transaction));
        }
        let mut transaction = transaction.quietly();
        self.under_way = fill(&mut transaction, &self.going_on, |transaction, of| {
            let sum = self.sum(transaction, *of)?;
            transaction.save_uses(*of, Some(sum));
            Ok(())
        })?;
        match self.under_way {
            0 => Ok(NextStep::Done(())),
            _ => Ok(NextStep::Apply(transaction)),
        }
    }

    fn applied(&mut self) {
        let is_over = !self.over.is_empty();
        let left = if is_over { &mut self.over } else { &mut self.going_on };
        for of in left.drain(..std::mem::take(&mut self.under_way)) {
            self.counts.unsaved.remove(&of);
            match is_over {
                true => self.counts.saved.remove(&of),
                false => self.counts.saved.insert(of),
            };
        }
    }
}

/// The time after its end at which a day is closed, in seconds.
const LATE: Seconds = 300;

fn day(at: Seconds) -> u32 {
    u32::try_from(at / DAY).unwrap_or(u32::MAX)
}

impl Fact {
    /// Returns the number of uses of a key on the day that begins at that second.
    fn of_uses(token: Id, key: Id, day: Seconds, times: u64) -> Self {
        let fact = Self::of_key(AuditEvent::Used, token, key);
        Self { at: Some(super::audit::timestamp(day)), times: Some(times), ..fact }
    }
}
