//! When the writer keeps a snapshot of the store: not long after something has changed, at the agent's
//! end, and never so often that a large store is written over and over.

use super::open_store::OpenStore;
use crate::error::Result;
use crate::store::{Need, snapshot};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much a busy store may write for its snapshots, in bytes a minute.
const PER_MINUTE: u64 = 16 << 20;

const MINUTE: Duration = Duration::from_secs(60);

/// What is known of the last one.
pub struct Snapshots {
    /// Whether something has changed since.
    changed: bool,
    /// Whether there were commits since that are not worth one before the end: on a full disk only a
    /// snapshot with all commits is served.
    behind: bool,
    /// When it was made, if by this agent, and how long nothing follows it.
    last: Option<(Instant, Duration)>,
}

impl Snapshots {
    /// Whether the snapshot that is there is of the store as it is.
    pub fn open(store: &OpenStore) -> Self {
        let there = snapshot::origin(&store.directory).ok().flatten();
        let changed = there.is_none_or(|there| store.origin().ok() != Some(there));
        Self { changed, behind: false, last: None }
    }

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
    pub(crate) fn keep(&mut self, store: &OpenStore) -> Result<()> {
        let size = size_of_db(&store.directory);
        let origin = store.origin()?;
        let kept = store
            .records
            .room(Need::Grow(size))
            .and_then(|()| snapshot::keep(&store.directory, &*store.records, origin));
        match kept {
            Ok(()) => (self.changed, self.behind) = (false, false),
            Err(error) => log::warn!("no snapshot was kept: {error}"),
        }
        let minutes = u32::try_from(size.div_ceil(PER_MINUTE)).unwrap_or(u32::MAX);
        self.last = Some((Instant::now(), MINUTE.saturating_mul(minutes)));
        Ok(())
    }
}

/// About what a snapshot takes at the most, in bytes.
fn size_of_db(directory: &Path) -> u64 {
    std::fs::metadata(directory.join("db/db")).map_or(0, |file| file.len())
}
