//! The counts of wrong PINs where several hosts write the store: its rows count, and the agent's own cells keep the
//! highest count of each that was seen.

use super::OpenStore;
use crate::agent::keyspace;
use crate::agent::rows::{self, PinRow, WrongPins};
use crate::error::{Reason, Result};
use crate::id::Id;
use crate::key::pin::PIN_TRIES;
use crate::store::{Batch, Condition};

/// The most wrong tries in a row that one host of a fleet makes of one PIN.
const TRIES_OF_HOST: u8 = PIN_TRIES / 2;

/// The number of times in a row that a try is counted again because another host was faster.
const MOST_CONFLICTS: usize = 64;

impl WrongPins {
    /// Returns the number of tries as it counts for a host: those of all, or more where fewer of its own are left.
    fn of(&self, host: Id) -> u8 {
        let own = self.by_host.iter().find(|(of, _)| *of == host).map_or(0, |(_, own)| *own);
        match own {
            0 => self.in_all,
            own => self.in_all.max(own.saturating_add(PIN_TRIES - TRIES_OF_HOST)),
        }
    }

    fn count(&mut self, host: Id) {
        self.in_all = self.in_all.saturating_add(1);
        match self.by_host.iter_mut().find(|(of, _)| *of == host) {
            Some((_, own)) => *own = own.saturating_add(1),
            None => self.by_host.push((host, 1)),
        }
        self.nonce = nonce();
    }

    /// Begins again.
    pub(crate) fn begin_again() -> Self {
        Self { nonce: nonce(), ..Self::default() }
    }
}

impl PinRow {
    /// Reads a token's row.
    pub(crate) fn read(bytes: Option<&[u8]>) -> Result<Self> {
        bytes.map_or_else(|| Ok(Self::default()), |bytes| rows::decode(bytes, "counts of PINs"))
    }

    fn of(&mut self, officer: bool) -> &mut WrongPins {
        if officer { &mut self.officer } else { &mut self.user }
    }
}

impl OpenStore {
    /// Returns the wrong PINs of a token in a row, as they count here: security officer's, user's.
    pub(crate) fn wrong_pins(&self, token: Id) -> Result<(u8, u8)> {
        let Some(host) = self.host else { return Ok(self.cells.pins.of(token)?.1) };
        let row = PinRow::read(self.records.get(&keyspace::pins(token))?.as_deref())?;
        Ok((row.officer.of(host), row.user.of(host)))
    }

    /// Counts one try, durably, and returns the number of tries in a row, with this one, as they count here. It is
    /// counted before it is compared: where the outcome is unknown, it is not compared at all.
    pub(crate) fn count_try(&self, token: Id, officer: bool) -> Result<u8> {
        let Some(host) = self.host else { return self.cells.pins.count_attempt(token, officer) };
        self.check_reach()?;
        self.change_pins(token, |row| {
            let wrong = row.of(officer);
            wrong.count(host);
            wrong.of(host)
        })
    }

    /// Begins the counts of a PIN again that was the right one.
    pub(crate) fn reset_tries(&self, token: Id, officer: bool) -> Result<()> {
        if self.host.is_none() {
            return self.cells.pins.reset(token, (officer, !officer));
        }
        self.change_pins(token, |row| *row.of(officer) = WrongPins::begin_again())
    }

    fn change_pins<T>(&self, token: Id, mut change: impl FnMut(&mut PinRow) -> T) -> Result<T> {
        let key = keyspace::pins(token);
        for _ in 0..MOST_CONFLICTS {
            let found = self.records.get(&key)?;
            let mut row = PinRow::read(found.as_deref())?;
            let answer = change(&mut row);
            let compared = Condition::unchanged(key.clone(), found);
            // A token that is destroyed meanwhile gets no row.
            let entry = keyspace::token(token);
            let there = self.records.get(&entry)?.ok_or(Reason::TokenAbsent)?;
            let mut conditions = vec![compared, Condition::Equals(entry, there)];
            // A host that was expelled counts nothing, and learns nothing of a PIN by that.
            conditions.extend(self.same_hosts()?);
            let writes = vec![(key.clone(), Some(rows::encode(&row)?))];
            match self.apply(&Batch { conditions, writes }) {
                Err(error) if error.reason() == Reason::Conflict => {}
                applied => return applied.map(|_| answer),
            }
        }
        Err(Reason::Conflict.into())
    }

    /// Frees the slots of tokens that are not in the store, after opening: also those that were only reserved.
    pub(super) fn vacate_unknown(&self) -> Result<()> {
        for token in self.cells.pins.tokens() {
            if self.token(token)?.is_none() {
                self.cells.pins.vacate(token)?;
            }
        }
        Ok(())
    }

    /// Has the own cells count what the store's rows of all tokens say.
    pub(super) fn adopt_tokens(&self) -> Result<()> {
        for token in self.cells.pins.tokens() {
            self.adopt_token(token)?;
        }
        for (token, _) in self.tokens()? {
            self.adopt_token(token)?;
        }
        Ok(())
    }

    /// Has an own cell count what the store's rows of a token say; frees it where there is no such token.
    pub(super) fn adopt_token(&self, token: Id) -> Result<()> {
        match self.token(token)? {
            Some(row) => {
                let wrong = PinRow::read(self.records.get(&keyspace::pins(token))?.as_deref())?;
                self.cells.pins.adopt(token, row.slot, (wrong.officer.in_all, wrong.user.in_all))
            }
            None => self.cells.pins.vacate_used(token),
        }
    }
}

fn nonce() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}
