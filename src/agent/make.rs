//! Making a store: once, and only where it was asked for.

use super::Lock;
use super::fleet;
use super::fleet::host_store::Unopened;
use super::fleet::{Code, NotJoined};
use super::records_apart::check_unclaimed;
use crate::error::{Error, Reason, Result};
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
pub fn make_fleet(lock: &Lock, name: &str) -> Result<()> {
    let (directory, records) = (lock.directory(), lock.records());
    check_name(name)?;
    if presence::check(directory).is_ok() {
        return Err(has_part(directory));
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
    let made = begin(directory, records, name);
    if made.is_err() {
        leave(directory)?;
    }
    made
}

/// Has this host join the fleet whose records are those of the store that `lock` holds, under the code of an invitation: the
/// host's own files are made in the directory, and it is listed and given the fleet key; its agent does the rest. Fails
/// without a change where the code does not count, and where the directory has something already, but for what a joining
/// that was cut short has left there.
pub fn join_fleet(lock: &Lock, code: &str, name: &str) -> Result<()> {
    let (directory, records) = (lock.directory(), lock.records());
    let code = Code::parse(code)?;
    check_name(name)?;
    let is_begun = presence::check(directory).is_ok();
    if is_begun {
        if !is_unfinished(&Cells::open(directory)?) {
            return Err(has_part(directory));
        }
    } else {
        presence::check_place(directory)?;
        store::check_growth(records, directory)?;
        let identity = store::identity(records)?.ok_or_else(|| {
            let what = format_args!("{records} has no fleet; `keystead fleet init` makes one");
            Reason::StoreAbsent.detail(what)
        })?;
        fleet::make_host(directory, Some(identity))?;
        sync_parent(directory)?;
    }
    match join(directory, records, &code, name) {
        Ok(()) => Ok(()),
        Err(NotJoined::Void(error)) => leave(directory).and(Err(error)),
        Err(NotJoined::Unknown(error)) => Err(error),
    }
}

fn join(
    directory: &Path,
    records: &Location,
    code: &Code,
    name: &str,
) -> std::result::Result<(), NotJoined> {
    let cells = Cells::open(directory)?;
    let rows = store::open(records, &Acknowledged::of(&cells))?;
    fleet::join(&Unopened { rows: &*rows, slots: &cells }, code, name)?;
    Ok(rows.sync()?)
}

/// Returns true for the cells of a host that has begun to join a fleet, and was not given its key.
fn is_unfinished(cells: &Cells) -> bool {
    cells.fleet.as_ref().is_some_and(|fleet| fleet.fleet_key().is_none())
}

/// Removes this host's own files: it has no part in any fleet.
fn leave(directory: &Path) -> Result<()> {
    let path = directory.join(cells::NAME);
    std::fs::remove_file(&path).map_err(|cause| files::failed(&path, &cause))?;
    files::remove_folder(&directory.join(MIRROR))
}

fn has_part(directory: &Path) -> Error {
    Reason::StoreNotEmpty.detail(format_args!(
        "{} has a store, or this host's part in a fleet, already",
        directory.display()
    ))
}

/// The most bytes of a host's name.
const LONGEST_NAME: usize = 64;

fn check_name(name: &str) -> Result<()> {
    let is_shown = name.trim() == name && !name.chars().any(char::is_control);
    match (1..=LONGEST_NAME).contains(&name.len()) && is_shown {
        true => Ok(()),
        false => Err(Reason::ArgumentsBad.detail(format_args!(
            "{name:?} cannot be a host's name: it has 1 to {LONGEST_NAME} bytes, begins and ends with no blank, and can \
             be shown"
        ))),
    }
}

/// Opens the store for the first time, which makes what lies in etcd, unless another host has been faster; and founds the
/// fleet there.
fn begin(directory: &Path, records: &Location, name: &str) -> Result<()> {
    let cells = Cells::open(directory)?;
    let rows = store::open(records, &Acknowledged::of(&cells))?;
    fleet::found(&Unopened { rows: &*rows, slots: &cells }, name)?;
    rows.sync()
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
