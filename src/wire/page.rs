//! The generation page: counters that say "something changed", so that a module can keep what it has
//! read and find out with one load whether it still holds.
//!
//! A file of fixed size, made once and never truncated, replaced or unlinked. Words of 64 bits, in the
//! machine's byte order:
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | `KSTDGEN1` |
//! | 8–15 | 0 |
//! | 16–23 | the store's high-water mark of time, in seconds since 1970 |
//! | 24–31 | how often an agent has started |
//! | 32–39 | by how much the store's time is ahead of the machine's uptime, in nanoseconds |
//! | 40–55 | which start of the machine that uptime counts from |
//! | 56–63 | how often any of the counters has moved |
//! | 64–4095 | 0 |
//! | 4096–4607 | counters of tokens |
//! | 4608–36863 | counters of records |
//!
//! Several records share a counter; that costs a needless look at the agent, never a missed change.

use crate::clock::{Boot, Clock, Seconds};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::sys::{Words, WordsMut};
use rustix::fs::{Mode, OFlags, fchmod, fchown, fstat, open, openat};
use rustix::process::Gid;
use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The file's name in the store's directory.
pub const NAME: &str = "generations";

/// The file's size in bytes.
pub const SIZE: u64 = (WORDS * size_of::<u64>()) as u64;

const MAGIC: u64 = u64::from_ne_bytes(*b"KSTDGEN1");
const AT_MAGIC: usize = 0;
const AT_MARK: usize = 2;
const AT_STARTS: usize = 3;
const AT_AHEAD: usize = 4;
const AT_BOOT: [usize; 2] = [5, 6];
const AT_CHANGES: usize = 7;
const COUNTERS: usize = 4096 / size_of::<u64>();
const TOKENS: usize = 64;
const RECORDS: u64 = 4096 - TOKENS as u64;
const WORDS: usize = COUNTERS + 4096;

/// The page as the modules see it.
pub struct Page(Words);

impl Page {
    /// Maps the page of the store in `directory`, which an agent has made. The file must belong to the
    /// directory's owner or root, and nobody else may be able to write it.
    pub fn open(directory: &Path) -> Result<Self> {
        let (file, path) = open_checked(directory, OFlags::RDONLY)?;
        let words = Words::map(&file, WORDS).map_err(|error| failed(&path, error))?;
        match words.load(AT_MAGIC) {
            MAGIC => Ok(Self(words)),
            _ => Err(damaged(&path, "it is not a generation page")),
        }
    }

    /// Moves whenever anything in the token changes.
    pub fn token(&self, token: Id) -> u64 {
        self.0.load(token_word(token))
    }

    /// Moves whenever the record that is watched under this identity changes.
    pub fn record(&self, watched: Id) -> u64 {
        self.0.load(record_word(watched))
    }

    /// Moves whenever anything in the store changes, after the counters of what changed: as long as it
    /// reads the same, none of them has moved.
    pub fn changes(&self) -> u64 {
        self.0.load(AT_CHANGES)
    }

    /// What all the counters read at this moment, for a reader that learns only afterwards whose
    /// counter it should have looked at.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot((COUNTERS..WORDS).map(|word| self.0.load(word)).collect())
    }

    /// Returns the store's time: never before the latest that an agent has seen, and from that on as the
    /// machine runs, wherever somebody sets the clock. A clock that is ahead of it counts at once.
    pub fn time(&self, clock: &dyn Clock) -> Seconds {
        let going_on = clock.uptime().saturating_add(Duration::from_nanos(self.0.load(AT_AHEAD)));
        self.0.load(AT_MARK).max(going_on.as_secs()).max(clock.coarse())
    }

    /// The latest time the store has seen.
    #[cfg(test)]
    pub fn mark(&self) -> Seconds {
        self.0.load(AT_MARK)
    }

    /// How often an agent has started on this store.
    pub fn starts(&self) -> u64 {
        self.0.load(AT_STARTS)
    }
}

/// All counters as they read at one moment.
pub struct Snapshot(Box<[u64]>);

impl Snapshot {
    /// What the record's counter read.
    pub fn record(&self, watched: Id) -> u64 {
        self.0.get(record_word(watched) - COUNTERS).copied().unwrap_or_default()
    }
}

/// The page as the agent moves it. One writer at a time: the holder of the store's lock.
pub struct PageWriter {
    words: WordsMut,
    file: File,
}

