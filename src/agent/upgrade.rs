//! The upgrade of a store that an earlier build has written, before it is opened.
//!
//! Everything is built beside what is there. What decides is that the cell file is replaced by one of this
//! build's format: a store that is cut short before that is one of the earlier format, and the upgrade begins
//! again; one that is cut short after it is finished at the next opening. The earlier cell file keeps a second
//! name meanwhile, by which it is overwritten with zeros before it is gone: its secrets are not left behind.
//!
//! | file | what |
//! |---|---|
//! | `db.upgrading`, `slots.upgrading` | the upgraded records and cells, until they take their places |
//! | `slots.earlier` | the earlier cell file, from shortly before it is replaced until it is wiped |
//! | `db.earlier` | the earlier records, until they are removed |

use super::Lock;
use super::{first_format, second_format};
use crate::error::{Error, Reason, Result};
use crate::store::cells::{self, EarlierFile};
use crate::store::{self, Acknowledged, Cells, Need, Put, ReadOnly, Standing, Store};
use std::cell::Cell;

/// The room that an upgrade takes for each byte of the records: what the store makes of them, and a snapshot.
const ROOM_FACTOR: u64 = 4;

/// The steps of an upgrade, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpgradeStep {
    /// Keeps a snapshot of the records as they are.
    KeepSnapshot,
    /// Builds the upgraded records beside the earlier ones.
    BuildRecords,
    /// Writes the upgraded cell file beside the earlier one.
    WriteCells,
    /// Gives the earlier cell file its second name.
    KeepEarlierCells,
    /// Replaces the cell file: from here on the store is an upgraded one.
    ReplaceCells,
    /// Sets the earlier records aside, whose snapshot is of no use any more.
    SetEarlierRecordsAside,
    /// Puts the upgraded records in their place.
    ReplaceRecords,
    /// Keeps a snapshot of the upgraded records.
    KeepUpgradedSnapshot,
    /// Overwrites the earlier cell file, and removes it.
    WipeEarlierCells,
}

/// Upgrades the store of which `lock` is held, where it has the earlier format, or finishes an upgrade that
/// was cut short; true then. Fails without a change where the store is damaged, or has no room for it.
pub(super) fn upgrade(lock: &Lock) -> Result<bool> {
    Upgrade { lock, open: &open_unharmed, done: &|_| Ok(()) }.run()
}

/// Upgrades a store whose records are about to be replaced by a backup, which may be gone. Their snapshot
/// would be one of the earlier format, and must not be left.
pub(super) fn upgrade_for_restoration(lock: &Lock) -> Result<bool> {
    let open = |lock: &Lock, earlier: &EarlierFile| {
        if store::exists(lock.records())? {
            return open_whole(lock, earlier);
        }
        match store::snapshot_origin(lock.records()) {
            Ok(Some(_)) => Err(Reason::StoreNotEmpty.detail(format_args!(
                "{} holds a snapshot of an earlier build; `keystead recover` goes on from it, or move it away \
                 to restore the backup all the same",
                lock.directory().display()
            ))),
            // One that cannot be read is no help.
            _ => Ok(None),
        }
    };
    Upgrade { lock, open: &open, done: &|_| Ok(()) }.run()
}

/// The source of an upgraded store's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordsSource {
    /// The records that were there.
    Records,
    /// Their snapshot, which had more.
    Snapshot,
}

/// Upgrades a store whose records may lack commits, and returns where those that it has now are from; none
/// where there was nothing to upgrade.
pub(super) fn upgrade_mended(lock: &Lock) -> Result<Option<RecordsSource>> {
    let source = Cell::new(RecordsSource::Records);
    let open = |lock: &Lock, earlier: &EarlierFile| {
        let (store, rebuilt) = store::mend(lock.records(), &Acknowledged::of_earlier(earlier))?;
        source.set(if rebuilt { RecordsSource::Snapshot } else { RecordsSource::Records });
        Ok(Some(store))
    };
    let upgraded = Upgrade { lock, open: &open, done: &|_| Ok(()) }.run()?;
    Ok(upgraded.then_some(source.get()))
}

/// Opens the records of the earlier format; none where there are none.
type OpenEarlier<'a> = dyn Fn(&Lock, &EarlierFile) -> Result<Option<Box<dyn Store>>> + 'a;

/// An upgrade.
pub(super) struct Upgrade<'a> {
    pub(super) lock: &'a Lock,
    pub(super) open: &'a OpenEarlier<'a>,
    /// Hears of each step, and ends the upgrade where it fails.
    pub(super) done: &'a dyn Fn(UpgradeStep) -> Result<()>,
}

