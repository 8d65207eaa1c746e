//! Custom keys through the agent: import, expiry, deletion, restart.

use super::*;
use crate::erasure::{Erasure, Tombstone};
use crate::key::ExpiryAction;
use crate::key::MaterialState;
use std::os::unix::fs::FileExt;

pub(crate) const KEY: Id = Id::new([0x11; 16]);
pub(crate) const ITS: Id = Id::new([0x12; 16]);
const PRINT: Fingerprint = Fingerprint([0xF1; 32]);

pub(crate) fn erase_at(at: Seconds) -> Option<Expiry> {
    Some(Expiry { at, action: ExpiryAction::Erase })
}

fn present(expiry: Option<Expiry>) -> KeyState {
    KeyState {
        material: MaterialState::Present,
        version: 1,
        expiry,
        fingerprint: Some(PRINT),
        ..KeyState::awaiting_import()
    }
}

/// A new external key with material.
pub(crate) fn born(expiry: Option<Expiry>) -> Vec<Change> {
    vec![
        metadata(KEY, Expect::Absent, &Event::Create, present(expiry)),
        material(ITS, Expect::Absent, (KEY, 1), PRINT, expiry),
    ]
}

/// A new ordinary key.
fn ordinary_key(id: Id, expiry: Option<Expiry>) -> Change {
    let role = Role::Object { holds_key: true };
    let header = Header { private: true, role, expiry, tags: vec![] };
    let put = Some((header.encode().unwrap(), SEALED.to_vec()));
    Change { id, expect: Expect::Absent, event: vec![], put, alias: None }
}

fn import(revision: u64, id: Id, expect: Expect, expiry: Option<Expiry>) -> Vec<Change> {
    let event = Event::Import { fingerprint: PRINT, expiry };
    vec![
        metadata(KEY, Expect::Revision(revision), &event, present(expiry)),
        material(id, expect, (KEY, 1), PRINT, expiry),
    ]
}

fn deleted() -> KeyState {
    KeyState { material: MaterialState::Deleted, expiry: None, ..present(None) }
}

pub(crate) fn deletion(revision: u64, material: u64) -> Vec<Change> {
    let state = deleted();
    vec![
        metadata(KEY, Expect::Revision(revision), &Event::DeleteMaterial, state),
        removal(ITS, material),
    ]
}

#[test]
fn material_is_encrypted_on_disk_and_handed_out_with_its_key() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    let plain = b"what stands in no cell is on the disk as it was sealed";
    let object = object(Id::new([7; 16]), Expect::Absent, &[], plain);
    world.user().commit(vec![object]).unwrap();
    world.restart();
    assert!(!on_disk(&world.path(), SEALED) && on_disk(&world.path(), plain));
    let (stored, owner) = world.user().read(ITS).unwrap();
    assert_eq!(
        (stored.sealed.as_slice(), stored.erasure, stored.revision),
        (SEALED, Erasure::Live, 1)
    );
    assert_eq!(owner.unwrap().id, KEY);
    assert!(world.connect().read(ITS).is_none());
    assert_eq!(world.user().find(&[&MATERIAL]), vec![ITS]);
}

#[test]
fn expired_material_is_gone_in_its_second_and_erased_by_the_sweep() {
    let mut world = World::new();
    let mut user = world.user();
    user.commit(born(erase_at(START + 100))).unwrap();
    world.clock.set(START + 99);
    assert_eq!(user.find(&[&MATERIAL]), vec![ITS]);
    let slots = std::fs::read(world.path().join("slots")).unwrap();
    world.clock.set(START + 100);
    assert_eq!(user.find(&[&MATERIAL]), vec![]);
    let (stored, owner) = user.read(ITS).unwrap();
    assert_eq!(
        (stored.sealed.len(), stored.erasure),
        (0, Erasure::Ended(Tombstone::Expired(START + 100)))
    );
    assert_eq!(owner.unwrap().erasure, Erasure::Ended(Tombstone::Expired(START + 100)));
    user.sweep();
    assert_ne!(std::fs::read(world.path().join("slots")).unwrap(), slots);
    assert_eq!(user.sweep(), (0, 0));

    world.clock.set(START);
    world.restart();
    let mut user = world.user();
    let erasure = user.read(ITS).unwrap().0.erasure;
    assert_eq!(erasure, Erasure::Ended(Tombstone::Expired(START + 100)), "time runs forward only");
    assert_eq!(user.find(&[]), vec![KEY]);
}

