//! Records that are damaged, or fewer than what was acknowledged, or on a disk too full to open them:
//! their snapshot is served meanwhile, to be read, and the records are built anew from it when that is
//! accepted.

use super::build::{build, take_place};
use super::database::{DATABASE, Sled};
use super::served_snapshot::ServedSnapshot;
use super::snapshot;
use crate::error::{Error, Reason, Result};
use crate::file_names::{
    RECORDS_DAMAGED, RECORDS_EARLIER, RECORDS_RESTORED, RECORDS_SUSPECT, RECORDS_UPGRADED, SNAPSHOT,
};
use crate::store::{self, Acknowledged, CommitNumber, ReadOnly, Room, Store, files};
use std::path::Path;

/// Opens the records in `directory`. Where that fails or they lack acknowledged commits, and the snapshot has
/// more, the snapshot is served to be read. So it is with a full disk, if the snapshot has everything; but
/// first the ballast is given up, since even opening writes something.
pub(crate) fn open(directory: &Path, acknowledged: &Acknowledged) -> Result<Box<dyn Store>> {
    snapshot::remove_unfinished(directory);
    let mut opened = open_whole(directory, acknowledged);
    if failed_with(&opened, Reason::StoreFull) && Room::give_up_ballast(directory)? {
        opened = open_whole(directory, acknowledged);
    }
    let mut has = None;
    if failed_with(&opened, Reason::StoreDamaged) {
        has = readable(directory, acknowledged)?;
        // What sled gave up on for want of something may be whole.
        if has.is_some_and(|has| has >= acknowledged.number) {
            opened = open_whole(directory, acknowledged);
        }
    }
    match opened {
        Ok(store) => Ok(Box::new(store)),
        Err(error) => serve_snapshot(directory, acknowledged, has, error),
    }
}

/// Opens the records in `directory` though they may lack commits. Where they cannot be opened, or the
/// snapshot has more, builds them anew from it first, keeps the old ones aside, and returns true beside them.
pub(crate) fn mend(
    directory: &Path,
    acknowledged: &Acknowledged,
) -> Result<(Box<dyn Store>, bool)> {
    let rebuilt = rebuild(directory, acknowledged)?;
    Ok((Box::new(open_database(directory, acknowledged)?), rebuilt))
}

/// Has the next opening read the records through before it serves them: this one has failed.
pub(crate) fn suspect(directory: &Path) {
    if let Err(error) = files::open_private(&directory.join(RECORDS_SUSPECT), true) {
        log::error!("the store will not be read through when it is opened next: {error}");
    }
}

/// Returns true where the next opening reads everything.
pub(crate) fn is_suspect(directory: &Path) -> bool {
    directory.join(RECORDS_SUSPECT).exists()
}

/// Returns true where anything of records is there, sound or not.
pub(crate) fn has_remains(directory: &Path) -> bool {
    let first_aside = format!("{RECORDS_DAMAGED}1");
    let parts =
        [DATABASE, SNAPSHOT, RECORDS_RESTORED, RECORDS_UPGRADED, RECORDS_EARLIER, &first_aside];
    parts.iter().any(|part| directory.join(part).exists())
}

fn failed_with<T>(result: &Result<T>, reason: Reason) -> bool {
    result.as_ref().is_err_and(|error| error.reason() == reason)
}

/// Serves the snapshot in place of records that could not be opened, if it is of any help.
fn serve_snapshot(
    directory: &Path,
    acknowledged: &Acknowledged,
    has: Option<CommitNumber>,
    error: Error,
) -> Result<Box<dyn Store>> {
    let kept = kept_number(directory, acknowledged);
    let why = match error.reason() {
        Reason::StoreDamaged if is_better(kept, has) => ReadOnly::Damaged,
        Reason::StoreFull if kept.is_some_and(|kept| kept >= acknowledged.number) => ReadOnly::Full,
        _ => return Err(error),
    };
    match ServedSnapshot::load(directory, why) {
        Ok(store) => {
            log::error!("{error}");
            log::error!("the snapshot is served, and can only be read; {}", why.way_out());
            Ok(Box::new(store))
        }
        Err(worse) => {
            log::error!("the snapshot is no help: {worse}");
            Err(error)
        }
    }
}

