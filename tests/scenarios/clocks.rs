//! Clocks that go wrong: behind, ahead, set back while an agent runs or while none does, and not going at
//! all. The store's time goes on from the latest that it has seen, in every process.

use crate::rig::elsewhen::{Elsewhen, faketime, faketime_in};
use crate::rig::process::kill_9;
use crate::rig::token::{SO_PIN, Token, USER_PIN, aes_material, expected_block};
use crate::rig::world::{World, eventually, now, until};
use crate::rig::wrap::Courier;
use crate::rig::{
    CREATED_AT, DELETION_AT, EXPIRED, EXPIRES_AT, MATERIAL_STATE, expires_at, for_key, number,
    play, refused, without_custody,
};
use cryptoki::error::RvError;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use rustix::process::Pid;
use std::process::{Child, Output};

const ONE: [u8; 32] = [1; 32];
const DAY: u64 = 86_400;

/// A key that lives for some seconds is made, and a clock set back then; it ends all the same. The rest
/// plays in a process whose clock is as `elsewhen` says.
fn ends_in_its_second(world: &World, elsewhen: &Elsewhen, set: impl Fn(&World) -> Option<Child>) {
    if world.role() == "user" {
        let token = world.same_token();
        let (id, end): (String, u64) = serde_json::from_str(&world.hear()).unwrap();
        let key = token.material(&id).expect("it is there");
        token.encrypt_block(key).unwrap();
        world.tell("used");
        world.hear();
        // The other clocks are not to be relied on here.
        refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
        assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
        assert_eq!(token.number(token.metadata(&id), EXPIRES_AT), end);
        return;
    }
    let token = world.token();
    let end = now() + 4;
    let (id, key) = imported(&token, end);
    let mut user = world.start_with("user", &elsewhen.borrowed());
    user.tell(&serde_json::to_string(&(&id, end)).unwrap());
    user.says("used");
    let agent = set(world);
    until(end);
    user.tell("look");
    user.ends_well();
    refused(token.encrypt_block(key), RvError::KeyHandleInvalid);
    if let Some(mut agent) = agent {
        world.kill_agent();
        agent.wait().unwrap();
    }
}

#[test]
fn a_key_ends_in_a_process_whose_clock_is_set_back_meanwhile() {
    play(|world| {
        let clock = world.path("clock");
        if world.role().is_empty() {
            std::fs::write(&clock, "+0").unwrap();
        }
        ends_in_its_second(world, &faketime_in(&clock), |_| {
            std::fs::write(&clock, "-3600").unwrap();
            None
        });
    });
}

#[test]
fn a_key_ends_in_a_process_whose_clock_is_years_behind() {
    play(|world| ends_in_its_second(world, &faketime("-3650d"), |_| None));
}

#[test]
fn a_key_ends_in_a_process_whose_clock_stands_still() {
    play(|world| ends_in_its_second(world, &faketime("2020-01-01 00:00:00"), |_| None));
}

#[test]
fn a_key_ends_although_the_agent_was_killed_and_the_next_ones_clock_is_behind() {
    play(|world| {
        ends_in_its_second(world, &faketime("-1d"), |world| {
            world.kill_agent();
            Some(world.agent_at(&faketime("-1d")))
        });
    });
}

