//! What happens by itself: material is erased at its expiry, ordinary keys end at theirs, custom keys
//! end when their scheduled deletion comes; and after a crash, what had begun is finished.

use super::audit::{Event, Fact};
use super::job::Swept;
use super::keyspace::{self, Key};
use super::open_store::{Found, OpenStore};
use super::transaction::{Ending, Transaction};
use super::writer::{STEP, Writer};
use crate::clock::Seconds;
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::Role;
use crate::key::policy::FINISH;
use crate::key::state::Erasure;
use crate::store::Need;
use std::collections::HashSet;
use std::sync::Arc;

/// How long a client has to ask again for a removal that a crash interrupted, in seconds.
const RETRY: Seconds = 3600;

/// How long it is told of an ordinary key that it has expired, in seconds: an operation under way asks.
const ENDED_STAYS: Seconds = FINISH;

/// When the next thing is due, if ever; an erasure that waits is due when its grace is over.
pub fn next_due(store: &OpenStore, grace: Seconds) -> Result<Option<Seconds>> {
    let mut soonest: Vec<_> =
        waiting(store)?.into_iter().map(|it| it.found.saturating_add(grace)).collect();
    for prefix in [keyspace::DUE, keyspace::NARROWING] {
        let first = store.records.scan(prefix, b"", 1)?;
        let at = first.first().and_then(|(key, _)| keyspace::due_parts(key)).map(|(at, _, _)| at);
        soonest.extend(at);
    }
    Ok(soonest.into_iter().min())
}

impl Writer {
    /// Erases and ends everything that is due, or lets it wait its grace out first. What cannot be
    /// looked at stands in nobody else's way: it is the error, after all others.
    pub(super) fn sweep(&mut self) -> Result<Swept> {
        self.narrow()?;
        let (mut swept, mut unread) = (Swept::default(), Unread::default());
        self.sweep_waiting(&mut swept, &mut unread)?;
        let store = Arc::clone(&self.store);
        loop {
            let due = due_entries(&store, keyspace::DUE, &unread)?;
            if due.is_empty() {
                return unread.error.map_or(Ok(swept), Err);
            }
            store.records.room(Need::Shrink)?;
            let mut transaction = Transaction::new(&store);
            for (entry, token, id) in due {
                match self.end_or_wait(&mut transaction, (token, id), &mut swept) {
                    Ok(()) => transaction.forget(entry),
                    Err(error) => unread.note(&store, entry, error)?,
                }
            }
            if !transaction.is_empty() {
                self.apply(transaction)?;
            }
        }
    }

    fn end_or_wait(
        &self,
        transaction: &mut Transaction<'_>,
        (token, id): (Id, Id),
        swept: &mut Swept,
    ) -> Result<()> {
        let store = &self.store;
        if self.grace == 0 || has_ended(store, token, store.find(token, id)?.as_ref())? {
            return end(transaction, store, (token, id), swept);
        }
        log::warn!(
            "record {id} of token {token} is due: it is not usable any more, and is erased in {} s \
             unless the clock was wrong",
            self.grace
        );
        transaction.defer(store.now(), token, id);
        Ok(())
    }

    /// Makes the time durable from which something can only be read: no later agent takes an earlier
    /// clock's word for it.
    fn narrow(&mut self) -> Result<()> {
        let store = Arc::clone(&self.store);
        loop {
            let due = due_entries(&store, keyspace::NARROWING, &Unread::default())?;
            if due.is_empty() {
                return Ok(());
            }
            self.keep_time()?;
            store.records.room(Need::Shrink)?;
            let mut transaction = Transaction::new(&store);
            due.into_iter().for_each(|(entry, _, _)| transaction.forget(entry));
            self.apply_quietly(transaction)?;
        }
    }

    /// Makes the time durable, and known to the modules.
    pub(super) fn keep_time(&self) -> Result<()> {
        let now = self.store.now();
        self.store.cells.time.raise(now)?;
        self.store.cells.sync()?;
        self.store.page.set_mark(now);
        Ok(())
    }

