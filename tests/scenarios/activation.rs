//! An agent that a service manager starts, with the socket on which the first caller waits already.

use crate::rig::world::eventually;
use crate::rig::{World, play};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

#[test]
fn whoever_called_first_is_served_and_the_socket_outlives_each_agent() {
    play(|world| {
        let (store, listener) = socket(world);
        for _ in 0..2 {
            let caller = sweep(world, &store).stdout(Stdio::piped()).spawn().unwrap();
            let mut agent = activated(world, &store, &listener).spawn().unwrap();
            assert!(caller.wait_with_output().unwrap().status.success());
            assert!(sweep(world, &store).output().unwrap().status.success());
            terminate(&agent);
            assert!(agent.wait().unwrap().success());
            assert!(Path::new(&store).join("agent.sock").exists());
        }
    });
}

#[test]
fn an_agent_whose_socket_is_taken_makes_way() {
    play(|world| {
        let (store, listener) = socket(world);
        drop(listener);
        let mut first = world.keystead_command(&["agent", "--store", &store]).spawn().unwrap();
        eventually("the first answers", || {
            UnixStream::connect(world.path("handed/agent.sock")).is_ok()
        });
        fs::remove_file(world.path("handed/agent.sock")).unwrap();
        let listener = UnixListener::bind(world.path("handed/agent.sock")).unwrap();
        let mut agent = activated(world, &store, &listener).spawn().unwrap();
        assert!(sweep(world, &store).output().unwrap().status.success());
        assert!(first.wait().unwrap().success());
        terminate(&agent);
        assert!(agent.wait().unwrap().success());
    });
}

#[test]
fn a_socket_of_another_store_is_refused() {
    play(|world| {
        let (_, listener) = socket(world);
        let other = world.path("other").to_str().unwrap().to_owned();
        make(world, Path::new(&other));
        let _other = UnixListener::bind(world.path("other/agent.sock")).unwrap();
        let said: Output =
            activated(world, &other, &listener).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(!said.status.success() && text.contains("does not listen on"), "{text}");
    });
}

/// A store with the socket that a service manager makes in its directory.
fn socket(world: &World) -> (String, UnixListener) {
    let store = world.path("handed");
    make(world, &store);
    let listener = UnixListener::bind(store.join("agent.sock")).unwrap();
    (store.to_str().unwrap().to_owned(), listener)
}

fn make(world: &World, store: &Path) {
    let made = world.keystead(&["agent", "--make", "--store", store.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
}

fn sweep(world: &World, store: &str) -> Command {
    world.keystead_command(&["sweep", "--store", store])
}

/// The agent as a service manager starts it: the socket as descriptor 3, and two variables.
fn activated(world: &World, store: &str, listener: &UnixListener) -> Command {
    let agent = world.keystead_command(&["agent", "--store", store]);
    let mut shell = world.tool("sh");
    shell
        .args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\" 3<&0 </dev/null", "sh"])
        .arg(agent.get_program())
        .args(agent.get_args())
        .env("KEYSTEAD_CONF", world.path("config.toml"))
        .env_remove("KEYSTEAD_STORE")
        .stdin(OwnedFd::from(listener.try_clone().unwrap()));
    shell
}

fn terminate(agent: &Child) {
    kill_process(Pid::from_child(agent), Signal::TERM).unwrap();
}
