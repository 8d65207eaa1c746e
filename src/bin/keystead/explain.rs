//! PKCS#11 return codes in words that say what to do.

use crate::failure::{DOCTOR, LOG};
use crate::outcome::Outcome;
use crate::{Failure, Global, output};
use cryptoki::error::{Error, RvError};
use keystead::internal::{self, error::Reason};
use std::fmt;
use std::path::Path;

/// The hint where the module is not found, or is none.
pub(crate) const MODULE_HINT: &str = "install libkeystead.so as a package does, or name it by --module, or by `module` in the configuration";

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, function) = match error {
            Error::Pkcs11(code, function) => (code, function),
            Error::LibraryLoading(error) => {
                return Self::new(format_args!("the module cannot be loaded: {error}"))
                    .hint(MODULE_HINT);
            }
            other => return Self::new(other),
        };
        if let Some(reason) = reason(code) {
            return Self::from(internal::error::Error::from(reason));
        }
        let failure = match of_token(code).or_else(|| of_key(code)) {
            Some((text, hint)) => Self::new(text).hint(hint),
            None => Self::new(format_args!("C_{function:?} failed: {code:?}")),
        };
        failure.with_outcome(Outcome::of_code(code))
    }
}

/// Returns the one reason that a code has at a command line, where that says all.
fn reason(code: RvError) -> Option<Reason> {
    Some(match code {
        RvError::PinIncorrect => Reason::PinIncorrect,
        RvError::PinLocked => Reason::PinLocked,
        RvError::PinLenRange => Reason::PinLength,
        RvError::PinInvalid => Reason::PinInvalid,
        RvError::UserPinNotInitialized => Reason::PinMissing,
        RvError::DeviceMemory => Reason::StoreFull,
        RvError::TokenWriteProtected => Reason::StoreReadOnly,
        RvError::SessionCount => Reason::SessionCount,
        _ => return None,
    })
}

/// Returns the meaning of a code that tells of the token or its module, and what helps.
fn of_token(code: RvError) -> Option<(&'static str, &'static str)> {
    Some(match code {
        RvError::UserNotLoggedIn => (
            "the login has ended, or is not enough for this",
            "another process may have changed the PIN: run it again",
        ),
        RvError::TokenNotPresent | RvError::TokenNotRecognized => (
            "the token is gone",
            "`keystead doctor` shows which tokens there are; this one may have been destroyed",
        ),
        RvError::DeviceError | RvError::DeviceRemoved => ("the store or its agent failed", DOCTOR),
        RvError::GeneralError => ("the module failed", LOG),
        RvError::HostMemory => {
            ("there is not enough memory", "end other programs, or raise this one's limits")
        }
        RvError::FunctionFailed => (
            "the token could not do it",
            "another process may have changed the same key: run it again",
        ),
        RvError::FunctionRejected => {
            ("the rules of custody forbid it, or it is for the store's owner and root", LOG)
        }
        RvError::MechanismInvalid => {
            ("the token does not do this", "`pkcs11-tool --list-mechanisms` shows what it does")
        }
        _ => return None,
    })
}

/// Returns the meaning of a code that tells of a key, a template or data, and what helps.
fn of_key(code: RvError) -> Option<(&'static str, &'static str)> {
    Some(match code {
        RvError::ActionProhibited => (
            "the key does not allow this",
            "what the token made, and a key's metadata, is never destroyed; `keystead show` shows the key",
        ),
        RvError::AttributeReadOnly => {
            ("this property of the key cannot be changed", "`keystead show` shows what it is")
        }
        RvError::AttributeValueInvalid => ("a value is not one that the token takes", LOG),
        RvError::TemplateInconsistent | RvError::TemplateIncomplete => {
            ("what was asked for contradicts itself, or the key that is there", LOG)
        }
        RvError::KeyFunctionNotPermitted => (
            "the key may not be used for this",
            "`keystead show` shows its status: disabled, to be deleted, expired, or made for something else",
        ),
        RvError::KeyHandleInvalid
        | RvError::UnwrappingKeyHandleInvalid
        | RvError::WrappingKeyHandleInvalid => (
            "the key's material has gone meanwhile",
            "it was deleted or has expired: `keystead show` says when",
        ),
        RvError::KeySizeRange => ("the token makes and takes no key of this size", LOG),
        RvError::WrappedKeyInvalid | RvError::WrappedKeyLenRange => (
            "the wrapped key does not open",
            "it was wrapped under another key, in another form, or is damaged",
        ),
        RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange => (
            "the ciphertext does not open",
            "it was made with another key, or is damaged, cut off or altered",
        ),
        RvError::ObjectHandleInvalid => {
            ("another process removed the object first", "`keystead list` shows what is there")
        }
        _ => return None,
    })
}

