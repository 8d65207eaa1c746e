//! The lock of a store: the one process that holds it is its agent.
//!
//! Two files are locked, never read: `lock` as long as the agent lives, `starting` until it listens. So
//! the second process neither takes a starting agent for a dead one nor waits for a living one. An
//! agent that holds `lock` and takes long to begin or to end touches it: those who wait see that it lives.

use crate::error::{Error, Reason, Result};
use crate::file_names::STARTING;
use crate::store::Location;
use crate::wire::Deadline;
use crate::wire::process::{AgentProcess, LOCK};
use crate::wire::socket::Socket;
use rustix::fs::{
    FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock, fstat,
    futimens, open,
};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time for which the holder of a lock may show no sign of life: less than the
/// process that starts an agent waits, which learns so why there is none.
const HOLDER_TIMEOUT: Duration = Duration::from_secs(4);

/// The pause between two attempts to take a lock.
const PAUSE: Duration = Duration::from_millis(5);

/// The outcome of [`claim`].
pub enum Claim {
    /// This process is the agent.
    Ours(Lock),
    /// Another one is, and answers.
    Served,
}

/// The right to open a store. It ends when it is dropped, or with the process, however that ends.
pub struct Lock {
    directory: PathBuf,
    records: Location,
    held: OwnedFd,
    starting: OwnedFd,
}

impl Lock {
    /// Returns the agent's own directory, in which the lock lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the place of the store's records: the same directory, unless they lie elsewhere.
    pub fn records(&self) -> &Location {
        &self.records
    }

    /// Returns the directories of this machine in which the store has files.
    pub fn directories(&self) -> Vec<PathBuf> {
        let records = self.records.local().filter(|records| *records != self.directory);
        [Some(self.directory.as_path()), records]
            .into_iter()
            .flatten()
            .map(Path::to_owned)
            .collect()
    }

    /// Returns the right to open a store whose records lie at `records`.
    pub fn with_records(self, records: Location) -> Self {
        Self { records, ..self }
    }

    fn new(directory: &Path, held: OwnedFd, starting: OwnedFd) -> Self {
        let directory = directory.to_owned();
        Self { records: Location::Directory(directory.clone()), directory, held, starting }
    }

    /// Returns a sign of life for those who wait for the lock: each call touches the file.
    pub fn toucher(&self) -> std::io::Result<impl Fn() + Send + 'static> {
        let held = self.held.try_clone()?;
        Ok(move || {
            if let Err(error) = touch(&held) {
                log::debug!(
                    "programs that wait for the lock do not see that its holder lives: {error}"
                );
            }
        })
    }

    /// Lets those pass who wait to see whether this agent listens.
    pub fn listening(&self) -> std::io::Result<()> {
        Ok(flock(&self.starting, FlockOperation::Unlock)?)
    }
}

/// Becomes the agent of the store in `directory`, or finds the one that serves it. Waits for another
/// that is starting, and for one that is ending, as long as they live.
pub fn claim(directory: &Path) -> Result<Claim> {
    claim_with_progress(directory, || ())
}

/// The same; `progress` is called whenever those it waits for show that they live.
pub fn claim_with_progress(directory: &Path, mut progress: impl FnMut()) -> Result<Claim> {
    let mut wait = Wait::new(directory)?;
    let starting = lock_file(directory, STARTING)?;
    wait.acquire(&starting, &mut progress)?;
    let held = lock_file(directory, LOCK)?;
    if !acquire(directory, &held, FlockOperation::NonBlockingLockExclusive)? {
        if Socket::connect(directory, wait.deadline.end())?.is_some() {
            return Ok(Claim::Served);
        }
        wait.acquire(&held, &mut progress)?;
    }
    Ok(Claim::Ours(Lock::new(directory, held, starting)))
}

/// Becomes the agent of the store in `directory` as soon as no other process is. For an agent to which the
/// store's socket was handed over: an earlier one no longer gets any connection, and ends.
pub fn await_lock(directory: &Path) -> Result<Lock> {
    let starting = lock_file(directory, STARTING)?;
    acquire(directory, &starting, FlockOperation::LockExclusive)?;
    let held = lock_file(directory, LOCK)?;
    acquire(directory, &held, FlockOperation::LockExclusive)?;
    Ok(Lock::new(directory, held, starting))
}

