//! The limits that the system sets an agent. Its starter's limits, niceness and processors bind it: it sheds
//! what it can, and makes way for a caller that would have been a better starter.

use crate::error::{Reason, Result};
use crate::sys;
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::read_to_string;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// One of the things a process may be short of.
struct ResourceLimit {
    /// Its name in `/proc/PID/limits`, where it stands there.
    limit: &'static str,
    /// The most that an agent needs of it.
    enough: u64,
    /// The words for a process that has less, before and after the number.
    words: (&'static str, &'static str),
}

const RESOURCE_LIMITS: [ResourceLimit; 6] = [
    ResourceLimit { limit: "Max open files", enough: 512, words: ("open", "files at once") },
    ResourceLimit { limit: "Max processes", enough: 512, words: ("run", "processes and threads") },
    ResourceLimit { limit: "Max file size", enough: UNLIMITED, words: ("write files of", "bytes") },
    ResourceLimit { limit: "Max cpu time", enough: UNLIMITED, words: ("run for", "seconds") },
    ResourceLimit {
        limit: "Max address space",
        enough: UNLIMITED,
        words: ("use", "bytes of addresses"),
    },
    ResourceLimit { limit: "Max data size", enough: UNLIMITED, words: ("use", "bytes of memory") },
];

const UNLIMITED: u64 = u64::MAX;

/// The niceness that stands for a process that runs only when nothing else does (`SCHED_IDLE`).
const IDLE: i64 = 20;

/// The least open files with which an agent can serve.
const FEWEST_FILES: u64 = 48;

/// Nor with fewer threads; the store's database hangs where it cannot start its own.
const FEWEST_THREADS: usize = 16;

/// The limits of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// In the order of [`RESOURCE_LIMITS`], none more than enough.
    limits: [u64; RESOURCE_LIMITS.len()],
    /// Above 0 others are run first; [`IDLE`] where they are always.
    niceness: i64,
}

impl Allowance {
    /// Of a process, as far as this one may see it.
    pub fn of(process: u32) -> Option<Self> {
        let limits = read_to_string(format!("/proc/{process}/limits")).ok()?;
        let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(Self::read(&limits, niceness(&stat)?))
    }

    /// Of this process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    fn read(limits: &str, niceness: i64) -> Self {
        let limits = RESOURCE_LIMITS.map(|kind| hard(limits, kind.limit).min(kind.enough));
        Self { limits, niceness: niceness.max(0) }
    }

    /// Names each limit that is too low, in words that begin with what the process may do.
    pub fn shortfalls(&self) -> Vec<String> {
        let short =
            self.limits.iter().zip(&RESOURCE_LIMITS).filter(|(limit, kind)| **limit < kind.enough);
        let mut lines: Vec<String> = short
            .map(|(limit, ResourceLimit { words: (before, after), .. })| {
                format!("may {before} at most {limit} {after}")
            })
            .collect();
        if self.niceness > 0 {
            lines.push(match self.niceness {
                IDLE => "runs only when nothing else does (SCHED_IDLE)".to_owned(),
                niceness => format!("runs after others (niceness {niceness})"),
            });
        }
        lines
    }

    fn check_files(&self) -> Result<()> {
        let [files, ..] = self.limits;
        match files < FEWEST_FILES {
            true => Err(Reason::AgentAbsent.detail(format_args!(
                "it may open at most {files} files at once, as the program that starts it, and needs \
                 {FEWEST_FILES}; raise the limit (RLIMIT_NOFILE), or use the store first from a \
                 program that may open more"
            ))),
            false => Ok(()),
        }
    }

    /// Returns whether nothing of it is less than of the other, and something more.
    pub fn is_better_than(&self, other: &Self) -> bool {
        let limits = || self.limits.iter().zip(&other.limits);
        let no_less = limits().all(|(ours, theirs)| ours >= theirs);
        no_less && self.niceness <= other.niceness && self != other
    }
}

/// An agent that is short of something, and would rather not be the one.
pub(crate) struct Short {
    owner: u32,
    own: Allowance,
}

impl Short {
    /// Returns the shortage of this process as the agent of that user's store, and logs it; none where it has
    /// enough. Fails where it cannot serve with that.
    pub(crate) fn of_agent(owner: u32) -> Result<Option<Self>> {
        let Some(own) = Allowance::own() else { return Ok(None) };
        own.check_files()?;
        check_threads()?;
        let shortfalls = own.shortfalls();
        for shortfall in &shortfalls {
            log::warn!("the agent {shortfall}, as the program that started it");
        }
        Ok((!shortfalls.is_empty()).then_some(Self { owner, own }))
    }

    /// Returns whether the peer would start an agent that is short of less.
    pub(crate) fn is_outdone_by(&self, stream: &UnixStream) -> bool {
        let starts = sys::peer(stream).is_ok_and(|(user, _)| user == self.owner);
        let process = || sys::peer_process(stream).ok().and_then(Allowance::of);
        starts && process().is_some_and(|theirs| theirs.is_better_than(&self.own))
    }
}

