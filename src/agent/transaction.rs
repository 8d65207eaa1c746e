//! One batch in the making: what was read and decided by, rows and the entries that lead to them, erase
//! cells claimed and given up.
//!
//! What is read through a transaction is a condition of it: where another writer has changed one of those
//! rows meanwhile, nothing happens, and the change is judged again.
//!
//! The order in which it happens is the promise of this project: generations move, cells are
//! overwritten and synced, and only then does the store change.

use super::audit::{self, Fact, Head, Sealed};
use super::keyspace::{self, Answered, Key, Meta, Row, TokenRow};
use super::open_store::{Found, OpenStore};
use super::rules::{Known, View};
use super::shred_layer;
use crate::clock::Seconds;
use crate::erasure::Erasure;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::pin::Entry;
use crate::key::{Fingerprint, Header, Role};
use crate::store::cells::{CellNumber, EraseCell};
use crate::store::{Batch, CommitNumber, Condition};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Why cells are overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Somebody asked for it.
    Deleted,
    /// The time had come.
    Expired,
}

/// Changes that will happen together.
pub(crate) struct Transaction<'a> {
    store: &'a OpenStore,
    /// The rows that were read, as they stood.
    read: RefCell<BTreeMap<Key, Option<Vec<u8>>>>,
    writes: BTreeMap<Key, Option<Vec<u8>>>,
    erased: Vec<(CellNumber, Ending)>,
    claimed: Vec<CellNumber>,
    freed: BTreeSet<CellNumber>,
    moved: BTreeSet<(Id, Id)>,
    facts: Vec<Fact>,
    answer: Option<([u8; 16], Vec<u64>)>,
    counts: TokenCounts,
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
    /// Cells that nobody claims any more.
    pub(crate) freed: BTreeSet<CellNumber>,
    /// Token and watched identity of what changed.
    pub(crate) moved: BTreeSet<(Id, Id)>,
    /// Tokens that stand in the store now.
    pub(crate) arrived: Vec<Id>,
    /// Tokens that have left it.
    pub(crate) left: Vec<Id>,
}

impl AfterSync {
    /// Adds what remains to be done for another batch.
    pub(crate) fn extend(&mut self, other: Self) {
        self.freed.extend(other.freed);
        self.moved.extend(other.moved);
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
            writes: BTreeMap::new(),
            erased: Vec::new(),
            claimed: Vec::new(),
            freed: BTreeSet::new(),
            moved: BTreeSet::new(),
            facts: Vec::new(),
            answer: None,
            counts: TokenCounts::default(),
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
        self.writes.get(&keyspace::record(token, id)) == Some(&None)
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
        row.map(|bytes| keyspace::decode(&bytes, "a token")).transpose()
    }

    /// Returns what a change was answered, if it has been made already.
    pub(crate) fn answered(&self, change: &[u8; 16]) -> Result<Option<Vec<u64>>> {
        let row = self.get(&keyspace::answered(change))?;
        let answered = row.map(|bytes| keyspace::decode::<Answered>(&bytes, "an answer"));
        Ok(answered.transpose()?.map(|answered| answered.revisions))
    }

    /// Returns how often a key was used on a day, as far as that is saved.
    pub(crate) fn uses(&self, of: (Id, Id, u32)) -> Result<u64> {
        match self.get(&keyspace::uses(of))? {
            Some(times) => {
                let times = times.try_into().map_err(|_| Reason::StoreDamaged)?;
                Ok(u64::from_be_bytes(times))
            }
            None => Ok(0),
        }
    }

    /// Returns the versions of a custom key's material, oldest first, dead ones too. Whatever changes one
    /// of them changes the row of its custom key, which is the condition.
    pub(crate) fn versions(&self, token: Id, key: Id) -> Result<Vec<Found>> {
        self.get(&keyspace::record(token, key))?;
        self.store.versions(token, key)
    }

