//! Stores in a real etcd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]
// Test programs share the rig, and each uses its part.
#![allow(dead_code)]

#[path = "../../../../tests/rig/certificates.rs"]
mod certificates;
#[path = "../../../../tests/rig/etcd.rs"]
mod member;
mod outcomes;
#[path = "../../../../tests/rig/proxy.rs"]
mod proxy;
mod refusals;
#[path = "../../../../tests/rig/skip.rs"]
mod skip;
mod watching;

use super::etcd_store::Etcd;
use super::open;
use crate::config::{FleetLocation, TlsFiles};
use crate::error::Result;
use crate::id::Id;
use crate::store::{Acknowledged, Batch, Condition, Store, StoreIdentity};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A fleet of hosts, each with a directory of its own, on one etcd.
pub(crate) struct Fleet {
    server: Arc<member::Etcd>,
    prefix: String,
    identity: StoreIdentity,
    hosts: tempfile::TempDir,
}

/// The etcd that tests share which run at the same time, and leave it as it is.
static SHARED: Mutex<Weak<member::Etcd>> = Mutex::new(Weak::new());

impl Fleet {
    /// Makes a fleet for the suite that every store passes, of which all but etcd's part goes on where there is no etcd.
    pub(crate) fn of_contract() -> Option<Self> {
        static IS_HERE: OnceLock<bool> = OnceLock::new();
        let test = "what a store promises, in etcd";
        IS_HERE.get_or_init(|| skip::has_all(test, &[member::ETCD])).then(Self::shared)
    }

    /// Makes a fleet on the etcd that tests share; none where the test must be skipped, as there is no etcd.
    pub(crate) fn new(test: &str) -> Option<Self> {
        skip::has_all(test, &[member::ETCD, "etcdctl"]).then(Self::shared)
    }

    fn shared() -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| Arc::new(member::Etcd::start()));
        *shared = Arc::downgrade(&server);
        Self::on(server)
    }

    /// Makes a fleet on an etcd of its own.
    fn alone(test: &str) -> Option<Self> {
        let is_here = skip::has_all(test, &[member::ETCD, "etcdctl"]);
        is_here.then(|| Self::on(Arc::new(member::Etcd::start())))
    }

    fn on(server: Arc<member::Etcd>) -> Self {
        let name = uuid::Uuid::new_v4();
        let identity = StoreIdentity { store: Id::new(name.into_bytes()), incarnation: 1 };
        Self {
            server,
            prefix: format!("keystead/{name}"),
            identity,
            hosts: tempfile::tempdir().unwrap(),
        }
    }

    /// Opens the store on a host.
    pub(crate) fn open(&self, host: &str) -> Etcd {
        self.try_open(host, &[self.server.address()]).unwrap()
    }

    /// The same, by these addresses of etcd's members.
    fn try_open(&self, host: &str, members: &[String]) -> Result<Etcd> {
        let url = format!("etcd://{}/{}", members.join(","), self.prefix);
        self.open_at(host, &url, None)
    }

    /// Opens the store on a host, by that URL and these files of a TLS client.
    fn open_at(&self, host: &str, url: &str, tls: Option<TlsFiles>) -> Result<Etcd> {
        open(&self.place_at(host, url, tls), &self.acknowledged())
    }

    /// Returns the place of the records for a host.
    fn place(&self, host: &str) -> FleetLocation {
        self.place_at(host, &format!("etcd://{}/{}", self.server.address(), self.prefix), None)
    }

    fn place_at(&self, host: &str, url: &str, tls: Option<TlsFiles>) -> FleetLocation {
        let directory = self.directory(host);
        std::fs::create_dir_all(&directory).unwrap();
        FleetLocation::parse(url).unwrap().on_host(directory, tls).unwrap()
    }

    fn acknowledged(&self) -> Acknowledged {
        Acknowledged { identity: self.identity, number: 0, is_new: true }
    }

    /// Returns the directory of a host.
    fn directory(&self, host: &str) -> std::path::PathBuf {
        self.hosts.path().join(host)
    }

    /// Returns a key in etcd, as `etcdctl` takes it.
    fn key(&self, rest: &str) -> String {
        format!("/{}\0{rest}", self.prefix)
    }
}

