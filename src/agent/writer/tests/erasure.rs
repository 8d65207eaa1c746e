//! The commit decides and erasure follows, wherever a crash comes between them and whichever writer is faster.

use super::*;
use crate::agent::destroy::DestroyToken;
use crate::agent::destroyed_tokens::DestroyedTokens;
use crate::agent::proposer::{NextStep, Proposer};
use crate::agent::rows;
use crate::agent::sweep::Sweep;
use crate::agent::tests::{entry, token_key};
use crate::agent::token_entry::{By, EntryChange, PutToken};
use crate::erasure::Tombstone;
use crate::key::pin::Pin;
use crate::key::{Expiry, ExpiryAction, Fingerprint, KeyState};
use crate::store::cells::EraseCell;
use crate::tests::{ObservedStore, StoreUse};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

pub(super) const KEY: Id = Id::new([1; 16]);
pub(super) const NOW: u64 = 1_800_000_000;

/// An action of another writer.
pub(super) type Interruption = Box<dyn FnOnce() + Send>;

/// A store in memory, which can be full; before the next batch is applied, something else happens.
#[derive(Clone)]
struct Overtaken {
    memory: Memory,
    before: Arc<Mutex<Option<Interruption>>>,
    full: Arc<AtomicBool>,
}

impl Overtaken {
    /// Has something happen before the next batch is applied.
    fn then(&self, before: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some(Box::new(before));
    }
}

impl ObservedStore for Overtaken {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, used: StoreUse) -> Result<()> {
        match used {
            StoreUse::Apply => {
                let before = self.before.lock().unwrap().take();
                before.into_iter().for_each(|before| before());
                Ok(())
            }
            StoreUse::Room if self.full.load(Ordering::Relaxed) => Err(Reason::StoreFull.into()),
            _ => Ok(()),
        }
    }
}

/// An agent's part of a store, with the cell file of its own.
pub(super) struct Host {
    directory: tempfile::TempDir,
    pub(super) memory: Memory,
    pub(super) clock: Arc<FixedClock>,
}

impl Host {
    /// A store with a token, and a key in it that expires at 100 s from now.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let host = Self { directory, memory: Memory::narrow(), clock };
        let mut writer = host.writer();
        let put = PutToken { by: None, ..host.put(Expect::Absent, false) };
        writer.drive(&mut EntryChange::new(put)).unwrap();
        writer.drive(&mut commit(rewrite(Expect::Absent, 100))).unwrap();
        writer.sync_and_publish().unwrap();
        host
    }

    pub(super) fn put(&self, expect: Expect, wipe: bool) -> PutToken {
        let entry = entry(true).encode().unwrap();
        let by = Some(By::Officer);
        PutToken { token: TOKEN, expect, entry, slot: None, by, wipe, change: [7; 16] }
    }

    /// Another host of the same store, which has the secrets that this one has now.
    pub(super) fn other(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["slots", "audit/key"] {
            let to = directory.path().join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(self.directory.path().join(name), to).unwrap();
        }
        let clock = Arc::new(FixedClock::at(NOW));
        Self { directory, memory: self.memory.clone(), clock }
    }

    pub(super) fn writer(&self) -> Writer {
        self.writer_on(Box::new(self.memory.clone()))
    }

    /// A writer whose next batch comes after `before`.
    pub(super) fn overtaken_by(&self, before: impl FnOnce() + Send + 'static) -> Writer {
        let overtaken = self.overtaken();
        let writer = self.writer_on(Box::new(overtaken.clone()));
        overtaken.then(before);
        writer
    }

    fn overtaken(&self) -> Overtaken {
        Overtaken { memory: self.memory.clone(), before: Arc::default(), full: Arc::default() }
    }

    pub(super) fn writer_on(&self, store: Box<dyn Store>) -> Writer {
        let store = OpenStore::open(self.directory.path(), store, Arc::clone(&self.clock) as _);
        Writer::open(Arc::new(store.unwrap()), Arc::default()).unwrap()
    }

    pub(super) fn secret_stands(&self, secret: &[u8]) -> bool {
        let bytes = std::fs::read(self.cells()).unwrap();
        bytes.windows(secret.len()).any(|window| window == secret)
    }

    /// Returns the cell file.
    pub(super) fn cells(&self) -> PathBuf {
        self.directory.path().join("slots")
    }

    /// Returns the disk's content after a power loss that comes before the next sync.
    pub(super) fn pairs(&self) -> Content {
        content(&self.memory)
    }

    /// Goes on with what a power loss has left of the store.
    pub(super) fn restore(&mut self, (number, pairs): Content) {
        let memory = Memory::default();
        let writes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
        memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        while memory.number().unwrap() < number {
            memory.apply(&Batch::default()).unwrap();
        }
        self.memory = memory;
    }
}

