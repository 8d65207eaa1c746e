//! The audit log: what it says of a key's life, and that nothing can be taken out of it unseen.

use crate::rig::elsewhen::faketime;
use crate::rig::token::{Token, aes_material};
use crate::rig::world::eventually;
use crate::rig::wrap::Courier;
use crate::rig::{DISABLED, ENABLED, STATUS, World, expires_at, for_key, number, play, world};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::UserType;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_life_of_an_imported_key_is_told_event_by_event() {
    play(|world| {
        let token = world.token();
        let id = lived(&token);
        let lines = told(world, &["--key", &id]);
        assert_eq!(
            events(&lines),
            ["created", "imported", "disabled", "enabled", "material-deleted", "imported"]
        );
        let user = rustix::process::getuid().as_raw();
        for line in &lines {
            assert_eq!(line["user"], user);
            assert_eq!(line["key"], id);
        }
        assert_eq!(lines[1]["version"], 1);
        assert!(lines[5]["at"].is_string());
        verified(world);
    });
}

#[test]
fn expiry_and_wrong_pins_are_told_too() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        let at = world::now() + 2;
        import(&token, &id, &[expires_at(at)]);
        token.logout().unwrap();
        for _ in 0..2 {
            token.login(UserType::User, Some(&crate::rig::token::pin("wrong"))).unwrap_err();
        }
        let wrong = told(world, &["--event", "pin-wrong"]);
        assert_eq!(wrong.len(), 2);
        assert_eq!(wrong[0]["pin"], "user");
        world::until(at);
        world::eventually("it is told", || !told(world, &["--event", "expired"]).is_empty());
        let expired = told(world, &["--event", "expired"]);
        assert_eq!(expired.len(), 1);
        assert_eq!((&expired[0]["key"], &expired[0]["version"]), (&id.into(), &1.into()));
        assert!(expired[0].get("user").is_none(), "the agent did it by itself");
        verified(world);
    });
}

#[test]
fn a_refused_import_is_told_with_its_reason_and_key() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        import(&token, &id, &[]);
        let courier = Courier::new(&token);
        let template = [&aes_material()[..], &[for_key(&id)]].concat();
        courier.import(&token, &[8; 32], &template).unwrap_err();
        token.unwrap_key(&Mechanism::AesKeyWrap, courier.key, &[9; 40], &template).unwrap_err();
        let clear = [&template[..], &[Attribute::Value(vec![8; 32])]].concat();
        token.create_object(&clear).unwrap_err();
        let refused = told(world, &["--event", "import-refused", "--key", &id]);
        let reasons: Vec<_> = refused.iter().map(|line| line["reason"].as_str().unwrap()).collect();
        let other = keystead::internal::error::Reason::OtherMaterial.text();
        assert_eq!(
            reasons,
            [other, keystead::internal::error::Reason::WrappedInvalid.text(), other]
        );
        verified(world);
    });
}

#[test]
fn how_often_a_key_was_used_is_told_for_each_day() {
    play(|world| match world.role() {
        // Ends without logging out.
        "user" => {
            let token = world.same_token();
            let key = token.material(&world.hear()).unwrap();
            (0..5).for_each(|_| drop(token.encrypt_block(key).unwrap()));
            token.module.clone().finalize().unwrap();
        }
        _ => {
            let token = world.token();
            let key = token.generate_aes(&[Attribute::Token(true)]);
            let other = token.generate_aes(&[Attribute::Token(true), Attribute::Extractable(true)]);
            let (id, other_id) = (token.key_of(key), token.key_of(other));
            let block = token.encrypt_block(key).unwrap();
            for _ in 0..3 {
                token.decrypt(&Mechanism::AesEcb, key, &block).unwrap();
            }
            // Another key in between, and one call that needs no session's memory.
            token.encrypt_block(other).unwrap();
            token.encrypt_block(key).unwrap();
            token.wrap_key(&Mechanism::AesKeyWrap, key, other).unwrap_err();
            token.wrap_key(&Mechanism::AesKeyWrapPad, other, other).unwrap_err();
            assert!(token.encrypt(&Mechanism::AesEcb, key, b"no block").is_err());
            token.logout().unwrap();
            let mut user = world.start("user");
            user.tell(&id);
            user.ends_well();
            world.end_agent();
            let tomorrow = faketime("+25h");
            let mut agent = world.agent_at(&tomorrow);
            // It answers before it has opened the store, and closes the days that are over as it does.
            let mut used = Vec::new();
            eventually("the day is closed", || {
                used = told(world, &["--event", "used"]);
                !used.is_empty()
            });
            world.kill_agent();
            agent.wait().unwrap();
            let times = |key: &str| {
                // One line, or two where midnight has come in between.
                let of = used.iter().filter(|line| line["key"] == key);
                of.map(|line| line["times"].as_u64().unwrap()).sum::<u64>()
            };
            // Begun is used, whatever comes of it.
            assert!(times(&id) >= 1 + 3 + 1 + 1 + 5, "{used:?}");
            assert!(times(&other_id) >= 1, "{used:?}");
        }
    });
}

#[test]
fn a_line_that_was_changed_removed_moved_or_cut_off_is_found() {
    play(|world| {
        let token = world.token();
        lived(&token);
        verified(world);
        let whole = fs::read_to_string(file(world)).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let put = |lines: &[&str]| fs::write(file(world), lines.join("\n") + "\n").unwrap();

        let changed = lines[3].replace("imported", "described");
        assert_ne!(changed, lines[3]);
        put(&[&lines[..3], &[&changed], &lines[4..]].concat());
        broken(world, "line 4: it was changed, or a line before it");
        put(&[&lines[..3], &lines[4..]].concat());
        broken(world, "line 4: it is number 5, and number 4 is due");
        put(&[&lines[..3], &[lines[4], lines[3]], &lines[5..]].concat());
        broken(world, "line 4: it is number 5, and number 4 is due");
        put(&lines[1..]);
        broken(world, "line 1: it is number 2, and number 1 is due");
        put(&lines[..lines.len() - 2]);
        broken(world, &format!("line {}: 2 lines are missing after it", lines.len() - 2));
        put(&[&lines[..3], &["nonsense"], &lines[4..]].concat());
        broken(world, "line 4: it is not a line of an audit log");
        put(&lines);
        verified(world);
    });
}

