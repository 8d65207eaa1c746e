//! The makers of stores: which kind lies at a location, and how it is opened, rebuilt and removed.

use super::sled::{build, database, rescue};
use super::{Acknowledged, CommitNumber, Location, Put, Store};
use crate::error::Result;

/// Opens the store at `location`, which must have everything that is [`Acknowledged`]. Where
/// that fails and there is a copy that helps, the copy is served to be read, see [`Standing`].
pub fn open(location: &Location, acknowledged: &Acknowledged) -> Result<Box<dyn Store>> {
    match location {
        Location::Directory(directory) => rescue::open(directory, acknowledged),
    }
}

/// Opens the store at `location` as it is, for somebody who has yet to find out what it is.
pub fn open_unverified(location: &Location) -> Result<Box<dyn Store>> {
    match location {
        Location::Directory(directory) => database::open(directory),
    }
}

/// Opens the store at `location` though it may lack commits. Where its copy has more, the store is built
/// anew from that first, and what was there is kept; true then.
pub fn mend(location: &Location, acknowledged: &Acknowledged) -> Result<(Box<dyn Store>, bool)> {
    match location {
        Location::Directory(directory) => rescue::mend(directory, acknowledged),
    }
}

/// Has the next opening verify everything before it serves it: an instance has failed.
pub fn suspect(location: &Location) {
    match location {
        Location::Directory(directory) => rescue::suspect(directory),
    }
}

/// Returns true where the next opening verifies everything.
pub fn is_suspect(location: &Location) -> bool {
    match location {
        Location::Directory(directory) => rescue::is_suspect(directory),
    }
}

/// Puts a store at `location` in place of what is there, from the pairs that `fill` puts; `number` is the
/// number of its last commit. Nothing has changed unless it returns `Ok`; then the store is durable.
pub fn replace(
    location: &Location,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    match location {
        Location::Directory(directory) => build::replace(directory, number, fill),
    }
}

/// Returns true where there are records at `location`, whatever they are worth.
pub fn exists(location: &Location) -> bool {
    match location {
        Location::Directory(directory) => directory.join(database::DATABASE).exists(),
    }
}

/// Removes the records at `location`.
pub fn remove(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => build::remove(directory),
    }
}

/// Removes what a [`replace`] that was cut short has left at `location`.
pub fn remove_unfinished(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => build::remove_unfinished(directory),
    }
}
