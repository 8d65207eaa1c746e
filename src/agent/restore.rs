//! Puts a backup into an empty store. What a living store of the same identity knows to be erased stays
//! erased: its erase cells say so, in the store's own directory where only `db/` is gone, or in another.
//!
//! The records are written beside, as `db.restoring`, and take their place when they are whole and
//! synced. In an empty directory the cell file follows last; in one that still has the store's own,
//! every cell keeps its number and its secret, and what it has erased since.

use super::Lock;
use super::audit::{AuditEvent, Fact};
use super::backup::{BackedUpCell, BackedUpRecord, BackedUpToken, Backup, check_of};
use super::keyspace::{self, RowKey};
use super::open_store::OpenStore;
use super::outlets::Outlets;
use super::rows::{self, Meta, RecordRow, TokenRow};
use super::rules::KnownRecord;
use super::shred_layer;
use super::upgrade::upgrade_for_restoration;
use super::writer::Writer;
use crate::clock::{Clock, Seconds};
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::{Header, Role};
use crate::store::cells::{self, EraseCell, NewContent, StoreIdentity};
use crate::store::{self, Cells, Need, Put, Store, files};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The outcome of a restoration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Tokens.
    pub tokens: u64,
    /// Custom keys.
    pub custom_keys: u64,
    /// Other objects.
    pub others: u64,
    /// Records whose material was in the backup and is not restored: it was erased, or has expired, since.
    pub erased: u64,
}

/// The circumstances of a restoration.
pub struct How<'a> {
    /// The directory of the store from which the backup was made, where that is another one.
    pub living: Option<&'a Path>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The time that the store's agent lets erasures wait: with any grace, what has expired is left to it.
    pub grace: Seconds,
    /// The program that is run for each line of the audit log, if one is.
    pub on_event: Option<PathBuf>,
    /// The socket that each line of the audit log is sent to, if one is.
    pub audit_syslog: Option<PathBuf>,
}

/// The time in which the places that are told of events have to take those of a restoration.
const TELLING: Duration = Duration::from_secs(10);

/// Puts a backup into the store that `lock` holds, which must be empty. Fails without a change where it
/// is not.
pub fn restore(lock: &Lock, content: &Backup, how: How<'_>) -> Result<Restored> {
    store::check_local(lock.records())?;
    clean_up(lock)?;
    let restored = restore_in(lock, content, how);
    if restored.is_err() {
        clean_up(lock)?;
    }
    restored
}

fn restore_in(lock: &Lock, content: &Backup, how: How<'_>) -> Result<Restored> {
    let How { living, clock, grace, on_event, audit_syslog } = how;
    upgrade_for_restoration(lock)?;
    let own = survey(lock, content)?;
    let other = living.map(|living| cells_of(living, content)).transpose()?;
    let size = content.records.iter().map(|record| record.sealed.len() as u64 + 1024).sum();
    store::check_room(lock.records(), Need::Grow(size))?;

    let mark =
        [&own, &other].into_iter().flatten().map(|cells| cells.time.get()).max().unwrap_or(0);
    let now = clock.now().max(content.store.mark).max(mark);
    let known = [own.as_ref(), other.as_ref()];
    let known: Vec<_> = known.into_iter().flatten().collect();
    let plan = RestorePlan::new(content, &known, (now, grace))?;
    match own {
        Some(cells) => plan.beside_its_cells(lock, &cells)?,
        None => plan.in_empty(lock, other.map_or(0, |other| other.identity.incarnation))?,
    }
    let outlets = Arc::new(Outlets::begin(on_event, audit_syslog, |_| 0));
    let told = plan.tell(lock, clock, Arc::clone(&outlets));
    outlets.end_within(TELLING);
    told?;
    Ok(plan.restored)
}

/// The content of the restored store.
struct RestorePlan<'a> {
    content: &'a Backup,
    /// The tokens that stay, since a living store has not destroyed them, and how often their PINs were
    /// wrong, security officer's and user's: what was counted since stays counted.
    tokens: HashMap<Id, (u8, u8)>,
    /// Their records, and what has become of each one's material.
    records: Vec<(&'a BackedUpRecord, Header, Erasure)>,
    mark: Seconds,
    restored: Restored,
}

