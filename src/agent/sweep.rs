//! What happens by itself: material is erased at its expiry, ordinary keys end at theirs, and custom keys
//! end when their scheduled deletion comes.

use super::audit::{Event, Fact};
use super::keyspace::{self, Key};
use super::open_store::{Found, OpenStore};
use super::proposer::{Proposer, Step};
use super::transaction::{Ending, Transaction};
use super::writer::STEP;
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::policy::FINISH;
use crate::store::Need;
use std::collections::HashSet;

/// How long it is told of an ordinary key that it has expired, in seconds: an operation under way asks.
const ENDED_STAYS: Seconds = FINISH;

/// The counts of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Custom keys whose material was erased, or that ended as scheduled.
    pub(crate) erased: u64,
    /// Ordinary keys that ended.
    pub(crate) ended: u64,
}

/// Returns when the next thing is due, if ever; an erasure that waits is due when its grace is over.
pub(crate) fn next_due(store: &OpenStore, grace: Seconds) -> Result<Option<Seconds>> {
    let mut soonest: Vec<_> =
        waiting(store)?.into_iter().map(|it| it.found.saturating_add(grace)).collect();
    for prefix in [keyspace::DUE, keyspace::NARROWING] {
        let first = store.records.scan(prefix, b"", 1)?;
        let at = first.first().and_then(|(key, _)| keyspace::due_parts(key)).map(|(at, _, _)| at);
        soonest.extend(at);
    }
    Ok(soonest.into_iter().min())
}

/// Erases and ends everything that is due, or lets it wait its grace out first. What cannot be
/// looked at stands in nobody else's way: it is the error, after all others.
pub(crate) struct Sweep {
    /// The time that an erasure waits, in seconds.
    grace: Seconds,
    /// The erasures that have been waiting since before; none before they have been read.
    waiting: Option<Vec<Waiting>>,
    /// The number of these that the transaction under way sees to, and its counts.
    under_way: (usize, Swept),
    swept: Swept,
    unread: Unread,
}

impl Sweep {
    /// Sweeps with so many seconds of grace.
    pub(crate) fn new(grace: Seconds) -> Self {
        let (waiting, under_way, swept) = (None, (0, Swept::default()), Swept::default());
        Self { grace, waiting, under_way, swept, unread: Unread::default() }
    }
}

impl Proposer for Sweep {
    type Answer = Swept;

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<Step<'a, Swept>> {
        if self.waiting.is_none() {
            self.waiting = Some(waiting(store)?);
        }
        loop {
            self.under_way = (0, Swept::default());
            let mut transaction = Transaction::new(store);
            if !self.see_to_waiting(&mut transaction, store)?
                && !self.see_to_due(&mut transaction, store)?
            {
                let error = self.unread.error.take();
                return error.map_or(Ok(Step::Done(self.swept)), Err);
            }
            if !transaction.is_empty() {
                store.records.room(Need::Shrink)?;
                return Ok(Step::Apply(transaction));
            }
            self.applied();
        }
    }

    fn applied(&mut self) {
        let (count, Swept { erased, ended }) = std::mem::take(&mut self.under_way);
        self.swept.erased += erased;
        self.swept.ended += ended;
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
        let step: Vec<Waiting> = waiting.iter().take(STEP).copied().collect();
        self.under_way.0 = step.len();
        for waits in &step {
            if let Err(error) = self.see_to_one(transaction, store, *waits) {
                let entry = keyspace::waiting(waits.token, waits.id);
                self.unread.note(store, entry, error)?;
            }
        }
        Ok(!step.is_empty())
    }

    fn see_to_one(
        &mut self,
        transaction: &mut Transaction<'_>,
        store: &OpenStore,
        Waiting { token, id, found }: Waiting,
    ) -> Result<()> {
        let entry = keyspace::waiting(token, id);
        if transaction.get(&entry)?.is_none() {
            return Ok(());
        }
        let now = store.now();
        let record = transaction.find(token, id)?;
        match record.and_then(|it| keyspace::due_at(&it.known.header)) {
            // The time was taken back, or the material came anew.
            Some(at) if at > now => transaction.mark_due(at, token, id),
            // The store has gone back to an earlier clock: from now on, then.
            Some(_) if now < found => {
                transaction.defer(now, token, id);
                return Ok(());
            }
            Some(_) if now - found < self.grace => return Ok(()),
            Some(_) => end(transaction, store, (token, id), &mut self.under_way.1)?,
            None => {}
        }
        transaction.forget(entry);
        Ok(())
    }

    /// Sees to some of what has fallen due. Returns false where nothing more has.
    fn see_to_due(&mut self, transaction: &mut Transaction<'_>, store: &OpenStore) -> Result<bool> {
        let due = due_entries(store, keyspace::DUE, &self.unread)?;
        for (entry, token, id) in &due {
            match self.end_or_wait(transaction, store, (*token, *id)) {
                Ok(()) => transaction.forget(entry.clone()),
                Err(error) => self.unread.note(store, entry.clone(), error)?,
            }
        }
        Ok(!due.is_empty())
    }

    fn end_or_wait(
        &mut self,
        transaction: &mut Transaction<'_>,
        store: &OpenStore,
        (token, id): (Id, Id),
    ) -> Result<()> {
        let found = transaction.find(token, id)?;
        if self.grace == 0 || has_ended(store, token, found.as_ref())? {
            return end(transaction, store, (token, id), &mut self.under_way.1);
        }
        log::warn!(
            "record {id} of token {token} is due: it is not usable any more, and is erased in {} s \
             unless the clock was wrong",
            self.grace
        );
        transaction.defer(store.now(), token, id);
        Ok(())
    }
}

