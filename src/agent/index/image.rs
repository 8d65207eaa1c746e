//! The image of an index: the file `index`, with the index of a store as it was at one commit. An agent that ends keeps
//! it, so that the next one need not read every record.
//!
//! Nothing depends on it. One that is damaged, another store's, of another commit or of an earlier build is passed over,
//! and the index is derived from the records. So it is not synced, and needs no upgrade.
//!
//! # The file, byte by byte
//!
//! Integers are big endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–15 | `keystead index`, zero, and the format: `0x02` |
//! | 16–31 | the store's identity |
//! | 32–39 | its incarnation (u64) |
//! | 40–47 | the number of its last commit (u64) |
//! | 48–79 | SHA-256 of the rows that tell this commit from one of the same number in a copy of the store: `L`, and the last answer; in a fleet that alone |
//! | then | the [`Index`] in postcard's wire format |
//! | last 32 | SHA-256 over everything before it |

use super::Index;
use crate::agent::keyspace;
use crate::error::{Reason, Result};
use crate::file_names::{INDEX, INDEX_MADE};
use crate::store::cells::StoreIdentity;
use crate::store::{CommitNumber, Need, Store, Summed, files};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::Path;

/// The format is another one with each change of the index's fields, and of those of its parts.
const MAGIC: &[u8; 16] = b"keystead index\0\x02";

/// The most bytes that a record takes, about.
const OF_RECORD: u64 = 256;

/// The length of the file's front, and of a sum, in bytes.
const FRONT: usize = 48;
const SUM: usize = 32;

/// Keeps the index of a store beside it, unless that is there already.
pub(crate) fn keep(
    directory: &Path,
    identity: StoreIdentity,
    store: &dyn Store,
    index: &Index,
) -> Result<()> {
    let (path, unfinished) = (directory.join(INDEX), directory.join(INDEX_MADE));
    let front = front(identity, index.number);
    if open_of(&path, &front).is_some() {
        return Ok(());
    }
    store.room(Need::Grow(index.records.len() as u64 * OF_RECORD))?;
    let written = write(&unfinished, &front, store, index).and_then(|()| {
        std::fs::rename(&unfinished, &path).map_err(|cause| files::failed(&path, &cause))
    });
    if written.is_err() {
        remove(&unfinished);
    }
    written
}

fn write(path: &Path, front: &[u8; FRONT], store: &dyn Store, index: &Index) -> Result<()> {
    let failed = |cause| files::failed(path, &cause);
    let file = files::open_private(path, true)?;
    file.set_len(0).map_err(failed)?;
    let mut out = Summed::new(BufWriter::new(&file));
    out.write_all(front).map_err(failed)?;
    out.write_all(&witness(store, index)?).map_err(failed)?;
    // What stands in memory can be written: where that fails, it is the file that failed.
    postcard::to_io(index, &mut out)
        .map_err(|cause| Reason::General.detail(format_args!("{}: {cause}", path.display())))?;
    let sum = out.sum();
    out.inner.write_all(&sum).and_then(|()| out.inner.flush()).map_err(failed)
}

/// Returns the index that was kept beside a store, where it is that of the store's last commit.
pub(crate) fn load(
    directory: &Path,
    identity: StoreIdentity,
    store: &dyn Store,
) -> Result<Option<Index>> {
    let (path, front) = (directory.join(INDEX), front(identity, store.number()?));
    let Some(mut file) = open_of(&path, &front) else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes).ok().and_then(|_| read(&front, &bytes));
    if let Some((index, witnessed)) = read
        && witness(store, &index)? == witnessed
    {
        return Ok(Some(index));
    }
    log::warn!(
        "{} is not that of this store, or not as it was written: the index is derived from the records",
        path.display()
    );
    remove(&path);
    Ok(None)
}

/// Removes an image that is of no use. Nothing depends on it: a failure is only logged.
fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            log::warn!("an image of the index stays: {}: {cause}", path.display());
        }
        _ => {}
    }
}

/// Returns the index in an image, and what tells its commit, from the bytes behind its front; none where they are not
/// as they were written.
fn read(front: &[u8; FRONT], bytes: &[u8]) -> Option<(Index, [u8; SUM])> {
    let (content, sum) = bytes.split_last_chunk::<SUM>()?;
    if Sha256::new().chain_update(front).chain_update(content).finalize()[..] != *sum {
        return None;
    }
    let (witness, index) = content.split_first_chunk::<SUM>()?;
    Some((postcard::from_bytes(index).ok()?, *witness))
}

/// Returns the sum of the rows that differ in two stores which have made the same number of commits from a common one.
fn witness(store: &dyn Store, index: &Index) -> Result<[u8; SUM]> {
    let last = index.answers.next().checked_sub(1).map(keyspace::answer);
    let last = last.or_else(|| index.shared_answers.last().as_ref().map(keyspace::shared_answer));
    let mut sum = Sha256::new();
    for key in [keyspace::audit_head()].into_iter().chain(last) {
        let row = store.get(&key)?.unwrap_or_default();
        sum.update((row.len() as u64).to_be_bytes());
        sum.update(row);
    }
    Ok(sum.finalize().into())
}

/// Opens an image with that front, and reads it up to there.
fn open_of(path: &Path, front: &[u8; FRONT]) -> Option<File> {
    let mut file = files::open_to_read(path).ok()?;
    let mut found = [0; FRONT];
    file.read_exact(&mut found).ok()?;
    (found == *front).then_some(file)
}

fn front(StoreIdentity { store, incarnation }: StoreIdentity, number: CommitNumber) -> [u8; FRONT] {
    let mut front = [0; FRONT];
    let fields = [&MAGIC[..], store.bytes(), &incarnation.to_be_bytes(), &number.to_be_bytes()];
    for (to, from) in front.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    front
}
