//! An agent that gives no sign of life: every call ends in time with what is wrong, the next ones at
//! once, and all is well as soon as it lives.

use crate::rig::process::{Other, kill_9};
use crate::rig::token::{Token, USER_PIN, make_token, pin};
use crate::rig::world::{World, eventually};
use crate::rig::{play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use keystead::internal::wire::SILENCE_TIMEOUT;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, listen, socket};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time that a call takes which finds out, on a machine that is busy.
const IN_TIME: Duration = SILENCE_TIMEOUT.saturating_add(Duration::from_secs(4));

/// The time that a call takes which is told what another found.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn a_stopped_agent_costs_one_deadline_and_is_heard_again_when_it_goes_on() {
    play(|world| {
        let token = world.token();
        let key = token.generate_aes(&[Attribute::Token(true)]);
        let slots = token.module.get_all_slots().unwrap();
        token.encrypt_block(key).unwrap();
        let agent = stop(world);
        // Who holds its keys already encrypts on.
        token.encrypt_block(key).unwrap();
        within(IN_TIME, || refused(generate(&token), RvError::DeviceError));
        within(AT_ONCE, || {
            refused(generate(&token), RvError::DeviceError);
            assert_eq!(token.module.get_all_slots().unwrap(), slots);
            assert_eq!(token.module.get_slots_with_token().unwrap(), slots);
            assert!(token.module.get_slot_info(token.slot).unwrap().token_present());
            refused(token.module.get_token_info(token.slot), RvError::DeviceError);
            refused(token.module.get_mechanism_list(slots[1]), RvError::DeviceError);
            token.encrypt_block(key).unwrap();
            token.another_session().close().unwrap();
        });
        kill_process(agent, Signal::CONT).unwrap();
        eventually("it is asked again", || generate(&token).is_ok());
        within(AT_ONCE, || assert!(generate(&token).is_ok()));
        // What was refused was not made behind the caller's back when the agent went on.
        let class = [Attribute::Class(ObjectClass::SECRET_KEY)];
        assert_eq!(token.find_objects(&class).unwrap().len(), 3);
    });
}

#[test]
fn whatever_a_program_calls_first_waits_once_and_the_rest_is_told_at_once() {
    play(|world| {
        let token = world.token();
        let calls: [(&str, &dyn Fn()); 3] = [
            ("C_FindObjectsInit", &|| {
                let found = token.find_objects(&[Attribute::Label(b"x".to_vec())]);
                refused(found, RvError::DeviceError);
            }),
            ("C_CreateObject", &|| {
                let data = [Attribute::Class(ObjectClass::DATA), Attribute::Token(true)];
                refused(token.create_object(&data), RvError::DeviceError);
            }),
            ("C_GetTokenInfo", &|| {
                refused(token.module.get_token_info(token.slot), RvError::DeviceError);
            }),
        ];
        for (name, first) in calls {
            let agent = stop(world);
            within(IN_TIME, first);
            within(AT_ONCE, || calls.iter().for_each(|(_, call)| call()));
            kill_process(agent, Signal::CONT).unwrap();
            eventually(name, || token.module.get_token_info(token.slot).is_ok());
        }
        let agent = stop(world);
        within(IN_TIME, || {
            token.logout().unwrap();
            let login = token.login(UserType::User, Some(&pin(USER_PIN)));
            refused(login, RvError::DeviceError);
        });
        within(AT_ONCE, || token.module.clone().finalize().unwrap());
        kill_process(agent, Signal::CONT).unwrap();
    });
}

/// The counts of uses are told to the agent at the end, by each token that knows of uses.
#[test]
fn a_program_that_ends_waits_once_for_a_stopped_agent_however_many_tokens_it_used() {
    play(|world| {
        let first = world.token();
        let more = (1..8).map(|number| make_token(&first.module, &format!("token {number}")));
        let tokens: Vec<Token> = more.collect();
        for token in tokens.iter().chain([&first]) {
            let key = token.generate_aes(&[Attribute::Token(true)]);
            token.encrypt_block(key).unwrap();
        }
        let agent = stop(world);
        within(tokens.len() as u32 * AT_ONCE / 2, || first.module.clone().finalize().unwrap());
        kill_process(agent, Signal::CONT).unwrap();
    });
}

