//! The vault: pages for secrets that live long. A forked child finds them wiped, and a dump of the
//! process's memory leaves them out.
//!
//! | bytes | what |
//! |---|---|
//! | 0 … | the header: a lock, how much was ever used, the free blocks of each size |
//! | … 64 MiB | blocks of multiples of 16 bytes up to 1 KiB, then of powers of two up to 64 KiB |
//!
//! A free block is all zero but for the place of the next one of its size. The header lies in the
//! pages themselves: to a child, in which all of it reads zero, the vault is empty and no thread holds
//! its lock. Where the kernel has no such pages (before Linux 4.14, some sandboxes) there is no
//! vault, and secrets lie on the heap.

use super::heap::wipe;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::{NonNull, copy_nonoverlapping, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

/// The address space of the vault, in bytes. Only what is used takes memory.
const SPACE: usize = 64 << 20;

const GRAIN: usize = 16;

/// Up to this size there is a class of blocks for each multiple of the grain.
const SMALL: usize = 1 << 10;

/// The longest block.
const MAX_BLOCK: usize = 64 << 10;

const CLASSES: usize = SMALL / GRAIN + (MAX_BLOCK / SMALL).ilog2() as usize;

/// The looks at a lock that is held after which its holder is given the processor; after so many more by
/// sleeping that long.
const SPINS: u32 = 64;
const YIELDED: u32 = 16 * SPINS;
const NAP: Duration = Duration::from_micros(50);

/// The pages; null before they are first needed, [`NONE`] where there are none.
static PAGES: AtomicPtr<VaultHeader> = AtomicPtr::new(null_mut());

const NONE: *mut VaultHeader = std::ptr::without_provenance_mut(align_of::<VaultHeader>());

/// All zero at the beginning, and in a child.
#[repr(C)]
struct VaultHeader {
    lock: AtomicBool,
    /// The number of bytes behind the header that were ever given out.
    used: usize,
    /// The offset of a free block of each class, in bytes from the beginning; 0 where none is free.
    free: [usize; CLASSES],
}

const FIRST: usize = size_of::<VaultHeader>().next_multiple_of(GRAIN);

/// Returns the class of blocks that take `size` bytes, and their size.
fn class(size: usize) -> Option<(usize, usize)> {
    if size == 0 || size > MAX_BLOCK {
        return None;
    }
    if size <= SMALL {
        let grains = size.div_ceil(GRAIN);
        return Some((grains - 1, grains * GRAIN));
    }
    let rounded = size.next_power_of_two();
    let beyond = (rounded / SMALL).ilog2() as usize;
    Some((SMALL / GRAIN + beyond - 1, rounded))
}

/// Returns a block of at least `size` bytes, all zero and aligned to 16 bytes; none where there is no vault,
/// no room left, or the size is zero or above 64 KiB.
pub(crate) fn allocate(size: usize) -> Option<NonNull<u8>> {
    let (class, size) = class(size)?;
    let header = LockedVault::of(pages()?);
    let place = header.take(class, size)?;
    drop(header);
    // SAFETY: `take` answers places whose block ends within the `SPACE` bytes of the pages, which stay mapped
    // for good.
    NonNull::new(unsafe { pages()?.cast::<u8>().byte_add(place) })
}

/// Wipes a block and takes it back.
///
/// # Safety
/// The block is one of [`allocate`]'s for the same size, and it is in use no more.
pub(crate) unsafe fn free(block: NonNull<u8>, size: usize) {
    let (Some((class, size)), Some(pages)) = (class(size), pages()) else { return };
    // SAFETY: a block of this class has `size` bytes.
    unsafe { wipe(block.as_ptr(), size) };
    LockedVault::of(pages).give(class, block.addr().get() - pages.addr());
}

/// Returns whether an address is a block's of the vault.
#[inline]
pub(crate) fn holds<T>(address: *const T) -> bool {
    let pages = PAGES.load(Ordering::Acquire);
    pages != NONE && !pages.is_null() && address.addr().wrapping_sub(pages.addr()) < SPACE
}

/// The pages, mapped at the first call.
fn pages() -> Option<*mut VaultHeader> {
    match PAGES.load(Ordering::Acquire) {
        NONE => None,
        pages if pages.is_null() => map_once(),
        pages => Some(pages),
    }
}

/// Maps the pages, unless another thread was faster.
#[cold]
fn map_once() -> Option<*mut VaultHeader> {
    let mapped = map().unwrap_or(NONE);
    let installed = PAGES.compare_exchange(null_mut(), mapped, Ordering::AcqRel, Ordering::Acquire);
    if installed.is_err() && mapped != NONE {
        // SAFETY: `map` has mapped these pages in this call, and as they were not published in `PAGES`, no
        // pointer leads there.
        let _unmapped = unsafe { munmap(mapped.cast(), SPACE) };
    }
    pages()
}

fn map() -> rustix::io::Result<*mut VaultHeader> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let kind = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: the address is the kernel's choice, so no memory in use is replaced.
    let start = unsafe { mmap_anonymous(null_mut(), SPACE, access, kind)? };
    let advice = [Advice::LinuxWipeOnFork, Advice::LinuxDontDump];
    // SAFETY: `start` is what `mmap_anonymous` just returned for `SPACE` bytes, and no other pointer leads
    // there yet.
    let advised =
        advice.into_iter().try_for_each(|advice| unsafe { madvise(start, SPACE, advice) });
    match advised {
        Ok(()) => {
            // SAFETY: `start` and `SPACE` are those of the mapping above, still this function's alone. Huge
            // pages would only take more memory; some kernels have none.
            let _small = unsafe { madvise(start, SPACE, Advice::LinuxNoHugepage) };
            Ok(start.cast())
        }
        Err(error) => {
            // SAFETY: `start` and `SPACE` are those of the mapping above, and no other pointer leads there.
            unsafe { munmap(start, SPACE)? };
            Err(error)
        }
    }
}

