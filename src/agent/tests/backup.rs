//! Backups: one moment of a store, put into another directory or beside its own erase cells.

use super::custody::{ITS, KEY, born, deletion, erase_at};
use super::*;
use crate::agent::backup::Backup;
use crate::agent::keyspace;
use crate::agent::open_store::OpenStore;
use crate::agent::restore::{How, Restored, restore};
use crate::clock::Clock;
use crate::erasure::{Erasure, Tombstone};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Returns the content of a backup, as the agent gives it.
fn backup(world: &World) -> Vec<u8> {
    let mut peer = world.connect();
    let Response::BackupReady { bytes, damaged, .. } = peer.ask(Request::Backup) else { panic!() };
    assert!(damaged.is_empty());
    let content = parts(&mut peer);
    assert_eq!(content.len() as u64, bytes);
    content
}

fn parts(peer: &mut Client) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        match peer.ask(Request::BackupPart) {
            Response::BackupPart(part) if part.0.is_empty() => return content,
            Response::BackupPart(part) => content.extend_from_slice(&part.0),
            other => panic!("{other:?}"),
        }
    }
}

/// An empty directory, with the backup restored into it; no agent serves it yet.
fn elsewhere(content: &[u8], living: Option<&Path>) -> (World, Restored) {
    let world = World::empty(START);
    let restored = restored_in(&world, content, living).unwrap();
    (world, restored)
}

fn restored_in(world: &World, content: &[u8], living: Option<&Path>) -> Result<Restored> {
    let Claim::Ours(lock) = claim(&world.path()).unwrap() else { panic!("served") };
    let how = untold(living, world.clock.clone(), world.grace);
    restore(&lock.with_records(world.records()), &Backup::decode(content).unwrap(), how)
}

/// A restoration of which no place is told.
fn untold(living: Option<&Path>, clock: Arc<dyn Clock>, grace: Seconds) -> How<'_> {
    How { living, clock, grace, on_event: None, audit_syslog: None }
}

/// A world with a custom key and an object, and its backup.
fn backed_up() -> (World, Vec<u8>) {
    let world = World::new();
    world.user().commit(born(erase_at(START + 100))).unwrap();
    let plain = object(Id::new([7; 16]), Expect::Absent, &[[9; 16]], b"a plain object");
    world.user().commit(vec![plain]).unwrap();
    let content = backup(&world);
    (world, content)
}

fn one_of_each(erased: u64) -> Restored {
    Restored { tokens: 1, custom_keys: 1, others: 1, erased }
}

fn is_live(world: &World) -> bool {
    let mut user = world.user();
    let Some((stored, owner)) = user.read(ITS) else { return false };
    assert_eq!(owner.unwrap().id, KEY);
    stored.erasure == Erasure::Live && stored.sealed == SEALED
}

#[test]
fn a_backup_holds_everything_and_is_a_whole_store_elsewhere() {
    let (first, content) = backed_up();
    assert_eq!(reason(first.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    let content_later = backup(&first);
    let (mut second, restored) = elsewhere(&content, None);
    assert_eq!(restored, one_of_each(0));
    let store =
        OpenStore::open_at(&second.path(), &second.records(), second.clock.clone()).unwrap();
    let holder = store.records.get(&keyspace::slot(0)).unwrap();
    assert_eq!(holder.as_deref(), Some(&TOKEN.bytes()[..]), "its slot is its own there too");
    drop(store);
    second.start();
    assert!(is_live(&second));
    let mut user = second.user();
    assert_eq!(user.find(&[]), vec![Id::new([7; 16]), KEY, ITS]);
    assert_eq!(user.find(&[&[9; 16]]), vec![Id::new([7; 16])]);
    assert_eq!(second.connect().login(false, b"123456").unwrap().wrong, (0, 0));
    // It goes on as the store it is: the key expires, and a change finds the revision it expects.
    user.commit(deletion(1, 1)).unwrap();
    drop(user);
    second.restart();
    assert!(!is_live(&second));

    let (mut third, _) = elsewhere(&content_later, None);
    third.start();
    let Response::Tokens(tokens) = third.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 1), "wrong PINs stay counted");
}

