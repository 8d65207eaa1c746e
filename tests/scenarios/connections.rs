//! More programs and threads than an agent has connections for: they share the store all the same, and
//! give back what they do not need.

use crate::rig::process::Other;
use crate::rig::token::{Token, pin};
use crate::rig::world::{World, eventually};
use crate::rig::{play, raw::Raw, token::USER_PIN};
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, UserType};
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// Together more than the 256 connections that a user has.
const PROGRAMS: usize = 17;
const THREADS: usize = 16;
const ROUNDS: usize = 5;

/// More than the 256 connections that a user has.
const DAWDLERS: usize = 400;

#[test]
fn who_begins_requests_and_ends_none_keeps_no_seat_from_others() {
    play(|world| match world.role() {
        "" => {
            let _token = world.token();
            let dawdle = |_| {
                let mut stream = UnixStream::connect(world.store().join("agent.sock")).unwrap();
                // The length of a greeting, and its first byte.
                stream.write_all(&[60, 0, 0, 0, 0]).unwrap();
                stream
            };
            let _dawdlers: Vec<UnixStream> = (0..DAWDLERS).map(dawdle).collect();
            world.start("newcomer").ends_well();
        }
        _ => work(&world.same_token(), "newcomer"),
    });
}

#[test]
fn seventeen_programs_of_sixteen_threads_share_a_store_and_give_back_what_they_leave_idle() {
    play(|world| match world.role() {
        "" => {
            let token = world.token();
            let mut programs: Vec<Other> =
                (0..PROGRAMS).map(|number| world.start(&format!("program {number}"))).collect();
            let all = |programs: &mut [Other], says: &str, told: &str| {
                programs.iter_mut().for_each(|program| program.says(says));
                programs.iter_mut().for_each(|program| program.tell(told));
            };
            all(&mut programs, "ready", "go");
            programs.iter_mut().for_each(|program| program.says("done"));
            // All are there still, and so is room for another.
            let mut newcomer = world.start("newcomer");
            newcomer.says("in");
            work(&token, "first");
            eventually("they give back what they leave idle", || {
                connections(world) <= PROGRAMS + 2
            });
            programs.iter_mut().for_each(|program| program.tell("again"));
            programs.iter_mut().for_each(|program| program.says("done"));
            programs.into_iter().for_each(Other::ends_well);
            newcomer.ends_well();
        }
        "newcomer" => {
            work(&world.same_token(), "newcomer");
            world.tell("in");
        }
        name => {
            let token = world.same_token();
            world.tell("ready");
            for _ in 0..2 {
                world.hear();
                crowd(&token, name);
                world.tell("done");
            }
        }
    });
}

fn crowd(token: &Token, name: &str) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let session = token.another_session();
            scope.spawn(move || {
                (0..ROUNDS).for_each(|round| work(&session, &format!("{name} {thread} {round}")));
            });
        }
    });
}

/// Makes, finds and destroys an object, which takes the agent three times.
fn work(session: &Session, name: &str) {
    let named = Attribute::Label(name.as_bytes().to_vec());
    let template = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true), named.clone()];
    let made = session.create_object(&template).unwrap();
    assert_eq!(session.find_objects(&[named]).unwrap(), [made]);
    session.destroy_object(made).unwrap();
}

/// Returns the number of the agent's connections.
fn connections(world: &World) -> usize {
    let socket = world.store().join("agent.sock");
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    // Number, users, protocol, flags, type, state (3: connected), inode, path.
    let connected = table.lines().filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(5) == Some(&"03") && fields.get(7) == socket.to_str().as_ref()
    });
    connected.count()
}

#[test]
fn a_program_works_on_beside_silent_and_rude_connections_of_the_same_user() {
    play(|world| {
        let token = world.token();
        let mut silent: Vec<Raw> = (0..300).map(|_| Raw::connect(world)).collect();
        work(&token, "beside");
        token.logout().unwrap();
        token.login(UserType::User, Some(&pin(USER_PIN))).unwrap();
        let _never_read: Vec<_> = silent.iter_mut().map(Raw::ask_and_leave).collect();
        work(&token, "beside still");
        silent.clear();
        work(&token, "alone");
    });
}

#[test]
fn an_agent_that_may_have_few_descriptors_serves_any_number_of_connections() {
    play(|world| {
        let token = world.token();
        world.end_agent();
        let store = world.store();
        let program = env!("CARGO_BIN_EXE_keystead");
        let mut agent = world
            .tool("sh")
            .args(["-c", "ulimit -n 96 && exec \"$1\" agent --store \"$2\"", "sh", program])
            .arg(&store)
            .env("KEYSTEAD_CONF", world.path("config.toml"))
            .spawn()
            .unwrap();
        eventually("the agent answers", || world.agent().is_some());
        // They say nothing, and may be hung up on at any moment.
        let connect = |_| UnixStream::connect(store.join("agent.sock")).ok();
        let silent: Vec<UnixStream> = (0..100).filter_map(connect).collect();
        work(&token, "beside");
        crowd(&token, "many");
        drop(silent);
        world.end_agent();
        assert!(agent.wait().unwrap().success());
    });
}
