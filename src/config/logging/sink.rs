//! The destinations of the log's lines, in a process that may be another program's: neither a signal, a wait without end nor
//! a line in another's file comes of them.

use super::Log;
use crate::file_names::is_of_any_store;
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, lstat, open, rename};
use rustix::io::retry_on_intr;
use rustix::process::geteuid;
use rustix::stdio::stderr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The time that a line waits for standard error to be read.
const WRITE_TIMEOUT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Permissions for others than the owner to write.
const OTHERS_WRITE: u32 = 0o022;

/// From which size on a file makes way for the next, in bytes.
const FULL: i64 = 8 << 20;

/// The destinations of lines.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard error, as long as it is what it was: a program that becomes a daemon closes it, and the
    /// number may stand for a file of that program's next.
    Stderr(DescriptorIdentity),
    /// The end of a file, opened for each line for the same reason.
    File(Box<Path>),
    /// The same, of a file that the environment named: it must be the user's own, and no link.
    OwnFile(Box<Path>),
}

/// Device and inode: what a descriptor stands for; none where it is closed.
type DescriptorIdentity = Option<(u64, u64)>;

impl Sink {
    /// Opens the configured destination.
    pub(super) fn configured(log: Log) -> Self {
        match log {
            Log::Stderr => Self::Stderr(identity()),
            Log::File(path) => Self::File(path.into()),
        }
    }

    /// Opens the destination that the environment names; fails where no line could be written.
    pub(super) fn asked(log: Log) -> io::Result<Self> {
        match log {
            Log::Stderr => Ok(Self::Stderr(identity())),
            Log::File(path) if is_of_any_store(&path) => {
                Err(io::Error::other("the file is a store's own"))
            }
            Log::File(path) => own_file(&path).map(|_| Self::OwnFile(path.into())),
        }
    }

    /// Says why no line can be written to the file, where that is so.
    pub(super) fn check(&self) -> Result<(), String> {
        let (path, opened) = match self {
            Self::Stderr(_) => return Ok(()),
            Self::File(path) => (path, only_file(path)),
            Self::OwnFile(path) => (path, own_file(path)),
        };
        opened.map(drop).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes a line. What cannot be written is lost without a word, and no call fails for it.
    pub(super) fn write(&self, line: &str) {
        let _written_or_not = match self {
            Self::Stderr(known) if known.is_some() && *known == identity() => to_stderr(line),
            Self::Stderr(_) => Ok(0),
            Self::File(path) => with_room(path, only_file)
                .and_then(|file| sys::write_quietly(file, line.as_bytes())),
            Self::OwnFile(path) => {
                with_room(path, own_file).and_then(|file| sys::write_quietly(file, line.as_bytes()))
            }
        };
    }
}

/// Writes to standard error as it is at the moment.
pub(super) fn to_stderr(line: &str) -> io::Result<usize> {
    let ready =
        retry_on_intr(|| poll(&mut [PollFd::new(&stderr(), PollFlags::OUT)], Some(&WRITE_TIMEOUT)));
    match ready? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => sys::write_quietly(stderr(), line.as_bytes()),
    }
}

fn identity() -> DescriptorIdentity {
    fstat(stderr()).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Opens a file for its end, or a new one where it is full.
fn with_room(path: &Path, open: impl Fn(&Path) -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    let file = open(path)?;
    match makes_way(path, &file) {
        Ok(true) => open(path),
        // A longer log is better than none.
        Ok(false) | Err(_) => Ok(file),
    }
}

/// Renames a full file of the user's own, in the place of the one before. Whether that is done, by this or
/// another process. A link is not followed, and stays.
fn makes_way(path: &Path, file: &OwnedFd) -> io::Result<bool> {
    let found = fstat(file)?;
    let is_own = found.st_uid == geteuid().as_raw();
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    if !is_own || !is_file || found.st_size < FULL {
        return Ok(false);
    }
    // The others go on in this one meanwhile.
    flock(file, FlockOperation::NonBlockingLockExclusive)?;
    let there = lstat(path)?;
    if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino) {
        let mut before = path.as_os_str().to_owned();
        before.push(".old");
        rename(path, Path::new(&before))?;
    }
    Ok(true)
}

