//! The files of a store: opened, synced and removed in one way, and the meaning of their errors.

use super::pending_syncs;
use crate::error::{Error, Reason, Result};
pub(crate) use crate::plain_file::open as open_to_read;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file for reading and writing in place; where it is made, only its owner can read it.
pub(crate) fn open_private(path: &Path, create: bool) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(|cause| failed(path, &cause))
}

/// Removes a folder with everything in it, where there is one.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed(folder, &cause)),
        _ => Ok(()),
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let synced =
        pending_syncs::during(path, || File::open(path).and_then(|folder| folder.sync_all()));
    synced.map_err(|cause| failed(path, &cause))
}

/// Returns the error that an operating system's error on `path` is to a caller, with its remedy.
pub(crate) fn failed(path: &Path, cause: &io::Error) -> Error {
    let otherwise = match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => Reason::AgentAbsent,
        _ => Reason::StoreDamaged,
    };
    let number = match cause.kind() {
        // A pipe, or a device.
        io::ErrorKind::Unsupported => Some(libc::ENXIO),
        _ => cause.raw_os_error(),
    };
    let cure = match number {
        Some(libc::EISDIR | libc::ENOTDIR | libc::ELOOP | libc::ENXIO) => {
            "; it is no file: move it away, and put the store's own back from a backup"
        }
        Some(libc::EACCES | libc::EPERM) => "; the store's owner must be able to read and write it",
        Some(libc::EIO) => {
            "; the disk fails: move the store's directory to another, or restore a backup"
        }
        _ => "",
    };
    Reason::of(cause, otherwise).detail(format_args!("{}: {cause}{cure}", path.display()))
}
