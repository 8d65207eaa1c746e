//! The generation page: counters that say "something changed", so that a module can keep what it has
//! read and find out with two loads whether it still holds.
//!
//! Each agent makes its page in memory (`memfd_create(2)`), sealed so that it keeps its size, and hands
//! it to each process that connects, to be read. All counters begin at one random number, the page's identity, so
//! that nothing that was read from another page compares equal. The file `generations` has the identity
//! of the page that counts, written before its agent serves or changes anything, and what the next agent
//! goes on from; it is never mapped. Words of 64 bits, in the machine's byte order:
//!
//! | bytes | in the page | in the file |
//! |---|---|---|
//! | 0–7 | `KSTDGEN1`, in a fleet `KSTDGENF` | `KSTDGEN1` |
//! | 8–15 | the uptime, in nanoseconds, until which the page may be relied on; 0: for ever | 0 |
//! | 16–23 | the store's high-water mark of time, in seconds since 1970 | unused |
//! | 24–31 | 0 | how often an agent has started |
//! | 32–39 | by how much the store's time is ahead of the machine's uptime, in nanoseconds | the same |
//! | 40–55 | 0 | which start of the machine that uptime counts from |
//! | 56–63 | moves with each of the counters | unused |
//! | 64–71 | the page's identity | the same |
//! | 72–79 | a robust futex that the page's agent holds as long as it lives | unused |
//! | 80–4095 | 0 | 0 |
//! | 4096–4607 | counters of tokens | unused |
//! | 4608–36863 | counters of records | unused |
//!
//! Several records share a counter; that costs a needless look at the agent, never a missed change.

mod file;
mod writer;

pub use file::starts;
pub(crate) use file::{NAME, SIZE};
pub(crate) use writer::PageWriter;

use crate::clock::{Clock, Seconds};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::sys::{self, Words, robust};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MAGIC: u64 = u64::from_ne_bytes(*b"KSTDGEN1");
/// The beginning of a page that may be relied on for some time only: a module that does not know of that refuses it.
const BOUNDED_MAGIC: u64 = u64::from_ne_bytes(*b"KSTDGENF");
const AT_MAGIC: usize = 0;
const AT_UNTIL: usize = 1;
const AT_MARK: usize = 2;
const AT_STARTS: usize = 3;
const AT_AHEAD: usize = 4;
const AT_BOOT: usize = 5;
const AT_CHANGES: usize = 7;
const AT_IDENTITY: usize = 8;
const AT_HOLDER: usize = 9;
const COUNTERS: usize = 4096 / size_of::<u64>();
const TOKEN_COUNTERS: usize = 64;
const RECORD_COUNTERS: u64 = 4096 - TOKEN_COUNTERS as u64;
const WORDS: usize = COUNTERS + 4096;

/// The addition to the counters of a page that does not count any more: none has moved so often.
const OUTDATED: u64 = 1 << 63;

/// The page as the modules see it. It is replaced by that of a later agent in the place where it is.
pub struct Page {
    words: Words,
    directory: PathBuf,
    /// Held while the page is replaced.
    change: Mutex<()>,
}

impl Page {
    /// Maps the page that the agent of the store in `directory` has handed over. Fails with
    /// [`Reason::AgentLost`] where that agent is gone and another has come, and with
    /// [`Reason::AgentRefuses`] where it is no page.
    pub fn new(directory: &Path, handed: &OwnedFd) -> Result<Self> {
        check(directory, handed)?;
        let words = Words::map(handed, WORDS).map_err(not_mapped)?;
        Ok(Self { words, directory: directory.to_owned(), change: Mutex::new(()) })
    }

    /// Takes the page that a later agent has handed over, in the place of this one; fails as
    /// [`Self::new`] does. Who reads it meanwhile reads one or the other.
    pub fn replace(&self, handed: &OwnedFd) -> Result<()> {
        let _one = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        check(&self.directory, handed)?;
        self.words.remap(handed).map_err(not_mapped)
    }

    /// Returns the page's identity.
    pub fn identity(&self) -> u64 {
        self.words.load(AT_IDENTITY)
    }

    /// Moves whenever anything in the token changes.
    pub fn token(&self, token: Id) -> u64 {
        self.counter(token_word(token))
    }

    /// Moves whenever the record that is watched under this identity changes.
    pub fn record(&self, watched: Id) -> u64 {
        self.counter(record_word(watched))
    }

