//! The records of an earlier build, built anew beside those that are there, and then put in their place.

use super::build::build;
use super::database::DATABASE;
use super::snapshot;
use crate::error::Result;
use crate::file_names::{RECORDS_EARLIER, RECORDS_UPGRADED};
use crate::store::{CommitNumber, Put, files};
use std::path::Path;

/// Builds the upgraded database of the store in `directory`, see [`build`], beside the earlier one.
pub(crate) fn build_upgraded(
    directory: &Path,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    build(&directory.join(RECORDS_UPGRADED), number, fill)
}

/// Makes room for the upgraded database: gives the earlier one another name, and removes its snapshot. What of
/// that has been done before is no failure.
pub(crate) fn set_earlier_aside(directory: &Path) -> Result<()> {
    if directory.join(RECORDS_UPGRADED).exists() {
        // It would pass for one of the upgraded records: identity and number stay.
        snapshot::remove(directory)?;
        let [place, replaced] = [DATABASE, RECORDS_EARLIER].map(|name| directory.join(name));
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
        [DATABASE, RECORDS_UPGRADED, RECORDS_EARLIER].map(|name| directory.join(name));
    if upgraded.exists() {
        rename(&upgraded, &place)?;
        files::sync_directory(directory)?;
    }
    files::remove_folder(&replaced)
}

/// Removes an upgraded database that has not taken its place.
pub(crate) fn discard_upgrade(directory: &Path) -> Result<()> {
    files::remove_folder(&directory.join(RECORDS_UPGRADED))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|cause| files::failed(to, &cause))
}