#[test]
fn threads_wait_for_a_stopped_agent_together() {
    play(|world| {
        let token = world.token();
        let sessions: Vec<_> = (0..40).map(|_| token.another_session()).collect();
        let agent = stop(world);
        within(IN_TIME, || {
            std::thread::scope(|scope| {
                for session in sessions {
                    scope.spawn(move || {
                        let found = session.find_objects(&[Attribute::Label(b"x".to_vec())]);
                        refused(found, RvError::DeviceError);
                        session.close().unwrap();
                    });
                }
            });
        });
        kill_process(agent, Signal::CONT).unwrap();
    });
}

#[test]
fn programs_say_which_agent_is_stopped_and_what_lets_it_go_on() {
    play(|world| {
        world.needs("pkcs11-tool");
        drop(world.token());
        let agent = stop(world);
        let number = agent.as_raw_nonzero();
        fs::write(world.path("pin"), USER_PIN).unwrap();
        let pin = world.path("pin");
        let module = std::env::current_exe().unwrap().with_file_name("libkeystead.so");
        let (pin, module) = (pin.to_str().unwrap(), module.to_str().unwrap());
        let list = ["list", "--pin-file", pin, "--module", module];
        let doctor = ["doctor", "--pin-file", pin, "--module", module];
        let commands: [&[&str]; 5] =
            [&["sweep"], &list, &doctor, &["clock"], &["audit", "--verify"]];
        within(IN_TIME, || {
            let spoken = |command: &&[&str]| {
                let mut command = world.keystead_command(command);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            };
            let running: Vec<_> = commands.iter().map(spoken).collect();
            for (command, running) in commands.iter().zip(running) {
                let said = text_of(running.wait_with_output().unwrap());
                let named = format!("process {number} (keystead), which is stopped");
                assert!(said.contains(&named), "{command:?}: {said}");
                let remedy = format!("`kill -CONT {number}` lets it go on");
                assert!(said.contains(&remedy), "{command:?}: {said}");
            }
        });
        within(IN_TIME, || {
            let mut tool = world.tool("pkcs11-tool");
            tool.args(["--module", module, "-L"]).env("KEYSTEAD_CONF", world.path("config.toml"));
            let said = text_of(tool.output().unwrap());
            assert!(said.contains("Slot 0") && said.contains("CKR_DEVICE_ERROR"), "{said}");
        });
        // What else needs the store for itself does not wait for it either.
        within(AT_ONCE, || {
            let said = text_of(world.keystead(&["recover"]));
            assert!(said.contains(&format!("`kill -KILL {number}` ends it")), "{said}");
        });
        kill_9(agent);
        within(IN_TIME, || assert!(world.keystead(&["sweep"]).status.success()));
    });
}

#[test]
fn an_agent_program_that_says_nothing_useful_costs_one_deadline() {
    play(|world| {
        if world.role().is_empty() {
            world.make_store();
            let programs = [
                ("silent", "exec sleep 1000", "agent: it takes too long to start"),
                ("babbling", "exec yes", "y, y, y"),
                ("dribbling", "while :; do printf w; sleep 0.2; done", "too long to start"),
                ("deaf", "trap '' TERM PIPE; while :; do echo at work; done", "at work, at work"),
            ];
            let callers = programs.map(|(role, script, _)| with_program(world, role, script));
            callers.into_iter().for_each(Other::ends_well);
            for (role, _, named) in programs {
                let log = fs::read_to_string(world.path(format!("{role}.log"))).unwrap();
                assert!(log.contains(named), "{role}: {log}");
            }
            return;
        }
        let module = world.module();
        let slots = within(IN_TIME, || module.get_all_slots().unwrap());
        assert_eq!(slots.len(), 1);
        within(IN_TIME, || refused(module.get_token_info(slots[0]), RvError::DeviceError));
        assert_eq!(children(), "", "no process of its is left");
    });
}

