//! The threads that keep a fleet's host in touch with the store: one swaps the heartbeat, one follows what other hosts
//! commit as the store learns of it.

use super::Heartbeat;
use crate::agent::open_store::OpenStore;
use crate::error::{Error, Reason, Result};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The time between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(5);

/// The pause after one that has not come back.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread that swaps the heartbeat.
pub(in crate::agent) struct Keeper {
    /// Ends the thread when it is dropped.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Sends the first heartbeat, and begins to send others and to follow other hosts once it has come back. None where
    /// no other host writes the store.
    pub(in crate::agent) fn begin(store: &Arc<OpenStore>, grace: Duration) -> Result<Option<Self>> {
        let Some(host) = store.host() else { return Ok(None) };
        let mut heartbeat = Heartbeat::begin(store, host, grace)?;
        heartbeat.beat()?;
        follow(store)?;
        let (stop, stopped) = channel();
        let store = Arc::clone(store);
        let thread = Builder::new().name("heartbeat".into());
        let thread = thread.spawn(move || {
            if let Err(error) = keep(&mut heartbeat, &stopped) {
                log::error!("{error}");
                store.waker.wake();
            }
        });
        let thread = Some(thread.map_err(absent)?);
        Ok(Some(Self { stop: Some(stop), thread }))
    }

    /// Returns true where the heartbeat is not this host's any more, or cannot be noted: nothing more is to be served.
    pub(in crate::agent) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop = None;
        // One that panicked has ended with that.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Swaps the heartbeat until the agent ends. Fails where it must not go on.
fn keep(heartbeat: &mut Heartbeat, stopped: &Receiver<()>) -> Result<()> {
    let mut pause = INTERVAL;
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let store = Arc::clone(&heartbeat.store);
        pause = match heartbeat.beat() {
            Ok(()) => {
                if store.contact.note(None) {
                    log::info!("the host is in touch with its fleet again");
                }
                store.troubles.note("fleet", None);
                INTERVAL
            }
            Err(error) if error.reason() == Reason::StoreDamaged || !store.alive() => {
                return Err(error);
            }
            Err(error) => {
                if store.contact.note(Some(error.clone())) {
                    log::warn!("the host has lost touch with its fleet: {error}");
                }
                store.troubles.note("fleet", Some(error.to_string()));
                PAUSE
            }
        };
    }
    Ok(())
}

/// Follows what other hosts commit, as long as the store is open.
fn follow(store: &Arc<OpenStore>) -> Result<()> {
    let (changed, changes) = sync_channel(1);
    store.records.tell(Box::new(move || {
        // One that waits already stands for this one, too.
        let _known = changed.try_send(());
    }));
    let store = Arc::downgrade(store);
    let thread = Builder::new().name("follower".into());
    thread.spawn(move || while changes.recv().is_ok() && look(&store) {}).map_err(absent)?;
    Ok(())
}

/// Has the index, the page and the logins follow. Returns false where the store is closed.
fn look(store: &Weak<OpenStore>) -> bool {
    let Some(store) = store.upgrade() else { return false };
    if let Err(error) = store.index().map(drop).and_then(|()| store.hear_hosts()) {
        log::warn!("what other hosts have committed is not followed yet: {error}");
    }
    true
}

fn absent(error: impl std::fmt::Display) -> Error {
    Reason::AgentAbsent.detail(error)
}