    /// Sees to what waits.
    fn sweep_waiting(&mut self, swept: &mut Swept, unread: &mut Unread) -> Result<()> {
        let store = Arc::clone(&self.store);
        let now = store.now();
        for step in waiting(&store)?.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            for Waiting { token, id, found } in step {
                let entry = keyspace::waiting(*token, *id);
                let due = match store.find(*token, *id) {
                    Ok(record) => record.and_then(|it| keyspace::due_at(&it.known.header)),
                    Err(error) => {
                        unread.note(&store, entry, error)?;
                        continue;
                    }
                };
                match due {
                    // The time was taken back, or the material came anew.
                    Some(at) if at > now => transaction.mark_due(at, *token, *id),
                    // The store has gone back to an earlier clock: from now on, then.
                    Some(_) if now < *found => {
                        transaction.defer(now, *token, *id);
                        continue;
                    }
                    Some(_) if now - found < self.grace => continue,
                    Some(_) => {
                        if let Err(error) = end(&mut transaction, &store, (*token, *id), swept) {
                            unread.note(&store, entry, error)?;
                            continue;
                        }
                    }
                    None => {}
                }
                transaction.forget(entry);
            }
            if !transaction.is_empty() {
                store.records.room(Need::Shrink)?;
                self.apply(transaction)?;
            }
        }
        Ok(())
    }

    /// Finishes deletions and erasures that a crash interrupted after their cell was overwritten.
    pub(super) fn mend(&mut self) -> Result<()> {
        let store = Arc::clone(&self.store);
        let mut erased = Vec::new();
        for (cell, owner) in store.claims()? {
            match store.erasure(cell) {
                Ok(Erasure::Live) => {}
                Ok(_) => erased.push(owner),
                Err(error) => log::error!("{error}"),
            }
        }
        for step in erased.chunks(STEP) {
            let mut transaction = Transaction::new(&store);
            for (token, id) in step {
                mend_one(&mut transaction, &store, *token, *id)?;
            }
            if !transaction.is_empty() {
                self.apply(transaction)?;
            }
        }
        Ok(())
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
pub struct Waiting {
    /// The token.
    pub token: Id,
    /// The record.
    pub id: Id,
    /// When it was found due.
    pub found: Seconds,
}

/// What waits.
pub fn waiting(store: &OpenStore) -> Result<Vec<Waiting>> {
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
    match store.find(token, id)? {
        None => {}
        Some(_) if transaction.removes(token, id) => {}
        Some(found) => match found.known.header.role {
            Role::Material { .. } => {
                transaction.tombstone(token, &found);
                swept.erased += 1;
            }
            Role::Object { .. } if has_ended(store, token, Some(&found))? => {
                transaction.remove(token, &found, Ending::Expired)?;
            }
            Role::Object { .. } => {
                transaction.tombstone(token, &found);
                transaction.mark_due(store.now() + ENDED_STAYS, token, id);
                swept.ended += 1;
            }
            Role::CustomKey(_) => {
                for material in store.versions(token, id)? {
                    transaction.remove(token, &material, Ending::Deleted)?;
                }
                transaction.remove(token, &found, Ending::Deleted)?;
                transaction.note(Fact::of_key(Event::Deleted, token, id));
                swept.erased += 1;
            }
        },
    }
    Ok(())
}

/// Whether an ordinary object has ended, and stands there only to be asked why.
fn has_ended(store: &OpenStore, token: Id, found: Option<&Found>) -> Result<bool> {
    match found {
        Some(found) if matches!(found.known.header.role, Role::Object { .. }) => {
            Ok(!is_listed(store, token, found)?)
        }
        _ => Ok(false),
    }
}

/// Whether a search finds a record.
fn is_listed(store: &OpenStore, token: Id, found: &Found) -> Result<bool> {
    let all = keyspace::tagged(token, found.known.header.private, None);
    Ok(store.records.get(&[&all[..], found.known.id.bytes()].concat())?.is_some())
}

/// Takes a record whose cell was overwritten out of every search. It stays in its place, so that a
/// client that lost its answer can still finish what it began: material for good, with its custom
/// key, any other until [`RETRY`] is over.
fn mend_one(transaction: &mut Transaction<'_>, store: &OpenStore, token: Id, id: Id) -> Result<()> {
    let Some(found) = store.find(token, id)? else { return Ok(()) };
    if !is_listed(store, token, &found)? {
        return Ok(());
    }
    transaction.tombstone(token, &found);
    if !matches!(found.known.header.role, Role::Material { .. }) {
        transaction.mark_due(store.now() + RETRY, token, id);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent::waker::Waker;
    use crate::clock::FixedClock;
    use crate::key::{Expiry, ExpiryAction, Fingerprint, Header, State};
    use crate::store::Memory;

    const TOKEN: Id = Id::new([1; 16]);

    fn put(transaction: &mut Transaction<'_>, number: u8, role: Role, at: Option<Seconds>) {
        let expiry = at.map(|at| Expiry { at, action: ExpiryAction::Erase });
        let header = Header { private: true, role, expiry, tags: vec![] };
        let bytes = (header.encode().unwrap(), vec![number]);
        transaction.put(TOKEN, Id::new([number; 16]), None, header, bytes).unwrap();
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
        transaction.put(TOKEN, Id::new([6; 16]), None, header, bytes).unwrap();
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
        let found = store.find(TOKEN, Id::new([2; 16])).unwrap().unwrap();
        transaction.remove(TOKEN, &found, Ending::Deleted).unwrap();
        writer.apply(transaction).unwrap();
        // Without a grace from now on, what waits is due.
        let mut writer = writer.with_grace(0);
        assert_eq!(sweep_at(&clock, &mut writer, 11), (1, 0));
        assert!(waiting(&store).unwrap().is_empty());
    }
}
