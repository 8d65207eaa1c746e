//! One batch in the making: rows, the entries that lead to them, erase cells claimed and given up.
//!
//! The order in which it happens is the promise of this project: generations move, cells are
//! overwritten and synced, and only then does the store change.

use super::audit::{self, Fact, Sealed};
use super::keyspace::{self, Answered, Key, Meta, Row, TokenRow};
use super::open_store::{Found, OpenStore};
use super::shred_layer;
use crate::clock::Seconds;
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::pin::Entry;
use crate::key::state::Erasure;
use crate::key::{Header, Role};
use crate::store::cells::{CellNumber, EraseCell};
use crate::store::{Batch, CommitNumber, Condition};
use std::collections::{BTreeMap, BTreeSet};

/// Why cells are overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody asked for it.
    Deleted,
    /// The time had come.
    Expired,
}

/// Changes that will happen together.
pub struct Transaction<'a> {
    store: &'a OpenStore,
    conditions: Vec<Condition>,
    writes: BTreeMap<Key, Option<Vec<u8>>>,
    erased: Vec<(CellNumber, Ending)>,
    claimed: Vec<CellNumber>,
    freed: BTreeSet<CellNumber>,
    moved: BTreeSet<(Id, Id)>,
    facts: Vec<Fact>,
}

/// What remains to be done once a transaction's batch is durable.
#[derive(Debug, Default)]
pub struct AfterSync {
    /// Cells that nobody claims any more.
    pub freed: BTreeSet<CellNumber>,
    /// Token and watched identity of what changed.
    pub moved: BTreeSet<(Id, Id)>,
}