#[test]
fn a_backup_is_restored_to_where_the_records_belong() {
    let (_first, content) = backed_up();
    let records = tempfile::tempdir().unwrap();
    let mut world = World::empty(START);
    world.elsewhere = Some(records.path().to_owned());
    assert_eq!(restored_in(&world, &content, None), Ok(one_of_each(0)));
    assert!(records.path().join("db").exists() && !world.path().join("db").exists());
    world.start();
    assert!(is_live(&world));
    world.stop().unwrap();
    assert_eq!(reason(restored_in(&world, &content, None)), Reason::StoreNotEmpty);
}

#[test]
fn what_was_erased_before_a_backup_is_not_in_it() {
    let (world, content) = backed_up();
    let holds = |content: &[u8]| content.windows(SEALED.len()).any(|window| window == SEALED);
    assert!(holds(&content));
    world.user().commit(deletion(1, 1)).unwrap();
    assert!(!holds(&backup(&world)));

    let world = World::new();
    world.user().commit(born(erase_at(START + 100))).unwrap();
    world.clock.set(START + 100);
    let content = backup(&world);
    assert!(!holds(&content), "expired, though it may not have been swept yet");
    let (mut second, restored) = elsewhere(&content, None);
    assert_eq!(restored, Restored { others: 0, ..one_of_each(0) });
    second.clock.set(START);
    second.start();
    assert_eq!(
        second.user().read(KEY).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Expired(START + 100))
    );
}

#[test]
fn what_expired_since_the_backup_is_not_restored() {
    let (_first, content) = backed_up();
    let mut second = World::empty(START + 100);
    assert_eq!(restored_in(&second, &content, None).unwrap(), one_of_each(1));
    assert!(!on_disk(&second.path(), SEALED));
    second.clock.set(START);
    second.start();
    assert!(!is_live(&second), "an earlier clock revives nothing");
    assert_eq!(
        second.user().read(KEY).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Expired(START + 100))
    );
}

#[test]
fn a_living_store_says_what_it_has_erased_since() {
    let (first, content) = backed_up();
    let (mut copy, restored) = elsewhere(&content, Some(&first.path()));
    assert_eq!(restored, one_of_each(0));
    copy.start();
    assert!(is_live(&copy));

    first.user().commit(deletion(1, 1)).unwrap();
    let (mut copy, restored) = elsewhere(&content, Some(&first.path()));
    assert_eq!(restored, one_of_each(1));
    copy.start();
    assert!(!is_live(&copy));
    assert_eq!(copy.user().find(&[]), vec![Id::new([7; 16]), KEY]);

    let mut stranger = World::new();
    stranger.stop().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let Claim::Ours(lock) = claim(directory.path()).unwrap() else { panic!("served") };
    let content = Backup::decode(&content).unwrap();
    let (living, clock) = (stranger.path(), stranger.clock.clone());
    let refused = restore(&lock, &content, untold(Some(&living), clock, 0));
    assert_eq!(reason(refused), Reason::OtherStore);
    assert!(!directory.path().join("db").exists());
}

#[test]
fn a_store_whose_records_are_gone_gets_them_back_without_what_its_cells_have_erased() {
    let (mut world, content) = backed_up();
    assert_eq!(reason(world.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    world.user().commit(deletion(1, 1)).unwrap();
    // The cell of what was deleted serves another key now.
    world.restart();
    let other = Id::new([0x22; 16]);
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry: None, tags: vec![] }.encode().unwrap();
    let put = Some((header, b"another key".to_vec()));
    let later = Change { id: other, expect: Expect::Absent, event: vec![], put, alias: None };
    world.user().commit(vec![later]).unwrap();
    world.stop().unwrap();
    assert_eq!(reason(restored_in(&world, &content, None)), Reason::StoreNotEmpty);

    std::fs::remove_dir_all(world.path().join("db")).unwrap();
    let refused = restored_in(&world, &content, None).unwrap_err();
    assert_eq!(refused.reason(), Reason::StoreNotEmpty);
    assert!(refused.to_string().contains("snapshot that is later"), "{refused}");
    std::fs::remove_file(world.path().join("snapshot")).unwrap();
    assert_eq!(restored_in(&world, &content, None).unwrap(), one_of_each(1));
    world.start();
    assert!(!is_live(&world));
    assert!(world.user().read(other).is_none());
    let Response::Tokens(tokens) = world.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 1), "counts are not rolled back");
}

