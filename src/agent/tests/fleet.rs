//! Several agents of one store, each with a directory of its own: on rows in memory that they share, and on a real etcd.

use super::{START, TOKEN, entry, object, random};
use crate::agent::access::Access;
use crate::agent::audit::{self, Claimed};
use crate::agent::commit::Commit;
use crate::agent::keyspace;
use crate::agent::open_store::OpenStore;
use crate::agent::rows::{self, PinRow};
use crate::agent::token_entry::{By, EntryChange, PutToken};
use crate::agent::writer::Writer;
use crate::clock::FixedClock;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::store::{Batch, Cells, CommitNumber, Condition, Memory, Store};
use crate::tests::{ObservedStore, StoreUse};
use crate::wire::{Change, Expect};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

/// A host of a fleet, and its agent.
struct Host {
    id: Id,
    directory: tempfile::TempDir,
    clock: Arc<FixedClock>,
}

impl Host {
    fn new(number: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        let clock = Arc::new(FixedClock::at(START));
        Self { id: Id::new([number; 16]), directory, clock }
    }

    fn open(&self, records: Box<dyn Store>) -> Arc<OpenStore> {
        let clock = Arc::clone(&self.clock);
        Arc::new(OpenStore::open_as(self.id, self.directory.path(), records, clock).unwrap())
    }

    fn agent(&self, records: Box<dyn Store>) -> (Arc<OpenStore>, Writer) {
        let store = self.open(records);
        let writer = Writer::open(Arc::clone(&store), Arc::default()).unwrap();
        (store, writer)
    }
}

/// Two hosts of one store in memory, which has a token.
fn two() -> (Memory, [Host; 2]) {
    let (memory, hosts) = (Memory::narrow(), [Host::new(0xA), Host::new(0xB)]);
    let (_, mut writer) = hosts[0].agent(Box::new(memory.clone()));
    writer.drive(&mut EntryChange::new(put(Expect::Absent, false))).unwrap();
    writer.sync_and_publish().unwrap();
    (memory, hosts)
}

fn put(expect: Expect, wipe: bool) -> PutToken {
    let by = (expect != Expect::Absent).then_some(By::Officer);
    let entry = entry(true).encode().unwrap();
    PutToken { token: TOKEN, expect, entry, slot: None, by, wipe, change: random() }
}

fn commit(change: [u8; 16], changes: Vec<Change>) -> Commit {
    Commit { token: TOKEN, changes, change, access: Access::User }
}

fn note(number: u8) -> Change {
    object(Id::new([number; 16]), Expect::Absent, &[[9; 16]], b"sealed")
}