impl PageWriter {
    /// Maps the page of the store in `directory` and makes it where there is none. The caller holds
    /// the store's lock.
    pub fn open(directory: &Path) -> Result<Self> {
        if !directory.join(NAME).try_exists().map_err(|error| failed(directory, error))? {
            create(directory).map_err(|error| failed(&directory.join(NAME), error))?;
        }
        let (file, path) = open_checked(directory, OFlags::RDWR)?;
        let words = WordsMut::map(&file, WORDS).map_err(|error| failed(&path, error))?;
        let page = Self { words, file };
        match page.word(AT_MAGIC).load(Ordering::Relaxed) {
            MAGIC => Ok(page),
            _ => Err(damaged(&path, "it is not a generation page")),
        }
    }

    /// Lets the members of a group read the page.
    pub fn share(&self, group: u32) -> std::io::Result<()> {
        fchown(&self.file, None, Some(Gid::from_raw(group)))?;
        Ok(fchmod(&self.file, Mode::from_raw_mode(0o640))?)
    }

    /// A record changed, or is about to: what is kept of it no longer holds.
    pub fn moved(&self, token: Id, watched: Id) {
        self.advance(record_word(watched));
        self.advance(token_word(token));
        self.advance(AT_CHANGES);
    }

    /// An agent started: nothing that is kept holds, since changes may have been lost or recovered.
    pub fn started(&self) {
        self.advance(AT_STARTS);
        (COUNTERS..WORDS).for_each(|index| self.advance(index));
        self.advance(AT_CHANGES);
    }

    /// Publishes the store's high-water mark of time.
    pub fn set_mark(&self, mark: Seconds) {
        self.word(AT_MARK).store(mark, Ordering::Release);
    }

    /// Publishes by how much the store's time is ahead of the uptime since that start of the machine, in
    /// nanoseconds.
    pub fn set_ahead(&self, nanoseconds: u64, boot: Boot) {
        self.word(AT_AHEAD).store(nanoseconds, Ordering::Release);
        for (word, bytes) in AT_BOOT.into_iter().zip(boot.as_chunks().0) {
            self.word(word).store(u64::from_ne_bytes(*bytes), Ordering::Release);
        }
    }

    /// What an earlier agent has published of it, if that was since the same start of the machine.
    pub fn ahead(&self, boot: Boot) -> Option<u64> {
        let load = |word| self.word(word).load(Ordering::Acquire);
        let published = AT_BOOT.map(|word| load(word).to_ne_bytes());
        (published.as_flattened() == boot).then(|| load(AT_AHEAD))
    }

    fn advance(&self, index: usize) {
        self.word(index).fetch_add(1, Ordering::AcqRel);
    }

    /// Every index is one of this file's constants or bounded by one.
    #[allow(clippy::indexing_slicing)]
    fn word(&self, index: usize) -> &std::sync::atomic::AtomicU64 {
        &self.words.words()[index]
    }
}

fn token_word(token: Id) -> usize {
    let [first, ..] = *token.bytes();
    COUNTERS + usize::from(first) % TOKENS
}

/// By the last bytes of the identity, which are random; the first ones are a time.
fn record_word(watched: Id) -> usize {
    let [.., a, b, c, d, e, f, g, h] = *watched.bytes();
    let shard = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % RECORDS;
    COUNTERS + TOKENS + shard as usize
}