impl<'a> RestorePlan<'a> {
    fn new(
        content: &'a Backup,
        living: &[&Cells],
        (now, grace): (Seconds, Seconds),
    ) -> Result<Self> {
        let mut plan = Self {
            content,
            tokens: HashMap::new(),
            records: Vec::new(),
            mark: now,
            restored: Restored::default(),
        };
        for token in &content.tokens {
            let mut wrong = Some(token.wrong);
            for cells in living {
                wrong = match (wrong, cells.pins.counts(token.id, token.slot)) {
                    (Some((officer, user)), true) => {
                        let (_, later) = cells.pins.of(token.id)?;
                        Some((officer.max(later.0), user.max(later.1)))
                    }
                    _ => None,
                };
            }
            plan.tokens.extend(wrong.map(|wrong| (token.id, wrong)));
        }
        plan.restored.tokens = plan.tokens.len() as u64;
        for record in content.records.iter().filter(|it| plan.tokens.contains_key(&it.token)) {
            let header = Header::decode(&record.header)?;
            let erasure = fate(record, &header, living, (now, grace))?;
            let restored = &mut plan.restored;
            match &header.role {
                Role::CustomKey(_) => restored.custom_keys += 1,
                Role::Object { .. } => restored.others += 1,
                Role::Material { .. } => {}
            }
            let was = record.cell.as_ref().map_or(Erasure::Live, |cell| cell.erasure);
            restored.erased += u64::from(was == Erasure::Live && erasure != Erasure::Live);
            plan.records.push((record, header, erasure));
        }
        plan.check_comparable(living)?;
        Ok(plan)
    }

    /// A store that was itself restored has cells with other secrets, which say nothing about this backup:
    /// nothing would be left of it.
    fn check_comparable(&self, living: &[&Cells]) -> Result<()> {
        let later = |cells: &&Cells| cells.identity.incarnation != self.content.store.incarnation;
        let keeps = |(record, _, erasure): &(&BackedUpRecord, Header, Erasure)| {
            record.cell.is_some() && *erasure == Erasure::Live
        };
        match self.restored.erased > 0 && living.iter().any(later) {
            true if !self.records.iter().any(keeps) => Err(Reason::OtherStore.detail(
                "it was restored or recovered since, and its erase cells know none of the keys",
            )),
            _ => Ok(()),
        }
    }

    /// Restores into a directory that has this store's own cell file, and no records.
    fn beside_its_cells(&self, lock: &Lock, cells: &Cells) -> Result<()> {
        for (record, _, erasure) in &self.records {
            let Some(cell) = record.cell.as_ref().filter(|cell| cell.erasure == Erasure::Live)
            else {
                continue;
            };
            let erased =
                matches!(cells.erase.read_unless_lost(cell.number)?, Some(EraseCell::Erased(_)));
            if let Erasure::Ended(tombstone) = erasure
                && !erased
                && cells.erase.has(cell.number)
            {
                cells.erase.erase(&[(cell.number, *tombstone)])?;
            }
        }
        self.write(lock, cells)?;
        cells.begin_again(self.content.store.commits, &self.tokens.keys().copied().collect())
    }

    /// Into a directory that has no store yet.
    fn in_empty(&self, lock: &Lock, incarnation: u64) -> Result<()> {
        let directory = lock.directory();
        let pin =
            |token: &BackedUpToken| Some((token.slot, token.id, *self.tokens.get(&token.id)?));
        let live = self.records.iter().filter(|(_, _, erasure)| *erasure == Erasure::Live);
        let cells = live.filter_map(|(record, ..)| Some(record.cell.as_ref()?.number));
        let store = &self.content.store;
        let restoring = NewContent {
            mark: self.mark,
            commits: store.commits,
            pins: self.content.tokens.iter().filter_map(pin).collect(),
            cells: cells.collect(),
        };
        let incarnation = store.incarnation.max(incarnation) + 1;
        let identity = StoreIdentity { store: store.id, incarnation };
        let cells = Cells::restoring(directory, identity, &restoring)?;
        // From here on until the new one takes its place, this is a restoration that was cut short.
        Cells::remove(directory)?;
        self.write(lock, &cells)?;
        cells.take_place()
    }

