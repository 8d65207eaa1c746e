//! Room on the file system: growth is refused below a reserve, and a ballast file is given up so
//! that keys can still be deleted on a full disk.

use super::files;
use crate::error::{Reason, Result};
use crate::file_names;
use rustix::process::{Resource, getrlimit};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The free bytes below which nothing may grow: the most that a store in a directory writes for one
/// commit of the largest size.
pub(crate) const RESERVE: u64 = 16 << 20;

/// The size of the ballast file, in bytes.
pub(crate) const BALLAST: u64 = 4 << 20;

/// The purpose for which a change needs room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Growth by about so many bytes.
    Grow(u64),
    /// A deletion or an erasure.
    Shrink,
}

/// The watch over free space around one store.
pub(crate) struct Room {
    ballast: PathBuf,
    /// True where the ballast was given up, or never laid.
    light: AtomicBool,
    free: Box<dyn Fn() -> io::Result<u64> + Send + Sync>,
}

impl Room {
    /// Watches the file system that holds `directory`, and the files in it and in `folder`; lays the ballast where
    /// there is room for it.
    pub(crate) fn watch(directory: &Path, folder: &Path) -> Result<Self> {
        let (place, folder) = (directory.to_owned(), folder.to_owned());
        Self::with(directory, Box::new(move || available(&place, &folder)))
    }

    /// Watches by any measure of free bytes.
    pub(crate) fn with(
        directory: &Path,
        free: Box<dyn Fn() -> io::Result<u64> + Send + Sync>,
    ) -> Result<Self> {
        let ballast = directory.join(file_names::BALLAST);
        // One that was cut short while it was laid is none.
        let whole = ballast.metadata().is_ok_and(|file| file.len() >= BALLAST);
        let room = Self { light: AtomicBool::new(!whole), ballast, free };
        match room.free() {
            Ok(free) => room.lay_ballast(free),
            Err(error) => log::warn!("there is no ballast for a full disk: {error}"),
        }
        Ok(room)
    }

    /// Gives the ballast up for a store that cannot even be opened, and returns true if there was any.
    pub(crate) fn give_up_ballast(directory: &Path) -> Result<bool> {
        let ballast = directory.join(file_names::BALLAST);
        match std::fs::remove_file(&ballast) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(files::failed(&ballast, &cause)),
        }
    }

    /// Fails with [`Reason::StoreFull`] where a change finds no room. Gives the ballast up for a deletion
    /// that would not find any, and lays it again once there is room for it.
    pub(crate) fn check(&self, need: Need) -> Result<()> {
        let free = self.free()?;
        match need {
            Need::Grow(bytes) if free < RESERVE.saturating_add(bytes) => Err(Reason::StoreFull
                .detail(format_args!(
                    "less than {} MiB would remain free beside {}",
                    RESERVE >> 20,
                    self.ballast.display()
                ))),
            Need::Grow(bytes) => {
                self.lay_ballast(free.saturating_sub(bytes));
                Ok(())
            }
            Need::Shrink if free < RESERVE => self.drop_ballast(),
            Need::Shrink => Ok(()),
        }
    }

    /// Lays the ballast where it is not there and `free` bytes leave room for it. Nothing depends on it yet:
    /// a failure is only logged.
    fn lay_ballast(&self, free: u64) {
        if !self.light.load(Ordering::Relaxed) || free < RESERVE + BALLAST {
            return;
        }
        if let Err(error) = self.write_ballast() {
            log::warn!("there is no ballast for a full disk: {error}");
        }
    }

    fn write_ballast(&self) -> Result<()> {
        let file = files::open_private(&self.ballast, true)?;
        self.light.store(false, Ordering::Relaxed);
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BALLAST).or_else(
            |_| match std::fs::remove_file(&self.ballast) {
                // A file system without preallocation, or suddenly full: no ballast, no harm.
                Ok(()) => Ok(()),
                Err(cause) => Err(files::failed(&self.ballast, &cause)),
            },
        )
    }

    fn drop_ballast(&self) -> Result<()> {
        self.light.store(true, Ordering::Relaxed);
        match std::fs::remove_file(&self.ballast) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(files::failed(&self.ballast, &cause))
            }
            _ => Ok(()),
        }
    }

    fn free(&self) -> Result<u64> {
        (self.free)().map_err(|cause| files::failed(&self.ballast, &cause))
    }
}