    /// Writes a record over what stands there, and returns its new revision.
    pub(crate) fn put(
        &mut self,
        token: Id,
        id: Id,
        header: Header,
        (header_bytes, sealed): (Vec<u8>, Vec<u8>),
    ) -> Result<u64> {
        let old = self.find(token, id)?;
        let revision = old.as_ref().map_or(0, |old| old.row.revision) + 1;
        self.moved.insert((token, header.watched(id)));
        if let Some(old) = &old {
            self.take_away_entries(token, old);
        }
        for entry in keyspace::entries(token, id, &header, false) {
            self.writes.insert(entry, Some(Vec::new()));
        }
        let mut row = Row { revision, cell: None, header: header_bytes, sealed };
        if header.holds_key() {
            let cell = self.cell_for(token, id, old.as_ref())?;
            let binding = shred_layer::Binding { token, id, revision };
            row.sealed = self.store.encrypt_in_cell(cell, binding, &row.sealed)?;
            row.cell = Some(cell);
        }
        self.writes.insert(keyspace::record(token, id), Some(keyspace::encode(&row)?));
        Ok(revision)
    }

    /// Removes a record, where there is one; its material is erased first.
    pub(crate) fn remove(&mut self, token: Id, id: Id, ending: Ending) -> Result<()> {
        let Some(old) = self.find(token, id)? else { return Ok(()) };
        self.moved.insert((token, old.known.header.watched(id)));
        self.take_away_entries(token, &old);
        self.give_up_cell(token, &old, ending);
        self.writes.insert(keyspace::record(token, id), None);
        if matches!(old.known.header.role, Role::CustomKey(_) | Role::Object { holds_key: true }) {
            self.writes.insert(keyspace::alias(token, id), None);
        }
        Ok(())
    }

    /// Erases expired material and leaves its record, found by its custom key only, as the place
    /// where its cell says what happened.
    pub(crate) fn tombstone(&mut self, token: Id, old: &Found) -> Result<()> {
        let known = &old.known;
        self.get(&keyspace::record(token, known.id))?;
        self.moved.insert((token, known.header.watched(known.id)));
        self.take_away_entries(token, old);
        for entry in keyspace::entries(token, known.id, &known.header, true) {
            self.writes.insert(entry, Some(Vec::new()));
        }
        let held = old.row.cell.filter(|cell| self.may_hold_secret(*cell, known.erasure));
        self.erased.extend(held.map(|cell| (cell, Ending::Expired)));
        // A cell that a crash left overwritten tells what for; the change has no line yet.
        if held.is_some() || matches!(known.erasure, Erasure::Expired(_)) {
            self.facts.push(audit::expired(token, known));
        }
        Ok(())
    }

    /// Writes a token's entry, and begins those of its counts of wrong PINs again: officer's, user's.
    pub(crate) fn put_token(
        &mut self,
        token: Id,
        row: &TokenRow,
        reset: (bool, bool),
    ) -> Result<()> {
        let key = keyspace::token(token);
        self.get(&key)?;
        self.moved.insert((token, token));
        self.writes.insert(key, Some(keyspace::encode(row)?));
        self.counts.reset = Some((token, reset));
        self.counts.arrived = Some(token);
        Ok(())
    }

    /// Removes a token's entry, and frees its slot.
    pub(crate) fn remove_token(&mut self, token: Id) -> Result<()> {
        let key = keyspace::token(token);
        self.get(&key)?;
        self.moved.insert((token, token));
        self.writes.insert(key, None);
        self.counts.left = Some(token);
        Ok(())
    }

    /// Keeps the answer with the change.
    pub(crate) fn answer(&mut self, change: [u8; 16], revisions: Vec<u64>) {
        self.answer = Some((change, revisions));
    }

    /// Returns where the answer will stand, if there is one.
    pub(crate) fn answer_key(&self) -> Option<Key> {
        self.answer.as_ref().map(|(change, _)| keyspace::answered(change))
    }