/// Opens a file for its end. A named pipe without a reader is an error and no wait.
fn append(path: &Path, more: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    let flags = flags | OFlags::NOCTTY | OFlags::NONBLOCK | more;
    Ok(open(path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// Opens a file that is not called otherwise too: it may be a store's, or another program's.
fn only_file(path: &Path) -> io::Result<OwnedFd> {
    let file = append(path, OFlags::empty())?;
    check_names(&fstat(&file)?).map(|()| file)
}

fn check_names(found: &Stat) -> io::Result<()> {
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    match is_file && found.st_nlink > 1 {
        true => Err(io::Error::other("the file has another name too")),
        false => Ok(()),
    }
}

fn own_file(path: &Path) -> io::Result<OwnedFd> {
    let file = append(path, OFlags::NOFOLLOW).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a symbolic link"),
        _ => error,
    })?;
    let found = fstat(&file)?;
    check_names(&found)?;
    let refused = |why: &str| Err(io::Error::other(why));
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile if found.st_uid != geteuid().as_raw() => {
            refused("the file belongs to another user")
        }
        FileType::RegularFile if found.st_mode & OTHERS_WRITE != 0 => {
            refused("others can write in the file")
        }
        FileType::RegularFile => Ok(file),
        _ => refused("it is no regular file"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{FULL, Log, Sink};
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    fn asked(path: &Path) -> Result<Sink, String> {
        Sink::asked(Log::File(path.into())).map_err(|error| error.to_string())
    }

    /// A folder with a log of one line.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        asked(&path).unwrap().write("one\n");
        (folder, path)
    }

    #[test]
    fn lines_are_appended_to_a_file_only_its_owner_reads() {
        let (folder, path) = folder();
        asked(&path).unwrap().write("two\n");
        Sink::configured(Log::File(path.clone())).write("three\n");
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        let configured = folder.path().join("configured");
        Sink::configured(Log::File(configured.clone())).write("one\n");
        for path in [path, configured] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_was_moved_away_makes_way_for_a_new_one() {
        let (folder, path) = folder();
        let sink = asked(&path).unwrap();
        fs::rename(&path, folder.path().join("log.1")).unwrap();
        sink.write("two\n");
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn a_full_file_makes_way_for_a_new_one_and_links_stay_what_they_are() {
        let (folder, path) = folder();
        let name = |name: &str| folder.path().join(name);
        let configured = |path: PathBuf| Sink::configured(Log::File(path));
        let fill = |path: &Path| {
            File::options().write(true).open(path).unwrap().set_len(FULL as u64).unwrap();
        };
        symlink(name("theirs"), name("log.old")).unwrap();
        for (sink, line) in
            [(asked(&path).unwrap(), "two\n"), (configured(path.clone()), "three\n")]
        {
            fill(&path);
            sink.write(line);
            assert_eq!(fs::read(&path).unwrap(), line.as_bytes());
            let old = name("log.old").symlink_metadata().unwrap();
            assert!(old.is_file() && old.len() == FULL as u64);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!name("theirs").exists());
        symlink(&path, name("link")).unwrap();
        fill(&path);
        configured(name("link")).write("four\n");
        assert!(name("link").is_symlink() && !name("link.old").exists());
        assert!(path.metadata().unwrap().len() > FULL as u64);
    }

    #[test]
    fn what_the_environment_names_is_a_file_of_ones_own_and_nothing_else() {
        let (folder, path) = folder();
        let sink = asked(&path).unwrap();
        let name = |name: &str| folder.path().join(name);
        symlink(&path, name("link")).unwrap();
        fs::create_dir(name("folder")).unwrap();
        mkfifoat(CWD, name("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        for (named, why) in [
            (name("link"), "symbolic link"),
            (name("folder"), "directory"),
            (name("pipe"), "No such device"),
            (name("nowhere/log"), "No such file"),
            ("/dev/null".into(), "no regular file"),
        ] {
            let said = asked(&named).unwrap_err();
            assert!(said.contains(why), "{named:?}: {said}");
        }
        fs::hard_link(&path, name("second")).unwrap();
        assert!(asked(&path).unwrap_err().contains("another name"));
        let configured = Sink::configured(Log::File(path.clone()));
        configured.write("a line in another's file\n");
        assert!(configured.check().unwrap_err().contains("another name"));
        fs::remove_file(name("second")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
        assert!(asked(&path).unwrap_err().contains("others can write"));
        sink.write("two\n");
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        Sink::configured(Log::File(pipe)).write("one\n");
    }
}
