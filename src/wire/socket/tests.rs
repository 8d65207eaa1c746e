//! Tests of a connection: its waits have an end, and its descriptor may be taken from it.

use super::{Duration, NAME, Socket};
use crate::error::{Error, Reason};
use crate::wire::handing::Handing;
use crate::wire::{Response, frame};
use rustix::process::{Uid, geteuid};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(100);

fn connect(directory: &Path) -> Result<Option<Socket>, Error> {
    Socket::connect(directory, Instant::now() + TIMEOUT)
}

#[test]
fn nobody_there_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(connect(&directory.path().join("missing")).unwrap().is_none());
    assert!(connect(directory.path()).unwrap().is_none());
    drop(UnixListener::bind(directory.path().join(NAME)).unwrap());
    assert!(connect(directory.path()).unwrap().is_none(), "a socket nobody listens on");
}

#[test]
fn a_path_longer_than_an_address_connects() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let _listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    std::fs::rename(directory.path().join(NAME), deep.join(NAME)).unwrap();
    assert!(connect(&deep).unwrap().is_some());
}

#[test]
fn a_silent_agent_is_waited_for_with_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let mut socket = connect(directory.path()).unwrap().unwrap();
    let started = Instant::now();
    let error = frame::receive::<Response>(&mut socket, 4096).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() >= TIMEOUT);
}

#[test]
fn an_agent_that_dribbles_is_waited_for_with_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let mut socket = connect(directory.path()).unwrap().unwrap();
    let dribble = std::thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(&1000_u32.to_le_bytes()).unwrap();
        while peer.write_all(&[0]).is_ok() {
            std::thread::sleep(TIMEOUT / 5);
        }
    });
    let error = frame::receive::<Response>(&mut socket, 4096).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(socket);
    dribble.join().unwrap();
}

#[test]
fn an_agent_that_takes_nothing_is_waited_for_with_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let mut socket = connect(directory.path()).unwrap().unwrap();
    let error = socket.write_all(&vec![0; 4 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_connection_is_quiet_until_the_agent_closes_it_or_speaks() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let connected = || {
        let socket = connect(directory.path()).unwrap().unwrap();
        (socket, listener.accept().unwrap().0)
    };
    let ((mut closed, peer), (mut spoken_to, mut speaker)) = (connected(), connected());
    assert!(closed.is_quiet() && spoken_to.is_quiet());
    drop(peer);
    speaker.write_all(b"x").unwrap();
    assert!(!closed.is_quiet() && !spoken_to.is_quiet());
}

#[test]
fn a_descriptor_arrives_with_what_is_said_and_is_closed_on_exec() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let mut socket = connect(directory.path()).unwrap().unwrap();
    let (peer, theirs) = (listener.accept().unwrap().0, tempfile::tempfile().unwrap());
    let mut handing = Handing::new(&peer, Some(theirs.as_fd()));
    handing.write_all(b"one").unwrap();
    handing.write_all(b"two").unwrap();
    let mut said = [0; 6];
    socket.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"onetwo");
    let handed = std::fs::File::from(socket.take_handed().unwrap());
    assert_eq!(handed.metadata().unwrap().ino(), theirs.metadata().unwrap().ino());
    let flags = rustix::io::fcntl_getfd(&handed).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    assert!(socket.take_handed().is_none());
}

#[test]
fn a_number_that_stands_for_something_else_is_neither_used_nor_closed() {
    let directory = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(directory.path().join(NAME)).unwrap();
    let mut socket = connect(directory.path()).unwrap().unwrap();
    let theirs = tempfile::tempfile().unwrap();
    socket.give_number_to(&theirs);
    let number = socket.descriptor.as_ref().unwrap().as_raw_fd();
    assert_eq!(socket.begin().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(socket.read(&mut [0]).unwrap_err().kind(), ErrorKind::NotConnected);
    drop(socket);
    let open = std::fs::metadata(format!("/proc/self/fd/{number}")).unwrap();
    assert_eq!(open.ino(), theirs.metadata().unwrap().ino());
}

/// Listens on the store's socket as another user, where this test may become one.
fn listener_of(user: u32, directory: &Path) -> UnixListener {
    let socket = directory.join(NAME);
    let listen = move || {
        let id = Uid::from_raw(user);
        rustix::thread::set_thread_res_uid(id, id, id).unwrap();
        UnixListener::bind(socket).unwrap()
    };
    std::thread::spawn(listen).join().unwrap()
}

/// The refusal of a store of `owner` when `listener` answers; root can try them all.
fn refusal(owner: u32, listener: u32) -> Option<Reason> {
    let directory = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    chown(directory.path(), Some(owner), None).unwrap();
    let _listener = listener_of(listener, directory.path());
    connect(directory.path()).err().map(|error| error.reason())
}

#[test]
fn only_the_stores_owner_or_root_is_spoken_to() {
    let (us, one, other) = (geteuid().as_raw(), 54_321, 54_322);
    assert_eq!(refusal(us, us), None);
    if us == 0 {
        assert_eq!(refusal(one, one), None);
        assert_eq!(refusal(one, 0), None);
        assert_eq!(refusal(one, other), Some(Reason::AgentRefuses));
        assert_eq!(refusal(0, one), Some(Reason::AgentRefuses));
    }
}
