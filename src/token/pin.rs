//! Logging in and out, and the PINs: the agent counts every attempt before it compares.

use super::find::Searches;
use super::records::{Cache, unexpected};
use super::uses::Uses;
use super::{Handles, Login, Rules, Token};
use crate::clock::Clock;
use crate::error::{Reason, Result};
use crate::id::IdSource;
use crate::key::pin::{Entry, PIN_LENGTH, Pin};
use crate::key::seal::TokenKey;
use crate::lc;
use crate::secret::Secret;
use crate::wire::{Authority, Expect, Link, Request, Response, TokenEntry};
use arc_swap::ArcSwapOption;
use once_cell::sync::OnceCell;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A token's entry as the agent releases it at a login, its revision, and what showed the PIN.
#[derive(Clone)]
pub(super) struct Released {
    entry: Entry,
    revision: u64,
    officer: bool,
    authenticator: Zeroizing<[u8; 32]>,
}

/// What a login brings from the agent.
struct Opened {
    released: Released,
    private: TokenKey,
}

impl Token {
    /// The module's side of a token that the agent has shown.
    pub(super) fn open(
        entry: &TokenEntry,
        link: Arc<Link>,
        clock: Arc<dyn Clock>,
        rules: Rules,
    ) -> Result<Self> {
        let shown = Entry::decode(&entry.entry)?;
        Ok(Self {
            id: entry.id,
            slot: u64::from(entry.slot),
            link,
            clock,
            page: OnceCell::new(),
            public: TokenKey::new(Secret::from(&shown.public_key[..]))?,
            private: ArcSwapOption::empty(),
            who: AtomicU8::new(0),
            epoch: AtomicU64::new(0),
            released: Mutex::new(None),
            custody: shown.custody,
            rules,
            handles: Handles::default(),
            ids: IdSource::default(),
            cache: Cache::default(),
            searches: Searches::default(),
            uses: Uses::default(),
        })
    }

    /// `C_Login`. A wrong PIN is counted for good before this returns.
    pub fn login(&self, login: Login, pin: &[u8]) -> Result<()> {
        match (self.who(), login) {
            (_, Login::Public) => return Err(Reason::UserTypeInvalid.into()),
            (Login::Public, _) => {}
            (who, login) if who == login => return Err(Reason::AlreadyLoggedIn.into()),
            _ => return Err(Reason::OtherLoggedIn.into()),
        }
        let opened = self.authenticate(login == Login::Officer, pin)?;
        self.link.remember(self.id, opened.private.proof()?);
        self.private.store(Some(Arc::new(opened.private)));
        *self.released() = Some(opened.released);
        self.moved_to(login);
        Ok(())
    }

    /// `C_Logout`: private objects' handles end for good, and so do private session objects.
    pub fn logout(&self) -> Result<()> {
        if self.who() == Login::Public {
            return Err(Reason::NotLoggedIn.into());
        }
        self.moved_to(Login::Public);
        self.private.store(None);
        *self.released() = None;
        self.link.forget(self.id);
        self.handles.end_private();
        self.cache.clear();
        Ok(())
    }

    /// Proves the PIN of whoever is logged in once more, for `CKU_CONTEXT_SPECIFIC`.
    pub fn reauthenticate(&self, pin: &[u8]) -> Result<()> {
        match self.who() {
            Login::Public => Err(Reason::NotLoggedIn.into()),
            who => self.authenticate(who == Login::Officer, pin).map(drop),
        }
    }

    /// `C_InitPIN`: the security officer sets the user's PIN, and its wrong tries start again.
    pub fn init_pin(&self, pin: &[u8]) -> Result<()> {
        check_length(pin)?;
        if self.who() != Login::Officer {
            return Err(Reason::NotLoggedIn.into());
        }
        let user = self.wrap_under(pin)?;
        let mut stale = false;
        self.again(|| {
            if std::mem::replace(&mut stale, true) {
                self.release_again()?;
            }
            let mut released = self.released().clone().ok_or(Reason::NotLoggedIn)?;
            released.entry.user = Some(user.clone());
            self.put_entry(released, false)
        })
    }

    /// Asks for the entry anew that a login brought: another process has changed it since.
    fn release_again(&self) -> Result<()> {
        let kept = self.released().clone().ok_or(Reason::NotLoggedIn)?;
        let request = Request::Login {
            token: self.id,
            officer: kept.officer,
            authenticator: *kept.authenticator,
        };
        let Response::LoggedIn(shown) = self.link.ask(&request)? else { return Err(unexpected()) };
        let (entry, revision) = (Entry::decode(&shown.entry)?, shown.revision);
        *self.released() = Some(Released { entry, revision, ..kept });
        Ok(())
    }