    /// Writes the answer as that of commit `number`, and removes old ones, where there is an answer.
    pub(crate) fn keep_answer<'k>(
        &mut self,
        number: u64,
        old: impl Iterator<Item = &'k Key>,
    ) -> Result<()> {
        let Some((change, revisions)) = self.answer.take() else { return Ok(()) };
        let answered = keyspace::encode(&Answered { number, revisions })?;
        self.writes.extend(old.map(|key| (key.clone(), None)));
        self.writes.insert(keyspace::answered(&change), Some(answered));
        Ok(())
    }

    /// Makes the sweep look at a record at a later second.
    pub(crate) fn mark_due(&mut self, at: Seconds, token: Id, id: Id) {
        self.writes.insert(keyspace::due_entry(at, token, id), Some(Vec::new()));
    }

    /// Lets an erasure wait, that was found due at that second of the clock.
    pub(crate) fn defer(&mut self, found: Seconds, token: Id, id: Id) {
        self.writes.insert(keyspace::waiting(token, id), Some(found.to_be_bytes().to_vec()));
    }

    /// Takes an entry away that leads nowhere.
    pub(crate) fn forget(&mut self, entry: Key) {
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

    /// Has the audit log call a key so from now on.
    pub(crate) fn set_alias(&mut self, token: Id, id: Id, alias: &str) -> Result<()> {
        if self.alias(token, id)?.as_deref() != Some(alias) {
            self.writes.insert(keyspace::alias(token, id), Some(keyspace::encode(&alias)?));
        }
        Ok(())
    }

    /// Returns what has a line in the audit log, under the names that token and key have.
    pub(crate) fn facts(&self) -> Result<Vec<Fact>> {
        self.facts.iter().map(|fact| self.named(fact)).collect()
    }

    fn named(&self, fact: &Fact) -> Result<Fact> {
        let id = |text: &str| Id::parse(text.as_bytes());
        let Some(token) = id(&fact.token) else { return Ok(fact.clone()) };
        let key = fact.key.as_deref().and_then(id);
        let alias = key.map(|key| self.alias(token, key)).transpose()?.flatten();
        // A key without an alias is called by its ID, which the line has already.
        let alias = alias.filter(|alias| fact.key.as_ref() != Some(alias));
        Ok(Fact { label: self.label(token)?, alias, ..fact.clone() })
    }

    fn alias(&self, token: Id, id: Id) -> Result<Option<String>> {
        let row = self.as_it_will_be(&keyspace::alias(token, id))?;
        row.map(|bytes| keyspace::decode(&bytes, "a key's name")).transpose()
    }

    fn label(&self, token: Id) -> Result<Option<String>> {
        let Some(row) = self.as_it_will_be(&keyspace::token(token))? else { return Ok(None) };
        let row: TokenRow = keyspace::decode(&row, "a token")?;
        // No change is refused for a name.
        Ok(Entry::decode(&row.entry).ok().map(|entry| entry.label))
    }

    /// Returns a row as it will be, or as it was where it goes. Nothing is decided by it.
    fn as_it_will_be(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.writes.get(key) {
            Some(Some(written)) => Ok(Some(written.clone())),
            _ => self.store.records.get(key),
        }
    }

    /// Returns the end of the audit log's chain as the store has it.
    pub(crate) fn audit_head(&self) -> Result<Head> {
        match self.get(&keyspace::audit_head())? {
            Some(bytes) => keyspace::decode(&bytes, "the audit log's head"),
            None => Ok(Head::default()),
        }
    }

    /// Keeps the lines with the change they tell of.
    pub(crate) fn keep_lines(&mut self, sealed: &Sealed) -> Result<()> {
        for (seq, line) in &sealed.lines {
            self.writes.insert(keyspace::audit_line(*seq), Some(keyspace::encode(line)?));
        }
        if !sealed.lines.is_empty() {
            self.writes.insert(keyspace::audit_head(), Some(keyspace::encode(&sealed.head)?));
        }
        self.writes.extend(sealed.released.iter().map(|seq| (keyspace::audit_line(*seq), None)));
        Ok(())
    }

    /// Makes it happen, presumably as commit number `number`, and returns the number that it got. It is
    /// durable after the store's next sync. Fails with [`Reason::Conflict`], and changes nothing in the
    /// store, where a row that was read has changed.
    pub(crate) fn apply(mut self, number: CommitNumber) -> Result<(CommitNumber, AfterSync)> {
        for (token, watched) in &self.moved {
            self.store.page.moved(*token, *watched);
        }
        if let Some(token) = self.counts.left {
            // An entry that is missing from now on was not lost.
            self.store.cells.pins.abandon(token)?;
        }
        self.store.erase(&self.erased)?;
        let meta = Meta { commits: number, mark: self.store.now() };
        self.writes.insert(keyspace::meta(), Some(keyspace::encode(&meta)?));
        let batch = Batch {
            conditions: self.read.take().into_iter().map(condition).collect(),
            writes: std::mem::take(&mut self.writes).into_iter().collect(),
        };
        let number = self.store.records.apply(&batch)?;
        self.claimed.clear();
        let TokenCounts { reset, arrived, left } = self.counts;
        if let Some((token, which)) = reset {
            self.store.cells.pins.reset(token, which)?;
        }
        if arrived.is_some() || left.is_some() {
            self.store.question_logins();
        }
        let after_sync = AfterSync {
            freed: std::mem::take(&mut self.freed),
            moved: std::mem::take(&mut self.moved),
            arrived: arrived.into_iter().collect(),
            left: left.into_iter().collect(),
        };
        Ok((number, after_sync))
    }

    fn take_away_entries(&mut self, token: Id, old: &Found) {
        let known = &old.known;
        let entries = keyspace::entries(token, known.id, &known.header, false);
        self.writes.extend(entries.into_iter().map(|entry| (entry, None)));
    }

    /// Returns the cell that a record keeps while its material lives, else a fresh one.
    fn cell_for(&mut self, token: Id, id: Id, old: Option<&Found>) -> Result<CellNumber> {
        let now = self.store.now();
        match old.map(|old| (old, old.row.cell)) {
            Some((old, Some(cell))) if !old.known.is_dead(now) => Ok(cell),
            Some((old, _)) => {
                self.give_up_cell(token, old, Ending::Expired);
                self.claim(token, id)
            }
            None => self.claim(token, id),
        }
    }

    fn claim(&mut self, token: Id, id: Id) -> Result<CellNumber> {
        let cell = self.store.cells.erase.take()?;
        self.claimed.push(cell);
        let owner = [&token.bytes()[..], id.bytes()].concat();
        self.writes.insert(keyspace::claim(cell), Some(owner));
        Ok(cell)
    }

    /// Returns whether a cell has to be overwritten: a damaged one may have all but the bit that tells.
    fn may_hold_secret(&self, cell: CellNumber, erasure: Erasure) -> bool {
        erasure == Erasure::Live || self.store.cells.erase.read_cell(cell).is_err()
    }

    fn give_up_cell(&mut self, token: Id, old: &Found, ending: Ending) {
        let Some(cell) = old.row.cell else { return };
        if self.may_hold_secret(cell, old.known.erasure) {
            self.erased.push((cell, ending));
            if ending == Ending::Expired {
                self.facts.push(audit::expired(token, &old.known));
            }
        }
        self.freed.insert(cell);
        self.writes.insert(keyspace::claim(cell), None);
    }
}

