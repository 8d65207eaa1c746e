//! `keystead init`: makes a token, with both its PINs, in one step.

use crate::outcome::Outcome;
use crate::pin::{OfficerPin, PinOptions, UserPin};
use crate::{Failure, Global, output};
use keystead::internal::clock::SystemClock;
use keystead::internal::config::Config;
use keystead::internal::module::token_settings;
use keystead::internal::presence;
use keystead::internal::token::{Settings, Slots};
use keystead::internal::wire::{AgentLocation, Link};
use serde_json::json;
use std::sync::Arc;

/// Make a token in the store, with the security officer's PIN and the user's
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The token's label, 1 to 32 bytes; no other token of the store may have it
    label: String,
    #[command(flatten)]
    officer: OfficerPin,
    #[command(flatten)]
    user: UserPin,
    /// Let the token's keys be custom keys; with false it is a plain software token
    /// [default: as configured, else true]
    #[arg(long, value_name = "BOOLEAN")]
    custody: Option<bool>,
}

impl Arguments {
    pub(crate) fn run(self, global: &Global) -> Result<(), Failure> {
        check_label(&self.label)?;
        let config = global.configuration()?;
        if config.store.is_shared() {
            presence::check(&config.directory).map_err(|_| without_fleet(&config))?;
        }
        let custody = self.custody.unwrap_or(config.custody);
        let settings = Settings { custody, ..token_settings(&config) };
        let slots =
            Slots::new(Link::new(AgentLocation::of(&config)), Arc::new(SystemClock), settings);
        self.check_free(&slots)?;
        let officer = self.officer.read_new()?;
        let user = self.user.read_new()?;
        let id = slots.make_token(&self.label, officer.bytes(), user.bytes())?;
        let (label, serial) = (&self.label, id.serial());
        self.check_only(&slots, &serial, officer.bytes())?;
        match global.json {
            true => {
                output::done_json(&json!({ "label": label, "serial": serial, "custody": custody }))
            }
            false => output::done(format_args!("initialised: {label} (serial number {serial})")),
        }
    }

    fn check_free(&self, slots: &Slots) -> Result<(), Failure> {
        match self.of_label(slots)?.is_empty() {
            true => Ok(()),
            false => Err(self.taken()),
        }
    }

    /// Keeps, of tokens that are made at once, the one in the first slot only.
    fn check_only(&self, slots: &Slots, serial: &str, officer: &[u8]) -> Result<(), Failure> {
        let mut made = self.of_label(slots)?;
        made.sort();
        match made.iter().skip(1).find(|(_, other)| other == serial) {
            Some((slot, _)) => {
                slots.destroy_token(*slot, &self.label, officer)?;
                Err(self.taken())
            }
            None => Ok(()),
        }
    }

    /// Slots and serial numbers of the tokens with this label.
    fn of_label(&self, slots: &Slots) -> Result<Vec<(u64, String)>, Failure> {
        let mut found = Vec::new();
        for slot in slots.list()? {
            let info = slots.info(slot)?;
            if info.label.as_ref() == Some(&self.label) {
                found.push((slot, info.serial));
            }
        }
        Ok(found)
    }

    fn taken(&self) -> Failure {
        Failure::new(format_args!("there is a token {:?} already", self.label)).hint(
            "choose another label; `pkcs11-tool --init-token` starts a token anew, \
             `keystead destroy-token` ends one",
        )
    }
}

/// Returns the failure of a first token on a host that has no part in the fleet that the configuration names.
fn without_fleet(config: &Config) -> Failure {
    let (directory, store) = (config.directory.display(), &config.store);
    let failure = Failure::new(format_args!("{directory} has no part in the fleet of {store}"));
    failure.with_outcome(Outcome::Agent).hint(
        "`keystead fleet join` has this host join it, `keystead fleet init` makes a new fleet; mount the volume that the directory should be on \
         where the host had one",
    )
}

/// PKCS#11 pads labels with blanks to 32 bytes, so that blanks at the end would be lost.
fn check_label(label: &str) -> Result<(), Failure> {
    let shown = !label.chars().any(char::is_control) && label.trim() == label;
    match (1..=32).contains(&label.len()) && shown {
        true => Ok(()),
        false => Err(Failure::usage(format_args!("{label:?} cannot be a token's label"))
            .hint("a label has 1 to 32 bytes, begins and ends with no blank, and can be shown")),
    }
}

#[cfg(test)]
mod tests {
    use super::check_label;

    #[test]
    fn a_label_survives_its_padding() {
        for label in ["a", "two words", &"x".repeat(32), "ключ"] {
            assert!(check_label(label).is_ok(), "{label}");
        }
        for label in ["", " a", "a ", "a\n", &"x".repeat(33), &"ü".repeat(17)] {
            assert!(check_label(label).is_err(), "{label:?}");
        }
    }
}
