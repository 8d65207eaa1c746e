//! A store whose records were put back to an earlier day, or cannot be opened any more.

use super::custody::{ITS, KEY, born, deletion, erase_at, interrupt_deletion, misfit};
use super::*;
use crate::agent::open_store::OpenStore;
use crate::agent::{Recovered, keyspace, recover};
use crate::erasure::{Erasure, Tombstone};
use crate::store::{self, Batch};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { drop(std::fs::copy(&path, target)) }
    }
}

/// A world whose `db/` is put back to before `later`.
fn put_back(earlier: impl Fn(&World), later: impl Fn(&mut World)) -> World {
    let mut world = World::new();
    earlier(&world);
    world.stop().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let db = world.path().join("db");
    copy(&db, kept.path());
    world.start();
    later(&mut world);
    world.stop().unwrap();
    std::fs::remove_dir_all(&db).unwrap();
    copy(kept.path(), &db);
    std::fs::remove_file(world.path().join("snapshot")).unwrap();
    world
}

fn recover_in(world: &World) -> Option<Recovered> {
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
    recover(&lock).unwrap()
}

fn incarnation(world: &World) -> u64 {
    let mut peer = Client::silent(&world.path());
    let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
    let Response::Welcome { incarnation, .. } = peer.ask(hello) else { panic!() };
    incarnation
}

#[test]
fn recovery_goes_on_from_what_is_there_and_revives_nothing() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let delete = |world: &mut World| {
        assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
        world.user().commit(deletion(1, 1)).unwrap();
    };
    let mut world = put_back(commit, delete);
    let recovered = recover_in(&world).unwrap();
    assert_eq!(recovered.commits, 2, "the deletion, and the audit log's line of the wrong PIN");
    world.start();
    assert_eq!(incarnation(&world), 2);
    let mut user = world.user();
    assert!(matches!(user.read(KEY).unwrap().0.erasure, Erasure::Ended(Tombstone::Deleted(_))));
    assert_eq!(user.find(&[]), vec![KEY]);
    let Response::Tokens(tokens) = user.ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 1), "counts are not rolled back");
    world.stop().unwrap();
    assert_eq!(recover_in(&world), None, "nothing is lost any more");
}

#[test]
fn recovery_and_the_next_agent_pass_a_damaged_record_over() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let delete = |world: &mut World| {
        assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
        world.user().commit(deletion(1, 1)).unwrap();
    };
    let mut world = put_back(commit, delete);
    let records = store::open_unverified(&world.records()).unwrap();
    let at = keyspace::record(TOKEN, ITS);
    let row = records.get(&at).unwrap().unwrap();
    let cut = row[..row.len() / 2].to_vec();
    records.apply(&Batch { conditions: Vec::new(), writes: vec![(at, Some(cut))] }).unwrap();
    records.sync().unwrap();
    drop(records);
    assert!(recover_in(&world).is_some());
    world.start();
    assert_eq!(world.user().find(&[]), vec![KEY]);
}

#[test]
fn a_cell_that_has_served_another_since_is_no_longer_the_old_records() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let replace = |world: &mut World| {
        world.user().commit(deletion(1, 1)).unwrap();
        // Fresh secrets for all cells that no record claims.
        world.restart();
    };
    let mut world = put_back(commit, replace);
    assert_eq!(
        recover_in(&world),
        Some(Recovered { commits: 1, erased: 1, from_snapshot: false, ..Recovered::default() })
    );
    world.start();
    let mut user = world.user();
    assert!(matches!(user.read(KEY).unwrap().0.erasure, Erasure::Ended(Tombstone::Deleted(_))));
    assert_eq!(user.find(&[]), vec![KEY]);
}

#[test]
fn a_store_that_lost_nothing_is_left_as_it_is() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    interrupt_deletion(&world);
    assert_eq!(recover_in(&world), None);
    world.start();
    assert_eq!(incarnation(&world), 1);
}

