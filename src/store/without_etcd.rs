//! The place of etcd in a build without it: each opening is refused with what would help.

use super::{Acknowledged, Memory, StoreIdentity};
use crate::config::FleetLocation;
use crate::error::{Error, Reason, Result};

/// Opens none, of whatever kind.
pub(super) fn open(fleet: &FleetLocation, _acknowledged: &Acknowledged) -> Result<Memory> {
    Err(not_built(fleet))
}

pub(super) fn identity(fleet: &FleetLocation) -> Result<Option<StoreIdentity>> {
    Err(not_built(fleet))
}

pub(super) fn has_rows(fleet: &FleetLocation) -> Result<bool> {
    Err(not_built(fleet))
}

fn not_built(fleet: &FleetLocation) -> Error {
    Reason::BadConfiguration.detail(format_args!(
        "{fleet}: this build has no etcd; take a package, or build with `--features etcd`"
    ))
}
