//! The heap of the library and of the program. A block is wiped as it is freed, also where it only moves,
//! so that what was decoded, framed or grown leaves no copy in memory without an owner.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::ptr;

#[global_allocator]
static HEAP: Wiping<System> = Wiping(System);

/// An allocator that wipes each block before it gives it back.
struct Wiping<A>(A);

// SAFETY: every call goes to the allocator below with the layout it came with; a block is written only
// while it is the caller's, within its layout.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of the allocator below.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of the allocator below.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has the layout's size, and is in use no more.
        unsafe {
            wipe(block, layout.size());
            self.0.dealloc(block, layout);
        }
    }

    /// Moves the block: one that the allocator below moved would stay as it was.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` is a valid one for this alignment.
        let new = unsafe { self.0.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: two blocks, each at least as long as what is copied; the old one ends here.
            unsafe {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        new
    }
}

/// Overwrites a block with zeros, though they are never read. Most blocks are small, and few stores wipe
/// them without a call.
///
/// # Safety
/// `block` is valid for writes of `size` bytes.
#[inline(always)]
pub(super) unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: each pair of stores lies within `size` bytes, overlapping in the middle.
    unsafe {
        match size {
            0 => {}
            1..8 => ptr::write_bytes(block, 0, size),
            8..=16 => both_ends::<8>(block, size),
            17..=32 => both_ends::<16>(block, size),
            33..=64 => both_ends::<32>(block, size),
            65..=128 => both_ends::<64>(block, size),
            129..=256 => both_ends::<128>(block, size),
            _ => ptr::write_bytes(block, 0, size),
        }
        // The compiler has to believe that the zeros are read.
        std::arch::asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags));
    }
}

/// Wipes the stack below its caller, where functions that have returned may have left copies of secrets:
/// what the compiler moved, and buffers of libraries.
#[inline(never)]
pub(crate) fn wipe_stack() {
    let mut below = [MaybeUninit::<u8>::uninit(); STACK];
    // SAFETY: an array of that many bytes.
    unsafe { wipe(below.as_mut_ptr().cast(), STACK) };
}

/// Makes the C library map each long block by itself from now on, and unmap it as it is freed. Else glibc
/// does so only until the first one is freed, and then keeps some megabytes for each thread that had one.
pub(crate) fn give_long_blocks_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number, under the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LONG);
    }
}

/// From how many bytes on a block is long.
#[cfg(target_env = "gnu")]
const LONG: libc::c_int = 512 << 10;

/// The depth of functions with secrets on the stack, in bytes.
const STACK: usize = 16 << 10;

/// # Safety
/// `block` is valid for writes of `size` bytes, `N` to `2 * N`.
#[inline(always)]
unsafe fn both_ends<const N: usize>(block: *mut u8, size: usize) {
    // SAFETY: the first and the last `N` bytes.
    unsafe {
        block.cast::<[u8; N]>().write_unaligned([0; N]);
        block.add(size - N).cast::<[u8; N]>().write_unaligned([0; N]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Looks at each block that comes back.
    struct Looking(AtomicUsize);

    // SAFETY: the system's allocator, but for a look at blocks that are in use no more.
    unsafe impl GlobalAlloc for Looking {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are those of the system's allocator.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the block is whole until it is freed.
            unsafe {
                let left = std::slice::from_raw_parts(block, layout.size());
                assert!(left.iter().all(|byte| *byte == 0), "{layout:?} comes back as it was");
                System.dealloc(block, layout);
            }
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A block filled with ones.
    fn filled(heap: &Wiping<Looking>, layout: Layout) -> *mut u8 {
        // SAFETY: no size is zero; the block is as long as what is written.
        unsafe {
            let block = heap.alloc(layout);
            ptr::write_bytes(block, 1, layout.size());
            block
        }
    }

    #[test]
    fn a_block_of_any_size_is_wiped_as_it_is_freed_and_as_it_grows_or_shrinks() {
        let heap = Wiping(Looking(AtomicUsize::new(0)));
        let sizes: Vec<usize> = (1..600).chain([4096, 100_000]).collect();
        for &size in &sizes {
            let layout = Layout::from_size_align(size, 8).unwrap_or_else(|_| Layout::new::<u8>());
            for new in [size * 2, size.div_ceil(2)] {
                let block = filled(&heap, layout);
                // SAFETY: the block has this layout; the new one has `new` bytes and its alignment.
                unsafe {
                    let moved = heap.realloc(block, layout, new);
                    let kept = std::slice::from_raw_parts(moved, size.min(new));
                    assert!(kept.iter().all(|byte| *byte == 1));
                    heap.dealloc(moved, Layout::from_size_align_unchecked(new, 8));
                }
            }
        }
        assert_eq!(heap.0.0.load(Ordering::Relaxed), sizes.len() * 4);
    }
}
