//! The directories of a store: on file systems that can hold them, the socket, and the watch that tells
//! when one goes away.

use crate::error::{Error, Reason, Result};
use crate::file_names::{CELLS, LOCK, PAGE, RECORDS, SOCKET};
use crate::sys;
use crate::wire::socket;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Gid, OFlags, chown};
use std::fs::{Permissions, set_permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// File systems whose locks and syncs other machines can undo, by the kernel's magic number.
const NETWORK: [(u64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00C3_6400, "Ceph"),
    (0x0116_1970, "GFS2"),
];

const FUSE: u64 = 0x6573_5546;

/// FUSE mounts that reach another machine, by the type the mount table shows.
const NETWORK_FUSE: [&str; 6] =
    ["fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.curlftpfs", "fuse.davfs"];

/// The agent's files without which the store is gone, and the records' where they lie in a directory.
const VITAL: [&str; 4] = [SOCKET, LOCK, CELLS, PAGE];
const VITAL_RECORDS: [&str; 1] = [RECORDS];

/// Refuses network file systems, where neither locks nor syncs can be trusted. To be asked before
/// anything is locked in `directory`.
pub fn check_file_system(directory: &Path) -> Result<()> {
    let stat = rustix::fs::statfs(directory).map_err(|error| failed(directory, error.into()))?;
    let kind = u64::from(stat.f_type as u32);
    let name = NETWORK.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name);
    match name.or_else(|| if kind == FUSE { network_fuse(directory) } else { None }) {
        Some(name) => Err(Reason::AgentAbsent.detail(format_args!(
            "{} is on a network file system ({name}), which cannot keep a store; choose a local \
             directory",
            directory.display()
        ))),
        None => Ok(()),
    }
}

fn network_fuse(directory: &Path) -> Option<&'static str> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    network_fuse_in(&mounts, &directory.canonicalize().ok()?)
}

/// Returns the type of the mount that holds `place`, by the mount table, if it is a network's. A mount over
/// another counts before it.
fn network_fuse_in(mounts: &str, place: &Path) -> Option<&'static str> {
    let mount = |line: &'_ str| {
        let (mount, rest) = line.split_once(" - ")?;
        let (point, kind) = (mount.split(' ').nth(4)?, rest.split(' ').next()?);
        place.starts_with(point).then(|| (point.len(), kind.to_owned()))
    };
    let (_, kind) = mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length)?;
    NETWORK_FUSE.iter().find(|known| **known == kind).copied()
}

/// Listens on the store's socket. A socket that an agent left behind makes way; the caller holds the
/// store's lock.
pub(crate) fn listen(directory: &Path, group: Option<u32>) -> Result<UnixListener> {
    let place = directory.join(socket::NAME);
    let lost = |error: io::Error| failed(&place, error);
    unlink(directory).map_err(lost)?;
    // The path of the directory may be longer than a socket's address.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(directory, flags, rustix::fs::Mode::empty());
    let folder = folder.map_err(|error| lost(error.into()))?;
    let path = format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), socket::NAME);
    let listener = UnixListener::bind(&path).map_err(lost)?;
    let mode = match group {
        Some(group) => {
            chown(&path, None, Some(Gid::from_raw(group)))
                .map_err(|error| not_given(&place, group, error.into()))?;
            0o660
        }
        None => 0o600,
    };
    set_permissions(&path, Permissions::from_mode(mode)).map_err(lost)?;
    listener.set_nonblocking(true).map_err(lost)?;
    Ok(listener)
}

/// Returns the error of an agent that cannot give what lies at `path` to a group: of one that its user is no
/// member of, or that the user's namespace does not have.
pub fn not_given(path: &Path, group: u32, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EINVAL) => Reason::AgentAbsent.detail(format_args!(
            "{}: {error}; `group` in the configuration names {}, of which the agent's user must be a member",
            path.display(),
            sys::name_of_group(group)
        )),
        _ => failed(path, error),
    }
}

