//! The file `snapshot`: all pairs of a store as they were at one commit, kept beside the store for the
//! day on which it cannot be opened. Written whole under another name, read back, and only then named. What changes
//! after that is added beside it, see [`changes`], until it is much.
//!
//! # The file, byte by byte
//!
//! Integers are big endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–15 | `keystead pairs`, zero, and the format: `0x01` |
//! | 16–31 | the store's identity |
//! | 32–39 | its incarnation (u64) |
//! | 40–47 | the number of its last commit (u64) |
//! | then | pairs: length of the key (u16, never 0), key, length of the value (u32), value |
//! | last 34 | 0 (u16), and SHA-256 over everything before it |

mod changes;

pub(super) use changes::{ChangedPairs, size};

use crate::error::{Error, Reason, Result};
use crate::file_names::SNAPSHOT_MADE;
use crate::id::Id;
use crate::store::{
    self, CommitNumber, Memory, Put, SnapshotOrigin, Store, Summed, files, pending_syncs,
};
use changes::ChangesEnd;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"keystead pairs\0\x01";

/// The longest value that a store holds: what fits into a frame of the protocol, and some.
const MAX_VALUE: u32 = 8 << 20;

/// The part of a snapshot's size that what has changed since may have, as a divisor: then it is written anew.
const CHANGES: u64 = 4;

/// A snapshot with the changes that follow it.
#[derive(Debug)]
pub(super) struct Kept {
    /// The store, and the last commit.
    pub(super) origin: SnapshotOrigin,
    /// The size of the snapshot without the changes, in bytes.
    length: u64,
    end: ChangesEnd,
}

impl Kept {
    /// Returns true where it is of the store at commit `since`, and what has changed since is little beside it.
    pub(super) fn takes(
        &self,
        origin: SnapshotOrigin,
        since: CommitNumber,
        changed: &ChangedPairs,
    ) -> bool {
        self.end.whole
            && self.origin == SnapshotOrigin { commits: since, ..origin }
            && self.end.length + size(changed) <= self.length / CHANGES
    }

    /// Adds what has changed until commit `number`, durably, and returns how many bytes that took.
    pub(super) fn add(
        &mut self,
        directory: &Path,
        number: CommitNumber,
        changed: &ChangedPairs,
    ) -> Result<u64> {
        let end = changes::append(directory, self.end, number, changed)?;
        let before = std::mem::replace(&mut self.end, end);
        self.origin.commits = number;
        Ok(end.length - before.length)
    }
}

/// Keeps all pairs of `store`, durably, in place of the snapshot before.
pub(super) fn keep(directory: &Path, store: &dyn Store, origin: SnapshotOrigin) -> Result<Kept> {
    let (path, unfinished) = (place(directory), directory.join(SNAPSHOT_MADE));
    let named = write(&unfinished, store, origin)
        .and_then(|()| each_written(&unfinished, |_, _| Ok(())))
        .and_then(|_| {
            std::fs::rename(&unfinished, &path).map_err(|cause| files::failed(&path, &cause))
        });
    if let Err(error) = named {
        // The room is wanted for better things.
        remove_unfinished(directory);
        return Err(error);
    }
    files::sync_directory(directory)?;
    changes::remove(directory)?;
    kept(directory)?.ok_or_else(|| damaged(&path))
}

/// Removes a snapshot in `directory` that never got its name. Nothing depends on it: a failure is only logged.
pub(super) fn remove_unfinished(directory: &Path) {
    let unfinished = directory.join(SNAPSHOT_MADE);
    if unfinished.exists()
        && let Err(cause) = std::fs::remove_file(&unfinished)
    {
        log::warn!("a snapshot that was cut short stays: {}: {cause}", unfinished.display());
    }
}

fn write(path: &Path, store: &dyn Store, origin: SnapshotOrigin) -> Result<()> {
    let failed = |cause| files::failed(path, &cause);
    let file = files::open_private(path, true)?;
    file.set_len(0).map_err(failed)?;
    let mut out = Summed::new(BufWriter::new(&file));
    out.write_all(MAGIC).map_err(failed)?;
    out.write_all(origin.store.bytes()).map_err(failed)?;
    out.write_all(&origin.incarnation.to_be_bytes()).map_err(failed)?;
    out.write_all(&origin.commits.to_be_bytes()).map_err(failed)?;
    store::each(store, b"", |key, value| {
        put_key(&mut out, key).and_then(|()| put_value(&mut out, value)).map_err(failed)?;
        Ok(true)
    })?;
    out.write_all(&0_u16.to_be_bytes()).map_err(failed)?;
    let sum = out.sum();
    out.inner.write_all(&sum).and_then(|()| out.inner.flush()).map_err(failed)?;
    pending_syncs::during(path, || file.sync_all()).map_err(failed)
}

/// Returns the origin of the snapshot in `directory` with its changes; none where there is none. The pairs of the
/// snapshot itself are not read.
pub(crate) fn origin(directory: &Path) -> Result<Option<SnapshotOrigin>> {
    Ok(kept(directory)?.map(|kept| kept.origin))
}

/// Returns the snapshot in `directory`, as far as [`origin`] reads it.
pub(super) fn kept(directory: &Path) -> Result<Option<Kept>> {
    let path = place(directory);
    let file = match files::open_to_read(&path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(files::failed(&path, &cause)),
    };
    let mut origin = front(&mut BufReader::new(&file), &path)?;
    let (sum, length) = sum_of(&path)?;
    let end = changes::read(directory, sum, &mut ChangedPairs::new())?;
    origin.commits = end.commits.unwrap_or(origin.commits);
    Ok(Some(Kept { origin, length, end }))
}

