//! A stream that hands a descriptor over with what is said.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

/// Room for one descriptor beside what is said.
pub(super) const HANDED: usize = rustix::cmsg_space!(ScmRights(1));

/// A stream whose first bytes carry a descriptor.
pub(crate) struct Handing<'a> {
    stream: &'a UnixStream,
    descriptor: Option<BorrowedFd<'a>>,
}

impl<'a> Handing<'a> {
    /// Hands the descriptor over with what is written next, if there is one.
    pub(crate) fn new(stream: &'a UnixStream, descriptor: Option<BorrowedFd<'a>>) -> Self {
        Self { stream, descriptor }
    }
}

impl Write for Handing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(descriptor) = self.descriptor else { return self.stream.write(bytes) };
        let mut room = [MaybeUninit::uninit(); HANDED];
        let mut control = SendAncillaryBuffer::new(&mut room);
        let descriptors = [descriptor];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let written =
            sendmsg(self.stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
        self.descriptor = None;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
