//! The heartbeat of hosts that share a store in memory.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::FixedClock;
use crate::store::{Cells, Memory, Store};
use std::path::Path;

const HOST: Id = Id::new([3; 16]);
const GRACE: Duration = Duration::from_secs(60);

/// A host with a directory of its own, on a store that others share.
struct Host {
    directory: tempfile::TempDir,
    memory: Memory,
    clock: Arc<FixedClock>,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Cells::make(directory.path()).unwrap();
        Self { directory, memory: Memory::default(), clock: Arc::new(FixedClock::at(1000)) }
    }

    fn open_in(&self, directory: &Path) -> Arc<OpenStore> {
        let (records, clock) = (Box::new(self.memory.clone()), Arc::clone(&self.clock));
        Arc::new(OpenStore::open_as(HOST, directory, records, clock).unwrap())
    }

    fn open(&self) -> Arc<OpenStore> {
        self.open_in(self.directory.path())
    }
}

fn begin(store: &Arc<OpenStore>) -> Result<Heartbeat> {
    Heartbeat::begin(store, HOST, GRACE)
}

fn assert_strange(error: &Error) {
    assert_eq!(error.reason(), Reason::StoreDamaged);
    assert!(error.to_string().contains("is not one that it has sent"), "{error}");
}

#[test]
fn what_is_known_holds_for_the_grace_after_a_heartbeat_and_not_before_the_first() {
    let host = Host::new();
    let store = host.open();
    host.clock.pass(1);
    assert_eq!(store.check_known().unwrap_err().reason(), Reason::StoreUnavailable);
    let mut heartbeat = begin(&store).unwrap();
    heartbeat.beat().unwrap();
    host.clock.pass(59);
    store.check_known().unwrap();
    host.clock.pass(1);
    let error = store.check_known().unwrap_err();
    assert!(error.to_string().contains("`offline_grace` is over"), "{error}");
    heartbeat.beat().unwrap();
    store.check_known().unwrap();
}

/// Sequence "the same name": a copy of the host, and a store that was set back and has gone on since.
#[test]
fn a_heartbeat_that_another_has_sent_ends_the_host() {
    let host = Host::new();
    let store = host.open();
    let mut heartbeat = begin(&store).unwrap();
    heartbeat.beat().unwrap();
    let earlier = host.memory.get(&keyspace::heartbeat(HOST)).unwrap();
    heartbeat.beat().unwrap();
    heartbeat.beat().unwrap();
    let set_back = |row: Option<Vec<u8>>| {
        let writes = vec![(keyspace::heartbeat(HOST), row)];
        host.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    };
    let latest = host.memory.get(&keyspace::heartbeat(HOST)).unwrap();
    for row in [earlier, None] {
        set_back(row);
        assert_strange(&heartbeat.beat().unwrap_err());
        assert_strange(&begin(&store).err().unwrap());
    }
    set_back(latest);
    heartbeat.beat().unwrap();
    // A copy of the directory, made while the host was down, and used where the host goes on.
    let copy = tempfile::tempdir().unwrap();
    for name in ["slots", "heartbeat"] {
        std::fs::copy(host.directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let clone = host.open_in(copy.path());
    let mut cloned = begin(&clone).unwrap();
    cloned.beat().unwrap();
    assert_strange(&heartbeat.beat().unwrap_err());
    assert_strange(&begin(&store).err().unwrap());
    cloned.beat().unwrap();
}

#[test]
fn an_agent_that_starts_again_goes_on_from_the_row_that_the_one_before_sent() {
    let host = Host::new();
    for beats in [3, 0, 1, 2] {
        let store = host.open();
        let mut heartbeat = begin(&store).unwrap();
        (0..beats).for_each(|_| heartbeat.beat().unwrap());
    }
}
