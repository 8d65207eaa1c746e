//! The PIN counts: a PKCS#11 slot for each token, and how many wrong PINs it was given in a row.

use super::cell::{Cell, CellNumber, FIRST_ERASE, FIRST_PIN, PinCell};
use super::damage::{Damage, Extent};
use super::file::CellFile;
use super::fixed::{FixedCells, damaged};
use crate::error::{Error, Reason, Result};
use crate::file_names::RECORDS;
use crate::id::Id;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of tokens that the file has room for.
pub(crate) const TOKENS: u32 = FIRST_ERASE - FIRST_PIN;

/// The wrong PINs of each token, and which slot it has.
pub(crate) struct PinCounts {
    file: Arc<CellFile>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Each token's PIN cell.
    pins: BTreeMap<Id, (CellNumber, PinCell)>,
    /// PIN cells that a token has left.
    vacant: HashSet<CellNumber>,
    /// Tokens whose count is lost, each with its PIN cell: they count as locked.
    uncounted: BTreeMap<Id, CellNumber>,
}

impl PinCounts {
    /// Reads the counts from the fixed cells.
    pub(super) fn read(file: Arc<CellFile>, fixed: &FixedCells) -> Self {
        let mut counts = Counts::default();
        for number in FIRST_PIN..FIRST_ERASE {
            match fixed.get(number) {
                Some(Cell::Pin(Some(pin))) => {
                    counts.pins.insert(pin.token, (number, *pin));
                }
                Some(Cell::Pin(None)) => {
                    counts.vacant.insert(number);
                }
                _ => {}
            }
        }
        Self { file, counts: Mutex::new(counts) }
    }

