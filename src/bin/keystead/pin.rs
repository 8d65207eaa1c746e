//! PINs and passphrases: from the terminal, from the places where a service keeps them, or from an open file
//! descriptor; never from an argument, where others could read them.

use crate::outcome::Outcome;
use crate::pin_source::{MAX_LINE, PinSource, first_line};
use crate::{Failure, terminal};
use cryptoki::types::AuthPin;
use keystead::internal::key::backup::PASSPHRASE_LENGTH;
use keystead::internal::key::pin::PIN_LENGTH;
use keystead::internal::sys;
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// A PIN that was given.
pub(crate) struct EnteredPin(Zeroizing<String>);

/// One way to come by a PIN.
pub(crate) struct PinRequest<'a> {
    what: &'static str,
    option: &'static str,
    lengths: RangeInclusive<usize>,
    place: Option<&'a PinSource>,
    descriptor: Option<i32>,
}

/// Options of the command line that say where a PIN or passphrase is.
pub(crate) trait PinOptions {
    /// Reads the one there is.
    fn read(&self) -> Result<EnteredPin, Failure> {
        self.source().read().map_err(of_pin)
    }

    /// Reads the one there is, from that place unless the command line names another.
    fn read_or(&self, place: Option<&PinSource>) -> Result<EnteredPin, Failure> {
        let source = self.source();
        match source.asks() {
            true => PinRequest { place, ..source }.read(),
            false => source.read(),
        }
        .map_err(of_pin)
    }

    /// Reads one that is to be set; at the terminal it is asked for twice.
    fn read_new(&self) -> Result<EnteredPin, Failure> {
        self.source().read_new().map_err(of_pin)
    }

    /// Returns whether the command line says where it comes from.
    fn is_given(&self) -> bool {
        !self.source().asks()
    }

    /// Returns the source that the options name.
    fn source(&self) -> PinRequest<'_>;
}

macro_rules! sources {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $option:literal, $lengths:expr, $place:ident, $fd:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, clap::Args)]
        pub(crate) struct $name {
            #[arg(long, value_name = "FILE", conflicts_with = stringify!($fd),
                  value_parser = PinSource::parser(),
                  help = concat!("Read the ", $what, " from the first line of a file, from env:NAME \
                                  or credential:NAME (systemd), instead of the terminal"))]
            $place: Option<PinSource>,
            #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..),
                  help = concat!("Read the ", $what, " from the next line of an open file descriptor"))]
            $fd: Option<i32>,
        }

        impl PinOptions for $name {
            fn source(&self) -> PinRequest<'_> {
                let (place, descriptor) = (self.$place.as_ref(), self.$fd);
                PinRequest { what: $what, option: $option, lengths: $lengths, place, descriptor }
            }
        }
    )*};
}

sources! {
    /// The source of the user's PIN.
    UserPin: "user PIN", "pin", PIN_LENGTH, pin_file, pin_fd;
    /// The source of the security officer's PIN.
    OfficerPin: "security officer's PIN", "so-pin", PIN_LENGTH, so_pin_file, so_pin_fd;
    /// The source of a PIN that takes the place of another.
    NewPin: "new PIN", "new-pin", PIN_LENGTH, new_pin_file, new_pin_fd;
    /// The source of the PIN of a token that is copied from.
    OtherTokenPin: "other token's user PIN", "from-pin", 1..=MAX_LINE, from_pin_file, from_pin_fd;
    /// The source of a backup's passphrase.
    Passphrase: "passphrase", "passphrase", PASSPHRASE_LENGTH, passphrase_file, passphrase_fd;
    /// The source of the code by which a host joins a fleet.
    InvitationCode: "invitation's code", "code", 1..=MAX_LINE, code_file, code_fd;
    /// The source of the passphrase of files with private keys.
    KeyFilePassphrase: "passphrase of the key's file", "passphrase", 0..=MAX_LINE, passphrase_file, passphrase_fd;
}

impl EnteredPin {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The same for `cryptoki`.
    pub(crate) fn for_login(&self) -> AuthPin {
        AuthPin::new(self.0.as_str().into())
    }
}

impl PinRequest<'_> {
    /// One that cannot be right is not tried, and so not counted.
    fn read(&self) -> Result<EnteredPin, Failure> {
        self.checked(self.once("")?)
    }

    fn read_new(&self) -> Result<EnteredPin, Failure> {
        let new = if self.what.starts_with("new ") { "" } else { "New " };
        let pin = self.checked(self.once(new)?)?;
        if self.asks() && terminal::hidden(&format!("The same {} again", self.what))? != pin.0 {
            return Err(
                Failure::new("the two differ").hint("run it again, and type the same twice")
            );
        }
        Ok(pin)
    }

    fn checked(&self, pin: Zeroizing<String>) -> Result<EnteredPin, Failure> {
        if self.lengths.contains(&pin.len()) {
            return Ok(EnteredPin(pin));
        }
        let (least, most) = (self.lengths.start(), self.lengths.end());
        let message = match pin.len() {
            0 => format!("the {} is empty", self.what),
            bytes => format!("the {} has {bytes} bytes", self.what),
        };
        Err(Failure::new(message).hint(format_args!("it has {least} to {most} bytes")))
    }

    fn asks(&self) -> bool {
        self.place.is_none() && self.descriptor.is_none()
    }

    fn once(&self, new: &str) -> Result<Zeroizing<String>, Failure> {
        match (self.place, self.descriptor) {
            (Some(place), _) => place.read(self.what),
            (None, Some(number)) => sys::inherited(number)
                .and_then(first_line)
                .map_err(|e| Failure::of_file(format!("file descriptor {number}").as_ref(), &e)),
            (None, None) if terminal::there_is_one() => {
                terminal::hidden(&capital(&format!("{new}{}", self.what)))
            }
            (None, None) => {
                let Self { what, option, .. } = self;
                let message = format_args!("there is no terminal to ask for the {what}");
                Err(Failure::new(message)
                    .hint(format_args!("--{option}-file or --{option}-fd says where it is")))
            }
        }
    }
}

fn of_pin(failure: Failure) -> Failure {
    failure.with_outcome(Outcome::Pin)
}

fn capital(prompt: &str) -> String {
    let mut letters = prompt.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::capital;

    #[test]
    fn a_prompt_begins_with_a_capital() {
        assert_eq!(capital("user PIN"), "User PIN");
    }
}
