//! One batch in the making: what was read and decided by, rows and the entries that lead to them, erase
//! cells claimed and given up.
//!
//! Each row that is read through a transaction is a condition of it: where another writer has changed one of those
//! rows meanwhile, nothing happens, and the change is judged again.
//!
//! The order in which it happens is the promise of this project: the counters of what changes move, the
//! commit decides and is made durable, and only then the cells of what has ended are overwritten; the
//! counters move again, and the answer goes out. What loses a race, or is undone by a power loss, has erased
//! nothing. A cell of which no row speaks any more is filled afresh at the next opening, where a crash has kept
//! it from being overwritten.

mod fleet;
mod naming;
mod records;
mod room;
mod row_log;
mod slots;
mod time_mark;

use super::audit::{ChainHead, Fact, Sealed};
use super::keyspace::{self, AnswerNumber, RowKey};
use super::open_store::{Found, OpenStore};
use super::rows::{self, Answered, PinRow, TokenRow, UnderWay, WrongPins};
use super::rules::{KnownRecord, View};
use crate::clock::Seconds;
use crate::erasure::Tombstone;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::Fingerprint;
use crate::store::cells::CellNumber;
use crate::store::{Batch, CommitNumber, Condition};
use crate::wire::Expect;
use row_log::RowLog;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// The time for which the answer to a change is kept in a store that several hosts write, in seconds.
const ANSWERS_KEPT: Seconds = 24 * 3600;

/// The most answers that make way with one transaction there.
const MOST_FORGOTTEN: usize = 4;

/// Changes that will happen together.
pub(crate) struct Transaction<'a> {
    store: &'a OpenStore,
    /// The rows that were read, as they stood.
    read: RefCell<RowLog>,
    writes: RowLog,
    erased: Vec<(CellNumber, Tombstone)>,
    claimed: Vec<CellNumber>,
    freed: BTreeSet<CellNumber>,
    facts: Vec<Fact>,
    answer: Option<([u8; 16], Vec<u64>)>,
    /// The number that the answer will have.
    answer_number: Cell<Option<AnswerNumber>>,
    counts: TokenCounts,
    /// The token for which a slot was reserved.
    reserved: Option<Id>,
    /// The clock's time is accepted, though the store has seen a later one.
    lowers_time_mark: bool,
    quiet: bool,
}

/// The changes of a token's counts of wrong PINs that go with a transaction.
#[derive(Debug, Default, Clone, Copy)]
struct TokenCounts {
    /// Those that begin again: security officer's, user's.
    reset: Option<(Id, (bool, bool))>,
    /// The token stands in the store from now on.
    arrived: Option<Id>,
    /// The token leaves the store.
    left: Option<Id>,
}

/// The work that remains once a batch is durable.
#[derive(Debug, Default)]
pub(crate) struct AfterSync {
    /// Tokens and records whose counters move once more.
    pub(crate) moved: Vec<(Id, Id)>,
    /// Cells to be overwritten.
    pub(crate) erased: Vec<(CellNumber, Tombstone)>,
    /// Cells that no record claims any more.
    pub(crate) freed: BTreeSet<CellNumber>,
    /// Counts of wrong PINs that begin again: security officer's, user's. Not before the new PIN is durable, or
    /// a power loss would keep the old one, with all its tries. A crash before they begin again leaves a PIN
    /// locked at most, and the security officer sets it once more.
    pub(crate) reset: Vec<(Id, (bool, bool))>,
    /// Tokens that stand in the store now.
    pub(crate) arrived: Vec<Id>,
    /// Tokens that have left it.
    pub(crate) left: Vec<Id>,
}

impl AfterSync {
    /// Adds what remains to be done for another batch.
    pub(crate) fn extend(&mut self, other: Self) {
        self.moved.extend(other.moved);
        self.erased.extend(other.erased);
        self.freed.extend(other.freed);
        self.reset.extend(other.reset);
        self.arrived.extend(other.arrived);
        self.left.extend(other.left);
    }
}

