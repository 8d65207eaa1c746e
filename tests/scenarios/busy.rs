//! An agent that is busy for longer than a silent one is waited for, and not given up.

use crate::rig::process::{ends_within, kill_9};
use crate::rig::slow::SlowDisk;
use crate::rig::world::{World, eventually};
use crate::rig::{play, refused};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::Session;
use keystead::internal::wire::SILENCE_TIMEOUT;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_change_that_takes_long_is_waited_for_and_others_are_served_meanwhile() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        let token = world.token();
        disk.takes(SILENCE_TIMEOUT + Duration::from_secs(2));
        let began = Instant::now();
        let mut other = sweeping(world);
        generate(&token).unwrap();
        assert!(began.elapsed() > SILENCE_TIMEOUT);
        disk.takes(Duration::ZERO);
        assert!(other.wait().unwrap().success());
        let class = [Attribute::Class(ObjectClass::SECRET_KEY)];
        assert_eq!(token.find_objects(&class).unwrap().len(), 1);
    });
}

#[test]
fn a_store_that_takes_long_to_open_is_waited_for_by_all() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        drop(world.token());
        let agent = world.agent().unwrap();
        kill_9(agent);
        disk.takes(Duration::from_millis(1500));
        let began = Instant::now();
        let mut callers = [sweeping(world), sweeping(world), sweeping(world)];
        for caller in &mut callers {
            assert!(caller.wait().unwrap().success());
        }
        assert!(began.elapsed() > SILENCE_TIMEOUT, "it was quick: {:?}", began.elapsed());
        disk.takes(Duration::ZERO);
    });
}

#[test]
fn an_agent_that_takes_long_to_end_is_waited_for() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        let token = world.token();
        generate(&token).unwrap();
        disk.takes(Duration::from_secs(2));
        let (began, agent) = (Instant::now(), world.agent().unwrap());
        kill_process(agent, Signal::TERM).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(ends_within(agent, 6 * SILENCE_TIMEOUT), "it stays");
                assert!(began.elapsed() > SILENCE_TIMEOUT, "it was quick: {:?}", began.elapsed());
                disk.takes(Duration::ZERO);
            });
            generate(&token).unwrap();
        });
    });
}

/// The time that an agent waits for its disk before it says so, and others for it.
const STALLED: Duration = Duration::from_secs(30);

/// The time that a call may take which an agent refuses that is known to be stalled.
const REFUSED: Duration = Duration::from_secs(5);

#[test]
fn an_agent_whose_disk_hangs_keeps_nobody_and_says_what_it_waits_for() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        let token = world.token();
        let agent = world.agent().unwrap();
        disk.takes(HANGS);
        let began = Instant::now();
        std::thread::scope(|scope| {
            let session = token.another_session();
            scope.spawn(move || refused(generate(&session), RvError::DeviceError));
            refused(generate(&token), RvError::DeviceError);
        });
        assert!(began.elapsed() < STALLED + REFUSED, "kept for {:?}", began.elapsed());
        let began = Instant::now();
        tells_of_the_disk(world, agent);
        refused(generate(&token), RvError::DeviceError);
        assert!(began.elapsed() < 2 * REFUSED, "kept for {:?}", began.elapsed());
        // As the remedy has it.
        kill_9(agent);
        disk.takes(Duration::ZERO);
        eventually("the next call starts another", || generate(&token).is_ok());
    });
}

#[test]
fn an_agent_whose_disk_hangs_as_it_starts_keeps_nobody_and_says_what_it_waits_for() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        drop(world.token());
        kill_9(world.agent().unwrap());
        disk.takes(HANGS);
        let began = Instant::now();
        let mut callers = [sweeping(world), sweeping(world)];
        callers.iter_mut().for_each(|caller| assert!(!caller.wait().unwrap().success()));
        assert!(began.elapsed() < STALLED + REFUSED, "kept for {:?}", began.elapsed());
        let (began, agent) = (Instant::now(), world.agent().unwrap());
        tells_of_the_disk(world, agent);
        assert!(began.elapsed() < REFUSED, "kept for {:?}", began.elapsed());
        kill_9(agent);
        disk.takes(Duration::ZERO);
        assert!(sweeping(world).wait().unwrap().success());
    });
}

/// Longer than any caller waits.
const HANGS: Duration = Duration::from_secs(3000);

/// That the program names the file, the process and what helps.
fn tells_of_the_disk(world: &World, agent: Pid) {
    let swept = world.keystead(&["sweep"]);
    let said = String::from_utf8_lossy(&swept.stderr);
    let number = agent.as_raw_nonzero();
    assert!(!swept.status.success());
    assert!(said.contains(&format!("process {number} (keystead) has been writing")), "{said}");
    assert!(said.contains(world.store().to_str().unwrap()), "{said}");
    assert!(said.contains(&format!("`kill -KILL {number}` ends it")), "{said}");
}

fn generate(token: &Session) -> cryptoki::error::Result<cryptoki::object::ObjectHandle> {
    let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
    token.generate_key(&Mechanism::AesKeyGen, &template)
}

fn sweeping(world: &World) -> Child {
    world.keystead_command(&["sweep"]).stdout(Stdio::null()).spawn().unwrap()
}
