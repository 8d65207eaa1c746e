//! The states of a custom key and the one function that moves it between them.
//!
//! The module applies [`KeyState::apply`] before it seals a change and the agent applies it again
//! when the change is committed, so no client can take a key where the rules do not lead. What
//! happens without a client (an expiry, an erasure) only ever takes away: [`KeyState::expire`].

use super::expiry::{Expiry, ExpiryAction};
use super::fingerprint::Fingerprint;
use crate::clock::Seconds;
use crate::erasure::{Erasure, Tombstone};
use crate::error::{Reason, Result};
use serde::{Deserialize, Serialize};

/// Seconds in a day.
pub const DAY: Seconds = 86_400;

/// The numbers of days ahead for which a deletion can be scheduled.
pub const DELETION_DAYS: std::ops::RangeInclusive<u64> = 7..=1096;

/// The most versions of a key: as many as one answer of an agent carries.
pub(crate) const MOST_VERSIONS: u32 = 16_384;

/// The time that a request for a deletion may be on its way, in seconds: a client that asks for exactly the
/// fewest days computes the moment before the token looks at it.
const UNDERWAY: Seconds = 300;

/// The source of a custom key's material, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The token makes it.
    Generated,
    /// The user brings it.
    External,
}

/// The use of a custom key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All uses that its flags allow.
    Enabled,
    /// No use, until it is enabled again.
    Disabled,
    /// No use, and it ends at the scheduled moment.
    PendingDeletion,
    /// No use: it has no material.
    PendingImport,
}

/// The fate of the material so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaterialState {
    /// Material that was never imported.
    Never,
    /// Material that is present; it may expire.
    Present,
    /// Material that was deleted by hand.
    Deleted,
    /// Material that has expired and was erased.
    Expired,
    /// Material that has expired and is kept for decrypting, verifying and unwrapping only.
    Readable,
}

/// All that decides what may happen to a custom key. It stands in the record's public header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// The source of its material.
    pub origin: Origin,
    /// True where the key may be used when it has material.
    pub enabled: bool,
    /// The fate of the material so far.
    pub material: MaterialState,
    /// The newest version of the material; 0 before the first.
    pub version: u32,
    /// The expiry of the material.
    pub expiry: Option<Expiry>,
    /// The material this key is associated with, once imported.
    pub fingerprint: Option<Fingerprint>,
    /// The second in which the whole key ends, if its deletion is scheduled.
    pub deletion_at: Option<Seconds>,
}

/// A change of a custom key that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The key comes into being in this state, see [`KeyState::may_begin`].
    Create,
    /// Material is imported, for the first time or again.
    Import {
        /// The keyed fingerprint of the material.
        fingerprint: Fingerprint,
        /// Its expiry.
        expiry: Option<Expiry>,
    },
    /// The material is deleted by hand.
    DeleteMaterial,
    /// The key is enabled or disabled.
    Enable(bool),
    /// The whole key is to end at that second, or no more.
    ScheduleDeletion(Option<Seconds>),
    /// A new version of the material is made.
    Rotate {
        /// The keyed fingerprint of the new version.
        fingerprint: Fingerprint,
    },
    /// A change of what is sealed alone: names, description, attributes.
    Describe,
}

impl Event {
    /// Returns the name of the event, in a word or two.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Import { .. } => "imported",
            Self::DeleteMaterial => "material deleted",
            Self::Enable(true) => "enabled",
            Self::Enable(false) => "disabled",
            Self::ScheduleDeletion(Some(_)) => "deletion scheduled",
            Self::ScheduleDeletion(None) => "deletion cancelled",
            Self::Rotate { .. } => "rotated",
            Self::Describe => "described",
        }
    }

    /// Returns the bytes that travel with a commit.
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(|cause| Reason::General.detail(cause))
    }

    /// Reads [`Self::encode`]'s bytes back, and refuses any that stand behind them.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        match postcard::take_from_bytes(bytes) {
            Ok((event, [])) => Ok(event),
            _ => Err(Reason::ArgumentsBad.detail("an event does not parse")),
        }
    }
}

impl KeyState {
    /// Returns a key whose first material the token has just made.
    pub fn generated(fingerprint: Fingerprint) -> Self {
        Self {
            origin: Origin::Generated,
            enabled: true,
            material: MaterialState::Present,
            version: 1,
            expiry: None,
            fingerprint: Some(fingerprint),
            deletion_at: None,
        }
    }

    /// Returns a key that waits for its first import.
    pub fn awaiting_import() -> Self {
        Self {
            origin: Origin::External,
            enabled: true,
            material: MaterialState::Never,
            version: 0,
            expiry: None,
            fingerprint: None,
            deletion_at: None,
        }
    }

    /// Fails unless a key may come into being in this state at `now`.
    pub fn may_begin(&self, now: Seconds) -> Result<()> {
        let born = match (self.origin, self.fingerprint) {
            (Origin::Generated, Some(fingerprint)) => Self::generated(fingerprint),
            (Origin::External, Some(fingerprint)) => {
                Self::awaiting_import().import(fingerprint, self.expiry, now)?
            }
            (Origin::External, None) => Self::awaiting_import(),
            (Origin::Generated, None) => return Err(Reason::Unlawful.into()),
        };
        if *self == born { Ok(()) } else { Err(Reason::Unlawful.into()) }
    }

