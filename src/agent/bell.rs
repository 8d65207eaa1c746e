//! How the threads of an agent wake the one that waits for everything: a counter in the kernel.

use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor that is readable once somebody has rung.
pub struct Bell(OwnedFd);

impl Bell {
    /// A silent bell.
    pub fn new() -> rustix::io::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// Rings; it goes on ringing until it is silenced.
    pub fn ring(&self) {
        if let Err(error) = rustix::io::write(&self.0, &1u64.to_ne_bytes()) {
            // Only a counter at its end refuses, and then it is readable anyway.
            log::debug!("the bell rings already: {error}");
        }
    }

    /// Silences it.
    pub fn silence(&self) {
        if let Err(error) = rustix::io::read(&self.0, &mut [0u8; 8]) {
            log::debug!("the bell was silent: {error}");
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
