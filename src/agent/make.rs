//! Making a store: once, and only where somebody has asked for it.

use super::Lock;
use crate::error::Result;
use crate::presence;
use crate::store::{Slots, files};

/// Makes a store in the directory that `lock` holds, durably; one that is there, or what is left of one,
/// stays as it is. Fails with [`StoreAbsent`](crate::error::Reason::StoreAbsent) where something else lies there. `db/`
/// follows when an agent opens the store.
pub fn make(lock: &Lock) -> Result<()> {
    let directory = lock.directory();
    if presence::check(directory).is_ok() {
        return Ok(());
    }
    presence::check_place(directory)?;
    Slots::make(directory)?;
    directory.parent().map_or(Ok(()), files::sync_directory)
}
