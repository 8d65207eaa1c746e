//! The connection to a fleet's rows: etcd's members, and the keys.

use super::layout::Layout;
use super::members::Members;
use crate::config::FleetLocation;
use crate::error::{Error, Reason, Result};

/// The members and the keys of one fleet.
pub(super) struct Connection {
    pub(super) members: Members,
    pub(super) layout: Layout,
    /// The fleet's place, as it is shown.
    place: String,
}

impl Connection {
    /// Makes ready to speak to etcd.
    pub(super) fn new(fleet: &FleetLocation) -> Result<Self> {
        let (members, layout) = (Members::new(fleet)?, Layout::new(fleet.prefix()));
        Ok(Self { members, layout, place: fleet.to_string() })
    }

    /// Returns the error of records that are not what they should be.
    pub(super) fn error(&self, why: &str) -> Error {
        Reason::StoreDamaged.detail(format_args!("{}: {why}", self.place))
    }

    /// Returns the same of a store that is not there, or not this host's.
    pub(super) fn absent(&self, why: &str) -> Error {
        Reason::StoreAbsent.detail(format_args!("{}: {why}", self.place))
    }
}
