//! The use cases on one token: each file is one of them; this one is what they share.

mod attributes;
mod cache;
mod compare;
mod copy;
pub(crate) mod create;
mod custody;
mod derive;
mod derive_rules;
mod derive_several;
mod destination;
mod destroy;
mod encapsulate;
mod eviction;
mod evictor;
mod find;
mod generate;
mod handles;
mod import;
mod loaded;
mod log_names;
mod pin;
mod plan;
mod profiles;
mod read_ahead;
mod recheck;
mod records;
mod retry;
mod rotate;
mod searches;
mod shown;
mod slots;
mod terms;
mod usable;
mod use_reports;
mod uses;
mod wrap;
mod zero_padding;

pub(crate) use handles::Handle;
pub use slots::Slots;

use crate::clock::{Clock, Seconds, check_ahead};
use crate::error::{Error, Reason, Result};
use crate::id::{Id, IdSource};
use crate::key::Expiry;
use crate::key::seal::TokenKey;
use crate::lc::random::RandomNumbers;
use crate::mechanism::Setting;
use crate::object::kinds::Kind;
use crate::object::{Attributes, Creation, Template, build, template_check};
use crate::wire::{Link, Page};
use arc_swap::ArcSwapOption;
use cache::{Cache, OPENED};
use evictor::Evictor;
use handles::{HandleTarget, Handles};
use loaded::Loaded;
use once_cell::sync::OnceCell;
use pkcs11_sys::{CKA_ALWAYS_AUTHENTICATE, CKA_PRIVATE, CKA_TOKEN, CKA_TRUSTED, CKK_RSA};
use read_ahead::ReadAhead;
use searches::Searches;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use uses::Uses;

/// The user who is logged in to a token in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Login {
    /// No user.
    Public,
    /// The user.
    User,
    /// The security officer.
    Officer,
}

/// The session a call came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The session's handle; its session objects end with it.
    pub session: u64,
    /// True where the session may change token objects.
    pub read_write: bool,
}

/// The information on a slot's token (`C_GetTokenInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// The token's label, at most 32 bytes, or none if it has not been initialised.
    pub label: Option<String>,
    /// Sixteen characters.
    pub serial: String,
    /// True once the user PIN is set.
    pub user_pin_set: bool,
    /// Wrong PINs in a row: security officer's, user's.
    pub wrong: (u8, u8),
    /// True where it can only be read, because the store's snapshot is served, or where it is not initialised
    /// and another user has to do that.
    pub read_only: bool,
}

/// The answer to one attribute of `C_GetAttributeValue`.
#[derive(Debug)]
pub enum Answer {
    /// The value.
    Value(crate::secret::Secret),
    /// There is one, but it cannot be revealed.
    Sensitive,
    /// The object has no such attribute.
    Unknown,
}

pub use crate::key::pin::PIN_TRIES;

/// The configuration of all tokens.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// True where tokens initialised here keep their keys as custom keys.
    pub custody: bool,
    /// True where a key may wrap sensitive keys although it may also decrypt, and unwrap them although its cipher
    /// serves for data too: a user of such a key learns, or plants, their values.
    pub mixed_wrapping: bool,
    /// True where PKCS#1 v1.5 unwraps keys.
    pub pkcs1_unwrap: bool,
    /// The least size of RSA keys that are made, imported and used, in bits.
    pub rsa_minimum: u64,
}

impl Settings {
    /// Returns whether a setting that mechanisms ask for is set.
    pub(crate) fn has(&self, setting: Setting) -> bool {
        match setting {
            Setting::Pkcs1Unwrap => self.pkcs1_unwrap,
            Setting::MixedWrapping => self.mixed_wrapping,
        }
    }
}

/// The module's side of one token.
pub struct Token {
    id: Id,
    slot: u64,
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    page: OnceCell<Arc<Page>>,
    /// Seals public objects; stored in the clear.
    public: TokenKey,
    /// Seals private objects; here during a login.
    private: ArcSwapOption<TokenKey>,
    login: AtomicU8,
    epoch: AtomicU64,
    custody: bool,
    settings: Settings,
    handles: Handles,
    ids: IdSource,
    numbers: RandomNumbers,
    cache: Cache,
    searches: Searches,
    read_ahead: ReadAhead,
    evictor: Arc<Evictor>,
    uses: Uses,
}

impl Token {
    /// Returns the token's identity.
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    /// Returns the login; one load.
    pub fn logged_in_as(&self) -> Login {
        match self.login.load(Ordering::Acquire) {
            1 => Login::User,
            2 => Login::Officer,
            _ => Login::Public,
        }
    }

    /// Moves at every login and logout; one load. An operation ends when it has moved.
    pub fn login_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Returns the store's time, which decides about all that begins or ends with it.
    pub(crate) fn now(&self) -> Seconds {
        let asked = self.page().ok().or_else(|| self.page.get());
        asked.map_or_else(|| self.clock.now(), |page| page.time(&*self.clock))
    }

    /// Fails unless an expiry lies ahead.
    fn check_ahead(&self, expiry: Option<Expiry>) -> Result<()> {
        match expiry {
            Some(expiry) => check_ahead(expiry.at, self.now(), self.clock.now()),
            None => Ok(()),
        }
    }

    /// Ends the session objects of a session that closes.
    pub fn close_session(&self, session: u64) {
        self.handles.end_session(session);
    }

