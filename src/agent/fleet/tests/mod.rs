//! The sequences of events that a fleet must survive, on several hosts over one store; and what an attacker finds who has
//! every row that ever was, and every file of the hosts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::batch::{batch_of, cell};
use super::envelope::EnvelopeRow;
use super::fleet_key::{self, FleetKey};
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::joining::{Joiner, found, list_by, take_first_key};
use super::status::ErasureProgress;
use super::*;
use crate::agent::access::Access;
use crate::agent::commit::Commit;
use crate::agent::keyspace;
use crate::agent::open_store::OpenStore;
use crate::agent::rows::{self, RecordRow};
use crate::agent::shred_layer::{self, Binding};
use crate::agent::sweep::next_due;
use crate::agent::tests::entry;
use crate::agent::token_entry::{EntryChange, PutToken};
use crate::agent::writer::Writer;
use crate::clock::FixedClock;
use crate::erasure::{Erasure, ErasureStatus};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Header, Role, Tag};
use crate::lc::hpke;
use crate::store::cells::{CellNumber, CellSecret, EraseCell};
use crate::store::{Batch, Cells, CommitNumber, Memory, Pair, Store, StoreIdentity};
use crate::tests::{ObservedStore, StoreUse};
use crate::wire::{Change, Expect};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod crashes;
mod invitations;
mod membership;
mod sequences;

const TOKEN: Id = Id::new([1; 16]);
const FLEET: Id = Id::new([5; 16]);
const NOW: u64 = 1_800_000_000;
const SEALED: &[u8] = b"what the PIN opens";

/// Every row that was ever written, as etcd's log and its backups have it.
type History = Arc<Mutex<Vec<Pair>>>;

/// A store of which everything is recorded, and which fails a host that has used it so often, but for single rows.
#[derive(Clone)]
struct Recorded {
    memory: Memory,
    history: History,
    /// The uses that are left to the host before it crashes.
    left: Arc<AtomicU64>,
}

impl ObservedStore for Recorded {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn before(&self, used: StoreUse) -> Result<()> {
        if used == StoreUse::Get {
            // Of these there are many, and nothing durable comes between them.
            return Ok(());
        }
        let next = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(_) => Err(Reason::AgentLost.into()),
        }
    }

    fn applied(&self, batch: &Batch) -> Result<CommitNumber> {
        let number = self.memory.apply(batch)?;
        let written = batch.writes.iter().cloned().filter_map(|(key, row)| Some((key, row?)));
        self.history.lock().unwrap().extend(written);
        Ok(number)
    }
}

/// A host with its directory and its agent.
struct Host {
    directory: TempDir,
    name: String,
    clock: Arc<FixedClock>,
    store: Recorded,
    writer: Option<Writer>,
}