    /// Writes the records, whole or not at all.
    fn write(&self, lock: &Lock, cells: &Cells) -> Result<()> {
        let number = self.content.store.commits;
        store::replace(lock.records(), number, |put| self.put_rows(cells, put))
    }

    fn put_rows(&self, cells: &Cells, put: &mut Put<'_>) -> Result<()> {
        put(keyspace::meta(), rows::encode(&self.meta())?)?;
        for token in self.content.tokens.iter().filter(|token| self.tokens.contains_key(&token.id))
        {
            let (slot, revision, entry) = (token.slot, token.revision, token.entry.clone());
            let row = TokenRow { slot, revision, entry, ..TokenRow::default() };
            put(keyspace::token(token.id), rows::encode(&row)?)?;
            put(keyspace::slot(slot), token.id.bytes().to_vec())?;
        }
        let ended = self.ended();
        for record in &self.records {
            let ended = ended.get(&record.0.id).copied();
            rows_of(cells, record, ended)?.into_iter().try_for_each(|(key, row)| put(key, row))?;
        }
        Ok(())
    }

    fn meta(&self) -> Meta {
        Meta { mark: self.mark, extras: Vec::new() }
    }

    /// Returns the end of the newest material of custom keys that have lost it.
    fn ended(&self) -> HashMap<Id, Tombstone> {
        let mut newest = HashMap::new();
        for (_, header, erasure) in &self.records {
            if let Role::Material { key, version, .. } = header.role {
                let known = newest.entry(key).or_insert((version, *erasure));
                if known.0 <= version {
                    *known = (version, *erasure);
                }
            }
        }
        let ended = |(key, (_, erasure)): (Id, (u32, Erasure))| Some((key, erasure.tombstone()?));
        newest.into_iter().filter_map(ended).collect()
    }

    /// Opens the store as an agent does, and has the restoration in its audit log.
    fn tell(&self, lock: &Lock, clock: Arc<dyn Clock>, outlets: Arc<Outlets>) -> Result<()> {
        let store = Arc::new(OpenStore::open_at(lock.directory(), lock.records(), clock)?);
        let mut writer = Writer::open(store, outlets)?;
        for token in self.tokens.keys() {
            writer.note(Fact::of_token(AuditEvent::Restored, *token))?;
        }
        writer.finish_up()
    }
}

/// Returns the state of a record's material now, by the living store.
fn fate(
    record: &BackedUpRecord,
    header: &Header,
    living: &[&Cells],
    (now, grace): (Seconds, Seconds),
) -> Result<Erasure> {
    let Some(cell) = &record.cell else { return Ok(Erasure::Live) };
    let mut erasure = cell.erasure;
    let due = KnownRecord { id: record.id, header: header.clone(), erasure };
    if erasure == Erasure::Live && grace == 0 && due.is_dead(now) {
        erasure = Erasure::Ended(Tombstone::Expired(header.expiry.map_or(now, |expiry| expiry.at)));
    }
    for cells in living.iter().filter(|_| cell.erasure == Erasure::Live) {
        match cells.erase.read_unless_lost(cell.number)? {
            Some(EraseCell::Secret(secret)) if check_of(&secret) == cell.check => {}
            // The cell is lost, or has served another since.
            Some(EraseCell::Secret(_)) | None => {
                erasure = Erasure::Ended(Tombstone::Deleted(now));
            }
            Some(EraseCell::Erased(tombstone)) => erasure = Erasure::Ended(tombstone),
        }
    }
    Ok(erasure)
}

