//! The identity of a store.

use super::cell::{Cell, FIRST_FORMAT, FLEET_FORMAT, FORMAT_CELL, IDENTITY_CELL};
use super::fixed::{FixedCells, damaged};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use std::path::Path;

/// A store's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreIdentity {
    /// The store, for good.
    pub(crate) store: Id,
    /// Grows with every recovery and restoration.
    pub(crate) incarnation: u64,
}

impl StoreIdentity {
    /// Reads it from the fixed cells. Fails where it is lost, and where the file has a format that this build does
    /// not know.
    pub(super) fn read(fixed: &FixedCells, path: &Path) -> Result<Self> {
        match (fixed.get(FORMAT_CELL), fixed.get(IDENTITY_CELL)) {
            (
                Some(Cell::Format(FIRST_FORMAT..=FLEET_FORMAT)),
                Some(Cell::Identity { store, incarnation }),
            ) => Ok(Self { store: *store, incarnation: *incarnation }),
            (Some(Cell::Format(format)), _) if !(FIRST_FORMAT..=FLEET_FORMAT).contains(format) => {
                Err(damaged(
                    path,
                    format_args!("it has format {format}, and this build knows {FLEET_FORMAT}"),
                ))
            }
            (format, identity) => Err(lost(format, identity, path)),
        }
    }

    /// Returns the identity after a recovery.
    pub(super) fn next(self) -> Self {
        Self { incarnation: self.incarnation.saturating_add(1), ..self }
    }

    pub(super) fn cell(self) -> Cell {
        Cell::Identity { store: self.store, incarnation: self.incarnation }
    }
}

fn lost(format: Option<&Cell>, identity: Option<&Cell>, path: &Path) -> Error {
    let lost = match (format, identity) {
        (Some(Cell::Format(_)), _) => "its second cell, which says whose store this is, is lost",
        (_, Some(Cell::Identity { .. })) => "its first cell, which says its format, is lost",
        _ => "it does not begin as a cell file",
    };
    Reason::StoreDamaged.detail(format_args!(
        "{}: {lost}; `keystead recover` mends what can be mended, else restore the store's directory as a \
         whole from a backup",
        path.display()
    ))
}
