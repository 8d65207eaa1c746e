//! The content of a line of the audit log.

pub(crate) use crate::clock::timestamp;
use crate::error::Reason;
use crate::id::Id;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

macro_rules! events {
    ($($name:ident => $text:literal, $doc:literal;)*) => {
        /// An event in a key's or a token's life.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum AuditEvent {
            $(#[doc = $doc] #[serde(rename = $text)] $name,)*
        }

        impl AuditEvent {
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
    TokenChanged => "token-changed", "A token's label changed; before PINs had events of their own, a PIN.";
    TokenDestroyed => "token-destroyed", "A token ended with everything in it.";
    BackedUp => "backed-up", "The store was backed up, and the token with it.";
    Restored => "restored", "The token came into being from a backup.";
    ClockAccepted => "clock-accepted", "The security officer lowered the store's latest time.";
    PinSet => "pin-set", "The security officer set the user's PIN.";
    PinChanged => "pin-changed", "A PIN was changed by a user who knew it.";
    PinUnlocked => "pin-unlocked", "The security officer set the user's PIN, which was locked.";
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

/// An event, with the key or token that it happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The event.
    pub event: AuditEvent,
    /// The token's identity.
    pub token: String,
    /// Its label at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The key ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key's alias at that time, or an ordinary key's label; none where it has none, or where the agent
    /// has not been told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The version of the material.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The time at which the material expires, the key ends, or the day began of which this tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// True if the key had been imported before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// The number of uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The owner of the PIN: `user` or `so`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The reason of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Fact {
    /// Something that happened to a token.
    pub fn of_token(event: AuditEvent, token: Id) -> Self {
        let token = token.to_string();
        Self {
            event,
            token,
            label: None,
            key: None,
            alias: None,
            version: None,
            at: None,
            again: false,
            times: None,
            pin: None,
            reason: None,
        }
    }

    /// Something that happened to a key.
    pub fn of_key(event: AuditEvent, token: Id, key: Id) -> Self {
        Self { key: Some(key.to_string()), ..Self::of_token(event, token) }
    }

    /// An import that was refused.
    pub fn of_refusal(token: Id, key: Option<Id>, reason: Reason) -> Self {
        let fact = Self::of_token(AuditEvent::ImportRefused, token);
        let key = key.map(|key| key.to_string());
        Self { key, reason: Some(reason.text().to_owned()), ..fact }
    }

    /// Something that happened to a PIN.
    pub fn of_pin(event: AuditEvent, token: Id, officer: bool) -> Self {
        let pin = if officer { "so" } else { "user" };
        Self { pin: Some(pin.to_owned()), ..Self::of_token(event, token) }
    }
}

/// The process that asked for a change, and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The user, by number; none where the agent acts by itself.
    pub user: Option<u32>,
    /// The process, where the agent can see it.
    pub process: Option<u32>,
    /// The name of the program that it runs.
    pub program: Option<Arc<str>>,
}

impl Asker {
    /// The agent itself.
    pub fn agent() -> Self {
        let process = std::process::id();
        Self { user: None, process: Some(process), program: program_of(process) }
    }

    /// A user's process, while it is there.
    pub fn process(user: u32, process: Option<u32>) -> Self {
        Self { user: Some(user), process, program: process.and_then(program_of) }
    }
}

/// The program that a process runs. Of another user's process only the name is seen that it has given
/// itself.
fn program_of(process: u32) -> Option<Arc<str>> {
    let file = std::fs::read_link(format!("/proc/{process}/exe"));
    let file = file.ok().and_then(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    let given = || std::fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let name = file.or_else(given)?;
    Some(name.trim_end().into())
}

/// A line without its mac.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// The time.
    pub time: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub fact: Fact,
    /// The number of the user whose process asked; none where the agent did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The number of that process, or the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The program that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl AuditEntry {
    /// A fact as line number `seq`.
    pub fn new(seq: u64, time: Timestamp, fact: Fact, asker: &Asker) -> Self {
        let Asker { user, process, program } = asker.clone();
        Self { seq, time, fact, user, process, program: program.map(|name| name.to_string()) }
    }
}
