//! Records that lie apart from the agent's own directory: either of the two may be on a volume that is not
//! mounted, which is no loss, and nothing is made in its place.

use crate::error::{Error, Reason, Result};
use crate::store::cells::EarlierFile;
use crate::store::{self, Cells, Location};
use std::io::ErrorKind;
use std::path::Path;

/// Fails with [`StoreAbsent`](crate::error::Reason::StoreAbsent) where the store whose agent's own directory is
/// `directory` has its records elsewhere, and they are not there. Those of a new store need only their directory.
/// One that this process may not look at is no failure: opening it says what is wrong.
pub fn check_records(directory: &Path, records: &Location) -> Result<()> {
    let Some(apart) = apart(directory, records) else { return Ok(()) };
    match apart.read_dir().map_err(|error| error.kind()) {
        Ok(_) if store::has_remains(records) || is_new(directory) => Ok(()),
        Ok(_) => Err(out_of_sight(apart, "has no db", directory)),
        Err(ErrorKind::NotFound) => Err(out_of_sight(apart, "does not exist", directory)),
        Err(ErrorKind::NotADirectory) => Err(out_of_sight(apart, "is not a directory", directory)),
        Err(_) => Ok(()),
    }
}

/// Fails with [`StoreAbsent`](crate::error::Reason::StoreAbsent) where records lie apart from `directory`, which
/// has no store: they are another agent's, or that one's whose directory is out of sight. What a restoration that
/// was cut short has left is no store's. So it does for records that several hosts share, of which the caller makes
/// none.
pub fn check_unclaimed(directory: &Path, records: &Location) -> Result<()> {
    if records.is_shared() {
        return Err(Reason::StoreAbsent.detail(format_args!(
            "{} has no part in the fleet of {records}; mount the volume that it should be on, or `keystead fleet \
             join` has this host join it, and `keystead fleet init` makes a new fleet",
            directory.display()
        )));
    }
    let is_others = apart(directory, records).is_some() && store::exists(records)?;
    match is_others && Cells::unfinished(directory).is_none() {
        true => Err(Reason::StoreAbsent.detail(format_args!(
            "{records} has the records of a store, and {} not its cell file; mount the volume that this should \
             be on, or correct `agent_directory`",
            directory.display()
        ))),
        false => Ok(()),
    }
}

fn apart<'a>(directory: &Path, records: &'a Location) -> Option<&'a Path> {
    records.local().filter(|records| *records != directory)
}

/// Returns true if nothing was ever committed, so that there need not be records yet.
fn is_new(directory: &Path) -> bool {
    let earlier = || EarlierFile::read(directory).ok().flatten();
    match Cells::open(directory) {
        Ok(cells) => cells.is_new(),
        Err(_) => earlier().is_some_and(|earlier| earlier.is_new()),
    }
}

fn out_of_sight(records: &Path, what: &str, directory: &Path) -> Error {
    Reason::StoreAbsent.detail(format_args!(
        "{} {what}, and should have the records of the store in {}; mount the volume that it should be on, or correct \
         `store`",
        records.display(),
        directory.display()
    ))
}
