//! A store whose records are damaged, or older than what was acknowledged, or on a disk too full to
//! open it. Its snapshot is served to be read meanwhile, and recovery goes on from that, or from what
//! `db/` still has, as a new incarnation. Cells and counts of wrong PINs are never rolled back, so
//! recovery revives nothing that was erased.

use super::Lock;
use super::keyspace;
use super::open_store::OpenStore;
use super::shred_layer;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::pin::TRIES;
use crate::store::cells::{self, Damage, EraseCell, StoreIdentity};
use crate::store::{
    self, Batch, Cells, ReadOnly, Room, ServedSnapshot, Sled, Store, files, snapshot,
};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The file that says that the store has failed under an agent.
const DOUBTED: &str = "db.doubted";

/// What recovery came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// How many acknowledged commits are lost.
    pub commits: u64,
    /// How many records have no material any more: it was erased after they were written.
    pub erased: usize,
    /// Whether it goes on from the snapshot, because that has more than `db/`.
    pub from_snapshot: bool,
    /// What was damaged in `slots`, and whether it is as it was or lost.
    pub mended: Vec<Damage>,
    /// Whether that file's beginning was lost, and was written anew from the snapshot.
    pub head: bool,
    /// Custom keys whose material is lost with its erase cell.
    pub lost: Vec<Id>,
}

/// What a token is left of tries after its count was lost: one for its officer, none for its user.
const TRIES_TAKEN: (u8, u8) = (TRIES - 1, TRIES);

/// Mends what can be mended, and accepts what a store has lost. `None` when it is whole: then nothing is
/// changed.
pub fn recover(lock: &Lock) -> Result<Option<Recovered>> {
    let directory = lock.directory();
    let kept = snapshot::origin(directory).unwrap_or_else(|error| {
        log::error!("{error}");
        None
    });
    let head = Cells::mend_head(directory, kept.map(|kept| kept.identity()))?;
    check_own(directory, kept)?;
    let from_snapshot = rebuild(directory)?;
    let store: Box<dyn Store> = Box::new(open_db(directory)?);
    let store = OpenStore::assemble(directory, store, Arc::new(SystemClock))?;
    let tokens = store.slots_of_tokens()?;
    if store.cells.is_of_others(&tokens) {
        return Err(of_another_store(directory));
    }
    let (has, had) = (store.records.number()?, store.cells.commits.get());
    // Those whose count is lost are known from here on.
    for (token, slot) in &tokens {
        let _counts = store.cells.pins.counts(*token, *slot);
    }
    let claims: HashMap<u32, (Id, Id)> = store.claims()?.into_iter().collect();
    let claimed: Vec<u32> = claims.keys().copied().collect();
    let mended = store.cells.mend(&claimed, has, TRIES_TAKEN, store.now())?;
    let lost = lost_keys(&store, &claims, &mended)?;
    if has >= had && !from_snapshot && !head {
        if !mended.is_empty() {
            store.page.started()?;
        }
        let mended = Recovered { mended, lost, ..Recovered::default() };
        return Ok((!mended.mended.is_empty()).then_some(mended));
    }
    store.page.started()?;
    let foreign = foreign_cells(&store)?;
    // Their secrets belong to commits that are lost: nothing else is encrypted under them.
    store.cells.erase.delete(&foreign, store.now())?;
    store.cells.begin_again(has, &without_destroyed_tokens(&store)?)?;
    let (commits, erased) = (had.saturating_sub(has), foreign.len());
    Ok(Some(Recovered { commits, erased, from_snapshot, mended, head, lost }))
}

/// Refuses cells of another store: what they say would be taken for the word about this one's keys.
fn check_own(directory: &Path, kept: Option<snapshot::Origin>) -> Result<()> {
    let StoreIdentity { store, .. } = Cells::open(directory)?.identity;
    match kept {
        Some(kept) if kept.store != store => Err(of_another_store(directory)),
        _ => Ok(()),
    }
}

fn of_another_store(directory: &Path) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: it is another store's; put this store's own file back, or restore the store's directory as a \
         whole from a backup",
        directory.join(cells::NAME).display()
    ))
}