/// The header, while this thread alone has it.
struct LockedVault(*mut VaultHeader);

impl LockedVault {
    fn of(pages: *mut VaultHeader) -> Self {
        // SAFETY: the pages are mapped for good, and only ever locked through this reference.
        let lock = unsafe { &(*pages).lock };
        let mut tries = 0_u32;
        while lock.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            tries = tries.wrapping_add(1);
            // Its holder has a few instructions to go, unless another thread has taken its processor:
            // this one, where it is a real-time thread, which does not yield to others.
            match tries {
                _ if !tries.is_multiple_of(SPINS) => std::hint::spin_loop(),
                ..YIELDED => std::thread::yield_now(),
                _ => std::thread::sleep(NAP),
            }
        }
        Self(pages)
    }

    /// The place of a block of that class.
    fn take(&self, class: usize, size: usize) -> Option<usize> {
        // SAFETY: the lock is held, so that no other thread reads or writes beside it; a free block is as long as
        // a place, and in the pages.
        unsafe {
            let head = (&raw mut (*self.0).free).cast::<usize>().add(class);
            match *head {
                0 => {
                    let place = FIRST + (*self.0).used;
                    (*self.0).used += if place + size <= SPACE { size } else { return None };
                    Some(place)
                }
                place => {
                    let next = self.0.cast::<u8>().byte_add(place).cast::<usize>();
                    *head = next.replace(0);
                    Some(place)
                }
            }
        }
    }

    /// Takes a wiped block back, unless it is one that a child has inherited.
    fn give(&self, class: usize, place: usize) {
        // SAFETY: `self` holds the lock, so that no other thread reads or writes beside it. `place` is the start
        // of a block that its owner has just given up, and below `used`, so in the pages; `free` has an entry
        // for each class.
        unsafe {
            if place < FIRST + (*self.0).used {
                let head = (&raw mut (*self.0).free).cast::<usize>().add(class);
                self.0.cast::<u8>().byte_add(place).cast::<usize>().write(*head);
                *head = place;
            }
        }
    }
}

impl Drop for LockedVault {
    fn drop(&mut self) {
        // SAFETY: the pages are mapped for good, and `of` has taken the lock, which this ends.
        unsafe { (*self.0).lock.store(false, Ordering::Release) };
    }
}

/// Bytes in the vault; on the heap where it has no room for them. Wiped when they are dropped.
pub(crate) struct VaultBytes {
    start: NonNull<u8>,
    len: usize,
    /// The number of bytes that the block was made for.
    room: usize,
}

// SAFETY: the block is owned, and reached through borrows of its owner only.
unsafe impl Send for VaultBytes {}
// SAFETY: a shared borrow of the owner only reads the block: what changes it takes `&mut self`.
unsafe impl Sync for VaultBytes {}

impl VaultBytes {
    /// Copies bytes into the vault.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let (len, layout) = (bytes.len(), on_heap(bytes.len()));
        let start = allocate(len).or_else(|| {
            // SAFETY: `on_heap` makes a layout of at least one byte.
            NonNull::new(unsafe { alloc(layout) })
        });
        let Some(start) = start else { handle_alloc_error(layout) };
        // SAFETY: `allocate` and `alloc` made the block for at least `len` bytes just now, so that `bytes`
        // cannot overlap it; null was sent to `handle_alloc_error`.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), len) };
        Self { start, len, room: len }
    }

    /// Shortens to `len` bytes, if there are more. The rest stays as it is until the drop.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// The layout of `len` bytes where they lie on the heap. One byte where there is none, so that there is
/// a block.
fn on_heap(len: usize) -> Layout {
    Layout::array::<u8>(len.max(1)).unwrap_or(Layout::new::<u8>())
}

impl Deref for VaultBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes of the block were written by `copy_of`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for VaultBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes of the block were written by `copy_of`, and `&mut self` is the only borrow of
        // their only owner.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for VaultBytes {
    fn drop(&mut self) {
        // SAFETY: `copy_of` has made the block for this length, in the vault or with this layout.
        unsafe {
            match holds(self.start.as_ptr()) {
                true => free(self.start, self.room),
                false => dealloc(self.start.as_ptr(), on_heap(self.room)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
