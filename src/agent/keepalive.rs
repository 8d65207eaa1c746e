//! Signs of life: short messages to peers that wait for an answer or for a connection.

use crate::error::Error;
use crate::wire::{Response, frame};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The interval at which those who wait are shown that the agent lives; they give up after five times this.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Tells somebody who waits for an answer that the agent works on it, or else why it does not. Whether they
/// wait on.
pub(crate) fn show_life(stream: &UnixStream, stalled: Option<&Error>) -> bool {
    match stalled {
        None => send_short(stream, &Response::Working).is_ok(),
        Some(why) => {
            // Who has gone need not be told.
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