/// Takes away the entries of what has become readable only. The caller has made the time durable from
/// which that holds: no later agent takes an earlier clock's word for it.
pub(crate) struct Narrow;

impl Narrow {
    /// Returns whether anything has become readable only.
    pub(crate) fn is_due(store: &OpenStore) -> Result<bool> {
        Ok(!due_entries(store, keyspace::NARROWING, &Unread::default())?.is_empty())
    }
}

impl Proposer for Narrow {
    type Answer = ();

    fn propose<'a>(&mut self, store: &'a OpenStore) -> Result<Step<'a, ()>> {
        let due = due_entries(store, keyspace::NARROWING, &Unread::default())?;
        if due.is_empty() {
            return Ok(Step::Done(()));
        }
        store.records.room(Need::Shrink)?;
        let mut transaction = Transaction::new(store).quietly();
        due.into_iter().for_each(|(entry, _, _)| transaction.forget(entry));
        Ok(Step::Apply(transaction))
    }
}

/// Entries that lead to what cannot be read.
#[derive(Default)]
struct Unread {
    entries: HashSet<Key>,
    error: Option<Error>,
}

impl Unread {
    /// Remembers one. Fails where it is the store that failed.
    fn note(&mut self, store: &OpenStore, entry: Key, error: Error) -> Result<()> {
        if !store.alive() {
            return Err(error);
        }
        log::error!("{error}");
        self.entries.insert(entry);
        self.error.get_or_insert(error);
        Ok(())
    }
}