impl Host {
    /// A host that does not belong to the fleet yet.
    fn new(number: u8, memory: &Memory, history: &History) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let identity = StoreIdentity { store: FLEET, incarnation: 1 };
        let key = fleet_key::random_secret().unwrap();
        Cells::make_for_fleet(directory.path(), identity, Id::new([number; 16]), (1, key)).unwrap();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let store = Recorded { memory: memory.clone(), history: Arc::clone(history), left };
        let clock = Arc::new(FixedClock::at(NOW));
        let mut host = Self { directory, name: format!("h{number}"), clock, store, writer: None };
        host.start();
        host
    }

    /// The same host, whose agent opens that store.
    fn opening(mut self, store: Box<dyn Store>) -> Self {
        self.writer = None;
        self.open_agent(store);
        self
    }

    /// Starts the agent anew, as after a crash.
    fn start(&mut self) {
        self.writer = None;
        self.store.left.store(u64::MAX, Ordering::Relaxed);
        self.open_agent(Box::new(self.store.clone()));
    }

    fn open_agent(&mut self, store: Box<dyn Store>) {
        let store = OpenStore::open(self.directory.path(), store, Arc::clone(&self.clock) as _);
        self.writer = Some(Writer::open(Arc::new(store.unwrap()), Arc::default()).unwrap());
    }

    /// Has the agent crash once it has used the store so often; true if that came.
    fn work_and_crash_after(&mut self, uses: u64) -> bool {
        self.store.left.store(uses, Ordering::Relaxed);
        let crashed = self.try_work().is_err();
        self.start();
        crashed
    }

    fn open(&self) -> &OpenStore {
        &self.writer.as_ref().unwrap().store
    }

    fn fleet(&self) -> &Fleet {
        self.open().fleet().unwrap()
    }

    fn id(&self) -> Id {
        self.open().fleet_cells().unwrap().host()
    }

    /// Lists a host, which takes the fleet key.
    fn list(&self, joining: &Self) {
        let joiner = Joiner::of(joining.open(), &joining.name).unwrap();
        list(self.open(), &joiner, &introduction()).unwrap();
        joining.come_to(self.open().rows().number().unwrap());
        take_first_key(joining.open(), &introduction()).unwrap();
    }

    /// Waits until this host has been told of a commit.
    fn come_to(&self, number: CommitNumber) {
        let began = Instant::now();
        while self.open().rows().number().unwrap() < number {
            assert!(began.elapsed() < Duration::from_secs(30), "commit {number} is not seen");
            std::thread::yield_now();
        }
    }

    fn check_enrolled(&self) {
        let (list, _) = HostsRow::read(self.open().rows(), &key_of(self.open()).unwrap()).unwrap();
        list.check_enrolled(self.id()).unwrap();
    }

    fn try_work(&self) -> Result<CommitNumber> {
        self.fleet().work_off(self.open())
    }

    fn work(&self) {
        self.try_work().unwrap();
    }

    fn try_commit(&mut self, change: Change) -> Result<()> {
        let mut name = [0; 16];
        aws_lc_rs::rand::fill(&mut name).unwrap();
        let changes = vec![change];
        let mut commit = Commit { token: TOKEN, changes, change: name, access: Access::User };
        let writer = self.writer.as_mut().unwrap();
        writer.drive(&mut commit)?;
        writer.sync_and_publish()
    }

    /// Commits a change, however often other hosts are faster.
    fn commit_at_last(&mut self, change: Change) {
        loop {
            match self.try_commit(change.clone()) {
                Err(error) if error.reason() == Reason::Conflict => {}
                committed => return committed.unwrap(),
            }
        }
    }

    fn make(&mut self, key: u8) {
        self.try_commit(made(key)).unwrap();
    }

    fn remove(&mut self, key: u8) {
        self.try_commit(removed(key)).unwrap();
    }

    /// Returns the sealed part of a key as a client gets it.
    fn try_read(&self, key: u8) -> Result<Option<(Erasure, Vec<u8>)>> {
        let Some(found) = self.open().find(TOKEN, Id::new([key; 16]))? else { return Ok(None) };
        let stored = self.open().hand_out(TOKEN, found)?;
        Ok(Some((stored.erasure, stored.sealed)))
    }

    fn has(&self, key: u8) -> bool {
        match self.try_read(key).unwrap() {
            Some(read) => read == (Erasure::Live, SEALED.to_vec()),
            None => false,
        }
    }

    fn cell_of(&self, key: u8) -> CellNumber {
        self.open().find(TOKEN, Id::new([key; 16])).unwrap().unwrap().row.cell.unwrap()
    }

    fn progress(&self) -> ErasureProgress {
        ErasureProgress::read(self.open().rows(), &key_of(self.open()).unwrap()).unwrap()
    }

    /// Returns the status of the erasure of a cell's secret.
    fn status(&self, cell: CellNumber) -> String {
        self.open().followed().unwrap();
        self.progress().of(cell, self.fleet().noted.ends()[&cell]).to_string()
    }

    /// Returns the cells of the file that begin like this: their secrets.
    fn secrets_in_file(&self, kind: u8) -> Vec<CellSecret> {
        let file = std::fs::read(self.directory.path().join("slots")).unwrap();
        let live = file.chunks_exact(64).filter(|cell| cell.starts_with(&[kind, 1]));
        live.map(|cell| secret(&cell[16..48])).collect()
    }
}