/// Opens records that have everything that was acknowledged.
fn open_whole(directory: &Path, acknowledged: &Acknowledged) -> Result<Sled> {
    let store = open_database(directory, acknowledged)?;
    verify_if_suspect(directory, &store)?;
    let has = store.number()?;
    match has < acknowledged.number {
        true => Err(lost_commits(directory, has, acknowledged.number)),
        false => Ok(store),
    }
}

/// Opens the database. One that has vanished is not made anew: that is done only where nothing was ever
/// committed, as the first thing in a new store.
fn open_database(directory: &Path, acknowledged: &Acknowledged) -> Result<Sled> {
    let database = directory.join(DATABASE);
    if !database.join("db").exists() && !acknowledged.is_new {
        return Err(Reason::StoreDamaged.detail(format_args!(
            "{} is gone; `keystead restore` puts a backup in its place",
            database.display()
        )));
    }
    Sled::open(&database)
}

/// Reads everything where an agent has left the records suspect.
fn verify_if_suspect(directory: &Path, store: &dyn Store) -> Result<()> {
    if !is_suspect(directory) {
        return Ok(());
    }
    read_through(store)?;
    let mark = directory.join(RECORDS_SUSPECT);
    std::fs::remove_file(&mark).map_err(|cause| files::failed(&mark, &cause))
}

/// Fails where a page of the database is damaged.
fn read_through(store: &dyn Store) -> Result<()> {
    store::each(store, b"", |_, _| Ok(true))
}

/// Returns the number of the records' last commit, if all of them can be read.
fn readable(directory: &Path, acknowledged: &Acknowledged) -> Result<Option<CommitNumber>> {
    let store = open_database(directory, acknowledged);
    let read = store.and_then(|store| read_through(&store).and_then(|()| store.number()));
    match read {
        Err(error) if error.reason() == Reason::StoreDamaged => Ok(None),
        read => read.map(Some),
    }
}

/// Builds the database anew where the snapshot has more, keeps the old one aside, and returns true then.
fn rebuild(directory: &Path, acknowledged: &Acknowledged) -> Result<bool> {
    let has = readable(directory, acknowledged)?;
    let Some(kept) =
        kept_number(directory, acknowledged).filter(|kept| is_better(Some(*kept), has))
    else {
        return Ok(false);
    };
    build(&directory.join(RECORDS_RESTORED), kept, |put| snapshot::pour(directory, put))?;
    let database = directory.join(DATABASE);
    let aside = (1..).map(|number| directory.join(format!("{RECORDS_DAMAGED}{number}")));
    if database.exists()
        && let Some(aside) = aside.into_iter().find(|aside| !aside.exists())
    {
        std::fs::rename(&database, aside).map_err(|cause| files::failed(&database, &cause))?;
    }
    take_place(directory).map(|()| true)
}

/// Returns true where the snapshot has commits beyond those that can be read.
fn is_better(kept: Option<CommitNumber>, has: Option<CommitNumber>) -> bool {
    kept.is_some_and(|kept| has.is_none_or(|has| kept > has))
}

/// Returns the number of the snapshot's last commit, where it is one of this store.
fn kept_number(directory: &Path, acknowledged: &Acknowledged) -> Option<CommitNumber> {
    let kept = match snapshot::origin(directory) {
        Ok(kept) => kept?,
        Err(error) => {
            log::error!("{error}");
            return None;
        }
    };
    kept.is_of(acknowledged.identity).then_some(kept.commits)
}

fn lost_commits(directory: &Path, has: CommitNumber, had: CommitNumber) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: db/ knows {has} commits, and {had} were acknowledged; restore the store's directory as \
         a whole from a backup, or accept the loss with `keystead recover`",
        directory.display()
    ))
}
