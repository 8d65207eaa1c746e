//! The fates of `generations`, of the agent and of the store's directory under a program that has
//! keys in use: no signal ends it, its calls go on or say what is wrong, and what another process takes
//! away is refused at the next Init.

use crate::rig::process::{Other, PATIENCE, ends_within, kill_9};
use crate::rig::token::{Token, aes_material};
use crate::rig::{World, play};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use keystead::internal::wire::message::{MAX_FRAME, PROTOCOL, STORE_FORMAT};
use keystead::internal::wire::socket::Socket;
use keystead::internal::wire::{Request, Response, frame};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;

/// The fates that the file may meet.
const FATES: [&str; 6] = ["older", "replaced", "empty", "cut", "zeros", "gone"];

fn befall(world: &World, fate: &str) {
    let file = world.store().join("generations");
    let whole = fs::read(&file).unwrap();
    let cut_to = |bytes| File::options().write(true).open(&file).unwrap().set_len(bytes).unwrap();
    let replace_by = |bytes: &[u8]| {
        fs::write(world.path("other"), bytes).unwrap();
        fs::set_permissions(world.path("other"), Permissions::from_mode(0o600)).unwrap();
        fs::rename(world.path("other"), &file).unwrap();
    };
    match fate {
        // Of another agent, and as it was.
        "older" => replace_by(&[&whole[..64], &[7; 8], &whole[72..]].concat()),
        "replaced" => replace_by(&whole),
        "empty" => cut_to(0),
        "cut" => cut_to(100),
        "zeros" => fs::write(&file, vec![0; 36_864]).unwrap(),
        _ => fs::remove_file(&file).unwrap(),
    }
}

/// Leaves the agent as it is.
fn nothing(_: &World) {}

// It may have ended by itself, or end now, where the file is gone.

fn killed(world: &World) {
    world.agent().into_iter().for_each(kill_9);
}

fn ended(world: &World) {
    let Some(agent) = world.agent() else { return };
    let _gone = kill_process(agent, Signal::TERM);
    assert!(ends_within(agent, PATIENCE), "the agent stays");
}

#[test]
fn a_file_that_is_damaged_while_the_agent_lives_ends_nothing() {
    play(|world| outlives(world, nothing, &[]));
}

#[test]
fn a_file_that_is_damaged_when_the_agent_is_killed_is_named_and_ends_nothing() {
    play(|world| outlives(world, killed, &["empty", "cut", "zeros"]));
}

#[test]
fn a_file_that_is_damaged_when_the_agent_ends_is_named_and_ends_nothing() {
    play(|world| outlives(world, ended, &["empty", "cut", "zeros"]));
}

/// Asserts that a key in use goes on when the file meets its fate, or that it is said what is wrong until it is removed;
/// and what another process takes away is refused.
fn outlives(world: &World, then: fn(&World), named: &[&str]) {
    if !world.role().is_empty() {
        return take_away_what_is_told(world);
    }
    let token = world.token();
    let mut other = another(world);
    for fate in FATES {
        let key = made(&token, fate);
        token.encrypt_block(key).unwrap();
        befall(world, fate);
        then(world);
        match named.contains(&fate) {
            true => {
                // Where the words that count are left, no agent need be asked.
                match (fate, token.encrypt_block(key)) {
                    ("cut", done) => drop(done.expect(fate)),
                    (_, done) => is_a_device_error(done, fate),
                }
                let said = world.keystead(&["sweep"]).stderr;
                let said = String::from_utf8(said).unwrap();
                assert!(
                    said.contains("generations: it ") && said.contains("remove this file"),
                    "{said}"
                );
                fs::remove_file(world.store().join("generations")).unwrap();
            }
            false => drop(token.encrypt_block(key).expect(fate)),
        }
        token.encrypt_block(key).expect(fate);
        takes_away(&mut other, fate);
        is_refused(&token, key, fate);
    }
}

#[test]
fn a_key_that_is_taken_away_under_the_next_agent_is_refused() {
    play(|world| {
        if !world.role().is_empty() {
            return take_away_what_is_told(world);
        }
        let token = world.token();
        let mut other = another(world);
        for (name, then) in [("killed", killed as fn(&World)), ("ended", ended)] {
            let (gone, stays) = (made(&token, name), made(&token, &format!("{name}, stays")));
            for key in [gone, stays] {
                token.encrypt_block(key).unwrap();
            }
            then(world);
            for key in [gone, stays] {
                token.encrypt_block(key).expect("nobody can have changed anything");
            }
            assert!(world.agent().is_none(), "nobody had to be asked");
            takes_away(&mut other, name);
            is_refused(&token, gone, name);
            token.encrypt_block(stays).unwrap();
        }
    });
}

#[test]
fn a_key_that_is_taken_away_in_a_copy_that_was_put_back_is_refused() {
    play(|world| {
        if !world.role().is_empty() {
            return take_away_what_is_told(world);
        }
        let token = world.token();
        let key = made(&token, "key");
        token.encrypt_block(key).unwrap();
        world.end_agent();
        let (store, copy) = (world.store(), world.path("copy"));
        let copied = Command::new("cp").arg("-a").arg(&store).arg(&copy).status().unwrap();
        assert!(copied.success());
        fs::rename(&store, world.path("before")).unwrap();
        fs::rename(&copy, &store).unwrap();
        token.encrypt_block(key).expect("nobody can have changed anything");
        takes_away(&mut another(world), "key");
        is_refused(&token, key, "in a copy");
    });
}

