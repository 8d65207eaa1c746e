//! Making a store: once, and only where it was asked for.

use super::Lock;
use super::fleet;
use super::fleet::host_store::Unopened;
use super::records_apart::check_unclaimed;
use crate::error::{Reason, Result};
use crate::file_names::MIRROR;
use crate::presence;
use crate::store::{self, Acknowledged, Cells, Location, cells, files};
use std::path::Path;

/// Makes a store in the directory that `lock` holds, durably; one that is there, or what is left of one,
/// stays as it is. Fails with [`StoreAbsent`](crate::error::Reason::StoreAbsent) where something else lies there.
/// The records follow when an agent opens the store.
pub fn make(lock: &Lock) -> Result<()> {
    let directory = lock.directory();
    if presence::check(directory).is_ok() {
        return Ok(());
    }
    presence::check_place(directory)?;
    let records = lock.records();
    check_unclaimed(directory, records)?;
    store::check_growth(records, directory)?;
    make_cells(directory)
}

/// Makes the store of a new fleet, with this host as its only one: the host's own files in the directory that `lock`
/// holds, and the fleet's identity in etcd. Fails without a change where either has something already.
pub fn make_fleet(lock: &Lock) -> Result<()> {
    let (directory, records) = (lock.directory(), lock.records());
    if presence::check(directory).is_ok() {
        return Err(Reason::StoreNotEmpty.detail(format_args!(
            "{} has a store, or this host's part in a fleet, already",
            directory.display()
        )));
    }
    presence::check_place(directory)?;
    store::check_growth(records, directory)?;
    if store::exists(records)? {
        return Err(Reason::StoreNotEmpty.detail(format_args!(
            "{records} has the records of a fleet, or another program's rows"
        )));
    }
    fleet::make_host(directory, None)?;
    sync_parent(directory)?;
    let made = begin(directory, records);
    if made.is_err() {
        // The host has no part in any fleet.
        let path = directory.join(cells::NAME);
        std::fs::remove_file(&path).map_err(|cause| files::failed(&path, &cause))?;
        files::remove_folder(&directory.join(MIRROR))?;
    }
    made
}

/// Opens the store for the first time, which makes what lies in etcd, unless another host has been faster; and founds the
/// fleet there.
fn begin(directory: &Path, records: &Location) -> Result<()> {
    let cells = Cells::open(directory)?;
    let rows = store::open(records, &Acknowledged::of(&cells))?;
    fleet::found(&Unopened { rows: &*rows, slots: &cells }, &host_name())?;
    rows.sync()
}

/// Returns the name of this machine, for people.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "the first".to_owned() } else { name.trim().to_owned() }
}

/// Makes the cell file, durably.
fn make_cells(directory: &Path) -> Result<()> {
    Cells::make(directory)?;
    sync_parent(directory)
}

fn sync_parent(directory: &Path) -> Result<()> {
    // A folder that may only be passed through cannot be synced from within, nor has it changed.
    let parent = directory.parent().filter(|parent| parent.read_dir().is_ok());
    parent.map_or(Ok(()), files::sync_directory)
}
