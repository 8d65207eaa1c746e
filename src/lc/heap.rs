//! The memory of AWS-LC's objects: the heap, wiped as they are freed, and those that hold a key for long
//! in the [vault].
//!
//! A block begins with its size (8 bytes), as AWS-LC's own blocks do, so that it does not matter which of
//! the two has made one that the other frees.

use crate::sys::heap::wipe_stack;
use crate::sys::vault;
use aws_lc_sys::*;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{NonNull, copy_nonoverlapping, null_mut};

const PREFIX: usize = size_of::<usize>();

thread_local! {
    static KEEPS: Cell<bool> = const { Cell::new(false) };
    static SEEDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `make` with AWS-LC's objects in the vault: what it makes is a parsed key, or a context that holds
/// one.
pub(super) fn kept<R>(make: impl FnOnce() -> R) -> R {
    // The generator's state is this thread's, and made at its first use: a child goes on with it.
    if !SEEDED.replace(true) {
        let mut byte = [0];
        // SAFETY: `byte` is valid for writes of its length.
        unsafe { RAND_bytes(byte.as_mut_ptr(), byte.len()) };
    }
    let _kept = Keeping(KEEPS.replace(true));
    make()
}

/// The same for a private key, of which AWS-LC leaves copies on the stack while it checks it.
pub(super) fn kept_private<R>(make: impl FnOnce() -> R) -> R {
    let made = kept(make);
    wipe_stack();
    made
}

/// The earlier setting, which returns when this is dropped, by a panic too.
struct Keeping(bool);

impl Drop for Keeping {
    fn drop(&mut self) {
        KEEPS.set(self.0);
    }
}

/// Runs as the library is loaded or the program starts, while there is one thread: AWS-LC can be given an
/// allocator once, and reads it without a lock.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = install;

extern "C" fn install() {
    // SAFETY: the functions are an allocator, whose blocks AWS-LC's own can free and the other way round.
    // Where it refuses them, it goes on with its own.
    unsafe { CRYPTO_set_mem_functions(Some(allocate), Some(reallocate), Some(free)) };
}

unsafe extern "C" fn allocate(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    let Some(whole) = size.checked_add(PREFIX) else { return null_mut() };
    let block = match KEEPS.get() {
        true => vault::allocate(whole).map_or_else(|| on_heap(whole), NonNull::as_ptr),
        false => on_heap(whole),
    };
    if block.is_null() {
        return null_mut();
    }
    // SAFETY: a block of at least `whole` bytes, aligned to 16.
    unsafe {
        block.cast::<usize>().write(size);
        block.add(PREFIX).cast()
    }
}

fn on_heap(size: usize) -> *mut u8 {
    // SAFETY: takes any size.
    unsafe { libc::malloc(size).cast() }
}

unsafe extern "C" fn free(start: *mut c_void, _file: *const c_char, _line: c_int) {
    // SAFETY: AWS-LC frees no null pointer, and each block once; before it stands its size, and `malloc` or
    // the vault has made it for that size and the prefix.
    unsafe {
        let block = start.cast::<u8>().sub(PREFIX);
        let whole = block.cast::<usize>().read() + PREFIX;
        match NonNull::new(block).filter(|_| vault::holds(block)) {
            Some(block) => vault::free(block, whole),
            None => {
                OPENSSL_cleanse(block.cast(), whole);
                libc::free(block.cast());
            }
        }
    }
}

unsafe extern "C" fn reallocate(
    start: *mut c_void,
    size: usize,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    // SAFETY: AWS-LC reallocates no null pointer; before a block stands its size, and the new one has `size`
    // bytes.
    unsafe {
        let before = start.cast::<u8>().sub(PREFIX).cast::<usize>().read();
        let new = allocate(size, file, line);
        if !new.is_null() {
            copy_nonoverlapping(start.cast::<u8>(), new.cast(), before.min(size));
            free(start, file, line);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a block of that many bytes lies in the vault.
    fn lies_in_the_vault(size: usize) -> bool {
        // SAFETY: a new block, freed once.
        unsafe {
            let block = OPENSSL_malloc(size);
            let held = vault::holds(block);
            OPENSSL_free(block);
            held
        }
    }

    #[test]
    fn what_is_made_to_be_kept_lies_in_the_vault_and_nothing_else_does() {
        assert!(!lies_in_the_vault(100));
        assert!(kept(|| lies_in_the_vault(100)));
        assert!(kept(|| kept(|| lies_in_the_vault(100)) && lies_in_the_vault(1)));
        assert!(!kept(|| lies_in_the_vault(1 << 20)), "there is no room for it");
        assert!(
            std::panic::catch_unwind(|| kept(|| std::panic::resume_unwind(Box::new(())))).is_err()
        );
        assert!(!lies_in_the_vault(100));
    }

    #[test]
    fn a_block_grows_and_shrinks_in_and_out_of_the_vault() {
        // SAFETY: each block is written within its size and ends with the next reallocation.
        unsafe {
            let mut block = kept(|| OPENSSL_malloc(10)).cast::<u8>();
            block.write_bytes(7, 10);
            for (keep, size) in [(true, 500), (false, 2000), (true, 20), (false, 10)] {
                let grow = || OPENSSL_realloc(block.cast(), size).cast::<u8>();
                block = if keep { kept(grow) } else { grow() };
                assert_eq!(vault::holds(block), keep);
                assert_eq!(std::slice::from_raw_parts(block, 10), [7; 10]);
            }
            OPENSSL_free(block.cast());
        }
    }
}
