//! The agent's side of the log: seals lines for the batch of the change they tell of, appends them to
//! the file afterwards, and lets their rows go once the file is synced.

use super::chain::ChainKey;
use super::entry::{Asker, AuditEntry, Fact, timestamp};
use super::files_end::{self, StoredLines};
use super::line::ChainHead;
use super::{CURRENT, FOLDER};
use crate::agent::keyspace::AuditRows;
use crate::agent::rows::decode;
use crate::clock::Seconds;
use crate::error::Result;
use crate::store::{Store, files, pending_syncs};
use std::collections::VecDeque;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// From which size on a file makes way for the next, in bytes.
const LARGE: u64 = 16 << 20;

/// The number of lines whose rows stay in the store before the file is synced and they go.
const ROWS: usize = 64;

/// The log of one store.
pub(crate) struct Journal {
    folder: PathBuf,
    key: ChainKey,
    head: ChainHead,
    /// Lines that are in the store and not yet in a file.
    waiting: VecDeque<(u64, String)>,
    /// Lines in a file that may not be synced: their rows are still in the store.
    unsynced: VecDeque<u64>,
    file: Option<File>,
    large: u64,
}

/// Lines for one batch.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// Number and text.
    pub lines: Vec<(u64, String)>,
    /// The head after them.
    pub head: ChainHead,
    /// Lines whose rows are not needed any more.
    pub released: Vec<u64>,
}

impl Journal {
    /// Goes on where store and files stand. Lines that the store has and the files lack are appended
    /// at the next [`Self::flush`]. Where the store was put back to an earlier day, the files' end
    /// counts.
    pub(crate) fn open(directory: &Path, store: &dyn Store, rows: AuditRows) -> Result<Self> {
        let folder = directory.join(FOLDER);
        let failed = |cause| files::failed(&folder, &cause);
        make_folder(&folder).map_err(failed)?;
        let key = ChainKey::open_or_make(directory)
            .map_err(|cause| files::failed(&ChainKey::path(directory), &cause))?;
        let mut head = match store.get(&rows.head())? {
            Some(bytes) => decode(&bytes, "the audit log's head")?,
            None => ChainHead::default(),
        };
        let stored = stored_lines(store, rows)?;
        let end = files_end::find_or_mend(&folder, &stored).map_err(failed)?;
        if end.seq > head.seq {
            head = end;
        }
        let unsynced = stored.range(..=end.seq).map(|(seq, _)| *seq).collect();
        let waiting = stored.into_iter().filter(|(seq, _)| *seq > end.seq).collect();
        Ok(Self { folder, key, head, waiting, unsynced, file: None, large: LARGE })
    }

    /// The head, and how many lines before it no file has yet.
    pub(crate) fn head(&self) -> (ChainHead, u64) {
        (self.head, self.waiting.len() as u64)
    }

    /// Returns facts as the next lines, after the end of the chain that the store has, where that is later
    /// than this journal's. They count when [`Self::applied`] is told.
    pub(crate) fn seal(
        &self,
        stored: Option<ChainHead>,
        facts: &[Fact],
        now: Seconds,
        asker: &Asker,
        most: usize,
    ) -> Result<Sealed> {
        let head = stored.filter(|stored| stored.seq > self.head.seq).unwrap_or(self.head);
        let mut sealed = Sealed { head, released: self.release(most), lines: Vec::new() };
        for fact in facts {
            let seq = sealed.head.seq + 1;
            let entry = AuditEntry::new(seq, timestamp(now), fact.clone(), asker);
            let (line, head) = self.key.seal(sealed.head, &entry)?;
            sealed.head = head;
            sealed.lines.push((seq, line));
        }
        Ok(sealed)
    }

    /// The batch with these lines has been applied.
    pub(crate) fn applied(&mut self, sealed: Sealed) {
        self.head = sealed.head;
        self.unsynced.drain(..sealed.released.len());
        self.waiting.extend(sealed.lines);
    }

