//! PINs and passphrases: from the terminal, a file, or an open file descriptor; never from an argument or the
//! environment, where others could read them.

use crate::{Failure, terminal};
use cryptoki::types::AuthPin;
use keystead::internal::key::backup::PASSPHRASE_LENGTH;
use keystead::internal::key::pin::PIN_LENGTH;
use keystead::internal::sys;
use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The source of the user's PIN.
#[derive(Debug, clap::Args)]
pub(crate) struct UserPin {
    /// Read the user PIN from the first line of a file instead of the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "pin_fd")]
    pin_file: Option<PathBuf>,
    /// Read the user PIN from the next line of an open file descriptor
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    pin_fd: Option<i32>,
}

/// The source of the security officer's PIN.
#[derive(Debug, clap::Args)]
pub(crate) struct OfficerPin {
    /// Read the security officer's PIN from the first line of a file instead of the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "so_pin_fd")]
    so_pin_file: Option<PathBuf>,
    /// Read the security officer's PIN from the next line of an open file descriptor
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    so_pin_fd: Option<i32>,
}

/// The source of the PIN of a token that is copied from.
#[derive(Debug, clap::Args)]
pub(crate) struct OtherTokenPin {
    /// Read the other token's user PIN from the first line of a file instead of the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "from_pin_fd")]
    from_pin_file: Option<PathBuf>,
    /// Read the other token's user PIN from the next line of an open file descriptor
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    from_pin_fd: Option<i32>,
}

/// The source of a backup's passphrase.
#[derive(Debug, clap::Args)]
pub(crate) struct Passphrase {
    /// Read the passphrase from the first line of a file instead of the terminal
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the next line of an open file descriptor
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    passphrase_fd: Option<i32>,
}

/// A PIN that was given.
pub(crate) struct EnteredPin(Zeroizing<String>);

/// One way to come by a PIN.
struct PinSource<'a> {
    what: &'static str,
    option: &'static str,
    lengths: RangeInclusive<usize>,
    file: Option<&'a Path>,
    descriptor: Option<i32>,
}

/// The same for each of them.
macro_rules! asked_for {
    ($($what:ty),*) => {$(
        impl $what {
            /// The one there is.
            pub(crate) fn read(&self) -> Result<EnteredPin, Failure> {
                self.source().read()
            }

            /// One that is to be set; at the terminal it is asked for twice.
            pub(crate) fn read_new(&self) -> Result<EnteredPin, Failure> {
                self.source().read_new()
            }
        }
    )*};
}

asked_for!(UserPin, OfficerPin, Passphrase);

impl UserPin {
    /// Returns whether the command line says where it comes from.
    pub(crate) fn is_given(&self) -> bool {
        !self.source().asks()
    }

    fn source(&self) -> PinSource<'_> {
        PinSource {
            what: "user PIN",
            option: "pin",
            lengths: PIN_LENGTH,
            file: self.pin_file.as_deref(),
            descriptor: self.pin_fd,
        }
    }
}

impl OfficerPin {
    fn source(&self) -> PinSource<'_> {
        PinSource {
            what: "security officer's PIN",
            option: "so-pin",
            lengths: PIN_LENGTH,
            file: self.so_pin_file.as_deref(),
            descriptor: self.so_pin_fd,
        }
    }
}

impl OtherTokenPin {
    /// Returns the PIN; its length is the other token's business.
    pub(crate) fn read(&self) -> Result<EnteredPin, Failure> {
        self.source().read()
    }

    fn source(&self) -> PinSource<'_> {
        PinSource {
            what: "other token's user PIN",
            option: "from-pin",
            lengths: 1..=MAX_LINE,
            file: self.from_pin_file.as_deref(),
            descriptor: self.from_pin_fd,
        }
    }
}

impl Passphrase {
    fn source(&self) -> PinSource<'_> {
        PinSource {
            what: "passphrase",
            option: "passphrase",
            lengths: PASSPHRASE_LENGTH,
            file: self.passphrase_file.as_deref(),
            descriptor: self.passphrase_fd,
        }
    }
}

impl EnteredPin {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The same for `cryptoki`.
    pub(crate) fn for_login(&self) -> AuthPin {
        AuthPin::new(self.0.as_str().into())
    }
}

impl PinSource<'_> {
    /// One that cannot be right is not tried, and so not counted.
    fn read(&self) -> Result<EnteredPin, Failure> {
        self.checked(self.once("")?)
    }

    fn read_new(&self) -> Result<EnteredPin, Failure> {
        let pin = self.checked(self.once("New ")?)?;
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
        self.file.is_none() && self.descriptor.is_none()
    }

    fn once(&self, new: &str) -> Result<Zeroizing<String>, Failure> {
        match (self.file, self.descriptor) {
            (Some(file), _) => {
                File::open(file).and_then(first_line).map_err(|e| Failure::of_file(file, &e))
            }
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

fn capital(prompt: &str) -> String {
    let mut letters = prompt.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The longest line that is read for a PIN, in bytes.
const MAX_LINE: usize = 1024;

/// Reads one line and no byte beyond it, so that what follows (another PIN, key material) is still there
/// for the next reader of the same descriptor.
fn first_line(mut file: File) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut byte = Zeroizing::new([0]);
    while file.read(&mut *byte)? == 1 && *byte != *b"\n" {
        if line.len() == MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is too long"));
        }
        line.extend_from_slice(&*byte);
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its first line is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{File, capital, first_line};
    use std::io::{Read, Seek, Write};

    fn holding(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_pin_is_one_line_and_nothing_after_it_is_read() {
        let mut file = holding(b"1234\r\nrest");
        assert_eq!(first_line(file.try_clone().unwrap()).unwrap().as_str(), "1234");
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "rest");
        assert_eq!(first_line(holding(b"12 34")).unwrap().as_str(), "12 34");
        assert!(first_line(holding(b"\xFF\xFE")).is_err());
    }

    #[test]
    fn a_prompt_begins_with_a_capital() {
        assert_eq!(capital("user PIN"), "User PIN");
    }
}
