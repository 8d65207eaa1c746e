//! The slots of a store: one for each token, and one more in which the next can be initialised.
//! A token keeps its slot number for good, and a process keeps every slot that it has shown.

use super::evictor::Evictor;
use super::pin::check_length;
use super::records::unexpected;
use super::retry::retry_on_conflict;
use super::{Settings, Token, TokenInfo};
use crate::clock::{Clock, Seconds};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::key::pin::{Pin, TokenEntry};
use crate::key::policy::WRAPPING_RSA;
use crate::key::seal::TokenKey;
use crate::lc;
use crate::mechanism;
use crate::wire::message::MOST_TOKENS;
use crate::wire::{Confidential, Expect, Link, Request, Response, StoredToken};
use pkcs11_sys::CKK_RSA;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The slots of a store.
pub struct Slots {
    link: Arc<Link>,
    pub(super) clock: Arc<dyn Clock>,
    settings: Settings,
    tokens: Mutex<HashMap<Id, Arc<Token>>>,
    /// Slots that this process has been shown. They stay, whatever becomes of the tokens in them.
    shown: Mutex<BTreeSet<u64>>,
    pub(super) evictor: Arc<Evictor>,
    /// The list that was asked for last.
    listed: Mutex<Option<Vec<u64>>>,
}

impl Slots {
    /// Returns the slots of the store behind `link`.
    pub fn new(link: Link, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let (tokens, shown, listed) = Default::default();
        Self {
            link: Arc::new(link),
            clock,
            settings,
            tokens,
            shown,
            listed,
            evictor: Arc::default(),
        }
    }

