//! The file `snapshot.changes`: what commits have changed since the snapshot was written, part by part, so that a large
//! store is not written over and over. It follows one snapshot: beside another one it counts for nothing.
//!
//! # The file, byte by byte
//!
//! Integers are big endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–15 | `keystead change`, and the format: `0x01` |
//! | 16–47 | the sum at the end of the snapshot |
//! | then | parts, each durable before the next one is begun |
//!
//! | bytes of a part | field |
//! |---|---|
//! | 0–7 | the number of its last commit (u64) |
//! | then | pairs: length of the key (u16, never 0), key, 1 (u8), length of the value (u32), value; or 0 (u8) after the key, of one that was removed |
//! | last 34 | 0 (u16), and SHA-256 over the sum before this part and everything in it |

use super::{bytes, is_at_end, piece, put_key, put_value};
use crate::error::{Reason, Result};
use crate::file_names::SNAPSHOT_CHANGES;
use crate::store::{CommitNumber, Summed, files, pending_syncs};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"keystead change\x01";

/// The length of the file's front, in bytes.
const FRONT: u64 = 48;

/// Pairs as they are now, and none for those that were removed.
pub(in crate::store::sled) type ChangedPairs = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The end of the changes that follow a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangesEnd {
    /// The last commit in them; none where there are no changes.
    pub(super) commits: Option<CommitNumber>,
    /// The sum that the next part follows.
    sum: [u8; 32],
    /// The length of the file up to there, in bytes; 0 before it is made.
    pub(super) length: u64,
    /// False where more stands there, which is not as it was written.
    pub(super) whole: bool,
}

/// Reads the changes in `directory` that follow the snapshot with that sum, and adds them to `changed`, up to the first
/// part that is not as it was written.
pub(super) fn read(
    directory: &Path,
    sum: [u8; 32],
    changed: &mut ChangedPairs,
) -> Result<ChangesEnd> {
    let path = place(directory);
    let mut end = ChangesEnd { commits: None, sum, length: 0, whole: true };
    let file = match files::open_to_read(&path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(end),
        Err(cause) => return Err(files::failed(&path, &cause)),
    };
    let mut input = BufReader::new(file);
    match (bytes(&mut input), bytes(&mut input)) {
        (Ok(magic), Ok(follows)) if magic == *MAGIC && follows == sum => end.length = FRONT,
        // Another snapshot's, which a crash or an earlier build has left.
        (Ok(magic), Ok::<[u8; 32], _>(_)) if magic == *MAGIC => return Ok(end),
        _ => return Ok(ChangesEnd { whole: false, ..end }),
    }
    while !is_at_end(&mut input).map_err(|cause| files::failed(&path, &cause))? {
        match part(&mut input, end) {
            Ok((next, pairs)) => {
                end = next;
                changed.extend(pairs);
            }
            Err(_) => return Ok(ChangesEnd { whole: false, ..end }),
        }
    }
    Ok(end)
}

fn part(input: &mut impl Read, before: ChangesEnd) -> io::Result<(ChangesEnd, ChangedPairs)> {
    let mut input = Counted { input: Summed::new(input), count: 0 };
    input.input.add(&before.sum);
    let (commits, mut pairs) = (u64::from_be_bytes(bytes(&mut input)?), ChangedPairs::new());
    loop {
        let key = u16::from_be_bytes(bytes(&mut input)?);
        if key == 0 {
            break;
        }
        let key = piece(&mut input, u32::from(key))?;
        let value = match bytes(&mut input)? {
            [0] => None,
            _ => {
                let length = u32::from_be_bytes(bytes(&mut input)?);
                Some(piece(&mut input, length)?)
            }
        };
        pairs.insert(key, value);
    }
    let (sum, length) = (input.input.sum(), input.count);
    let kept: [u8; 32] = bytes(&mut input.input.inner)?;
    if kept != sum {
        return Err(ErrorKind::InvalidData.into());
    }
    let length = before.length + length + sum.len() as u64;
    Ok((ChangesEnd { commits: Some(commits), sum, length, whole: true }, pairs))
}

/// Adds what has changed until commit `number`, durably, and returns the end from there on.
pub(super) fn append(
    directory: &Path,
    end: ChangesEnd,
    number: CommitNumber,
    changed: &ChangedPairs,
) -> Result<ChangesEnd> {
    let path = place(directory);
    let failed = |cause| files::failed(&path, &cause);
    let mut out = Summed::new(Vec::new());
    out.add(&end.sum);
    write(&mut out, number, changed).map_err(failed)?;
    let (sum, mut part) = (out.sum(), out.inner);
    part.extend_from_slice(&sum);
    let is_new = end.length == 0;
    let file = files::open_private(&path, true)?;
    if is_new {
        part.splice(..0, [&MAGIC[..], &end.sum].concat());
    }
    file.set_len(end.length).and_then(|()| file.write_all_at(&part, end.length)).map_err(failed)?;
    pending_syncs::during(&path, || file.sync_data()).map_err(failed)?;
    if is_new {
        files::sync_directory(directory)?;
    }
    read_back(&file, end.length, &part).map_err(failed)?;
    let length = end.length + part.len() as u64;
    Ok(ChangesEnd { commits: Some(number), sum, length, whole: true })
}

/// Returns about how many bytes a part takes.
pub(in crate::store::sled) fn size(changed: &ChangedPairs) -> u64 {
    let pair = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| {
        key.len() + value.as_ref().map_or(0, Vec::len) + 8
    };
    changed.iter().map(pair).sum::<usize>() as u64
}

/// Removes the changes in `directory`, if there are any.
pub(super) fn remove(directory: &Path) -> Result<()> {
    let path = place(directory);
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(files::failed(&path, &cause)),
        _ => Ok(()),
    }
}

/// Returns the error for changes of which some are not as they were written.
pub(super) fn damaged(directory: &Path) -> crate::error::Error {
    Reason::StoreDamaged.detail(super::not_as_written(&place(directory)))
}

fn place(directory: &Path) -> PathBuf {
    directory.join(SNAPSHOT_CHANGES)
}

fn write(out: &mut impl Write, number: CommitNumber, changed: &ChangedPairs) -> io::Result<()> {
    out.write_all(&number.to_be_bytes())?;
    for (key, value) in changed {
        put_key(out, key)?;
        match value {
            Some(value) => {
                out.write_all(&[1])?;
                put_value(out, value)?;
            }
            None => out.write_all(&[0])?,
        }
    }
    out.write_all(&0_u16.to_be_bytes())
}

fn read_back(file: &File, at: u64, written: &[u8]) -> io::Result<()> {
    let mut read = vec![0; written.len()];
    file.read_exact_at(&mut read, at)?;
    if read == written { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

/// Reads, and counts the bytes.
struct Counted<R> {
    input: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(bytes)?;
        self.count += read as u64;
        Ok(read)
    }
}
