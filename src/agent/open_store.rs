//! The records of one store as the agent sees them: rows from the store, narrowed by their erase
//! cells and by time, and the index of them.

mod fleet;
mod following;
mod hand_out;
mod lost_commits;
mod pins;
mod reach;
mod readable;

use super::clocks::Clocks;
use super::contact::Contact;
use super::fleet::Fleet;
use super::index::{self, Index, image};
use super::keyspace::{self, AuditRows};
use super::records_apart::check_records;
use super::rows::{self, Meta, RecordRow, TokenRow};
use super::rules::KnownRecord;
use super::time::Time;
use super::troubles::Troubles;
use super::waker::Waker;
use crate::clock::{Clock, Seconds};
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::{Fingerprint, Header, Role};
use crate::store::cells::{CellNumber, EraseCell};
use crate::store::{self, Acknowledged, Cells, Location, Need, ReadOnly, Standing, Store};
use crate::wire::page::PageWriter;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Everything that one store consists of.
pub(crate) struct OpenStore {
    /// The agent's own directory.
    pub directory: PathBuf,
    /// The records. Batches go through [`Self::apply`].
    pub records: Box<dyn Store>,
    /// Locked for writing while a batch is applied, so that it is never seen without its entries.
    index: RwLock<Index>,
    /// Erase cells, PIN counters, the clock's mark.
    pub(crate) cells: Cells,
    /// The fleet whose store this is, as far as it is known; none in a store of one machine.
    fleet: Option<Fleet>,
    /// The page that tells the modules that something changed.
    pub page: PageWriter,
    time: Time,
    /// Moves when what a login is proved by may have changed.
    logins: AtomicU64,
    /// This host's identity where several hosts write the records.
    host: Option<Id>,
    /// The contact to other hosts that write the records, and their clocks.
    pub(super) contact: Contact,
    clocks: Clocks,
    /// Wakes the thread of the agent that waits for what is due.
    pub(crate) waker: Arc<Waker>,
    /// The troubles that the agent has at the moment.
    pub(crate) troubles: Troubles,
}

/// A record with everything that narrows it.
pub(crate) struct Found {
    /// As it is stored.
    pub(crate) row: RecordRow,
    /// Its header, its cell's word.
    pub known: KnownRecord,
}

impl Found {
    /// Returns the second at which something must happen to the record by itself, if any.
    pub(crate) fn due_at(&self) -> Option<Seconds> {
        index::due_at(&self.known.header, self.row.tombstone.as_ref())
    }
}

impl OpenStore {
    /// Opens the store whose records lie at `location` and whose agent's own directory is `directory`. The
    /// caller holds the store's lock.
    pub(crate) fn open_at(
        directory: &Path,
        location: &Location,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        check_records(directory, location)?;
        let cells = Cells::open(directory)?;
        let records = store::open(location, &Acknowledged::of(&cells))?;
        let kept = match records.standing() {
            Standing::Serving => image::load(directory, cells.identity, &*records)?,
            Standing::ReadOnly(_) | Standing::Failed => None,
        };
        let index = kept.map_or_else(|| Index::of(&*records), Ok)?;
        // One that has founded a fleet with the cells of a store of one machine is its only host.
        let host = location.is_shared().then_some(cells.identity.store);
        Self::with_index(directory, cells, (records, index), (clock, host))?.reconciled()
    }

    /// Opens these records, which several hosts write, as one of them.
    #[cfg(test)]
    pub(crate) fn open_as(
        host: Id,
        directory: &Path,
        records: Box<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let index = Index::of(&*records)?;
        let cells = Cells::open(directory)?;
        Self::with_index(directory, cells, (records, index), (clock, Some(host)))?.reconciled()
    }

    /// Opens these records with what the agent's own `directory` has beside them.
    #[cfg(test)]
    pub(crate) fn open(
        directory: &Path,
        records: Box<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::assemble(directory, Cells::open(directory)?, records, clock)?.reconciled()
    }

    /// Settles what a crash may have left: unclaimed cells are filled afresh. Nothing is settled where
    /// only a copy is served: the cells that it does not know may belong to later commits.
    fn reconciled(self) -> Result<Self> {
        if let Some(fleet) = &self.fleet {
            // Its unclaimed cells are those of all hosts, and are given up by a commit.
            self.cells.make_copies_equal()?;
            fleet.note_gap();
            self.vacate_unknown().and_then(|()| self.adopt_tokens())?;
        } else if self.is_writable() {
            let claimed = self.claimed_cells()?;
            self.cells.make_copies_equal()?;
            self.cells.erase.renew_unclaimed(&claimed)?;
            match self.host {
                Some(_) => self.vacate_unknown().and_then(|()| self.adopt_tokens())?,
                None => self.cells.pins.reconcile(&self.slots_of_tokens()?)?,
            }
        } else {
            self.cells.erase.presume_deleted(&self.foreign_cells()?, self.now());
        }
        self.begin()?;
        Ok(self)
    }

