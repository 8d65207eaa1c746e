//! One connection to an agent, made to live in a process that is not ours: it knows whom it talks to
//! before it says anything, waits for nothing without an end, raises no signal, and notices when the
//! program has closed its descriptor and given the number to something else.

use super::denied::denied;
use super::handing::HANDED;
use super::process::AgentProcess;
use crate::error::{Error, Reason, Result};
use crate::sys;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recv, recvmsg, send, socket_with,
};
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// The socket's name in the store's directory.
pub const NAME: &str = crate::file_names::SOCKET;

/// The last of the descriptors that every program takes for its own.
const STANDARD: RawFd = 2;

/// The longest wait in the kernel before the deadline is looked at.
const SLICE: Duration = Duration::from_millis(250);

/// A connection to the agent of a store.
pub struct Socket {
    /// The descriptor; none once its number was found to stand for something else.
    descriptor: Option<OwnedFd>,
    identity: DescriptorIdentity,
    deadline: Instant,
    /// The last that the agent has handed over.
    handed: Option<OwnedFd>,
}

/// Device and inode: what a descriptor number stands for.
type DescriptorIdentity = (u64, u64);

impl Socket {
    /// Connects to the agent that serves `directory`; `None` when none does. The peer is the
    /// directory's owner or root, or it is refused. Neither connecting nor what follows waits much longer
    /// than until the `deadline`.
    pub fn connect(directory: &Path, deadline: Instant) -> Result<Option<Self>> {
        let lost = |error: Errno| {
            Reason::AgentAbsent.detail(format_args!("{}: {error}", directory.display()))
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match open(directory, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::ACCESS) => return Err(denied(directory)),
            folder => folder.map_err(lost)?,
        };
        let owner = fstat(&folder).map_err(lost)?.st_uid;
        let address = address(directory, &folder).map_err(lost)?;
        match Self::dial(&address, deadline) {
            Ok(socket) => socket.checked(owner).map(Some),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
            Err(Errno::ACCESS) => Err(denied(directory)),
            Err(Errno::AGAIN) => Err(silent(directory, None)),
            Err(error) => Err(lost(error)),
        }
    }

    /// The number of the process that listens, where this one can see it.
    pub fn process(&self) -> Option<u32> {
        self.open().and_then(sys::peer_process).ok()
    }

    /// Gives what follows until that moment.
    pub fn wait_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Takes the descriptor that the agent has handed over with what it has said. None where it handed
    /// over nothing, and where this process may have no more descriptors.
    pub fn take_handed(&mut self) -> Option<OwnedFd> {
        self.handed.take()
    }

    /// Fails when the descriptor is no longer this socket.
    pub fn begin(&mut self) -> io::Result<()> {
        self.let_go_if_taken();
        if self.descriptor.is_some() { Ok(()) } else { Err(ErrorKind::NotConnected.into()) }
    }

    /// Returns whether the agent has neither closed the connection nor said anything out of turn.
    pub fn is_quiet(&mut self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        self.begin().is_ok()
            && self.open().is_ok_and(|socket| {
                matches!(recv(socket, &mut [0_u8; 1], flags), Err(Errno::AGAIN | Errno::INTR))
            })
    }

    fn dial(address: &SocketAddrUnix, deadline: Instant) -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let mut socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        if socket.as_raw_fd() <= STANDARD {
            // A host that has closed its standard output would print into it.
            socket = fcntl_dupfd_cloexec(&socket, STANDARD + 1)?;
        }
        set_socket_timeout(&socket, Timeout::Send, Some(SLICE))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(SLICE))?;
        // An agent that is behind, or stopped, lets no peer into its full queue.
        while let Err(error) = connect(&socket, address) {
            let passing = matches!(error, Errno::AGAIN | Errno::INTR);
            if !passing || Instant::now() >= deadline {
                return Err(error);
            }
        }
        let identity = identity(&socket)?;
        Ok(Self { descriptor: Some(socket), identity, deadline, handed: None })
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

    /// Does what a program does that closes the descriptor and opens something of its own.
    #[cfg(test)]
    pub(super) fn give_number_to(&mut self, theirs: impl std::os::fd::AsFd) {
        let ours = self.descriptor.as_mut();
        assert!(ours.is_some_and(|ours| rustix::io::dup2(theirs, ours).is_ok()));
    }

    /// Repeats a call that a signal, or its own limit in the kernel, interrupted, as long as there is
    /// time. An agent that sends byte by byte meets the deadline too.
    fn patiently<T>(
        &self,
        mut call: impl FnMut(&OwnedFd) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        while Instant::now() < self.deadline {
            match call(self.open()?) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                done => return Ok(done?),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut room = [MaybeUninit::uninit(); HANDED];
        let mut control = RecvAncillaryBuffer::new(&mut room);
        let read = self.patiently(|socket| {
            let mut into = [IoSliceMut::new(&mut *into)];
            recvmsg(socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.handed = descriptors.last();
            }
        }
        Ok(read.bytes)
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

/// An agent that is there has given no sign of life.
pub(crate) fn silent(directory: &Path, socket: Option<&Socket>) -> Error {
    let process = AgentProcess::of(directory, || socket?.process());
    Reason::AgentLost.detail(match process {
        Some(process) => format!("{process} gives no sign of life; {}", process.remedy()),
        None => format!("the process that serves {} gives no sign of life", directory.display()),
    })
}

fn identity(descriptor: &OwnedFd) -> rustix::io::Result<DescriptorIdentity> {
    fstat(descriptor).map(|stat| (stat.st_dev, stat.st_ino))
}

/// The socket's address; where the path does not fit into one (107 bytes), by way of the folder's
/// descriptor.
fn address(directory: &Path, folder: &OwnedFd) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(directory.join(NAME))
        .or_else(|_| SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