#[test]
fn a_forked_child_has_a_page_of_its_own() {
    play(|world| {
        if !world.role().is_empty() {
            return take_away_what_is_told(world);
        }
        let token = world.token();
        let mut other = another(world);
        let key = made(&token, "key");
        token.encrypt_block(key).unwrap();
        let forked = in_a_child(|| {
            let module = world.module();
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            let token = Token::login(&module, slot);
            let key = labelled(&token, "key");
            token.encrypt_block(key).unwrap();
            world.kill_agent();
            token.generate_aes(&[]);
            token.encrypt_block(key).unwrap();
        });
        assert!(forked, "the child");
        token.encrypt_block(key).unwrap();
        takes_away(&mut other, "key");
        is_refused(&token, key, "in the parent");
    });
}

#[test]
fn a_program_that_may_have_few_descriptors_is_told_and_loses_none() {
    play(|world| {
        let token = world.token();
        let key = made(&token, "key");
        token.encrypt_block(key).unwrap();
        let before = descriptors();
        let limit = getrlimit(Resource::Nofile);
        let mut works = 0;
        for more in 0..6 {
            world.kill_agent();
            assert!(world.keystead(&["sweep"]).status.success());
            let free = File::open("/dev/null").unwrap().as_raw_fd().unsigned_abs();
            let few = Rlimit { current: Some(u64::from(free) + more), ..limit };
            setrlimit(Resource::Nofile, few).unwrap();
            let done = token.encrypt_block(key);
            setrlimit(Resource::Nofile, limit).unwrap();
            match done {
                Ok(_) => works += 1,
                failed => is_a_device_error(failed, &format!("{more} descriptors")),
            }
            token.encrypt_block(key).unwrap();
        }
        assert!((1..6).contains(&works), "{works}");
        assert!(descriptors() <= before + 1, "{} and {before}", descriptors());
    });
}

#[test]
fn a_page_for_which_there_is_no_descriptor_is_not_received() {
    play(|world| {
        world.make_store();
        assert!(world.keystead(&["sweep"]).status.success());
        let mut socket =
            Socket::connect(&world.store(), Instant::now() + PATIENCE).unwrap().unwrap();
        let before = descriptors();
        let limit = getrlimit(Resource::Nofile);
        let free = File::open("/dev/null").unwrap().as_raw_fd().unsigned_abs();
        let none = Rlimit { current: Some(u64::from(free)), ..limit };
        setrlimit(Resource::Nofile, none).unwrap();
        let hello = Request::Hello { protocol: PROTOCOL, store_format: STORE_FORMAT };
        frame::send(&mut socket, &hello).unwrap();
        let welcome = frame::receive::<Response>(&mut socket, MAX_FRAME).unwrap();
        setrlimit(Resource::Nofile, limit).unwrap();
        assert!(matches!(welcome, Some(Response::Welcome { .. })), "{welcome:?}");
        assert!(socket.take_handed().is_none());
        // A second greeting brings none: who never reads could be sent any number.
        frame::send(&mut socket, &hello).unwrap();
        frame::receive::<Response>(&mut socket, MAX_FRAME).unwrap();
        assert!(socket.take_handed().is_none());
        assert_eq!(descriptors(), before);
    });
}

/// Plays the other role: destroys the material of each key that is named.
fn take_away_what_is_told(world: &World) {
    let token = world.same_token();
    world.tell("ready");
    loop {
        let label = world.hear();
        if label.is_empty() {
            return;
        }
        token.destroy_object(labelled(&token, &label)).unwrap();
        world.tell("gone");
    }
}

/// The process in the other role, logged in.
fn another(world: &World) -> Other {
    let mut other = world.start("other");
    other.says("ready");
    other
}

fn takes_away(other: &mut Other, label: &str) {
    other.tell(label);
    other.says("gone");
}

/// An imported AES key.
fn made(token: &Token, label: &str) -> ObjectHandle {
    let mut value = vec![0; 32];
    aws_lc_rs::rand::fill(&mut value).unwrap();
    let of_its_own = [Attribute::Label(label.into()), Attribute::Value(value)];
    token.create_object(&[&aes_material()[..], &of_its_own].concat()).unwrap();
    labelled(token, label)
}

fn labelled(token: &Token, label: &str) -> ObjectHandle {
    let named = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(label.into())];
    let found = token.find_objects(&named).unwrap();
    assert_eq!(found.len(), 1, "{label}");
    found[0]
}

#[track_caller]
fn is_refused(token: &Token, key: ObjectHandle, why: &str) {
    match token.encrypt_block(key) {
        Err(Error::Pkcs11(RvError::KeyHandleInvalid, _)) => {}
        other => panic!("{why}: {other:?}"),
    }
}

#[track_caller]
fn is_a_device_error(done: cryptoki::error::Result<Vec<u8>>, why: &str) {
    assert!(matches!(done, Err(Error::Pkcs11(RvError::DeviceError, _))), "{why}: {done:?}");
}

/// Returns the number of descriptors that this process has open.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Returns true if a forked child of this process has done that.
#[allow(unsafe_code)]
fn in_a_child(work: impl FnOnce()) -> bool {
    // SAFETY: the child only does that work and leaves; no other thread of this process works meanwhile.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: it leaves without running anything of the parent's.
        unsafe { libc::_exit(i32::from(done.is_err())) }
    }
    let child = Pid::from_raw(child).expect("a child");
    let ended = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
    ended.unwrap().expect("an end").1.exit_status() == Some(0)
}
