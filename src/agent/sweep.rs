//! The sweep, which needs no client: material is erased at its expiry, ordinary keys end at theirs, and custom keys
//! end when their scheduled deletion comes.

use super::audit::{AuditEvent, Fact};
use super::fleet::Fleet;
use super::keyspace;
use super::open_store::{Found, OpenStore};
use super::proposer::{MOST_AT_ONCE, NextStep, Proposer};
use super::rows::TokenRow;
use super::transaction::Transaction;
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Role;
use crate::store::Need;
use std::collections::HashSet;

/// The counts of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Custom keys whose material was erased, or that ended as scheduled.
    pub(crate) erased: u64,
    /// Ordinary keys that ended.
    pub(crate) ended: u64,
}

/// Returns when the next thing is due, if ever; an erasure that waits is due when its grace is over, a token's change that
/// is under way at once, and so is what a fleet asks of this host.
pub(crate) fn next_due(store: &OpenStore, grace: Seconds) -> Result<Option<Seconds>> {
    let is_under_way = |(_, row): &(Id, TokenRow)| row.under_way.is_some();
    let under_way = store.tokens()?.iter().any(is_under_way).then_some(0);
    let index = store.index()?;
    let fleet = store.fleet().and_then(Fleet::due).map(|due| due.max(store.now()));
    let waiting = index.waiting().map(|(_, found)| found.saturating_add(grace)).min();
    let due = index.due(Seconds::MAX).next().map(|(at, ..)| at);
    let narrowing = index.narrowing(store.seen_before(), Seconds::MAX).next().map(|(at, ..)| at);
    Ok([under_way, fleet, waiting, due, narrowing].into_iter().flatten().min())
}

/// Returns whether anything has become readable only that no agent has seen before. That holds once the time is
/// durable: no later agent takes an earlier clock's word for it.
pub(crate) fn has_narrowed(store: &OpenStore) -> Result<bool> {
    Ok(store.index()?.narrowing(store.seen_before(), store.now()).next().is_some())
}

/// Erases and ends everything that is due, or lets it wait its grace out first. What cannot be
/// looked at stands in no other's way: it is the error, after all others.
pub(crate) struct Sweep {
    /// The time that an erasure waits, in seconds.
    grace: Seconds,
    /// The erasures that have been waiting since before; none before they have been read.
    waiting: Option<Vec<WaitingErasure>>,
    under_way: Step,
    swept: Swept,
    /// Token and record of what had fallen due and is seen to. No sweep looks at it twice, whatever the index says.
    seen_to: HashSet<(Id, Id)>,
    /// The first error of a record that cannot be read.
    unread: Option<Error>,
}

/// The part of a sweep that the transaction under way sees to.
#[derive(Default)]
struct Step {
    /// The number of erasures that were waiting.
    waiting: usize,
    /// Token and record of what has fallen due.
    due: Vec<(Id, Id)>,
    swept: Swept,
}

impl Sweep {
    /// Sweeps with so many seconds of grace.
    pub(crate) fn new(grace: Seconds) -> Self {
        let (under_way, swept) = (Step::default(), Swept::default());
        Self { grace, waiting: None, under_way, swept, seen_to: HashSet::new(), unread: None }
    }
}

impl Proposer for Sweep {
    type Answer = Swept;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<NextStep<'a, Swept>> {
        if self.waiting.is_none() {
            self.waiting = Some(store.index()?.waiting().collect());
        }
        loop {
            self.under_way = Step::default();
            let mut transaction = Transaction::new(store);
            if !self.see_to_waiting(&mut transaction, store)?
                && !self.see_to_due(&mut transaction, store)?
            {
                let unread = self.unread.take();
                return unread.map_or(Ok(NextStep::Done(self.swept)), Err);
            }
            if !transaction.is_empty() {
                store.records.room(Need::Shrink)?;
                return Ok(NextStep::Apply(transaction));
            }
            self.applied();
        }
    }

    fn applied(&mut self) {
        let Step { waiting: count, due, swept } = std::mem::take(&mut self.under_way);
        self.swept.erased += swept.erased;
        self.swept.ended += swept.ended;
        self.seen_to.extend(due);
        if let Some(waiting) = &mut self.waiting {
            waiting.drain(..count);
        }
    }
}

impl Sweep {
    /// Sees to some of what waits. Returns false where nothing more waits.
    fn see_to_waiting(
        &mut self,
        transaction: &mut Transaction<'_>,
        store: &OpenStore,
    ) -> Result<bool> {
        let waiting = self.waiting.as_deref().unwrap_or_default();
        let step: Vec<WaitingErasure> = waiting.iter().take(MOST_AT_ONCE).copied().collect();
        for waits in &step {
            if !transaction.has_room() {
                break;
            }
            match self.add_piece(transaction, |it, piece| it.see_to_one(piece, store, *waits)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.pass_over(store, waits.0, error)?,
            }
            self.under_way.waiting += 1;
        }
        Ok(!step.is_empty())
    }

