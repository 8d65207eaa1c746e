//! An agent that is busy for longer than a silent one is waited for: nobody gives it up.

use crate::rig::play;
use crate::rig::process::{ends_within, kill_9};
use crate::rig::slow::SlowDisk;
use crate::rig::token::Token;
use crate::rig::world::World;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use keystead::wire::PATIENCE;
use rustix::process::{Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_change_that_takes_long_is_waited_for_and_others_are_served_meanwhile() {
    play(|world| {
        let disk = SlowDisk::new(world);
        disk.configure(world);
        let token = world.token();
        disk.takes(PATIENCE + Duration::from_secs(2));
        let began = Instant::now();
        let mut other = sweeping(world);
        generate(&token).unwrap();
        assert!(began.elapsed() > PATIENCE);
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
        assert!(began.elapsed() > PATIENCE, "it was quick: {:?}", began.elapsed());
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
                assert!(ends_within(agent, 6 * PATIENCE), "it stays");
                assert!(began.elapsed() > PATIENCE, "it was quick: {:?}", began.elapsed());
                disk.takes(Duration::ZERO);
            });
            generate(&token).unwrap();
        });
    });
}

fn generate(token: &Token) -> cryptoki::error::Result<cryptoki::object::ObjectHandle> {
    let template = [Attribute::Token(true), Attribute::ValueLen(32.into())];
    token.generate_key(&Mechanism::AesKeyGen, &template)
}

fn sweeping(world: &World) -> Child {
    world.keystead_command(&["sweep"]).stdout(Stdio::null()).spawn().unwrap()
}