#[test]
fn what_fell_due_without_an_agent_is_erased_before_the_first_answer() {
    let mut world = World::new();
    world.user().commit(born(erase_at(START + 100))).unwrap();
    world.stop().unwrap();
    world.clock.set(START + 500);
    world.start();
    assert_eq!(world.user().sweep(), (0, 0));
    assert_eq!(
        world.user().read(KEY).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Expired(START + 500))
    );
}

#[test]
fn an_agent_wakes_by_itself_when_something_is_due() {
    let world = World::new();
    let mut user = world.user();
    // The clock stands still, one second before: only the timer moves.
    user.commit(born(erase_at(START + 1))).unwrap();
    world.clock.set(START + 1);
    let slots = || std::fs::read(world.path().join("slots")).unwrap();
    let before = slots();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while slots() == before {
        assert!(std::time::Instant::now() < deadline, "nothing was erased");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn expired_material_comes_back_by_an_import_of_the_same() {
    let mut world = World::new();
    let mut user = world.user();
    user.commit(born(erase_at(START + 100))).unwrap();
    world.clock.set(START + 100);
    user.sweep();
    let other = Event::Import { fingerprint: Fingerprint([2; 32]), expiry: None };
    let state = KeyState { fingerprint: Some(Fingerprint([2; 32])), ..present(None) };
    let changes = vec![metadata(KEY, Expect::Revision(1), &other, state)];
    assert_eq!(reason(user.commit(changes)), Reason::OtherMaterial);

    let fresh = Id::new([0x13; 16]);
    assert_eq!(user.commit(import(1, fresh, Expect::Absent, None)), Ok(vec![2, 1]));
    assert_eq!(user.find(&[&MATERIAL]), vec![fresh]);
    assert!(user.read(ITS).is_none(), "the tombstone is replaced");
    world.restart();
    assert_eq!(world.user().read(fresh).unwrap().0.sealed, SEALED);
}

#[test]
fn a_tombstone_is_imported_into_again() {
    let world = World::new();
    let mut user = world.user();
    user.commit(born(erase_at(START + 100))).unwrap();
    world.clock.set(START + 100);
    user.sweep();
    let again = import(1, ITS, Expect::Revision(1), erase_at(START + 900));
    assert_eq!(user.commit(again), Ok(vec![2, 2]));
    assert_eq!(user.read(ITS).unwrap().0.sealed, SEALED);
    world.clock.set(START + 900);
    user.sweep();
    assert_eq!(user.read(ITS).unwrap().0.erasure, Erasure::Ended(Tombstone::Expired(START + 900)));
}

#[test]
fn deleted_material_is_erased_and_its_metadata_stays() {
    let mut world = World::new();
    let mut user = world.user();
    user.commit(born(None)).unwrap();
    let slots = std::fs::read(world.path().join("slots")).unwrap();
    assert_eq!(user.commit(deletion(1, 1)), Ok(vec![2, 0]));
    assert_ne!(std::fs::read(world.path().join("slots")).unwrap(), slots);
    world.restart();
    let mut user = world.user();
    assert_eq!((user.read(ITS), user.find(&[])), (None, vec![KEY]));
    assert_eq!(reason(user.commit(vec![removal(KEY, 2)])), Reason::Undestroyable);
    assert_eq!(user.commit(import(2, ITS, Expect::Absent, None)), Ok(vec![3, 1]));
}

#[test]
fn rewritten_material_keeps_its_cell_and_its_sealed_part() {
    let world = World::new();
    let mut user = world.user();
    user.commit(born(None)).unwrap();
    for revision in 1..200 {
        let event = Event::Describe;
        let changes = vec![
            metadata(KEY, Expect::Revision(revision), &event, present(None)),
            material(ITS, Expect::Revision(revision), (KEY, 1), PRINT, None),
        ];
        user.commit(changes).unwrap();
    }
    assert_eq!(user.read(ITS).unwrap().0.sealed, SEALED);
    assert_eq!(world.path().join("slots").metadata().unwrap().len(), (1024 + 64) * 64);
}

#[test]
fn a_scheduled_deletion_ends_everything_and_frees_the_fingerprint() {
    const DAY: Seconds = 86_400;
    let world = World::new();
    let mut user = world.user();
    user.commit(born(None)).unwrap();
    let at = START + 7 * DAY;
    let event = Event::ScheduleDeletion(Some(at));
    let state = KeyState { deletion_at: Some(at), ..present(None) };
    user.commit(vec![metadata(KEY, Expect::Revision(1), &event, state)]).unwrap();
    world.clock.set(at);
    user.sweep();
    assert_eq!((user.read(KEY), user.read(ITS), user.find(&[])), (None, None, vec![]));
    let request = Request::Associated { token: TOKEN, fingerprint: PRINT.0 };
    assert!(matches!(user.ask(request), Response::Several(found) if found.is_empty()));
}

#[test]
fn the_same_material_under_another_key_is_refused_even_once_it_is_deleted() {
    let world = World::new();
    let mut user = world.user();
    user.commit(born(None)).unwrap();
    let (key, its) = (Id::new([0x21; 16]), Id::new([0x22; 16]));
    let second = || {
        vec![
            metadata(key, Expect::Absent, &Event::Create, present(None)),
            material(its, Expect::Absent, (key, 1), PRINT, None),
        ]
    };
    assert_eq!(reason(user.commit(second())), Reason::MaterialHeld);
    let request = Request::Associated { token: TOKEN, fingerprint: PRINT.0 };
    assert!(matches!(user.ask(request), Response::Several(found) if found.len() == 2));
    user.commit(deletion(1, 1)).unwrap();
    assert_eq!(reason(user.commit(second())), Reason::MaterialHeld);
}

#[test]
fn initialising_again_ends_ordinary_objects_and_keeps_custom_keys() {
    for custody in [true, false] {
        let left = if custody { vec![KEY, ITS] } else { vec![] };
        assert_eq!(left_after_initialising_again(custody), left, "custody {custody}");
    }
}

fn left_after_initialising_again(custody: bool) -> Vec<Id> {
    let mut world = World::bare(START);
    world.start();
    world.connect().put_token(Expect::Absent, &entry(custody)).unwrap();
    let mut user = world.user();
    user.commit(born(None)).unwrap();
    user.commit(vec![object(Id::new([7; 16]), Expect::Absent, &[], b"")]).unwrap();
    user.commit(vec![ordinary_key(Id::new([8; 16]), None)]).unwrap();
    assert_eq!(user.find(&[]).len(), 4);
    let anew = changed(|it| (it.user, it.custody) = (None, custody));
    assert_eq!(user.put_token_by(officer(), Expect::Revision(1), &anew, true), Ok(2));
    let with_user = entry(custody);
    assert_eq!(user.put_token_by(officer(), Expect::Revision(2), &with_user, false), Ok(3));
    world.user().find(&[])
}

/// Damages the cell of the first material there is; they are claimed from the end of a batch.
fn damage_cell(world: &World) {
    let slots = std::fs::File::options().write(true).open(world.path().join("slots")).unwrap();
    slots.write_all_at(b"??", (1024 + 63) * 64 + 30).unwrap();
}

#[test]
fn material_under_a_damaged_cell_counts_as_deleted_and_nothing_else_does() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    damage_cell(&world);
    world.start();
    let mut user = world.user();
    let (stored, owner) = user.read(ITS).unwrap();
    assert_eq!(
        (stored.erasure, &stored.sealed[..]),
        (Erasure::Ended(Tombstone::Deleted(START)), &[][..])
    );
    assert_eq!(owner.unwrap().erasure, Erasure::Ended(Tombstone::Deleted(START)));
    user.commit(vec![object(Id::new([7; 16]), Expect::Absent, &[], b"")]).unwrap();
}

#[test]
fn a_damaged_cell_keeps_nothing_else_from_its_end_and_is_overwritten_at_its_own() {
    let mut world = World::new();
    let mut user = world.user();
    user.commit(born(erase_at(START + 100))).unwrap();
    let other = Id::new([0x33; 16]);
    user.commit(vec![ordinary_key(other, erase_at(START + 101))]).unwrap();
    drop(user);
    world.stop().unwrap();
    damage_cell(&world);
    world.start();
    let mut user = world.user();
    let answer = user.ask(Request::Read { token: TOKEN, ids: vec![KEY, ITS, other] });
    let Response::Records(records) = answer else { panic!("{answer:?}") };
    let sealed = |at: usize| !records[at].as_ref().unwrap().0.sealed.is_empty();
    assert_eq!([0, 1, 2].map(sealed), [true, false, true]);
    world.clock.set(START + 101);
    // The agent may have swept by itself already.
    user.sweep();
    assert_eq!(user.read(KEY).unwrap().0.erasure, Erasure::Ended(Tombstone::Expired(START + 101)));
    assert_eq!(
        user.read(other).unwrap().0.erasure,
        Erasure::Ended(Tombstone::Expired(START + 101))
    );
    let content = crate::store::Cells::open(&world.path()).unwrap().erase.read_cell(512 + 63);
    assert!(matches!(content, Ok(crate::store::cells::EraseCell::Erased(Tombstone::Expired(_)))));
}

#[test]
fn the_same_material_comes_back_over_a_damaged_cell() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    damage_cell(&world);
    world.start();
    let mut user = world.user();
    let again = Id::new([0x13; 16]);
    let changes = [import(1, again, Expect::Absent, None), vec![removal(ITS, 1)]].concat();
    user.commit(changes).unwrap();
    assert_eq!(user.read(again).unwrap().0.sealed, SEALED);
    assert_eq!(user.read(KEY).unwrap().0.erasure, Erasure::Live);
    assert_eq!(user.find(&[]), vec![KEY, again]);
}

