//! PKCS#11 return codes in words that say what to do.

use crate::{Failure, Global, output};
use cryptoki::error::{Error, RvError};
use std::path::Path;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => {
                let (text, hint) = words(code);
                let failure = match text {
                    Some(text) => Self::new(text),
                    None => Self::new(format_args!("C_{function:?} failed: {code:?}")),
                };
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            Error::LibraryLoading(error) => {
                Self::new(format_args!("the module cannot be loaded: {error}"))
            }
            other => Self::new(other),
        }
    }
}

/// What a code means to somebody at a command line, and what helps.
fn words(code: RvError) -> (Option<&'static str>, Option<&'static str>) {
    let (text, hint) = match code {
        RvError::PinIncorrect => (
            "the PIN is wrong",
            Some("the attempt was counted; ten wrong ones in a row lock the PIN"),
        ),
        RvError::PinLocked => (
            "the PIN is locked after too many wrong ones",
            Some("the security officer unlocks a user's PIN; nobody unlocks the officer's"),
        ),
        RvError::PinLenRange => {
            ("the PIN is too short or too long", Some("a PIN has 4 to 255 bytes"))
        }
        RvError::UserPinNotInitialized => {
            ("the user PIN has not been set", Some("the security officer sets it"))
        }
        RvError::TokenNotPresent => ("the token is gone", None),
        RvError::DeviceMemory => (
            "there is no room left in the store",
            Some("make room on the store's file system; a running agent still deletes keys"),
        ),
        RvError::DeviceError => {
            ("the store or its agent failed", Some("`keystead doctor` says what is wrong"))
        }
        RvError::TokenWriteProtected => {
            ("the store can only be read", Some("`keystead doctor` says why"))
        }
        RvError::ObjectHandleInvalid => ("somebody else removed the object first", None),
        RvError::MechanismInvalid => ("the token does not do this", None),
        _ => return (None, None),
    };
    (Some(text), hint)
}

/// Where nobody can set a user's PIN any more.
pub const NOBODY_UNLOCKS: &str =
    "nobody unlocks it: the security officer's PIN is locked too, and stays so";

/// One token among those of its store, for whoever names it to another program.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub slot: u64,
    pub label: &'a str,
    /// Whether another token has the same label.
    pub ambiguous: bool,
}

/// Why a user's login failed; what only the security officer mends comes with the command for it.
pub fn login(error: Error, officer_locked: bool, set_pin: impl FnOnce() -> String) -> Failure {
    let code = code(&error);
    let failure = Failure::from(error);
    match code {
        Some(RvError::PinLocked) if officer_locked => failure.hint(NOBODY_UNLOCKS),
        Some(RvError::PinLocked | RvError::UserPinNotInitialized) => {
            failure.hint(format_args!("the security officer sets a new one: `{}`", set_pin()))
        }
        _ => failure,
    }
}

/// The command that sets the user's PIN of a token and no other, to be pasted.
pub fn set_user_pin(global: &Global, module: &Path, token: Named<'_>) -> String {
    let place = [("KEYSTEAD_STORE", &global.store), ("KEYSTEAD_CONF", &global.config)];
    let given = place.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let place: String = given.map(|(name, value)| format!("{name}={} ", quoted(value))).collect();
    let token = match token.ambiguous {
        true => format!("--slot {}", token.slot),
        false => format!("--token-label {}", quoted(token.label)),
    };
    let module = quoted(&module.to_string_lossy());
    format!("{place}pkcs11-tool --module {module} {token} --login --login-type so --init-pin")
}

/// One word of a shell's command line.
pub fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_alphanumeric() || "_./:@%+=,-".contains(it);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", output::printable(word).replace('\'', r"'\''")),
    }
}

/// A path as one word of a shell's command line.
pub fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Commands that hints name, and that are for one store.
const OF_A_STORE: [&str; 5] = [
    "`keystead agent",
    "`keystead doctor",
    "`keystead recover",
    "`keystead audit --verify",
    "`keystead init LABEL",
];

impl Global {
    /// A hint whose commands are for the store that was named on the command line or in the
    /// environment.
    pub fn here(&self, hint: &str) -> String {
        let environment = || std::env::var("KEYSTEAD_STORE").ok().filter(|store| !store.is_empty());
        let store = self.store.clone().or_else(environment);
        let options = [("--store", store), ("--config", self.config.clone())];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let options: String =
            given.map(|(name, value)| format!(" {name} {}", quoted(&value))).collect();
        let named = |hint: String, command: &&str| {
            hint.replace(&format!("{command}`"), &format!("{command}{options}`"))
        };
        OF_A_STORE.iter().fold(hint.to_owned(), named)
    }
}

/// The code of a failed call, where it is one.
pub fn code(error: &Error) -> Option<RvError> {
    match error {
        Error::Pkcs11(code, _) => Some(*code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn a_word_for_the_shell_is_quoted_where_it_must_be() {
        assert_eq!(quoted("/a/b-1.so"), "/a/b-1.so");
        assert_eq!(quoted("it's mine"), r"'it'\''s mine'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_command_that_sets_a_pin_names_one_token_of_one_store() {
        let global = Global { store: Some("my store".into()), config: None, json: false };
        let b = Named { slot: 1, label: "b", ambiguous: false };
        let command = |token| set_user_pin(&global, Path::new("/m.so"), token);
        let place = "KEYSTEAD_STORE='my store' pkcs11-tool --module /m.so";
        let rest = "--login --login-type so --init-pin";
        assert_eq!(command(b), format!("{place} --token-label b {rest}"));
        let two = Named { ambiguous: true, ..b };
        assert_eq!(command(two), format!("{place} --slot 1 {rest}"));
    }

    #[test]
    fn a_hint_names_the_store_that_the_command_line_names() {
        let global = Global { store: Some("/s".into()), config: Some("a b".into()), json: false };
        assert_eq!(
            global.here("`keystead recover` or `keystead list`"),
            "`keystead recover --store /s --config 'a b'` or `keystead list`"
        );
    }

    #[test]
    fn a_code_without_words_is_named_with_its_function() {
        let failure = Failure::from(Error::Pkcs11(RvError::CantLock, Function::Initialize));
        assert!(format!("{failure:?}").contains("C_Initialize failed: CantLock"), "{failure:?}");
    }
}