/// Waits until an opening has come to a commit.
fn wait_for(store: &dyn Store, number: u64) {
    let began = Instant::now();
    while store.number().unwrap() < number {
        assert!(began.elapsed() < Duration::from_secs(30), "commit {number} is not seen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn put(key: &str, value: &str) -> Batch {
    let writes = vec![(key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))];
    Batch { conditions: Vec::new(), writes }
}

fn only_first(key: &str, value: &str) -> Batch {
    Batch { conditions: vec![Condition::Absent(key.as_bytes().to_vec())], ..put(key, value) }
}

fn value(store: &dyn Store, key: &str) -> Option<String> {
    let value = store.get(key.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn a_commit_writes_its_rows_its_lane_and_tick() {
    let Some(fleet) = Fleet::new("the rows of a commit") else { return };
    let store = fleet.open("a");
    let number = store.apply(&put("k", "v")).unwrap();
    // Keys and values that end in a zero byte are printed as they are.
    let listed =
        fleet.server.control(&["get", "--prefix", &format!("/{}", fleet.prefix), "--keys-only"]);
    let kinds = listed.split_inclusive('\n').filter_map(|line| line.split_once('\0'));
    let kinds: Vec<&str> = kinds.filter_map(|(_, rest)| rest.get(..1)).collect();
    assert_eq!(kinds, ["i", "l", "r", "t"], "{listed:?}");
    assert_eq!(store.number().unwrap(), number);
}

#[test]
fn a_host_that_was_away_goes_on_where_it_was() {
    let Some(fleet) = Fleet::new("a host that was away") else { return };
    let (one, other) = (fleet.open("one"), fleet.open("other"));
    one.apply(&put("before", "1")).unwrap();
    drop(other);
    let last = one.apply(&put("meanwhile", "2")).unwrap();
    let other = fleet.open("other");
    assert!(other.number().unwrap() > last, "its lane is one more");
    assert_eq!(value(&other, "before").as_deref(), Some("1"));
    assert_eq!(value(&other, "meanwhile").as_deref(), Some("2"));
}

#[test]
fn of_two_openings_that_race_for_a_row_one_wins() {
    let Some(fleet) = Fleet::new("two openings that race") else { return };
    let hosts = [fleet.open("one"), fleet.open("other")];
    for round in 0..40 {
        let key = format!("round {round}");
        let start = std::sync::Barrier::new(hosts.len());
        let won: Vec<bool> = std::thread::scope(|scope| {
            let race = |(at, host): (usize, &'_ Etcd)| {
                start.wait();
                host.apply(&only_first(&key, &at.to_string())).is_ok()
            };
            let racers: Vec<_> =
                hosts.iter().enumerate().map(|racer| scope.spawn(move || race(racer))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let winner = won.iter().position(|won| *won).expect("one wins");
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
        let expected = Some(winner.to_string());
        // Who wins has seen its own row, and who loses the one that was faster.
        assert!(hosts.iter().all(|host| value(host, &key) == expected), "round {round}");
    }
}

#[test]
fn two_agents_that_call_themselves_one_host_do_not_both_go_on() {
    let Some(fleet) = Fleet::new("two agents of one host") else { return };
    let one = fleet.open("one");
    one.apply(&put("k", "1")).unwrap();
    drop(one);
    copy(&fleet.directory("one"), &fleet.directory("clone"));
    let (one, clone) = (fleet.open("one"), fleet.open("clone"));
    let error = one.apply(&put("k", "2")).unwrap_err();
    assert!(error.to_string().contains("another agent writes to etcd as this host"), "{error}");
    assert!(one.get(b"k").is_err(), "it has failed");
    clone.apply(&put("k", "3")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
