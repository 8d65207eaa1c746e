//! Standard input and output that this program was started without. Rust opens /dev/null in their
//! place before `main`: what is written there would pass for delivered, and nothing for all there is.
#![allow(unsafe_code)]

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::stdio::{stdin, stdout};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static INPUT_CLOSED: AtomicBool = AtomicBool::new(false);
static OUTPUT_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to functions that the C library calls once before `main`, which
// a function of this type may be: it asks the kernel for two numbers and needs nothing of Rust's.
#[unsafe(link_section = ".init_array")]
#[used]
static BEFORE_MAIN: extern "C" fn() = look;

extern "C" fn look() {
    INPUT_CLOSED.store(fcntl_getfd(stdin()).is_err(), Ordering::Relaxed);
    OUTPUT_CLOSED.store(fcntl_getfd(stdout()).is_err(), Ordering::Relaxed);
}

/// Returns whether there is no standard input.
pub(crate) fn input_is_closed() -> bool {
    INPUT_CLOSED.load(Ordering::Relaxed)
}

/// Returns whether there is no standard output.
pub(crate) fn output_is_closed() -> bool {
    OUTPUT_CLOSED.load(Ordering::Relaxed)
}

/// Closes again what was closed, for a program that takes this one's place.
pub(crate) fn hand_on() -> io::Result<()> {
    if input_is_closed() {
        fcntl_setfd(stdin(), FdFlags::CLOEXEC)?;
    }
    if output_is_closed() {
        fcntl_setfd(stdout(), FdFlags::CLOEXEC)?;
    }
    Ok(())
}