#[test]
fn two_agents_that_commit_at_once_lose_nothing_and_each_has_its_audit_log() {
    let (memory, hosts) = two();
    let start = Barrier::new(2);
    let heads = std::thread::scope(|scope| {
        let work = |(at, host): (usize, &'_ Host)| {
            let (store, mut writer) = host.agent(Box::new(memory.clone()));
            start.wait();
            for number in 0..30 {
                let number = 100 * at as u8 + number + 1;
                writer.drive(&mut commit(random(), vec![note(number)])).unwrap();
                writer.note(audit::Fact::of_token(audit::AuditEvent::BackedUp, TOKEN)).unwrap();
            }
            writer.finish_up().unwrap();
            let head = store.records.get(&store.audit_rows().head()).unwrap().unwrap();
            rows::decode::<audit::ChainHead>(&head, "a head").unwrap()
        };
        let work = |it| scope.spawn(move || work(it));
        let threads: Vec<_> = hosts.iter().enumerate().map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (host, head) in hosts.iter().zip(heads) {
        assert!(head.seq >= 30, "{head:?}");
        audit::verify(host.directory.path(), &[Claimed { head, waiting: 0 }]).unwrap();
        let store = host.open(Box::new(memory.clone()));
        let mut records = 0;
        store
            .each_record(TOKEN, |_, _| {
                records += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(records, 60);
    }
    assert_eq!(
        memory.get(&keyspace::meta()).unwrap(),
        None,
        "nobody's clock is taken for the time"
    );
}

#[test]
fn a_change_that_is_asked_for_again_on_another_host_happens_once() {
    let (memory, hosts) = two();
    let [(_, mut one), (other, mut writer)] =
        [0, 1].map(|at: usize| hosts[at].agent(Box::new(memory.clone())));
    let change = random();
    let first = one.drive(&mut commit(change, vec![note(1)])).unwrap();
    assert!(other.is_answered(&change).unwrap());
    assert_eq!(writer.drive(&mut commit(change, vec![note(1)])).unwrap(), first);
    let again = writer.drive(&mut commit(random(), vec![note(1)]));
    assert_eq!(again.unwrap_err().reason(), Reason::Conflict, "another change is judged");
    // The answer makes way after a day, with a later change.
    hosts[1].clock.pass(25 * 3600);
    writer.drive(&mut commit(random(), vec![note(2)])).unwrap();
    assert!(!other.is_answered(&change).unwrap());
}

#[test]
fn what_another_host_commits_moves_the_page_and_is_found() {
    let (memory, hosts) = two();
    let [(_, mut one), (other, _)] =
        [0, 1].map(|at: usize| hosts[at].agent(Box::new(memory.clone())));
    one.drive(&mut commit(random(), vec![note(1)])).unwrap();
    let handed = other.page.handed().try_clone_to_owned().unwrap();
    let page = crate::wire::page::Page::new(hosts[1].directory.path(), &handed).unwrap();
    let id = Id::new([1; 16]);
    drop(other.index().unwrap());
    let before = page.record(id);
    one.drive(&mut commit(random(), vec![super::removal(id, 1)])).unwrap();
    drop(other.index().unwrap());
    assert!(page.record(id) != before);
    assert!(other.find(TOKEN, id).unwrap().is_none());
}

/// Sequence "the wipe's phantom".
#[test]
fn nothing_is_created_on_another_host_while_a_token_is_wiped() {
    let (memory, hosts) = two();
    let (_, mut writer) = hosts[0].agent(Box::new(memory.clone()));
    for number in 0..200 {
        writer.drive(&mut commit(random(), vec![note(number)])).unwrap();
    }
    let (created, other) =
        (Arc::new(AtomicBool::new(false)), hosts[1].agent(Box::new(memory.clone())));
    let after_each = Probe::of(&memory, {
        let (created, other) = (Arc::clone(&created), std::sync::Mutex::new(other));
        move || {
            let mut other = other.lock().unwrap();
            let made = other.1.drive(&mut commit(random(), vec![note(201)]));
            created.fetch_or(made.is_ok(), Ordering::Relaxed);
        }
    });
    let (store, mut wiper) = hosts[0].agent(Box::new(after_each.clone()));
    after_each.armed.store(true, Ordering::Relaxed);
    wiper.drive(&mut EntryChange::new(put(Expect::Revision(1), true))).unwrap();
    assert!(after_each.applied.load(Ordering::Relaxed) > 2, "it goes in pieces");
    let mut left = Vec::new();
    store
        .each_record(TOKEN, |id, _| {
            left.push(id);
            Ok(())
        })
        .unwrap();
    // Only what came once the token was whole again.
    let expected = created.load(Ordering::Relaxed).then_some(Id::new([201; 16]));
    assert_eq!(left, expected.into_iter().collect::<Vec<_>>());
}

/// A store in memory; something happens after each batch, or answers get lost.
#[derive(Clone)]
struct Probe {
    memory: Memory,
    after: Arc<dyn Fn() + Send + Sync>,
    armed: Arc<AtomicBool>,
    loses_answers: Arc<AtomicBool>,
    applied: Arc<std::sync::atomic::AtomicUsize>,
}

impl Probe {
    fn of(memory: &Memory, after: impl Fn() + Send + Sync + 'static) -> Self {
        let (memory, after) = (memory.clone(), Arc::new(after));
        let (armed, loses_answers, applied) = Default::default();
        Self { memory, after, armed, loses_answers, applied }
    }
}

impl ObservedStore for Probe {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, _used: StoreUse) -> Result<()> {
        Ok(())
    }

    fn applied(&self, batch: &Batch) -> Result<CommitNumber> {
        let number = self.memory.apply(batch)?;
        if self.armed.load(Ordering::Relaxed) {
            self.applied.fetch_add(1, Ordering::Relaxed);
            (self.after)();
        }
        match self.loses_answers.load(Ordering::Relaxed) {
            true => Err(Reason::StoreUnavailable.detail("no answer in time")),
            false => Ok(number),
        }
    }
}

#[test]
fn ten_wrong_pins_in_all_lock_a_token_and_five_of_one_host() {
    let (memory, hosts) = two();
    let stores = [0, 1].map(|at: usize| hosts[at].open(Box::new(memory.clone())));
    let tries = |at: usize, count: usize| -> Vec<u8> {
        (0..count).map(|_| stores[at].count_try(TOKEN, false).unwrap()).collect()
    };
    assert_eq!(tries(0, 6), [6, 7, 8, 9, 10, 11], "five in a row from one host");
    assert_eq!(stores[0].wrong_pins(TOKEN).unwrap(), (0, 11), "locked there");
    assert_eq!(stores[1].wrong_pins(TOKEN).unwrap(), (0, 6));
    assert_eq!(tries(1, 2), [7, 8]);
    stores[1].reset_tries(TOKEN, false).unwrap();
    assert_eq!(tries(0, 4), [6, 7, 8, 9]);
    assert_eq!(tries(1, 5), [6, 7, 8, 9, 10]);
    assert_eq!(stores[0].wrong_pins(TOKEN).unwrap(), (0, 9));
    // The cells of both keep the highest count that was seen.
    for store in &stores {
        drop(store.index().unwrap());
        assert_eq!(store.cells.pins.of(TOKEN).unwrap().1, (0, 9));
    }
    let locked = stores[0].count_try(TOKEN, true).unwrap();
    assert_eq!(locked, 6, "the officer's PIN has a count of its own");
}

/// Sequence "the lost count".
#[test]
fn a_try_whose_count_is_lost_is_counted_and_a_late_reset_takes_nothing_back() {
    let (memory, hosts) = two();
    let probe = Probe::of(&memory, || ());
    let store = hosts[0].open(Box::new(probe.clone()));
    probe.loses_answers.store(true, Ordering::Relaxed);
    let refused = store.count_try(TOKEN, false).unwrap_err();
    assert_eq!(refused.reason(), Reason::StoreUnavailable, "it is not compared");
    probe.loses_answers.store(false, Ordering::Relaxed);
    assert_eq!(store.count_try(TOKEN, false).unwrap(), 7);
    // A reset that was sent after the second try comes after the third.
    let key = keyspace::pins(TOKEN);
    let before = memory.get(&key).unwrap().unwrap();
    let mut row = PinRow::read(Some(&before)).unwrap();
    row.user = rows::WrongPins::begin_again();
    let late = Batch {
        conditions: vec![Condition::Equals(key.clone(), before)],
        writes: vec![(key, Some(rows::encode(&row).unwrap()))],
    };
    assert_eq!(store.count_try(TOKEN, false).unwrap(), 8);
    assert_eq!(memory.apply(&late).unwrap_err().reason(), Reason::Conflict);
    assert_eq!(store.count_try(TOKEN, false).unwrap(), 9);
}

#[test]
fn a_token_of_another_host_is_there_with_its_slot_and_gone_with_it() {
    let (memory, hosts) = two();
    let other = hosts[1].open(Box::new(memory.clone()));
    let slot = other.tokens().unwrap()[0].1.slot;
    assert_eq!(other.cells.pins.of(TOKEN).unwrap(), (slot, (0, 0)));
    let (_, mut writer) = hosts[0].agent(Box::new(memory.clone()));
    writer.drive(&mut crate::agent::destroy::DestroyToken::new(TOKEN, random())).unwrap();
    writer.sync_and_publish().unwrap();
    drop(other.index().unwrap());
    assert!(other.cells.pins.of(TOKEN).is_err());
    assert_eq!(memory.get(&keyspace::pins(TOKEN)).unwrap(), None);
    // The slot is free for the next token of either.
    let (_, mut writer) = hosts[1].agent(Box::new(memory.clone()));
    let next = PutToken { token: Id::new([2; 16]), ..put(Expect::Absent, false) };
    writer.drive(&mut EntryChange::new(next)).unwrap();
    drop(hosts[0].open(Box::new(memory)));
}

/// Sequence "the wrong survivor".
#[test]
fn a_host_whose_clock_is_a_year_ahead_and_that_is_left_alone_erases_nothing() {
    const YEAR: u64 = 365 * 24 * 3600;
    let (memory, hosts) = two();
    let third = Host::new(0xC);
    let beat = |host: &Host, count: u64| {
        let row = rows::HeartbeatRow {
            agent: [1; 16],
            count,
            clock: START + count,
            applied: 0,
            version: String::new(),
            extras: Vec::new(),
        };
        let writes = vec![(keyspace::heartbeat(host.id), Some(rows::encode(&row).unwrap()))];
        memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    };
    let store = hosts[0].open(Box::new(memory.clone()));
    for count in 0..2 {
        beat(&hosts[1], count);
        beat(&third, count);
        store.hear_hosts().unwrap();
    }
    hosts[0].clock.set(START + YEAR);
    assert_eq!(store.end_time().unwrap(), START + 1, "the others are heard");
    assert_eq!(store.now(), START + YEAR, "for itself it is unusable at once");
    hosts[0].clock.pass(20);
    let alone = store.end_time().unwrap();
    assert_eq!(alone, START + YEAR + 20 - 24 * 3600, "nobody else is: a day longer");
    assert!(store.troubles.all().iter().any(|(_, why)| why.contains("silent")));
}

#[cfg(feature = "etcd")]
#[test]
fn a_change_on_one_host_is_seen_on_another_within_a_second_by_a_real_etcd() {
    use crate::agent::heartbeat::Keeper;
    use std::time::{Duration, Instant};
    let Some(fleet) = crate::store::etcd::tests::Fleet::new("two agents on etcd") else { return };
    let hosts = [Host::new(0xA), Host::new(0xB)];
    let [(one, mut writer), (other, _)] = [(0, "a"), (1, "b")]
        .map(|(at, name): (usize, &str)| hosts[at].agent(Box::new(fleet.open(name))));
    let grace = Duration::from_secs(60);
    let _hearts = [&one, &other].map(|store| Keeper::begin(store, grace).unwrap().unwrap());
    writer.drive(&mut EntryChange::new(put(Expect::Absent, false))).unwrap();
    let (logins, mut slowest) = (other.logins().unwrap(), Duration::ZERO);
    let handed = other.page.handed().try_clone_to_owned().unwrap();
    let page = crate::wire::page::Page::new(hosts[1].directory.path(), &handed).unwrap();
    for number in 1..=20 {
        let id = Id::new([number; 16]);
        let before = page.record(id);
        writer.drive(&mut commit(random(), vec![note(number)])).unwrap();
        // Sequence "the missing key of one's own": it is answered once the own mirror has it.
        assert!(one.find(TOKEN, id).unwrap().is_some());
        let answered = Instant::now();
        while page.record(id) == before {
            assert!(answered.elapsed() < Duration::from_secs(10), "note {number} is not seen");
            std::thread::yield_now();
        }
        slowest = slowest.max(answered.elapsed());
        assert!(other.find(TOKEN, id).unwrap().is_some());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    writer.drive(&mut EntryChange::new(put(Expect::Revision(1), true))).unwrap();
    assert!(other.logins().unwrap() > logins);
    assert!(hosts.iter().zip([&one, &other]).all(|(_, store)| store.check_known().is_ok()));
}
