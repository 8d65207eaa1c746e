//! Tests of the vault: blocks, and what a child and a dump see of them.
#![allow(clippy::unwrap_used)]

use super::*;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::HashSet;
use std::time::Instant;

/// A block of `size` bytes, all of them ones.
fn filled(size: usize) -> NonNull<u8> {
    let block = allocate(size).unwrap();
    // SAFETY: a new block of at least `size` bytes.
    unsafe {
        assert!(std::slice::from_raw_parts(block.as_ptr(), size).iter().all(|byte| *byte == 0));
        block.write_bytes(1, size);
    }
    block
}

#[test]
fn blocks_are_zero_aligned_apart_and_used_again() {
    let sizes: Vec<usize> = (1..2100).chain([4096, 5000, MAX_BLOCK - 1, MAX_BLOCK]).collect();
    for _ in 0..3 {
        let mut blocks: Vec<_> = sizes.iter().map(|size| (filled(*size), *size)).collect();
        assert!(blocks.iter().all(|(block, _)| holds(block.as_ptr())));
        assert!(blocks.iter().all(|(block, _)| block.addr().get().is_multiple_of(GRAIN)));
        blocks.sort();
        for pair in blocks.windows(2) {
            let [(one, size), (next, _)] = pair else { unreachable!() };
            assert!(one.addr().get() + size <= next.addr().get());
        }
        for (block, size) in blocks {
            // SAFETY: allocated for that size above.
            unsafe { free(block, size) };
        }
    }
    let again: HashSet<_> = (0..100)
        .map(|_| {
            let block = filled(48_000);
            // SAFETY: allocated for that size a line above.
            unsafe { free(block, 48_000) };
            block
        })
        .collect();
    // Other tests take blocks too.
    assert!(again.len() < 100, "a freed block is the next one of its size");
}

#[test]
fn nothing_and_what_is_too_long_has_no_block_and_lies_on_the_heap() {
    assert_eq!((allocate(0), allocate(MAX_BLOCK + 1)), (None, None));
    let long = VaultBytes::copy_of(&vec![7; MAX_BLOCK + 1]);
    assert!(!holds(long.as_ptr()) && long.iter().all(|byte| *byte == 7));
    assert_eq!(&*VaultBytes::copy_of(&[]), &[0_u8; 0]);
    assert!(holds(VaultBytes::copy_of(b"short").as_ptr()));
}

#[test]
fn threads_share_it() {
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for round in 0..2000 {
                    let held = [33, 200, 1500].map(|size| VaultBytes::copy_of(&vec![thread; size]));
                    assert!(
                        held.iter().all(|one| one.iter().all(|byte| *byte == thread)),
                        "{round}"
                    );
                }
            });
        }
    });
}

/// Runs `look` in a forked child; whether it says yes.
fn in_a_child(look: impl Fn() -> bool) -> bool {
    // SAFETY: the child calls only what allocates nothing on the heap, and `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let code = i32::from(!look());
        // SAFETY: leaves without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is a number on this stack, valid for the call's one write.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status == 0
}

#[test]
fn a_child_finds_zeros_and_an_empty_vault_whose_lock_is_free() {
    let secret = VaultBytes::copy_of(&[9; 100]);
    let locked = LockedVault::of(pages().unwrap());
    let wiped = in_a_child(|| secret.iter().all(|byte| *byte == 0));
    let works = in_a_child(|| {
        let (one, two) = (VaultBytes::copy_of(&[1; 100]), VaultBytes::copy_of(&[2; 100]));
        *one == [1; 100] && *two == [2; 100] && one.as_ptr() != two.as_ptr()
    });
    drop(locked);
    assert!(wiped && works);
    assert_eq!(*secret, [9; 100], "the parent's");
}

#[test]
fn a_child_takes_back_no_block_of_its_parents() {
    // The child's first block may be the parent's first, and no other.
    let (one, two) = (VaultBytes::copy_of(&[9; 100]), VaultBytes::copy_of(&[9; 100]));
    let secret = if one.start > two.start { one } else { two };
    let apart = in_a_child(|| {
        // SAFETY: what the parent's header says of the block is not the child's.
        unsafe { free(secret.start, 100) };
        allocate(100) != Some(secret.start)
    });
    assert!(apart);
}

/// Moves this thread to the first of the processors that it may have; where `fifo`, it yields to no
/// ordinary thread there. Whether that is allowed.
fn on_one_processor(fifo: bool) -> bool {
    let mut all = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    all.clear();
    all.set(first);
    sched_setaffinity(None, &all).unwrap();
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter lives as long as the call, which is about this thread.
    !fifo || unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) } == 0
}

/// Without that the kernel ends it, after 0.95 s or never.
#[test]
fn a_real_time_thread_that_waits_lets_the_holder_go_on() {
    let (held, waits) = (AtomicBool::new(false), AtomicBool::new(false));
    let is_set = |flag: &AtomicBool| {
        while !flag.load(Ordering::Acquire) {
            std::thread::sleep(NAP);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            on_one_processor(false);
            let locked = LockedVault::of(pages().unwrap());
            held.store(true, Ordering::Release);
            is_set(&waits);
            drop(locked);
        });
        let waited = scope.spawn(|| {
            is_set(&held);
            let allowed = on_one_processor(true);
            waits.store(true, Ordering::Release);
            let began = Instant::now();
            drop(LockedVault::of(pages().unwrap()));
            allowed.then(|| began.elapsed())
        });
        let Some(waited) = waited.join().unwrap() else { return eprintln!("not allowed here") };
        assert!(waited < Duration::from_millis(700), "{waited:?}");
    });
}