/// Lists a host that joins.
fn list(host: &OpenStore, joiner: &Joiner, introduction: &FleetKey) -> Result<()> {
    list_by(host, joiner, introduction, &[])
}

/// The key that a code would give to both sides.
fn introduction() -> FleetKey {
    FleetKey::new(FLEET, 0, secret(&[0x1C; 32]))
}

fn secret(bytes: &[u8]) -> CellSecret {
    let mut secret = CellSecret::default();
    secret.copy_from_slice(bytes);
    secret
}

fn made(key: u8) -> Change {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![Tag([2; 16])] };
    let put = Some((header.encode().unwrap(), SEALED.to_vec()));
    Change { id: Id::new([key; 16]), expect: Expect::Absent, event: vec![], put, alias: None }
}

fn removed(key: u8) -> Change {
    Change { expect: Expect::Revision(1), put: None, ..made(key) }
}

/// A fleet of enrolled hosts with a token.
struct World {
    hosts: Vec<Host>,
    memory: Memory,
    history: History,
}

impl World {
    fn of(count: u8) -> Self {
        let (memory, history) = (Memory::narrow(), History::default());
        let first = Host::new(1, &memory, &history);
        let mut world = Self::founded_by(first, memory, history);
        (2..=count).for_each(|number| world.join(world.host(number)));
        world
    }

    fn founded_by(mut first: Host, memory: Memory, history: History) -> Self {
        found(first.open(), &first.name).unwrap();
        let put = PutToken {
            token: TOKEN,
            expect: Expect::Absent,
            entry: entry(true).encode().unwrap(),
            slot: None,
            by: None,
            wipe: false,
            change: [7; 16],
        };
        first.writer.as_mut().unwrap().drive(&mut EntryChange::new(put)).unwrap();
        first.work();
        Self { hosts: vec![first], memory, history }
    }

    fn host(&self, number: u8) -> Host {
        Host::new(number, &self.memory, &self.history)
    }

    /// Has a new host join.
    fn join(&mut self, host: Host) {
        self.hosts[0].list(&host);
        self.hosts.push(host);
        self.settle();
        self.hosts.last().unwrap().check_enrolled();
    }

    /// Has all hosts work until nothing is left to be done.
    fn settle(&self) {
        loop {
            let before = self.number();
            self.hosts.iter().for_each(Host::work);
            if self.number() == before {
                return;
            }
        }
    }

    /// Returns the number of the last commit, which each host has come to.
    fn number(&self) -> CommitNumber {
        let numbers = self.hosts.iter().map(|host| host.open().rows().number().unwrap());
        let last = numbers.max().unwrap();
        self.hosts.iter().for_each(|host| host.come_to(last));
        last
    }

    /// Returns whether the material of a key is found by an attacker who has all rows that ever were, the files of all
    /// hosts, and the PIN.
    fn is_recoverable(&self, key: u8) -> bool {
        self.is_recoverable_by(key, &self.hosts.iter().collect::<Vec<_>>())
    }

