//! The syncs that this process waits for, each with its file and its beginning.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The syncs of the whole process: a disk that hangs is no one store's.
static UNDER_WAY: Mutex<Vec<PendingSync>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct PendingSync {
    number: u64,
    path: PathBuf,
    since: Instant,
}

/// Runs `sync`, which makes the file or directory at `path` durable, and lets it be seen meanwhile.
pub(crate) fn during<T>(path: &Path, sync: impl FnOnce() -> T) -> T {
    #[cfg(test)]
    tests::observed::before(path);
    let _seen = PendingGuard::new(path);
    sync()
}

/// Returns the file of the sync in one of these directories, or of one of them, that has taken longest until
/// now, and its duration.
pub(crate) fn longest(directories: &[PathBuf]) -> Option<(PathBuf, Duration)> {
    let under_way = lock();
    let is_here = |path: &Path| directories.iter().any(|directory| path.starts_with(directory));
    let here = under_way.iter().filter(|sync| is_here(&sync.path));
    let longest = here.min_by_key(|sync| sync.since)?;
    Some((longest.path.clone(), longest.since.elapsed()))
}

/// The entry of one sync, taken off the list when it is dropped, also where the sync panics.
struct PendingGuard(u64);

impl PendingGuard {
    fn new(path: &Path) -> Self {
        let mut under_way = lock();
        let number = under_way.last().map_or(0, |last| last.number + 1);
        under_way.push(PendingSync { number, path: path.to_owned(), since: Instant::now() });
        Self(number)
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        lock().retain(|sync| sync.number != self.0);
    }
}

fn lock() -> MutexGuard<'static, Vec<PendingSync>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{during, longest};
    use std::path::Path;

    #[test]
    fn the_longest_sync_of_a_directory_is_seen_until_it_is_over() {
        let of = |directory: &str| longest(&[directory.into()]).map(|(path, _)| path);
        let (first, second) = (Path::new("/nowhere/a/first"), Path::new("/nowhere/a/second"));
        during(first, || {
            during(second, || assert_eq!(of("/nowhere/a").as_deref(), Some(first)));
            assert_eq!(of("/nowhere/b"), None);
            assert_eq!(of("/nowhere/a").as_deref(), Some(first));
        });
        assert_eq!(of("/nowhere/a"), None);
    }

    /// Syncs that a test notices before they take place.
    pub(crate) mod observed {
        use std::cell::RefCell;
        use std::path::Path;
        use std::rc::Rc;

        type Before = Rc<dyn Fn(&Path)>;

        thread_local! {
            static BEFORE: RefCell<Option<Before>> = const { RefCell::new(None) };
        }

        /// Runs `during`, and `before` ahead of each sync that this thread waits for meanwhile.
        pub(crate) fn with<T>(before: impl Fn(&Path) + 'static, during: impl FnOnce() -> T) -> T {
            BEFORE.set(Some(Rc::new(before)));
            let done = during();
            BEFORE.set(None);
            done
        }

        pub(crate) fn before(path: &Path) {
            let before = BEFORE.with_borrow(Clone::clone);
            before.into_iter().for_each(|before| before(path));
        }
    }
}