#[test]
fn the_log_goes_on_in_a_new_file_when_it_is_renamed() {
    play(|world| {
        let token = world.token();
        token.empty_key(&[]);
        fs::rename(file(world), world.store().join("audit/audit-until-monday.jsonl")).unwrap();
        token.empty_key(&[]);
        assert!(file(world).exists());
        assert_eq!(events(&told(world, &["--event", "created"])).len(), 2);
        assert!(verified(world).contains("files: 2"));
        fs::remove_file(world.store().join("audit/audit-until-monday.jsonl")).unwrap();
        broken(world, "audit.jsonl, line 1: it is number ");
    });
}

#[test]
fn a_killed_agent_loses_no_line_and_the_next_one_finishes_what_it_began() {
    play(|world| {
        let token = world.token();
        for _ in 0..100 {
            token.empty_key(&[]);
        }
        world.kill_agent();
        // As if it had been killed between the store's commit and the end of its write.
        let whole = fs::read(file(world)).unwrap();
        fs::write(file(world), &whole[..whole.len() - 1000]).unwrap();
        broken(world, "nothing here tells whether more came after them");
        assert_eq!(fs::read(file(world)).unwrap(), whole[..whole.len() - 1000]);
        token.empty_key(&[]);
        assert!(fs::read(file(world)).unwrap().starts_with(&whole));
        verified(world);
        world.kill_agent();
        token.empty_key(&[]);
        assert_eq!(told(world, &["--event", "created"]).len(), 102);
        verified(world);
    });
}

#[test]
fn verifying_writes_nothing_and_starts_no_agent() {
    play(|world| {
        let token = world.token();
        token.empty_key(&[]);
        world.end_agent();
        let before = tree(&world.store());
        let said = verified(world);
        assert!(said.contains("head: "), "{said}");
        assert_eq!((tree(&world.store()), world.agent()), (before, None));

        // A copy, cut as if nothing had happened after its lines but the last.
        let copy = world.path("copy");
        copy_of(&world.store(), &copy);
        let lines = fs::read_to_string(file(world)).unwrap();
        let cut = lines.trim_end().rfind('\n').unwrap() + 1;
        fs::write(copy.join("audit/audit.jsonl"), &lines[..cut]).unwrap();
        let before = tree(&copy);
        let output = world.keystead(&["audit", "--verify", "--store", copy.to_str().unwrap()]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("1 lines are missing after it"), "{told}");
        assert_eq!((output.status.code(), tree(&copy)), (Some(1), before));
    });
}

#[test]
fn each_line_is_shown_with_its_mac_and_the_last_one_is_the_head() {
    play(|world| {
        let token = world.token();
        token.empty_key(&[]);
        let lines = told(world, &[]);
        let last = lines.last().unwrap();
        let head = format!("head: {}:{}\n", last["seq"], last["mac"].as_str().unwrap());
        assert!(verified(world).ends_with(&head), "{head}");
        assert!(lines.iter().all(|line| line["mac"].as_str().unwrap().len() == 64));
    });
}

/// Every file below a directory, with what is in it.
fn tree(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(tree(&entry.path())),
            kind if kind.is_file() => found.push((entry.path(), fs::read(entry.path()).unwrap())),
            _ => found.push((entry.path(), Vec::new())),
        }
    }
    found.sort();
    found
}

fn copy_of(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_log_that_cannot_be_written_stops_no_deletion_and_is_made_up_for() {
    play(|world| {
        let token = world.token();
        let id = token.empty_key(&[]);
        import(&token, &id, &[]);
        fs::rename(file(world), world.store().join("audit/audit-first.jsonl")).unwrap();
        fs::create_dir(file(world)).unwrap();
        token.destroy_object(token.material(&id).unwrap()).unwrap();
        assert!(told(world, &["--event", "material-deleted"]).is_empty());
        verified(world);
        fs::remove_dir(file(world)).unwrap();
        token.empty_key(&[]);
        assert_eq!(told(world, &["--event", "material-deleted"]).len(), 1);
        verified(world);
    });
}

/// A key with a life; its key ID.
fn lived(token: &Token) -> String {
    let id = token.empty_key(&[]);
    let key = import(token, &id, &[]);
    token.update_attributes(key, &[number(STATUS, DISABLED)]).unwrap();
    token.update_attributes(key, &[number(STATUS, ENABLED)]).unwrap();
    token.destroy_object(key).unwrap();
    import(token, &id, &[expires_at(world::now() + 86_400)]);
    id
}

fn import(token: &Token, id: &str, template: &[Attribute]) -> ObjectHandle {
    let template = [&aes_material()[..], &[for_key(id)], template].concat();
    Courier::new(token).import(token, &[7; 32], &template).unwrap()
}

fn told(world: &World, arguments: &[&str]) -> Vec<Value> {
    let output = world.keystead(&[&["audit", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

fn verified(world: &World) -> String {
    let output = world.keystead(&["audit", "--verify"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn broken(world: &World, expected: &str) {
    let output = world.keystead(&["audit", "--verify"]);
    assert!(matches!(output.status.code(), Some(1 | 7)), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(expected), "{said}");
}

fn file(world: &World) -> PathBuf {
    world.store().join("audit/audit.jsonl")
}
