//! The states of a custom key as the border numbers them and as JSON names them.

use super::vendor::*;
use crate::key::{ExpiryAction, MaterialState, Origin, Status};

/// A state's number and its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The value of the attribute that shows it.
    pub number: u64,
    /// The value of the JSON's member that shows it.
    pub text: &'static str,
}

const fn word(number: u64, text: &'static str) -> Word {
    Word { number, text }
}

/// Returns the word for an origin.
pub(crate) const fn origin(origin: Origin) -> Word {
    match origin {
        Origin::Generated => word(ORIGIN_GENERATED, "generated"),
        Origin::External => word(ORIGIN_EXTERNAL, "external"),
    }
}

/// Returns the word for a status.
pub const fn status(status: Status) -> Word {
    match status {
        Status::Enabled => word(STATUS_ENABLED, "enabled"),
        Status::Disabled => word(STATUS_DISABLED, "disabled"),
        Status::PendingDeletion => word(STATUS_PENDING_DELETION, "pending deletion"),
        Status::PendingImport => word(STATUS_PENDING_IMPORT, "pending import"),
    }
}

/// Returns the word for what became of the material.
pub const fn material(material: MaterialState) -> Word {
    match material {
        MaterialState::Never => word(MATERIAL_NEVER, "never imported"),
        MaterialState::Present => word(MATERIAL_PRESENT, "present"),
        MaterialState::Deleted => word(MATERIAL_DELETED, "deleted"),
        MaterialState::Expired => word(MATERIAL_EXPIRED, "expired"),
        MaterialState::Readable => word(MATERIAL_READABLE, "expired but readable"),
    }
}

/// Returns the word for what happens at an expiry.
pub const fn action(action: ExpiryAction) -> Word {
    match action {
        ExpiryAction::Erase => word(ACTION_ERASE, "erase"),
        ExpiryAction::ReadOnly => word(ACTION_READ_ONLY, "read-only"),
    }
}