/// The number of the last commit of a store, and all its rows.
pub(super) type Content = (CommitNumber, Vec<Pair>);

pub(super) fn content(memory: &Memory) -> Content {
    (memory.number().unwrap(), memory.scan(b"", b"", usize::MAX).unwrap())
}

/// The key, written anew with another expiry.
pub(super) fn rewrite(expect: Expect, expires_in: u64) -> Change {
    let expiry = Some(Expiry { at: NOW + expires_in, action: ExpiryAction::Erase });
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry, tags: vec![Tag([2; 16])] };
    let put = Some((header.encode().unwrap(), b"sealed".to_vec()));
    Change { id: KEY, expect, event: vec![], put, alias: None }
}

pub(super) fn commit(change: Change) -> Commit {
    let expected = match change.expect {
        Expect::Absent => 0,
        Expect::Revision(revision) => revision,
    };
    let name = [u8::from(change.put.is_some()) + 2 * expected as u8; 16];
    Commit { token: TOKEN, changes: vec![change], change: name, access: Access::User }
}

pub(super) fn secret_of_key(writer: &Writer) -> Vec<u8> {
    let cell = writer.store.find(TOKEN, KEY).unwrap().unwrap().row.cell.unwrap();
    let EraseCell::Secret(secret) = writer.store.cells.erase.read_cell(cell).unwrap() else {
        panic!("it is erased")
    };
    secret.to_vec()
}

pub(super) fn read(writer: &Writer) -> Option<(Erasure, Vec<u8>)> {
    let found = writer.store.find(TOKEN, KEY).unwrap()?;
    let stored = writer.store.hand_out(TOKEN, found).unwrap();
    Some((stored.erasure, stored.sealed))
}

#[test]
fn a_lost_race_has_erased_nothing() {
    let first = Host::new();
    let second = first.other();
    let mut faster = first.writer();
    let overtake = move || {
        faster.drive(&mut commit(rewrite(Expect::Revision(1), 900))).unwrap();
        faster.sync_and_publish().unwrap();
    };
    let mut writer = second.overtaken_by(overtake);
    let secret = secret_of_key(&writer);
    let lost = writer.drive(&mut commit(removal(1)));
    assert_eq!(lost.unwrap_err().reason(), Reason::Conflict);
    writer.sync_and_publish().unwrap();
    assert!(second.secret_stands(&secret));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}

#[test]
fn a_sweep_that_loses_a_race_judges_again_and_erases_nothing() {
    let first = Host::new();
    let second = first.other();
    let mut faster = first.writer();
    let overtake = move || {
        faster.drive(&mut commit(rewrite(Expect::Revision(1), 900))).unwrap();
    };
    let mut writer = second.overtaken_by(overtake);
    // By the clock of the other it is not due yet.
    second.clock.set(NOW + 100);
    let secret = secret_of_key(&writer);
    assert_eq!(writer.drive(&mut Sweep::new(0)).unwrap(), Swept::default());
    writer.sync_and_publish().unwrap();
    assert!(second.secret_stands(&secret));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}