/// Waiting for locks that others hold.
struct Wait<'a> {
    directory: &'a Path,
    deadline: Deadline,
    lock: OwnedFd,
    touched: Option<Touched>,
}

/// The time at which a file was changed last: seconds and nanoseconds.
type Touched = (i64, u64);

impl<'a> Wait<'a> {
    fn new(directory: &'a Path) -> Result<Self> {
        let lock = lock_file(directory, LOCK)?;
        let touched = touched(&lock);
        Ok(Self { directory, deadline: Deadline::new(HOLDER_TIMEOUT), lock, touched })
    }

    fn acquire(&mut self, file: &OwnedFd, progress: &mut impl FnMut()) -> Result<()> {
        while !acquire(self.directory, file, FlockOperation::NonBlockingLockExclusive)? {
            let before = std::mem::replace(&mut self.touched, touched(&self.lock));
            if before != self.touched {
                self.deadline.renew();
                progress();
            }
            if self.deadline.left().is_none() {
                return Err(kept(self.directory));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

fn touch(file: &OwnedFd) -> rustix::io::Result<()> {
    let last_modification = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    futimens(file, &Timestamps { last_access, last_modification })
}

fn touched(file: &OwnedFd) -> Option<Touched> {
    let stat = fstat(file).ok()?;
    Some((stat.st_mtime, stat.st_mtime_nsec))
}

/// Returns the error for a lock whose holder neither serves nor shows a sign of life.
fn kept(directory: &Path) -> Error {
    let place = directory.display();
    Reason::AgentAbsent.detail(match AgentProcess::of(directory, || None) {
        Some(holder) => format!("{holder} holds the lock of {place}; {}", holder.remedy()),
        None => format!("another process holds the lock of {place}"),
    })
}

fn lock_file(directory: &Path, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(directory.join(name), flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| failed(&directory.join(name), error))
}

/// Returns whether the lock was free, for an operation that does not wait.
fn acquire(directory: &Path, file: &OwnedFd, operation: FlockOperation) -> Result<bool> {
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(failed(directory, error)),
        }
    }
}

fn failed(path: &Path, error: Errno) -> Error {
    let cure = match error {
        Errno::ISDIR | Errno::LOOP | Errno::NXIO => {
            "; it is no file: remove it, and the next agent makes it anew"
        }
        Errno::ACCESS | Errno::PERM => "; the store's owner must be able to read and write it",
        _ => "",
    };
    let error = std::io::Error::from(error);
    Reason::of(&error, Reason::AgentAbsent)
        .detail(format_args!("cannot lock {}: {error}{cure}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::{Claim, Lock, claim};
    use crate::wire::socket;
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    fn ours(directory: &Path) -> Lock {
        match claim(directory).unwrap() {
            Claim::Ours(lock) => lock,
            Claim::Served => panic!("nobody serves it"),
        }
    }

    /// Returns the outcome of a claim by another process, once it comes.
    fn claim_aside(directory: &Path) -> mpsc::Receiver<&'static str> {
        let (sender, receiver) = mpsc::channel();
        let directory = directory.to_owned();
        std::thread::spawn(move || {
            let outcome = match claim(&directory).unwrap() {
                Claim::Ours(_) => "ours",
                Claim::Served => "served",
            };
            sender.send(outcome).unwrap();
        });
        receiver
    }

    #[test]
    fn the_second_waits_until_the_first_listens_and_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let first = ours(directory.path());
        let second = claim_aside(directory.path());
        assert!(second.recv_timeout(Duration::from_millis(50)).is_err(), "did not wait");
        let _listener = UnixListener::bind(directory.path().join(socket::NAME)).unwrap();
        first.listening().unwrap();
        assert_eq!(second.recv().unwrap(), "served");
    }

    #[test]
    fn whoever_finds_an_ending_agent_takes_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let first = ours(directory.path());
        first.listening().unwrap();
        let second = claim_aside(directory.path());
        assert!(second.recv_timeout(Duration::from_millis(50)).is_err(), "did not wait");
        drop(first);
        assert_eq!(second.recv().unwrap(), "ours");
    }

    #[test]
    fn a_starting_agent_that_fails_makes_way() {
        let directory = tempfile::tempdir().unwrap();
        let first = ours(directory.path());
        let second = claim_aside(directory.path());
        drop(first);
        assert_eq!(second.recv().unwrap(), "ours");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = claim(&directory.path().join("missing")).err().unwrap();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
