//! The program as a client of the module, through `cryptoki` like any other: loading it, choosing the
//! token, logging in.

use crate::explain::MODULE_HINT;
use crate::name::Name;
use crate::pin::{PinOptions, UserPin};
use crate::pin_source::{self, PinSource};
use crate::uri::{About, Uri};
use crate::{Failure, Global, explain, module_file, standard};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use keystead::internal::clock::SystemClock;
use keystead::internal::config::{Config, trust};
use keystead::internal::installed;
use keystead::internal::module::token_settings;
use keystead::internal::token::{PIN_TRIES, Slots};
use keystead::internal::wire::{AgentLocation, Link};
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The token, as the command line names it.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenChoice {
    /// The token's label, serial number or PKCS#11 URI; it may be left out where the store has one token
    #[arg(long = "token", value_name = "TOKEN", value_parser = Name::of_token)]
    name: Option<Name>,
    /// The PKCS#11 module to use [default: as configured, else the one that is installed]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

/// The token, and the user's login to it.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArguments {
    #[command(flatten)]
    token: TokenChoice,
    #[command(flatten)]
    pin: UserPin,
}

/// The ways to open a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionMode {
    /// A session that only reads.
    ReadOnly,
    /// Changing something.
    ReadWrite,
}

/// A session of a token, and what tells the token from the others of its store.
pub(crate) struct OpenToken {
    pkcs11: Pkcs11,
    slot: Slot,
    /// The session, without a login yet.
    pub session: Session,
    /// Its label and serial number, and all else that it tells of itself.
    pub info: TokenInfo,
    /// Set where another token has the same label.
    ambiguous: bool,
}

/// A session in which the user is logged in.
pub(crate) struct Login {
    pkcs11: Pkcs11,
    slot: Slot,
    session: Session,
    /// The token as it tells of itself.
    pub info: TokenInfo,
}

impl Deref for Login {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Login {
    /// Opens a further session that may change the token, for another thread.
    pub(crate) fn another_session(&self) -> Result<Session, Failure> {
        Ok(self.pkcs11.open_rw_session(self.slot)?)
    }
}

impl TokenArguments {
    /// A session in which the user is logged in.
    pub(crate) fn log_in(&self, global: &Global, access: SessionMode) -> Result<Login, Failure> {
        self.log_in_for(global, access, None)
    }

    /// The same, in the token that a key's URI names.
    pub(crate) fn log_in_for(
        &self,
        global: &Global,
        access: SessionMode,
        key: Option<&Name>,
    ) -> Result<Login, Failure> {
        let key = key.and_then(Name::uri);
        let token = self.token.open_for(global, access, key)?;
        let named = key.into_iter().chain(self.token.uri()).find_map(|uri| uri.pin_source.as_ref());
        let place = named.map(|file| PinSource::File(file.clone()));
        let pin = self.pin.read_or(place.as_ref())?.for_login();
        match token.session.login(UserType::User, Some(&pin)) {
            Ok(()) => {
                let OpenToken { pkcs11, slot, session, info, .. } = token;
                Ok(Login { pkcs11, slot, session, info })
            }
            Err(error) => Err(token.refused(global, UserType::User, error)),
        }
    }

    /// The module's file.
    pub(crate) fn module(&self, config: &Config) -> Result<PathBuf, Failure> {
        self.token.module(config)
    }

    /// Fails where the module cannot be loaded, or is not of this program's version.
    pub(crate) fn check_module(&self, global: &Global, config: &Config) -> Result<(), Failure> {
        global.hand_to_module()?;
        let module = self.module(config)?;
        module_file::check(&module)?;
        let pkcs11 = initialized(&module)?;
        let library = pkcs11.get_library_info()?;
        let (maker, version) = (library.manufacturer_id(), library.library_version());
        let version = format!("{}.{}", version.major(), version.minor());
        let of_this = env!("CARGO_PKG_VERSION").starts_with(&format!("{version}."));
        match of_this && maker == installed::MANUFACTURER {
            true => Ok(()),
            false => Err(Failure::new(format_args!(
                "the module {} is {maker} {version}, and this program Keystead {}",
                module.display(),
                env!("CARGO_PKG_VERSION")
            ))
            .hint("install both from one package, or correct `module` in the configuration")),
        }
    }

    /// Returns whether a PIN is given, so that the user is not asked for one.
    pub(crate) fn brings_pin(&self) -> bool {
        self.pin.is_given()
    }
}

/// Loads the module, which this process may have loaded before.
fn initialized(module: &Path) -> Result<Pkcs11, Failure> {
    let pkcs11 = Pkcs11::new(module)?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(error) if explain::code(&error) != Some(RvError::CryptokiAlreadyInitialized) => {
            Err(error.into())
        }
        _ => Ok(pkcs11),
    }
}

