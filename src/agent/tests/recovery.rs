//! A store whose records were put back to an earlier day.

use super::custody::{KEY, born, deletion, interrupt_deletion};
use super::*;
use crate::agent::{Recovered, recover};
use crate::wire::Outcome;

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
    world
}

fn recover_in(world: &World) -> Option<Recovered> {
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
    recover(&lock).unwrap()
}

fn incarnation(world: &World) -> u64 {
    let mut peer = Peer(UnixStream::connect(world.path().join(socket::NAME)).unwrap());
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
    assert!(matches!(user.read(KEY).unwrap().0.slot, Outcome::Deleted(_)));
    assert_eq!(user.find(&[]), vec![KEY]);
    let Response::Tokens(tokens) = user.ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 1), "counts are not rolled back");
    world.stop().unwrap();
    assert_eq!(recover_in(&world), None, "nothing is lost any more");
}

#[test]
fn a_cell_that_has_served_another_since_is_no_longer_the_old_records() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let replace = |world: &mut World| {
        world.user().commit(deletion(1, 1)).unwrap();
        // Fresh secrets for all cells that nobody claims.
        world.restart();
    };
    let mut world = put_back(commit, replace);
    assert_eq!(recover_in(&world), Some(Recovered { commits: 1, erased: 1 }));
    world.start();
    let mut user = world.user();
    assert!(matches!(user.read(KEY).unwrap().0.slot, Outcome::Deleted(_)));
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
fn a_token_that_was_destroyed_since_stays_destroyed() {
    let commit = |world: &World| drop(world.user().commit(born(None)).unwrap());
    let destroy = |world: &mut World| {
        let authenticator = entry(true).officer.stretch(b"87654321").unwrap().authenticator;
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