/// The custom keys whose material was covered under a cell that is lost.
fn lost_keys(
    store: &OpenStore,
    claims: &HashMap<u32, (Id, Id)>,
    mended: &[Damage],
) -> Result<Vec<Id>> {
    let mut lost = Vec::new();
    let gone = mended.iter().filter(|damage| !damage.mendable);
    for (token, id) in gone.filter_map(|damage| claims.get(&damage.cell)) {
        let found = store.find(*token, *id)?;
        lost.extend(found.map(|found| found.known.header.watched(*id)));
    }
    Ok(lost)
}

/// The store in `directory`, or, where it cannot be opened or has lost commits, what its snapshot has
/// beyond it: that can only be read. So it is with a full disk, if the snapshot has everything; but
/// first the ballast is given up, since even opening writes something.
pub fn open_or_rescue(directory: &Path, clock: Arc<dyn Clock>) -> Result<OpenStore> {
    let mut opened = open(directory, &clock);
    if opened.as_ref().is_err_and(|error| error.reason() == Reason::StoreFull)
        && Room::give_up_ballast(directory)?
    {
        opened = open(directory, &clock);
    }
    let mut has = None;
    if opened.as_ref().is_err_and(|error| error.reason() == Reason::StoreDamaged) {
        has = readable(directory)?;
        // What sled gave up on for want of something may be whole.
        if has.is_some() && has >= acknowledged(directory) {
            opened = open(directory, &clock);
        }
    }
    let error = match opened {
        Ok(store) => return Ok(store),
        Err(error) => error,
    };
    let why = match error.reason() {
        Reason::StoreDamaged if is_better(directory, has)? => ReadOnly::Damaged,
        Reason::StoreFull if has_everything(directory)? => ReadOnly::Full,
        _ => return Err(error),
    };
    let rescued = ServedSnapshot::load(directory, why)
        .and_then(|kept| OpenStore::open_to_read(directory, kept, clock));
    match rescued {
        Ok(store) => {
            log::error!("{error}");
            log::error!("the snapshot is served, and can only be read; {}", way_out(why));
            Ok(store)
        }
        Err(worse) => {
            log::error!("the snapshot is no help: {worse}");
            Err(error)
        }
    }
}

/// Has the next agent read the store through before it serves it: this one's has failed.
pub fn doubt(directory: &Path) {
    if let Err(error) = files::open_private(&directory.join(DOUBTED), true) {
        log::error!("the store will not be read through when it is opened next: {error}");
    }
}

/// Whether the next opening reads everything.
pub fn is_doubted(directory: &Path) -> bool {
    directory.join(DOUBTED).exists()
}

/// Reads everything where an agent has left the store in doubt.
fn dispel_doubt(directory: &Path, store: &dyn Store) -> Result<()> {
    if !is_doubted(directory) {
        return Ok(());
    }
    read_through(store)?;
    let mark = directory.join(DOUBTED);
    std::fs::remove_file(&mark).map_err(|cause| files::failed(&mark, &cause))
}

/// Fails where a page of the store is damaged.
fn read_through(store: &dyn Store) -> Result<()> {
    store::each(store, b"", |_, _| Ok(true))
}

/// What ends the service of a snapshot.
pub fn way_out(why: ReadOnly) -> &'static str {
    match why {
        ReadOnly::Full => "the store is opened again once there is room on its file system",
        ReadOnly::Damaged => "`keystead recover` goes on from that",
    }
}

fn open(directory: &Path, clock: &Arc<dyn Clock>) -> Result<OpenStore> {
    let store = open_db(directory)?;
    dispel_doubt(directory, &store)?;
    OpenStore::open(directory, Box::new(store), Arc::clone(clock))
}

/// Opens `db/`. One that has vanished is not made anew: that is done only beside cells that know of no
/// commit, as the first thing in a new store.
fn open_db(directory: &Path) -> Result<Sled> {
    let db = directory.join("db");
    let vanished = !db.join("db").exists();
    let incomplete = vanished || !directory.join(cells::NAME).exists();
    if incomplete && !Cells::open(directory)?.is_new() {
        return Err(Reason::StoreDamaged.detail(format_args!(
            "{} is gone; `keystead restore` puts a backup in its place",
            db.display()
        )));
    }
    Sled::open(&db)
}

