//! Processes that end in time, or are ended.

use keystead::internal::wire::process::AgentProcess;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// The time that anything may take before a scenario gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a process has ended, whosever child it is. False when it has not in that time.
pub fn ends_within(pid: Pid, limit: Duration) -> bool {
    let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&limit)).expect("poll") > 0
}

/// Returns the process that holds the lock of a store: also an agent that only begins.
pub fn agent_of(store: &Path) -> Option<Pid> {
    let agent = AgentProcess::of(store, || None)?;
    Pid::from_raw(agent.number() as i32)
}

/// Ends a process at once and waits until it is gone.
pub fn kill_9(pid: Pid) {
    // It may have ended by itself meanwhile.
    let _ = kill_process(pid, Signal::KILL);
    assert!(ends_within(pid, PATIENCE), "a killed process stays");
}

/// Another process of the same scenario, in a role of its own.
#[derive(Debug)]
pub struct Other {
    role: String,
    child: Child,
    line: Line,
}

impl Other {
    pub(super) fn new(role: &str, child: Child, stream: UnixStream) -> Self {
        Self { role: role.to_owned(), child, line: Line::new(stream) }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Says one line to it.
    pub fn tell(&mut self, text: &str) {
        self.line.tell(text);
    }

    /// Waits for its next line.
    pub fn hear(&mut self) -> String {
        self.line.hear()
    }

    /// Waits for its next line, which must be this one.
    pub fn says(&mut self, text: &str) {
        assert_eq!(self.hear(), text, "from the {}", self.role);
    }

    /// Waits until it has ended well.
    pub fn ends_well(mut self) {
        assert!(ends_within(Pid::from_child(&self.child), PATIENCE), "the {} hangs", self.role);
        assert!(self.child.wait().unwrap().success(), "the {} failed", self.role);
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        kill_9(Pid::from_child(&self.child));
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Lines between two processes of a scenario.
#[derive(Debug)]
pub struct Line(BufReader<UnixStream>);

impl Line {
    pub(super) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Says one line.
    pub fn tell(&mut self, text: &str) {
        writeln!(self.0.get_mut(), "{text}").expect("the other process listens");
    }

    /// Waits for the next line; empty when the other side has ended.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            // It was killed before it had heard all.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            read => drop(read.expect("the other process answers in time")),
        }
        line.trim_end().to_owned()
    }
}