    /// Returns the number of files, of all hosts, in which these bytes stand.
    fn files_with(&self, secret: &CellSecret) -> usize {
        let mut folders: Vec<_> =
            self.hosts.iter().map(|host| host.directory.path().to_owned()).collect();
        let mut count = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    count += usize::from(bytes.windows(32).any(|part| *part == secret[..]));
                }
            }
        }
        count
    }

    fn is_recoverable_by(&self, key: u8, hosts: &[&Host]) -> bool {
        let history = self.history.lock().unwrap();
        let of_hosts =
            |kind| hosts.iter().flat_map(move |host| host.secrets_in_file(kind)).collect();
        let (mut secrets, privates): (Vec<CellSecret>, Vec<CellSecret>) =
            (of_hosts(7), of_hosts(9));
        for (at, row) in history.iter() {
            let Some((receiver, batch)) = keys::envelope_of(at) else { continue };
            let fields = &row[5..row.len() - 32];
            let envelope: EnvelopeRow = postcard::from_bytes(fields).unwrap();
            let way = envelope.way(FLEET, receiver);
            for private in &privates {
                let opened = envelope.open_secrets(&way, batch, private).unwrap_or_default();
                secrets.extend(opened.into_iter().map(|(_, secret)| secret));
            }
        }
        let id = Id::new([key; 16]);
        let at = keyspace::record(TOKEN, id);
        let rows = history.iter().filter(|(key, _)| *key == at);
        let rows: Vec<RecordRow> =
            rows.filter_map(|(_, row)| rows::decode(row, "it").ok()).collect();
        assert!(!rows.is_empty(), "there was such a key");
        rows.iter().any(|row| {
            let binding = Binding { token: TOKEN, id, revision: row.revision };
            let decrypted =
                |secret: &CellSecret| shred_layer::decrypt(secret, binding, &row.sealed);
            secrets.iter().any(|secret| decrypted(secret).is_ok_and(|plain| plain == SEALED))
        })
    }
}

#[test]
fn a_key_made_on_one_host_is_used_on_the_others_and_erased_on_all() {
    let mut world = World::of(3);
    world.hosts[0].make(1);
    // On demand: no host has worked since.
    assert!(world.hosts.iter().all(|host| host.has(1)));
    assert!(world.is_recoverable(1), "the control: the attacker finds it before it is erased");
    let cell = world.hosts[1].cell_of(1);
    let EraseCell::Secret(secret) = world.hosts[1].open().erase_cell(cell).unwrap() else {
        panic!("it lives")
    };
    let private = world.hosts[1].secrets_in_file(9).remove(0);
    assert_eq!(world.files_with(&secret), 3, "the control: each host has it in its cells");
    assert_eq!(world.files_with(&private), 1);
    world.hosts[1].remove(1);
    assert!(!world.hosts.iter().any(|host| host.has(1)));
    assert_eq!(world.hosts[0].status(cell), "erasing, 0 of 3");
    assert!(world.is_recoverable(1), "the other hosts have not overwritten theirs");
    world.settle();
    assert_eq!(world.hosts[0].status(cell), "erased");
    assert!(!world.is_recoverable(1));
    assert_eq!(world.files_with(&secret) + world.files_with(&private), 0);
}

#[test]
fn each_secret_is_claimed_once_and_by_its_maker_only() {
    let mut world = World::of(2);
    for key in 1..=20 {
        world.hosts[usize::from(key % 2)].make(key);
    }
    let cells: Vec<_> = (1..=20).map(|key| world.hosts[0].cell_of(key)).collect();
    assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), 20);
    let batches = |parity: usize| -> HashSet<_> {
        cells.iter().skip(parity).step_by(2).map(|cell| batch_of(*cell)).collect()
    };
    assert!(batches(0).is_disjoint(&batches(1)));
}

#[test]
fn a_batch_that_is_used_up_is_followed_by_another_and_its_rest_is_overwritten() {
    let mut world = World::of(2);
    let before = world.hosts[1].open().cells.erase.numbers().len();
    world.hosts[0].make(1);
    let first = world.hosts[0].cell_of(1);
    // A conflict has a claim come to nothing.
    assert!(world.hosts[0].try_commit(made(1)).is_err());
    for _ in 0..300 {
        world.hosts[0].fleet().take(world.hosts[0].open()).unwrap();
    }
    world.hosts[0].make(2);
    assert_ne!(batch_of(world.hosts[0].cell_of(2)), batch_of(first));
    world.settle();
    for host in &world.hosts {
        assert!(host.has(1) && host.has(2));
        let of_first = |cell: &CellNumber| batch_of(*cell) == batch_of(first);
        let kept: Vec<_> = host.open().cells.erase.numbers().into_iter().filter(of_first).collect();
        assert_eq!(kept, [first], "what no record has claimed of it is overwritten");
    }
    assert!(before <= 256);
}

