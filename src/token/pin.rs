//! Logging in and out, and the PINs: the agent counts every attempt before it compares.

use super::cache::Cache;
use super::evictor::Evictor;
use super::handles::Handles;
use super::read_ahead::ReadAhead;
use super::records::unexpected;
use super::searches::Searches;
use super::uses::Uses;
use super::{Login, Settings, Token};
use crate::clock::Clock;
use crate::error::{Reason, Result};
use crate::id::IdSource;
use crate::key::pin::{PIN_LENGTH, Pin, Stretched, TokenEntry};
use crate::key::seal::TokenKey;
use crate::lc;
use crate::lc::random::RandomNumbers;
use crate::secret::Secret;
use crate::wire::proof::Credential;
use crate::wire::{Authority, Expect, Link, ProvedConnection, Request, Response, StoredToken};
use arc_swap::ArcSwapOption;
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use zeroize::Zeroizing;

/// The answer of the agent to a login. Nothing of it is kept that a PIN could be guessed against.
struct Authenticated {
    entry: TokenEntry,
    revision: u64,
    private: TokenKey,
    /// The user who has logged in, and the proof of the PIN.
    authority: Authority,
    ticket: Secret,
    /// The connection on which this was shown.
    on: Option<ProvedConnection>,
}

impl Token {
    /// Returns the module's side of a token that the agent has shown.
    pub(super) fn open(
        entry: &StoredToken,
        link: Arc<Link>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        evictor: Arc<Evictor>,
    ) -> Result<Self> {
        let shown = TokenEntry::decode(&entry.entry)?;
        Ok(Self {
            id: entry.id,
            slot: u64::from(entry.slot),
            link,
            clock,
            page: OnceCell::new(),
            public: TokenKey::new(Secret::from(&shown.public_key[..]))?,
            private: ArcSwapOption::empty(),
            login: AtomicU8::new(0),
            epoch: AtomicU64::new(0),
            custody: shown.custody,
            settings,
            handles: Handles::new(Arc::clone(&evictor)),
            ids: IdSource::default(),
            numbers: RandomNumbers::default(),
            cache: Cache::new(Arc::clone(&evictor)),
            searches: Searches::default(),
            read_ahead: ReadAhead::default(),
            evictor,
            uses: Uses::default(),
        })
    }

    /// `C_Login`. A wrong PIN is counted for good before this returns.
    pub fn login(&self, login: Login, pin: &[u8]) -> Result<()> {
        match (self.logged_in_as(), login) {
            (_, Login::Public) => return Err(Reason::UserTypeInvalid.into()),
            (Login::Public, _) => {}
            (who, login) if who == login => return Err(Reason::AlreadyLoggedIn.into()),
            _ => return Err(Reason::OtherLoggedIn.into()),
        }
        let opened = self.authenticate(login == Login::Officer, pin)?;
        self.link.remember(self.id, opened.credential()?, opened.on);
        self.private.store(Some(Arc::new(opened.private)));
        self.moved_to(login);
        log::info!("login: {login} of {self}");
        Ok(())
    }

    /// `C_Logout`: private objects' handles end for good, and so do private session objects.
    pub fn logout(&self) -> Result<()> {
        let login = self.logged_in_as();
        if login == Login::Public {
            return Err(Reason::NotLoggedIn.into());
        }
        self.moved_to(Login::Public);
        self.private.store(None);
        self.link.forget(self.id);
        self.handles.end_private();
        self.cache.clear();
        self.read_ahead.end();
        log::info!("logout: {login} of {self}");
        Ok(())
    }

    /// Proves the PIN of the user who is logged in once more, for `CKU_CONTEXT_SPECIFIC`.
    pub fn reauthenticate(&self, pin: &[u8]) -> Result<()> {
        match self.logged_in_as() {
            Login::Public => Err(Reason::NotLoggedIn.into()),
            who => self.authenticate(who == Login::Officer, pin).map(drop),
        }
    }

    /// `C_InitPIN`: the security officer sets the user's PIN, and its wrong tries start again.
    pub fn init_pin(&self, pin: &[u8]) -> Result<()> {
        if self.logged_in_as() != Login::Officer {
            return Err(Reason::NotLoggedIn.into());
        }
        check_length(pin)?;
        let user = self.wrap_under(pin)?;
        self.retry_on_conflict(|| {
            let (mut entry, revision) = self.entry()?;
            entry.user = Some(user.clone());
            self.put_entry(entry, revision, None, false)
        })?;
        log::info!("PIN set: {} of {self}", Login::User);
        Ok(())
    }

    /// `C_SetPIN`: changes the PIN of the user who is logged in, or the user's where none is.
    pub fn set_pin(&self, old: &[u8], new: &[u8]) -> Result<()> {
        check_length(new)?;
        self.retry_on_conflict(|| self.set_pin_once(old, new))
    }