/// Starts as many threads as an agent needs, and ends them.
fn check_threads() -> Result<()> {
    let (hold, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let start = |_| {
        let held = Arc::clone(&held);
        std::thread::Builder::new().spawn(move || drop(held.lock().map(|held| held.recv())))
    };
    let started: Vec<_> = (0..FEWEST_THREADS).map(start).collect();
    drop(hold);
    let ended = started.into_iter().map(|thread| thread.map(JoinHandle::join).map(drop));
    ended.collect::<io::Result<()>>().map_err(|error| {
        Reason::AgentAbsent.detail(format_args!(
            "it cannot start the {FEWEST_THREADS} threads that it needs ({error}), as the program that \
             starts it; raise its limits (RLIMIT_NPROC, RLIMIT_AS, RLIMIT_DATA), or use the store first from a program that may \
             run more"
        ))
    })
}

/// The hard limit of that name.
fn hard(table: &str, name: &str) -> u64 {
    let line = table.lines().find_map(|line| line.strip_prefix(name));
    let hard = line.and_then(|line| line.split_whitespace().nth(1));
    hard.and_then(|hard| hard.parse().ok()).unwrap_or(UNLIMITED)
}

/// The 19th field of `/proc/PID/stat`, unless the 41st, the policy, says more; the second may hold
/// blanks.
fn niceness(stat: &str) -> Option<i64> {
    const SCHED_IDLE: &str = "5";
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ').skip(16);
    let niceness = fields.next()?.parse().ok()?;
    let idle = fields.nth(21).is_some_and(|policy| policy == SCHED_IDLE);
    Some(if idle { IDLE } else { niceness })
}

/// Sheds what a starter has left to this process, as far as the system lets it; what it keeps.
pub fn shed() -> Vec<String> {
    let tries = [
        ("processors", set_affinity()),
        ("scheduling", sys::schedule_as_usual()),
        ("niceness", setpriority_process(None, 0).map_err(io::Error::from)),
        ("rank in a shortage of memory", std::fs::write("/proc/self/oom_score_adj", "0")),
    ];
    let kept = tries.into_iter().filter_map(|(what, tried)| Some((what, tried.err()?)));
    kept.map(|(what, error)| format!("the agent keeps its starter's {what}: {error}")).collect()
}

fn set_affinity() -> io::Result<()> {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
    Ok(sched_setaffinity(None, &all)?)
}

/// Raises this process's limits as far as the system lets it.
pub fn lift_limits() -> io::Result<()> {
    let inherited = [
        Resource::Nofile,
        Resource::Nproc,
        Resource::Fsize,
        Resource::Cpu,
        Resource::As,
        Resource::Data,
    ];
    for resource in inherited {
        let limit = getrlimit(resource);
        if limit.maximum.is_some() && geteuid().is_root() && lift(resource).is_ok() {
            continue;
        }
        setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(())
}

/// Raises the limits of a resource as far as possible, which only a privileged process may do.
fn lift(resource: Resource) -> rustix::io::Result<()> {
    // More open files than this the kernel refuses by default.
    const MOST_FILES: u64 = 1 << 20;
    let most = (resource == Resource::Nofile).then_some(MOST_FILES);
    setrlimit(resource, Rlimit { current: most, maximum: most })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Allowance, niceness};

    const TABLE: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max cpu time              unlimited            unlimited            seconds   \n\
        Max file size             1024                 2048                 bytes     \n\
        Max processes             96364                96364                processes \n\
        Max open files            20                   20                   files     \n";

    #[test]
    fn what_is_short_is_said_and_what_is_enough_is_not() {
        let allowance = Allowance::read(TABLE, 19);
        assert_eq!(
            allowance.shortfalls(),
            [
                "may open at most 20 files at once",
                "may write files of at most 2048 bytes",
                "runs after others (niceness 19)"
            ]
        );
        assert_eq!(Allowance::read("", -5).shortfalls(), Vec::<String>::new());
        assert!(Allowance::own().is_some());
    }

    #[test]
    fn who_has_less_of_anything_is_not_better() {
        let of = |files: &str, niceness| {
            Allowance::read(&format!("Max open files  20  {files}  files\n"), niceness)
        };
        let (little, more, nice) = (of("20", 0), of("100", 0), of("100", 5));
        assert!(more.is_better_than(&little) && !little.is_better_than(&more));
        assert!(more.is_better_than(&nice) && !nice.is_better_than(&little));
        assert!(!little.is_better_than(&nice) && !little.is_better_than(&little));
        assert!(!of("9000", 0).is_better_than(&of("600", -3)), "enough is enough");
    }

    #[test]
    fn niceness_stands_behind_a_name_with_anything_in_it() {
        let stat = "14918 (a) R (b) R 14908 14908 17477 0 -1 4194304 102 0 0 0 0 0 0 0 20 7 1 0";
        assert_eq!((niceness(stat), niceness("")), (Some(7), None));
        let idle = format!("{stat}{} 5 0", " 0".repeat(19));
        assert_eq!(niceness(&idle), Some(20));
    }
}
