//! The program as a client of the module, through `cryptoki` like any other: loading it, choosing the
//! token, logging in.

use crate::explain::MODULE_HINT;
use crate::pin::{PinOptions, UserPin};
use crate::{Failure, Global, explain, pin_source, standard};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use keystead::internal::config::Config;
use keystead::internal::installed;
use keystead::internal::wire::{AgentLocation, Link};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The token, and the login to it.
#[derive(Debug, clap::Args)]
pub(crate) struct TokenArguments {
    /// The token's label or serial number; it may be left out where the store has one token
    #[arg(long = "token", value_name = "TOKEN")]
    name: Option<String>,
    #[command(flatten)]
    pin: UserPin,
    /// The PKCS#11 module to use [default: as configured, else the one that is installed]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

/// The ways to open a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionMode {
    /// A session that only reads.
    ReadOnly,
    /// Changing something.
    ReadWrite,
}

impl TokenArguments {
    /// A session in which the user is logged in.
    pub(crate) fn log_in(&self, global: &Global, access: SessionMode) -> Result<Session, Failure> {
        global.hand_to_module()?;
        // Where no agent serves the store the module has only a code for it, and this has words.
        let config = global.store()?;
        Link::new(AgentLocation::of(&config)).store()?;
        let module = self.module(&config)?;
        let pkcs11 = Pkcs11::new(&module)?;
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        let slots = pkcs11.get_slots_with_initialized_token()?;
        if slots.is_empty() {
            return Err(no_token());
        }
        let slot = self.choose(&pkcs11, &slots)?;
        let session = match access {
            SessionMode::ReadOnly => pkcs11.open_ro_session(slot)?,
            SessionMode::ReadWrite => pkcs11.open_rw_session(slot)?,
        };
        let pin = self.pin.read()?.for_login();
        if let Err(error) = session.login(UserType::User, Some(&pin)) {
            let info = pkcs11.get_token_info(slot)?;
            let other = |other: &&Slot| {
                pkcs11.get_token_info(**other).is_ok_and(|it| it.label() == info.label())
            };
            let ambiguous = slots.iter().filter(other).count() > 1;
            let named = explain::Named { slot: slot.id(), label: info.label(), ambiguous };
            let set_pin = || explain::set_user_pin(global, &module, named);
            return Err(explain::login(error, named, info.so_pin_locked(), set_pin));
        }
        Ok(session)
    }

    /// Returns whether a PIN is given, so that the user is not asked for one.
    pub(crate) fn brings_pin(&self) -> bool {
        self.pin.is_given()
    }

    /// The module's file.
    pub(crate) fn module(&self, config: &Config) -> Result<PathBuf, Failure> {
        match (&self.module, &config.module) {
            (Some(named), _) => Ok(std::path::absolute(named)?),
            (None, Some(configured)) => Ok(configured.clone()),
            (None, None) => {
                installed::module().map_err(|missing| Failure::new(missing).hint(MODULE_HINT))
            }
        }
    }

    fn choose(&self, pkcs11: &Pkcs11, slots: &[Slot]) -> Result<Slot, Failure> {
        let read = |slot: &Slot| Ok((*slot, pkcs11.get_token_info(*slot)?));
        let tokens: Vec<(Slot, TokenInfo)> =
            slots.iter().map(read).collect::<Result<_, Failure>>()?;
        let fitting: Vec<Slot> =
            tokens.iter().filter(|(_, info)| self.means(info)).map(|(slot, _)| *slot).collect();
        match (fitting.as_slice(), &self.name) {
            ([slot], _) => Ok(*slot),
            ([], name) => {
                let name = name.as_deref().unwrap_or_default();
                Err(Failure::new(format_args!("there is no token {name:?}"))
                    .hint(format_args!("there is: {}", named(&tokens))))
            }
            _ => Err(Failure::new("more than one token fits")
                .hint(format_args!("choose one with --token: {}", named(&tokens)))),
        }
    }

    fn means(&self, info: &TokenInfo) -> bool {
        let is = |name: &String| name == info.label() || name == info.serial_number();
        self.name.as_ref().is_none_or(is)
    }
}

fn no_token() -> Failure {
    Failure::new("the store has no token").hint("`keystead init LABEL` makes one")
}

fn named(tokens: &[(Slot, TokenInfo)]) -> String {
    let name = |(_, info): &(Slot, TokenInfo)| {
        format!("{:?} (serial number {})", info.label(), info.serial_number())
    };
    tokens.iter().map(name).collect::<Vec<_>>().join(", ")
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