fn condition((key, row): (Key, Option<Vec<u8>>)) -> Condition {
    match row {
        Some(row) => Condition::Equals(key, row),
        None => Condition::Absent(key),
    }
}

/// Cells taken for a transaction that did not happen are nobody's.
impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.claimed.drain(..).for_each(|cell| self.store.cells.erase.release(cell));
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
    fn record(&self, id: Id) -> Result<Option<Known>> {
        Ok(self.transaction.find(self.token, id)?.map(|found| found.known))
    }

    fn material(&self, key: Id) -> Result<Vec<Known>> {
        let versions = self.transaction.versions(self.token, key)?;
        Ok(versions.into_iter().map(|found| found.known).collect())
    }

    fn holders(&self, fingerprint: &Fingerprint) -> Result<Vec<Known>> {
        let found = self.transaction.store.fingerprinted(self.token, fingerprint)?;
        Ok(found.into_iter().map(|found| found.known).collect())
    }
}

impl OpenStore {
    /// Encrypts a sealed part once more, under a cell's secret.
    fn encrypt_in_cell(
        &self,
        cell: CellNumber,
        binding: shred_layer::Binding,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        match self.cells.erase.read_cell(cell)? {
            EraseCell::Secret(secret) => shred_layer::encrypt(&secret, binding, sealed),
            EraseCell::Deleted(_) | EraseCell::Expired(_) => Err(Reason::Conflict.into()),
        }
    }

    fn erase(&self, cells: &[(CellNumber, Ending)]) -> Result<()> {
        let of = |wanted: Ending| -> Vec<CellNumber> {
            cells.iter().filter(|(_, ending)| *ending == wanted).map(|(cell, _)| *cell).collect()
        };
        let now = self.now();
        self.cells.erase.delete(&of(Ending::Deleted), now)?;
        self.cells.erase.expire(&of(Ending::Expired), now)
    }
}