/// How many commits `db/` has, if all of it can be read.
fn readable(directory: &Path) -> Result<Option<u64>> {
    let store = open_db(directory);
    let read = store.and_then(|store| read_through(&store).and_then(|()| store.number()));
    match read {
        Err(error) if error.reason() == Reason::StoreDamaged => Ok(None),
        read => read.map(Some),
    }
}

/// How many commits were acknowledged, where the cells can be read.
fn acknowledged(directory: &Path) -> Option<u64> {
    Cells::open(directory).ok().map(|cells| cells.commits.get())
}

/// Builds `db/` anew where the snapshot has more; what was there stays beside it.
fn rebuild(directory: &Path) -> Result<bool> {
    let db = directory.join("db");
    let has = readable(directory)?;
    if !is_better(directory, has)? {
        return Ok(false);
    }
    let anew = directory.join("db.restoring");
    remove_folder(&anew)?;
    let store = Sled::open(&anew)?;
    snapshot::pour(directory, &store)?;
    store.sync()?;
    drop(store);
    let failed = |cause| files::failed(&db, &cause);
    let aside = (1..).map(|number| directory.join(format!("db.damaged-{number}")));
    if db.exists()
        && let Some(aside) = aside.into_iter().find(|aside| !aside.exists())
    {
        std::fs::rename(&db, aside).map_err(failed)?;
    }
    std::fs::rename(&anew, &db).map_err(failed)?;
    files::sync_directory(directory)?;
    Ok(true)
}

/// Whether the snapshot is this store's, and has commits beyond the `has` that can be read.
fn is_better(directory: &Path, has: Option<u64>) -> Result<bool> {
    let kept = kept_of(&Cells::open(directory)?, directory);
    Ok(kept.is_some_and(|kept| has.is_none_or(|has| kept > has)))
}

/// Whether the snapshot is this store's, and lacks nothing that was acknowledged.
fn has_everything(directory: &Path) -> Result<bool> {
    let cells = Cells::open(directory)?;
    Ok(kept_of(&cells, directory).is_some_and(|kept| kept >= cells.commits.get()))
}

/// How many commits the snapshot has, where it is one of this store.
fn kept_of(cells: &Cells, directory: &Path) -> Option<u64> {
    let kept = match snapshot::origin(directory) {
        Ok(kept) => kept?,
        Err(error) => {
            log::error!("{error}");
            return None;
        }
    };
    kept.is_of(cells.identity).then_some(kept.commits)
}

/// Removes a folder with everything in it, where there is one.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(folder, &cause)),
        _ => Ok(()),
    }
}

/// The tokens that stay. One whose wrong PINs are no longer counted was destroyed since, and stays so.
pub fn without_destroyed_tokens(store: &OpenStore) -> Result<HashSet<Id>> {
    let (mut stay, mut writes) = (HashSet::new(), Vec::new());
    for (token, row) in store.tokens()? {
        if store.cells.pins.counts(token, row.slot) {
            stay.insert(token);
        } else {
            writes.push((keyspace::token(token), None));
        }
    }
    store.records.apply(&Batch { conditions: Vec::new(), writes })?;
    store.records.sync()?;
    Ok(stay)
}

/// Cells whose secret is not the one that the record claiming them was covered under.
pub fn foreign_cells(store: &OpenStore) -> Result<Vec<u32>> {
    let mut foreign = Vec::new();
    for (cell, (token, id)) in store.claims()? {
        let found = store.find(token, id)?.ok_or(Reason::StoreDamaged)?;
        let binding = shred_layer::Binding { token, id, revision: found.row.revision };
        match store.cells.erase.read_cell(cell) {
            Ok(EraseCell::Secret(secret)) => {
                let mine = shred_layer::decrypt(&secret, binding, &found.row.sealed).is_ok();
                foreign.extend((!mine).then_some(cell));
            }
            Ok(EraseCell::Deleted(_) | EraseCell::Expired(_)) => {}
            // Nobody can read what is covered under it, whoever's it is.
            Err(error) => log::error!("{error}"),
        }
    }
    Ok(foreign)
}