#[test]
fn after_a_start_unclaimed_secrets_are_given_up_on_every_host() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let claimed = world.hosts[0].cell_of(1);
    world.hosts[1].work();
    let unclaimed = cell(batch_of(claimed), 200);
    assert!(world.hosts.iter().all(|host| host.open().cells.erase.has(unclaimed)));
    world.hosts[0].start();
    world.settle();
    for host in &world.hosts {
        assert!(host.has(1) && !host.open().cells.erase.has(unclaimed));
    }
    world.hosts[0].make(2);
    assert_ne!(batch_of(world.hosts[0].cell_of(2)), batch_of(claimed));
}

#[test]
fn a_host_has_work_once_another_has_erased_and_tries_again_what_has_failed() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let host = &world.hosts[1];
    while next_due(host.open(), 0).unwrap().is_some() {
        host.open().prepare().unwrap();
    }
    let cell = host.cell_of(1);
    world.hosts[0].remove(1);
    let host = &world.hosts[1];
    assert_eq!(next_due(host.open(), 0).unwrap(), Some(NOW));
    host.store.left.store(0, Ordering::Relaxed);
    assert!(host.open().prepare().is_err());
    host.store.left.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(next_due(host.open(), 0).unwrap(), Some(NOW + 5));
    host.open().prepare().unwrap();
    assert!(host.open().cells.erase.has(cell), "not before its time");
    host.clock.set(NOW + 5);
    host.open().prepare().unwrap();
    assert!(!host.open().cells.erase.has(cell));
}

/// Three hosts make keys, remove them and do their work in the fleet, all at once.
#[test]
fn hosts_that_work_at_once_lose_no_key_and_revive_none() {
    let mut world = World::of(3);
    std::thread::scope(|threads| {
        for (number, host) in (0u8..).zip(&mut world.hosts) {
            threads.spawn(move || {
                for key in number * 20..number * 20 + 20 {
                    host.commit_at_last(made(key));
                    if key % 2 == 0 {
                        host.commit_at_last(removed(key));
                    }
                    match host.try_work() {
                        Err(error) if error.reason() == Reason::Conflict => {}
                        worked => drop(worked.unwrap()),
                    }
                }
            });
        }
    });
    world.settle();
    for key in 0..60 {
        let lives = key % 2 == 1;
        assert!(world.hosts.iter().all(|host| host.has(key) == lives), "key {key}");
        assert_eq!(world.is_recoverable(key), lives, "key {key}");
    }
    let ends = world.hosts[0].fleet().noted.ends();
    assert_eq!(ends.len(), 30);
    assert!(ends.keys().all(|cell| world.hosts[0].status(*cell) == "erased"));
}

/// The same on a real etcd, where each host reads a mirror of its own.
#[cfg(feature = "etcd")]
#[test]
fn in_etcd_a_key_is_used_on_every_host_and_erased_on_all() {
    let Some(etcd) = crate::store::etcd::tests::Fleet::of_contract() else { return };
    let (memory, history) = (Memory::narrow(), History::default());
    let host = |number: u8| {
        let store = Box::new(etcd.open(&format!("h{number}")));
        Host::new(number, &memory, &history).opening(store)
    };
    let mut world = World::founded_by(host(1), memory.clone(), Arc::clone(&history));
    (2..=3).for_each(|number| {
        let joining = host(number);
        world.hosts[0].come_to(joining.open().rows().number().unwrap());
        world.join(joining);
    });
    world.hosts[0].make(1);
    world.hosts[1].make(2);
    world.number();
    assert!(world.hosts.iter().all(|host| host.has(1) && host.has(2)));
    let (cell, secrets) = (world.hosts[2].cell_of(1), world.hosts[2].secrets_in_file(7).len());
    world.hosts[2].remove(1);
    world.number();
    assert_eq!(world.hosts[0].status(cell), "erasing, 0 of 3");
    world.settle();
    assert_eq!(world.hosts[0].status(cell), "erased");
    assert!(world.hosts.iter().all(|host| !host.open().cells.erase.has(cell) && host.has(2)));
    assert_eq!(world.hosts[2].secrets_in_file(7).len(), secrets - 1);
}