    fn set_pin_once(&self, old: &[u8], new: &[u8]) -> Result<()> {
        let officer = self.logged_in_as() == Login::Officer;
        let Authenticated { mut entry, revision, private, authority, .. } =
            self.authenticate(officer, old)?;
        let pin = Pin::wrap(self.id, &private, new, lc::random::bytes()?, &lc::random::bytes()?)?;
        match officer {
            true => entry.officer = pin,
            false => entry.user = Some(pin),
        }
        self.put_entry(entry, revision, Some(authority), false)?;
        if officer {
            self.renew_login(new);
        }
        let whose = if officer { Login::Officer } else { Login::User };
        log::info!("PIN changed: {whose} of {self}");
        Ok(())
    }

    /// A login of the security officer ends with their PIN, and goes on with the new one. (A user's
    /// holds whatever becomes of theirs.)
    fn renew_login(&self, pin: &[u8]) {
        let renewed = self.authenticate(true, pin);
        match renewed.and_then(|opened| Ok((opened.credential()?, opened.on))) {
            Ok((credential, on)) => self.link.remember(self.id, credential, on),
            Err(error) => log::warn!("the PIN is changed, and needs another login: {error}"),
        }
    }

    /// `C_InitToken` on a token there is: the security officer's PIN must fit, the user's ends.
    pub(super) fn initialise_again(&self, pin: &[u8], label: &str) -> Result<()> {
        self.retry_on_conflict(|| {
            let Authenticated { mut entry, revision, authority, .. } =
                self.authenticate(true, pin)?;
            entry.label = label.to_owned();
            entry.user = None;
            self.put_entry(entry, revision, Some(authority), true)
        })?;
        self.handles.end_all();
        self.cache.clear();
        self.read_ahead.end();
        Ok(())
    }

    fn authenticate(&self, officer: bool, pin: &[u8]) -> Result<Authenticated> {
        let (shown, _) = self.entry()?;
        let Stretched { authenticator, wrapping } = wrapped_by(&shown, officer)?.stretch(pin)?;
        let authority = Authority { officer, authenticator: authenticator.into() };
        let authenticator = authority.authenticator.duplicate();
        let request = Request::Login { token: self.id, officer, authenticator };
        let (answer, on) = self.link.log_in(&request)?;
        let Response::LoggedIn { entry: released, ticket } = answer else {
            return Err(unexpected());
        };
        let (bytes, revision) = (Zeroizing::new(released.entry), released.revision);
        let entry = TokenEntry::decode(&bytes)?;
        let private = wrapped_by(&entry, officer)?.unwrap(self.id, &wrapping)?;
        let ticket = ticket.into_secret();
        Ok(Authenticated { entry, revision, private, authority, ticket, on })
    }

    /// Returns the token's entry as all may see it, and its revision.
    fn entry(&self) -> Result<(TokenEntry, u64)> {
        let Response::Tokens(entries) = self.link.ask(&Request::Tokens)? else {
            return Err(unexpected());
        };
        let entry = entries.iter().find(|entry| entry.id == self.id).ok_or(Reason::TokenAbsent)?;
        Ok((TokenEntry::decode(&entry.entry)?, entry.revision))
    }

    /// Writes the token's entry. Where no PIN has just been shown, the login counts.
    fn put_entry(
        &self,
        entry: TokenEntry,
        revision: u64,
        by: Option<Authority>,
        wipe: bool,
    ) -> Result<()> {
        let request = Request::PutToken {
            token: self.id,
            expect: Expect::Revision(revision),
            entry: entry.encode()?,
            slot: None,
            by,
            wipe,
            change: lc::random::bytes()?,
        };
        match self.link.ask(&request)? {
            Response::Done(_) => Ok(()),
            _ => Err(unexpected()),
        }
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
        self.login.store(number, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

impl Authenticated {
    /// Returns the credential that proves the login from now on.
    fn credential(&self) -> Result<Credential> {
        let (officer, ticket) = (self.authority.officer, self.ticket.duplicate().kept());
        Ok(Credential { officer, key: self.private.proof_key()?.kept(), ticket })
    }
}

fn wrapped_by(entry: &TokenEntry, officer: bool) -> Result<&Pin> {
    match officer {
        true => Ok(&entry.officer),
        false => entry.user.as_ref().ok_or_else(|| Reason::PinMissing.into()),
    }
}

/// Fails unless a PIN is as long as one may be, and UTF-8.
pub(super) fn check_length(pin: &[u8]) -> Result<()> {
    if !PIN_LENGTH.contains(&pin.len()) {
        return Err(Reason::PinLength.into());
    }
    std::str::from_utf8(pin).map(drop).map_err(|_| Reason::PinInvalid.into())
}