/// A world whose `slots` is an earlier copy, in which the cell of the material has another secret.
pub(crate) fn misfit() -> World {
    let mut world = World::new();
    world.stop().unwrap();
    let slots = world.path().join("slots");
    let earlier = std::fs::read(&slots).unwrap();
    world.start();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    std::fs::write(&slots, earlier).unwrap();
    world
}

#[test]
fn material_that_does_not_fit_its_cell_counts_as_deleted_and_comes_back() {
    let mut world = misfit();
    let slots = std::fs::read(world.path().join("slots")).unwrap();
    world.start();
    let mut user = world.user();
    let ended = Erasure::Ended(Tombstone::Deleted(START));
    assert_eq!(user.read(KEY).unwrap().0.erasure, ended, "as a list has it");
    let (stored, owner) = user.read(ITS).unwrap();
    assert_eq!(
        (stored.erasure, &stored.sealed[..], owner.unwrap().erasure),
        (ended, &[][..], ended)
    );
    let cell = (1024 + 63) * 64..(1024 + 64) * 64;
    let now = std::fs::read(world.path().join("slots")).unwrap();
    assert_eq!(now[cell.clone()], slots[cell], "reading erases nothing");
    let again = Id::new([0x13; 16]);
    let changes = [import(1, again, Expect::Absent, None), vec![removal(ITS, 1)]].concat();
    user.commit(changes).unwrap();
    // Keys enough that the cell serves again.
    for number in 0x40..0xB0 {
        user.commit(vec![ordinary_key(Id::new([number; 16]), None)]).unwrap();
        assert_eq!(user.read(Id::new([number; 16])).unwrap().0.sealed, SEALED);
    }
    assert_eq!(user.read(again).unwrap().0.sealed, SEALED);
    assert_eq!(user.read(KEY).unwrap().0.erasure, Erasure::Live);
}