    /// Returns the list as it was when its length was asked for last (PKCS#11 3.1, 5.5.1): what `list` says,
    /// if the length is asked for now or never was.
    pub fn listed(
        &self,
        asks_length: bool,
        list: impl FnOnce() -> Result<Vec<u64>>,
    ) -> Result<Vec<u64>> {
        let known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|_| !asks_length) {
            return Ok(known);
        }
        let list = list()?;
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(list.clone());
        Ok(list)
    }

    /// Returns slot numbers: the tokens', then those of free slots. One slot is free, unless the store is
    /// full of tokens; more are where this process has been shown them and they hold no token now.
    pub fn list(&self) -> Result<Vec<u64>> {
        let entries = self.entries()?;
        let free = self.free_slots(&entries);
        let used = entries.iter().map(|entry| u64::from(entry.slot));
        let list: Vec<u64> = used.chain(free).collect();
        self.shown().extend(&list);
        Ok(list)
    }

    /// Returns the slots there are whether or not an agent answers for their tokens: those this process has
    /// been shown, at least the first.
    pub fn without_agent(&self) -> Vec<u64> {
        let shown = self.shown();
        if shown.is_empty() { vec![0] } else { shown.iter().copied().collect() }
    }

    /// Returns the token in a slot; the free slot is `TokenUnrecognized`.
    pub fn token(&self, slot: u64) -> Result<Arc<Token>> {
        if let Some(known) = self.known(slot) {
            return Ok(known);
        }
        let entries = self.entries()?;
        match entries.iter().find(|entry| u64::from(entry.slot) == slot) {
            Some(entry) => self.open(entry),
            None if self.free_slots(&entries).contains(&slot) => {
                Err(Reason::TokenUnrecognized.into())
            }
            None => Err(Reason::SlotUnknown.into()),
        }
    }

    /// Returns the content of `C_GetTokenInfo` for a slot.
    pub fn info(&self, slot: u64) -> Result<TokenInfo> {
        let entries = self.entries()?;
        match entries.iter().find(|entry| u64::from(entry.slot) == slot) {
            Some(entry) => info(entry),
            None if self.free_slots(&entries).contains(&slot) => Ok(TokenInfo {
                label: None,
                serial: String::new(),
                user_pin_set: false,
                wrong: (0, 0),
                read_only: !self.link.is_owners(),
            }),
            None => Err(Reason::SlotUnknown.into()),
        }
    }

    /// Returns the content of `C_GetMechanismInfo`: the sizes of a mechanism's keys and its functions, as far
    /// as the configuration lets it.
    pub fn mechanism(&self, slot: u64, id: u64) -> Result<((u64, u64), u64)> {
        self.info(slot)?;
        let row = mechanism::find(id)?;
        let settings = &self.settings;
        let flags = row.flags_with(|setting| settings.has(setting));
        let (least, most) = row.key_sizes;
        let least = match row.key_type {
            Some(CKK_RSA) if row.only_wraps() => least.max(settings.rsa_minimum).max(WRAPPING_RSA),
            Some(CKK_RSA) => least.max(settings.rsa_minimum),
            _ => least,
        };
        Ok(((least, most), flags))
    }

    /// `C_InitToken`: makes a token in the free slot, or starts an existing one anew. With custody,
    /// custom keys stay: only what can be destroyed is (PKCS#11 3.1, 5.5.7).
    pub fn init_token(&self, slot: u64, pin: &[u8], label: &str) -> Result<()> {
        // 5.5.7 has no other code for a PIN that cannot be one.
        check_length(pin).map_err(|failure| Reason::PinIncorrect.detail(failure))?;
        retry_on_conflict(|| self.init_token_once(slot, pin, label))
    }

    fn init_token_once(&self, slot: u64, pin: &[u8], label: &str) -> Result<()> {
        let entries = self.entries()?;
        match entries.iter().find(|entry| u64::from(entry.slot) == slot) {
            Some(entry) => self.open(entry)?.initialise_again(pin, label),
            None if self.free_slots(&entries).contains(&slot) => {
                let slot = u32::try_from(slot).map_err(|_| Reason::SlotUnknown)?;
                self.make(label, pin, None, Some(slot)).map(drop)
            }
            None => Err(Reason::SlotUnknown.into()),
        }
    }

    /// Makes a token with both its PINs at once; its identity, of which the serial number is the
    /// beginning.
    pub fn make_token(&self, label: &str, officer: &[u8], user: &[u8]) -> Result<Id> {
        check_length(officer)?;
        check_length(user)?;
        self.make(label, officer, Some(user), None)
    }

    /// Ends the token in a slot, with everything in it and for good; how many records that were. A
    /// wrong PIN is counted as in a login.
    pub fn destroy_token(&self, slot: u64, label: &str, officer: &[u8]) -> Result<u64> {
        let (token, authenticator) = self.officer_of(slot, officer)?;
        let (label, change) = (label.to_owned(), lc::random::bytes()?);
        let request = Request::DestroyToken { token, label, authenticator, change };
        match self.link.ask(&request)? {
            Response::Done(records) => {
                log::info!("destroyed: token {}", token.serial());
                Ok(records)
            }
            _ => Err(unexpected()),
        }
    }

    /// Returns the time of the agent's clock, and the latest time the store has seen, in seconds since 1970.
    pub fn clock(&self) -> Result<(Seconds, Seconds)> {
        seen(&self.link.ask(&Request::Clock)?)
    }

    /// Lowers the latest time the store has seen to the agent's clock, for the security officer of the
    /// token in a slot. A wrong PIN is counted as in a login.
    pub fn accept_clock(&self, slot: u64, officer: &[u8]) -> Result<(Seconds, Seconds)> {
        let (token, authenticator) = self.officer_of(slot, officer)?;
        seen(&self.link.ask(&Request::AcceptClock { token, authenticator })?)
    }

    /// Returns the token in a slot, and what a login of its security officer would show.
    fn officer_of(&self, slot: u64, pin: &[u8]) -> Result<(Id, Confidential)> {
        let entries = self.entries()?;
        let fits = |entry: &&StoredToken| u64::from(entry.slot) == slot;
        let entry = entries.iter().find(fits).ok_or(Reason::SlotUnknown)?;
        let stretched = TokenEntry::decode(&entry.entry)?.officer.stretch(pin)?;
        Ok((entry.id, stretched.authenticator.into()))
    }

    fn make(
        &self,
        label: &str,
        officer: &[u8],
        user: Option<&[u8]>,
        slot: Option<u32>,
    ) -> Result<Id> {
        let id = Id::from_random(lc::random::bytes()?);
        let private = TokenKey::new(lc::random::secret(32)?)?;
        let wrap =
            |pin: &[u8]| Pin::wrap(id, &private, pin, lc::random::bytes()?, &lc::random::bytes()?);
        let (label, public) = (label.to_owned(), lc::random::bytes()?);
        let mut entry =
            TokenEntry::new(label, public, &private, wrap(officer)?, self.settings.custody)?;
        entry.user = user.map(wrap).transpose()?;
        let request = Request::PutToken {
            token: id,
            expect: Expect::Absent,
            entry: entry.encode()?,
            slot,
            by: None,
            wipe: false,
            change: lc::random::bytes()?,
        };
        self.link.make_store()?;
        self.link.ask(&request)?;
        log::info!("initialised: token {}", id.serial());
        Ok(id)
    }

    fn open(&self, entry: &StoredToken) -> Result<Arc<Token>> {
        let mut tokens = self.tokens();
        if let Some(known) = tokens.get(&entry.id) {
            return Ok(Arc::clone(known));
        }
        let token = Arc::new(Token::open(
            entry,
            Arc::clone(&self.link),
            Arc::clone(&self.clock),
            self.settings,
            Arc::clone(&self.evictor),
        )?);
        tokens.insert(entry.id, Arc::clone(&token));
        Ok(token)
    }

    fn known(&self, slot: u64) -> Option<Arc<Token>> {
        self.tokens().values().find(|token| token.slot == slot).cloned()
    }

    pub(super) fn tokens(&self) -> MutexGuard<'_, HashMap<Id, Arc<Token>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the slots that hold no token: those this process has been shown, else the first there is.
    fn free_slots(&self, entries: &[StoredToken]) -> Vec<u64> {
        let is_free = |slot: &u64| entries.iter().all(|entry| u64::from(entry.slot) != *slot);
        let shown: Vec<u64> = self.shown().iter().copied().filter(is_free).collect();
        match shown.is_empty() {
            true => (0..u64::from(MOST_TOKENS)).find(is_free).into_iter().collect(),
            false => shown,
        }
    }

    /// Returns the error of a store that is not there yet. Then one slot waits for its token, as in a new store.
    pub fn without_store(&self) -> Option<Error> {
        self.link.without_store()
    }

    /// Returns the tokens that there are now. A slot that another process has emptied may be another token's next.
    fn entries(&self) -> Result<Vec<StoredToken>> {
        if self.without_store().is_some() {
            return Ok(Vec::new());
        }
        let Response::Tokens(entries) = self.link.ask(&Request::Tokens)? else {
            return Err(unexpected());
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|id, _| entries.iter().any(|entry| entry.id == *id));
        Ok(entries)
    }
}

/// Returns the information that an entry has of its token.
pub(super) fn info(entry: &StoredToken) -> Result<TokenInfo> {
    let shown = TokenEntry::decode(&entry.entry)?;
    Ok(TokenInfo {
        label: Some(shown.label),
        serial: entry.id.serial(),
        user_pin_set: shown.user.is_some(),
        wrong: entry.wrong,
        read_only: entry.read_only,
    })
}

fn seen(answer: &Response) -> Result<(Seconds, Seconds)> {
    match answer {
        Response::Clock { clock, mark } => Ok((*clock, *mark)),
        _ => Err(unexpected()),
    }
}
