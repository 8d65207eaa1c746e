//! The meaning of sled's failures to a caller.

use crate::error::{Error, Reason};
use crate::store::files;
use std::path::Path;

/// Returns the error that sled's error in `folder` is to a caller.
pub(super) fn failed(folder: &Path, cause: &sled::Error) -> Error {
    match cause {
        sled::Error::Io(cause) => files::failed(folder, cause),
        other => damaged(folder, other),
    }
}

/// Returns the error of a damaged database in `folder`, with its remedy.
pub(super) fn damaged(folder: &Path, what: impl std::fmt::Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {what}; restore the store's directory as a whole from a backup",
        folder.display()
    ))
}