#[test]
fn a_store_whose_records_are_gone_gets_back_what_its_cells_still_have() {
    let (mut world, content) = backed_up();
    world.stop().unwrap();
    std::fs::remove_dir_all(world.path().join("db")).unwrap();
    assert_eq!(restored_in(&world, &content, None).unwrap(), one_of_each(0));
    world.start();
    assert!(is_live(&world));
    assert!(!on_disk(&world.path(), SEALED), "encrypted under its cell again");
}

#[test]
fn a_token_that_was_destroyed_since_stays_so() {
    let (first, content) = backed_up();
    let Authority { authenticator, .. } = authority(true, b"87654321");
    let (label, change) = (entry(true).label, random());
    let request = Request::DestroyToken { token: TOKEN, label, authenticator, change };
    assert!(matches!(first.connect().ask(request), Response::Done(_)));
    let (mut copy, restored) = elsewhere(&content, Some(&first.path()));
    assert_eq!(restored, Restored::default());
    copy.start();
    let answer = copy.connect().ask(Request::Tokens);
    assert!(matches!(answer, Response::Tokens(tokens) if tokens.is_empty()));
}

#[test]
fn another_stores_cells_and_a_store_in_use_are_left_alone() {
    let (_first, content) = backed_up();
    let mut other = World::new();
    other.stop().unwrap();
    assert_eq!(reason(restored_in(&other, &content, None)), Reason::StoreNotEmpty);
    let db = other.path().join("db");
    let aside = other.path().join("aside");
    std::fs::rename(&db, &aside).unwrap();
    assert_eq!(reason(restored_in(&other, &content, None)), Reason::OtherStore);
    std::fs::rename(&aside, &db).unwrap();
    other.start();
    assert_eq!(other.connect().login(false, b"123456").unwrap().wrong, (0, 0));
}

#[test]
fn cells_of_a_store_that_is_served_from_its_snapshot_are_left_alone() {
    let (_first, content) = backed_up();
    let (mut other, _) = backed_up();
    other.stop().unwrap();
    std::fs::remove_dir_all(other.path().join("db")).unwrap();
    // A look makes an empty `db/`.
    other.start();
    other.stop().unwrap();
    let slots = std::fs::read(other.path().join("slots")).unwrap();
    assert_eq!(reason(restored_in(&other, &content, None)), Reason::OtherStore);
    assert_eq!(std::fs::read(other.path().join("slots")).unwrap(), slots);
    other.start();
    assert!(is_live(&other));
}

#[test]
fn wrong_pins_that_the_living_store_has_counted_stay_counted() {
    let (first, content) = backed_up();
    for _ in 0..3 {
        assert_eq!(reason(first.connect().login(false, b"wrong!")), Reason::PinIncorrect);
    }
    let (mut copy, _) = elsewhere(&content, Some(&first.path()));
    copy.start();
    let Response::Tokens(tokens) = copy.connect().ask(Request::Tokens) else { panic!() };
    assert_eq!(tokens[0].wrong, (0, 3));
}

#[test]
fn what_waits_its_grace_out_is_in_a_backup_and_waits_again_where_it_is_restored() {
    let mut world = World::new();
    world.user().commit(born(erase_at(START + 100))).unwrap();
    world.stop().unwrap();
    world.grace = 3600;
    world.start();
    world.clock.set(START + 100);
    assert_eq!(world.user().sweep(), (0, 0));
    let content = backup(&world);

    let mut copy = World::empty(START + 100);
    copy.grace = 3600;
    assert_eq!(restored_in(&copy, &content, None).unwrap().erased, 0);
    copy.start();
    assert!(!is_live(&copy), "nobody can use it");
    // The clock was wrong.
    copy.clock.set(START);
    let Authority { authenticator, .. } = authority(true, b"87654321");
    let answer = copy.connect().ask(Request::AcceptClock { token: TOKEN, authenticator });
    assert!(matches!(answer, Response::Clock { .. }), "{answer:?}");
    assert!(is_live(&copy));
}

#[test]
fn a_backup_with_a_cell_that_no_store_has_is_refused() {
    let (_first, content) = backed_up();
    let mut content = Backup::decode(&content).unwrap();
    for number in [0, 511, u32::MAX] {
        content
            .records
            .iter_mut()
            .filter_map(|it| it.cell.as_mut())
            .for_each(|it| it.number = number);
        let directory = tempfile::tempdir().unwrap();
        let Claim::Ours(lock) = claim(directory.path()).unwrap() else { panic!("served") };
        let how = untold(None, Arc::new(FixedClock::at(START)), 0);
        assert_eq!(reason(restore(&lock, &content, how)), Reason::BackupDamaged);
        assert!(!directory.path().join("db").exists());
        crate::presence::check_place(directory.path()).unwrap();
    }
}