/// Returns a record's row, and that of its fingerprint. `ended` is the end of a custom key's newest material.
fn rows_of(
    cells: &Cells,
    (record, header, erasure): &(&BackedUpRecord, Header, Erasure),
    ended: Option<Tombstone>,
) -> Result<Vec<(RowKey, Vec<u8>)>> {
    let BackedUpRecord { token, id, revision, .. } = **record;
    let tombstone = erasure.tombstone().or(ended);
    let (header_bytes, sealed) = (record.header.clone(), record.sealed.clone());
    let mut row =
        RecordRow { revision, tombstone, header: header_bytes, sealed, ..RecordRow::default() };
    if let Some(BackedUpCell { number, .. }) = record.cell {
        row.sealed = Vec::new();
        if *erasure == Erasure::Live {
            row.cell = Some(number);
            let EraseCell::Secret(secret) = cells.erase.read_cell(number)? else {
                return Err(Reason::General.detail("a cell that was just filled is erased"));
            };
            let binding = shred_layer::Binding { token, id, revision };
            row.sealed = shred_layer::encrypt(&secret, binding, &record.sealed)?;
        }
    }
    let owner = keyspace::ownership(id, header);
    let owner = owner.map(|(of, key)| (keyspace::owner(token, &of), key.bytes().to_vec()));
    let row = (keyspace::record(token, id), rows::encode(&row)?);
    Ok(owner.into_iter().chain([row]).collect())
}

/// Takes away what a restoration that was cut short has left.
fn clean_up(lock: &Lock) -> Result<()> {
    let directory = lock.directory();
    store::remove_unfinished(lock.records())?;
    if let Some(cells) = Cells::unfinished(directory) {
        if !directory.join(cells::NAME).exists() {
            // Written by that restoration: without its cells it cannot be opened.
            store::remove(lock.records())?;
        }
        fs::remove_file(&cells).map_err(|cause| files::failed(&cells, &cause))?;
    }
    Ok(())
}

/// Returns whether the store is empty; its own cell file, where that has survived its records.
fn survey(lock: &Lock, content: &Backup) -> Result<Option<Cells>> {
    let (directory, records) = (lock.directory(), lock.records());
    let (file, served) = (directory.join(cells::NAME), store::exists(records)?);
    let emptiness = || store::open_unverified(records).and_then(|store| is_empty(&*store));
    match served.then(emptiness) {
        Some(Err(error)) if error.reason() == Reason::StoreDamaged => {
            let detail = format_args!("{records}/db cannot be opened");
            return Err(Reason::StoreNotEmpty.detail(detail));
        }
        Some(Err(error)) => return Err(error),
        Some(Ok(false)) => return Err(not_empty(directory)),
        Some(Ok(true)) | None => {}
    }
    if !file.exists() {
        return Ok(None);
    }
    let cells = Cells::open(directory)?;
    if cells.identity.store != content.store.id {
        return match served && cells.is_unused() {
            true => Ok(None),
            false => Err(Reason::OtherStore.detail(file.display())),
        };
    }
    match store::snapshot_origin(records) {
        Ok(Some(kept)) if kept.is_of(cells.identity) && kept.commits > content.store.commits => {
            Err(Reason::StoreNotEmpty.detail(format_args!(
                "{} holds a snapshot that is later than the backup; `keystead recover` goes on from it, \
                 or move it away to restore the backup all the same",
                directory.display()
            )))
        }
        // One that cannot be read is no help.
        _ => Ok(Some(cells)),
    }
}

fn is_empty(store: &dyn Store) -> Result<bool> {
    Ok(store.scan(b"T", b"", 1)?.is_empty() && store.scan(b"r", b"", 1)?.is_empty())
}

fn not_empty(directory: &Path) -> Error {
    Reason::StoreNotEmpty.detail(format_args!("{} holds tokens", directory.display()))
}

fn cells_of(living: &Path, content: &Backup) -> Result<Cells> {
    if !living.join(cells::NAME).exists() {
        return Err(Reason::OtherStore.detail(format_args!("{} holds none", living.display())));
    }
    let cells = Cells::open(living)?;
    match cells.identity.store == content.store.id {
        true => Ok(cells),
        false => Err(Reason::OtherStore.detail(living.display())),
    }
}
