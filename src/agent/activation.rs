//! A listening socket that a service manager has made and hands over with the start: descriptor 3, which
//! `LISTEN_PID` and `LISTEN_FDS` announce (sd_listen_fds(3)). Those who connect while no agent runs wait
//! in its queue.

use crate::error::{Error, Reason, Result};
use crate::sys;
use crate::wire::socket;
use rustix::net::sockopt::socket_acceptconn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// The socket that this process was started with, if it was with any. Fails with
/// [`Reason::AgentAbsent`] where it is not the one of the store in `directory`.
pub fn listener(directory: &Path) -> Result<Option<UnixListener>> {
    let variable = |name| std::env::var(name).ok();
    if variable("LISTEN_PID") != Some(std::process::id().to_string()) {
        return Ok(None);
    }
    match variable("LISTEN_FDS").as_deref() {
        None | Some("0") => Ok(None),
        Some("1") => take_over(directory).map(Some).map_err(refused),
        Some(_) => Err(refused(io::Error::other("it is more than one"))),
    }
}

fn take_over(directory: &Path) -> io::Result<UnixListener> {
    let handed = OwnedFd::from(sys::inherited(FIRST)?);
    let listens = socket_acceptconn(&handed)?;
    let listener = UnixListener::from(handed);
    let expected = directory.join(socket::NAME);
    let address = listener.local_addr()?;
    let place = address.as_pathname().map(Path::canonicalize).transpose()?;
    if !listens || place != Some(expected.canonicalize()?) {
        return Err(io::Error::other(format!("it does not listen on {}", expected.display())));
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn refused(error: io::Error) -> Error {
    Reason::AgentAbsent.detail(format_args!("the socket that the agent was started with: {error}"))
}
