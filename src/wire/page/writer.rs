//! The page as its agent makes and moves it.

use super::{
    AT_AHEAD, AT_BOOT, AT_CHANGES, AT_HOLDER, AT_IDENTITY, AT_MAGIC, AT_MARK, AT_STARTS, AT_UNTIL,
    BOUNDED_MAGIC, COUNTERS, MAGIC, NAME, SIZE, WORDS, file, record_word, token_word,
};
use crate::clock::{Boot, Seconds};
use crate::error::{Error, Reason, Result};
use crate::id::Id;
use crate::sys::{WordsMut, robust};
use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fchmod, fchown, fcntl_add_seals, ftruncate, memfd_create,
    open,
};
use rustix::io::Errno;
use rustix::process::Gid;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The page as its agent moves it. One writer at a time: the holder of the store's lock.
pub(crate) struct PageWriter {
    words: Arc<WordsMut>,
    identity: u64,
    held: robust::Held,
    /// The descriptor that is handed to modules: it can only be read.
    handed: OwnedFd,
    file: File,
    path: PathBuf,
}

impl PageWriter {
    /// Makes a page for the store in `directory`, and the file where there is none. The caller holds the
    /// store's lock.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        Self::open_with(directory, (MAGIC, 0))
    }

    /// Makes a page that may be relied on for some time only, and not at all before [`Self::rely_until`].
    pub(crate) fn open_bounded(directory: &Path) -> Result<Self> {
        Self::open_with(directory, (BOUNDED_MAGIC, 1))
    }

    fn open_with(directory: &Path, (magic, until): (u64, u64)) -> Result<Self> {
        let (file, path) = (file::open_to_write(directory)?, directory.join(NAME));
        let identity = random()?;
        let (words, handed) = memory().map_err(no_page)?;
        let words = Arc::new(words);
        let held = robust::Held::take(&words, AT_HOLDER).map_err(no_page)?;
        let page = Self { words, identity, held, handed, file, path };
        page.word(AT_UNTIL).store(until, Ordering::Relaxed);
        page.word(AT_MAGIC).store(magic, Ordering::Relaxed);
        for index in (COUNTERS..WORDS).chain([AT_IDENTITY, AT_CHANGES]) {
            page.word(index).store(identity, Ordering::Release);
        }
        Ok(page)
    }

    /// Makes the file readable for the members of a group.
    pub(crate) fn share(&self, group: u32) -> io::Result<()> {
        fchown(&self.file, None, Some(Gid::from_raw(group)))?;
        Ok(fchmod(&self.file, Mode::from_raw_mode(0o640))?)
    }

    /// Returns the page's identity.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns the page as it is handed to modules, which map it.
    pub(crate) fn handed(&self) -> BorrowedFd<'_> {
        self.handed.as_fd()
    }

    /// A record changed, or is about to: what is kept of it no longer holds.
    pub(crate) fn moved(&self, token: Id, watched: Id) {
        self.advance(record_word(watched));
        self.advance(token_word(token));
        self.advance(AT_CHANGES);
    }

    /// Anything may have changed.
    pub(crate) fn all_moved(&self) {
        (COUNTERS..WORDS).chain([AT_CHANGES]).for_each(|index| self.advance(index));
    }

    /// An agent starts: from now on this page counts, and nothing that was kept by another holds, since
    /// changes may have been lost or recovered. The caller has neither served nor changed anything.
    pub(crate) fn started(&self) -> Result<()> {
        let failed = |error: io::Error| file::failed(&self.path, error);
        let [.., starts]: [u64; AT_STARTS + 1] = file::read(&self.file).map_err(failed)?;
        file::write(&self.file, AT_STARTS, &[starts.wrapping_add(1)]).map_err(failed)?;
        file::write(&self.file, AT_IDENTITY, &[self.identity]).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }

    /// The agent ends: who has mapped its page finds out whether another has started.
    pub(crate) fn ended(&self) {
        self.held.let_go();
    }

    /// Has the page be relied on until that uptime, later than before.
    pub(crate) fn rely_until(&self, uptime: Duration) {
        let until = u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX);
        self.word(AT_UNTIL).fetch_max(until, Ordering::AcqRel);
    }

    /// Returns the uptime until which the page may be relied on; none: for ever.
    pub(crate) fn relied_until(&self) -> Option<Duration> {
        let until = self.word(AT_UNTIL).load(Ordering::Acquire);
        (until > 0).then(|| Duration::from_nanos(until))
    }

    /// Publishes the store's high-water mark of time.
    pub(crate) fn set_mark(&self, mark: Seconds) {
        self.word(AT_MARK).store(mark, Ordering::Release);
    }

    /// Publishes by how much the store's time is ahead of the uptime since that start of the machine, in
    /// nanoseconds, and keeps it for the next agent.
    pub(crate) fn set_ahead(&self, nanoseconds: u64, boot: Boot) {
        self.word(AT_AHEAD).store(nanoseconds, Ordering::Release);
        let [first, second] = words_of(boot);
        if let Err(error) = file::write(&self.file, AT_AHEAD, &[nanoseconds, first, second]) {
            // The next agent goes on from the mark, which is somewhat older.
            log::error!("{}: the store's time is not kept: {error}", self.path.display());
        }
    }

    /// Returns the value that an earlier agent has kept, if that was since the same start of the machine.
    pub(crate) fn ahead(&self, boot: Boot) -> Option<u64> {
        let words: io::Result<[u64; AT_BOOT + 2]> = file::read(&self.file);
        match words {
            Ok([.., ahead, first, second]) => ([first, second] == words_of(boot)).then_some(ahead),
            Err(error) => {
                log::error!("{}: the store's time is not read: {error}", self.path.display());
                None
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn mark(&self) -> Seconds {
        self.word(AT_MARK).load(Ordering::Acquire)
    }

    fn advance(&self, index: usize) {
        self.word(index).fetch_add(1, Ordering::AcqRel);
    }

    /// Every index is one of this file's constants or bounded by one.
    #[allow(clippy::indexing_slicing)]
    fn word(&self, index: usize) -> &AtomicU64 {
        &self.words.words()[index]
    }
}

fn words_of(boot: Boot) -> [u64; 2] {
    let mut words = [0; 2];
    for (word, bytes) in words.iter_mut().zip(boot.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

/// A page of zeros that keeps its size, mapped for writing, and opened a second time to be read. It
/// cannot be mapped for writing after this, where the kernel knows that seal (Linux 5.1).
fn memory() -> io::Result<(WordsMut, OwnedFd)> {
    let memory = create()?;
    ftruncate(&memory, SIZE)?;
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW)?;
    let words = WordsMut::map(&memory, WORDS)?;
    match fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE | SealFlags::SEAL) {
        Err(Errno::INVAL) => fcntl_add_seals(&memory, SealFlags::SEAL)?,
        sealed => sealed?,
    }
    // Who has it to be read cannot open it anew to be written, unless it is the owner.
    fchmod(&memory, Mode::RUSR)?;
    let again = format!("/proc/self/fd/{}", memory.as_raw_fd());
    Ok((words, open(again, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
}

/// Creates the memory, which can never be run where the system demands that; older kernels do not know
/// it.
fn create() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(NAME, flags),
        made => made,
    }
}

fn random() -> Result<u64> {
    let mut bytes = [0; size_of::<u64>()];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Reason::General.detail("no random bytes"))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn no_page(error: io::Error) -> Error {
    Reason::AgentAbsent.detail(format_args!("a page for modules cannot be made: {error}"))
}