impl<'a> Transaction<'a> {
    /// Nothing yet.
    pub fn new(store: &'a OpenStore) -> Self {
        Self {
            store,
            conditions: Vec::new(),
            writes: BTreeMap::new(),
            erased: Vec::new(),
            claimed: Vec::new(),
            freed: BTreeSet::new(),
            moved: BTreeSet::new(),
            facts: Vec::new(),
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether a record ends with it.
    pub fn removes(&self, token: Id, id: Id) -> bool {
        self.writes.get(&keyspace::record(token, id)) == Some(&None)
    }

    /// Writes a record over what stands there; its new revision.
    pub fn put(
        &mut self,
        token: Id,
        id: Id,
        old: Option<&Found>,
        header: Header,
        (header_bytes, sealed): (Vec<u8>, Vec<u8>),
    ) -> Result<u64> {
        let revision = old.map_or(0, |old| old.row.revision) + 1;
        self.moved.insert((token, header.watched(id)));
        if let Some(old) = old {
            self.take_away_entries(token, old);
        }
        for entry in keyspace::entries(token, id, &header, false) {
            self.writes.insert(entry, Some(Vec::new()));
        }
        let mut row = Row { revision, cell: None, header: header_bytes, sealed };
        if header.holds_key() {
            let cell = self.cell_for(token, id, old)?;
            let binding = shred_layer::Binding { token, id, revision };
            row.sealed = self.store.encrypt_in_cell(cell, binding, &row.sealed)?;
            row.cell = Some(cell);
        }
        self.expect(token, id, old)?;
        self.writes.insert(keyspace::record(token, id), Some(keyspace::encode(&row)?));
        Ok(revision)
    }

    /// Removes a record; its material is erased first.
    pub fn remove(&mut self, token: Id, old: &Found, ending: Ending) -> Result<()> {
        self.moved.insert((token, old.known.header.watched(old.known.id)));
        self.take_away_entries(token, old);
        self.give_up_cell(token, old, ending);
        self.expect(token, old.known.id, Some(old))?;
        self.writes.insert(keyspace::record(token, old.known.id), None);
        if matches!(old.known.header.role, Role::CustomKey(_) | Role::Object { holds_key: true }) {
            self.writes.insert(keyspace::alias(token, old.known.id), None);
        }
        Ok(())
    }

    /// Erases expired material and leaves its record, found by its custom key only, as the place
    /// where its cell says what happened.
    pub fn tombstone(&mut self, token: Id, old: &Found) {
        let known = &old.known;
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
    }

    /// Writes a token's entry.
    pub fn put_token(&mut self, token: Id, row: &TokenRow) -> Result<()> {
        self.moved.insert((token, token));
        self.writes.insert(keyspace::token(token), Some(keyspace::encode(row)?));
        Ok(())
    }

    /// Removes a token's entry.
    pub fn remove_token(&mut self, token: Id) {
        self.moved.insert((token, token));
        self.writes.insert(keyspace::token(token), None);
    }

    /// Keeps the answer with the change, and forgets an old one.
    pub fn answer(&mut self, change: &[u8; 16], answered: &Answered, old: &[Key]) -> Result<()> {
        self.writes.insert(keyspace::answered(change), Some(keyspace::encode(answered)?));
        self.writes.extend(old.iter().map(|key| (key.clone(), None)));
        Ok(())
    }

    /// Makes the sweep look at a record at a later second.
    pub fn mark_due(&mut self, at: Seconds, token: Id, id: Id) {
        self.writes.insert(keyspace::due_entry(at, token, id), Some(Vec::new()));
    }

    /// Lets an erasure wait, that was found due at that second of the clock.
    pub fn defer(&mut self, found: Seconds, token: Id, id: Id) {
        self.writes.insert(keyspace::waiting(token, id), Some(found.to_be_bytes().to_vec()));
    }

    /// Takes an entry away that leads nowhere.
    pub fn forget(&mut self, entry: Key) {
        self.writes.insert(entry, None);
    }

    /// Keeps how often a key was used on a day, or forgets it.
    pub fn save_uses(&mut self, of: (Id, Id, u32), times: Option<u64>) {
        let times = times.map(|times| times.to_be_bytes().to_vec());
        self.writes.insert(keyspace::uses(of), times);
    }

    /// Has a line in the audit log.
    pub fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Has the audit log call a key so from now on.
    pub fn set_alias(&mut self, token: Id, id: Id, alias: &str) -> Result<()> {
        if self.alias(token, id)?.as_deref() != Some(alias) {
            self.writes.insert(keyspace::alias(token, id), Some(keyspace::encode(&alias)?));
        }
        Ok(())
    }

    /// What has a line in the audit log, under the names that token and key have.
    pub fn facts(&self) -> Result<Vec<Fact>> {
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
        let row = self.row(&keyspace::alias(token, id))?;
        row.map(|bytes| keyspace::decode(&bytes, "a key's name")).transpose()
    }

    fn label(&self, token: Id) -> Result<Option<String>> {
        let Some(row) = self.row(&keyspace::token(token))? else { return Ok(None) };
        let row: TokenRow = keyspace::decode(&row, "a token")?;
        // No change is refused for a name.
        Ok(Entry::decode(&row.entry).ok().map(|entry| entry.label))
    }

    /// A row as it will be, or as it was where it goes.
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.writes.get(key) {
            Some(Some(written)) => Ok(Some(written.clone())),
            _ => self.store.records.get(key),
        }
    }

    /// Keeps the lines with the change they tell of.
    pub fn keep_lines(&mut self, sealed: &Sealed) -> Result<()> {
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
    /// durable after the store's next sync.
    pub fn apply(mut self, number: CommitNumber) -> Result<(CommitNumber, AfterSync)> {
        for (token, watched) in &self.moved {
            self.store.page.moved(*token, *watched);
        }
        self.store.erase(&self.erased)?;
        let meta = Meta { commits: number, mark: self.store.now() };
        self.writes.insert(keyspace::meta(), Some(keyspace::encode(&meta)?));
        let batch = Batch {
            conditions: std::mem::take(&mut self.conditions),
            writes: std::mem::take(&mut self.writes).into_iter().collect(),
        };
        let number = self.store.records.apply(&batch)?;
        self.claimed.clear();
        let (freed, moved) = (std::mem::take(&mut self.freed), std::mem::take(&mut self.moved));
        Ok((number, AfterSync { freed, moved }))
    }

    fn expect(&mut self, token: Id, id: Id, old: Option<&Found>) -> Result<()> {
        let key = keyspace::record(token, id);
        self.conditions.push(match old {
            Some(old) => Condition::Equals(key, keyspace::encode(&old.row)?),
            None => Condition::Absent(key),
        });
        Ok(())
    }

    fn take_away_entries(&mut self, token: Id, old: &Found) {
        let known = &old.known;
        let entries = keyspace::entries(token, known.id, &known.header, false);
        self.writes.extend(entries.into_iter().map(|entry| (entry, None)));
    }

    /// The cell that a record keeps while its material lives, else a fresh one.
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

    /// Whether a cell has to be overwritten: a damaged one may have all but the bit that tells.
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

/// Cells taken for a transaction that did not happen are nobody's.
impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.claimed.drain(..).for_each(|cell| self.store.cells.erase.release(cell));
    }
}

impl OpenStore {
    /// Covers a sealed part under a cell's secret.
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