impl TokenChoice {
    /// Opens a session of the token, without a login.
    pub(crate) fn open(&self, global: &Global, access: SessionMode) -> Result<OpenToken, Failure> {
        self.open_for(global, access, None)
    }

    /// The same of the token that a key's URI names too.
    fn open_for(
        &self,
        global: &Global,
        access: SessionMode,
        key: Option<&Uri>,
    ) -> Result<OpenToken, Failure> {
        let uris: Vec<&Uri> = key.into_iter().chain(self.uri()).collect();
        let (pkcs11, mut tokens) = self.load(global, &uris)?;
        tokens.retain(|(_, info)| info.token_initialized());
        let fits = |it: &&(Slot, TokenInfo)| {
            self.means(&it.1) && uris.iter().all(|uri| is_named_by(&pkcs11, it, uri))
        };
        let fitting: Vec<_> = tokens.iter().filter(fits).cloned().collect();
        let (slot, info) = self.one_of(fitting, &tokens)?;
        let session = match access {
            SessionMode::ReadOnly => pkcs11.open_ro_session(slot)?,
            SessionMode::ReadWrite => pkcs11.open_rw_session(slot)?,
        };
        let ambiguous = tokens.iter().filter(|(_, it)| it.label() == info.label()).count() > 1;
        Ok(OpenToken { pkcs11, slot, session, info, ambiguous })
    }

    /// Lists the slots, and the tokens in them, as far as the command line names them.
    pub(crate) fn all(&self, global: &Global) -> Result<Vec<(Slot, TokenInfo)>, Failure> {
        let (pkcs11, slots) = self.load(global, self.uri().as_slice())?;
        let fits = |it: &&(Slot, TokenInfo)| {
            self.means(&it.1) && self.uri().is_none_or(|uri| is_named_by(&pkcs11, it, uri))
        };
        let fitting: Vec<_> = slots.iter().filter(fits).cloned().collect();
        match &self.name {
            Some(name) if fitting.is_empty() => Err(no_such_token(name, &slots)),
            _ => Ok(fitting),
        }
    }

    /// Loads the module, which these URIs may name, and lists the slots with what is in them.
    fn load(
        &self,
        global: &Global,
        uris: &[&Uri],
    ) -> Result<(Pkcs11, Vec<(Slot, TokenInfo)>), Failure> {
        global.hand_to_module()?;
        // Where no agent serves the store the module has only a code for it, and this has words.
        let config = global.store()?;
        Link::new(AgentLocation::of(&config)).store()?;
        let module = self.module(&config)?;
        uris.iter().try_for_each(|uri| uri.check_module(&module))?;
        module_file::check(&module)?;
        let pkcs11 = initialized(&module)?;
        let read = |slot: Slot| Ok((slot, pkcs11.get_token_info(slot)?));
        let slots = pkcs11.get_slots_with_token()?.into_iter().map(read);
        let slots = slots.collect::<Result<_, Failure>>()?;
        Ok((pkcs11, slots))
    }

    fn module(&self, config: &Config) -> Result<PathBuf, Failure> {
        match (&self.module, &config.module) {
            (Some(named), _) => Ok(std::path::absolute(named)?),
            (None, Some(configured)) => {
                config.file.iter().try_for_each(|file| trust::check(file, "module"))?;
                Ok(configured.clone())
            }
            (None, None) => {
                installed::module().map_err(|missing| Failure::new(missing).hint(MODULE_HINT))
            }
        }
    }

    fn uri(&self) -> Option<&Uri> {
        self.name.as_ref().and_then(Name::uri)
    }

    fn means(&self, info: &TokenInfo) -> bool {
        match &self.name {
            Some(Name::Plain(name)) => name == info.label() || name == info.serial_number(),
            Some(Name::Uri(_)) | None => true,
        }
    }

    /// Takes the one token that fits.
    fn one_of(
        &self,
        mut fitting: Vec<(Slot, TokenInfo)>,
        tokens: &[(Slot, TokenInfo)],
    ) -> Result<(Slot, TokenInfo), Failure> {
        match (fitting.pop(), fitting.is_empty()) {
            (Some(one), true) => Ok(one),
            (None, _) if tokens.is_empty() => Err(no_token()),
            (None, _) => Err(match &self.name {
                Some(name) => no_such_token(name, tokens),
                None => Failure::not_found("there is no token as the key's URI says")
                    .hint(format_args!("there is: {}", named(tokens))),
            }),
            (Some(_), false) => Err(Failure::usage("more than one token fits")
                .hint(format_args!("choose one with --token: {}", named(tokens)))),
        }
    }
}