impl<'a> Transaction<'a> {
    /// Begins a transaction that changes nothing.
    pub(crate) fn new(store: &'a OpenStore) -> Self {
        Self {
            store,
            read: RefCell::default(),
            writes: RowLog::default(),
            erased: Vec::new(),
            claimed: Vec::new(),
            freed: BTreeSet::new(),
            facts: Vec::new(),
            answer: None,
            answer_number: Cell::default(),
            counts: TokenCounts::default(),
            reserved: None,
            lowers_time_mark: false,
            quiet: false,
        }
    }

    /// Has no snapshot made for its sake.
    pub(crate) fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Returns whether it is worth no snapshot.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Returns whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Returns whether a record ends with it.
    pub(crate) fn removes(&self, token: Id, id: Id) -> bool {
        self.writes.get(&keyspace::record(token, id)).is_some_and(Option::is_none)
    }

    /// Returns the row at `key`, which has to be the same when the transaction is applied.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(read) = self.read.borrow().get(key) {
            return Ok(read.clone());
        }
        let row = self.store.records.get(key)?;
        self.read.borrow_mut().insert(key.to_vec(), row.clone());
        Ok(row)
    }

    /// Returns a record, whatever became of it.
    pub(crate) fn find(&self, token: Id, id: Id) -> Result<Option<Found>> {
        let row = self.get(&keyspace::record(token, id))?;
        row.map(|bytes| self.store.found(id, &bytes)).transpose()
    }

    /// Returns a token.
    pub(crate) fn token(&self, token: Id) -> Result<Option<TokenRow>> {
        let row = self.get(&keyspace::token(token))?;
        row.map(|bytes| rows::decode(&bytes, "a token")).transpose()
    }

    /// Returns the answer to a change that has been made already. If not, the next answer must have the
    /// number that this one would have, or in a store that several hosts write, there must be none to this change.
    pub(crate) fn answered(&self, change: &[u8; 16]) -> Result<Option<Vec<u64>>> {
        let key = match self.store.host() {
            Some(_) => keyspace::shared_answer(change),
            None => match self.answer_of(change)? {
                Some(number) => keyspace::answer(number),
                None => return Ok(None),
            },
        };
        let row = self.get(&key)?;
        let answered = row.map(|bytes| rows::decode::<Answered>(&bytes, "an answer"));
        Ok(answered.transpose()?.map(|answered| answered.revisions))
    }

    fn answer_of(&self, change: &[u8; 16]) -> Result<Option<AnswerNumber>> {
        let index = self.store.index()?;
        let number = index.answers().number_of(change);
        if number.is_none() {
            self.expect_next_answer(index.answers().next());
        }
        Ok(number)
    }

    fn expect_next_answer(&self, number: AnswerNumber) {
        self.read.borrow_mut().insert(keyspace::answer(number), None);
        self.answer_number.set(Some(number));
    }

    /// Returns the number of uses of a key on a day, as far as that is saved.
    pub(crate) fn uses(&self, of: (Id, Id, u32)) -> Result<u64> {
        match self.get(&keyspace::uses(of))? {
            Some(times) => {
                let times = times.try_into().map_err(|_| Reason::StoreDamaged)?;
                Ok(u64::from_be_bytes(times))
            }
            None => Ok(0),
        }
    }

    /// Returns the versions of a custom key's material, oldest first, dead ones too. Each is a condition, and so
    /// is the row of the custom key, which every new version changes.
    pub(crate) fn versions(&self, token: Id, key: Id) -> Result<Vec<Found>> {
        self.get(&keyspace::record(token, key))?;
        let ids = self.store.version_ids(token, key)?.into_iter();
        ids.filter_map(|id| self.find(token, id).transpose()).collect()
    }

    /// Writes a token's entry and its slot, and begins those of its counts of wrong PINs again: officer's, user's.
    pub(crate) fn put_token(
        &mut self,
        token: Id,
        row: &TokenRow,
        reset: (bool, bool),
    ) -> Result<()> {
        self.write_slot(token, row.slot)?;
        self.write_token(token, row)?;
        self.begin_pins_again(token, reset)?;
        self.counts.reset = Some((token, reset));
        self.counts.arrived = Some(token);
        Ok(())
    }

    /// Has the counts of wrong PINs begin again that several hosts share: officer's, user's. Here they are compared, so
    /// that none which comes late takes a try away that was made since.
    fn begin_pins_again(&mut self, token: Id, (officer, user): (bool, bool)) -> Result<()> {
        if self.store.host().is_none() || !officer && !user {
            return Ok(());
        }
        let key = keyspace::pins(token);
        let mut row = PinRow::read(self.get(&key)?.as_deref())?;
        let again = [(officer, &mut row.officer), (user, &mut row.user)];
        again.into_iter().filter(|(is, _)| *is).for_each(|(_, it)| *it = WrongPins::begin_again());
        self.writes.insert(key, Some(rows::encode(&row)?));
        Ok(())
    }

    /// Notes on a token what has begun to happen to it.
    pub(crate) fn begin(&mut self, token: Id, row: TokenRow, what: UnderWay) -> Result<()> {
        self.write_token(token, &TokenRow { under_way: Some(what), ..row })
    }

    fn write_token(&mut self, token: Id, row: &TokenRow) -> Result<()> {
        let key = keyspace::token(token);
        self.get(&key)?;
        self.writes.insert(key, Some(rows::encode(row)?));
        Ok(())
    }

    /// Removes a token's entry, and frees its slot.
    pub(crate) fn remove_token(&mut self, token: Id) -> Result<()> {
        if let Some(TokenRow { slot, .. }) = self.token(token)? {
            self.free_slot(token, slot)?;
        }
        if self.store.host().is_some() {
            self.get(&keyspace::pins(token))?;
            self.writes.insert(keyspace::pins(token), None);
        }
        self.writes.insert(keyspace::token(token), None);
        self.counts.left = Some(token);
        Ok(())
    }

    /// Keeps the answer with the change.
    pub(crate) fn answer(&mut self, change: [u8; 16], revisions: Vec<u64>) {
        self.answer = Some((change, revisions));
    }

    /// Writes the answer, if there is one; the oldest make way, so that `kept` are left.
    pub(crate) fn keep_answer(&mut self, kept: usize) -> Result<()> {
        let Some((change, revisions)) = self.answer.take() else { return Ok(()) };
        let answered = Answered { change, revisions, ..Answered::default() };
        let index = self.store.index()?;
        if self.store.host().is_some() {
            let (key, now) = (keyspace::shared_answer(&change), self.store.now());
            self.get(&key)?;
            let until = now.saturating_sub(ANSWERS_KEPT);
            let old = index.shared_answers().surplus(kept, until).take(MOST_FORGOTTEN);
            old.for_each(|change| self.writes.insert(keyspace::shared_answer(&change), None));
            self.writes.insert(key, Some(rows::encode(&answered.given_at(now))?));
            return Ok(());
        }
        if self.answer_number.get().is_none() {
            self.expect_next_answer(index.answers().next());
        }
        let old = index.answers().surplus(kept).map(|number| (keyspace::answer(number), None));
        old.for_each(|(key, row)| self.writes.insert(key, row));
        if let Some(number) = self.answer_number.get() {
            self.writes.insert(keyspace::answer(number), Some(rows::encode(&answered)?));
        }
        Ok(())
    }

    /// Lets an erasure wait that was found due at that second of the clock.
    pub(crate) fn defer(&mut self, found: Seconds, token: Id, id: Id) {
        self.writes.insert(keyspace::waiting(token, id), Some(found.to_be_bytes().to_vec()));
    }

    /// Takes a row away that leads nowhere, whatever it has. The caller has read the row, or that of the token, whose
    /// mark keeps others from it meanwhile.
    pub(crate) fn forget(&mut self, entry: RowKey) {
        self.writes.insert(entry, None);
    }

    /// Keeps how often a key was used on a day, or forgets it.
    pub(crate) fn save_uses(&mut self, of: (Id, Id, u32), times: Option<u64>) {
        let times = times.map(|times| times.to_be_bytes().to_vec());
        self.writes.insert(keyspace::uses(of), times);
    }

    /// Has a line in the audit log.
    pub(crate) fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Returns the end of the audit log's chain as the store has it.
    pub(crate) fn audit_head(&self) -> Result<ChainHead> {
        match self.get(&self.store.audit_rows().head())? {
            Some(bytes) => rows::decode(&bytes, "the audit log's head"),
            None => Ok(ChainHead::default()),
        }
    }

    /// Keeps the lines with the change they tell of.
    pub(crate) fn keep_lines(&mut self, sealed: &Sealed) -> Result<()> {
        let own = self.store.audit_rows();
        for (seq, line) in &sealed.lines {
            self.writes.insert(own.line(*seq), Some(rows::encode(line)?));
        }
        if !sealed.lines.is_empty() {
            self.writes.insert(own.head(), Some(rows::encode(&sealed.head)?));
        }
        let released = sealed.released.iter().map(|seq| own.line(*seq));
        released.for_each(|line| self.writes.insert(line, None));
        Ok(())
    }

    /// Makes it happen, and returns the number of the commit. It is durable after the store's next sync, and
    /// what remains is to be done after that. Fails with [`Reason::Conflict`], and changes nothing, where a
    /// row that was read has changed; so it does with [`Reason::ArgumentsBad`] where it is larger than the store takes.
    pub(crate) fn apply(mut self) -> Result<(CommitNumber, AfterSync)> {
        self.write_time_mark()?;
        self.compare_hosts()?;
        let read = self.read.get_mut().take().into_iter();
        let batch = Batch {
            conditions: read.map(|(key, row)| Condition::unchanged(key, row)).collect(),
            writes: self.writes.take().into_iter().collect(),
        };
        batch.check(self.store.records.limits())?;
        let keys = batch.writes.iter().map(|(key, _)| key);
        let moved: Vec<_> = keys.filter_map(|key| keyspace::watched(key)).collect();
        moved.iter().for_each(|(token, watched)| self.store.page.moved(*token, *watched));
        let TokenCounts { reset, arrived, left } = self.counts;
        let number = self.apply_batch(&batch, left)?;
        self.claimed.clear();
        self.reserved = None;
        let after_sync = AfterSync {
            moved,
            erased: std::mem::take(&mut self.erased),
            freed: std::mem::take(&mut self.freed),
            reset: reset.into_iter().collect(),
            arrived: arrived.into_iter().collect(),
            left: left.into_iter().collect(),
        };
        Ok((number, after_sync))
    }

    /// Applies a batch with which a token may leave the store. Its PIN cell says so durably before: after a
    /// crash an entry that is missing counts as lost otherwise. What loses a race takes that back, and where a
    /// crash or a power loss keeps the token, the next opening does.
    fn apply_batch(&self, batch: &Batch, left: Option<Id>) -> Result<CommitNumber> {
        let Some(token) = left else { return self.store.apply(batch) };
        let cells = &self.store.cells;
        cells.pins.abandon(token)?;
        self.store.apply(batch).or_else(|error| {
            cells.pins.confirm(token)?;
            cells.sync()?;
            Err(error)
        })
    }
}

