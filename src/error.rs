//! Every way a call can fail: one row each, with its PKCS#11 return code and what a person reads.
//!
//! Several reasons share a code; the log names the reason. A cryptographic failure says no more than
//! that it failed.

use crate::v3_2::CKR_PARAMETER_SET_NOT_SUPPORTED;
use pkcs11_sys::*;
use serde::{Deserialize, Serialize};
use std::collections::TryReserveError;
use std::fmt;
use std::io;

/// A code of PKCS#11 3.2, which `pkcs11-sys` does not have.
const CKR_SESSION_ASYNC_NOT_SUPPORTED: CK_RV = 0x205;

/// A failure, with detail where a person can act on it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    reason: Reason,
    detail: Option<Box<str>>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The row this failure belongs to.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The same detail under another reason.
    pub fn under(&self, reason: Reason) -> Self {
        Self { reason, detail: self.detail.clone() }
    }

    /// The code the caller gets.
    pub fn rv(&self) -> CK_RV {
        self.reason.rv()
    }
}

impl Error {
    /// The same failure, of that thing. Nothing is added where the agent or its store failed: it was not
    /// about the thing.
    pub fn of(self, thing: impl fmt::Display) -> Self {
        match (self.reason.is_of_store(), &self.detail) {
            (true, _) => self,
            (false, None) => self.reason.detail(thing),
            (false, Some(detail)) => self.reason.detail(format_args!("{detail}: {thing}")),
        }
    }
}

impl Reason {
    /// Returns whether the agent, the store or the process failed rather than the call was wrong.
    pub fn is_of_store(self) -> bool {
        self.is_no_agent()
            || matches!(self, Self::General | Self::HostMemory | Self::BadConfiguration)
    }

    /// Returns whether an auditor would want to know of it: a wrong PIN, or a refusal by a rule of
    /// custody. Questions that callers ask to find out, and mistakes in using the interface, are none.
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::PinIncorrect
                | Self::PinLocked
                | Self::StoreReadOnly
                | Self::TokenByOwner
                | Self::OwnerOnly
                | Self::ExpiryPast
                | Self::ClockBehind
                | Self::ActionProhibited
                | Self::Undestroyable
                | Self::Uncopyable
                | Self::OtherMaterial
                | Self::OtherSize
                | Self::MaterialHeld
                | Self::ImportIntoGenerated
                | Self::ImportOnly
                | Self::ExpiryOnGenerated
                | Self::RotateExternal
                | Self::RotatePrivate
                | Self::SeveralTargets
                | Self::PendingDeletion
                | Self::Unlawful
                | Self::KeyDisabled
                | Self::KeyPendingDeletion
                | Self::KeyExpired
                | Self::WrappedInvalid
                | Self::WrappedLength
        )
    }

    /// The reason together with what exactly happened. Never pass data, a PIN or a key.
    pub fn detail(self, detail: impl fmt::Display) -> Error {
        Error { reason: self, detail: Some(detail.to_string().into()) }
    }
}

impl Reason {
    /// Returns whether it means that no agent serves the store: neither the token nor its objects are to
    /// blame.
    pub fn is_no_agent(self) -> bool {
        matches!(
            self,
            Self::AgentAbsent
                | Self::AgentLost
                | Self::AgentDown
                | Self::AgentRefuses
                | Self::StoreAbsent
                | Self::StoreDamaged
                | Self::StoreFull
                | Self::StoreUnavailable
        )
    }

    /// Returns the reason that stands for an operating system's error, or else `otherwise`.
    pub fn of(error: &io::Error, otherwise: Self) -> Self {
        match (error.kind(), error.raw_os_error()) {
            (
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge,
                _,
            ) => Self::StoreFull,
            (io::ErrorKind::ReadOnlyFilesystem, _) => Self::StoreReadOnly,
            (_, Some(number)) if PASSING.contains(&number) => Self::StoreUnavailable,
            _ => otherwise,
        }
    }
}

/// Errors of a system that is short of something: they say nothing about the file.
const PASSING: [i32; 8] = [
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOMEM,
    libc::ENOBUFS,
    libc::ENOLCK,
    libc::EAGAIN,
    libc::EINTR,
    libc::EBUSY,
];

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None }
    }
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Self {
        Reason::HostMemory.into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.reason)
    }
}

