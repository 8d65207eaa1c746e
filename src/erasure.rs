//! The state of material, as its erase cell and its record have it: the same in store, protocol and domain.

use crate::clock::Seconds;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of material: it only ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Encoded", into = "Encoded")]
pub enum Erasure {
    /// The cell's secret is in place, or there is no cell.
    Live,
    /// The material has ended.
    Ended(Tombstone),
}

/// The end of material, and the second of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tombstone {
    /// It was deleted on request.
    Deleted(Seconds),
    /// It expired.
    Expired(Seconds),
}

impl Erasure {
    /// Returns the end of material that has ended.
    pub(crate) fn tombstone(self) -> Option<Tombstone> {
        match self {
            Self::Live => None,
            Self::Ended(tombstone) => Some(tombstone),
        }
    }
}

impl Tombstone {
    /// Returns the second of the end.
    pub(crate) fn at(self) -> Seconds {
        match self {
            Self::Deleted(at) | Self::Expired(at) => at,
        }
    }
}

/// The status of an erasure in a fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErasureStatus {
    /// So many hosts have erased it, of so many that belong to the fleet.
    Erasing {
        /// The hosts that have.
        done: u32,
        /// All hosts that belong to the fleet.
        of: u32,
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

/// The form in which an [`Erasure`] travels and is kept in backups.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Encoded {
    Live,
    Deleted(Seconds),
    Expired(Seconds),
}

impl From<Encoded> for Erasure {
    fn from(encoded: Encoded) -> Self {
        match encoded {
            Encoded::Live => Self::Live,
            Encoded::Deleted(at) => Self::Ended(Tombstone::Deleted(at)),
            Encoded::Expired(at) => Self::Ended(Tombstone::Expired(at)),
        }
    }
}

impl From<Erasure> for Encoded {
    fn from(erasure: Erasure) -> Self {
        match erasure {
            Erasure::Live => Self::Live,
            Erasure::Ended(Tombstone::Deleted(at)) => Self::Deleted(at),
            Erasure::Ended(Tombstone::Expired(at)) => Self::Expired(at),
        }
    }
}
