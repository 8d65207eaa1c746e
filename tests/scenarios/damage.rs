//! Files of a store that are damaged, cut, emptied, gone, another store's, or no files at all: what is whole
//! goes on, and what is not is named with its remedy.

use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, expected_block, pin};
use crate::rig::world::World;
use crate::rig::{DELETED, MATERIAL_STATE, PENDING_IMPORT, STATUS, for_key, play, refused};
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::UserType;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

const ONE: [u8; 32] = [1; 32];

/// The size of a cell in the cell file, and which cells are what.
const CELL: u64 = 64;
const FORMAT_CELL: u64 = 0;
const IDENTITY: u64 = 1;
const PIN: u64 = 8;
const ERASE: u64 = 512;

/// Returns the places of a cell's copies: each before the erase cells has two.
fn copies(cell: u64) -> Vec<u64> {
    let places = if cell < ERASE { vec![cell, ERASE + cell] } else { vec![ERASE + cell] };
    places.into_iter().map(|place| place * CELL).collect()
}

/// A store with an imported key, whose ID is returned, and no agent. The module is not loaded: it plays in
/// another process. None in that process.
fn made(world: &World) -> Option<String> {
    if world.role() == "maker" {
        let token = world.token();
        let value = [Attribute::Value(ONE.to_vec())];
        let key = token.create_object(&[&aes_material()[..], &value].concat()).unwrap();
        world.tell(&token.key_of(key));
        return None;
    }
    let mut maker = world.start("maker");
    let id = maker.hear();
    maker.ends_well();
    world.end_agent();
    Some(id)
}

fn overwrite(world: &World, at: u64, bytes: &[u8]) {
    let slots = fs::File::options().write(true).open(world.store().join("slots")).unwrap();
    slots.write_all_at(bytes, at).unwrap();
}

/// The same in every copy of a cell.
fn overwrite_cell(world: &World, cell: u64, from: u64, bytes: &[u8]) {
    copies(cell).iter().for_each(|at| overwrite(world, at + from, bytes));
}

fn flip(world: &World, at: u64) {
    let bytes = fs::read(world.store().join("slots")).unwrap();
    overwrite(world, at, &[bytes[at as usize] ^ 1]);
}

/// The erase cell that holds the only material there is: the last of a batch is taken first.
fn erase_cell() -> u64 {
    ERASE + 63
}

fn text(said: &Output) -> String {
    let out = [&said.stdout[..], &said.stderr].concat();
    String::from_utf8(out).unwrap()
}

fn doctor(world: &World) -> String {
    text(&world.keystead(&["doctor"]))
}

/// Returns the answer of `keystead recover`, without an agent.
fn recover(world: &World) -> String {
    if world.agent().is_some() {
        world.end_agent();
    }
    let said = world.keystead(&["recover"]);
    assert!(said.status.success(), "{said:?}");
    text(&said)
}

fn works(token: &Token, id: &str) -> ObjectHandle {
    let key = token.material(id).expect("it has material");
    assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&ONE));
    key
}

/// Plays the part of a process that the scenario's first one starts; returns true in the first.
fn is_first(world: &World) -> bool {
    match world.role() {
        "maker" => drop(made(world)),
        "user" => {
            let token = world.same_token();
            works(&token, &world.hear());
            world.tell("works");
        }
        _ => return true,
    }
    false
}

/// Another process uses the imported key.
fn works_elsewhere(world: &World, id: &str) {
    let mut user = world.start("user");
    user.tell(id);
    user.says("works");
    user.ends_well();
}

#[test]
fn a_flipped_bit_in_any_kind_of_cell_costs_nothing_and_is_said_until_it_is_mended() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        let cells = [FORMAT_CELL, IDENTITY, 2, 3, PIN, erase_cell()];
        let places = cells.map(|cell| copies(cell).into_iter().map(move |at| (cell, at)));
        for (cell, at) in places.into_iter().flatten() {
            flip(world, at + 50);
            let said = recover(world);
            assert!(said.contains(&format!("cell {cell} is as it was")), "{said}");
            flip(world, at + 20);
            let said = doctor(world);
            let named = format!("slots: cell {cell} (");
            assert!(said.contains(&named) && said.contains("keystead recover"), "{cell}: {said}");
            works_elsewhere(world, &id);
            recover(world);
            assert!(!doctor(world).contains("slots: cell"));
            world.end_agent();
        }
        assert_eq!(recover(world), "nothing is lost, and nothing was changed\n");
    });
}