impl Upgrade<'_> {
    /// Returns true where there was anything to do.
    pub(super) fn run(&self) -> Result<bool> {
        let directory = self.lock.directory();
        if let Some(earlier) = EarlierFile::read(directory)? {
            log::info!("{}: a store of an earlier build is upgraded", directory.display());
            self.prepare(&earlier).inspect_err(|_| self.discard())?;
            cells::take_upgraded(directory)?;
            (self.done)(UpgradeStep::ReplaceCells)?;
        } else if !cells::is_upgrade_unfinished(directory) {
            return Ok(false);
        }
        self.finish()?;
        log::info!("{}: the store is upgraded", directory.display());
        Ok(true)
    }

    /// Builds all that is upgraded beside what is there.
    fn prepare(&self, earlier: &EarlierFile) -> Result<()> {
        let (directory, records) = (self.lock.directory(), self.lock.records());
        self.clear()?;
        if let Some(store) = (self.open)(self.lock, earlier)? {
            store.keep_snapshot(earlier.identity)?;
            (self.done)(UpgradeStep::KeepSnapshot)?;
            store.room(Need::Grow(ROOM_FACTOR * size_of(&*store)?))?;
            let number = store.number()?;
            store::build_upgraded(records, number, |put| upgrade_rows(&*store, earlier, put))?;
            (self.done)(UpgradeStep::BuildRecords)?;
        }
        earlier.write_upgraded(directory)?;
        (self.done)(UpgradeStep::WriteCells)?;
        cells::keep_earlier(directory)?;
        (self.done)(UpgradeStep::KeepEarlierCells)
    }

    /// Puts everything in its place after the cell file. Each step may have been done before.
    fn finish(&self) -> Result<()> {
        let (directory, records) = (self.lock.directory(), self.lock.records());
        store::set_earlier_aside(records)?;
        (self.done)(UpgradeStep::SetEarlierRecordsAside)?;
        store::take_upgraded(records)?;
        (self.done)(UpgradeStep::ReplaceRecords)?;
        if store::exists(records)?
            && let Err(error) = keep_snapshot(self.lock)
        {
            log::warn!("no snapshot of the upgraded store was kept: {error}");
        }
        (self.done)(UpgradeStep::KeepUpgradedSnapshot)?;
        cells::wipe_earlier(directory)?;
        (self.done)(UpgradeStep::WipeEarlierCells)
    }

    /// Removes what an upgrade has left that has replaced nothing.
    fn clear(&self) -> Result<()> {
        cells::discard_upgrade(self.lock.directory())?;
        store::discard_upgrade(self.lock.records())
    }

    fn discard(&self) {
        if let Err(error) = self.clear() {
            log::error!("what a failed upgrade has left is removed at the next attempt: {error}");
        }
    }
}

/// Puts the rows of this build's format that stand for those of a store of the earlier one.
fn upgrade_rows(records: &dyn Store, earlier: &EarlierFile, put: &mut Put<'_>) -> Result<()> {
    match earlier.format {
        1 => first_format::upgrade(records, &|number| earlier.erase_cell(number), put),
        _ => second_format::upgrade(records, put),
    }
}

/// Opens records of the earlier format that have all that was acknowledged.
fn open_whole(lock: &Lock, earlier: &EarlierFile) -> Result<Option<Box<dyn Store>>> {
    let acknowledged = Acknowledged::of_earlier(earlier);
    if acknowledged.is_new && !store::exists(lock.records())? {
        return Ok(None);
    }
    let store = store::open(lock.records(), &acknowledged)?;
    match store.standing() {
        Standing::ReadOnly(why) => Err(served_only(lock, why)),
        Standing::Serving | Standing::Failed => Ok(Some(store)),
    }
}

/// Opens records of the earlier format that have all that was acknowledged, beside a cell file that has all
/// their cells: the upgrade of a cut one could not be undone by putting the whole one back.
pub(super) fn open_unharmed(lock: &Lock, earlier: &EarlierFile) -> Result<Option<Box<dyn Store>>> {
    let opened = open_whole(lock, earlier)?;
    if let Some(records) = &opened {
        store::each(&**records, second_format::CLAIMS, |key, _| {
            earlier.check_holds(second_format::claimed_cell(key).ok_or(Reason::StoreDamaged)?)?;
            Ok(true)
        })?;
    }
    Ok(opened)
}

/// Returns the error for records of which only the snapshot can be read.
fn served_only(lock: &Lock, why: ReadOnly) -> Error {
    let reason = match why {
        ReadOnly::Full => Reason::StoreFull,
        ReadOnly::Damaged => Reason::StoreDamaged,
    };
    reason.detail(format_args!(
        "the records in {} cannot be opened, and their snapshot is of an earlier build; {}",
        lock.records(),
        why.way_out()
    ))
}

/// Returns about how many bytes records have, once all of them have been read.
fn size_of(records: &dyn Store) -> Result<u64> {
    let mut size = 0;
    store::each(records, b"", |key, value| {
        size += (key.len() + value.len()) as u64;
        Ok(true)
    })?;
    Ok(size)
}

fn keep_snapshot(lock: &Lock) -> Result<()> {
    let identity = Cells::open(lock.directory())?.identity;
    store::open_unverified(lock.records())?.keep_snapshot(identity).map(drop)
}