/// The steps that follow a commit, up to its answer.
const STEPS: [fn(&mut Writer) -> Result<()>; 3] =
    [|writer| writer.make_durable(), Writer::erase, Writer::publish];

/// Has a change made by a writer that dies after so many of the steps.
fn killed_after<P: Proposer>(host: &Host, steps: usize, mut change: P) {
    let mut writer = host.writer();
    writer.drive(&mut change).unwrap_or_else(|error| panic!("{error}"));
    STEPS.iter().take(steps).for_each(|step| step(&mut writer).unwrap());
}

#[test]
fn a_deletion_is_finished_wherever_a_crash_comes_after_its_commit() {
    for steps in 0..=STEPS.len() {
        let host = Host::new();
        let secret = secret_of_key(&host.writer());
        killed_after(&host, steps, commit(removal(1)));
        assert_eq!(host.secret_stands(&secret), steps < 2, "after {steps} steps");
        let mut writer = host.writer();
        assert_eq!(writer.drive(&mut commit(removal(1))), Ok(vec![0]), "a retry is answered");
        assert_eq!(read(&writer), None);
        assert!(!host.secret_stands(&secret), "after {steps} steps");
    }
}

#[test]
fn an_expiry_is_finished_wherever_a_crash_comes_after_its_commit() {
    for steps in 0..=STEPS.len() {
        let host = Host::new();
        let secret = secret_of_key(&host.writer());
        host.clock.set(NOW + 100);
        killed_after(&host, steps, Sweep::new(0));
        let writer = host.writer();
        assert_eq!(
            read(&writer),
            Some((Erasure::Ended(Tombstone::Expired(NOW + 100)), Vec::new()))
        );
        assert!(!host.secret_stands(&secret), "after {steps} steps");
    }
}

#[test]
fn a_commit_that_a_power_loss_undoes_has_erased_nothing() {
    let mut host = Host::new();
    let secret = secret_of_key(&host.writer());
    let durable = host.pairs();
    killed_after(&host, 0, commit(removal(1)));
    host.restore(durable);
    let writer = host.writer();
    assert!(host.secret_stands(&secret));
    assert_eq!(read(&writer), Some((Erasure::Live, b"sealed".to_vec())));
}

/// Applies the first transactions that a proposer proposes, and dies.
fn killed_in_the_midst<P: Proposer>(host: &Host, transactions: usize, mut change: P) {
    let mut writer = host.writer();
    let store = Arc::clone(&writer.store);
    for _ in 0..transactions {
        let Ok(NextStep::Apply(transaction)) = change.propose(&store) else { panic!("it is done") };
        writer.apply(transaction).unwrap();
        change.applied();
    }
}

#[test]
fn the_end_of_a_token_is_gone_on_with_after_a_crash() {
    for transactions in 1..=2 {
        let host = Host::new();
        let secret = secret_of_key(&host.writer());
        killed_in_the_midst(&host, transactions, DestroyToken::new(TOKEN, [9; 16]));
        let mut writer = host.writer();
        assert_eq!(writer.store.tokens().unwrap(), vec![]);
        assert_eq!(writer.drive(&mut DestroyToken::new(TOKEN, [9; 16])), Ok(1), "it is answered");
        assert!(!host.secret_stands(&secret));
    }
}

#[test]
fn a_tokens_new_beginning_is_gone_on_with_after_a_crash() {
    for transactions in 1..=2 {
        let host = Host::new();
        let again = || PutToken { change: [8; 16], ..host.put(Expect::Revision(1), true) };
        killed_in_the_midst(&host, transactions, EntryChange::new(again()));
        let mut writer = host.writer();
        assert_eq!(read(&writer), None);
        let token = writer.store.token(TOKEN).unwrap().unwrap();
        assert_eq!((token.revision, token.under_way), (2, None));
        assert_eq!(writer.drive(&mut EntryChange::new(again())), Ok(2), "it is answered");
    }
}