    /// Returns true if no token has a cell.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().pins.is_empty()
    }

    /// Returns true if tokens have cells, and none of these has.
    pub(super) fn is_of_others(&self, tokens: &HashMap<Id, u32>) -> bool {
        let counts = self.lock();
        let known = |token: &Id| tokens.contains_key(token);
        !counts.pins.is_empty() && !tokens.is_empty() && !counts.pins.keys().any(known)
    }

    /// Returns the slot of a token, for good, and its wrong PINs: security officer's, user's.
    /// Where the count is lost, as many as there can be: it is locked.
    pub(crate) fn of(&self, token: Id) -> Result<(u32, (u8, u8))> {
        let counts = self.lock();
        match (counts.pins.get(&token), counts.uncounted.get(&token)) {
            (Some((number, pin)), _) => Ok((number - FIRST_PIN, (pin.officer, pin.user))),
            (None, Some(number)) => Ok((number - FIRST_PIN, (u8::MAX, u8::MAX))),
            (None, None) => Err(self.no_count(token)),
        }
    }

    /// Returns true if the file counts the wrong PINs of the token in a slot, or has lost the count. It does
    /// not for a token that was destroyed.
    pub(crate) fn counts(&self, token: Id, slot: u32) -> bool {
        let mut counts = self.lock();
        if !counts.pins.contains_key(&token) && counts.has_lost(slot) {
            counts.uncounted.insert(token, FIRST_PIN + slot);
        }
        counts.pins.contains_key(&token) || counts.uncounted.contains_key(&token)
    }

    /// Reserves a slot, durably, for a token that is about to be written: the first free one that `fits`. It
    /// is a conflict where none does, and where the token has one that does not.
    pub(crate) fn reserve(&self, token: Id, fits: &dyn Fn(u32) -> Result<bool>) -> Result<u32> {
        let mut counts = self.lock();
        if let Some((number, _)) = counts.pins.get(&token) {
            let slot = number - FIRST_PIN;
            return if fits(slot)? { Ok(slot) } else { Err(Reason::Conflict.into()) };
        }
        let number = counts.free(fits)?;
        let pin = PinCell { token, in_use: false, officer: 0, user: 0 };
        self.write(&mut counts, number, pin)?;
        drop(counts);
        self.file.sync()?;
        Ok(number - FIRST_PIN)
    }

    /// Returns the tokens that have a cell.
    pub(crate) fn tokens(&self) -> Vec<Id> {
        self.lock().pins.keys().copied().collect()
    }

    /// Has the cell of a slot count these wrong PINs of a token that other hosts may have made; durable with the next
    /// sync. A token that was reserved there, and is not in the store, makes way.
    pub(crate) fn adopt(&self, token: Id, slot: u32, (officer, user): (u8, u8)) -> Result<()> {
        let number = FIRST_PIN.saturating_add(slot);
        if number >= FIRST_ERASE {
            return Err(damaged(self.file.path(), format_args!("there is no slot {slot}")));
        }
        let (mut counts, pin) = (self.lock(), PinCell { token, in_use: true, officer, user });
        if counts.pins.get(&token) == Some(&(number, pin)) {
            return Ok(());
        }
        let moved = counts.pins.get(&token).map(|(at, _)| *at).filter(|at| *at != number);
        if let Some(at) = moved {
            self.file.write(at, &Cell::Pin(None))?;
            counts.vacant.insert(at);
        }
        counts.pins.retain(|_, (at, _)| *at != number);
        self.write(&mut counts, number, pin)
    }

    /// Frees the slot of a token that stood in the store, and does not any more; durable with the next sync.
    pub(crate) fn vacate_used(&self, token: Id) -> Result<()> {
        let used = self.lock().pins.get(&token).filter(|(_, pin)| pin.in_use).map(|(at, _)| *at);
        used.map_or(Ok(()), |number| self.forget(token, number))
    }

    /// Compares the cells with the tokens that the store holds, after opening. A reservation that no token
    /// followed is free again; a token in use that the store does not know means that it lost it.
    pub(crate) fn reconcile(&self, known: &HashMap<Id, u32>) -> Result<()> {
        let pins: Vec<(CellNumber, PinCell)> = self.lock().pins.values().copied().collect();
        for (number, pin) in pins {
            match (known.contains_key(&pin.token), pin.in_use) {
                (true, true) => {}
                (true, false) => self.confirm(pin.token)?,
                (false, false) => self.forget(pin.token, number)?,
                (false, true) => {
                    let token = pin.token;
                    let description = format_args!(
                        "it counts the PINs of token {token}, which the records in {RECORDS} do not have"
                    );
                    return Err(damaged(self.file.path(), description));
                }
            }
        }
        match known.iter().find(|(token, slot)| !self.counts(**token, **slot)) {
            Some((token, _)) => Err(self.no_count(*token)),
            None => Ok(()),
        }
    }

    /// Notes that a token's entry stands in the store; durable with the next sync.
    pub(crate) fn confirm(&self, token: Id) -> Result<()> {
        self.change(token, |pin| pin.in_use = true).map(drop)
    }

    /// Notes, durably, that a token's entry is about to leave the store.
    pub(crate) fn abandon(&self, token: Id) -> Result<()> {
        self.change(token, |pin| pin.in_use = false)?;
        self.file.sync()
    }

    /// Frees the slot of a token that the store does not hold any more; durable with the next sync.
    pub(crate) fn vacate(&self, token: Id) -> Result<()> {
        let number = self.lock().pins.get(&token).map(|(number, _)| *number);
        number.map_or(Ok(()), |number| self.forget(token, number))
    }

    /// Frees the slots of all tokens but these; durable with the next sync.
    pub(super) fn keep_only(&self, tokens: &HashSet<Id>) -> Result<()> {
        let pins: Vec<(CellNumber, PinCell)> = self.lock().pins.values().copied().collect();
        let mut lost = pins.into_iter().filter(|(_, pin)| !tokens.contains(&pin.token));
        lost.try_for_each(|(number, pin)| self.forget(pin.token, number))
    }

    /// Counts one attempt, durably, and returns the number of attempts in a row, with this one.
    pub(crate) fn count_attempt(&self, token: Id, officer: bool) -> Result<u8> {
        let pin = self.change(token, |pin| {
            let count = if officer { &mut pin.officer } else { &mut pin.user };
            *count = count.saturating_add(1);
        })?;
        self.file.sync()?;
        Ok(if officer { pin.officer } else { pin.user })
    }

    /// Starts counts again: security officer's, user's. Durable with the next sync.
    pub(crate) fn reset(&self, token: Id, which: (bool, bool)) -> Result<()> {
        let reset = |pin: &mut PinCell| {
            pin.officer = if which.0 { 0 } else { pin.officer };
            pin.user = if which.1 { 0 } else { pin.user };
        };
        self.change(token, reset).map(drop)
    }

    /// Gives each token whose count is lost these counts, and returns its cell; durable with the next sync.
    pub(super) fn count_anew(&self, (officer, user): (u8, u8)) -> Result<Vec<Damage>> {
        let mut counts = self.lock();
        let mut mended = Vec::new();
        for (token, cell) in std::mem::take(&mut counts.uncounted) {
            let pin = PinCell { token, in_use: true, officer, user };
            self.write(&mut counts, cell, pin)?;
            mended.push(Damage { cell, extent: Extent::Lost });
        }
        Ok(mended)
    }

    fn change(&self, token: Id, change: impl FnOnce(&mut PinCell)) -> Result<PinCell> {
        let mut counts = self.lock();
        let (number, mut pin) =
            counts.pins.get(&token).copied().ok_or_else(|| self.no_count(token))?;
        let before = pin;
        change(&mut pin);
        if pin != before {
            self.write(&mut counts, number, pin)?;
        }
        Ok(pin)
    }

    fn write(&self, counts: &mut Counts, number: CellNumber, pin: PinCell) -> Result<()> {
        self.file.write(number, &Cell::Pin(Some(pin)))?;
        counts.vacant.remove(&number);
        counts.pins.insert(pin.token, (number, pin));
        Ok(())
    }

    fn forget(&self, token: Id, number: CellNumber) -> Result<()> {
        let mut counts = self.lock();
        counts.pins.remove(&token);
        self.file.write(number, &Cell::Pin(None))?;
        counts.vacant.insert(number);
        Ok(())
    }

    fn no_count(&self, token: Id) -> Error {
        damaged(self.file.path(), format_args!("it does not count the PINs of token {token}"))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Returns the cell that a new token gets.
    fn free(&self, fits: &dyn Fn(u32) -> Result<bool>) -> Result<CellNumber> {
        let counted = self.pins.values().map(|(number, _)| *number);
        let used: HashSet<CellNumber> = counted.chain(self.uncounted.values().copied()).collect();
        let mut free = (FIRST_PIN..FIRST_ERASE).filter(|number| !used.contains(number)).peekable();
        if free.peek().is_none() {
            let description = format_args!("a store holds at most {TOKENS} tokens");
            return Err(Reason::StoreFull.detail(description));
        }
        for number in free {
            if fits(number - FIRST_PIN)? {
                return Ok(number);
            }
        }
        Err(Reason::Conflict.into())
    }

    /// Returns true if the PIN cell of a slot is lost: damaged, or as if it had never been written.
    fn has_lost(&self, slot: u32) -> bool {
        let number = FIRST_PIN.saturating_add(slot);
        let taken = self.pins.values().any(|(other, _)| *other == number);
        number < FIRST_ERASE && !taken && !self.vacant.contains(&number)
    }
}
