//! The heartbeat of a fleet's host: a row of its own that it swaps every few seconds, with a nonce, and only where the row
//! is the one that it has swapped last, and the list of hosts the one that it knows. When that has come back from the
//! store, everything before it has too: what is known here may be relied on for a while from the moment at which it was
//! sent.
//!
//! A row that is neither the last one nor the one that is under way was written by a copy of this host, or the store has
//! been set back: the agent serves nothing then. So that this is seen after a start as well, a file of the agent's
//! directory says what was sent, see [`sent`].

mod keeper;
mod sent;

pub(super) use keeper::Keeper;

use super::keyspace;
use super::open_store::OpenStore;
use super::rows::{self, HeartbeatRow};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::store::{Batch, Condition};
use sent::{Sent, SentFile};
use std::sync::Arc;
use std::time::Duration;

/// The heartbeat of this host, as its agent makes it.
pub(super) struct Heartbeat {
    store: Arc<OpenStore>,
    host: Id,
    agent: [u8; 16],
    /// The time for which what is known may be relied on.
    grace: Duration,
    file: SentFile,
    /// The row as this host has seen it last, and those that it has sent since, of which one may be there.
    last: Option<Vec<u8>>,
    under_way: Vec<Vec<u8>>,
}

impl Heartbeat {
    /// Begins with the row as it is. Fails where that is none of those that this host has sent.
    pub(super) fn begin(store: &Arc<OpenStore>, host: Id, grace: Duration) -> Result<Self> {
        let last = store.records.get(&keyspace::heartbeat(host))?;
        let row = last.as_deref().map(read).transpose()?;
        let mut file = SentFile::open(&store.directory)?;
        if !file.knows(row.as_ref().map(|row| Sent { agent: row.agent, count: row.count })) {
            return Err(strange(host));
        }
        let agent = uuid::Uuid::new_v4().into_bytes();
        file.begin(agent)?;
        let store = Arc::clone(store);
        Ok(Self { store, host, agent, grace, file, last, under_way: Vec::new() })
    }

    /// Swaps the row for the next one. Once that has come back, what is known may be relied on. Fails with
    /// [`StoreDamaged`](Reason::StoreDamaged) where the row is a strange one, and otherwise where the store is out of reach.
    pub(super) fn beat(&mut self) -> Result<()> {
        let key = keyspace::heartbeat(self.host);
        let found = self.own(&key)?;
        let before = found.as_deref().map(read).transpose()?;
        let before = before.filter(|before| before.agent == self.agent);
        let row = HeartbeatRow {
            agent: self.agent,
            count: before.map_or(0, |before| before.count + 1),
            clock: self.store.clock(),
            applied: self.store.records.number()?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extras: Vec::new(),
        };
        self.file.note(row.count)?;
        let row = rows::encode(&row)?;
        let compared = Condition::unchanged(key.clone(), found.clone());
        let hosts = self.store.same_hosts()?;
        let batch = Batch {
            conditions: [compared].into_iter().chain(hosts.clone()).collect(),
            writes: vec![(key.clone(), Some(row.clone()))],
        };
        self.under_way.push(row.clone());
        let sent = self.store.uptime();
        match self.store.apply(&batch) {
            Ok(_) => {
                self.under_way.clear();
                self.last = Some(row);
                self.store.rely(sent, self.grace);
                Ok(())
            }
            // The store has something else than this host was shown, or than it has sent.
            Err(error) if error.reason() == Reason::Conflict => {
                match self.own(&key)? == found && self.store.same_hosts()? == hosts {
                    true => Err(strange(self.host)),
                    // One that it had no answer to has come, or another list of hosts: the next one follows that.
                    false => self.beat(),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the row, which must be the last one, or one of those under way.
    fn own(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.store.records.get(key)?;
        let sent = |found: &Vec<u8>| self.under_way.contains(found);
        if found.as_ref().is_some_and(sent) {
            self.last.clone_from(&found);
            self.under_way.clear();
        }
        match found == self.last {
            true => Ok(found),
            false => Err(strange(self.host)),
        }
    }
}

fn read(row: &[u8]) -> Result<HeartbeatRow> {
    rows::decode(row, "a heartbeat")
}

fn strange(host: Id) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "the heartbeat of this host, {host}, is not one that it has sent: the store was set back to an earlier state, or \
         a copy of this host's directory serves elsewhere"
    ))
}

#[cfg(test)]
mod tests;