/// Fails with [`Reason::Conflict`] unless a record, or none, stands at the expected revision.
pub(super) fn check_expected(expect: Expect, revision: Option<u64>) -> Result<()> {
    match (expect, revision) {
        (Expect::Absent, None) => Ok(()),
        (Expect::Revision(expected), Some(revision)) if expected == revision => Ok(()),
        _ => Err(Reason::Conflict.into()),
    }
}

/// Releases the cells and the slot that were taken for a transaction that did not happen.
impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.claimed.drain(..).for_each(|cell| self.store.cells.erase.release(cell));
        self.give_slot_back();
    }
}

/// One token of a transaction, as the rules look at it.
pub(crate) struct TokenView<'t, 's> {
    /// The transaction by which it is read.
    pub(crate) transaction: &'t Transaction<'s>,
    /// The token whose records are looked at.
    pub(crate) token: Id,
}

impl View for TokenView<'_, '_> {
    fn record(&self, id: Id) -> Result<Option<KnownRecord>> {
        Ok(self.transaction.find(self.token, id)?.map(|found| found.known))
    }

    fn material(&self, key: Id) -> Result<Vec<KnownRecord>> {
        let versions = self.transaction.versions(self.token, key)?;
        Ok(versions.into_iter().map(|found| found.known).collect())
    }

    fn owner(&self, fingerprint: &Fingerprint) -> Result<Option<Id>> {
        self.transaction.owner(self.token, fingerprint)
    }
}
