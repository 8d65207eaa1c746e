//! What a line of the audit log says.

use crate::clock::Seconds;
use crate::error::Reason;
use crate::id::Id;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! events {
    ($($name:ident => $text:literal, $doc:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Event {
            $(#[doc = $doc] #[serde(rename = $text)] $name,)*
        }

        impl Event {
            /// The name of every event, as it stands in a line.
            pub const NAMES: &[&str] = &[$($text,)*];

            /// Its name, as it stands in a line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

events! {
    TokenInitialised => "token-initialised", "A token came into being, or began again.";
    TokenChanged => "token-changed", "A token's PIN or label changed.";
    TokenDestroyed => "token-destroyed", "A token ended with everything in it.";
    BackedUp => "backed-up", "The store was backed up, and the token with it.";
    Restored => "restored", "The token came into being from a backup.";
    ClockAccepted => "clock-accepted", "The security officer lowered the store's latest time.";
    PinWrong => "pin-wrong", "A login with a wrong PIN.";
    PinLocked => "pin-locked", "The last try that a PIN had was wrong.";
    Created => "created", "A key came into being.";
    Imported => "imported", "Material was imported.";
    ImportRefused => "import-refused", "An import was refused.";
    MaterialDeleted => "material-deleted", "Material was deleted by hand.";
    Expired => "expired", "Material was erased at its expiry.";
    Rotated => "rotated", "A new version of the material was made.";
    Enabled => "enabled", "A key was enabled.";
    Disabled => "disabled", "A key was disabled.";
    DeletionScheduled => "deletion-scheduled", "A key is to end.";
    DeletionCancelled => "deletion-cancelled", "A key is not to end any more.";
    Deleted => "deleted", "A key ended.";
    Used => "used", "How often a key was used on a day.";
    Described => "described", "A key's names, description or attributes changed.";
}

/// What happened to which key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What.
    pub event: Event,
    /// The token's identity.
    pub token: String,
    /// The key ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version of the material.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When the material expires, the key ends, or the day began of which this tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How often the key was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Whose PIN: `user` or `so`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Why something was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Fact {
    /// Something that happened to a token.
    pub fn of_token(event: Event, token: Id) -> Self {
        let token = token.to_string();
        Self {
            event,
            token,
            key: None,
            version: None,
            at: None,
            times: None,
            pin: None,
            reason: None,
        }
    }

    /// Something that happened to a key.
    pub fn of_key(event: Event, token: Id, key: Id) -> Self {
        Self { key: Some(key.to_string()), ..Self::of_token(event, token) }
    }

    /// An import that was refused.
    pub fn of_refusal(token: Id, key: Option<Id>, reason: Reason) -> Self {
        let fact = Self::of_token(Event::ImportRefused, token);
        let key = key.map(|key| key.to_string());
        Self { key, reason: Some(reason.text().to_owned()), ..fact }
    }

    /// Something that happened to a PIN.
    pub fn of_pin(event: Event, token: Id, officer: bool) -> Self {
        let pin = if officer { "so" } else { "user" };
        Self { pin: Some(pin.to_owned()), ..Self::of_token(event, token) }
    }
}

/// A line without its mac.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
    /// The number of the user whose process asked; none where the agent did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
}

/// A second as a line shows it; the last there is, where it lies beyond.
pub fn timestamp(at: Seconds) -> Timestamp {
    let second = i64::try_from(at).unwrap_or(i64::MAX);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}
