//! The store of a fleet, as its one host has it.

use super::OpenStore;
use crate::agent::fleet::erasure_row::ErasureRow;
use crate::agent::fleet::host_store::HostStore;
use crate::agent::fleet::{self, Fleet, HostsRow, key_of, keys};
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::secret::Secret;
use crate::store::cells::{CellNumber, EraseCell};
use crate::store::{Batch, Cells, CommitNumber, Condition, ReplacedRows, Store};
use crate::wire::FleetStatus;
use std::collections::HashSet;
use std::sync::Arc;

impl HostStore for OpenStore {
    fn rows(&self) -> &dyn Store {
        &*self.records
    }

    fn slots(&self) -> &Cells {
        &self.cells
    }

    fn commit(&self, batch: &Batch) -> Result<CommitNumber> {
        self.apply(batch)
    }

    fn followed(&self) -> Result<CommitNumber> {
        Ok(self.index()?.number())
    }

    fn claimed(&self) -> Result<HashSet<CellNumber>> {
        Ok(self.index()?.claims().map(|(cell, _)| cell).collect())
    }

    fn time(&self) -> Seconds {
        self.now()
    }
}

impl OpenStore {
    /// Returns the fleet; none in a store of one machine.
    pub(crate) fn fleet(&self) -> Option<&Fleet> {
        self.fleet.as_ref()
    }

    /// Returns the fleet. Fails in a store of one machine.
    fn shared(&self) -> Result<&Fleet> {
        let why = "the store is one machine's alone, and no fleet's";
        self.fleet.as_ref().ok_or_else(|| Reason::ArgumentsBad.detail(why))
    }

    /// Returns the status of the fleet as this host knows it.
    pub(crate) fn fleet_status(&self) -> Result<FleetStatus> {
        let until = self.page.relied_until().unwrap_or_default();
        self.shared()?.status(self, until.saturating_sub(self.uptime()).as_secs())
    }

    /// Invites a host. Returns the code, as it is shown, and the second from which on it does not count any more.
    pub(crate) fn invite(&self, seconds: Seconds) -> Result<(Secret, Seconds)> {
        self.shared()?;
        let (code, expires) = fleet::invite(self, seconds)?;
        log::info!("a host is invited to the fleet, for {seconds} s");
        Ok((Secret::from(code.text().as_bytes()), expires))
    }

    /// Expels the host of that name or identity.
    pub(crate) fn expel(&self, named: &str) -> Result<Id> {
        let fleet = self.shared()?;
        let (list, _) = HostsRow::read(&*self.records, &key_of(self)?)?;
        let host = list.named(named)?;
        fleet.expel(self, host)?;
        log::warn!("host {host} is expelled from the fleet");
        Ok(host)
    }

    /// Has the fleet note what commits have changed of its rows.
    pub(super) fn note(&self, fleet: &Fleet, commits: &[Arc<ReplacedRows>]) -> Result<()> {
        for commit in commits {
            for (key, _) in commit.rows.iter().filter(|(key, _)| Fleet::is_noted(key)) {
                fleet.note(commit.number, key, self.records.get(key)?.is_some());
            }
        }
        Ok(())
    }

    /// Returns a cell with a fresh secret, durable already; the caller's batch claims it.
    pub(crate) fn take_cell(&self) -> Result<CellNumber> {
        match &self.fleet {
            Some(fleet) => fleet.take(self),
            None => self.cells.erase.take(),
        }
    }

    /// Prepares cells while no peer waits, and does what else this host has to do in its fleet, if the store is one's.
    pub(crate) fn prepare(&self) -> Result<()> {
        match &self.fleet {
            Some(fleet) => fleet.tend(self.now(), || {
                fleet.work_off(self)?;
                fleet.fill_ahead(self)
            }),
            None => self.cells.erase.fill_ahead(),
        }
    }

    /// Fails unless this host serves its fleet, by the row that is the list of hosts. Where that is under a new fleet key,
    /// the key is taken.
    pub(crate) fn check_enrolled(&self, fleet: &Fleet, list: Option<&[u8]>) -> Result<()> {
        fleet.renew_key(self, list)?;
        let list = HostsRow::verified(&key_of(self)?, list)?;
        list.check_enrolled(self.fleet_cells()?.host())
    }

    /// Returns the hosts that were expelled; none in a store that has no list of hosts.
    pub(super) fn expelled(&self) -> Result<HashSet<Id>> {
        let Some(fleet) = &self.fleet else { return Ok(HashSet::new()) };
        let row = self.records.get(keys::HOSTS)?;
        fleet.renew_key(self, row.as_deref())?;
        let list = HostsRow::verified(&key_of(self)?, row.as_deref())?;
        let expelled = list.members.iter().filter(|member| !member.belongs());
        Ok(expelled.map(|member| member.host).collect())
    }

    /// Returns true where the fleet asks something of this host now. No clock of another host has a word in that.
    pub(crate) fn is_asked_by_fleet(&self) -> bool {
        self.fleet.as_ref().and_then(Fleet::due).is_some_and(|due| due <= self.now())
    }

    /// Returns the condition that the list of the fleet's hosts is still that by which this host belongs to it; none in a
    /// store that has no such list.
    pub(crate) fn same_hosts(&self) -> Result<Option<Condition>> {
        let Some(fleet) = &self.fleet else { return Ok(None) };
        let row = self.records.get(keys::HOSTS)?;
        fleet.renew_key(self, row.as_deref())?;
        let list = HostsRow::verified(&key_of(self)?, row.as_deref())?;
        list.check_belongs(self.fleet_cells()?.host())?;
        Ok(row.map(|row| Condition::Equals(keys::HOSTS.to_vec(), row)))
    }

    /// Returns the content of an erase cell. In a fleet it may wait in an envelope, which is taken then.
    pub(crate) fn erase_cell(&self, cell: CellNumber) -> Result<EraseCell> {
        match (self.cells.erase.read_cell(cell), &self.fleet) {
            (Err(error), Some(fleet)) if error.reason() == Reason::StoreUnavailable => {
                if let Some(row) = ErasureRow::read(&*self.records, cell)? {
                    return Ok(EraseCell::Erased(row.end));
                }
                fleet.take_envelopes(self)?;
                self.cells.erase.read_cell(cell)
            }
            (read, _) => read,
        }
    }
}