fn due_entries(store: &OpenStore, prefix: &[u8], but: &Unread) -> Result<Vec<(Key, Id, Id)>> {
    let now = store.now();
    let mut due = Vec::new();
    store.each(prefix, |key, _| match keyspace::due_parts(key) {
        Some((at, ..)) if at <= now && but.entries.contains(key) => Ok(true),
        Some((at, token, id)) if at <= now && due.len() < STEP => {
            due.push((key.to_vec(), token, id));
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(due)
}

/// An erasure that waits its grace out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// The token.
    pub(crate) token: Id,
    /// The record.
    pub(crate) id: Id,
    /// The second at which it was found due.
    pub(crate) found: Seconds,
}

/// Returns what waits.
pub(crate) fn waiting(store: &OpenStore) -> Result<Vec<Waiting>> {
    let mut all = Vec::new();
    store.each(keyspace::WAITING, |key, value| {
        let (token, id) = keyspace::waiting_ids(key).ok_or(Reason::StoreDamaged)?;
        let found = value.try_into().map_err(|_| Reason::StoreDamaged)?;
        all.push(Waiting { token, id, found: Seconds::from_be_bytes(found) });
        Ok(true)
    })?;
    Ok(all)
}

/// Ends one due thing, if it is still there.
fn end(
    transaction: &mut Transaction<'_>,
    store: &OpenStore,
    (token, id): (Id, Id),
    swept: &mut Swept,
) -> Result<()> {
    match transaction.find(token, id)? {
        None => {}
        Some(_) if transaction.removes(token, id) => {}
        Some(found) => match found.known.header.role {
            Role::Material { .. } => {
                transaction.tombstone(token, &found)?;
                swept.erased += 1;
            }
            Role::Object { .. } if has_ended(store, token, Some(&found))? => {
                transaction.remove(token, id, Ending::Expired)?;
            }
            Role::Object { .. } => {
                transaction.tombstone(token, &found)?;
                transaction.mark_due(store.now() + ENDED_STAYS, token, id);
                swept.ended += 1;
            }
            Role::CustomKey(_) => {
                for material in transaction.versions(token, id)? {
                    transaction.remove(token, material.known.id, Ending::Deleted)?;
                }
                transaction.remove(token, id, Ending::Deleted)?;
                transaction.note(Fact::of_key(Event::Deleted, token, id));
                swept.erased += 1;
            }
        },
    }
    Ok(())
}

/// Returns whether an ordinary object has ended, and stands there only to be asked why.
fn has_ended(store: &OpenStore, token: Id, found: Option<&Found>) -> Result<bool> {
    match found {
        Some(found) if matches!(found.known.header.role, Role::Object { .. }) => {
            Ok(!is_listed(store, token, found)?)
        }
        _ => Ok(false),
    }
}

/// Returns whether a search finds a record.
pub(crate) fn is_listed(store: &OpenStore, token: Id, found: &Found) -> Result<bool> {
    let all = keyspace::tagged(token, found.known.header.private, None);
    Ok(store.records.get(&[&all[..], found.known.id.bytes()].concat())?.is_some())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::waker::Waker;
    use crate::agent::writer::Writer;
    use crate::clock::FixedClock;
    use crate::erasure::Erasure;
    use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, State};
    use crate::store::Memory;
    use std::sync::Arc;

    const TOKEN: Id = Id::new([1; 16]);

    fn put(transaction: &mut Transaction<'_>, number: u8, role: Role, at: Option<Seconds>) {
        let expiry = at.map(|at| Expiry { at, action: ExpiryAction::Erase });
        let header = Header { private: true, role, expiry, tags: vec![] };
        let bytes = (header.encode().unwrap(), vec![number]);
        transaction.put(TOKEN, Id::new([number; 16]), header, bytes).unwrap();
    }

    /// Two ordinary keys due at 10 and 20, material due at 10, and the end of its custom key at 30.
    fn furnished(directory: &std::path::Path) -> (Arc<FixedClock>, Writer) {
        let clock = Arc::new(FixedClock::at(5));
        let store = Box::new(Memory::default());
        crate::store::Cells::make(directory).unwrap();
        let store = OpenStore::open(directory, store, Arc::clone(&clock) as _).unwrap();
        let store = Arc::new(store);
        let waker = Arc::new(Waker::new().unwrap());
        let mut writer = Writer::open(Arc::clone(&store), waker).unwrap();
        let mut transaction = Transaction::new(&store);
        put(&mut transaction, 2, Role::Object { holds_key: true }, Some(10));
        put(&mut transaction, 3, Role::Object { holds_key: true }, Some(20));
        let state = State { deletion_at: Some(30), ..State::awaiting_import() };
        put(&mut transaction, 4, Role::CustomKey(state), None);
        let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
        put(&mut transaction, 5, Role::Material { key, version: 1, fingerprint }, Some(10));
        writer.apply(transaction).unwrap();
        (clock, writer)
    }

    #[test]
    fn each_thing_ends_once_and_in_its_second() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mut writer) = furnished(directory.path());
        // An ordinary key's record goes when it has told for a minute that it has expired.
        let expected = [
            (9, 0, 0, Some(10)),
            (10, 1, 1, Some(20)),
            (20, 0, 1, Some(30)),
            (30, 1, 0, Some(70)),
            (70, 0, 0, Some(80)),
            (80, 0, 0, None),
        ];
        for (now, erased, ended, next) in expected {
            clock.set(now);
            assert_eq!(writer.sweep().unwrap(), Swept { erased, ended }, "at {now}");
            assert_eq!(next_due(&writer.store, writer.grace).unwrap(), next, "at {now}");
        }
    }

    #[test]
    fn what_is_due_together_ends_together_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mut writer) = furnished(directory.path());
        clock.set(30);
        assert_eq!(writer.sweep().unwrap(), Swept { erased: 2, ended: 2 });
        assert_eq!(sweep_at(&clock, &mut writer, 30 + ENDED_STAYS), (0, 0));
        let left = writer.store.records.scan(b"", b"", 100).unwrap();
        let keys: Vec<_> = left.into_iter().map(|(key, _)| key).collect();
        let lines = (1..=4).map(keyspace::audit_line);
        assert_eq!(
            keys,
            [keyspace::audit_head(), keyspace::meta()].into_iter().chain(lines).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_second_from_which_a_key_can_only_be_read_outlives_a_clock_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, mut writer) = furnished(directory.path());
        let store = Arc::clone(&writer.store);
        let expiry = Some(Expiry { at: 8, action: ExpiryAction::ReadOnly });
        let (key, fingerprint) = (Id::new([4; 16]), Fingerprint([5; 32]));
        let role = Role::Material { key, version: 1, fingerprint };
        let header = Header { private: true, role, expiry, tags: vec![] };
        let bytes = (header.encode().unwrap(), vec![6]);
        let mut transaction = Transaction::new(&store);
        transaction.put(TOKEN, Id::new([6; 16]), header, bytes).unwrap();
        writer.apply(transaction).unwrap();
        writer.sync_and_publish().unwrap();
        assert_eq!(next_due(&store, 0).unwrap(), Some(8));
        assert_eq!(sweep_at(&clock, &mut writer, 8), (0, 0));
        assert_eq!(next_due(&store, 0).unwrap(), Some(10));
        assert!(store.find(TOKEN, Id::new([6; 16])).unwrap().is_some());
        let kept = crate::store::Cells::open(directory.path()).unwrap();
        assert_eq!(kept.time.get(), 8);
        assert_eq!(store.page.mark(), 8);
    }

    fn sweep_at(clock: &FixedClock, writer: &mut Writer, now: Seconds) -> (u64, u64) {
        clock.set(now);
        let Swept { erased, ended } = writer.sweep().unwrap();
        (erased, ended)
    }

    #[test]
    fn what_is_due_waits_its_grace_out_unusable() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, writer) = furnished(directory.path());
        let mut writer = writer.with_grace(100);
        assert_eq!(sweep_at(&clock, &mut writer, 12), (0, 0));
        assert_eq!(next_due(&writer.store, 100).unwrap(), Some(20));
        let found = writer.store.find(TOKEN, Id::new([5; 16])).unwrap().unwrap();
        assert!(found.known.erasure == Erasure::Live && found.known.is_dead(writer.store.now()));
        assert_eq!(sweep_at(&clock, &mut writer, 35), (0, 0));
        assert_eq!(next_due(&writer.store, 100).unwrap(), Some(112));
        assert_eq!(sweep_at(&clock, &mut writer, 111), (0, 0));
        assert_eq!(sweep_at(&clock, &mut writer, 112), (1, 1));
        assert_eq!(sweep_at(&clock, &mut writer, 135), (1, 1));
        assert_eq!(next_due(&writer.store, 100).unwrap(), Some(172));
        assert_eq!(sweep_at(&clock, &mut writer, 195), (0, 0));
        assert_eq!(next_due(&writer.store, 100).unwrap(), None);
    }

    #[test]
    fn a_wrong_clock_that_is_mended_within_the_grace_costs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, writer) = furnished(directory.path());
        let mut writer = writer.with_grace(100);
        assert_eq!(sweep_at(&clock, &mut writer, 5000), (0, 0));
        clock.set(6);
        writer.accept_clock().unwrap();
        assert_eq!(next_due(&writer.store, 100).unwrap(), Some(10));
        let found = writer.store.find(TOKEN, Id::new([5; 16])).unwrap().unwrap();
        assert!(!found.known.is_dead(writer.store.now()));
        assert_eq!(sweep_at(&clock, &mut writer, 9), (0, 0));
        assert_eq!(sweep_at(&clock, &mut writer, 10), (0, 0));
        assert_eq!(sweep_at(&clock, &mut writer, 110), (1, 1));
    }

    #[test]
    fn a_clock_that_was_set_back_and_not_accepted_lengthens_no_grace() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, writer) = furnished(directory.path());
        let mut writer = writer.with_grace(100);
        assert_eq!(sweep_at(&clock, &mut writer, 5000), (0, 0));
        clock.set(50);
        assert_eq!(next_due(&writer.store, 100).unwrap(), Some(5100));
        clock.pass(99);
        assert_eq!(sweep_at(&clock, &mut writer, 60), (0, 0));
        clock.pass(1);
        // The custom key ends with its material in it.
        assert_eq!(sweep_at(&clock, &mut writer, 50), (1, 2));
    }

    #[test]
    fn what_ends_otherwise_while_it_waits_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let (clock, writer) = furnished(directory.path());
        let mut writer = writer.with_grace(100);
        assert_eq!(sweep_at(&clock, &mut writer, 10), (0, 0));
        let store = Arc::clone(&writer.store);
        let mut transaction = Transaction::new(&store);
        transaction.remove(TOKEN, Id::new([2; 16]), Ending::Deleted).unwrap();
        writer.apply(transaction).unwrap();
        // Without a grace from now on, what waits is due.
        let mut writer = writer.with_grace(0);
        assert_eq!(sweep_at(&clock, &mut writer, 11), (1, 0));
        assert!(waiting(&store).unwrap().is_empty());
    }
}
