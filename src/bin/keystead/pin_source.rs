//! The places where a PIN or passphrase lies for a program without a terminal: a file, a variable of the
//! environment, a credential of systemd's.

use crate::Failure;
use crate::explain::quoted_path;
use clap::builder::{OsStringValueParser, TypedValueParser};
use keystead::internal::plain_file;
use keystead::internal::sys::take_variable;
use keystead::internal::text::escaped;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A place of a PIN, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PinSource {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the environment, by its name (`env:NAME`).
    Environment(String),
    /// A credential that systemd handed to the service, by its name (`credential:NAME`).
    Credential(String),
}

/// The variable in which systemd names the directory of a service's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

const ENVIRONMENT_PREFIX: &str = "env:";
const CREDENTIAL_PREFIX: &str = "credential:";

/// The variables that were taken out of the environment, with their values.
static TAKEN: Mutex<Vec<(String, Zeroizing<Vec<u8>>)>> = Mutex::new(Vec::new());

impl PinSource {
    /// Parses the command line's word for it. A variable that it names is taken out of the environment at
    /// once, before there is a child or another thread.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::parse)
    }

    fn parse(text: OsString) -> Result<Self, &'static str> {
        let Some(word) = text.to_str() else { return Ok(Self::File(text.into())) };
        if let Some(name) = word.strip_prefix(ENVIRONMENT_PREFIX) {
            take(name);
            return Ok(Self::Environment(name.to_owned()));
        }
        match word.strip_prefix(CREDENTIAL_PREFIX) {
            Some("" | "." | "..") => Err("a credential has a name"),
            Some(name) if name.contains('/') => Err("a credential's name has no slash"),
            Some(name) => Ok(Self::Credential(name.to_owned())),
            None if word.is_empty() => Err("it names nothing"),
            None => Ok(Self::File(text.into())),
        }
    }

    /// Reads the first line of what is there, which `what` names in errors.
    pub(crate) fn read(&self, what: &str) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::File(file) => from_file(file),
            Self::Credential(name) => {
                match std::env::var_os(CREDENTIALS).filter(|it| !it.is_empty()) {
                    Some(folder) => from_file(&Path::new(&folder).join(name)).map_err(|failure| {
                        failure.or_hint(format_args!(
                            "`LoadCredential={name}:/file` in the unit brings it"
                        ))
                    }),
                    None => Err(Failure::new(format_args!("{CREDENTIALS} is not set"))
                        .hint("systemd sets it for a unit with `LoadCredential=NAME:/file`")),
                }
            }
            // The name may be the PIN itself, from a shell that has replaced a variable by its value.
            Self::Environment(name) => from_taken(name).ok_or_else(|| {
                Failure::new(format_args!("the environment has no such variable for the {what}"))
                    .hint("env:NAME names it, without a dollar sign, and it is exported")
            })?,
        }
    }
}

/// Returns the variables that were taken, for a program that takes this one's place and takes them again.
pub(crate) fn taken() -> Vec<(String, OsString)> {
    use std::os::unix::ffi::OsStringExt;
    let again = |(name, value): &(String, Zeroizing<Vec<u8>>)| {
        (name.clone(), OsString::from_vec(value.to_vec()))
    };
    table().iter().map(again).collect()
}

fn take(name: &str) {
    let value = take_variable(name);
    table().extend(value.map(|value| (name.to_owned(), value)));
}

fn from_taken(name: &str) -> Option<Result<Zeroizing<String>, Failure>> {
    let value = table().iter().find(|(other, _)| other == name)?.1.clone();
    let line = first_line(value.as_slice());
    Some(line.map_err(|error| Failure::of_file("the variable's value".as_ref(), &error)))
}

fn table() -> MutexGuard<'static, Vec<(String, Zeroizing<Vec<u8>>)>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn from_file(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let open = plain_file::open_named(file);
    let line = open.and_then(|open| {
        warn_of_others(file, &open.metadata()?);
        first_line(open)
    });
    line.map_err(|error| Failure::of_file(file, &error))
}

/// Permissions by which others than the owner and the group may read a file, or others than the owner write it.
const OPEN: u32 = 0o026;

/// Warns where others can read a PIN or passphrase in its file, or put another in its place. It is taken all the same: a
/// container's secrets are readable within it by all.
fn warn_of_others(file: &Path, found: &Metadata) {
    if found.is_file() && found.mode() & OPEN != 0 {
        let name = escaped(file.as_os_str().as_bytes());
        Failure::new(format_args!("{name}: others can read or write this file"))
            .hint(format_args!("`chmod g-w,o= {}`", quoted_path(file)))
            .warn();
    }
}

/// The longest line that is read for a PIN, in bytes.
pub(crate) const MAX_LINE: usize = 1024;

/// Reads one line and no byte beyond it, so that what follows (another PIN, key material) is still there
/// for the next reader of the same descriptor.
pub(crate) fn first_line(mut file: impl Read) -> io::Result<Zeroizing<String>> {
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
    use super::{PinSource, first_line};
    use std::fs::File;
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
    fn a_place_is_told_by_its_prefix() {
        let of = |text: &str| PinSource::parse(text.into());
        assert_eq!(of("env:NONE_SUCH"), Ok(PinSource::Environment("NONE_SUCH".into())));
        assert_eq!(of("credential:pin"), Ok(PinSource::Credential("pin".into())));
        for file in ["pin", "/run/pin", "./env:PIN", "-"] {
            assert_eq!(of(file), Ok(PinSource::File(file.into())));
        }
        for wrong in ["", "credential:", "credential:..", "credential:../pin", "credential:a/b"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