fn available(directory: &Path, folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(directory)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let most = getrlimit(Resource::Fsize).current;
    Ok(free.min(growth(&[directory, folder], most)))
}

/// Returns by how many bytes each of the files in these folders may grow, where files may have that size at the most.
/// The ballast does not grow.
fn growth(folders: &[&Path], most: Option<u64>) -> u64 {
    let Some(most) = most else { return u64::MAX };
    let largest = |folder: &&Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(io::Result::ok);
        let grows = entries.filter(|entry| entry.file_name() != file_names::BALLAST);
        let files = grows.filter_map(|entry| entry.metadata().ok()).filter(Metadata::is_file);
        files.map(|file| file.len()).max().unwrap_or(0)
    };
    most.saturating_sub(folders.iter().map(largest).max().unwrap_or(0))
}

/// Fails with [`Reason::AgentAbsent`] where the limit of this process on the size of files leaves those in these
/// folders no room to grow.
pub(super) fn check_growth(folders: &[&Path]) -> Result<()> {
    let most = getrlimit(Resource::Fsize).current;
    match (most, growth(folders, most)) {
        (Some(most), growth) if growth < RESERVE => Err(Reason::AgentAbsent.detail(format_args!(
            "it may write files of at most {most} bytes, as the program that starts it, and the \
             store's may have to grow beyond that; raise the limit (RLIMIT_FSIZE), or use the store \
             first from a program that may write more"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    fn room(directory: &Path, free: u64) -> (Room, Arc<AtomicU64>) {
        let level = Arc::new(AtomicU64::new(free));
        let shown = Arc::clone(&level);
        let free = Box::new(move || Ok(shown.load(Ordering::Relaxed)));
        (Room::with(directory, free).unwrap(), level)
    }

    #[test]
    fn the_largest_file_says_by_how_much_all_may_grow() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("db")).unwrap();
        let of_size = |name: &str, size| {
            File::create(directory.path().join(name)).unwrap().set_len(size).unwrap();
        };
        of_size("slots", 100);
        of_size("db/db", 3000);
        let folder = directory.path().join("db");
        let folders = [directory.path(), &folder];
        assert_eq!(growth(&folders, None), u64::MAX);
        assert_eq!(growth(&folders, Some(5000)), 2000);
        assert_eq!(growth(&folders, Some(10)), 0);
        check_growth(&folders).unwrap();
    }

    #[test]
    fn nothing_grows_into_the_reserve() {
        let directory = tempfile::tempdir().unwrap();
        let (room, level) = room(directory.path(), RESERVE + 100);
        room.check(Need::Grow(100)).unwrap();
        assert_eq!(room.check(Need::Grow(101)).unwrap_err().reason(), Reason::StoreFull);
        level.store(0, Ordering::Relaxed);
        assert_eq!(room.check(Need::Grow(0)).unwrap_err().reason(), Reason::StoreFull);
    }

    #[test]
    fn ballast_that_was_cut_short_is_laid_again() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = directory.path().join("ballast");
        std::fs::write(&ballast, b"").unwrap();
        let (_room, _level) = room(directory.path(), RESERVE + BALLAST);
        assert_eq!(ballast.metadata().unwrap().len(), BALLAST);
    }

    #[test]
    fn the_ballast_is_given_up_for_a_deletion_and_laid_again_later() {
        let directory = tempfile::tempdir().unwrap();
        let (room, level) = room(directory.path(), RESERVE + BALLAST);
        let ballast = directory.path().join("ballast");
        assert_eq!(ballast.metadata().unwrap().len(), BALLAST);
        room.check(Need::Shrink).unwrap();
        assert!(ballast.exists());
        level.store(RESERVE - 1, Ordering::Relaxed);
        room.check(Need::Shrink).unwrap();
        assert!(!ballast.exists());
        room.check(Need::Shrink).unwrap();
        level.store(RESERVE + BALLAST, Ordering::Relaxed);
        room.check(Need::Grow(0)).unwrap();
        assert!(ballast.exists());
    }
}
