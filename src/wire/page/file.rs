//! The file `generations`: which page counts, and the time that the next agent goes on from. It is read
//! and written with calls that fail where it is not as it should be, and never mapped.

use super::{AT_IDENTITY, AT_STARTS, MAGIC, WORDS};
use crate::error::{Error, Reason, Result};
use crate::file_names::PAGE_MADE;
use rustix::fs::{Mode, OFlags, fstat, open, openat};
use rustix::io::{pread, pwrite};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name in the store's directory.
pub(crate) const NAME: &str = crate::file_names::PAGE;

/// The file's size in bytes.
pub(crate) const SIZE: u64 = (WORDS * size_of::<u64>()) as u64;

/// Returns the identity of the page that counts. Fails where there is no such file, or another in its
/// place.
pub(crate) fn identity(directory: &Path) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(directory.join(NAME), flags, Mode::empty())?;
    let [magic, .., identity]: [u64; AT_IDENTITY + 1] = read(file)?;
    if magic == MAGIC { Ok(identity) } else { Err(ErrorKind::InvalidData.into()) }
}

/// Returns the number of starts of an agent on the store in `directory`.
pub fn starts(directory: &Path) -> Result<u64> {
    let (file, path) = open_checked(directory, OFlags::RDONLY)?;
    let words: [u64; AT_STARTS + 1] = read(file).map_err(|error| failed(&path, error))?;
    let [.., starts] = words;
    Ok(starts)
}

/// Opens the file, and makes it where there is none. The caller holds the store's lock.
pub(crate) fn open_to_write(directory: &Path) -> Result<File> {
    if !directory.join(NAME).try_exists().map_err(|error| failed(directory, error))? {
        create(directory).map_err(|error| failed(&directory.join(NAME), error))?;
    }
    let (file, path) = open_checked(directory, OFlags::RDWR)?;
    match read(&file).map_err(|error| failed(&path, error))? {
        [MAGIC] => Ok(file),
        _ => Err(damaged(&path, "it is not a generation page")),
    }
}

/// Reads the first words of a file. Fails with `UnexpectedEof` where it has fewer.
pub(crate) fn read<const COUNT: usize>(file: impl AsFd) -> io::Result<[u64; COUNT]> {
    let mut words = [[0; size_of::<u64>()]; COUNT];
    let bytes = words.as_flattened_mut();
    match pread(file, &mut *bytes, 0)? {
        read if read == bytes.len() => Ok(words.map(u64::from_ne_bytes)),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes words of a file that begin at that one.
pub(crate) fn write(file: impl AsFd, at: usize, words: &[u64]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match pwrite(file, &bytes, (at * size_of::<u64>()) as u64)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(ErrorKind::WriteZero.into()),
    }
}

/// Makes the file whole under another name first, so that a crash leaves no half of it behind.
fn create(directory: &Path) -> io::Result<()> {
    let draft = directory.join(PAGE_MADE);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut bytes = vec![0; SIZE as usize];
    bytes.splice(..size_of::<u64>(), MAGIC.to_ne_bytes());
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, directory.join(NAME))?;
    File::open(directory)?.sync_all()
}

/// The folder is only passed through, which is all that the members of a group may do.
fn open_checked(directory: &Path, access: OFlags) -> Result<(File, PathBuf)> {
    let path = directory.join(NAME);
    let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder =
        open(directory, through, Mode::empty()).map_err(|error| failed(directory, error))?;
    let owner = fstat(&folder).map_err(|error| failed(directory, error))?.st_uid;
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(&folder, NAME, flags, Mode::empty());
    let file = File::from(file.map_err(|error| failed(&path, error))?);
    let metadata = file.metadata().map_err(|error| failed(&path, error))?;
    match objection(&metadata, owner) {
        Some(objection) => Err(damaged(&path, objection)),
        None => Ok((file, path)),
    }
}

fn objection(metadata: &Metadata, owner: u32) -> Option<String> {
    if !metadata.is_file() {
        return Some("it is not a regular file".into());
    }
    if metadata.len() != SIZE {
        return Some(format!("it has {} bytes instead of {SIZE}", metadata.len()));
    }
    if metadata.uid() != owner && metadata.uid() != 0 {
        return Some(format!("it belongs to user {}, the store to {owner}", metadata.uid()));
    }
    (metadata.permissions().mode() & 0o022 != 0)
        .then(|| "others than its owner can write it".into())
}

/// The error of a call on the file.
pub(crate) fn failed(path: &Path, error: impl Into<io::Error>) -> Error {
    let error = error.into();
    let cure = match error.raw_os_error() {
        Some(libc::EISDIR | libc::ELOOP | libc::ENXIO) => {
            "; it is no file: remove it, and the next agent makes it anew"
        }
        _ => "",
    };
    Reason::of(&error, Reason::StoreDamaged)
        .detail(format_args!("{}: {error}{cure}", path.display()))
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{}: {why}; remove this file, which the next agent makes anew",
        path.display()
    ))
}