#[test]
fn a_key_ends_although_every_clock_is_set_back_while_the_agent_runs() {
    play(|world| match world.role() {
        "user" => {
            let (token, end) = (world.token(), now() + 4);
            let (id, key) = imported(&token, end);
            token.encrypt_block(key).unwrap();
            let began = std::time::Instant::now();
            world.tell("set the clock back");
            world.hear();
            assert!(now() < end - 3000);
            while token.encrypt_block(key).is_ok() {
                assert!(began.elapsed().as_secs() < 10, "it does not end");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            assert!(began.elapsed().as_secs() >= 2, "it ends too early");
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
            // What comes after goes by the same time.
            let made = token.generate_aes(&[Attribute::Token(true)]);
            let made = token.metadata(&token.key_of(made));
            assert!(token.number(made, CREATED_AT) >= end);
        }
        _ => {
            std::fs::write(world.path("clock"), "+0").unwrap();
            let time = faketime_in(&world.path("clock"));
            let mut agent = world.agent_at(&time);
            let mut user = world.start_with("user", &time.borrowed());
            user.says("set the clock back");
            std::fs::write(world.path("clock"), "-3600").unwrap();
            user.tell("done");
            user.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
        }
    });
}

/// The kernel's timers ring after a suspension whose time they count.
#[test]
fn the_agent_waits_for_an_expiry_by_the_clock_that_counts_a_suspended_machine() {
    play(|world| {
        if !rustix::process::geteuid().is_root() {
            World::skip("only root sees the timers of an agent");
        }
        imported(&world.token(), now() + 3600);
        let agent = world.agent().unwrap();
        eventually("it waits by CLOCK_BOOTTIME", || {
            timers(agent, CLOCK_BOOTTIME).iter().any(|left| (3500..=3600).contains(left))
        });
    });
}

const CLOCK_BOOTTIME: &str = "7";

/// Returns the seconds until the timers of a process ring that go by a clock, as the kernel tells them.
fn timers(process: Pid, clock: &str) -> Vec<u64> {
    let folder = format!("/proc/{}/fdinfo", process.as_raw_nonzero());
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let left = |text: String| {
        let value = |name| text.lines().find_map(|line| line.strip_prefix(name));
        let left = value("it_value: (")?.split(',').next()?.parse().ok();
        left.filter(|_| value("clockid: ") == Some(clock))
    };
    files.filter_map(|file| left(std::fs::read_to_string(file).ok()?)).collect()
}

/// A token in a store that has seen a clock 30 days ahead, which is right again.
fn after_a_clock_ahead(world: &World) -> Token {
    let token = world.token();
    world.kill_agent();
    let mut agent = world.agent_at(&faketime("+30d"));
    // Each caller that asks shows it the time.
    assert!(world.keystead(&["clock"]).status.success());
    world.kill_agent();
    agent.wait().unwrap();
    token
}

#[test]
fn an_expiry_before_the_stores_time_is_refused_whatever_it_is_for_and_changes_nothing() {
    play(|world| {
        let token = after_a_clock_ahead(world);
        let id = token.empty_key(&[]);
        let before = token.find_objects(&[Attribute::Token(true)]).unwrap().len();
        let soon = || expires_at(now() + 3600);
        let late = |result: cryptoki::error::Result<ObjectHandle>| {
            refused(result, RvError::AttributeValueInvalid);
        };
        late(import(&token, &id, &[soon()]));
        late(token.create_object(&[&plain()[..], &[soon(), for_key(&id)]].concat()));
        late(token.create_object(&[&plain()[..], &[soon()]].concat()));
        late(token.create_object(&[&plain()[..], &[soon(), without_custody()]].concat()));
        let length = Attribute::ValueLen(32.into());
        let ordinary = [Attribute::Token(true), without_custody(), length, soon()];
        late(token.generate_key(&cryptoki::mechanism::Mechanism::AesKeyGen, &ordinary));
        let at = jiff::Timestamp::now() + std::time::Duration::from_secs(3600);
        late(by_json(&token, &format!(r#"{{"alias":"late","expires":"{at}"}}"#)));
        assert_eq!(token.material(&id), None);
        assert_eq!(token.find_objects(&[Attribute::Token(true)]).unwrap().len(), before);

        // A deletion too is scheduled by the store's time.
        let week = number(DELETION_AT, now() + 7 * DAY);
        let schedule = token.update_attributes(token.metadata(&id), &[week]);
        refused(schedule, RvError::AttributeValueInvalid);
        let week = number(DELETION_AT, now() + 37 * DAY + 60);
        token.update_attributes(token.metadata(&id), &[week]).unwrap();
    });
}

#[test]
fn what_counts_from_now_counts_from_the_stores_time() {
    play(|world| {
        let token = after_a_clock_ahead(world);
        let store = now() + 30 * DAY;
        let metadata = by_json(&token, r#"{"alias":"lasting","expires_in":"1h"}"#).unwrap();
        let id = token.key_of(metadata);
        assert!(token.number(metadata, CREATED_AT).abs_diff(store) < 60);
        let key = import(&token, &id, &[]).unwrap();
        assert!(token.number(key, EXPIRES_AT).abs_diff(store + 3600) < 60);
        token.encrypt_block(key).unwrap();

        // And so does the program.
        std::fs::write(world.path("material"), [2; 32]).unwrap();
        let file = world.path("material");
        let file = file.to_str().unwrap();
        works(keystead(world, &["import", "--new", "brought", file, "--expires", "1h"]));
        works(keystead(
            world,
            &["import-key", "--bits", "2048", "--label", "mine", "--out", &path(world, "pem")],
        ));
        works(keystead(world, &["schedule-deletion", "--days", "7", "brought"]));
        let list = works(keystead(world, &["list", "--expiring", "2h", "--json"]));
        let expiring: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(expiring.as_array().unwrap().len(), 2, "{list}");
    });
}

#[test]
fn a_refused_expiry_is_explained_with_both_times_and_the_remedy() {
    play(|world| {
        let log = world.path("log");
        world.configure(&format!("log = {log:?}"));
        let token = after_a_clock_ahead(world);
        let id = token.empty_key(&[Attribute::Label(b"late".to_vec())]);
        refused(import(&token, &id, &[expires_at(now() + 3600)]), RvError::AttributeValueInvalid);
        // The agent has seen it as it started, and the module at the refusal.
        let said = std::fs::read_to_string(&log).unwrap();
        let told = |line: &&str| {
            [&day(30)[..], &day(0), "keystead clock --accept"].iter().all(|it| line.contains(it))
        };
        assert_eq!(said.lines().filter(told).count(), 2, "{said}");
        std::fs::write(world.path("material"), ONE).unwrap();
        let at = (jiff::Timestamp::now() + std::time::Duration::from_secs(3600)).to_string();
        let file = path(world, "material");
        for command in [
            &["import", "late", &file, "--expires", &at][..],
            &["import", "--new", "new", &file, "--expires", &at],
            &["create", "empty", "--expires", &at],
        ] {
            let said = keystead(world, command);
            let text = String::from_utf8(said.stderr).unwrap();
            for part in [&day(30)[..], &day(0), "keystead clock --accept"] {
                assert!(text.contains(part), "{part} is not in {text}");
            }
        }
        let doctor = world.keystead(&["doctor"]);
        let text = String::from_utf8(doctor.stdout).unwrap();
        assert!(text.contains("problem  clock: it shows") && text.contains(&day(30)), "{text}");

        let accept = ["clock", "--accept", "--so-pin-file", &pin_file(world, SO_PIN)];
        assert!(world.keystead(&accept).status.success());
        let key = import(&token, &id, &[expires_at(now() + 3600)]).unwrap();
        token.encrypt_block(key).unwrap();
    });
}

/// The day so many days from now, as a moment begins with it.
fn day(ahead: u64) -> String {
    let at = jiff::Timestamp::now() + std::time::Duration::from_secs(ahead * DAY);
    at.to_string()[..10].to_owned()
}

#[test]
fn a_clock_set_back_does_not_revive_what_has_expired() {
    play(|world| match world.role() {
        // It lives two days ahead, and its agent with it.
        "ahead" => {
            let token = world.same_token();
            let id = world.hear();
            assert_eq!(token.material(&id), None);
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
            world.tell("expired");
        }
        "back" => {
            let token = world.same_token();
            let id = world.hear();
            assert_eq!(token.material(&id), None);
            assert_eq!(token.number(token.metadata(&id), MATERIAL_STATE), EXPIRED);
            loop {
                // What was erased stays erased: it is brought again, by the time that the store goes by.
                match import(&token, &id, &[expires_at(now() + 100)]) {
                    Ok(key) => {
                        token.encrypt_block(key).unwrap();
                        world.tell("works");
                    }
                    refusal => {
                        refused(refusal, RvError::AttributeValueInvalid);
                        assert_eq!(token.material(&id), None);
                        world.tell("refused");
                    }
                }
                if world.hear() == "end" {
                    break;
                }
            }
        }
        _ => {
            let ahead = faketime("+2d");
            let (id, agent) = {
                let token = world.token();
                (imported(&token, now() + 86_400).0, world.agent().unwrap())
            };
            kill_9(agent);
            let mut agent = world.agent_at(&ahead);
            let mut other = world.start_with("ahead", &ahead.borrowed());
            other.tell(&id);
            other.says("expired");
            other.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
            let mut other = world.start("back");
            other.tell(&id);
            // The store's time is two days ahead: nothing that expires before it is imported.
            other.says("refused");
            // Only the security officer takes the clock's time again, in every process and for good.
            let wrong = world.keystead(&[
                "clock",
                "--accept",
                "--so-pin-file",
                &pin_file(world, "wrong-1"),
            ]);
            assert!(!wrong.status.success());
            other.tell("again");
            other.says("refused");
            let right =
                world.keystead(&["clock", "--accept", "--so-pin-file", &pin_file(world, SO_PIN)]);
            assert!(right.status.success(), "{right:?}");
            other.tell("again");
            other.says("works");
            world.kill_agent();
            other.tell("again");
            other.says("works");
            other.tell("end");
            other.ends_well();
        }
    });
}

#[test]
fn a_clock_far_ahead_by_mistake_costs_no_material_within_the_grace() {
    play(|world| match world.role() {
        "ahead" => {
            let token = world.same_token();
            let id = world.hear();
            assert_eq!(token.material(&id), None, "unusable though it is not erased");
            assert_eq!(token.json(&id)["material"], "expired");
        }
        _ => {
            let log = world.path("log");
            world.configure(&format!("grace_hours = 24\nlog = {log:?}"));
            let ahead = faketime("+2d");
            let (token, id) = {
                let token = world.token();
                let (id, _) = imported(&token, now() + 86_400);
                (token, id)
            };
            world.kill_agent();
            let mut agent = world.agent_at(&ahead);
            let mut other = world.start_with("ahead", &ahead.borrowed());
            other.tell(&id);
            other.ends_well();
            world.kill_agent();
            agent.wait().unwrap();
            let said = std::fs::read_to_string(&log).unwrap();
            assert!(said.contains("is erased in 86400 s unless the clock was wrong"), "{said}");
            // The clock is right again, and the store still goes by what it has seen.
            assert_eq!(token.material(&id), None);
            let right =
                world.keystead(&["clock", "--accept", "--so-pin-file", &pin_file(world, SO_PIN)]);
            assert!(right.status.success(), "{right:?}");
            let key = token.material(&id).expect("material that was only waiting");
            assert_eq!(token.encrypt_block(key).unwrap(), expected_block(&ONE));
        }
    });
}

#[test]
fn a_day_long_expiry_passes_in_a_process_whose_clock_is_ahead() {
    play(|world| match world.role() {
        "ahead" => {
            let token = world.same_token();
            assert_eq!(token.find_objects(&aes_material()).unwrap(), []);
        }
        _ => {
            let token = world.token();
            imported(&token, now() + 86_400);
            let ahead = faketime("+2d");
            world.start_with("ahead", &ahead.borrowed()).ends_well();
        }
    });
}

fn pin_file(world: &World, pin: &str) -> String {
    let path = world.path("officer");
    std::fs::write(&path, pin).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A custom key with material that expires at that second.
fn imported(token: &Token, expiry: u64) -> (String, ObjectHandle) {
    let id = token.empty_key(&[]);
    let key = import(token, &id, &[expires_at(expiry)]).unwrap();
    (id, key)
}

fn import(token: &Token, id: &str, more: &[Attribute]) -> cryptoki::error::Result<ObjectHandle> {
    let template = [&aes_material()[..], &[for_key(id)], more].concat();
    Courier::new(token).import(token, &ONE, &template)
}

fn plain() -> Vec<Attribute> {
    [&aes_material()[..], &[Attribute::Value(vec![3; 32])]].concat()
}

fn by_json(token: &Token, json: &str) -> cryptoki::error::Result<ObjectHandle> {
    token.create_object(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(b"keystead".to_vec()),
        Attribute::Value(json.as_bytes().to_vec()),
    ])
}

/// The program as the token's user.
fn keystead(world: &World, arguments: &[&str]) -> Output {
    let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
    std::fs::write(world.path("pin"), USER_PIN).unwrap();
    let pin = path(world, "pin");
    let options = ["--pin-file", &pin, "--module", module.to_str().unwrap()];
    world.keystead(&[arguments, &options].concat())
}

fn works(said: Output) -> String {
    assert!(matches!(said.status.code(), Some(0 | 3)), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

fn path(world: &World, name: &str) -> String {
    world.path(name).to_str().unwrap().to_owned()
}