fn is_named_by(pkcs11: &Pkcs11, (slot, token): &(Slot, TokenInfo), uri: &Uri) -> bool {
    uri.fits(|about| fact(pkcs11, *slot, token, about))
}

/// Returns the value that a token, its slot or its module has for an attribute of a URI; none of an object's.
fn fact(pkcs11: &Pkcs11, slot: Slot, token: &TokenInfo, about: About) -> Option<String> {
    let of_slot = || pkcs11.get_slot_info(slot).ok();
    let of_library = || pkcs11.get_library_info().ok();
    match about {
        About::Token => Some(token.label().to_owned()),
        About::Manufacturer => Some(token.manufacturer_id().to_owned()),
        About::Serial => Some(token.serial_number().to_owned()),
        About::Model => Some(token.model().to_owned()),
        About::SlotId => Some(slot.id().to_string()),
        About::SlotDescription => Some(of_slot()?.slot_description().to_owned()),
        About::SlotManufacturer => Some(of_slot()?.manufacturer_id().to_owned()),
        About::LibraryManufacturer => Some(of_library()?.manufacturer_id().to_owned()),
        About::LibraryDescription => Some(of_library()?.library_description().to_owned()),
        About::LibraryVersion => {
            let version = of_library()?.library_version();
            Some(format!("{}.{}", version.major(), version.minor()))
        }
        About::Object | About::Id | About::Type => None,
    }
}

impl OpenToken {
    /// Explains why a PIN of the token's was refused.
    pub(crate) fn refused(&self, global: &Global, whose: UserType, error: Error) -> Failure {
        // The tries that are left have changed.
        let info = self.pkcs11.get_token_info(self.slot);
        let info = info.as_ref().unwrap_or(&self.info);
        let named = explain::Named {
            slot: self.slot.id(),
            label: info.label(),
            serial: info.serial_number(),
            ambiguous: self.ambiguous,
        };
        let is_wrong = explain::code(&error) == Some(RvError::PinIncorrect);
        let left = is_wrong.then(|| self.tries_left(global, whose)).flatten();
        let failure = match whose {
            UserType::So => explain::officer_login(error, named),
            _ => explain::login(error, named, info.so_pin_locked(), || {
                explain::set_user_pin(global, named)
            }),
        };
        match left {
            Some(left) => failure.with_tries_left(left),
            None => failure,
        }
    }

    /// Returns the number of tries that are left for a PIN, where the agent tells.
    fn tries_left(&self, global: &Global, whose: UserType) -> Option<u8> {
        let config = global.configuration().ok()?;
        let link = Link::new(AgentLocation::of(&config));
        let slots = Slots::new(link, Arc::new(SystemClock), token_settings(&config));
        let (officer, user) = slots.info(self.slot.id()).ok()?.wrong;
        let wrong = if matches!(whose, UserType::So) { officer } else { user };
        PIN_TRIES.checked_sub(wrong).filter(|left| *left > 0)
    }
}

fn no_token() -> Failure {
    Failure::not_found("the store has no token").hint("`keystead init LABEL` makes one")
}

/// The failure where none of the tokens is called so.
fn no_such_token(name: &Name, tokens: &[(Slot, TokenInfo)]) -> Failure {
    let failure = Failure::not_found(format_args!("there is no token {name}"));
    match named(tokens) {
        none if none.is_empty() => failure.hint("`keystead init LABEL` makes one"),
        named => failure.hint(format_args!("there is: {named}")),
    }
}

fn named(tokens: &[(Slot, TokenInfo)]) -> String {
    let tokens = tokens.iter().filter(|(_, info)| info.token_initialized());
    let name = |(_, info): &(Slot, TokenInfo)| {
        format!("{:?} (serial number {})", info.label(), info.serial_number())
    };
    tokens.map(name).collect::<Vec<_>>().join(", ")
}

impl Global {
    /// The module finds store and configuration by its environment, like in any other program. What
    /// the command line says goes there, by starting this program once more.
    fn hand_to_module(&self) -> Result<(), Failure> {
        let wanted = [("KEYSTEAD_STORE", &self.store), ("KEYSTEAD_CONF", &self.config)];
        let given = wanted.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let missing: Vec<_> = given
            .filter(|(name, value)| std::env::var_os(name).is_none_or(|set| set != value.as_str()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        standard::hand_on()?;
        let mut again = Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1)).envs(missing).envs(pin_source::taken());
        Err(again.exec().into())
    }
}