/// Removes the socket's name, so that no more peers connect.
pub(crate) fn unlink(directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(directory.join(socket::NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Tells when a store's directory goes away, or that of its records.
pub(crate) struct DirectoryWatch {
    watch: OwnedFd,
    /// The watch on the agent's own directory, and on the records', which is the same where they lie together.
    own: i32,
    records: Option<i32>,
}

impl DirectoryWatch {
    /// Watches the agent's `directory`, and that of its records where they lie in one of this machine.
    pub(crate) fn new(directory: &Path, records: Option<&Path>) -> Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| failed(directory, error.into()))?;
        let add = |directory: &Path| {
            let events = WatchFlags::DELETE
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            inotify::add_watch(&watch, directory, events)
                .map_err(|error| failed(directory, error.into()))
        };
        let (own, records) = (add(directory)?, records.map(add).transpose()?);
        Ok(Self { watch, own, records })
    }

    /// Returns true where what has happened since the last look means that the store is gone.
    pub(crate) fn is_gone(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        let whole = ReadFlags::DELETE_SELF
            | ReadFlags::MOVE_SELF
            | ReadFlags::UNMOUNT
            | ReadFlags::IGNORED
            | ReadFlags::QUEUE_OVERFLOW;
        while let Ok(event) = events.next() {
            let name = event.file_name().and_then(|name| name.to_str().ok());
            let vital = name.is_some_and(|name| self.is_vital(event.wd(), name));
            if event.events().intersects(whole) || vital {
                return true;
            }
        }
        false
    }

    /// Returns true where the store is gone without the file of that name in the directory of that watch.
    fn is_vital(&self, watch: i32, name: &str) -> bool {
        watch == self.own && VITAL.contains(&name)
            || Some(watch) == self.records && VITAL_RECORDS.contains(&name)
    }
}

impl AsFd for DirectoryWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Reason::of(&error, Reason::AgentAbsent).detail(format_args!("{}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_told_from_what_lies_over_or_under_it() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            40 22 0:50 / /far rw shared:1 - fuse.sshfs user@host:/ rw\n\
            41 40 0:51 / /far/near rw - fuse.portal portal rw\n";
        let on = |path: &str| network_fuse_in(mounts, Path::new(path));
        assert_eq!(on("/far/store"), Some("fuse.sshfs"));
        assert_eq!((on("/far/near/store"), on("/farther"), on("/home/me")), (None, None, None));
        check_file_system(tempfile::tempdir().unwrap().path()).unwrap();
    }

    #[test]
    fn a_lost_file_of_the_store_is_noticed_and_any_other_is_not() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["lock", "ballast"] {
            std::fs::write(directory.path().join(name), b"").unwrap();
        }
        let watch = DirectoryWatch::new(directory.path(), None).unwrap();
        std::fs::remove_file(directory.path().join("ballast")).unwrap();
        assert!(!watch.is_gone());
        std::fs::remove_file(directory.path().join("lock")).unwrap();
        assert!(watch.is_gone());
    }

    #[test]
    fn a_directory_that_is_moved_away_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        std::fs::create_dir(&store).unwrap();
        let watch = DirectoryWatch::new(&store, None).unwrap();
        assert!(!watch.is_gone());
        std::fs::rename(&store, directory.path().join("elsewhere")).unwrap();
        assert!(watch.is_gone());
    }

    #[test]
    fn the_loss_of_records_that_lie_apart_is_noticed_and_not_that_of_their_namesakes() {
        let [own, apart] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for directory in [&own, &apart] {
            std::fs::create_dir(directory.path().join(RECORDS)).unwrap();
            std::fs::write(directory.path().join(CELLS), b"").unwrap();
        }
        let watch = DirectoryWatch::new(own.path(), Some(apart.path())).unwrap();
        std::fs::remove_file(apart.path().join(CELLS)).unwrap();
        std::fs::remove_dir(own.path().join(RECORDS)).unwrap();
        assert!(!watch.is_gone());
        std::fs::remove_dir(apart.path().join(RECORDS)).unwrap();
        assert!(watch.is_gone());
    }

    #[test]
    fn a_socket_is_its_owners_alone_however_long_its_path_is() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("x".repeat(150));
        std::fs::create_dir(&store).unwrap();
        let _first = listen(&store, None).unwrap();
        let _second = listen(&store, None).unwrap();
        let mode = store.join(socket::NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            socket::Socket::connect(
                &store,
                crate::wire::Deadline::new(crate::wire::SILENCE_TIMEOUT).end()
            )
            .unwrap()
            .is_some()
        );
    }
}