/// Returns the value that was kept at `key`, once the whole of the snapshot has proved sound.
pub(crate) fn value(directory: &Path, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut found = None;
    each(directory, |at, value| {
        if at == key {
            found = Some(value);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads the snapshot in `directory` and its changes to their end, and fails where they are damaged; true if there is
/// any.
pub(crate) fn check(directory: &Path) -> Result<bool> {
    match kept(directory)? {
        Some(kept) if kept.end.whole => {
            each_written(&place(directory), |_, _| Ok(())).map(|_| true)
        }
        Some(_) => Err(changes::damaged(directory)),
        None => Ok(false),
    }
}

/// Loads what was kept in `directory` into memory.
pub(super) fn load(directory: &Path) -> Result<Memory> {
    let mut pairs = BTreeMap::new();
    let origin = each(directory, |key, value| {
        pairs.insert(key, value);
        Ok(())
    })?;
    Ok(Memory::holding(pairs, origin.commits))
}

/// Puts what was kept in `directory` into a database in the making.
pub(super) fn pour(directory: &Path, put: &mut Put<'_>) -> Result<()> {
    each(directory, put).map(drop)
}

/// Removes what was kept in `directory`.
pub(super) fn remove(directory: &Path) -> Result<()> {
    let path = place(directory);
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(&path, &cause)),
        _ => changes::remove(directory),
    }
}

fn place(directory: &Path) -> PathBuf {
    directory.join(crate::file_names::SNAPSHOT)
}

fn put_key(out: &mut impl Write, key: &[u8]) -> io::Result<()> {
    out.write_all(&u16::try_from(key.len()).map_err(too_long)?.to_be_bytes())?;
    out.write_all(key)
}

fn put_value(out: &mut impl Write, value: &[u8]) -> io::Result<()> {
    out.write_all(&u32::try_from(value.len()).map_err(too_long)?.to_be_bytes())?;
    out.write_all(value)
}

fn too_long(_: std::num::TryFromIntError) -> io::Error {
    ErrorKind::InvalidData.into()
}

/// Runs through all pairs of the snapshot in `directory`, as the last of its changes leaves them, once these have proved
/// sound, and then compares the snapshot's sum. Returns their origin.
fn each(
    directory: &Path,
    mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
) -> Result<SnapshotOrigin> {
    let path = place(directory);
    let mut changed = ChangedPairs::new();
    let (sum, _) = sum_of(&path)?;
    let end = changes::read(directory, sum, &mut changed)?;
    if !end.whole {
        log::error!("{}", changes::damaged(directory));
    }
    let origin = each_written(&path, |key, value| match changed.contains_key(&key) {
        true => Ok(()),
        false => visit(key, value),
    })?;
    for (key, value) in changed {
        value.map_or(Ok(()), |value| visit(key, value))?;
    }
    Ok(SnapshotOrigin { commits: end.commits.unwrap_or(origin.commits), ..origin })
}

/// Runs through all pairs of the file, then compares the sum, and returns their origin.
fn each_written(
    path: &Path,
    mut visit: impl FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
) -> Result<SnapshotOrigin> {
    let file = files::open_to_read(path).map_err(|cause| files::failed(path, &cause))?;
    let mut input = Summed::new(BufReader::new(file));
    let origin = front(&mut input, path)?;
    let torn = |_| damaged(path);
    loop {
        let key = u16::from_be_bytes(bytes(&mut input).map_err(torn)?);
        if key == 0 {
            break;
        }
        let key = piece(&mut input, u32::from(key)).map_err(torn)?;
        let length = u32::from_be_bytes(bytes(&mut input).map_err(torn)?);
        visit(key, piece(&mut input, length).map_err(torn)?)?;
    }
    let sum = input.sum();
    let kept: [u8; 32] = bytes(&mut input.inner).map_err(torn)?;
    match kept == sum && is_at_end(&mut input.inner).is_ok_and(|end| end) {
        true => Ok(origin),
        false => Err(damaged(path)),
    }
}

/// Returns the sum at the end of a file.
fn sum_of(path: &Path) -> Result<([u8; 32], u64)> {
    let failed = |cause| files::failed(path, &cause);
    let file = files::open_to_read(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut sum = [0; 32];
    let at = length.checked_sub(sum.len() as u64).ok_or_else(|| damaged(path))?;
    file.read_exact_at(&mut sum, at).map_err(failed)?;
    Ok((sum, length))
}

fn front(input: &mut impl Read, path: &Path) -> Result<SnapshotOrigin> {
    let torn = |_| damaged(path);
    if bytes(input).map_err(torn)? != *MAGIC {
        return Err(damaged(path));
    }
    Ok(SnapshotOrigin {
        store: Id::new(bytes(input).map_err(torn)?),
        incarnation: u64::from_be_bytes(bytes(input).map_err(torn)?),
        commits: u64::from_be_bytes(bytes(input).map_err(torn)?),
    })
}

fn bytes<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn piece(input: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    if length > MAX_VALUE {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut piece = vec![0; length as usize];
    input.read_exact(&mut piece)?;
    Ok(piece)
}

/// Returns true where nothing more can be read.
fn is_at_end(input: &mut impl BufRead) -> io::Result<bool> {
    input.fill_buf().map(<[u8]>::is_empty)
}

fn damaged(path: &Path) -> Error {
    Reason::StoreDamaged.detail(not_as_written(path))
}

fn not_as_written(path: &Path) -> String {
    format!(
        "{} is not as it was written; nothing is lost while db/ can be opened, and the agent makes it anew \
         when something changes, or when it ends: or remove it",
        path.display()
    )
}

#[cfg(test)]
mod tests;