    /// `C_SetPIN`: changes the PIN of whoever is logged in, or the user's where nobody is.
    pub fn set_pin(&self, old: &[u8], new: &[u8]) -> Result<()> {
        check_length(new)?;
        self.again(|| self.set_pin_once(old, new))
    }

    fn set_pin_once(&self, old: &[u8], new: &[u8]) -> Result<()> {
        let officer = self.who() == Login::Officer;
        let Opened { mut released, private } = self.authenticate(officer, old)?;
        let pin = Pin::wrap(self.id, &private, new, lc::random::bytes()?, &lc::random::bytes()?)?;
        match officer {
            true => released.entry.officer = pin.clone(),
            false => released.entry.user = Some(pin.clone()),
        }
        // What shows the new PIN, for whoever stays logged in.
        let stays = self.who() != Login::Public;
        let shown = stays.then(|| pin.stretch(new)).transpose()?;
        self.put_entry(released, false)?;
        if let (Some(kept), Some(shown)) = (&mut *self.released(), shown) {
            kept.authenticator = Zeroizing::new(shown.authenticator);
        }
        Ok(())
    }

    /// `C_InitToken` on a token there is: the security officer's PIN must fit, the user's ends.
    pub(super) fn initialise_again(&self, pin: &[u8], label: &str) -> Result<()> {
        self.again(|| {
            let Opened { mut released, .. } = self.authenticate(true, pin)?;
            released.entry.label = label.to_owned();
            released.entry.user = None;
            self.put_entry(released, true)
        })?;
        self.handles.end_all();
        self.cache.clear();
        Ok(())
    }

    fn authenticate(&self, officer: bool, pin: &[u8]) -> Result<Opened> {
        check_length(pin).map_err(|_| Reason::PinIncorrect)?;
        let shown = self.entry()?;
        let stretched = wrapped_by(&shown, officer)?.stretch(pin)?;
        let request =
            Request::Login { token: self.id, officer, authenticator: stretched.authenticator };
        let Response::LoggedIn(released) = self.link.ask(&request)? else {
            return Err(unexpected());
        };
        let entry = Entry::decode(&released.entry)?;
        let private = wrapped_by(&entry, officer)?.unwrap(self.id, &stretched)?;
        let authenticator = Zeroizing::new(stretched.authenticator);
        let revision = released.revision;
        Ok(Opened { released: Released { entry, revision, officer, authenticator }, private })
    }

    /// The token's entry as anybody may see it.
    fn entry(&self) -> Result<Entry> {
        let Response::Tokens(entries) = self.link.ask(&Request::Tokens)? else {
            return Err(unexpected());
        };
        let entry = entries.iter().find(|entry| entry.id == self.id).ok_or(Reason::TokenAbsent)?;
        Entry::decode(&entry.entry)
    }

    fn put_entry(&self, changed: Released, wipe: bool) -> Result<()> {
        let Released { entry, revision, officer, authenticator } = changed;
        let request = Request::PutToken {
            token: self.id,
            expect: Expect::Revision(revision),
            entry: entry.encode()?,
            slot: None,
            by: Some(Authority { officer, authenticator: *authenticator }),
            wipe,
            change: lc::random::bytes()?,
        };
        let Response::Done(revision) = self.link.ask(&request)? else { return Err(unexpected()) };
        if let Some(kept) = &mut *self.released() {
            (kept.entry, kept.revision) = (entry, revision);
        }
        Ok(())
    }

    fn wrap_under(&self, pin: &[u8]) -> Result<Pin> {
        let private = self.private_key()?;
        Pin::wrap(self.id, &private, pin, lc::random::bytes()?, &lc::random::bytes()?)
    }

    fn moved_to(&self, login: Login) {
        let number = match login {
            Login::Public => 0,
            Login::User => 1,
            Login::Officer => 2,
        };
        self.who.store(number, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn released(&self) -> MutexGuard<'_, Option<Released>> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrapped_by(entry: &Entry, officer: bool) -> Result<&Pin> {
    match officer {
        true => Ok(&entry.officer),
        false => entry.user.as_ref().ok_or_else(|| Reason::PinMissing.into()),
    }
}

/// Whether a PIN may be as long as this one, and is UTF-8.
pub(super) fn check_length(pin: &[u8]) -> Result<()> {
    if !PIN_LENGTH.contains(&pin.len()) {
        return Err(Reason::PinLength.into());
    }
    std::str::from_utf8(pin).map(drop).map_err(|_| Reason::PinInvalid.into())
}
