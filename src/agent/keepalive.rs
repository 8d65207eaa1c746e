//! Signs of life: short messages to peers that wait for an answer or for a connection.

use crate::error::Error;
use crate::wire::{Response, frame};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The interval at which those who wait are shown that the agent lives; they give up after five times this.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Tells a peer that waits for an answer that the agent works on it, or else why it does not. Returns true
/// where it waits on.
pub(crate) fn show_life(stream: &UnixStream, stalled: Option<&Error>) -> bool {
    match stalled {
        None => send_short(stream, &Response::Working).is_ok(),
        Some(why) => {
            // A peer that has gone need not be told.
            let _told = send_short(stream, &Response::Refused(why.clone()));
            false
        }
    }
}

/// Sends a short message, unless the peer has not taken what was sent before.
pub(crate) fn send_short(stream: &UnixStream, message: &Response) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::send(&mut bytes, message)?;
    match send(stream, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The moment since which a connection has been waiting for an answer, if it is.
#[derive(Default)]
pub(crate) struct AtWork(Mutex<Option<Instant>>);

impl AtWork {
    /// Runs some work, for as long as which the peer waits.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.lock() = Some(Instant::now());
        let done = work();
        *self.lock() = None;
        done
    }

    /// Shows the peer a sign of life, under the lock, so that no sign of life comes between the pieces of the answer.
    pub(crate) fn show_life(&self, stream: &UnixStream, stalled: Option<&Error>) {
        let waits = |since: &Instant| since.elapsed() >= TICK;
        if self.lock().as_ref().is_some_and(waits) && !show_life(stream, stalled) {
            // A peer that has gone is as good as one that is sent away.
            let _gone = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
