//! The PIN cells: a slot for each token, and how many wrong PINs it was given in a row.

use super::cell::{Cell, FIRST_ERASE, FIRST_PIN, Pin};
use super::{Inner, Slots, damaged};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use std::collections::HashSet;

/// How many tokens the file has room for.
pub const TOKENS: u32 = FIRST_ERASE - FIRST_PIN;

impl Slots {
    /// The slot number of a token, for good, and its wrong PINs: security officer's, user's.
    pub fn pin(&self, token: Id) -> Result<(u32, (u8, u8))> {
        match self.lock().pins.get(&token) {
            Some((number, pin)) => Ok((number - FIRST_PIN, (pin.officer, pin.user))),
            None => Err(self.no_counter(token)),
        }
    }

    /// Whether the file counts a token's wrong PINs; an error where damage hides the answer.
    pub fn counts(&self, token: Id) -> Result<bool> {
        let inner = self.lock();
        match inner.pins.contains_key(&token) {
            false if inner.illegible => Err(self.no_counter(token)),
            counts => Ok(counts),
        }
    }

    /// Durably reserves a slot for a token that is about to be written: the one that is `meant`, which
    /// is a conflict where it is not free any more, else the first free one.
    pub fn reserve(&self, token: Id, meant: Option<u32>) -> Result<u32> {
        let mut inner = self.lock();
        if let Some((number, _)) = inner.pins.get(&token) {
            return Ok(number - FIRST_PIN);
        }
        let used: HashSet<u32> = inner.pins.values().map(|(number, _)| *number).collect();
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
    pub fn settle_tokens(&self, known: &HashSet<Id>) -> Result<()> {
        let pins: Vec<(u32, Pin)> = self.lock().pins.values().copied().collect();
        for (number, pin) in pins {
            match (known.contains(&pin.token), pin.in_use) {
                (true, true) => {}
                (true, false) => self.confirm(pin.token)?,
                (false, false) => {
                    self.lock().pins.remove(&pin.token);
                    self.write(number, &Cell::Pin(None))?;
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
        match known.iter().find(|token| !self.lock().pins.contains_key(token)) {
            Some(token) => Err(self.no_counter(*token)),
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
            Some((number, _)) => self.write(number, &Cell::Pin(None)),
            None => Ok(()),
        }
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

    fn write_pin(&self, inner: &mut Inner, number: u32, pin: Pin) -> Result<()> {
        self.write(number, &Cell::Pin(Some(pin)))?;
        inner.pins.insert(pin.token, (number, pin));
        Ok(())
    }

    fn no_counter(&self, token: Id) -> Error {
        damaged(&self.path, format_args!("it does not count the PINs of token {token}"))
    }
}