/// The hint where a user's PIN can be set no more.
pub(crate) const NOBODY_UNLOCKS: &str =
    "it cannot be unlocked: the security officer's PIN is locked too, and stays so";

/// The meaning of a locked PIN of a security officer.
pub(crate) const OFFICER_LOCKED: &str = "it cannot be unlocked; the keys go on working under the user's PIN, but the token \
     can neither be destroyed nor have its user's PIN set anew";

/// One token among those of its store, as another program has to be told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub slot: u64,
    pub label: &'a str,
    pub serial: &'a str,
    /// Set where another token has the same label.
    pub ambiguous: bool,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the user of token {:?} in slot {}", self.label, self.slot)
    }
}

/// Explains the failure of a user's login, and names the token; what only the security officer mends comes
/// with the command for it.
pub(crate) fn login(
    error: Error,
    token: Named<'_>,
    officer_locked: bool,
    set_pin: impl FnOnce() -> String,
) -> Failure {
    let code = code(&error);
    let failure = of_login(error, token);
    match code {
        Some(RvError::PinLocked) if officer_locked => failure.hint(NOBODY_UNLOCKS),
        Some(RvError::PinLocked | RvError::UserPinNotInitialized) => {
            failure.hint(format_args!("the security officer sets a new one: `{}`", set_pin()))
        }
        _ => failure,
    }
}

/// Explains the failure of the security officer's login, and names the token.
pub(crate) fn officer_login(error: Error, token: Named<'_>) -> Failure {
    let locked = code(&error) == Some(RvError::PinLocked);
    let Named { slot, label, .. } = token;
    let failure =
        of_login(error, format_args!("the security officer of token {label:?} in slot {slot}"));
    if locked { failure.hint(OFFICER_LOCKED) } else { failure }
}

/// The failure of a login, with whose it was. Where the agent failed, or the module, it was not about the
/// token.
fn of_login(error: Error, whose: impl fmt::Display) -> Failure {
    match code(&error) {
        Some(RvError::DeviceError | RvError::DeviceMemory | RvError::GeneralError) => error.into(),
        _ => Failure::from(error).of(whose),
    }
}

/// The command that sets the user's PIN of a token and no other, to be pasted.
pub(crate) fn set_user_pin(global: &Global, token: Named<'_>) -> String {
    let place = [("--store", &global.store), ("--config", &global.config)];
    let given = place.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    let token = if token.ambiguous { token.serial } else { token.label };
    let options = [("--token", token)].into_iter().chain(given);
    let options: String =
        options.map(|(name, value)| format!(" {name} {}", quoted(value))).collect();
    format!("keystead pin unlock{options}")
}

/// One word of a shell's command line.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_alphanumeric() || "_./:@%+=,-".contains(it);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", output::printable(word).replace('\'', r"'\''")),
    }
}

/// A path as one word of a shell's command line.
pub(crate) fn quoted_path(path: &Path) -> String {
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
    pub(crate) fn here(&self, hint: &str) -> String {
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
pub(crate) fn code(error: &Error) -> Option<RvError> {
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
        let global =
            Global { store: Some("my store".into()), config: None, json: false, quiet: false };
        let b = Named { slot: 1, label: "b", serial: "00b", ambiguous: false };
        let store = "--store 'my store'";
        assert_eq!(set_user_pin(&global, b), format!("keystead pin unlock --token b {store}"));
        let two = Named { ambiguous: true, ..b };
        assert_eq!(set_user_pin(&global, two), format!("keystead pin unlock --token 00b {store}"));
    }

    #[test]
    fn a_hint_names_the_store_that_the_command_line_names() {
        let global = Global {
            store: Some("/s".into()),
            config: Some("a b".into()),
            json: false,
            quiet: false,
        };
        assert_eq!(
            global.here("`keystead recover` or `keystead list`"),
            "`keystead recover --store /s --config 'a b'` or `keystead list`"
        );
    }

    #[test]
    fn a_code_without_words_is_named_with_its_function() {
        let failure = Failure::from(Error::Pkcs11(RvError::CantLock, Function::Initialize));
        let (message, hint) = failure.into_parts();
        assert!(message.contains("C_Initialize failed: CantLock"), "{message}");
        assert!(hint.is_some_and(|hint| hint.contains("KEYSTEAD_LOG")));
    }
}
