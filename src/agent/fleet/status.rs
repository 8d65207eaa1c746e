//! The status of a fleet, and of an erasure: on which hosts it has been done. A host that was expelled keeps what it had
//! been sent.

use super::batch::batch_of;
use super::fleet_key::FleetKey;
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::{HostsRow, MemberState};
use super::state::{Fleet, key_of};
use crate::agent::keyspace;
use crate::agent::rows::{self, HeartbeatRow};
use crate::clock::Seconds;
use crate::erasure::ErasureStatus;
use crate::error::Result;
use crate::id::Id;
use crate::store::cells::CellNumber;
use crate::store::{CommitNumber, Store};
use crate::wire::{FleetStatus, HeartbeatStatus, HostState, HostStatus};
use std::collections::BTreeMap;

impl Fleet {
    /// Returns the status of the fleet, as of what this host has followed.
    pub(crate) fn status(&self, host: &dyn HostStore, word_left: Seconds) -> Result<FleetStatus> {
        let applied = host.followed()?;
        let progress = ErasureProgress::read(host.rows(), &key_of(host)?)?;
        let members = progress.list.members.iter().zip(&progress.erased_through);
        let hosts = members.map(|(member, erased_through)| {
            Ok(HostStatus {
                host: member.host,
                name: member.name.clone(),
                state: match member.state {
                    MemberState::Listed => HostState::Listed,
                    MemberState::Enrolled => HostState::Enrolled,
                    MemberState::Expelled { .. } => HostState::Expelled,
                },
                erased_through: *erased_through,
                heartbeat: heartbeat(host.rows(), member.host)?,
            })
        });
        let mut erasures = BTreeMap::new();
        for (cell, number) in self.noted.ends() {
            *erasures.entry(progress.of(cell, number)).or_default() += 1;
        }
        Ok(FleetStatus {
            fleet: host.slots().identity.store,
            own: host.fleet_cells()?.host(),
            applied,
            word_left,
            hosts: hosts.collect::<Result<_>>()?,
            erasures: erasures.into_iter().collect(),
        })
    }
}

fn heartbeat(store: &dyn Store, host: Id) -> Result<Option<HeartbeatStatus>> {
    let Some(row) = store.get(&keyspace::heartbeat(host))? else { return Ok(None) };
    let HeartbeatRow { clock, applied, version, .. } = rows::decode(&row, "a heartbeat")?;
    Ok(Some(HeartbeatStatus { clock, applied, version }))
}

/// The hosts of a fleet, and how far each has erased.
pub(crate) struct ErasureProgress {
    list: HostsRow,
    /// In the order of the list.
    erased_through: Vec<CommitNumber>,
}

impl ErasureProgress {
    /// Reads it from the rows.
    pub(crate) fn read(store: &dyn Store, key: &FleetKey) -> Result<Self> {
        let (list, _) = HostsRow::read(store, key)?;
        let read = list.members.iter().map(|member| HostRow::read(store, key, member.host));
        let erased_through = read.map(|read| Ok(read?.0.erased_through)).collect::<Result<_>>()?;
        Ok(Self { list, erased_through })
    }

    /// Returns the status of the erasure of a cell's secret that a commit has written down; a later one than that has
    /// the same status later.
    pub(crate) fn of(&self, cell: CellNumber, number: CommitNumber) -> ErasureStatus {
        let (mut done, mut of, mut except) = (0, 0, Vec::new());
        for (member, erased_through) in self.list.members.iter().zip(&self.erased_through) {
            match member.state {
                MemberState::Listed | MemberState::Enrolled => {
                    of += 1;
                    done += u32::from(*erased_through >= number);
                }
                MemberState::Expelled { before } => {
                    if *erased_through < number && batch_of(cell) < before {
                        except.push(member.name.clone());
                    }
                }
            }
        }
        match (done == of, except.is_empty()) {
            (false, _) => ErasureStatus::Erasing { done, of },
            (true, true) => ErasureStatus::Erased,
            (true, false) => ErasureStatus::ErasedExcept(except),
        }
    }

    /// Returns the commit up to which every host that belongs to the fleet has erased.
    pub(crate) fn by_all(&self) -> CommitNumber {
        let members = self.list.members.iter().zip(&self.erased_through);
        members.filter(|(member, _)| member.belongs()).map(|(_, it)| *it).min().unwrap_or(0)
    }
}