    /// Returns the erase cells that records claim. One that the file does not have is missed, unless only a record
    /// claims it that cannot be read: that may have any number there.
    fn claimed_cells(&self) -> Result<HashSet<CellNumber>> {
        let mut claimed = HashSet::new();
        for (cell, (token, id)) in self.claims()? {
            if self.cells.erase.has(cell) || self.find_readable(token, id)?.is_some() {
                claimed.insert(cell);
            }
        }
        Ok(claimed)
    }

    /// Goes on from the latest time that the records have, and tells the modules.
    pub(super) fn begin(&self) -> Result<()> {
        self.time.begin(self.meta()?.mark, &self.page);
        self.page.set_mark(self.now());
        self.page.started()
    }

    /// Refuses changes that would not be kept.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let Standing::ReadOnly(why) = self.records.standing() else { return Ok(()) };
        let reason = match why {
            ReadOnly::Full => Reason::StoreFull,
            ReadOnly::Damaged => Reason::StoreReadOnly,
        };
        Err(reason.detail(format_args!(
            "{}: its records cannot be opened, and their snapshot is served; {}",
            self.directory.display(),
            why.way_out()
        )))
    }

    /// Returns true where changes are kept; a snapshot in the store's place can only be read.
    pub(crate) fn is_writable(&self) -> bool {
        !matches!(self.records.standing(), Standing::ReadOnly(_))
    }

    /// Returns true where a snapshot is served only because nothing more could be written.
    pub(crate) fn is_full(&self) -> bool {
        self.records.standing() == Standing::ReadOnly(ReadOnly::Full)
    }

    /// Returns whether there is room, as far as the file system tells; a quota may say otherwise.
    pub(crate) fn has_room(&self) -> bool {
        self.records.room(Need::Grow(0)).is_ok()
    }

    /// The parts as they are: nothing is checked against the other, nothing is changed.
    pub(super) fn assemble(
        directory: &Path,
        cells: Cells,
        records: Box<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let index = Index::of(&*records)?;
        Self::with_index(directory, cells, (records, index), (clock, None))
    }

    /// The same with the index of the records, which is known.
    fn with_index(
        directory: &Path,
        cells: Cells,
        (records, index): (Box<dyn Store>, Index),
        (clock, host): (Arc<dyn Clock>, Option<Id>),
    ) -> Result<Self> {
        let host = cells.fleet.as_ref().map(|fleet| fleet.host()).or(host);
        let index = RwLock::new(index);
        let page = match host {
            Some(_) => PageWriter::open_bounded(directory)?,
            None => PageWriter::open(directory)?,
        };
        let directory = directory.to_owned();
        let time = Time::new(clock);
        time.begin(cells.time.get(), &page);
        let logins = AtomicU64::new(0);
        let waker = Waker::new().map_err(|cause| Reason::General.detail(cause))?;
        let (waker, troubles) = (Arc::new(waker), Troubles::default());
        let (contact, clocks) = (Contact::default(), Clocks::default());
        let fleet = cells.fleet.as_ref().map(|_| Fleet::default());
        Ok(Self {
            directory,
            records,
            index,
            cells,
            fleet,
            page,
            time,
            logins,
            host,
            contact,
            clocks,
            waker,
            troubles,
        })
    }

    /// Returns this host's identity where several hosts write the records.
    pub(crate) fn host(&self) -> Option<Id> {
        self.host
    }

    /// Returns the rows of this agent's audit log.
    pub(crate) fn audit_rows(&self) -> AuditRows {
        AuditRows { host: self.host }
    }

    /// The latest time that an agent has made durable.
    pub(super) fn seen_before(&self) -> Seconds {
        self.cells.time.get()
    }

    /// The store's time.
    pub(crate) fn now(&self) -> Seconds {
        self.precise().as_secs()
    }

    /// The same with its fraction.
    pub(super) fn precise(&self) -> Duration {
        self.time.now(&self.page)
    }

    /// Takes the clock's time for now, though the store has seen a later one.
    pub(super) fn accept_clock(&self) {
        self.time.accept_clock(&self.page);
    }

    /// Returns for how long the machine has run, suspended or not.
    pub(super) fn uptime(&self) -> Duration {
        self.time.uptime()
    }

    /// Returns the time that the clock shows, which may be behind.
    pub(crate) fn clock(&self) -> Seconds {
        self.time.clock()
    }

    /// Returns whether no failure has ended the store or the cell file.
    pub(crate) fn alive(&self) -> bool {
        self.records.standing() != Standing::Failed && self.cells.alive()
    }

    /// Keeps an image of the index for the next agent. Every commit is durable.
    pub(super) fn keep_index(&self) -> Result<()> {
        image::keep(&self.directory, self.cells.identity, &*self.records, &*self.index()?)
    }

    /// Returns the store's row about itself.
    pub(crate) fn meta(&self) -> Result<Meta> {
        match self.records.get(&keyspace::meta())? {
            Some(bytes) => rows::decode(&bytes, "the store's own row"),
            None => Ok(Meta::default()),
        }
    }

    /// Returns true if a change has been made already, and its answer is kept.
    pub(crate) fn is_answered(&self, change: &[u8; 16]) -> Result<bool> {
        match self.host {
            Some(_) => Ok(self.records.get(&keyspace::shared_answer(change))?.is_some()),
            None => Ok(self.index()?.answers().number_of(change).is_some()),
        }
    }

    /// All tokens, in the order of their slots.
    pub(crate) fn tokens(&self) -> Result<Vec<(Id, TokenRow)>> {
        let mut tokens = Vec::new();
        self.each(b"T", |key, value| {
            let id = keyspace::last_id(key).ok_or(Reason::StoreDamaged)?;
            tokens.push((id, rows::decode::<TokenRow>(value, "a token")?));
            Ok(true)
        })?;
        tokens.sort_by_key(|(_, row)| row.slot);
        Ok(tokens)
    }

    /// The slot of each token.
    pub(super) fn slots_of_tokens(&self) -> Result<HashMap<Id, u32>> {
        Ok(self.tokens()?.into_iter().map(|(id, row)| (id, row.slot)).collect())
    }

    /// One token.
    pub(crate) fn token(&self, token: Id) -> Result<Option<TokenRow>> {
        match self.records.get(&keyspace::token(token))? {
            Some(bytes) => rows::decode(&bytes, "a token").map(Some),
            None => Ok(None),
        }
    }

    /// One record, whatever became of it.
    pub(crate) fn find(&self, token: Id, id: Id) -> Result<Option<Found>> {
        match self.records.get(&keyspace::record(token, id))? {
            Some(bytes) => self.found(id, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// One record's header.
    pub(crate) fn header(&self, token: Id, id: Id) -> Result<Option<Header>> {
        let Some(bytes) = self.records.get(&keyspace::record(token, id))? else { return Ok(None) };
        RecordRow::read(&bytes).map(|(_, header)| Some(header))
    }

    /// A record from its row's bytes.
    pub(crate) fn found(&self, id: Id, bytes: &[u8]) -> Result<Found> {
        let (row, header) = RecordRow::read(bytes)?;
        let erasure = match (&header.role, row.tombstone, row.cell) {
            // A custom key's tombstone is that of its newest material.
            (Role::CustomKey(_), ..) | (_, None, None) => Erasure::Live,
            (_, Some(tombstone), _) => Erasure::Ended(tombstone),
            (_, None, Some(cell)) => self.erasure_or_deleted(cell)?,
        };
        Ok(Found { known: KnownRecord { id, header, erasure }, row })
    }

    /// Returns the state of an erase cell's material.
    pub(crate) fn erasure(&self, cell: CellNumber) -> Result<Erasure> {
        Ok(match self.erase_cell(cell)? {
            EraseCell::Secret(_) => Erasure::Live,
            EraseCell::Erased(tombstone) => Erasure::Ended(tombstone),
        })
    }

    /// The same; what is encrypted under a damaged cell cannot be read, as if it had been deleted. What the
    /// cell still holds is overwritten when the record makes way or expires. Fails where a fleet's secret has not come yet.
    fn erasure_or_deleted(&self, cell: CellNumber) -> Result<Erasure> {
        self.erasure(cell).or_else(|error| match error.reason() {
            Reason::StoreUnavailable => Err(error),
            _ => {
                log::error!("{error}");
                Ok(Erasure::Ended(Tombstone::Deleted(self.now())))
            }
        })
    }

    /// The versions of a custom key's material, oldest first, dead ones too.
    pub(crate) fn versions(&self, token: Id, key: Id) -> Result<Vec<Found>> {
        let ids = self.version_ids(token, key)?.into_iter();
        ids.filter_map(|id| self.find(token, id).transpose()).collect()
    }

    /// Returns the records that hold them.
    pub(super) fn version_ids(&self, token: Id, key: Id) -> Result<Vec<Id>> {
        Ok(self.index()?.versions(token, key))
    }

    /// Returns the custom key that is associated with material of a fingerprint, and that material where it
    /// has not ended.
    pub(crate) fn associated(&self, token: Id, fingerprint: &Fingerprint) -> Result<Vec<Found>> {
        let Some(owner) = self.records.get(&keyspace::owner(token, fingerprint))? else {
            return Ok(Vec::new());
        };
        let key = keyspace::id(&owner).ok_or(Reason::StoreDamaged)?;
        let holds = |found: &Found| {
            let ownership = keyspace::ownership(found.known.id, &found.known.header);
            ownership.is_some_and(|(its, _)| its == *fingerprint)
                && found.known.erasure == Erasure::Live
        };
        let found = self.find(token, key)?.into_iter().chain(self.versions(token, key)?);
        Ok(found.filter(holds).collect())
    }

    /// Calls `visit` for each pair under `prefix`, ascending, until it says false.
    pub(crate) fn each(
        &self,
        prefix: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        store::each(&*self.records, prefix, visit)
    }

    /// The erase cells that records claim, each with token and record.
    pub(super) fn claims(&self) -> Result<Vec<(CellNumber, (Id, Id))>> {
        Ok(self.index()?.claims().collect())
    }
}
