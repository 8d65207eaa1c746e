//! What a failure of sled means to a caller.

use crate::error::{Error, Reason};
use crate::store::files;
use std::path::Path;

/// Returns what sled's error in `folder` means.
pub(super) fn failed(folder: &Path, cause: &sled::Error) -> Error {
    match cause {
        sled::Error::Io(cause) => files::failed(folder, cause),
        other => damaged(folder, other),
    }
}

/// Says that the database in `folder` is damaged, and what helps.
pub(super) fn damaged(folder: &Path, what: impl std::fmt::Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        folder.display()
    ))
}
