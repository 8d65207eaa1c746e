//! Making a store: once, and only where it was asked for.

use super::Lock;
use super::records_apart::check_unclaimed;
use crate::error::Result;
use crate::presence;
use crate::store::{self, Cells, files};

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
    Cells::make(directory)?;
    // A folder that may only be passed through cannot be synced from within, nor has it changed.
    let parent = directory.parent().filter(|parent| parent.read_dir().is_ok());
    parent.map_or(Ok(()), files::sync_directory)
}
