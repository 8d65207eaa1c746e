//! The makers of stores: the kind that lies at a location is opened, rebuilt and removed.

#[cfg(feature = "etcd")]
use super::etcd;
use super::room::{self, Need};
use super::sled::{build, database, rescue, snapshot, upgrade};
#[cfg(not(feature = "etcd"))]
use super::without_etcd as etcd;
use super::{Acknowledged, CommitNumber, Location, Put, SnapshotOrigin, Store, StoreIdentity};
use crate::error::{Error, Reason, Result};
use crate::file_names::MIRROR;
use std::path::Path;

/// Opens the store at `location`, which must have everything that is [`Acknowledged`]. Where that fails and a
/// copy has it, the copy is served to be read, see [`Standing`](super::Standing).
pub(crate) fn open(location: &Location, acknowledged: &Acknowledged) -> Result<Box<dyn Store>> {
    match location {
        Location::Directory(directory) => rescue::open(directory, acknowledged),
        Location::Fleet(fleet) => Ok(Box::new(etcd::open(fleet, acknowledged)?)),
    }
}

/// Opens the store at `location` as it is, compared with nothing.
pub(crate) fn open_unverified(location: &Location) -> Result<Box<dyn Store>> {
    match location {
        Location::Directory(directory) => database::open(directory),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Opens the store at `location` though it may lack commits. Where its copy has more, builds the store anew
/// from that first, keeps the old one aside, and returns true beside it.
pub(crate) fn mend(
    location: &Location,
    acknowledged: &Acknowledged,
) -> Result<(Box<dyn Store>, bool)> {
    match location {
        Location::Directory(directory) => rescue::mend(directory, acknowledged),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Has the next opening read everything before it serves: an instance has failed.
pub(crate) fn suspect(location: &Location) {
    match location {
        Location::Directory(directory) => rescue::suspect(directory),
        // An opening compares everything with etcd.
        Location::Fleet(_) => {}
    }
}

/// Returns true where the next opening reads everything.
pub(crate) fn is_suspect(location: &Location) -> bool {
    match location {
        Location::Directory(directory) => rescue::is_suspect(directory),
        Location::Fleet(_) => false,
    }
}

/// Puts a new store in the place of the one at `location`, from the pairs that `fill` puts; `number` is the
/// number of its last commit. The new store is whole and durable before it takes the place.
pub(crate) fn replace(
    location: &Location,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    match location {
        Location::Directory(directory) => build::replace(directory, number, fill),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Returns true where there are records at `location`, sound or not. Fails where that cannot be found out.
pub(crate) fn exists(location: &Location) -> Result<bool> {
    match location {
        Location::Directory(directory) => Ok(directory.join(database::DATABASE).exists()),
        Location::Fleet(fleet) => etcd::has_rows(fleet),
    }
}

/// Returns the identity of the fleet whose records lie at `location`; none where there is no fleet.
pub(crate) fn identity(location: &Location) -> Result<Option<StoreIdentity>> {
    match location {
        Location::Directory(_) => Ok(None),
        Location::Fleet(fleet) => etcd::identity(fleet),
    }
}

/// Fails where records lie on no directory of this machine, for what is done to such alone.
pub(crate) fn check_local(location: &Location) -> Result<()> {
    match location {
        Location::Directory(_) => Ok(()),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

fn not_local(location: &Location) -> Error {
    Reason::StoreUnavailable.detail(format_args!(
        "{location}: several hosts share these records, and etcd keeps them: they are not replaced, mended or \
         upgraded from here"
    ))
}

/// Returns true where there is anything of records at `location`: themselves, their copy, those that were set aside,
/// or what an upgrade or a restoration builds.
pub(crate) fn has_remains(location: &Location) -> bool {
    match location {
        Location::Directory(directory) => rescue::has_remains(directory),
        Location::Fleet(_) => true,
    }
}

/// Removes the records at `location`.
pub(crate) fn remove(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => build::remove(directory),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Removes the remains of a [`replace`] that was cut short at `location`.
pub(crate) fn remove_unfinished(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => build::remove_unfinished(directory),
        Location::Fleet(_) => Ok(()),
    }
}

/// Builds the upgraded store at `location` beside the earlier one, durably, from the pairs that `fill` puts;
/// `number` is the number of its last commit.
pub(crate) fn build_upgraded(
    location: &Location,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    match location {
        Location::Directory(directory) => upgrade::build_upgraded(directory, number, fill),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Sets the earlier store at `location` aside for the upgraded one. What of that has been done before is no failure.
pub(crate) fn set_earlier_aside(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => upgrade::set_earlier_aside(directory),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Puts the upgraded store at `location` in place of the earlier one, which is set aside. What of that has been done before is no
/// failure.
pub(crate) fn take_upgraded(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => upgrade::take_upgraded(directory),
        Location::Fleet(_) => Err(not_local(location)),
    }
}

/// Removes an upgraded store that has not taken its place.
pub(crate) fn discard_upgrade(location: &Location) -> Result<()> {
    match location {
        Location::Directory(directory) => upgrade::discard_upgrade(directory),
        Location::Fleet(_) => Ok(()),
    }
}

/// Returns the origin of the snapshot that is kept with the records at `location`; none where there is none.
pub(crate) fn snapshot_origin(location: &Location) -> Result<Option<SnapshotOrigin>> {
    match location {
        Location::Directory(directory) => snapshot::origin(directory),
        Location::Fleet(_) => Ok(None),
    }
}

/// Returns the value that the snapshot has at `key`, once the whole of it has proved sound.
pub(crate) fn snapshot_value(location: &Location, key: &[u8]) -> Result<Option<Vec<u8>>> {
    match location {
        Location::Directory(directory) => snapshot::value(directory, key),
        Location::Fleet(_) => Ok(None),
    }
}

/// Reads the snapshot that is kept with the records at `location` to its end, and fails where it is damaged; true if
/// there is any.
pub fn check_snapshot(location: &Location) -> Result<bool> {
    match location {
        Location::Directory(directory) => snapshot::check(directory),
        Location::Fleet(_) => Ok(false),
    }
}

/// Fails with [`StoreFull`](crate::error::Reason::StoreFull) where there is no room at `location` for a store that
/// needs so much.
pub(crate) fn check_room(location: &Location, need: Need) -> Result<()> {
    match location {
        Location::Directory(directory) => database::room(directory)?.check(need),
        Location::Fleet(_) => Ok(()),
    }
}

/// Fails with [`AgentAbsent`](crate::error::Reason::AgentAbsent) where the limit of this process on the size of files
/// (`RLIMIT_FSIZE`) does not leave room to grow to the files in the agent's own `directory`, and to those of the store
/// at `location`: one that is cut short would be damage.
pub(crate) fn check_growth(location: &Location, directory: &Path) -> Result<()> {
    match location {
        Location::Directory(records) => {
            room::check_growth(&[directory, records, &records.join(database::DATABASE)])
        }
        Location::Fleet(_) => room::check_growth(&[directory, &directory.join(MIRROR)]),
    }
}
