//! The file `snapshot`: all pairs of a store as they were at one commit, kept beside the store for the
//! day on which it cannot be opened. Written whole under another name, read back, and only then named.
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

use crate::error::{Error, Reason, Result};
use crate::file_names::SNAPSHOT_MADE;
use crate::id::Id;
use crate::store::{self, Memory, Put, SnapshotOrigin, Store, Summed, files, pending_syncs};
use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"keystead pairs\0\x01";

/// The longest value that a store holds: what fits into a frame of the protocol, and some.
const MAX_VALUE: u32 = 8 << 20;

/// Keeps all pairs of `store`, durably, in place of the snapshot before.
pub(super) fn keep(directory: &Path, store: &dyn Store, origin: SnapshotOrigin) -> Result<()> {
    let (path, unfinished) = (place(directory), directory.join(SNAPSHOT_MADE));
    let named =
        write(&unfinished, store, origin).and_then(|()| each(&unfinished, |_, _| Ok(()))).and_then(
            |_| std::fs::rename(&unfinished, &path).map_err(|cause| files::failed(&path, &cause)),
        );
    if let Err(error) = named {
        // The room is wanted for better things.
        remove_unfinished(directory);
        return Err(error);
    }
    files::sync_directory(directory)
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
    store::each(store, b"", |key, value| put(&mut out, key, value).map_err(failed).map(|()| true))?;
    out.write_all(&0_u16.to_be_bytes()).map_err(failed)?;
    let sum = out.sum();
    out.inner.write_all(&sum).and_then(|()| out.inner.flush()).map_err(failed)?;
    pending_syncs::during(path, || file.sync_all()).map_err(failed)
}

/// Returns the origin of the snapshot in `directory`; none where there is none. Nothing else of it is read.
pub(crate) fn origin(directory: &Path) -> Result<Option<SnapshotOrigin>> {
    let path = place(directory);
    match files::open_to_read(&path) {
        Ok(file) => front(&mut BufReader::new(file), &path).map(Some),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(files::failed(&path, &cause)),
    }
}

/// Returns the value that was kept at `key`, once the whole file has proved sound.
pub(crate) fn value(directory: &Path, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut found = None;
    each(&place(directory), |at, value| {
        if at == key {
            found = Some(value);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads the snapshot in `directory` to its end, and fails where it is damaged; true if there is any.
pub(crate) fn check(directory: &Path) -> Result<bool> {
    match origin(directory)? {
        Some(_) => each(&place(directory), |_, _| Ok(())).map(|_| true),
        None => Ok(false),
    }
}

/// Loads what was kept in `directory` into memory.
pub(super) fn load(directory: &Path) -> Result<Memory> {
    let path = place(directory);
    let mut pairs = BTreeMap::new();
    let origin = each(&path, |key, value| {
        pairs.insert(key, value);
        Ok(())
    })?;
    Ok(Memory::holding(pairs, origin.commits))
}

/// Puts what was kept in `directory` into a database in the making.
pub(super) fn pour(directory: &Path, put: &mut Put<'_>) -> Result<()> {
    each(&place(directory), put).map(drop)
}

/// Removes what was kept in `directory`.
pub(super) fn remove(directory: &Path) -> Result<()> {
    let path = place(directory);
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(&path, &cause)),
        _ => Ok(()),
    }
}

fn place(directory: &Path) -> PathBuf {
    directory.join(crate::file_names::SNAPSHOT)
}

fn put(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::from(ErrorKind::InvalidData);
    out.write_all(&u16::try_from(key.len()).map_err(too_long)?.to_be_bytes())?;
    out.write_all(key)?;
    out.write_all(&u32::try_from(value.len()).map_err(too_long)?.to_be_bytes())?;
    out.write_all(value)
}

/// Runs through all pairs, then compares the sum, and returns their origin.
fn each(
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
    match kept == sum && input.inner.read(&mut [0]).is_ok_and(|more| more == 0) {
        true => Ok(origin),
        false => Err(damaged(path)),
    }
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

fn damaged(path: &Path) -> Error {
    Reason::StoreDamaged.detail(format_args!(
        "{} is not as it was written; nothing is lost while db/ can be opened, and the agent makes it anew \
         when something changes, or when it ends: or remove it",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::store::Batch;
    use sha2::{Digest, Sha256};

    const ORIGIN: SnapshotOrigin =
        SnapshotOrigin { store: Id::new([7; 16]), incarnation: 2, commits: 300 };

    fn filled(pairs: usize) -> Memory {
        let memory = Memory::default();
        let writes = (0..pairs)
            .map(|n| (format!("key {n:06}").into_bytes(), Some(vec![n as u8; n % 5000])))
            .collect();
        memory.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        memory
    }

    #[test]
    fn a_snapshot_that_never_got_its_name_does_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        let unfinished = directory.path().join(SNAPSHOT_MADE);
        std::fs::create_dir(place(directory.path())).unwrap();
        keep(directory.path(), &filled(3), ORIGIN).unwrap_err();
        assert!(!unfinished.exists());
        // One that a crash has left goes at the next opening.
        std::fs::write(&unfinished, b"keystead").unwrap();
        remove_unfinished(directory.path());
        assert!(!unfinished.exists());
    }

    #[test]
    fn what_is_kept_is_loaded_again_and_kept_over() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(origin(directory.path()).unwrap(), None);
        for pairs in [0, 1, 1024, 3 * 1024 + 7] {
            let store = filled(pairs);
            keep(directory.path(), &store, ORIGIN).unwrap();
            let loaded = load(directory.path()).unwrap();
            let all = |store: &Memory| store.scan(b"", b"", usize::MAX).unwrap();
            assert_eq!(all(&loaded), all(&store));
        }
        assert_eq!(origin(directory.path()).unwrap(), Some(ORIGIN));
    }

    #[test]
    fn the_file_equals_its_golden_bytes() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), &filled(2), ORIGIN).unwrap();
        let written = std::fs::read(place(directory.path())).unwrap();
        let body = [
            &b"keystead pairs\0\x01"[..],
            &[7; 16],
            &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 44],
            b"\0\x0akey 000000\0\0\0\0",
            b"\0\x0akey 000001\0\0\0\x01\x01",
            &[0, 0],
        ]
        .concat();
        assert_eq!(written[..body.len()], body);
        assert_eq!(written[body.len()..], Sha256::digest(&body)[..]);
    }

    #[test]
    fn any_flipped_byte_and_any_cut_is_damage_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), &filled(3), ORIGIN).unwrap();
        let path = place(directory.path());
        let whole = std::fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = load(directory.path()).map(drop).unwrap_err();
            assert_eq!(error.reason(), Reason::StoreDamaged);
            assert!(error.to_string().contains("snapshot"), "{error}");
        };
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            refused(&flipped);
            refused(&whole[..at]);
        }
        refused(&[&whole[..], &[0]].concat());
    }
}
