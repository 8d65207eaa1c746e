//! A database that is built whole, for a store that is recovered, restored or upgraded.

use super::database::{DATABASE, Sled};
use crate::error::Result;
use crate::file_names::RECORDS_RESTORED;
use crate::store::{Batch, CommitNumber, Put, Store, files};
use std::path::Path;

/// The most pairs that one batch of it writes, and about how many bytes.
const BATCH_LIMITS: (usize, usize) = (1024, 4 << 20);

/// Builds a database in `folder`, in place of what was there, from the pairs that `fill` puts; `number` is
/// the number of its last commit. On return it is closed and durable, its name as well. An error leaves it
/// half filled.
pub(crate) fn build(
    folder: &Path,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    files::remove_folder(folder)?;
    let store = Sled::open(folder)?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    fill(&mut |key, value| {
        bytes += key.len() + value.len();
        batch.writes.push((key, Some(value)));
        if batch.writes.len() < BATCH_LIMITS.0 && bytes < BATCH_LIMITS.1 {
            return Ok(());
        }
        bytes = 0;
        store.apply(&std::mem::take(&mut batch)).map(drop)
    })?;
    store.apply(&batch)?;
    store.set_number(number)?;
    store.sync()
}

/// Builds the database of the store in `directory` beside the one that is there, see [`build`], and puts it
/// in its place.
pub(crate) fn replace(
    directory: &Path,
    number: CommitNumber,
    fill: impl FnOnce(&mut Put<'_>) -> Result<()>,
) -> Result<()> {
    build(&directory.join(RECORDS_RESTORED), number, fill)?;
    remove(directory)?;
    take_place(directory)
}

/// Lets the database that was built be the store's, whose place is free.
pub(super) fn take_place(directory: &Path) -> Result<()> {
    let database = directory.join(DATABASE);
    std::fs::rename(directory.join(RECORDS_RESTORED), &database)
        .map_err(|cause| files::failed(&database, &cause))?;
    files::sync_directory(directory)
}

/// Removes the database of the store in `directory`.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    files::remove_folder(&directory.join(DATABASE))
}

/// Removes the database in the making that was left in `directory`.
pub(crate) fn remove_unfinished(directory: &Path) -> Result<()> {
    files::remove_folder(&directory.join(RECORDS_RESTORED))
}
