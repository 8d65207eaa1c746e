//! Memory that is reached word by word: pages that processes share, and pages of this process alone.

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// 64-bit words of a memory file (`memfd_create(2)`), mapped shared and read-only. The file is sealed
/// against shrinking: a read beyond the end of one that did shrink would kill the process.
pub(crate) struct Words(Mapping);

/// The same words, mapped for writing.
pub(crate) struct WordsMut(Mapping);

impl Words {
    /// Maps the first `count` words of `file`. Fails with `InvalidInput` where it has fewer or could lose
    /// some.
    pub(crate) fn map(file: impl AsFd, count: usize) -> io::Result<Self> {
        Mapping::of(file, count, ProtFlags::READ).map(Self)
    }

    /// Maps the words of another file in the place of these, at one moment for every thread that reads
    /// them. Fails as [`Self::map`] does; then these stay.
    pub(crate) fn remap(&self, file: impl AsFd) -> io::Result<()> {
        let Mapping { start, count } = self.0;
        check_lasting(&file, count)?;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: exactly the pages of this mapping are replaced, whose only users read them through
        // `load`; they are as long and as readable as before, for `check_lasting` has seen the new file.
        unsafe { mmap(start.as_ptr().cast(), self.0.length(), ProtFlags::READ, flags, file, 0) }?;
        Ok(())
    }

    /// Returns the word at `index`, with what was written before it; 0 beyond the end.
    pub(crate) fn load(&self, index: usize) -> u64 {
        self.0.words().get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }
}

impl WordsMut {
    /// Maps the first `count` words of `file`, which must be open for reading and writing. Fails as
    /// [`Words::map`] does.
    pub(crate) fn map(file: impl AsFd, count: usize) -> io::Result<Self> {
        Mapping::of(file, count, ProtFlags::READ | ProtFlags::WRITE).map(Self)
    }

    /// Returns the words.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }
}

pub(super) struct Mapping {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping is owned, stays where it is until it is dropped, and is only ever reached
// through atomics.
unsafe impl Send for Mapping {}
// SAFETY: the mapping is reached through `&[AtomicU64]` only, which threads may share; it is unmapped by the
// last owner.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn of(file: impl AsFd, count: usize, access: ProtFlags) -> io::Result<Self> {
        check_lasting(&file, count)?;
        let length = count * size_of::<AtomicU64>();
        // SAFETY: the address is the kernel's choice, so no memory in use is replaced.
        let start =
            unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, file, 0) }?;
        Self::owning(start, count)
    }

    pub(super) fn anonymous(count: usize, kind: MapFlags) -> io::Result<Self> {
        let length = count * size_of::<AtomicU64>();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the address is the kernel's choice, so no memory in use is replaced.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), length, access, kind) }?;
        Self::owning(start, count)
    }

    fn owning(start: *mut c_void, count: usize) -> io::Result<Self> {
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, count })
    }

    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `count` words are mapped from `start`, page-aligned, until `self` is dropped, and
        // `check_lasting` has seen that their file cannot lose them. Other processes change them, which
        // atomics allow; where they are mapped read-only, only [`Words`] reaches them, and an atomic load
        // of a word does not write.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }

    pub(super) fn start(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }

    pub(super) fn length(&self) -> usize {
        self.count * size_of::<AtomicU64>()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `start` and the length are those of one mapping that is borrowed no more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length()) };
        debug_assert!(unmapped.is_ok(), "the arguments are those of the mapping");
    }
}

/// Fails unless the file has that many words and will always have them.
fn check_lasting(file: impl AsFd, count: usize) -> io::Result<()> {
    let size = u64::try_from(fstat(&file)?.st_size).unwrap_or_default();
    let sealed = fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
    match sealed && size >= (count * size_of::<AtomicU64>()) as u64 {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a file that may be cut short while it is mapped",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Ordering, Words, WordsMut};
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    use std::io::ErrorKind;
    use std::os::fd::OwnedFd;

    fn memory(bytes: u64, seals: SealFlags) -> OwnedFd {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("words", flags).unwrap();
        ftruncate(&file, bytes).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        file
    }

    #[test]
    fn what_one_mapping_writes_another_reads() {
        let file = memory(4096, SealFlags::SHRINK);
        let (reader, writer) =
            (Words::map(&file, 512).unwrap(), WordsMut::map(&file, 512).unwrap());
        writer.words().last().unwrap().store(7, Ordering::Release);
        assert_eq!((reader.load(511), reader.load(512)), (7, 0));
    }

    #[test]
    fn a_file_that_is_too_short_or_can_be_cut_is_not_mapped() {
        let whole = memory(4096, SealFlags::SHRINK);
        let words = Words::map(&whole, 512).unwrap();
        let wrong = [memory(4088, SealFlags::SHRINK), memory(4096, SealFlags::GROW)];
        let on_disk = OwnedFd::from(tempfile::tempfile().unwrap());
        ftruncate(&on_disk, 4096).unwrap();
        for file in wrong.iter().chain([&on_disk]) {
            let kind = |error: std::io::Error| error.kind();
            assert_eq!(Words::map(file, 512).err().map(kind), Some(ErrorKind::InvalidInput));
            assert_eq!(words.remap(file).err().map(kind), Some(ErrorKind::InvalidInput));
        }
        WordsMut::map(&whole, 512).unwrap().words().last().unwrap().store(8, Ordering::Release);
        assert_eq!(words.load(511), 8, "what was mapped stays");
    }

    #[test]
    fn who_reads_while_words_are_replaced_reads_the_old_or_the_new() {
        let files = [1, 2].map(|number| {
            let file = memory(4096, SealFlags::SHRINK);
            WordsMut::map(&file, 512)
                .unwrap()
                .words()
                .first()
                .unwrap()
                .store(number, Ordering::Release);
            file
        });
        let words = Words::map(files.first().unwrap(), 512).unwrap();
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        assert!(matches!(words.load(0), 1 | 2));
                    }
                });
            }
            for file in files.iter().cycle().take(2001) {
                words.remap(file).unwrap();
            }
            ended.store(true, Ordering::Relaxed);
        });
        assert_eq!(words.load(0), 1);
    }
}