impl std::error::Error for Error {}

macro_rules! reasons {
    ($($name:ident => $code:ident, $text:literal;)*) => {
        /// The reason for which a call failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $text] $name,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The PKCS#11 return code.
            pub const fn rv(self) -> CK_RV {
                match self { $(Self::$name => $code,)* }
            }

            /// The sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    ArgumentsBad => CKR_ARGUMENTS_BAD, "an argument is missing or makes no sense";
    HostMemory => CKR_HOST_MEMORY, "not enough memory";
    General => CKR_GENERAL_ERROR, "internal error";
    FunctionFailed => CKR_FUNCTION_FAILED, "the function failed";
    NotInitialized => CKR_CRYPTOKI_NOT_INITIALIZED, "C_Initialize has not been called in this process";
    AlreadyInitialized => CKR_CRYPTOKI_ALREADY_INITIALIZED, "C_Initialize has been called already";
    CantLock => CKR_CANT_LOCK, "the requested locking is not available";
    NotSupported => CKR_FUNCTION_NOT_SUPPORTED, "this function is not supported";
    NotParallel => CKR_FUNCTION_NOT_PARALLEL, "functions do not run in parallel";
    NoEvent => CKR_NO_EVENT, "no slot event is pending";
    BadConfiguration => CKR_GENERAL_ERROR, "the configuration is wrong";

    SlotUnknown => CKR_SLOT_ID_INVALID, "there is no such slot";
    TokenAbsent => CKR_TOKEN_NOT_PRESENT, "the slot holds no token";
    TokenUnrecognized => CKR_TOKEN_NOT_RECOGNIZED, "the token has not been initialised";
    AgentAbsent => CKR_DEVICE_ERROR, "the agent cannot be reached or started";
    AgentLost => CKR_DEVICE_ERROR, "the agent stopped answering";
    AgentRefuses => CKR_DEVICE_ERROR, "the agent does not speak to this module";
    StoreDamaged => CKR_DEVICE_ERROR, "the store is damaged";
    StoreFull => CKR_DEVICE_MEMORY, "there is no room left in the store";
    StoreReadOnly => CKR_TOKEN_WRITE_PROTECTED, "the store can only be read";
    Conflict => CKR_FUNCTION_FAILED, "another process changed the object first";

    SessionUnknown => CKR_SESSION_HANDLE_INVALID, "there is no such session";
    SessionCount => CKR_SESSION_COUNT, "too many sessions are open";
    SessionReadOnly => CKR_SESSION_READ_ONLY, "the session is read-only";
    SessionReadOnlyExists => CKR_SESSION_READ_ONLY_EXISTS, "a read-only session is open";
    SessionReadWriteSoExists => CKR_SESSION_READ_WRITE_SO_EXISTS, "the security officer is logged in";
    SessionExists => CKR_SESSION_EXISTS, "a session is open on this token";
    SessionNotSerial => CKR_SESSION_PARALLEL_NOT_SUPPORTED, "CKF_SERIAL_SESSION must be set";

    PinIncorrect => CKR_PIN_INCORRECT, "the PIN is wrong";
    PinLocked => CKR_PIN_LOCKED, "the PIN is locked after too many wrong ones";
    PinLength => CKR_PIN_LEN_RANGE, "the PIN is too short or too long";
    PinInvalid => CKR_PIN_INVALID, "the PIN has characters that are not UTF-8";
    PinMissing => CKR_USER_PIN_NOT_INITIALIZED, "the user PIN has not been set";
    NotLoggedIn => CKR_USER_NOT_LOGGED_IN, "this needs a login";
    AlreadyLoggedIn => CKR_USER_ALREADY_LOGGED_IN, "the user is logged in already";
    OtherLoggedIn => CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "another user is logged in";
    UserTypeInvalid => CKR_USER_TYPE_INVALID, "there is no such user type";

    ObjectUnknown => CKR_OBJECT_HANDLE_INVALID, "there is no such object";
    KeyUnknown => CKR_KEY_HANDLE_INVALID, "there is no such key";
    WrappingKeyUnknown => CKR_WRAPPING_KEY_HANDLE_INVALID, "there is no such wrapping key";
    UnwrappingKeyUnknown => CKR_UNWRAPPING_KEY_HANDLE_INVALID, "there is no such unwrapping key";
    AttributeUnknown => CKR_ATTRIBUTE_TYPE_INVALID, "the object has no such attribute";
    AttributeValue => CKR_ATTRIBUTE_VALUE_INVALID, "an attribute's value is not valid";
    AttributeReadOnly => CKR_ATTRIBUTE_READ_ONLY, "the attribute cannot be set";
    AttributeSensitive => CKR_ATTRIBUTE_SENSITIVE, "the attribute cannot be revealed";
    ExpiryPast => CKR_ATTRIBUTE_VALUE_INVALID, "the expiry is not in the future";
    TemplateIncomplete => CKR_TEMPLATE_INCOMPLETE, "a required attribute is missing from the template";
    TemplateInconsistent => CKR_TEMPLATE_INCONSISTENT, "the template's attributes contradict each other";
    ActionProhibited => CKR_ACTION_PROHIBITED, "the object does not allow this";
    Undestroyable => CKR_ACTION_PROHIBITED, "a custom key's metadata, or the material of a generated key, is never destroyed";
    Uncopyable => CKR_ACTION_PROHIBITED, "a custom key cannot be copied";

    OtherMaterial => CKR_TEMPLATE_INCONSISTENT, "the custom key was imported with other material before, and only the same can be imported again";
    OtherSize => CKR_TEMPLATE_INCONSISTENT, "the custom key was made for material of another size";
    MaterialHeld => CKR_TEMPLATE_INCONSISTENT, "another custom key is associated with this material";
    ImportIntoGenerated => CKR_TEMPLATE_INCONSISTENT, "material cannot be imported into a generated key";
    ExpiryOnGenerated => CKR_TEMPLATE_INCONSISTENT, "a generated key's material cannot expire";
    RotateExternal => CKR_TEMPLATE_INCONSISTENT, "an imported key cannot be rotated";
    RotatePrivate => CKR_TEMPLATE_INCONSISTENT, "a key pair cannot be rotated";
    SeveralTargets => CKR_TEMPLATE_INCONSISTENT, "more than one custom key fits the template";
    PendingDeletion => CKR_TEMPLATE_INCONSISTENT, "the custom key awaits deletion";
    Unlawful => CKR_FUNCTION_REJECTED, "the change is against the rules of custody";

    KeyDisabled => CKR_KEY_FUNCTION_NOT_PERMITTED, "the custom key is disabled";
    KeyPendingDeletion => CKR_KEY_FUNCTION_NOT_PERMITTED, "the custom key awaits deletion";
    KeyExpired => CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's material has expired";
    KeyNotPermitted => CKR_KEY_FUNCTION_NOT_PERMITTED, "the key may not be used for this";
    KeyTypeInconsistent => CKR_KEY_TYPE_INCONSISTENT, "the key's type does not fit the mechanism";
    WrappingKeyType => CKR_WRAPPING_KEY_TYPE_INCONSISTENT, "the wrapping key's type does not fit the mechanism";
    UnwrappingKeyType => CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, "the unwrapping key's type does not fit the mechanism";
    KeySizeRange => CKR_KEY_SIZE_RANGE, "the key's size does not fit the mechanism";
    KeyNotWrappable => CKR_KEY_NOT_WRAPPABLE, "the key cannot be wrapped with this mechanism";
    KeyUnextractable => CKR_KEY_UNEXTRACTABLE, "the key is not extractable";
    KeyIndigestible => CKR_KEY_INDIGESTIBLE, "the key cannot be digested";
    KeyNeeded => CKR_KEY_NEEDED, "a key is needed";

    CurveUnknown => CKR_CURVE_NOT_SUPPORTED, "the curve is not one the token computes on, or not this key type's";
    MechanismInvalid => CKR_MECHANISM_INVALID, "the mechanism is not known, or not for this";
    MechanismParam => CKR_MECHANISM_PARAM_INVALID, "the mechanism's parameter is not valid";
    OperationActive => CKR_OPERATION_ACTIVE, "an operation is active in this session";
    OperationMissing => CKR_OPERATION_NOT_INITIALIZED, "no such operation is active in this session";
    DataInvalid => CKR_DATA_INVALID, "the data is not valid for the mechanism";
    DataLength => CKR_DATA_LEN_RANGE, "the data's length does not fit the mechanism";
    EncryptedInvalid => CKR_ENCRYPTED_DATA_INVALID, "the ciphertext is not valid";
    EncryptedLength => CKR_ENCRYPTED_DATA_LEN_RANGE, "the ciphertext's length does not fit the mechanism";
    AeadInvalid => CKR_AEAD_DECRYPT_FAILED, "the message or its tag is not valid";
    SignatureInvalid => CKR_SIGNATURE_INVALID, "the signature is not valid";
    SignatureLength => CKR_SIGNATURE_LEN_RANGE, "the signature's length does not fit the mechanism";
    WrappedInvalid => CKR_WRAPPED_KEY_INVALID, "the wrapped key is not valid";
    BufferTooSmall => CKR_BUFFER_TOO_SMALL, "the buffer is too small";
    RandomSeed => CKR_RANDOM_SEED_NOT_SUPPORTED, "the random generator takes no seed";
    StateUnsaveable => CKR_STATE_UNSAVEABLE, "the operation's state cannot be saved";
    SavedStateInvalid => CKR_SAVED_STATE_INVALID, "the saved state is not valid";
    NotAssociated => CKR_ATTRIBUTE_VALUE_INVALID, "the custom key has never been imported, so there is nothing to compare with";
    BackupDamaged => CKR_DATA_INVALID, "the backup is damaged";
    OwnerOnly => CKR_FUNCTION_REJECTED, "this is for the store's owner and root";
    OtherStore => CKR_FUNCTION_FAILED, "this is not the store that was backed up";
    StoreNotEmpty => CKR_FUNCTION_FAILED, "the store is not empty";
    StoreUnavailable => CKR_DEVICE_ERROR, "the store cannot be read or written at the moment";
    ImportOnly => CKR_TEMPLATE_INCONSISTENT, "an import key only takes in material of custom keys";
    TokenByOwner => CKR_TOKEN_WRITE_PROTECTED, "only the store's owner and root make tokens";
    AgentDown => CKR_DEVICE_ERROR, "the agent did not answer a moment ago";
    WrappingKeySize => CKR_WRAPPING_KEY_SIZE_RANGE, "the wrapping key is too short";
    UnwrappingKeySize => CKR_UNWRAPPING_KEY_SIZE_RANGE, "the unwrapping key is too short";
    StoreAbsent => CKR_DEVICE_ERROR, "there is no store";
    ClockBehind => CKR_ATTRIBUTE_VALUE_INVALID, "the expiry lies before the latest time that the store has seen";
    WrappedLength => CKR_WRAPPED_KEY_LEN_RANGE, "no wrapped key of that type has this length";
    KeyNotNeeded => CKR_KEY_NOT_NEEDED, "no key is needed for this";
    SessionNotAsync => CKR_SESSION_ASYNC_NOT_SUPPORTED, "there are no asynchronous sessions";
    ParameterSetUnknown => CKR_PARAMETER_SET_NOT_SUPPORTED, "the parameter set is not one that keys of this type have";
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_system_that_is_short_of_something_has_no_damaged_store() {
        let of = |number| Reason::of(&std::io::Error::from_raw_os_error(number), Reason::General);
        assert_eq!(of(libc::ENFILE), Reason::StoreUnavailable);
        assert_eq!(of(libc::ENOSPC), Reason::StoreFull);
        assert_eq!(of(libc::EDQUOT), Reason::StoreFull);
        assert_eq!(of(libc::EFBIG), Reason::StoreFull);
        assert_eq!(of(libc::EROFS), Reason::StoreReadOnly);
        assert_eq!(of(libc::EIO), Reason::General);
    }

    #[test]
    fn every_reason_is_a_failure_that_a_person_can_read() {
        for reason in Reason::ALL {
            assert_ne!(reason.rv(), pkcs11_sys::CKR_OK, "{reason:?}");
            assert!(reason.text().len() > 8, "{reason:?}");
        }
    }
}