/// Overwrites the cell of the only material there is, and leaves its records, as a deletion of an earlier build
/// did that was interrupted.
pub(crate) fn interrupt_deletion(world: &World) {
    let cells = crate::store::Cells::open(&world.path()).unwrap();
    cells.erase.delete(&[512 + 63], START).unwrap();
}

#[test]
fn a_deletion_that_was_interrupted_takes_effect_and_can_be_finished() {
    let mut world = World::new();
    world.user().commit(born(None)).unwrap();
    world.stop().unwrap();
    interrupt_deletion(&world);
    world.start();
    let mut user = world.user();
    assert_eq!(user.find(&[]), vec![KEY]);
    assert_eq!(user.read(KEY).unwrap().0.erasure, Erasure::Ended(Tombstone::Deleted(START)));
    assert_eq!(user.commit(deletion(1, 1)), Ok(vec![2, 0]));
}

#[test]
fn a_removal_that_was_interrupted_takes_effect_and_can_be_finished_for_an_hour() {
    for retried in [true, false] {
        let mut world = World::new();
        let id = Id::new([8; 16]);
        let create = ordinary_key(id, None);
        world.user().commit(vec![create.clone()]).unwrap();
        world.stop().unwrap();
        interrupt_deletion(&world);
        world.start();
        world.restart();
        let mut user = world.user();
        assert_eq!(user.find(&[]), vec![]);
        let stored = user.read(id).unwrap().0;
        assert_eq!(
            (stored.erasure, &stored.sealed[..]),
            (Erasure::Ended(Tombstone::Deleted(START)), &[][..])
        );
        if retried {
            assert_eq!(user.commit(vec![removal(id, 1)]), Ok(vec![0]));
        }
        world.clock.set(START + 3600);
        user.sweep();
        assert_eq!(user.commit(vec![create]), Ok(vec![1]));
    }
}