#[test]
fn recovery_names_material_that_does_not_fit_its_cell() {
    let mut world = misfit();
    let recovered = recover_in(&world).unwrap();
    assert_eq!(recovered, Recovered { lost: vec![KEY], ..Recovered::default() });
    assert_eq!(recover_in(&world), None);
    world.start();
    let erasure = world.user().read(KEY).unwrap().0.erasure;
    assert!(matches!(erasure, Erasure::Ended(Tombstone::Deleted(_))));
}

#[test]
fn a_token_that_was_destroyed_since_stays_destroyed() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let destroy = |world: &mut World| {
        let Authority { authenticator, .. } = authority(true, b"87654321");
        let (label, change) = (entry(true).label, random());
        let request = Request::DestroyToken { token: TOKEN, label, authenticator, change };
        assert!(matches!(world.connect().ask(request), Response::Done(2)));
    };
    let mut world = put_back(commit, destroy);
    assert!(recover_in(&world).is_some());
    world.start();
    let answer = world.connect().ask(Request::Tokens);
    assert!(matches!(answer, Response::Tokens(tokens) if tokens.is_empty()));
}

/// A world with a custom key whose `db/` is rubbish, and whose agent has been started all the same.
fn ruined() -> World {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    ruin(&world);
    world.start();
    world
}

/// Puts a folder in the place of the file in `db/`, so that nothing there can be opened.
fn ruin(world: &World) {
    let log = world.path().join("db/db");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
}

#[test]
fn a_store_whose_log_is_all_zeros_is_served_from_its_snapshot_too() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    let log = world.path().join("db/db");
    std::fs::write(&log, vec![0; log.metadata().unwrap().len() as usize]).unwrap();
    world.start();
    assert_eq!(world.user().read(ITS).unwrap().0.sealed, SEALED);
    assert_eq!(reason(world.user().commit(deletion(1, 1))), Reason::StoreReadOnly);
    world.stop().unwrap();
    let expected = Recovered { commits: 0, erased: 0, from_snapshot: true, ..Recovered::default() };
    assert_eq!(recover_in(&world), Some(expected));
    world.start();
    assert_eq!(world.user().read(ITS).unwrap().0.sealed, SEALED);
    world.user().commit(deletion(1, 1)).unwrap();
}

#[test]
fn records_that_have_vanished_are_not_made_anew() {
    for part in ["db", "db/db"] {
        let mut world = World::new();
        world.user().commit(born(None)).unwrap();
        world.stop().unwrap();
        let (part, db) = (world.path().join(part), world.path().join("db"));
        if part.is_dir() { std::fs::remove_dir_all(&part) } else { std::fs::remove_file(&part) }
            .unwrap();
        world.start();
        assert_eq!(world.user().read(ITS).unwrap().0.sealed, SEALED, "from the snapshot");
        assert_eq!(reason(world.user().commit(deletion(1, 1))), Reason::StoreReadOnly);
        world.stop().unwrap();
        assert!(!part.exists());
        assert!(recover_in(&world).unwrap().from_snapshot);
        assert!(db.join("db").exists());
        world.start();
        world.user().commit(deletion(1, 1)).unwrap();
    }
}

#[test]
fn where_neither_records_nor_a_snapshot_are_left_nothing_is_made_in_their_place() {
    let mut world = World::new();
    world.stop().unwrap();
    let db = world.path().join("db");
    std::fs::remove_dir_all(&db).unwrap();
    std::fs::remove_file(world.path().join("snapshot")).unwrap();
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
    let opened = OpenStore::open_at(&world.path(), lock.records(), world.clock.clone());
    for error in [opened.err().unwrap(), recover(&lock).err().unwrap()] {
        assert_eq!(error.reason(), Reason::StoreDamaged);
        assert!(error.to_string().contains("db is gone; `keystead restore`"), "{error}");
    }
    assert!(!db.exists());
}

