//! The status of an erasure: on which hosts it has been done. A host that was expelled keeps what it had been sent.

use super::batch::batch_of;
use super::fleet_key::FleetKey;
use super::host_row::HostRow;
use super::host_store::HostStore;
use super::hosts::{HostsRow, MemberState};
use super::state::{Fleet, key_of};
use crate::error::Result;
use crate::store::cells::CellNumber;
use crate::store::{CommitNumber, Store};
use std::collections::BTreeMap;
use std::fmt;

/// The status of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErasureStatus {
    /// So many hosts have erased it, of so many that belong to the fleet.
    Erasing {
        /// The hosts that have.
        done: usize,
        /// All hosts that belong to the fleet.
        of: usize,
    },
    /// It cannot be had from any host any more.
    Erased,
    /// The same, but for these hosts, which were expelled with their disks.
    ErasedExcept(Vec<String>),
}

impl fmt::Display for ErasureStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erasing { done, of } => write!(f, "erasing, {done} of {of}"),
            Self::Erased => f.write_str("erased"),
            Self::ErasedExcept(hosts) => {
                write!(f, "erased except on {}, expelled", hosts.join(", "))
            }
        }
    }
}

impl Fleet {
    /// Returns the status of each erasure whose row stands, by the cell of its secret.
    pub(crate) fn erasures(
        &self,
        host: &dyn HostStore,
    ) -> Result<BTreeMap<CellNumber, ErasureStatus>> {
        host.followed()?;
        let progress = ErasureProgress::read(host.rows(), &key_of(host)?)?;
        let ends = self.noted.ends().into_iter();
        Ok(ends.map(|(cell, number)| (cell, progress.of(cell, number))).collect())
    }
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
                    done += usize::from(*erased_through >= number);
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
