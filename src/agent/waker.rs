//! Wakes the thread of an agent that waits for everything: a counter in the kernel.

use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor that is readable once it has been woken, until it is reset.
pub(crate) struct Waker(OwnedFd);

impl Waker {
    /// Makes one that has not been woken.
    pub(crate) fn new() -> rustix::io::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// Makes the descriptor readable.
    pub(crate) fn wake(&self) {
        if let Err(error) = rustix::io::write(&self.0, &1u64.to_ne_bytes()) {
            // Only a counter at its end refuses, and then it is readable anyway.
            log::debug!("already woken: {error}");
        }
    }

    /// Makes the descriptor wait for the next wake.
    pub(crate) fn reset(&self) {
        if let Err(error) = rustix::io::read(&self.0, &mut [0u8; 8]) {
            log::debug!("not woken: {error}");
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
