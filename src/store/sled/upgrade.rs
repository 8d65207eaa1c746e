//! The records of an earlier build, built anew beside those that are there, and then put in their place.

use super::build::build;
use super::database::DATABASE;
use super::snapshot;
use crate::error::Result;
use crate::store::{CommitNumber, Put, files};
use std::path::Path;

/// The folder of the upgraded database until it takes its place.
const UPGRADING: &str = "db.upgrading";

/// The folder of the earlier database until it is removed.
const REPLACED: &str = "db.earlier";

/// Builds the upgraded database of the store in `directory`, see [`build`], beside the earlier one.
pub(crate) fn build_upgraded(
    directory: &Path,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    build(&directory.join(UPGRADING), number, fill)
}

/// Makes room for the upgraded database: gives the earlier one another name, and removes its snapshot. What of
/// that has been done before is no failure.
pub(crate) fn set_earlier_aside(directory: &Path) -> Result<()> {
    if directory.join(UPGRADING).exists() {
        // It would pass for one of the upgraded records: identity and number stay.
        snapshot::remove(directory)?;
        let [place, replaced] = [DATABASE, REPLACED].map(|name| directory.join(name));
        if place.exists() {
            files::remove_folder(&replaced)?;
            rename(&place, &replaced)?;
        }
    }
    Ok(())
}

/// Puts the upgraded database in its place, durably, and removes the earlier one, which is set aside. What of
/// that has been done before is no failure.
pub(crate) fn take_upgraded(directory: &Path) -> Result<()> {
    let [place, upgraded, replaced] =
        [DATABASE, UPGRADING, REPLACED].map(|name| directory.join(name));
    if upgraded.exists() {
        rename(&upgraded, &place)?;
        files::sync_directory(directory)?;
    }
    files::remove_folder(&replaced)
}

/// Removes an upgraded database that has not taken its place.
pub(crate) fn discard_upgrade(directory: &Path) -> Result<()> {
    files::remove_folder(&directory.join(UPGRADING))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|cause| files::failed(to, &cause))
}
