//! The sequences of events that broke an earlier design, by their names.

use super::*;
use crate::agent::fleet::erasure_row::ErasureRow;

#[test]
fn two_erasures_one_disk() {
    let mut world = World::of(3);
    (1..=4).for_each(|key| world.hosts[0].make(key));
    world.settle();
    // The others have published no fresh keys between the two, nor after them.
    world.hosts[0].remove(1);
    world.hosts[0].remove(2);
    let dead = world.hosts.remove(0);
    drop(dead);
    for host in &world.hosts {
        assert!(host.has(3) && host.has(4), "every other key stands");
    }
    world.hosts[0].make(5);
    assert!(world.hosts[1].has(5));
    world.hosts.iter().for_each(Host::work);
    assert!(!world.is_recoverable(1) && !world.is_recoverable(2));
    assert!(world.is_recoverable(3), "the control");
}

#[test]
fn etcd_restored() {
    let mut world = World::of(2);
    (1..=3).for_each(|key| world.hosts[0].make(key));
    let snapshot = world.memory.scan(b"", b"", usize::MAX).unwrap();
    world.settle();
    world.hosts[1].remove(1);
    world.settle();
    assert!(!world.is_recoverable(1));
    // The rows as they were before the erasure, envelopes that wait among them.
    let restored = Memory::narrow();
    let writes: Vec<_> = snapshot.into_iter().map(|(key, row)| (key, Some(row))).collect();
    for some in writes.chunks(100) {
        restored.apply(&Batch { conditions: Vec::new(), writes: some.to_vec() }).unwrap();
    }
    world.memory = restored;
    for host in &mut world.hosts {
        host.store.memory = world.memory.clone();
        host.start();
        // An own row that is not the last one has the agent serve nothing. It is served here, to see what stands in slots.
        assert!(host.has(2) && host.has(3), "what was live stands");
        assert!(!host.try_read(1).is_ok_and(|read| read.unwrap().1 == SEALED));
    }
    assert!(!world.is_recoverable(1));
}

#[test]
fn the_swapped_key() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let (thief, at) = (fleet_key::random_secret().unwrap(), keys::host(world.hosts[1].id()));
    let public_key = hpke::public_key(&**thief).unwrap();
    let key = key_of(world.hosts[0].open()).unwrap();
    let (row, _) = HostRow::read(&world.memory, &key, world.hosts[1].id()).unwrap();
    let own = world.memory.get(&at).unwrap().unwrap();
    let swapped = HostRow { key_number: row.key_number + 1, public_key, ..row.clone() };
    let forger = FleetKey::new(FLEET, key.number(), fleet_key::random_secret().unwrap());
    let mut under_own_mac = forger.sign(&at, &swapped).unwrap();
    let fields = under_own_mac.len() - 32;
    under_own_mac.splice(fields.., own[own.len() - 32..].iter().copied());
    let put = |row: Vec<u8>| {
        let writes = vec![(at.clone(), Some(row))];
        world.memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
    };
    let batches = |world: &World| world.memory.get(keys::BATCH_COUNT).unwrap();
    let before = batches(&world);
    for forged in [forger.sign(&at, &swapped).unwrap(), under_own_mac] {
        put(forged);
        for _ in 0..256 {
            if let Err(error) = world.hosts[0].fleet().take(world.hosts[0].open()) {
                assert_eq!(error.reason(), Reason::StoreDamaged);
                assert!(error.to_string().contains("MAC"), "{error}");
            }
        }
        assert_eq!(batches(&world), before, "nothing was sent");
    }
    // The host's own earlier row is no row of it any more either.
    put(own.clone());
    world.hosts[0].fleet().take(world.hosts[0].open()).unwrap();
    let next = HostRow { key_number: row.key_number + 1, ..row };
    put(key.sign(&at, &next).unwrap());
    for _ in 0..256 {
        world.hosts[0].fleet().take(world.hosts[0].open()).unwrap();
    }
    put(own);
    let mut taken = (0..600).map(|_| world.hosts[0].fleet().take(world.hosts[0].open()));
    let error = taken.find_map(Result::err).unwrap();
    assert!(error.to_string().contains("put back"), "{error}");
}

#[test]
fn erased_says_the_status() {
    let mut world = World::of(3);
    world.hosts[0].make(1);
    world.hosts[0].make(2);
    world.settle();
    let (first, second) = (world.hosts[0].cell_of(1), world.hosts[0].cell_of(2));
    world.hosts[0].remove(1);
    world.hosts[0].work();
    assert_eq!(world.hosts[0].status(first), "erasing, 1 of 3");
    world.hosts[1].work();
    assert_eq!(world.hosts[0].status(first), "erasing, 2 of 3");
    // The third is expelled with its disk before it has erased.
    let expelled = world.hosts.pop().unwrap();
    world.hosts[0].fleet().expel(world.hosts[0].open(), expelled.id()).unwrap();
    assert_eq!(world.hosts[0].status(first), "erased except on h3, expelled");
    assert!(!world.is_recoverable(1), "the hosts that belong to the fleet have erased it");
    assert!(world.is_recoverable_by(1, &[&expelled]), "the disk of the other has it still");
    world.hosts[0].remove(2);
    world.settle();
    assert_eq!(world.hosts[0].status(second), "erased except on h3, expelled");
    // What was made after its expulsion it never had.
    world.hosts[0].make(3);
    let third = world.hosts[0].cell_of(3);
    assert!(world.hosts[1].has(3) && !world.is_recoverable_by(3, &[&expelled]));
    world.hosts[0].remove(3);
    world.settle();
    assert_eq!(world.hosts[0].status(third), "erased");
}