#[test]
fn a_lost_copy_of_any_cell_before_the_erase_cells_costs_nothing_and_the_next_agent_mends_it() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        let whole = fs::read(world.store().join("slots")).unwrap();
        for cell in [FORMAT_CELL, IDENTITY, 2, 3, PIN] {
            for at in copies(cell) {
                if world.agent().is_some() {
                    world.end_agent();
                }
                overwrite(world, at, &[0xAA; CELL as usize]);
                let said = doctor(world);
                let named = format!("slots: cell {cell} (");
                assert!(said.contains(&named) && said.contains("the next agent"), "{said}");
                works_elsewhere(world, &id);
                world.end_agent();
                assert!(!doctor(world).contains("slots: cell"));
            }
        }
        let mended = fs::read(world.store().join("slots")).unwrap();
        let pin: Vec<_> =
            copies(PIN).into_iter().map(|at| at as usize..(at + CELL) as usize).collect();
        assert!(pin.iter().all(|at| mended[at.clone()] == whole[at.clone()]));
    });
}

#[test]
fn a_cell_file_that_nothing_mends_is_not_sent_from_one_command_to_the_next() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        made(world);
        let slots = world.store().join("slots");
        fs::write(&slots, vec![0; fs::metadata(&slots).unwrap().len() as usize]).unwrap();
        let said = text(&world.keystead(&["recover"]));
        assert!(said.contains("this cannot be mended"), "{said}");
        assert!(!said.contains("`keystead recover"), "{said}");
        fs::remove_file(&slots).unwrap();
        let said = doctor(world);
        assert!(said.contains("slots: it is gone"), "{said}");
        assert!(said.contains("restore the store's directory"), "{said}");
    });
}

#[test]
fn a_token_whose_count_is_lost_is_locked_until_its_officer_comes_after_a_recovery() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        overwrite_cell(world, PIN, 10, &[0xAA; 30]);
        let module = world.module();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        let session = module.open_rw_session(slot).unwrap();
        for (who, known) in [(UserType::User, USER_PIN), (UserType::So, SO_PIN)] {
            refused(session.login(who, Some(&pin(known))), RvError::PinLocked);
        }
        let said = doctor(world);
        assert!(said.contains("slots: cell 8 (a token's wrong PINs)"), "{said}");
        let said = recover(world);
        assert!(said.contains("its officer has one try"), "{said}");
        refused(session.login(UserType::User, Some(&pin(USER_PIN))), RvError::PinLocked);
        session.login(UserType::So, Some(&pin(SO_PIN))).unwrap();
        session.init_pin(&pin(USER_PIN)).unwrap();
        session.logout().unwrap();
        works(&Token::login(&module, slot), &id);
    });
}

#[test]
fn the_officer_has_one_try_after_that_and_no_more() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        made(world).unwrap();
        overwrite_cell(world, PIN, 0, &[0; 64]);
        recover(world);
        let module = world.module();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        assert!(module.get_token_info(slot).unwrap().so_pin_final_try());
        let session = module.open_rw_session(slot).unwrap();
        refused(session.login(UserType::So, Some(&pin("wrong-1"))), RvError::PinIncorrect);
        refused(session.login(UserType::So, Some(&pin(SO_PIN))), RvError::PinLocked);
        drop(session);
        drop(module);
        // Once is enough: a recovery finds nothing more to mend.
        assert_eq!(recover(world), "nothing is lost, and nothing was changed\n");
    });
}

#[test]
fn material_whose_erase_cell_is_lost_is_told_and_imported_again() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        overwrite_cell(world, erase_cell(), 10, &[0xAA; 30]);
        let said = doctor(world);
        assert!(said.contains("an erase secret") && said.contains("counts as deleted"), "{said}");
        let said = recover(world);
        assert!(said.contains(&format!("lost: the material of {id}; import it again")), "{said}");
        let token = world.same_token();
        assert_eq!(token.material(&id), None);
        assert_eq!(token.number(token.metadata(&id), STATUS), PENDING_IMPORT);
        let again = [&aes_material()[..], &[Attribute::Value(ONE.to_vec()), for_key(&id)]].concat();
        token.create_object(&again).unwrap();
        works(&token, &id);
    });
}

#[test]
fn a_lost_beginning_is_written_anew_from_the_snapshot() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        for cell in [FORMAT_CELL, IDENTITY] {
            overwrite_cell(world, cell, 0, &[0xAA; CELL as usize]);
        }
        let said = doctor(world);
        assert!(said.contains("slots") && said.contains("keystead recover"), "{said}");
        let said = recover(world);
        assert!(said.contains("written anew from the snapshot"), "{said}");
        works_elsewhere(world, &id);
    });
}

