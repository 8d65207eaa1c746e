//! `keystead pin`: changes a PIN, or sets a user's anew. Keys stay as they are.

use crate::client::{OpenToken, SessionMode, TokenChoice};
use crate::pin::{NewPin, OfficerPin, PinOptions, UserPin};
use crate::{Failure, Global, output};
use cryptoki::session::UserType;
use serde_json::json;

/// Change a PIN, or have the security officer set the user's
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Change(ChangeUser),
    ChangeSo(ChangeOfficer),
    Unlock(Unlock),
}

/// Change the user PIN, by the one there is
#[derive(Debug, clap::Args)]
struct ChangeUser {
    #[command(flatten)]
    token: TokenChoice,
    #[command(flatten)]
    pin: UserPin,
    #[command(flatten)]
    new: NewPin,
}

/// Change the security officer's PIN, by the one there is
#[derive(Debug, clap::Args)]
struct ChangeOfficer {
    #[command(flatten)]
    token: TokenChoice,
    #[command(flatten)]
    pin: OfficerPin,
    #[command(flatten)]
    new: NewPin,
}

/// Set a new user PIN, by the security officer's: where the old one is locked or forgotten, or there is none
///
/// Ten wrong PINs in a row lock a user's; the keys are there all the same. The security officer's own PIN
/// cannot be unlocked.
#[derive(Debug, clap::Args)]
struct Unlock {
    #[command(flatten)]
    token: TokenChoice,
    #[command(flatten)]
    officer: OfficerPin,
    #[command(flatten)]
    new: NewPin,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        match self.action {
            Action::Change(it) => it.run(global),
            Action::ChangeSo(it) => it.run(global),
            Action::Unlock(it) => it.run(global),
        }
    }
}

impl ChangeUser {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let token = self.token.open(global, SessionMode::ReadWrite)?;
        let (old, new) = (self.pin.read()?.for_login(), self.new.read_new()?.for_login());
        // Without a login it is the user's (PKCS#11 3.1, 5.5.9), and is tried once.
        let changed = token.session.set_pin(&old, &new);
        changed.map_err(|error| token.refused(global, UserType::User, error))?;
        report(global, &token, "changed", "user")
    }
}

impl ChangeOfficer {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let token = self.token.open(global, SessionMode::ReadWrite)?;
        let old = log_in_officer(&token, global, &self.pin)?;
        let changed = token.session.set_pin(&old, &self.new.read_new()?.for_login());
        changed.map_err(|error| token.refused(global, UserType::So, error))?;
        report(global, &token, "changed", "security officer")
    }
}

impl Unlock {
    fn run(self, global: &Global) -> Result<(), Failure> {
        let token = self.token.open(global, SessionMode::ReadWrite)?;
        log_in_officer(&token, global, &self.officer)?;
        token.session.init_pin(&self.new.read_new()?.for_login())?;
        report(global, &token, "set", "user")
    }
}

/// Logs the security officer in, and returns the PIN.
fn log_in_officer(
    token: &OpenToken,
    global: &Global,
    pin: &OfficerPin,
) -> Result<cryptoki::types::AuthPin, Failure> {
    let pin = pin.read()?.for_login();
    let done = token.session.login(UserType::So, Some(&pin));
    done.map_err(|error| token.refused(global, UserType::So, error))?;
    Ok(pin)
}

fn report(global: &Global, token: &OpenToken, done: &str, whose: &str) -> Result<(), Failure> {
    let (label, serial) = (token.info.label(), token.info.serial_number());
    match global.json {
        true => output::done_json(
            &json!({ "label": label, "serial": serial, "pin": whose, "done": done }),
        ),
        false => output::done(format_args!(
            "{done}: the {whose}'s PIN of {label} (serial number {serial})"
        )),
    }
}