#[test]
fn a_restoration_that_was_cut_short_is_no_store_and_can_be_done_again() {
    let (_first, content) = backed_up();
    let (mut second, _) = elsewhere(&content, None);
    // As it is between the two renamings.
    let slots = second.path().join("slots");
    std::fs::rename(&slots, second.path().join("slots.restoring")).unwrap();
    std::fs::create_dir(second.path().join("db.restoring")).unwrap();
    let Claim::Ours(lock) = claim(&second.path()).unwrap() else { panic!("served") };
    let (_stop, stopped) = UnixStream::pair().unwrap();
    let refused = serve_until(&lock, &options(), second.clock.clone(), &stopped, || {});
    assert_eq!(reason(refused), Reason::StoreDamaged);
    drop(lock);
    assert_eq!(restored_in(&second, &content, None).unwrap(), one_of_each(0));
    second.start();
    assert!(is_live(&second));
}

#[test]
fn a_damaged_cell_leaves_its_own_material_out_and_says_so() {
    let (mut world, _) = backed_up();
    world.stop().unwrap();
    let path = world.path().join("slots");
    let mut slots = std::fs::read(&path).unwrap();
    let whole = slots.clone();
    let cell = (1024..slots.len() / 64).map(|number| number * 64);
    // Whichever of them is claimed.
    cell.for_each(|at| slots[at + 20..at + 22].iter_mut().for_each(|byte| *byte ^= 1));
    std::fs::write(&path, &slots).unwrap();
    world.start();
    let mut peer = world.connect();
    let answer = peer.ask(Request::Backup);
    assert!(matches!(answer, Response::BackupReady { damaged, .. } if damaged == [ITS]));
    assert!(!parts(&mut peer).windows(SEALED.len()).any(|window| window == SEALED));
    world.stop().unwrap();
    std::fs::write(&path, whole).unwrap();
    world.start();
}

#[test]
fn a_damaged_cell_bars_no_restoration_and_its_material_counts_as_deleted() {
    type Damage = fn(&File);
    let zeros: Damage = |slots| slots.write_all_at(&[0; 64], (1024 + 63) * 64).unwrap();
    let flips: Damage = |slots| slots.write_all_at(b"??", (1024 + 63) * 64 + 30).unwrap();
    let cut: Damage = |slots| slots.set_len(1024 * 64).unwrap();
    for damage in [zeros, cut, flips] {
        let (mut world, content) = backed_up();
        world.stop().unwrap();
        damage(&File::options().write(true).open(world.path().join("slots")).unwrap());
        let (mut copy, restored) = elsewhere(&content, Some(&world.path()));
        assert_eq!(restored, one_of_each(1));
        copy.start();
        assert!(!is_live(&copy));
        std::fs::remove_dir_all(world.path().join("db")).unwrap();
        assert_eq!(restored_in(&world, &content, None).unwrap(), one_of_each(1));
        world.start();
        assert!(!is_live(&world));
        assert_eq!(world.user().find(&[]), vec![Id::new([7; 16]), KEY]);
    }
}

#[test]
fn only_who_asked_gets_the_parts_and_each_once() {
    let (world, content) = backed_up();
    let mut peer = world.connect();
    assert!(matches!(peer.ask(Request::BackupPart), Response::Refused(_)));
    assert!(matches!(peer.ask(Request::Backup), Response::BackupReady { .. }));
    assert!(matches!(world.connect().ask(Request::BackupPart), Response::Refused(_)));
    // It goes on from where the first backup was: a line of the audit log lies between them.
    assert_eq!(parts(&mut peer).len(), content.len());
    assert!(parts(&mut peer).is_empty());
}

#[test]
fn a_store_that_was_itself_restored_says_nothing_about_an_older_backup() {
    let (_first, content) = backed_up();
    let (second, _) = elsewhere(&content, None);
    let third = World::empty(START);
    let refused = restored_in(&third, &content, Some(&second.path()));
    assert_eq!(reason(refused), Reason::OtherStore);
    assert_eq!(restored_in(&third, &content, None).unwrap(), one_of_each(0));
}