#[test]
fn nothing_is_created_in_a_token_while_it_ends() {
    let host = Host::new();
    let mut writer = host.writer();
    let store = Arc::clone(&writer.store);
    let Ok(NextStep::Apply(mark)) = DestroyToken::new(TOKEN, [9; 16]).propose(&store) else {
        panic!("it is done")
    };
    writer.apply(mark).unwrap();
    let refused = writer.drive(&mut commit(rewrite(Expect::Revision(1), 900)));
    assert_eq!(refused.unwrap_err().reason(), Reason::TokenAbsent);
}

/// Marks the token: its end, or its new beginning, has begun.
pub(super) fn begin(host: &Host, ends: bool) {
    match ends {
        true => killed_in_the_midst(host, 1, DestroyToken::new(TOKEN, [9; 16])),
        false => {
            let again = PutToken { change: [8; 16], ..host.put(Expect::Revision(1), true) };
            killed_in_the_midst(host, 1, EntryChange::new(again));
        }
    }
}

/// Fails unless a token is served but for changes.
fn assert_waits(host: &Host, writer: &mut Writer) {
    assert!(read(writer).is_some());
    let refused = writer.drive(&mut commit(rewrite(Expect::Revision(1), 900))).unwrap_err();
    assert!(matches!(refused.reason(), Reason::TokenAbsent | Reason::Conflict));
    let put = PutToken { change: [6; 16], ..host.put(Expect::Revision(1), false) };
    let refused = writer.drive(&mut EntryChange::new(put)).unwrap_err();
    assert!(matches!(refused.reason(), Reason::StoreFull | Reason::Conflict));
    assert!(writer.sweep().is_err(), "it is tried again");
    assert!(next_due(&writer.store, 0).unwrap() <= Some(writer.store.now()), "and again");
}

#[test]
fn a_change_under_way_for_which_there_is_no_room_waits_for_it_while_the_store_is_served() {
    for ends in [true, false] {
        let host = Host::new();
        begin(&host, ends);
        let store = host.overtaken();
        store.full.store(true, Ordering::Relaxed);
        let mut writer = host.writer_on(Box::new(store.clone()));
        assert_waits(&host, &mut writer);
        store.full.store(false, Ordering::Relaxed);
        writer.sweep().unwrap();
        let token = writer.store.token(TOKEN).unwrap();
        assert_eq!(token.map(|row| row.under_way), (!ends).then_some(None));
        assert!(read(&writer).is_none(), "its key went with it");
        assert_eq!(next_due(&writer.store, 0), Ok(None));
    }
}

#[test]
fn a_token_of_a_lost_end_that_another_writer_changes_meanwhile_is_judged_again() {
    let host = Host::new();
    let mut writer = host.writer();
    let store = Arc::clone(&writer.store);
    store.cells.pins.vacate(TOKEN).unwrap();
    let Ok(NextStep::Apply(removal)) = DestroyedTokens.propose(&store) else { panic!("it stays") };
    let row = store.token(TOKEN).unwrap().unwrap();
    let changed = rows::encode(&TokenRow { revision: row.revision + 1, ..row }).unwrap();
    let writes = vec![(keyspace::token(TOKEN), Some(changed))];
    host.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    assert_eq!(writer.apply(removal).unwrap_err().reason(), Reason::Conflict);
    assert!(store.token(TOKEN).unwrap().is_some());
    assert_eq!(writer.drive(&mut DestroyedTokens), Ok(HashSet::new()));
    assert_eq!(store.tokens().unwrap(), vec![]);
    assert_eq!(
        store.records.scan(keyspace::SLOT_PREFIX, b"", 1).unwrap(),
        vec![],
        "its slot is free"
    );
}