#[test]
fn a_cell_file_that_is_cut_off_loses_what_was_there_and_no_more() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        let slots = fs::File::options().write(true).open(world.store().join("slots")).unwrap();
        slots.set_len(copies(ERASE)[0] + 100).unwrap();
        let said = text(&world.keystead(&["sweep"]));
        assert!(said.contains("slots") && said.contains("keystead recover"), "{said}");
        let said = recover(world);
        assert!(said.contains(&format!("lost: the material of {id}")), "{said}");
        let token = world.same_token();
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), DELETED);
    });
}

#[test]
fn another_stores_cell_file_is_refused_and_left_as_it_is() {
    play(|world| {
        if !is_first(world) {
            return;
        }
        let id = made(world).unwrap();
        let (own, aside) = (world.store().join("slots"), world.path("aside"));
        fs::rename(world.store(), &aside).unwrap();
        fs::create_dir(world.store()).unwrap();
        fs::set_permissions(world.store(), std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        made(world).unwrap();
        let theirs = fs::read(&own).unwrap();
        fs::remove_dir_all(world.store()).unwrap();
        fs::rename(&aside, world.store()).unwrap();
        let ours = fs::read(&own).unwrap();
        for snapshot in [true, false] {
            if !snapshot {
                fs::remove_file(world.store().join("snapshot")).unwrap();
            }
            fs::write(&own, &theirs).unwrap();
            let said = world.keystead(&["recover"]);
            assert!(!said.status.success(), "{said:?}");
            assert!(text(&said).contains("it is another store's"), "{said:?}");
            assert!(fs::read(&own).unwrap() == theirs, "nothing of it is touched");
            assert!(!world.keystead(&["sweep"]).status.success());
        }
        fs::write(&own, &ours).unwrap();
        works_elsewhere(world, &id);
    });
}

/// The fates that a file may meet.
const FATES: [&str; 7] = ["empty", "zeros", "rubbish", "cut", "longer", "a directory", "a pipe"];

fn befall(file: &Path, fate: &str) {
    let bytes = fs::read(file).unwrap_or_default();
    match fate {
        "empty" => fs::write(file, []).unwrap(),
        "zeros" => fs::write(file, vec![0; bytes.len()]).unwrap(),
        "rubbish" => fs::write(file, vec![0xA5; bytes.len().max(10)]).unwrap(),
        "cut" => fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
        "longer" => fs::write(file, [&bytes[..], &[7; 33]].concat()).unwrap(),
        "a pipe" => {
            let _there = fs::remove_file(file);
            mkfifoat(CWD, file, Mode::from_raw_mode(0o600)).unwrap();
        }
        _ => {
            let _there = fs::remove_file(file);
            fs::create_dir(file).unwrap();
        }
    }
}

#[test]
fn whatever_becomes_of_the_agents_own_files_it_works_or_is_named_with_a_remedy() {
    play(|world| {
        let files = ["slots", "generations", "lock", "starting", "db.doubted", "ballast"];
        works_or_is_named(world, &files);
    });
}

#[test]
fn whatever_becomes_of_the_records_and_the_log_it_works_or_is_named_with_a_remedy() {
    play(|world| {
        let files = ["snapshot", "db/conf", "db/db", "audit/key", "audit/audit.jsonl"];
        works_or_is_named(world, &files);
    });
}

fn works_or_is_named(world: &World, files: &[&str]) {
    if !is_first(world) {
        return;
    }
    made(world).unwrap();
    let whole = world.path("whole");
    copy(&world.store(), &whole);
    let mut unsaid = Vec::new();
    for name in files {
        for fate in FATES {
            let _ = fs::remove_dir_all(world.store());
            copy(&whole, &world.store());
            befall(&world.store().join(name), fate);
            for command in ["doctor", "sweep", "recover"] {
                let said = world.keystead(&[command]);
                let text = text(&said);
                let what = format!("{name}, {fate}, {command}: {text}");
                assert!(!text.contains("panicked"), "{what}");
                assert!(matches!(said.status.code(), Some(0 | 1 | 7)), "{what}");
                let failed = !said.status.success() && command != "doctor";
                // A directory is a whole: its own name does for what lies in it.
                let part = name.split('/').next().unwrap();
                let named = text.contains(part) && text.contains("hint: ");
                let served = command == "recover" && text.contains("an agent serves");
                if failed && !named && !served {
                    unsaid.push(what);
                }
                if command == "sweep" && world.agent().is_some() {
                    world.end_agent();
                }
            }
        }
    }
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
    let _socket = fs::remove_file(to.join("agent.sock"));
}
