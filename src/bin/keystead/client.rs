//! The program as a client of the module, through `cryptoki` like any other: loading it, choosing the
//! token, the PIN, and a custom key by its name.

use crate::{Failure, Global};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use keystead::object::vendor::{APPLICATION, CKA_KEYSTEAD_KEY_ID};
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use zeroize::Zeroizing;

/// Which token, and how to log in to it. A PIN is never an argument: others could read it there.
#[derive(Debug, clap::Args)]
pub struct Token {
    /// The token's label; it may be left out where the store has one token
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// Read the user PIN from the first line of a file instead of the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "pin_fd")]
    pin_file: Option<PathBuf>,
    /// Read the user PIN from the first line of an open file descriptor
    #[arg(long, value_name = "NUMBER")]
    pin_fd: Option<u32>,
    /// The PKCS#11 module to use [default: libkeystead.so beside this program]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

/// How a session is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only looking.
    Look,
    /// Changing something.
    Change,
}

impl Token {
    /// A session in which the user is logged in.
    pub fn log_in(&self, global: &Global, access: Access) -> Result<Session, Failure> {
        global.hand_to_module()?;
        let module = self.module()?;
        let pkcs11 = Pkcs11::new(&module)
            .map_err(|error| Failure::new(format_args!("{}: {error}", module.display())))?;
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        let slot = self.slot(&pkcs11)?;
        let session = match access {
            Access::Look => pkcs11.open_ro_session(slot)?,
            Access::Change => pkcs11.open_rw_session(slot)?,
        };
        session.login(UserType::User, Some(&self.pin()?))?;
        Ok(session)
    }

    fn module(&self) -> Result<PathBuf, Failure> {
        let beside = |program: PathBuf| program.with_file_name("libkeystead.so");
        match &self.module {
            Some(module) => Ok(std::path::absolute(module)?),
            None => Ok(beside(std::env::current_exe()?)),
        }
    }

    fn slot(&self, pkcs11: &Pkcs11) -> Result<Slot, Failure> {
        let mut fitting = Vec::new();
        let mut labels = Vec::new();
        for slot in pkcs11.get_slots_with_token()? {
            let info = pkcs11.get_token_info(slot)?;
            if !info.token_initialized() {
                continue;
            }
            if self.token.as_deref().is_none_or(|wanted| wanted == info.label()) {
                fitting.push(slot);
            }
            labels.push(info.label().to_owned());
        }
        match (fitting.as_slice(), labels.is_empty()) {
            ([slot], _) => Ok(*slot),
            (_, true) => Err(Failure::new("the store has no token")
                .hint("`pkcs11-tool --init-token` makes one; see README.md")),
            ([], _) => {
                let wanted = self.token.as_deref().unwrap_or_default();
                Err(Failure::new(format_args!("there is no token {wanted:?}"))
                    .hint(format_args!("there is: {}", labels.join(", "))))
            }
            _ => Err(Failure::new("more than one token fits")
                .hint(format_args!("choose one with --token: {}", labels.join(", ")))),
        }
    }

    fn pin(&self) -> Result<AuthPin, Failure> {
        let pin = match (&self.pin_file, self.pin_fd) {
            (Some(file), _) => first_line(file)?,
            (None, Some(number)) => first_line(Path::new(&format!("/proc/self/fd/{number}")))?,
            (None, None) if io::stdin().is_terminal() => {
                Zeroizing::new(rpassword::prompt_password("User PIN: ")?)
            }
            (None, None) => {
                return Err(Failure::new("there is no terminal to ask for the PIN")
                    .hint("--pin-file or --pin-fd says where it is"));
            }
        };
        Ok(AuthPin::new(pin.as_str().into()))
    }
}

/// The longest PIN file that is read, in bytes.
const MOST: u64 = 4096;

fn first_line(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::new(format_args!("{}: {error}", file.display()));
    let mut text = Zeroizing::new(String::with_capacity(MOST as usize));
    fs::File::open(file).map_err(failed)?.take(MOST).read_to_string(&mut text).map_err(failed)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
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
        let mut again = Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1)).envs(missing);
        Err(again.exec().into())
    }
}

/// Every custom key's metadata object.
pub fn custom_keys(session: &Session) -> Result<Vec<ObjectHandle>, Failure> {
    Ok(session.find_objects(&[
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(APPLICATION.to_vec()),
    ])?)
}

/// The metadata object of the one custom key that is called so: by its alias or key ID.
pub fn custom_key(session: &Session, name: &str) -> Result<ObjectHandle, Failure> {
    let of = |attribute| -> Result<Vec<ObjectHandle>, Failure> {
        Ok(session.find_objects(&[
            Attribute::Class(ObjectClass::DATA),
            Attribute::Application(APPLICATION.to_vec()),
            attribute,
        ])?)
    };
    let mut found = of(vendor(CKA_KEYSTEAD_KEY_ID, name.as_bytes()))?;
    if found.is_empty() {
        found = of(Attribute::Label(name.into()))?;
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(format_args!("there is no custom key {name:?}"))
            .hint("`keystead list` shows the aliases and key IDs there are")),
        _ => Err(Failure::new(format_args!("{} custom keys are called {name:?}", found.len()))
            .hint("name one by its key ID; `keystead list` shows them")),
    }
}

/// The JSON of a metadata object.
pub fn metadata(session: &Session, object: ObjectHandle) -> Result<Vec<u8>, Failure> {
    match session.get_attributes(object, &[AttributeType::Value])?.pop() {
        Some(Attribute::Value(json)) => Ok(json),
        _ => Err(Failure::new("the custom key's metadata cannot be read")),
    }
}

/// An attribute of Keystead's own.
pub fn vendor(kind: u64, value: &[u8]) -> Attribute {
    Attribute::VendorDefined((AttributeType::VendorDefined(kind), value.to_vec()))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(&error);
        match &error {
            Error::Pkcs11(code, _) => match hint(code) {
                Some(hint) => failure.hint(hint),
                None => failure,
            },
            _ => failure,
        }
    }
}

fn hint(code: &RvError) -> Option<&'static str> {
    Some(match code {
        RvError::PinIncorrect => {
            "the PIN is wrong, and the attempt was counted; ten in a row lock it"
        }
        RvError::PinLocked => {
            "the security officer unlocks it by setting a new user PIN (C_InitPIN)"
        }
        RvError::UserPinNotInitialized => "`pkcs11-tool --init-pin` sets the user PIN",
        RvError::TokenNotPresent => {
            "`keystead agent` runs the agent here, where it shows what is wrong"
        }
        RvError::DeviceMemory => "make room on the store's file system; deleting keys still works",
        _ => return None,
    })
}