#[test]
fn a_judgement_by_material_that_ends_meanwhile_is_in_conflict() {
    let (first, key) = (Host::new(), Id::new([3; 16]));
    let mut slower = first.writer();
    let (store, print) = (Arc::clone(&slower.store), Fingerprint([4; 32]));
    let mut create = Transaction::new(&store);
    let state = KeyState { fingerprint: Some(print), version: 2, ..KeyState::awaiting_import() };
    let material = |version| Role::Material { key, version, fingerprint: print };
    let records = [(key, Role::CustomKey(state)), (id(1), material(1)), (id(2), material(2))];
    for (record, role) in records {
        let header = Header { private: true, role, expiry: None, tags: Vec::new() };
        let bytes = (header.encode().unwrap(), b"sealed".to_vec());
        create.put(TOKEN, record, &header, bytes, None).unwrap();
    }
    slower.apply(create).unwrap();
    slower.sync_and_publish().unwrap();

    let mut judged = Transaction::new(&store);
    let versions = judged.versions(TOKEN, key).unwrap();
    assert_eq!(versions.len(), 2);
    judged.defer(NOW, TOKEN, key);
    let mut faster = first.other().writer();
    let others = Arc::clone(&faster.store);
    // The older version: the custom key's own row says of the newest alone what became of it.
    let mut end = Transaction::new(&others);
    let oldest = end.find(TOKEN, id(1)).unwrap().unwrap();
    end.tombstone(TOKEN, &oldest).unwrap();
    faster.apply(end).unwrap();
    assert_eq!(slower.apply(judged).unwrap_err().reason(), Reason::Conflict);
}

fn id(version: u8) -> Id {
    Id::new([0x30 + version; 16])
}

#[test]
fn a_token_whose_removal_lost_a_race_is_still_missed_when_it_is_lost() {
    let host = Host::new();
    let mut faster = host.other().writer();
    let put = PutToken { change: [6; 16], ..host.put(Expect::Revision(1), false) };
    let mut writer = host.overtaken_by(move || {
        faster.drive(&mut EntryChange::new(put)).unwrap();
    });
    let store = Arc::clone(&writer.store);
    let mut removal = Transaction::new(&store);
    removal.remove_token(TOKEN).unwrap();
    assert_eq!(writer.apply(removal).unwrap_err().reason(), Reason::Conflict);
    let emptied = Box::new(Memory::default());
    let opened = OpenStore::open(host.directory.path(), emptied, Arc::clone(&host.clock) as _);
    assert_eq!(opened.err().map(|error| error.reason()), Some(Reason::StoreDamaged));
}

#[test]
fn a_new_pin_that_a_power_loss_undoes_gives_no_tries_back() {
    let mut host = Host::new();
    let wrong = |writer: &Writer| writer.store.cells.pins.of(TOKEN).unwrap().1;
    let writer = host.writer();
    for _ in 0..3 {
        writer.store.cells.pins.count_attempt(TOKEN, false).unwrap();
    }
    let durable = host.pairs();
    killed_after(&host, 0, new_pin(&host));
    host.restore(durable);
    assert_eq!(wrong(&host.writer()), (0, 3));
    killed_after(&host, STEPS.len(), new_pin(&host));
    assert_eq!(wrong(&host.writer()), (0, 0));
}

/// Sets another PIN for the user.
fn new_pin(host: &Host) -> EntryChange {
    let mut entry = entry(true);
    entry.user = Some(Pin::wrap(TOKEN, &token_key(), b"654321", [3; 16], &[4; 32]).unwrap());
    let (entry, change) = (entry.encode().unwrap(), [6; 16]);
    EntryChange::new(PutToken { entry, change, ..host.put(Expect::Revision(1), false) })
}

#[test]
fn a_clock_is_accepted_though_another_writer_is_faster() {
    let host = Host::new();
    let mut faster = host.other().writer();
    let mut writer = host.overtaken_by(move || {
        faster.drive(&mut commit(rewrite(Expect::Revision(1), 900))).unwrap();
    });
    host.clock.set(NOW - 1000);
    assert_eq!(writer.store.now(), NOW);
    writer.accept_clock().unwrap();
    assert_eq!((writer.store.now(), host.writer().store.now()), (NOW - 1000, NOW - 1000));
}
