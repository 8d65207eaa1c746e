//! The events that an agent tells elsewhere until its end, and the figures that it leaves of them.

use super::{Client, TOKEN, World, options};
use crate::agent::{Claim, Options, claim, serve_until};
use crate::error::Reason;
use crate::wire::{Request, Response};
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

/// The number of lines that are written: more than a socket holds while no reader takes them.
const LINES: usize = 30;

/// A store whose agent tells a socket, and keeps figures.
struct Told {
    world: World,
    elsewhere: tempfile::TempDir,
    reader: UnixDatagram,
}

impl Told {
    fn new() -> Self {
        let mut world = World::new();
        world.stop().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let reader = UnixDatagram::bind(elsewhere.path().join("syslog")).unwrap();
        Self { world, elsewhere, reader }
    }

    fn figures(&self) -> PathBuf {
        self.elsewhere.path().join("keystead.prom")
    }

    /// Starts an agent; it ends where the stream that is returned is dropped.
    fn serve(&self, idle: Option<Duration>) -> (UnixStream, JoinHandle<()>) {
        let Claim::Ours(lock) = claim(&self.world.path()).unwrap() else { panic!("served") };
        let (stop, stopped) = UnixStream::pair().unwrap();
        let (ready, listening) = channel();
        let clock = Arc::clone(&self.world.clock);
        let options = Options {
            idle,
            linger: false,
            metrics: Some(self.figures()),
            audit_syslog: Some(self.elsewhere.path().join("syslog")),
            ..options()
        };
        let agent = std::thread::spawn(move || {
            let ready = || {
                lock.listening().unwrap();
                ready.send(()).unwrap();
            };
            serve_until(&lock, &options, clock, &stopped, ready).unwrap();
        });
        listening.recv().unwrap();
        while !self.figures().exists() {
            std::thread::yield_now();
        }
        (stop, agent)
    }

    fn write_lines(&self) {
        let mut user: Client = self.world.user();
        for _ in 0..LINES {
            let reason = Reason::OtherMaterial;
            let refused = Request::ImportRefused { token: TOKEN, key: None, reason };
            assert!(matches!(user.ask(refused), Response::Done(0)));
        }
    }

    /// Returns the number of lines that were told and not read yet.
    fn drain(&self) -> usize {
        self.reader.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| self.reader.recv(&mut [0; 4096]).ok()).count()
    }

    fn figure(&self, name: &str) -> usize {
        let text = fs::read_to_string(self.figures()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }
}

const LOST: &str = "keystead_events_lost_total{to=\"audit_syslog\"}";

const WRITTEN: &str = "keystead_audit_lines_total";

#[test]
fn an_agent_that_has_something_to_tell_is_not_idle() {
    let told = Told::new();
    let (_stop, agent) = told.serve(Some(Duration::from_millis(100)));
    let before = told.figure(WRITTEN);
    told.write_lines();
    // Longer than the agent would stay, and give what waits at its end; no line waits longer than a second.
    std::thread::sleep(Duration::from_millis(800));
    let mut read = 0;
    while !agent.is_finished() {
        read += told.drain();
        std::thread::yield_now();
    }
    agent.join().unwrap();
    read += told.drain();
    let written = told.figure(WRITTEN) - before;
    assert!(written >= LINES);
    // On a machine that does much else the one that waited may have waited too long.
    assert!(read >= written - 1, "{read} of {written}");
    assert_eq!(told.figure(LOST), written - read);
}

#[test]
fn the_figures_that_stay_count_what_was_not_told_at_the_end_and_begin_with_the_logs_length() {
    let told = Told::new();
    let (stop, agent) = told.serve(None);
    let before = told.figure(WRITTEN);
    assert!(before > 0, "the token has its line, which the agent before wrote");
    told.write_lines();
    drop(stop);
    agent.join().unwrap();
    let (read, after) = (told.drain(), told.figure(WRITTEN));
    assert!(after - before >= LINES);
    assert!(read < after - before, "the socket holds all of them");
    assert_eq!(told.figure(LOST), after - before - read);
    fs::remove_file(told.figures()).unwrap();
    let (stop, agent) = told.serve(None);
    assert_eq!(told.figure(WRITTEN), after);
    drop(stop);
    agent.join().unwrap();
}