    /// Returns the status of the key at the moment.
    pub fn status(&self) -> Status {
        match self {
            Self { deletion_at: Some(_), .. } => Status::PendingDeletion,
            state if !state.has_material() => Status::PendingImport,
            Self { enabled: true, .. } => Status::Enabled,
            Self { enabled: false, .. } => Status::Disabled,
        }
    }

    /// Returns whether there is material, if only to read with.
    pub fn has_material(&self) -> bool {
        matches!(self.material, MaterialState::Present | MaterialState::Readable)
    }

    /// Returns the state as the erase cell and the time `now` (never before the store's high-water mark)
    /// leave it: material that is due has expired.
    pub fn expire(mut self, erasure: Erasure, now: Seconds) -> Self {
        if !self.has_material() {
            return self;
        }
        match (erasure, self.expiry) {
            (Erasure::Ended(Tombstone::Deleted(_)), _) => self.material = MaterialState::Deleted,
            (Erasure::Ended(Tombstone::Expired(_)), _) => self.material = MaterialState::Expired,
            (Erasure::Live, Some(expiry)) if expiry.has_come(now) => {
                self.material = match expiry.action {
                    ExpiryAction::Erase => MaterialState::Expired,
                    ExpiryAction::ReadOnly => MaterialState::Readable,
                }
            }
            (Erasure::Live, _) => {}
        }
        self
    }

    /// Returns the state after `event` at `now`, or why it may not happen. `self` has [expired](Self::expire) as far as it is due.
    pub fn apply(self, event: &Event, now: Seconds) -> Result<Self> {
        match *event {
            Event::Create => Err(Reason::Unlawful.into()),
            Event::Import { fingerprint, expiry } => self.import(fingerprint, expiry, now),
            Event::DeleteMaterial => self.delete_material(),
            Event::Enable(enabled) => self.enable(enabled),
            Event::ScheduleDeletion(at) => self.schedule_deletion(at, now),
            Event::Rotate { fingerprint } => self.rotate(fingerprint),
            Event::Describe => self.describe(),
        }
    }

    fn import(
        self,
        fingerprint: Fingerprint,
        expiry: Option<Expiry>,
        now: Seconds,
    ) -> Result<Self> {
        if self.origin == Origin::Generated {
            return Err(Reason::ImportIntoGenerated.into());
        }
        if self.deletion_at.is_some() {
            return Err(Reason::PendingDeletion.into());
        }
        if self.fingerprint.is_some_and(|known| known != fingerprint) {
            return Err(Reason::OtherMaterial.into());
        }
        if expiry.is_some_and(|expiry| expiry.has_come(now)) {
            return Err(Reason::ExpiryPast.into());
        }
        Ok(Self {
            material: MaterialState::Present,
            version: 1,
            expiry,
            fingerprint: Some(fingerprint),
            ..self
        })
    }

    fn delete_material(self) -> Result<Self> {
        match self {
            Self { origin: Origin::Generated, .. } => Err(Reason::Undestroyable.into()),
            Self { deletion_at: Some(_), .. } => Err(Reason::ActionProhibited.into()),
            state if !state.has_material() => Err(Reason::ObjectUnknown.into()),
            state => Ok(Self { material: MaterialState::Deleted, expiry: None, ..state }),
        }
    }

    fn enable(self, enabled: bool) -> Result<Self> {
        match self.deletion_at {
            Some(_) => Err(Reason::ActionProhibited.into()),
            None => Ok(Self { enabled, ..self }),
        }
    }

    fn schedule_deletion(self, at: Option<Seconds>, now: Seconds) -> Result<Self> {
        match at {
            // Cancelling leaves the key disabled: its owner decides when it is used again.
            None if self.deletion_at.is_some() => {
                Ok(Self { enabled: false, deletion_at: None, ..self })
            }
            None => Ok(self),
            Some(_) if self.deletion_at.is_some() => Err(Reason::ActionProhibited.into()),
            Some(at) => {
                let first = DELETION_DAYS.start() * DAY - UNDERWAY;
                let last = DELETION_DAYS.end() * DAY;
                if (first..=last).contains(&at.saturating_sub(now)) {
                    Ok(Self { deletion_at: Some(at), ..self })
                } else {
                    Err(Reason::AttributeValue.into())
                }
            }
        }
    }

    fn rotate(self, fingerprint: Fingerprint) -> Result<Self> {
        if self.origin == Origin::External {
            return Err(Reason::RotateExternal.into());
        }
        if self.version >= MOST_VERSIONS {
            return Err(Reason::ActionProhibited
                .detail(format_args!("a key has at most {MOST_VERSIONS} versions")));
        }
        match self.status() {
            Status::Enabled => {
                Ok(Self { version: self.version + 1, fingerprint: Some(fingerprint), ..self })
            }
            Status::PendingDeletion => Err(Reason::KeyPendingDeletion.into()),
            Status::Disabled | Status::PendingImport => Err(Reason::KeyDisabled.into()),
        }
    }

    fn describe(self) -> Result<Self> {
        match self.deletion_at {
            Some(_) => Err(Reason::ActionProhibited.into()),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