    /// Moves whenever anything in the store changes, after the counters of what changed: as long as it
    /// reads the same, none of them has moved.
    pub fn changes(&self) -> u64 {
        self.counter(AT_CHANGES)
    }

    /// Reads a counter. Whether the page counts is found out first: a change that is made after that is one
    /// after the call began, and each before it has moved the counter.
    fn counter(&self, index: usize) -> u64 {
        let outdated = if self.counts() && self.is_reliable() { 0 } else { OUTDATED };
        self.words.load(index).wrapping_add(outdated)
    }

    /// Returns true where the page may be relied on: for ever on one machine, and in a fleet until its agent would have
    /// to have heard from the store again. After that each who looks at a counter asks the agent.
    fn is_reliable(&self) -> bool {
        match self.words.load(AT_UNTIL) {
            0 => true,
            until => is_before(until),
        }
    }

    /// Returns whether this is the page that counts: its agent lives, or no other has started since, so
    /// that nothing can have changed. Where the agent lives, that is one load.
    pub fn counts(&self) -> bool {
        counts(&self.directory, self.words.load(AT_HOLDER), || self.identity())
    }

    /// Reads all the counters at this moment, for a reader that learns only afterwards whose counter it
    /// should have looked at. It then asks an agent, whose page has other counters unless it is this
    /// page's own.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot((COUNTERS..WORDS).map(|word| self.words.load(word)).collect())
    }

    /// Returns the store's time: never before the latest that an agent has seen, and from that on as the
    /// machine runs, even where a clock is set. A clock that is ahead of it counts at once.
    pub fn time(&self, clock: &dyn Clock) -> Seconds {
        let ahead = Duration::from_nanos(self.words.load(AT_AHEAD));
        let going_on = clock.uptime().saturating_add(ahead);
        self.words.load(AT_MARK).max(going_on.as_secs()).max(clock.coarse())
    }

    /// The latest time the store has seen.
    #[cfg(test)]
    pub fn mark(&self) -> Seconds {
        self.words.load(AT_MARK)
    }
}

/// All counters as they read at one moment.
pub struct Snapshot(Box<[u64]>);

impl Snapshot {
    /// Returns the value that the record's counter had.
    pub fn record(&self, watched: Id) -> u64 {
        self.0.get(record_word(watched) - COUNTERS).copied().unwrap_or_default()
    }
}

/// Returns whether a page counts: its agent lives and so holds it, or the file still names it.
fn counts(directory: &Path, holder: u64, identity: impl FnOnce() -> u64) -> bool {
    robust::is_held(holder) || is_named(directory, identity)
}

/// Returns whether that uptime is still to come, in nanoseconds.
#[cold]
fn is_before(until: u64) -> bool {
    sys::uptime() < Duration::from_nanos(until)
}

#[cold]
fn is_named(directory: &Path, identity: impl FnOnce() -> u64) -> bool {
    file::identity(directory).is_ok_and(|named| named == identity())
}

/// Fails unless a page that was handed over is one, and counts. That of an agent which has ended meanwhile
/// must not take the place of a later one.
fn check(directory: &Path, handed: &OwnedFd) -> Result<()> {
    let words: [u64; AT_HOLDER + 1] =
        file::read(handed.as_fd()).map_err(|error| Reason::AgentRefuses.detail(error))?;
    let [magic, .., identity, holder] = words;
    if ![MAGIC, BOUNDED_MAGIC].contains(&magic) {
        return Err(Reason::AgentRefuses.detail("it hands over something else than a page"));
    }
    match counts(directory, holder, || identity) {
        true => Ok(()),
        false => Err(Reason::AgentLost.detail("it ends before it can be asked anything")),
    }
}

fn not_mapped(error: std::io::Error) -> Error {
    Reason::of(&error, Reason::AgentRefuses).detail(format_args!("its page: {error}"))
}

fn token_word(token: Id) -> usize {
    let [first, ..] = *token.bytes();
    COUNTERS + usize::from(first) % TOKEN_COUNTERS
}

/// Returns the word of a record: by the last bytes of the identity, which are random; the first ones are
/// a time.
fn record_word(watched: Id) -> usize {
    let [.., a, b, c, d, e, f, g, h] = *watched.bytes();
    let shard = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % RECORD_COUNTERS;
    COUNTERS + TOKEN_COUNTERS + shard as usize
}

#[cfg(test)]
mod tests;