#[test]
fn a_store_that_was_only_just_made_opens() {
    let mut world = World::bare(START);
    assert!(!world.path().join("db").exists());
    world.start();
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else { panic!() };
    assert!(tokens.is_empty());
}

#[test]
fn a_store_that_cannot_be_opened_is_served_from_its_snapshot_to_be_read() {
    let mut world = ruined();
    let slots = std::fs::read(world.path().join("slots")).unwrap();
    assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!((tokens[0].wrong, tokens[0].read_only), ((0, 1), true));
    assert!(world.connect().login(false, b"123456").is_ok());
    let mut user = world.user();
    assert_eq!(user.find(&[]), vec![KEY, ITS]);
    assert_eq!(user.read(ITS).unwrap().0.sealed, SEALED);
    assert_eq!(reason(user.commit(deletion(1, 1))), Reason::StoreReadOnly);
    assert_eq!(
        reason(user.put_token_by(officer(), Expect::Revision(1), &entry(true), false)),
        Reason::StoreReadOnly
    );
    assert_eq!(user.read(ITS).unwrap().0.sealed, SEALED);
    drop(user);
    world.stop().unwrap();
    // Beyond the format, identity, clock and commits, and the PINs, nothing was touched.
    assert_eq!(std::fs::read(world.path().join("slots")).unwrap()[1024 * 64..], slots[1024 * 64..]);
}

#[test]
fn a_page_that_fails_under_an_agent_leads_the_next_one_to_the_snapshot() {
    let mut world = World::new();
    let text = b"what stands in no cell is on the disk as it was sealed";
    // So many that what is read at opening lies on other pages.
    let mut user = world.user();
    for number in 0..=255 {
        let more = if number == 7 { text } else { &[1; 900][..] };
        user.commit(vec![object(Id::new([number; 16]), Expect::Absent, &[], more)]).unwrap();
    }
    drop(user);
    // From the second opening on, sled trusts pages that it has seen once.
    world.restart();
    world.stop().unwrap();
    let log = world.path().join("db/db");
    let mut bytes = std::fs::read(&log).unwrap();
    while let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
        bytes[at] ^= 1;
    }
    std::fs::write(&log, bytes).unwrap();
    // Where it lies differs: an agent stumbles over it as it opens, or when it is asked for it.
    world.start();
    while !serves_the_snapshot(&world) {
        if world.has_ended() {
            assert_eq!(reason(world.wait()), Reason::StoreDamaged);
            world.start();
        }
    }
    let mut user = world.user();
    assert_eq!(user.read(Id::new([7; 16])).unwrap().0.sealed, text);
    let more = vec![object(Id::new([0x17; 16]), Expect::Revision(1), &[], text)];
    assert_eq!(reason(user.commit(more.clone())), Reason::StoreReadOnly);
    drop(user);
    world.stop().unwrap();
    let expected = Recovered { commits: 0, erased: 0, from_snapshot: true, ..Recovered::default() };
    assert_eq!(recover_in(&world), Some(expected));
    world.start();
    let mut user = world.user();
    assert_eq!(user.read(Id::new([7; 16])).unwrap().0.sealed, text);
    user.commit(more).unwrap();
}

fn serves_the_snapshot(world: &World) -> bool {
    let Ok(stream) = UnixStream::connect(world.path().join(socket::NAME)) else { return false };
    let mut peer = Client(stream, [0; 32], TOKEN);
    let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
    let answer = peer.try_ask(&hello).and_then(|_welcome| {
        peer.try_ask(&Request::Read { token: TOKEN, ids: vec![Id::new([7; 16])] })?;
        peer.try_ask(&Request::Tokens)
    });
    matches!(answer, Some(Response::Tokens(tokens)) if tokens[0].read_only)
}