#[test]
fn judged_by_what_is_not_compared() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    world.settle();
    let secret_here = world.hosts[1].cell_of(1);
    // The other host has taken note of nothing: its own cell says that the material lives.
    world.hosts[0].remove(1);
    assert!(world.hosts[1].open().cells.erase.has(secret_here));
    let late = Change { expect: Expect::Revision(1), ..made(1) };
    let error = world.hosts[1].try_commit(late).unwrap_err();
    assert_eq!(error.reason(), Reason::Conflict);
    assert!(world.hosts[1].try_read(1).unwrap().is_none());
    world.hosts[1].work();
    assert!(!world.hosts[1].open().cells.erase.has(secret_here));
}

/// The store of the one machine that a fleet was founded from keeps no secret that is alive in the fleet.
#[test]
fn the_old_directory() {
    let (directory, memory) = (tempfile::tempdir().unwrap(), Memory::narrow());
    Cells::make(directory.path()).unwrap();
    let clock = Arc::new(FixedClock::at(NOW));
    let old = OpenStore::open(directory.path(), Box::new(memory.clone()), clock).unwrap();
    let (header, id) = (made(1).put.unwrap(), Id::new([1; 16]));
    let mut transaction = crate::agent::transaction::Transaction::new(&old);
    let parsed = Header::decode(&header.0).unwrap();
    transaction.put(TOKEN, id, &parsed, header, None).unwrap();
    transaction.apply().unwrap();
    let found = old.find(TOKEN, id).unwrap().unwrap();
    let sealed = old.hand_out(TOKEN, found).unwrap().sealed;
    let mut world = World::of(2);
    let change = Change { put: made(1).put.map(|(header, _)| (header, sealed)), ..made(1) };
    world.hosts[0].try_commit(change).unwrap();
    let row = rows::decode(&memory.get(&keyspace::record(TOKEN, id)).unwrap().unwrap(), "it");
    let row: RecordRow = row.unwrap();
    let binding = Binding { token: TOKEN, id, revision: row.revision };
    let is_in_old_file = || {
        let file = std::fs::read(directory.path().join("slots")).unwrap();
        let secrets = file.chunks_exact(64).map(|cell| secret(&cell[16..48]));
        secrets.into_iter().any(|it| shred_layer::decrypt(&it, binding, &row.sealed).is_ok())
    };
    assert!(is_in_old_file(), "the control");
    old.cells.erase.erase_all(NOW).unwrap();
    assert!(!is_in_old_file());
    assert!(world.hosts[1].has(1), "the fleet has it");
    world.hosts[0].remove(1);
    world.settle();
    assert!(!world.is_recoverable(1));
}

#[test]
fn a_commit_that_was_judged_before_an_expulsion_does_not_take_place() {
    let mut world = World::of(2);
    world.hosts[1].make(1);
    let expelled = world.hosts.pop().unwrap();
    let open = expelled.open();
    let mut transaction = crate::agent::transaction::Transaction::new(open);
    let header = made(2).put.unwrap();
    let parsed = Header::decode(&header.0).unwrap();
    transaction.put(TOKEN, Id::new([2; 16]), &parsed, header, None).unwrap();
    world.hosts[0].fleet().expel(world.hosts[0].open(), expelled.id()).unwrap();
    assert_eq!(transaction.apply().unwrap_err().reason(), Reason::Conflict);
    let mut expelled = expelled;
    let error = expelled.try_commit(made(2)).unwrap_err();
    assert!(world.hosts[0].try_read(2).unwrap().is_none(), "{error}");
    assert!(expelled.try_work().is_err());
    assert!(world.hosts[0].has(1), "what it had made stands");
}

#[test]
fn a_host_that_is_away_learns_all_that_ended_from_the_rows() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    world.hosts[1].writer = None;
    world.hosts[0].remove(1);
    world.hosts[0].make(2);
    world.hosts[0].remove(2);
    world.hosts[0].work();
    world.hosts[1].start();
    assert!(world.is_recoverable(1), "the envelope of the batch waits for its key");
    world.hosts[1].work();
    for key in [1, 2] {
        assert!(!world.is_recoverable(key), "key {key}");
    }
    let ends: Vec<_> = world.hosts[1].fleet().noted.ends().into_keys().collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|cell| !world.hosts[1].open().cells.erase.has(*cell)));
    assert!(ends.iter().all(|cell| world.hosts[0].status(*cell) == "erased"));
}

#[test]
fn ends_are_cleaned_away_days_after_all_hosts_have_seen_to_them() {
    let mut world = World::of(2);
    world.hosts[0].make(1);
    let cell = world.hosts[0].cell_of(1);
    world.hosts[0].remove(1);
    world.settle();
    assert!(ErasureRow::read(&world.memory, cell).unwrap().is_some());
    world.hosts.iter().for_each(|host| host.clock.set(NOW + 8 * 24 * 3600));
    world.settle();
    assert!(ErasureRow::read(&world.memory, cell).unwrap().is_none());
    assert!(!world.is_recoverable(1));
}

#[test]
fn the_status_is_what_people_read() {
    let said = [
        (ErasureStatus::Erasing { done: 17, of: 20 }, "erasing, 17 of 20"),
        (ErasureStatus::Erased, "erased"),
        (
            ErasureStatus::ErasedExcept(vec!["a".into(), "b".into()]),
            "erased except on a, b, expelled",
        ),
    ];
    said.into_iter().for_each(|(status, text)| assert_eq!(status.to_string(), text));
}