/// A process whose configuration names a program that does this as its agent.
fn with_program(world: &World, role: &str, script: &str) -> Other {
    let program = world.path(format!("{role}.agent")).join("agent");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let (store, log) = (world.store(), world.path(format!("{role}.log")));
    let file = world.path(format!("{role}.toml"));
    let config = format!("store = {store:?}\nagent = {program:?}\nlog = {log:?}\n");
    fs::write(&file, config).unwrap();
    world.start_with(role, &[("KEYSTEAD_CONF", file.to_str().unwrap())])
}

#[test]
fn a_queue_that_is_full_costs_one_deadline() {
    play(|world| {
        world.make_store();
        let listener = listener(world, 0);
        let address = SocketAddrUnix::new(world.store().join("agent.sock")).unwrap();
        // One waits in the queue; the next would have to wait for a place in it.
        let waiting = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        connect(&waiting, &address).unwrap();
        let module = world.module();
        let slots = within(IN_TIME, || module.get_all_slots().unwrap());
        within(AT_ONCE, || refused(module.get_token_info(slots[0]), RvError::DeviceError));
        drop(listener);
        eventually("it is asked again", || module.get_token_info(slots[0]).is_ok());
    });
}

#[test]
fn a_lock_that_somebody_else_keeps_is_named_and_not_waited_for_without_end() {
    play(|world| {
        world.make_store();
        let mut holder = world
            .tool("flock")
            .arg(world.store().join("lock"))
            .args(["sleep", "1000"])
            .spawn()
            .unwrap();
        let held =
            || world.tool("flock").arg("-n").arg(world.store().join("lock")).arg("true").status();
        eventually("it is held", || !held().unwrap().success());
        let said = within(IN_TIME, || text_of(world.keystead(&["sweep"])));
        let named = format!("process {} (flock) holds the lock of", holder.id());
        assert!(said.contains(&named) && said.contains("wait until it has ended"), "{said}");
        let module = world.module();
        within(IN_TIME, || assert_eq!(module.get_all_slots().unwrap().len(), 1));
        end_group(&mut holder);
        eventually("it is asked again", || world.keystead(&["sweep"]).status.success());
    });
}

#[test]
fn a_request_under_way_while_the_agent_is_stopped_is_done_once() {
    play(|world| {
        let token = world.token();
        let (agent, done) = (world.agent().unwrap(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for (signal, pause) in [(Signal::STOP, 70), (Signal::CONT, 40)] {
                        kill_process(agent, signal).unwrap();
                        std::thread::sleep(Duration::from_millis(pause));
                    }
                }
            });
            for _ in 0..300 {
                generate(&token).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let found = token.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]);
        assert_eq!(found.unwrap().len(), 300);
    });
}

fn generate(token: &Token) -> cryptoki::error::Result<cryptoki::object::ObjectHandle> {
    let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
    token.generate_key(&Mechanism::AesKeyGen, &template)
}

/// Stops the agent, as a debugger's user or a cgroup does.
fn stop(world: &World) -> Pid {
    let agent = world.agent().expect("an agent answers");
    kill_process(agent, Signal::STOP).unwrap();
    let stat = format!("/proc/{}/stat", agent.as_raw_nonzero());
    eventually("it is stopped", || fs::read_to_string(&stat).unwrap().contains(") T "));
    agent
}

/// A process that listens on the store's socket and accepts no connection, with that many places in the queue.
fn listener(world: &World, places: i32) -> OwnedFd {
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(world.store().join("agent.sock")).unwrap()).unwrap();
    listen(&listener, places).unwrap();
    listener
}

fn end_group(holder: &mut std::process::Child) {
    // The command holds the lock on as a child of the one that took it.
    let children = format!("/proc/{0}/task/{0}/children", holder.id());
    for child in fs::read_to_string(children).unwrap().split_whitespace() {
        kill_9(Pid::from_raw(child.parse().unwrap()).unwrap());
    }
    holder.wait().unwrap();
}

#[track_caller]
fn within<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    assert!(began.elapsed() < limit, "it took {:?}", began.elapsed());
    done
}

/// Everything that a program said.
fn text_of(output: Output) -> String {
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// This process's children, zombies among them.
fn children() -> String {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap())
        .collect()
}