    /// Appends what waits, and returns it. What cannot be written waits on, in the store: no change is refused
    /// for it.
    pub(crate) fn flush(&mut self) -> Vec<String> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        match self.append() {
            Ok(()) => {
                let (numbers, lines): (Vec<_>, Vec<_>) = self.waiting.drain(..).unzip();
                self.unsynced.extend(numbers);
                lines
            }
            Err(error) => {
                log::error!(
                    "{} lines wait for the audit log, {}: {error}",
                    self.waiting.len(),
                    self.folder.join(CURRENT).display()
                );
                Vec::new()
            }
        }
    }

    /// The rows that may go, because the file that has their lines is synced; so many at once.
    fn release(&self, most: usize) -> Vec<u64> {
        if self.unsynced.len() < ROWS {
            return Vec::new();
        }
        let Some(file) = &self.file else { return Vec::new() };
        match pending_syncs::during(&self.folder.join(CURRENT), || file.sync_data()) {
            Ok(()) => self.unsynced.iter().copied().take(most).collect(),
            Err(error) => {
                log::error!("the audit log is not synced: {error}");
                Vec::new()
            }
        }
    }

    fn append(&mut self) -> io::Result<()> {
        let text: String = self.waiting.iter().map(|(_, line)| format!("{line}\n")).collect();
        let file = self.current()?;
        let length = file.metadata()?.len();
        let written = (&*file).write_all(text.as_bytes());
        if written.is_err() {
            file.set_len(length)?;
        }
        written
    }

    /// The file to append to. One that was renamed or removed, or is large, makes way for a new one.
    fn current(&mut self) -> io::Result<&File> {
        let path = self.folder.join(CURRENT);
        let there = match path.symlink_metadata() {
            Ok(there) if there.len() >= self.large => {
                std::fs::rename(&path, self.folder.join(name_of(&path)?))?;
                None
            }
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let file = match self.file.take() {
            Some(file) if same(&file.metadata()?, there.as_ref()) => file,
            old => {
                old.map_or(Ok(()), |old| pending_syncs::during(&path, || old.sync_data()))?;
                open(&path)?
            }
        };
        Ok(self.file.insert(file))
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn same(open: &Metadata, there: Option<&Metadata>) -> bool {
    there.is_some_and(|there| (open.dev(), open.ino()) == (there.dev(), there.ino()))
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .append(true)
        .read(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    let folder = path.parent().unwrap_or(path);
    pending_syncs::during(folder, || File::open(folder)?.sync_all())?;
    Ok(file)
}

/// The name under which a full file stays: the number of its first line.
fn name_of(path: &Path) -> io::Result<String> {
    let mut beginning = [0; 64];
    let read = File::open(path)?.read_at(&mut beginning, 0)?;
    let text = String::from_utf8_lossy(beginning.get(..read).unwrap_or_default()).into_owned();
    let digits = text.strip_prefix("{\"seq\":").and_then(|rest| rest.split(',').next());
    let first: u64 = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Ok(format!("audit-{first:012}.jsonl"))
}

/// Returns the lines that the store has, by their numbers.
fn stored_lines(store: &dyn Store, rows: AuditRows) -> Result<StoredLines> {
    let lines = store.scan(&rows.lines(), b"", usize::MAX)?;
    let numbered = lines.iter().filter_map(|(key, row)| Some((rows.seq(key)?, row)));
    numbered.map(|(seq, row)| Ok((seq, decode(row, "a line")?))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::entry::AuditEvent;
    use super::super::read::{Claimed, Verified, verify};
    use super::*;
    use crate::agent::rows;
    use crate::id::Id;
    use crate::store::{Batch, Memory};

    const ROWS_OF_ALL: AuditRows = AuditRows { host: None };

    fn open(directory: &Path, store: &Memory) -> Journal {
        Journal { large: 1000, ..Journal::open(directory, store, ROWS_OF_ALL).unwrap() }
    }

    /// One line, in the store and then in the file.
    fn write(journal: &mut Journal, store: &Memory) {
        write_of(journal, store, &Asker::agent());
    }

    fn write_of(journal: &mut Journal, store: &Memory, asker: &Asker) {
        let fact = Fact::of_token(AuditEvent::TokenChanged, Id::new([1; 16]));
        let sealed = journal.seal(None, &[fact], 1_800_000_000, asker, usize::MAX).unwrap();
        let line = |(seq, line): &(u64, String)| {
            (ROWS_OF_ALL.line(*seq), Some(rows::encode(line).unwrap()))
        };
        let mut writes: Vec<_> = sealed.lines.iter().map(line).collect();
        writes.push((ROWS_OF_ALL.head(), Some(rows::encode(&sealed.head).unwrap())));
        writes.extend(sealed.released.iter().map(|seq| (ROWS_OF_ALL.line(*seq), None)));
        store.apply(&Batch { conditions: Vec::new(), writes }).unwrap();
        journal.applied(sealed);
        journal.flush();
    }

    fn verified(directory: &Path, journal: &Journal) -> Verified {
        let (head, waiting) = journal.head();
        verify(directory, &[Claimed { head, waiting }]).unwrap()
    }

    #[test]
    fn a_large_file_makes_way_and_all_files_verify_in_order() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = open(directory.path(), &store);
        (0..12).for_each(|_| write(&mut journal, &store));
        let Verified { head, files } = verified(directory.path(), &journal);
        assert_eq!(head.seq, 12);
        assert!(files > 1);
        assert!(directory.path().join("audit/audit-000000000001.jsonl").exists());
    }

    #[test]
    fn every_byte_that_is_another_one_is_found() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = open(directory.path(), &store);
        // A name that is no text is written with a sign in its place.
        let program = String::from_utf8_lossy(b"\xFFclient").into();
        let asker = Asker { program: Some(program), ..Asker::agent() };
        (0..2).for_each(|_| write_of(&mut journal, &store, &asker));
        let file = directory.path().join("audit/audit.jsonl");
        let whole = std::fs::read(&file).unwrap();
        let Verified { head, .. } = verified(directory.path(), &journal);
        let found = || verify(directory.path(), &[Claimed { head, waiting: 0 }]).is_err();
        for at in 0..whole.len() {
            for other in [1, 0x20, 0xFF] {
                let mut bytes = whole.clone();
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= other);
                std::fs::write(&file, bytes).unwrap();
                assert!(found(), "byte {at}");
            }
        }
        // The sign as the byte that it stands for.
        let sign = "\u{FFFD}".as_bytes();
        let at = whole.windows(sign.len()).position(|bytes| bytes == sign).unwrap();
        let bytes = [whole.get(..at).unwrap(), b"\xFF", whole.get(at + 3..).unwrap()].concat();
        std::fs::write(&file, bytes).unwrap();
        assert!(found(), "it reads as it was written");
    }

    #[test]
    fn rows_go_once_the_file_is_synced() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = open(directory.path(), &store);
        (0..200).for_each(|_| write(&mut journal, &store));
        let left = store.scan(&ROWS_OF_ALL.lines(), b"", 1000).unwrap().len();
        assert!(left <= ROWS, "{left} rows");
        assert_eq!(verified(directory.path(), &open(directory.path(), &store)).head.seq, 200);
    }

    #[test]
    fn lines_that_a_loss_of_power_takes_from_the_file_are_written_again() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = Journal::open(directory.path(), &store, ROWS_OF_ALL).unwrap();
        (0..4).for_each(|_| write(&mut journal, &store));
        let file = directory.path().join("audit/audit.jsonl");
        let whole = std::fs::read(&file).unwrap();
        let again = |left: Vec<u8>, what: &str| {
            std::fs::write(&file, left).unwrap();
            Journal::open(directory.path(), &store, ROWS_OF_ALL).unwrap().flush();
            assert!(std::fs::read(&file).unwrap() == whole, "{what}");
        };
        for at in 0..whole.len() {
            again(whole.get(..at).unwrap().to_vec(), &format!("cut at {at}"));
            let mut lost = whole.clone();
            lost.iter_mut().skip(at).take(100).for_each(|byte| *byte = 0);
            again(lost, &format!("lost from {at} on"));
        }
    }

    #[test]
    fn a_line_that_was_changed_after_it_was_synced_stays_as_it_is() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = Journal::open(directory.path(), &store, ROWS_OF_ALL).unwrap();
        (0..ROWS + 4).for_each(|_| write(&mut journal, &store));
        let rows = store.scan(&ROWS_OF_ALL.lines(), b"", 1000).unwrap();
        let synced = rows.iter().filter_map(|(key, _)| ROWS_OF_ALL.seq(key)).min().unwrap() - 1;
        let file = directory.path().join("audit/audit.jsonl");
        let whole = std::fs::read(&file).unwrap();
        let mut ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.nth(synced as usize - 1).unwrap().0;
        let mut changed = whole.clone();
        changed.iter_mut().skip(end - 5).take(1).for_each(|byte| *byte ^= 1);
        std::fs::write(&file, &changed).unwrap();
        let mut journal = Journal::open(directory.path(), &store, ROWS_OF_ALL).unwrap();
        journal.flush();
        assert!(std::fs::read(&file).unwrap() == changed);
        let (head, waiting) = journal.head();
        assert!(verify(directory.path(), &[Claimed { head, waiting }]).is_err());
    }

    #[test]
    fn lines_whose_key_is_gone_are_not_gone_on_with_under_another() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        write(&mut open(directory.path(), &store), &store);
        std::fs::remove_file(directory.path().join("audit/key")).unwrap();
        let refused = Journal::open(directory.path(), &store, ROWS_OF_ALL).err().unwrap();
        assert_eq!(refused.reason(), crate::error::Reason::StoreDamaged);
        assert!(!directory.path().join("audit/key").exists());
        std::fs::rename(directory.path().join("audit"), directory.path().join("away")).unwrap();
        let mut journal = open(directory.path(), &store);
        write(&mut journal, &store);
        assert_eq!(journal.head().0.seq, 2);
    }

    #[test]
    fn a_store_that_was_put_back_goes_on_after_the_last_line_of_the_file() {
        let (directory, store) = (tempfile::tempdir().unwrap(), Memory::default());
        let mut journal = open(directory.path(), &store);
        (0..3).for_each(|_| write(&mut journal, &store));
        let earlier = Memory::default();
        let mut journal = open(directory.path(), &earlier);
        write(&mut journal, &earlier);
        assert_eq!(verified(directory.path(), &journal).head.seq, 4);
    }
}
