//! A word of shared memory that the kernel marks when this process dies, for whatever reason: a robust
//! futex (`set_robust_list(2)`), held by a thread that does nothing else.

use super::mapped_words::{Mapping, WordsMut};
use rustix::mm::MapFlags;
use rustix::thread::gettid;
use std::ffi::{c_long, c_void};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// The bits of a futex that name the thread which holds it.
const HOLDER: u32 = 0x3FFF_FFFF;

/// Returns whether a word is one whose process lives and holds it.
pub(crate) fn is_held(word: u64) -> bool {
    word & first_half(HOLDER) != 0
}

/// A futex is the 32 bits at the word's address.
fn first_half(futex: u32) -> u64 {
    let [a, b, c, d] = futex.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])
}

/// Holds a word until it is dropped. Where the kernel keeps no such lists, the word is never held.
pub(crate) struct Held {
    words: Arc<WordsMut>,
    index: usize,
    /// Ends the thread when it is dropped.
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Held {
    /// Takes the word at `index`.
    pub(crate) fn take(words: &Arc<WordsMut>, index: usize) -> io::Result<Self> {
        let (held, taken) = sync_channel(1);
        let (end, ended) = channel();
        let mapped = Arc::clone(words);
        let keep = move || {
            if let Some(word) = mapped.words().get(index) {
                hold(word, &held, &ended);
            }
        };
        let thread = Builder::new().name("alive".into()).spawn(keep)?;
        if taken.recv().is_ok_and(|holds| !holds) {
            log::warn!("the kernel keeps no robust futexes: modules look at a file instead");
        }
        Ok(Self { words: Arc::clone(words), index, keeper: Some((end, thread)) })
    }

    /// Releases the word, for good.
    pub(crate) fn let_go(&self) {
        if let Some(word) = self.words.words().get(self.index) {
            word.store(0, Ordering::Release);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
        if let Some((end, thread)) = self.keeper.take() {
            drop(end);
            // It does nothing that could fail.
            let _ended = thread.join();
        }
    }
}

/// The kernel's `struct robust_list`.
#[repr(C)]
struct RobustEntry {
    next: *const RobustEntry,
}

/// The kernel's `struct robust_list_head`.
#[repr(C)]
struct RobustHead {
    list: RobustEntry,
    /// From an entry to its futex, in bytes.
    futex_offset: c_long,
    pending: *const RobustEntry,
}

/// The list of a thread that holds one word.
#[repr(C)]
struct RobustList {
    head: RobustHead,
    entry: RobustEntry,
}

/// Puts the word on this thread's list, says whether that can be done, and waits for the end.
fn hold(word: &AtomicU64, held: &SyncSender<bool>, ended: &Receiver<()>) {
    let list = listing(word).ok();
    let holds = list.as_ref().is_some_and(|list| set_list(list.start()));
    if holds {
        let thread = gettid().as_raw_nonzero().get().unsigned_abs();
        word.store(first_half(thread), Ordering::Release);
    }
    // The next taker of the word waits for this.
    let _told = held.send(holds);
    // The channel is closed when the word has been let go.
    let _closed = ended.recv();
    set_list(std::ptr::null());
}

/// The list with that word. It lies in shared memory: where the kernel ends a process for want of memory, it
/// may take what is private back before it goes through the list.
fn listing(word: &AtomicU64) -> io::Result<Mapping> {
    let words = size_of::<RobustList>().div_ceil(size_of::<u64>());
    let memory = Mapping::anonymous(words, MapFlags::SHARED)?;
    let list = memory.start().cast::<RobustList>();
    // SAFETY: new memory, aligned to pages and as long as a list, which nothing else reads or writes until the
    // kernel does; the addresses are only taken.
    unsafe {
        let (head, entry) = (&raw const (*list).head.list, &raw const (*list).entry);
        let distance = (word.as_ptr() as usize).wrapping_sub(entry as usize);
        list.write(RobustList {
            head: RobustHead {
                list: RobustEntry { next: entry },
                futex_offset: distance as c_long,
                pending: std::ptr::null(),
            },
            entry: RobustEntry { next: head },
        });
    }
    Ok(memory)
}

/// Sets the list that the kernel goes through when this thread ends. It takes the place of the C library's,
/// which has only mutexes that this thread never locks.
fn set_list(head: *const c_void) -> bool {
    // SAFETY: the kernel reads the list when this thread ends, not now. `hold` takes it back before the
    // list and the word's mapping go; a process that dies in between still has both.
    unsafe { libc::syscall(libc::SYS_set_robust_list, head, size_of::<RobustHead>()) == 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Held, WordsMut, channel, hold, is_held, sync_channel};
    use crate::sys::Words;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn memory() -> (Arc<WordsMut>, Words) {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("held", flags).unwrap();
        ftruncate(&file, 4096).unwrap();
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        (Arc::new(WordsMut::map(&file, 512).unwrap()), Words::map(&file, 512).unwrap())
    }

    #[test]
    fn a_word_is_held_until_it_is_let_go() {
        let (words, seen) = memory();
        assert!(!is_held(seen.load(3)));
        let held = Held::take(&words, 3).unwrap();
        assert!(is_held(seen.load(3)));
        held.let_go();
        assert!(!is_held(seen.load(3)));
        drop(held);
        let again = Held::take(&words, 3).unwrap();
        assert!(is_held(seen.load(3)));
        drop(again);
        assert!(!is_held(seen.load(3)));
    }

    /// Returns the address of that thread's list.
    fn list_of(thread: u64) -> usize {
        let (mut head, mut size) = (0_usize, 0_usize);
        // SAFETY: both are valid for writes.
        let asked = unsafe {
            libc::syscall(libc::SYS_get_robust_list, thread, &raw mut head, &raw mut size)
        };
        assert_eq!((asked, size), (0, size_of::<super::RobustHead>()));
        head
    }

    #[test]
    fn the_list_lies_where_the_kernel_leaves_it_when_memory_is_short() {
        let (words, seen) = memory();
        let _held = Held::take(&words, 3).unwrap();
        let list = list_of(seen.load(3));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let holds = |line: &&str| {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).unwrap());
            (start..end).contains(&list)
        };
        let line = maps.lines().find(holds).unwrap();
        assert!(line.contains(" rw-s "), "{line}");
    }

    #[test]
    fn the_kernel_lets_go_of_what_a_killed_process_held() {
        let (words, seen) = memory();
        let word = words.words().get(3).unwrap();
        let ((held, _taken), (_end, ended)) = (sync_channel(1), channel());
        // SAFETY: the child holds a word, which allocates nothing, and waits to be killed.
        let child = unsafe { libc::fork() };
        if child == 0 {
            hold(word, &held, &ended);
        }
        let began = Instant::now();
        while !is_held(seen.load(3)) {
            assert!(began.elapsed() < Duration::from_secs(30), "it is never held");
            std::thread::yield_now();
        }
        let mut status = 0;
        // SAFETY: the child is this test's own, and `status` is valid for writes.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
        }
        assert!(!is_held(seen.load(3)));
        assert_ne!(seen.load(3), 0, "the kernel's own mark");
    }
}
