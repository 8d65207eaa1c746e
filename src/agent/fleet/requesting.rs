//! A host joins before an agent of it serves: it asks the fleet under the code that it was brought, is listed by a host that
//! serves, and takes the fleet key. Its agent does the rest.

use super::host_store::HostStore;
use super::invitation::{Code, has_asked, request, withdraw};
use super::joining::{is_sent_key, take_first_key};
use crate::error::{Error, Reason};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// The time in which a host of the fleet lists one that asks.
const PATIENCE: Duration = Duration::from_secs(30);

/// The failure of a host's joining.
pub(crate) enum NotJoined {
    /// Nothing of it is left in the fleet.
    Void(Error),
    /// The fleet may list the host: the same code goes on with it.
    Unknown(Error),
}

impl From<Error> for NotJoined {
    fn from(error: Error) -> Self {
        match error.reason() {
            Reason::ArgumentsBad => Self::Void(error),
            _ => Self::Unknown(error),
        }
    }
}

/// Has this host join its fleet under the code, with a name for people, and returns once it has the fleet key. A joining that
/// was cut short is gone on with.
pub(crate) fn join(host: &dyn HostStore, code: &Code, name: &str) -> Result<(), NotJoined> {
    let (changed, changes) = sync_channel(1);
    host.rows().tell(Box::new(move || {
        // One that waits already stands for this one, too.
        let _known = changed.try_send(());
    }));
    let introduction = match is_sent_key(host)? || has_asked(host, code)? {
        true => code.introduction(host)?,
        false => request(host, code, name)?,
    };
    let end = Instant::now() + PATIENCE;
    loop {
        // Before the key, which comes with its end.
        let is_open = has_asked(host, code)?;
        if is_sent_key(host)? {
            return Ok(take_first_key(host, &introduction)?);
        }
        if !is_open {
            return Err(NotJoined::Void(refused(name)));
        }
        match changes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Error::from(Reason::General).into()),
            Err(RecvTimeoutError::Timeout) if withdraw(host, code)? => {
                return Err(NotJoined::Void(unanswered()));
            }
            // It has been seen to in this moment.
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn refused(name: &str) -> Error {
    Reason::ArgumentsBad.detail(format_args!(
        "the fleet does not let this host join: the code's time is over, or another host has the name {name:?}"
    ))
}

fn unanswered() -> Error {
    Reason::StoreUnavailable.detail(format_args!(
        "no host of the fleet has answered for {} s; the code counts as before: see that an agent serves on one, and \
         use it again",
        PATIENCE.as_secs()
    ))
}
