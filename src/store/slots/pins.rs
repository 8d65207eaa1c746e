//! The PIN cells: a slot for each token, and how many wrong PINs it was given in a row.

use super::cell::{Cell, FIRST_ERASE, FIRST_PIN, Pin};
use super::{Inner, Slots, damaged};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use std::collections::{HashMap, HashSet};

/// How many tokens the file has room for.
pub const TOKENS: u32 = FIRST_ERASE - FIRST_PIN;

impl Slots {
    /// The slot number of a token, for good, and its wrong PINs: security officer's, user's.
    /// Where the count is lost, as many as there can be: it is locked.
    pub fn pin(&self, token: Id) -> Result<(u32, (u8, u8))> {
        let inner = self.lock();
        match (inner.pins.get(&token), inner.uncounted.get(&token)) {
            (Some((number, pin)), _) => Ok((number - FIRST_PIN, (pin.officer, pin.user))),
            (None, Some(number)) => Ok((number - FIRST_PIN, (u8::MAX, u8::MAX))),
            (None, None) => Err(self.no_counter(token)),
        }
    }

    /// Whether the file counts the wrong PINs of the token in a slot, or has lost the count. It does not for
    /// a token that was destroyed.
    pub fn counts(&self, token: Id, slot: u32) -> bool {
        let mut inner = self.lock();
        if !inner.pins.contains_key(&token) && inner.has_lost(slot) {
            inner.uncounted.insert(token, FIRST_PIN + slot);
        }
        inner.pins.contains_key(&token) || inner.uncounted.contains_key(&token)
    }

    /// Durably reserves a slot for a token that is about to be written: the one that is `meant`, which
    /// is a conflict where it is not free any more, else the first free one.
    pub fn reserve(&self, token: Id, meant: Option<u32>) -> Result<u32> {
        let mut inner = self.lock();
        if let Some((number, _)) = inner.pins.get(&token) {
            return Ok(number - FIRST_PIN);
        }
        let counted = inner.pins.values().map(|(number, _)| *number);
        let used: HashSet<u32> = counted.chain(inner.uncounted.values().copied()).collect();
        let mut free = (FIRST_PIN..FIRST_ERASE).filter(|number| !used.contains(number)).peekable();
        if free.peek().is_none() {
            return Err(
                Reason::StoreFull.detail(format_args!("a store holds at most {TOKENS} tokens"))
            );
        }
        let fits = |number: &u32| meant.is_none_or(|slot| slot == number - FIRST_PIN);
        let number = free.find(fits).ok_or(Reason::Conflict)?;
        let pin = Pin { token, in_use: false, officer: 0, user: 0 };
        self.write_pin(&mut inner, number, pin)?;
        drop(inner);
        self.sync()?;
        Ok(number - FIRST_PIN)
    }

    /// Tells the file which tokens the store holds, after opening. A reservation that no token
    /// followed is free again; a token in use that the store does not know means that it lost it.
    pub fn settle_tokens(&self, known: &HashMap<Id, u32>) -> Result<()> {
        let pins: Vec<(u32, Pin)> = self.lock().pins.values().copied().collect();
        for (number, pin) in pins {
            match (known.contains_key(&pin.token), pin.in_use) {
                (true, true) => {}
                (true, false) => self.confirm(pin.token)?,
                (false, false) => {
                    let mut inner = self.lock();
                    inner.pins.remove(&pin.token);
                    self.empty_pin(&mut inner, number)?;
                }
                (false, true) => {
                    return Err(damaged(
                        &self.path,
                        format_args!(
                            "it counts the PINs of token {}, which db/ does not hold",
                            pin.token
                        ),
                    ));
                }
            }
        }
        match known.iter().find(|(token, slot)| !self.counts(**token, **slot)) {
            Some((token, _)) => Err(self.no_counter(*token)),
            None => Ok(()),
        }
    }

    /// Notes that a token's entry stands in the store; durable with the next sync.
    pub fn confirm(&self, token: Id) -> Result<()> {
        self.change_pin(token, |pin| pin.in_use = true).map(drop)
    }

    /// Durably notes that a token's entry is about to leave the store.
    pub fn abandon(&self, token: Id) -> Result<()> {
        self.change_pin(token, |pin| pin.in_use = false)?;
        self.sync()
    }

    /// Frees the slot of a token that the store does not hold any more; durable with the next sync.
    pub fn vacate(&self, token: Id) -> Result<()> {
        let mut inner = self.lock();
        match inner.pins.remove(&token) {
            Some((number, _)) => self.empty_pin(&mut inner, number),
            None => Ok(()),
        }
    }

    pub(super) fn empty_pin(&self, inner: &mut Inner, number: u32) -> Result<()> {
        self.write(number, &Cell::Pin(None))?;
        inner.damaged.remove(&number);
        inner.vacant.insert(number);
        Ok(())
    }

    /// Durably counts one attempt; the number of attempts in a row, with this one.
    pub fn count_attempt(&self, token: Id, officer: bool) -> Result<u8> {
        let pin = self.change_pin(token, |pin| {
            let count = if officer { &mut pin.officer } else { &mut pin.user };
            *count = count.saturating_add(1);
        })?;
        self.sync()?;
        Ok(if officer { pin.officer } else { pin.user })
    }

    /// Starts counts again: security officer's, user's. Durable with the next sync.
    pub fn reset(&self, token: Id, which: (bool, bool)) -> Result<()> {
        let reset = |pin: &mut Pin| {
            pin.officer = if which.0 { 0 } else { pin.officer };
            pin.user = if which.1 { 0 } else { pin.user };
        };
        self.change_pin(token, reset).map(drop)
    }

    fn change_pin(&self, token: Id, change: impl FnOnce(&mut Pin)) -> Result<Pin> {
        let mut inner = self.lock();
        let (number, mut pin) =
            inner.pins.get(&token).copied().ok_or_else(|| self.no_counter(token))?;
        let before = pin;
        change(&mut pin);
        if pin != before {
            self.write_pin(&mut inner, number, pin)?;
        }
        Ok(pin)
    }

    pub(super) fn write_pin(&self, inner: &mut Inner, number: u32, pin: Pin) -> Result<()> {
        self.write(number, &Cell::Pin(Some(pin)))?;
        inner.damaged.remove(&number);
        inner.vacant.remove(&number);
        inner.pins.insert(pin.token, (number, pin));
        Ok(())
    }

    fn no_counter(&self, token: Id) -> Error {
        damaged(&self.path, format_args!("it does not count the PINs of token {token}"))
    }
}

impl Inner {
    /// Whether the PIN cell of a slot is lost: damaged, or as if it had never been written.
    fn has_lost(&self, slot: u32) -> bool {
        let number = FIRST_PIN.saturating_add(slot);
        let taken = self.pins.values().any(|(other, _)| *other == number);
        number < FIRST_ERASE && !taken && !self.vacant.contains(&number)
    }
}
