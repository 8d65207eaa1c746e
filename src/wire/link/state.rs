//! The state that the threads of a process share: its connections, its proofs, and what it knows of the
//! agent.

use crate::error::Error;
use crate::id::Id;
use crate::wire::outage::Outage;
use crate::wire::proof::Credential;
use crate::wire::socket::Socket;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time that an unused connection is kept, beside the last one.
pub(super) const SPARE: Duration = Duration::from_secs(3);

/// The connections that are kept, and what holds for all of them.
pub(super) struct LinkState {
    pub(super) idle: Vec<Connection>,
    pub(super) taken: usize,
    /// Moves with `proofs`; a connection from an earlier epoch is of no use.
    pub(super) epoch: u64,
    pub(super) proofs: BTreeMap<Id, Arc<Credential>>,
    pub(super) incarnation: u64,
    /// Set while a thread is starting the agent.
    pub(super) starting: bool,
    pub(super) not_started: Option<Error>,
    /// The time of the agent's last sign of life.
    pub(super) heard: Instant,
    pub(super) outage: Outage,
    /// The same of what could be left unsaid.
    pub(super) unheard: Outage,
}

impl LinkState {
    /// The state before the first connection.
    pub(super) fn new() -> Self {
        Self {
            idle: Vec::new(),
            taken: 0,
            epoch: 0,
            proofs: BTreeMap::new(),
            incarnation: 0,
            starting: false,
            not_started: None,
            heard: Instant::now(),
            outage: Outage::default(),
            unheard: Outage::default(),
        }
    }

    /// Notes a sign of life.
    pub(super) fn hear(&mut self, at: Instant) {
        self.heard = at;
        self.outage.end();
        self.unheard.end();
    }

    /// Returns the connection that was used last, if it is still good: the agent closes those that it needs for
    /// others. Closes those that have been idle for a while.
    pub(super) fn idle(&mut self) -> Option<Connection> {
        let mut last = self.idle.pop();
        while last.as_mut().is_some_and(|connection| !connection.socket.is_quiet()) {
            last = self.idle.pop();
        }
        self.idle.retain(|connection| connection.used.elapsed() < SPARE);
        last
    }
}

/// A connection that has greeted the agent.
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) epoch: u64,
    /// The time of its last use.
    pub(super) used: Instant,
}