#[test]
fn recovery_goes_on_from_the_snapshot_and_keeps_what_was_there_beside() {
    let mut world = ruined();
    world.stop().unwrap();
    let expected = Recovered { commits: 0, erased: 0, from_snapshot: true, ..Recovered::default() };
    assert_eq!(recover_in(&world), Some(expected));
    assert!(world.path().join("db.damaged-1/db").is_dir());
    world.start();
    assert_eq!(incarnation(&world), 2);
    assert_eq!(world.user().read(ITS).unwrap().0.sealed, SEALED);
    world.user().commit(deletion(1, 1)).unwrap();
    world.restart();
    assert_eq!(world.user().find(&[]), vec![KEY]);
    world.stop().unwrap();
    assert_eq!(recover_in(&world), None, "nothing is lost any more");
}

#[test]
fn a_snapshot_revives_nothing_that_was_erased_after_it() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    let snapshot = std::fs::read(world.path().join("snapshot")).unwrap();
    world.start();
    world.user().commit(deletion(1, 1)).unwrap();
    // Its cell has another secret from here on.
    world.restart();
    world.stop().unwrap();
    std::fs::write(world.path().join("snapshot"), snapshot).unwrap();
    ruin(&world);
    world.start();
    let mut user = world.user();
    assert!(matches!(user.read(ITS).unwrap().0.erasure, Erasure::Ended(Tombstone::Deleted(_))));
    assert!(user.read(ITS).unwrap().0.sealed.is_empty());
    drop(user);
    world.stop().unwrap();
    let recovered = recover_in(&world).unwrap();
    assert_eq!((recovered.erased, recovered.from_snapshot), (1, true));
    world.start();
    assert!(matches!(
        world.user().read(KEY).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Deleted(_))
    ));
    assert_eq!(world.user().find(&[]), vec![KEY]);
}

#[test]
fn material_expires_in_a_store_that_can_only_be_read() {
    let mut world = World::new();
    world.user().commit(born(erase_at(START + 100))).unwrap();
    world.stop().unwrap();
    ruin(&world);
    world.start();
    let before = std::fs::read(world.path().join("slots")).unwrap();
    assert_eq!(world.user().read(ITS).unwrap().0.erasure, Erasure::Live);
    world.clock.set(START + 100);
    world.connect().sweep();
    assert_eq!(
        world.user().read(ITS).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Expired(START + 100))
    );
    assert_ne!(
        std::fs::read(world.path().join("slots")).unwrap(),
        before,
        "erased, not only hidden"
    );
    world.stop().unwrap();
}

#[test]
fn another_stores_snapshot_and_a_damaged_one_are_no_help() {
    let mut other = World::new();
    other.stop().unwrap();
    let mut world = World::new();
    world.stop().unwrap();
    let snapshot = world.path().join("snapshot");
    std::fs::copy(other.path().join("snapshot"), &snapshot).unwrap();
    ruin(&world);
    for _ in 0..2 {
        let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
        assert_eq!(reason(recover(&lock)), Reason::StoreDamaged);
        let (_stop, stopped) = UnixStream::pair().unwrap();
        let refused = serve_until(&lock, &options(), world.clock.clone(), &stopped, || {});
        assert_eq!(reason(refused), Reason::StoreDamaged);
        std::fs::write(&snapshot, b"keystead pairs").unwrap();
    }
}

#[test]
fn records_may_lie_elsewhere_than_what_the_agent_keeps_itself() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut world = World::bare(START);
    world.elsewhere = Some(elsewhere.path().to_owned());
    world.start();
    world.connect().put_token(Expect::Absent, &entry(true)).unwrap();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    for name in ["db", "snapshot", "ballast"] {
        assert!(
            elsewhere.path().join(name).exists() && !world.path().join(name).exists(),
            "{name}"
        );
    }
    std::fs::remove_dir_all(elsewhere.path().join("db")).unwrap();
    world.start();
    assert!(serves_the_snapshot(&world) && world.user().read(KEY).is_some());
    world.stop().unwrap();
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
    let recovered = recover(&lock.with_records(world.records())).unwrap().unwrap();
    assert!(recovered.from_snapshot && recovered.commits == 0);
    world.start();
    world.user().commit(deletion(1, 1)).unwrap();
}
