//! The care that sled needs around an opening: for its lock, its torn snapshots, the files it never syncs.

use crate::error::{Reason, Result};
use crate::store::{files, pending_syncs};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time that an instance that was closed may keep its lock: until the last of sled's threads ends.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause between two tries of the lock.
const PAUSE: Duration = Duration::from_millis(2);

/// Makes `directory` ready for sled to open it: there, free, without torn snapshots, and synced.
pub(super) fn prepare(directory: &Path) -> Result<()> {
    make_directory(directory)?;
    remove_unfinished_snapshots(directory)?;
    wait_until_free(&directory.join("db"))?;
    // A disk that hangs is seen here, and not in what sled syncs itself as it opens.
    sync_all(directory)
}

/// Syncs the files that sled has written at opening, and the names that it has made.
pub(super) fn sync_all(directory: &Path) -> Result<()> {
    // sled would wait for a pipe without end.
    let holds = |path: &PathBuf| path.exists() && !path.is_dir();
    for path in entries(directory)?.into_iter().filter(holds) {
        pending_syncs::during(&path, || {
            files::open_to_read(&path).and_then(|file| file.sync_all())
        })
        .map_err(|cause| files::failed(&path, &cause))?;
    }
    files::sync_directory(directory)?;
    directory.parent().map_or(Ok(()), files::sync_directory)
}

fn make_directory(directory: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|cause| files::failed(directory, &cause))
}

/// Waits for an instance that was closed in this process: it keeps its lock a moment longer, and sled
/// refuses rather than waits. Fails with [`Reason::StoreUnavailable`] where another process keeps it.
fn wait_until_free(log: &Path) -> Result<()> {
    if !log.is_file() {
        return Ok(());
    }
    let (file, began) = (files::open_private(log, false)?, Instant::now());
    while !is_free(&file).map_err(|cause| files::failed(log, &cause.into()))? {
        if began.elapsed() >= LOCK_TIMEOUT {
            let told = format_args!("{}: another process has opened it", log.display());
            return Err(Reason::StoreUnavailable.detail(told));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Returns true where no other opening of the file keeps its lock. The lock that tells is released and not only
/// closed: a child that is forked meanwhile would keep it until it runs its program.
fn is_free(file: &File) -> rustix::io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => flock(file, FlockOperation::Unlock).map(|()| true),
        Err(Errno::INTR | Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes snapshots that a crash interrupted: sled 0.34.7 refuses to open beside one.
fn remove_unfinished_snapshots(directory: &Path) -> Result<()> {
    for path in entries(directory)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(|cause| files::failed(&path, &cause))?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .and_then(|listing| listing.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(|cause| files::failed(directory, &cause))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_forked_meanwhile_keeps_no_lock() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("db");
        let asking = File::create(&log).unwrap();
        let of_a_child = asking.try_clone().unwrap();
        assert!(is_free(&asking).unwrap());
        drop(asking);
        let opened = File::open(&log).unwrap();
        flock(&opened, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_free(&of_a_child).unwrap(), "the lock of another opening is seen");
    }
}
