//! PKCS#11 return codes in words that say what to do.

use crate::Failure;
use cryptoki::error::{Error, RvError};

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
            Some("the security officer unlocks a user PIN: `pkcs11-tool --login --init-pin`"),
        ),
        RvError::PinLenRange => {
            ("the PIN is too short or too long", Some("a PIN has 4 to 255 bytes"))
        }
        RvError::UserPinNotInitialized => {
            ("the user PIN has not been set", Some("`pkcs11-tool --login --init-pin` sets it"))
        }
        RvError::TokenNotPresent => (
            "the token is gone, or its agent cannot be reached",
            Some("`keystead agent` runs the agent here, where it shows what is wrong"),
        ),
        RvError::DeviceMemory => (
            "there is no room left in the store",
            Some("make room on the store's file system; a running agent still deletes keys"),
        ),
        RvError::DeviceError => (
            "the store or its agent failed",
            Some("`keystead agent` runs the agent here, where it shows what is wrong"),
        ),
        RvError::TokenWriteProtected => ("the store can only be read", None),
        RvError::ObjectHandleInvalid => ("somebody else removed the object first", None),
        RvError::MechanismInvalid => ("the token does not do this", None),
        _ => return (None, None),
    };
    (Some(text), hint)
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
    fn a_code_without_words_is_named_with_its_function() {
        let failure = Failure::from(Error::Pkcs11(RvError::CantLock, Function::Initialize));
        assert!(format!("{failure:?}").contains("C_Initialize failed: CantLock"), "{failure:?}");
    }
}