/// Makes the file whole under another name first, so that a crash leaves no half page behind.
fn create(directory: &Path) -> std::io::Result<()> {
    let draft = directory.join("generations.new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut bytes = vec![0; SIZE as usize];
    bytes.splice(..size_of::<u64>(), MAGIC.to_ne_bytes());
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    std::io::Write::write_all(&mut file, &bytes)?;
    file.sync_all()?;
    // A link, unlike a rename, never takes the place of a page that modules have mapped.
    std::fs::hard_link(&draft, directory.join(NAME))?;
    std::fs::remove_file(&draft)?;
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

fn failed(path: &Path, error: impl Into<std::io::Error>) -> Error {
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
        "{}: {why}; end every program that uses the store and remove this file, which the next agent \
         makes anew",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::{NAME, Page, PageWriter, SIZE};
    use crate::clock::{Clock, FixedClock};
    use crate::error::Reason;
    use crate::id::Id;
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    const TOKEN: Id = Id::new([3; 16]);
    const RECORD: Id = Id::new([200; 16]);
    const OTHER: Id = Id::new([201; 16]);

    fn refusal(directory: &Path) -> String {
        let Err(error) = Page::open(directory) else { panic!("the page was accepted") };
        assert_eq!(error.reason(), Reason::StoreDamaged);
        error.to_string()
    }

    /// Modules and agents of different builds share the file.
    #[test]
    fn each_word_stands_where_it_stood() {
        let directory = tempfile::tempdir().unwrap();
        let writer = PageWriter::open(directory.path()).unwrap();
        writer.set_mark(1_800_000_000);
        writer.started();
        writer.set_ahead(0x0102_0304, [9; 16]);
        writer.moved(TOKEN, RECORD);
        let bytes = std::fs::read(directory.path().join("generations")).unwrap();
        assert_eq!((bytes.len(), &bytes[..8]), (36_864, &b"KSTDGEN1"[..]));
        let word = |at: usize| u64::from_ne_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap());
        assert_eq!((word(1), word(2), word(3)), (0, 1_800_000_000, 1));
        assert_eq!((word(4), &bytes[40..56]), (0x0102_0304, &[9; 16][..]));
        // A token by its first byte, of 64; a record by its first eight, little endian, of 4032.
        let record = 0xC8C8_C8C8_C8C8_C8C8_u64 % 4032;
        let moved: Vec<usize> = (512..4608).filter(|at| word(*at) == 2).collect();
        assert_eq!(moved, [512 + 3, 512 + 64 + record as usize]);
        assert_eq!(word(7), 2, "a start and a change");
        assert!((8..512).all(|at| word(at) == 0));
    }

    #[test]
    fn a_change_moves_its_token_and_its_record_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let writer = PageWriter::open(directory.path()).unwrap();
        let page = Page::open(directory.path()).unwrap();
        let before =
            (page.token(TOKEN), page.record(RECORD), page.token(OTHER), page.record(OTHER));
        let changes = page.changes();
        writer.moved(TOKEN, RECORD);
        assert_eq!(
            (page.token(TOKEN), page.record(RECORD), page.token(OTHER), page.record(OTHER)),
            (before.0 + 1, before.1 + 1, before.2, before.3)
        );
        assert_ne!(page.changes(), changes);
    }

    #[test]
    fn a_start_moves_everything_and_the_mark_is_published() {
        let directory = tempfile::tempdir().unwrap();
        let writer = PageWriter::open(directory.path()).unwrap();
        let page = Page::open(directory.path()).unwrap();
        let ids = || (0..=255).map(|byte| Id::new([byte; 16]));
        let before: Vec<_> = ids().map(|id| (page.token(id), page.record(id))).collect();
        let changes = page.changes();
        writer.started();
        writer.set_mark(77);
        assert_ne!(page.changes(), changes);
        for (id, (token, record)) in ids().zip(before) {
            assert_eq!((page.token(id), page.record(id)), (token + 1, record + 1));
        }
        assert_eq!((page.mark(), page.starts()), (77, 1));
    }

    #[test]
    fn time_goes_on_with_the_machine_and_never_back_with_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let writer = PageWriter::open(directory.path()).unwrap();
        let page = Page::open(directory.path()).unwrap();
        let clock = FixedClock::at(1000);
        let boot = clock.boot().unwrap();
        assert_eq!(page.time(&clock), 1000, "of a page that says nothing of time");
        writer.set_ahead(2000 * 1_000_000_000, boot);
        assert_eq!(page.time(&clock), 2000);
        clock.pass(5);
        clock.set(0);
        assert_eq!(page.time(&clock), 2005);
        clock.set(3000);
        assert_eq!(page.time(&clock), 3000);
        writer.set_mark(4000);
        assert_eq!(page.time(&clock), 4000);
        assert_eq!(writer.ahead(boot), Some(2000 * 1_000_000_000));
        clock.reboot();
        assert_eq!(writer.ahead(clock.boot().unwrap()), None);
    }

    #[test]
    fn the_page_outlives_its_writer_in_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        PageWriter::open(directory.path()).unwrap().moved(TOKEN, RECORD);
        let made = File::open(directory.path().join(NAME)).unwrap().metadata().unwrap();
        let page = Page::open(directory.path()).unwrap();
        PageWriter::open(directory.path()).unwrap().moved(TOKEN, RECORD);
        let now = File::open(directory.path().join(NAME)).unwrap().metadata().unwrap();
        assert_eq!(page.record(RECORD), 2);
        assert_eq!((made.ino(), made.len(), made.mode() & 0o777), (now.ino(), SIZE, 0o600));
    }

    #[test]
    fn a_file_that_is_no_page_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        assert!(refusal(directory.path()).contains(NAME));

        std::fs::write(&path, b"short").unwrap();
        assert!(refusal(directory.path()).contains("5 bytes instead of 36864"));
        assert!(PageWriter::open(directory.path()).is_err(), "a writer repairs nothing");

        std::fs::write(&path, vec![0; SIZE as usize]).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(refusal(directory.path()).contains("not a generation page"));

        std::fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
        assert!(refusal(directory.path()).contains("can write it"));
    }

    #[test]
    fn a_link_in_the_pages_place_is_not_followed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        PageWriter::open(elsewhere.path()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join(NAME), directory.path().join(NAME))
            .unwrap();
        assert!(refusal(directory.path()).contains(NAME));
        assert!(PageWriter::open(directory.path()).is_err());
    }
}