    /// Returns the object a handle names, as it is now; `ObjectUnknown` once it is gone or hidden.
    fn object(&self, handle: Handle) -> Result<Arc<Loaded>> {
        let (loaded, given) = match self.handles.named(handle).ok_or(Reason::ObjectUnknown)? {
            HandleTarget::Session(_, object, begun) => (Some(object), begun),
            HandleTarget::Record(id, given) => (self.load(id)?, given),
            HandleTarget::BuiltIn(object) => (Some(object), self.login_epoch()),
        };
        let logged_out =
            |loaded: &Arc<Loaded>| loaded.header.private && given != self.login_epoch();
        match loaded.filter(|loaded| !logged_out(loaded)) {
            Some(loaded) if !loaded.is_there(self.now()) => {
                self.handles.evict(handle);
                log::info!("expired: {} of {self}", loaded.name());
                Err(Reason::ObjectUnknown.detail(format_args!("{} has expired", loaded.name())))
            }
            Some(loaded) if self.is_visible(&loaded) => Ok(loaded),
            Some(_) => Err(Reason::ObjectUnknown.into()),
            // A public key may be there again after the next login.
            None if self.logged_in_as() == Login::Public => Err(Reason::ObjectUnknown.into()),
            None => {
                self.handles.evict(handle);
                Err(Reason::ObjectUnknown.into())
            }
        }
    }

    /// Returns the handles of token objects, in the order of `ids`.
    fn handles_of(&self, ids: &[Id]) -> Result<Vec<Handle>> {
        let epoch = self.login_epoch();
        for some in self.handles.given_before(ids, epoch).chunks(OPENED) {
            for (&id, object) in some.iter().zip(self.load_all(some)?) {
                let public = object.is_some_and(|object| !object.header.private);
                self.handles.outlives(id, public, epoch);
            }
        }
        Ok(self.handles.of_records(ids, epoch))
    }

    fn handle_of(&self, id: Id) -> Result<Handle> {
        self.handles_of(&[id])?.pop().ok_or_else(|| Reason::General.into())
    }

    /// Returns whether an object is there for who is logged in. The agent gives out secret and private keys
    /// of the token only to who has logged in, though they may be public objects.
    fn is_visible(&self, object: &Loaded) -> bool {
        match self.logged_in_as() {
            Login::Public => !object.needs_login(),
            Login::Officer => !object.header.private,
            Login::User => true,
        }
    }

    /// Fails unless the caller may make or change an object of this kind (PKCS#11 3.1, 5.6 and table 6).
    /// Nothing on the token changes without a login, public objects neither.
    fn may_change(&self, caller: &Caller, token: bool, private: bool) -> Result<()> {
        if token && !caller.read_write {
            return Err(Reason::SessionReadOnly.into());
        }
        match self.logged_in_as() {
            Login::Public if token || private => Err(Reason::NotLoggedIn.into()),
            Login::Officer if private => Err(Reason::NotLoggedIn.into()),
            Login::Public | Login::Officer | Login::User => Ok(()),
        }
    }

    /// Returns a secret or private key's attributes from its template. Without a login, a session
    /// key that says nothing is public: SunPKCS11 makes such keys after its last session has closed. One that
    /// asks for a PIN is not.
    fn build(
        &self,
        template: &Template,
        by: Creation,
        class: u64,
        kind: &Kind,
    ) -> Result<Attributes> {
        let mut made = build::build(template, by, class, Some(kind))?;
        let silent = template.bytes(CKA_PRIVATE).is_none() && !made.flag(CKA_ALWAYS_AUTHENTICATE);
        if silent && !made.flag(CKA_TOKEN) && self.logged_in_as() == Login::Public {
            made.set_flag(CKA_PRIVATE, false);
        }
        Ok(made)
    }

    /// Fails where another user than the security officer says what is trusted (PKCS#11 3.1, 4.6 to 4.10).
    fn may_trust(&self, attributes: &Attributes) -> Result<()> {
        if attributes.flag(CKA_TRUSTED) && self.logged_in_as() != Login::Officer {
            return Err(Reason::AttributeReadOnly.detail("CKA_TRUSTED is the security officer's"));
        }
        template_check::check_trust(attributes)
    }

    /// Refuses an RSA private key that is shorter than the configuration allows: `KeySizeRange`.
    fn may_be_so_short(&self, key_type: u64, bits: impl FnOnce() -> u64) -> Result<()> {
        let least = self.settings.rsa_minimum;
        match (key_type == CKK_RSA).then(bits) {
            Some(bits) if bits < least => Err(Reason::KeySizeRange
                .detail(format_args!("RSA of {bits} bits, and `rsa_minimum` is {least}"))),
            _ => Ok(()),
        }
    }

    /// Returns the key that seals private or public objects.
    fn sealing_key<R>(
        &self,
        private: bool,
        with: impl FnOnce(&TokenKey) -> Result<R>,
    ) -> Result<R> {
        if private { with(&*self.private_key()?) } else { with(&self.public) }
    }

    fn private_key(&self) -> Result<Arc<TokenKey>> {
        self.private.load_full().ok_or_else(|| Reason::NotLoggedIn.into())
    }

    /// Returns the page that counts. Where another agent has started, it is asked for its own.
    fn page(&self) -> Result<&Arc<Page>> {
        let page = self.page.get_or_try_init(|| {
            let page = self.link.page()?;
            self.evictor.watch(&page);
            Ok::<_, Error>(page)
        })?;
        if !page.counts() {
            self.link.renew_page()?;
        }
        Ok(page)
    }
}