#[test]
fn versions_whose_records_fit_into_no_frame_together_are_told_and_read_one_by_one() {
    let world = World::new();
    let mut user = world.user();
    let long = |id, expect, version: u8| {
        let print = Fingerprint([version; 32]);
        let mut change = material(id, expect, (KEY, version.into()), print, None);
        change.put.as_mut().unwrap().1 = vec![7; 1_900_000];
        change
    };
    let mut state = KeyState::generated(Fingerprint([1; 32]));
    let key = metadata(KEY, Expect::Absent, &Event::Create, state.clone());
    user.commit(vec![key, long(ITS, Expect::Absent, 1)]).unwrap();
    for version in 1..=2_u8 {
        let event = Event::Rotate { fingerprint: Fingerprint([version + 1; 32]) };
        state = state.apply(&event, START).unwrap();
        let now = Expect::Revision(version.into());
        let older = Id::new([0x20 + version; 16]);
        user.commit(vec![
            metadata(KEY, now, &event, state.clone()),
            long(ITS, now, version + 1),
            long(older, Expect::Absent, version),
        ])
        .unwrap();
    }
    let Response::Several(told) = user.ask(Request::Versions { token: TOKEN, key: KEY }) else {
        panic!("all of them");
    };
    let ids: Vec<Id> = told.iter().map(|stored| stored.id).collect();
    assert_eq!(ids, [ITS, Id::new([0x22; 16]), Id::new([0x21; 16])]);
    for id in ids {
        assert_eq!(user.read(id).unwrap().0.sealed.len(), 1_900_000);
    }
    let too_long = vec![7; MAX_FRAME as usize / 2];
    let mut change = material(ITS, Expect::Revision(3), (KEY, 3), Fingerprint([3; 32]), None);
    change.put.as_mut().unwrap().1 = too_long;
    assert_eq!(reason(user.commit(vec![change])), Reason::ArgumentsBad, "it could not be read");
}
