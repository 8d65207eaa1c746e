//! The process that does not answer: which one, why it may be, and what helps.

use rustix::fs::{major, minor, stat};
use std::fmt::{self, Display, Formatter};
use std::fs::read_to_string;
use std::path::Path;

/// The file that the agent of a store keeps locked.
pub(crate) const LOCK: &str = crate::file_names::LOCK;

/// The process that should answer for a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProcess {
    process: u32,
    name: String,
    state: char,
}

impl AgentProcess {
    /// The process that holds the store's lock; where that cannot be seen, the one that listens.
    pub fn of(directory: &Path, listener: impl FnOnce() -> Option<u32>) -> Option<Self> {
        let holder = holder(directory).and_then(Self::numbered);
        holder.or_else(|| listener().and_then(Self::numbered))
    }

    /// Reads what the system tells of a process, as far as this one may see it.
    pub fn numbered(process: u32) -> Option<Self> {
        let line = read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (name, state) = name_and_state(&line)?;
        Some(Self { process, name, state })
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.process
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether a signal stopped it.
    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// The command that lets it go on, or ends it; another starts with the next call then.
    pub fn remedy(&self) -> String {
        let process = self.process;
        match (self.is_stopped(), self.name.starts_with("keystead")) {
            (true, _) => format!("`kill -CONT {process}` lets it go on"),
            (false, true) => {
                format!("`kill -KILL {process}` ends it, and the next call starts another")
            }
            (false, false) => format!("wait until it has ended, or `kill {process}`"),
        }
    }
}

impl Display for AgentProcess {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.process, self.name)?;
        f.write_str(match self.state {
            'T' => ", which is stopped,",
            't' => ", which a debugger holds,",
            'D' => ", which waits for a device,",
            'Z' | 'X' => ", which has ended,",
            _ => "",
        })
    }
}

/// The number of the process that holds the store's lock, from the kernel's table of locks.
fn holder(directory: &Path) -> Option<u32> {
    let file = stat(directory.join(LOCK)).ok()?;
    let place = format!("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
    holder_in(&read_to_string("/proc/locks").ok()?, &place)
}

/// A line of that table: `1: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF`; one that waits has an arrow.
fn holder_in(table: &str, place: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, process) = (words.next()?, words.nth(2)?);
        let held = kind == "FLOCK" && words.next() == Some(place);
        held.then(|| process.parse().ok()).flatten()
    })
}

/// From `1234 (name) T …`; a name may hold anything.
fn name_and_state(line: &str) -> Option<(String, char)> {
    let (before, after) = line.rsplit_once(") ")?;
    let (_, name) = before.split_once(" (")?;
    let plain = |it: char| if it.is_control() { '?' } else { it };
    Some((name.chars().map(plain).collect(), after.chars().next()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{AgentProcess, LOCK, holder_in, name_and_state};
    use rustix::fs::{FlockOperation, flock};
    use std::fs::File;

    #[test]
    fn the_holder_of_a_lock_is_told_from_those_who_wait() {
        let table = "1: POSIX  ADVISORY  WRITE 11 00:2f:5678 0 EOF\n\
            2: FLOCK  ADVISORY  WRITE 12 00:2f:5679 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 13 00:2f:5678 0 EOF\n\
            3: -> FLOCK  ADVISORY  WRITE 14 00:2f:5678 0 EOF\n";
        assert_eq!(holder_in(table, "00:2f:5678"), Some(13));
        assert_eq!(holder_in(table, "00:2f:5680"), None);
    }

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(name_and_state("7 (a) T (b\n) R 1"), Some(("a) T (b?".into(), 'R')));
        assert_eq!(name_and_state("nonsense"), None);
    }

    #[test]
    fn whoever_holds_the_lock_is_named() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(AgentProcess::of(directory.path(), || None), None);
        let lock = File::create(directory.path().join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let process = AgentProcess::of(directory.path(), || None).unwrap();
        assert_eq!(process.number(), std::process::id());
        assert!(!process.is_stopped());
        let kill = format!("`kill -KILL {}` ends it", std::process::id());
        assert!(process.remedy().starts_with(&kill), "{}", process.remedy());
        let other = AgentProcess { process: 7, name: "flock".into(), state: 'S' };
        assert_eq!(other.remedy(), "wait until it has ended, or `kill 7`");
        let stopped = AgentProcess { state: 'T', ..other };
        assert_eq!(
            format!("{stopped} is silent"),
            "process 7 (flock), which is stopped, is silent"
        );
        assert_eq!(stopped.remedy(), "`kill -CONT 7` lets it go on");
    }
}