    /// Has `add` add one of what ends, if there is room. Returns false where there is for a part of it only, or none.
    fn add_piece(
        &mut self,
        transaction: &mut Transaction<'_>,
        add: impl FnOnce(&mut Self, &mut Transaction<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let swept = self.under_way.swept;
        let added = transaction.add_piece(|piece| add(self, piece))?;
        if added.is_none() {
            self.under_way.swept = swept;
        }
        Ok(added.unwrap_or(false))
    }

    /// Sees to one of what waits. Returns false where there was room for a part of it only.
    fn see_to_one(
        &mut self,
        transaction: &mut Transaction<'_>,
        store: &OpenStore,
        ((token, id), found): WaitingErasure,
    ) -> Result<bool> {
        let entry = keyspace::waiting(token, id);
        if transaction.get(&entry)?.is_none() {
            return Ok(true);
        }
        let now = store.end_time()?;
        let record = transaction.find(token, id)?;
        match record.and_then(|it| it.due_at()) {
            // The time was taken back, or the material came anew.
            Some(at) if at > now => {}
            // The store has gone back to an earlier clock: from now on, then.
            Some(_) if now < found => {
                transaction.defer(now, token, id);
                return Ok(true);
            }
            Some(_) if now - found < self.grace => return Ok(true),
            Some(_) if !end(transaction, (token, id), &mut self.under_way.swept)? => {
                return Ok(false);
            }
            Some(_) | None => {}
        }
        transaction.forget(entry);
        Ok(true)
    }

    /// Sees to some of what has fallen due. Returns false where nothing more has.
    fn see_to_due(&mut self, transaction: &mut Transaction<'_>, store: &OpenStore) -> Result<bool> {
        let due = self.due(store)?;
        for ids in &due {
            if !transaction.has_room() {
                break;
            }
            match self.add_piece(transaction, |it, piece| it.end_or_wait(piece, store, *ids)) {
                Ok(true) => self.under_way.due.push(*ids),
                Ok(false) => break,
                Err(error) => self.pass_over(store, *ids, error)?,
            }
        }
        Ok(!due.is_empty())
    }

    fn due(&self, store: &OpenStore) -> Result<Vec<(Id, Id)>> {
        let (index, now) = (store.index()?, store.end_time()?);
        let due = index.due(now).map(|(_, token, id)| (token, id));
        Ok(due.filter(|ids| !self.seen_to.contains(ids)).take(MOST_AT_ONCE).collect())
    }

    /// Ends what has fallen due, or has it wait. Returns false where there was room for a part of it only.
    fn end_or_wait(
        &mut self,
        transaction: &mut Transaction<'_>,
        store: &OpenStore,
        (token, id): (Id, Id),
    ) -> Result<bool> {
        let (found, now) = (transaction.find(token, id)?, store.end_time()?);
        if found.as_ref().and_then(Found::due_at).is_none_or(|at| at > now) {
            return Ok(true);
        }
        if self.grace == 0 || has_ended(found.as_ref()) {
            return end(transaction, (token, id), &mut self.under_way.swept);
        }
        log::warn!(
            "record {id} of token {token} is due: it is not usable any more, and is erased in {} s \
             unless the clock was wrong",
            self.grace
        );
        transaction.defer(now, token, id);
        Ok(true)
    }

    /// Remembers a record that cannot be read. Fails where it is the store that failed.
    fn pass_over(&mut self, store: &OpenStore, record: (Id, Id), error: Error) -> Result<()> {
        if !store.alive() {
            return Err(error);
        }
        log::error!("{error}");
        self.seen_to.insert(record);
        self.unread.get_or_insert(error);
        Ok(())
    }
}

/// Token and record of an erasure that waits, and since when.
type WaitingErasure = ((Id, Id), Seconds);

/// Ends one due thing, if it is still there. Returns false where there was room for a part of it only.
fn end(
    transaction: &mut Transaction<'_>,
    (token, id): (Id, Id),
    swept: &mut Swept,
) -> Result<bool> {
    match transaction.find(token, id)? {
        None => {}
        Some(_) if transaction.removes(token, id) => {}
        Some(found) => match found.known.header.role {
            Role::Material { .. } => {
                transaction.tombstone(token, &found)?;
                swept.erased += 1;
            }
            Role::Object { .. } if has_ended(Some(&found)) => {
                transaction.remove(token, id, Tombstone::Expired)?;
            }
            Role::Object { .. } => {
                transaction.tombstone(token, &found)?;
                swept.ended += 1;
            }
            Role::CustomKey(_) => {
                if !transaction.remove_key(token, id)? {
                    return Ok(false);
                }
                transaction.note(Fact::of_key(AuditEvent::Deleted, token, id));
                swept.erased += 1;
            }
        },
    }
    Ok(true)
}

/// Returns whether an ordinary object has ended, and stands there only to be asked why.
fn has_ended(found: Option<&Found>) -> bool {
    found.is_some_and(|found| {
        matches!(found.known.header.role, Role::Object { .. }) && found.row.tombstone.is_some()
    })
}

#[cfg(test)]
mod tests;
