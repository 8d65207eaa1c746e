//! One connection to an agent, made to live in a process that is not ours: it knows whom it talks to
//! before it says anything, waits for nothing without an end, raises no signal, and notices when the
//! program has closed its descriptor and given the number to something else.

use crate::error::{Reason, Result};
use crate::sys;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// The socket's name in the store's directory.
pub const NAME: &str = "agent.sock";

/// How long an agent may take for one answer. Durable commits on a busy disk take seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the agent of a store.
pub struct Socket {
    /// None once the number was found to stand for something else.
    descriptor: Option<OwnedFd>,
    identity: Identity,
    deadline: Instant,
}

/// Device and inode: what a descriptor number stands for.
type Identity = (u64, u64);

impl Socket {
    /// Connects to the agent that serves `directory`; `None` when nobody does. The peer is the
    /// directory's owner or root, or it is refused.
    pub fn connect(directory: &Path) -> Result<Option<Self>> {
        let lost = |error: Errno| {
            Reason::AgentAbsent.detail(format_args!("{}: {error}", directory.display()))
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match open(directory, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            folder => folder.map_err(lost)?,
        };
        let owner = fstat(&folder).map_err(lost)?.st_uid;
        let address = address(directory, &folder).map_err(lost)?;
        match Self::dial(&address) {
            Ok(socket) => socket.checked(owner).map(Some),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
            Err(Errno::AGAIN) => Err(Reason::AgentLost.detail("it accepts no connection")),
            Err(error) => Err(lost(error)),
        }
    }

    /// Gives the next exchange [`PATIENCE`], and fails when the descriptor is no longer this socket.
    pub fn begin(&mut self) -> io::Result<()> {
        self.deadline = Instant::now() + PATIENCE;
        self.let_go_if_taken();
        if self.descriptor.is_some() { Ok(()) } else { Err(ErrorKind::NotConnected.into()) }
    }

    fn dial(address: &SocketAddrUnix) -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        connect(&socket, address)?;
        let identity = identity(&socket)?;
        Ok(Self { descriptor: Some(socket), identity, deadline: Instant::now() + PATIENCE })
    }

    fn checked(self, owner: u32) -> Result<Self> {
        match self.open().and_then(sys::peer) {
            Ok((peer, _)) if peer == owner || peer == 0 => Ok(self),
            Ok((peer, _)) => Err(Reason::AgentRefuses.detail(format_args!(
                "user {peer} answers on the socket of a store that belongs to user {owner}"
            ))),
            Err(error) => Err(Reason::AgentRefuses.detail(error)),
        }
    }

    fn open(&self) -> io::Result<&OwnedFd> {
        self.descriptor.as_ref().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Programs that become daemons close every descriptor; the number may be theirs by now, and is
    /// neither used nor closed then.
    fn let_go_if_taken(&mut self) {
        let taken = |socket: &mut OwnedFd| identity(socket).ok() != Some(self.identity);
        if let Some(socket) = self.descriptor.take_if(taken) {
            let _number = socket.into_raw_fd();
        }
    }

    /// Repeats a call that a signal interrupted, as long as there is time. Each call has its own limit
    /// in the kernel; an agent that sends byte by byte meets the deadline.
    fn patiently<T>(
        &self,
        mut call: impl FnMut(&OwnedFd) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        while Instant::now() < self.deadline {
            match call(self.open()?) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                done => return Ok(done?),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.patiently(|socket| recv(socket, &mut *into, RecvFlags::empty()).map(|(_, read)| read))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|socket| send(socket, bytes, SendFlags::NOSIGNAL))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.let_go_if_taken();
    }
}

fn identity(descriptor: &OwnedFd) -> rustix::io::Result<Identity> {
    fstat(descriptor).map(|stat| (stat.st_dev, stat.st_ino))
}

/// The socket's address; where the path does not fit into one (107 bytes), by way of the folder's
/// descriptor.
fn address(directory: &Path, folder: &OwnedFd) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(directory.join(NAME))
        .or_else(|_| SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}
