//! The times at which the writer keeps a snapshot of the store: not long after something has changed, at the agent's
//! end, and never so often that a large store is written over and over.

use super::open_store::OpenStore;
use std::time::{Duration, Instant};

/// The bytes a minute that a busy store may write for its snapshots.
const PER_MINUTE: u64 = 16 << 20;

const MINUTE: Duration = Duration::from_secs(60);

/// The state of the last snapshot.
pub(crate) struct Snapshots {
    /// True if something has changed since.
    changed: bool,
    /// True if there were commits since that are not worth one before the end: on a full disk only a
    /// snapshot with all commits is served.
    behind: bool,
    /// The moment at which it was made, if by this agent, and the pause after it.
    last: Option<(Instant, Duration)>,
}

impl Default for Snapshots {
    /// Knows of none yet: the store knows whether the one that is there has everything.
    fn default() -> Self {
        Self { changed: true, behind: false, last: None }
    }
}

impl Snapshots {
    /// Notes a commit, which is worth a snapshot soon, or else only at the end.
    pub(crate) fn note_commit(&mut self, quiet: bool) {
        self.changed |= !quiet;
        self.behind = true;
    }

    /// Returns whether it is time to keep one of a store that can be written.
    pub(crate) fn is_wanted(&self, at_the_end: bool) -> bool {
        let rests = self.last.is_some_and(|(at, pause)| at.elapsed() < pause);
        match at_the_end {
            true => self.changed || self.behind,
            false => self.changed && !rests,
        }
    }

    /// Keeps a snapshot of a store whose commits are durable. One that fails costs nothing but itself.
    pub(crate) fn keep(&mut self, store: &OpenStore) {
        let size = match store.records.keep_snapshot(store.cells.identity) {
            Ok(size) => {
                (self.changed, self.behind) = (false, false);
                size
            }
            Err(error) => {
                log::warn!("no snapshot was kept: {error}");
                PER_MINUTE
            }
        };
        let minutes = u32::try_from(size.div_ceil(PER_MINUTE)).unwrap_or(u32::MAX);
        self.last = Some((Instant::now(), MINUTE.saturating_mul(minutes)));
    }
}
